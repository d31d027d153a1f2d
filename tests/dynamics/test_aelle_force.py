"""FORCE: recursive least squares, matrices of two kinds, the closed loop and its exponents."""

import dataclasses

import numpy as np
import pytest
import torch

from neurotutor.dynamics import aelle
from neurotutor.dynamics.aelle import ForceConfig, force, force_runs
from neurotutor.dynamics.lyapunov_rnn import jacobian
from tests.harness import oracle, planted, relative_error

SMALL = ForceConfig(n_neurons=30, period=60, train_epochs=2, test_epochs=1)


def draw(runs=2, n=30, gain=1.5, seed=0):
    recurrent = torch.stack([aelle.sparse_matrix(n, gain, 0.3, seed=seed + r) for r in range(runs)])
    feedback = torch.as_tensor(np.random.default_rng(seed).uniform(-1, 1, (runs, n)))
    return recurrent, feedback


@oracle("eq-aelle-rate")
def test_equation_rate():
    recurrent, feedback = draw(runs=2, n=5)
    x = torch.randn(2, 5, dtype=torch.float64)
    z = torch.randn(2, dtype=torch.float64)
    new, rates = aelle.force_step(x, z, recurrent, feedback, 0.1)
    slow = np.zeros((2, 5))
    for run in range(2):
        for i in range(5):
            pull = 0.0
            for j in range(5):
                pull += float(recurrent[run, i, j]) * np.tanh(float(x[run, j]))
            slow[run, i] = 0.9 * float(x[run, i]) + 0.1 * (
                pull + float(feedback[run, i]) * float(z[run])
            )
    assert relative_error(new, slow) < 1e-12
    assert relative_error(rates, np.tanh(slow)) < 1e-12


def slow_rls(p, w, r, error):
    n = len(r)
    pr = [sum(p[i][j] * r[j] for j in range(n)) for i in range(n)]
    denominator = 1 + sum(r[i] * pr[i] for i in range(n))
    k = [each / denominator for each in pr]
    p = [[p[i][j] - k[i] * pr[j] for j in range(n)] for i in range(n)]
    return p, [w[i] - error * k[i] for i in range(n)]


@oracle("eq-aelle-rls")
def test_equation_rls():
    rng = np.random.default_rng(0)
    p, w = torch.eye(6, dtype=torch.float64).repeat(2, 1, 1), torch.zeros(2, 6).double()
    slow = [(np.eye(6).tolist(), [0.0] * 6) for _ in range(2)]
    for _ in range(5):
        r, error = rng.normal(size=(2, 6)), rng.normal(size=2)
        aelle.rls_update(p, w, torch.as_tensor(r), torch.as_tensor(error))
        slow = [slow_rls(*slow[run], r[run], error[run]) for run in range(2)]
    assert relative_error(p, [each[0] for each in slow]) < 1e-12
    assert relative_error(w, [each[1] for each in slow]) < 1e-12


def teacher_forced(module=force):
    """Rates visited under teacher forcing, and what recursive least squares made of them."""
    recurrent, feedback = draw()
    target = aelle.random_target(SMALL, seed=3)
    config = dataclasses.replace(SMALL, penalty=2.0)
    result = module.force_train(recurrent, feedback, target, config, seed=4, teacher=True)
    start = torch.Generator().manual_seed(4)
    first = 0.5 * torch.randn(2, 31, generator=start, dtype=torch.float64)
    x, z, visited, wanted = first[:, :30], first[:, 30], [], []
    for step, now in enumerate(target.repeat(config.train_epochs), 1):
        x = 0.9 * x + 0.1 * (
            torch.einsum("rij,rj->ri", recurrent, torch.tanh(x)) + feedback * z[:, None]
        )
        if step % 2 == 0:
            visited.append(torch.tanh(x).numpy())
            wanted.append(float(now))
        z = now.expand(2)
    return result, np.array(visited), np.array(wanted)


def test_recursive_least_squares_is_ridge_regression():
    result, visited, wanted = teacher_forced()
    for run in range(2):
        rates = visited[:, run]
        gram = rates.T @ rates + 2.0 * np.eye(30)
        assert relative_error(result.readout[run], np.linalg.solve(gram, rates.T @ wanted)) < 1e-6
        assert relative_error(result.correlation[run], np.linalg.inv(gram)) < 1e-6


def test_the_correlation_stays_symmetric_and_positive():
    recurrent, feedback = draw()
    result = aelle.force_train(
        recurrent, feedback, aelle.random_target(SMALL, seed=0), SMALL, seed=0
    )
    p = result.correlation
    assert relative_error(p, p.mT) < 1e-12
    assert (torch.linalg.eigvalsh(p) > 0).all()


def test_many_runs_are_each_run():
    recurrent, feedback = draw(runs=3)
    targets = torch.stack([aelle.random_target(SMALL, seed=s) for s in range(3)])
    config = dataclasses.replace(SMALL, train_epochs=1)
    together = aelle.force_train(recurrent, feedback, targets, config, seed=0)
    start = torch.Generator().manual_seed(0)
    first = 0.5 * torch.randn(3, 31, generator=start, dtype=torch.float64)
    x, z = first[1:2, :30], first[1:2, 30]
    w, p = torch.zeros(1, 30).double(), torch.eye(30).double()[None]
    for step, now in enumerate(targets[1], 1):
        x, r = aelle.force_step(x, z, recurrent[1:2], feedback[1:2], 0.1)
        z = (w * r).sum(dim=1)
        if step % 2 == 0:
            aelle.rls_update(p, w, r, z - now)
    assert relative_error(together.readout[1], w[0]) < 1e-10
    assert relative_error(together.state[1], x[0]) < 1e-10


@pytest.mark.parametrize("seed", range(4))
def test_a_constant_is_learned(seed):
    config = ForceConfig(n_neurons=60, period=500, train_epochs=4, test_epochs=1)
    recurrent, feedback = draw(runs=1, n=60, gain=1.2, seed=seed)
    target = torch.full((500,), 0.5, dtype=torch.float64)
    result = aelle.force_train(recurrent, feedback, target, config, seed=seed)
    ran, error = aelle.force_run(result, recurrent, feedback, target, config)
    assert ran.shape == (500, 1)
    assert float(error[0]) < 1e-3


def test_targets_run_from_minus_one_to_one_and_repeat():
    for seed in range(5):
        f = aelle.random_target(ForceConfig.tutorial(), seed=seed)
        assert f.shape == (300,)
        assert float(f.max()) == pytest.approx(1)
        assert float(f.min()) == pytest.approx(-1)
    # Whole frequencies: the epoch ends where the next begins, so nothing jumps.
    steps = torch.cat([f, f]).diff().abs()
    assert steps[299] <= steps.max()


# --- matrices -----------------------------------------------------------------------------------


def test_sparse_matrix_has_its_density_and_its_gain():
    m = aelle.sparse_matrix(400, 1.5, 0.1, seed=0)
    assert float((m != 0).double().mean()) == pytest.approx(0.1, abs=0.01)
    radius = float(torch.linalg.eigvals(m).abs().max())
    assert radius == pytest.approx(1.5, rel=0.12)


@pytest.mark.parametrize("gain", [0.8, 1.2, 1.3, 1.5, 1.8, 2.0])
def test_rforce_matrix_is_real_normal_and_of_the_promised_radius(gain):
    n = 200
    m = aelle.rforce_matrix(n, gain, seed=1)
    assert m.dtype == torch.float64
    assert float((m @ m.T - m.T @ m).norm() / m.norm() ** 2) < 1e-8
    eigenvalues = torch.linalg.eigvals(m)
    assert float(eigenvalues.abs().max()) == pytest.approx(1.2 * gain, rel=1e-9)
    radii = eigenvalues.abs() / gain
    circles = torch.tensor([0.9, 0.7, 0.72, 1.2], dtype=torch.float64)
    assert float((radii[:, None] - circles).abs().min(dim=1).values.max()) < 1e-8
    # Conjugate pairs: the spectrum is its own mirror image.
    assert float(eigenvalues.imag.sum().abs()) < 1e-8
    if 1.2 * gain > 1.55:
        assert int((radii > 1).sum()) == 2 * max(int(0.01 * n / 2), 1)
        for radius in (0.9, 0.7):
            share = ((radii - radius).abs() < 1e-6).double().mean()
            assert share >= 0.1 - 1e-12


# --- the closed loop ----------------------------------------------------------------------------


@oracle("eq-aelle-jacobian")
def test_equation_jacobian():
    """Entry by entry, and against finite differences of the loop itself."""
    recurrent, feedback = draw(runs=2, n=8)
    readout = torch.randn(2, 8, dtype=torch.float64)
    x = torch.randn(2, 8, dtype=torch.float64)
    found = aelle.closed_loop_jacobian(x, recurrent, feedback, readout, 0.1)
    slow = np.zeros((2, 8, 8))
    for run in range(2):
        for i in range(8):
            for j in range(8):
                loop = float(recurrent[run, i, j]) + float(feedback[run, i]) * float(
                    readout[run, j]
                )
                slow[run, i, j] = 0.1 * loop * (1 - np.tanh(float(x[run, j])) ** 2)
                slow[run, i, j] += 0.9 if i == j else 0.0
    assert relative_error(found, slow) < 1e-12

    def step(state):
        rates = state.tanh()
        z = (readout * rates).sum(dim=1)
        return aelle.force_step(state, z, recurrent, feedback, 0.1)[0]

    for j in range(8):
        nudge = torch.zeros(8, dtype=torch.float64)
        nudge[j] = 1e-5
        slope = (step(x + nudge) - step(x - nudge)) / 2e-5
        assert relative_error(found[:, :, j], slope) < 1e-6


def test_exponents_are_those_of_the_loop():
    """The map that is handed to the QR method has the Jacobian of the equation."""
    recurrent, feedback = draw(runs=2)
    result = aelle.force_train(
        recurrent, feedback, aelle.random_target(SMALL, seed=0), SMALL, seed=0
    )
    advance = aelle.closed_loop(result, recurrent, feedback, 0.1)
    both = jacobian(advance, result.state)
    right = aelle.closed_loop_jacobian(result.state, recurrent, feedback, result.readout, 0.1)
    assert relative_error(both, right) < 1e-10
    found = aelle.closed_loop_exponents(result, recurrent, feedback, SMALL, k=4)
    q, sums, x = (
        torch.eye(30).double()[:, :4].repeat(2, 1, 1),
        torch.zeros(2, 4).double(),
        result.state,
    )
    for step in range(120):
        j = aelle.closed_loop_jacobian(x, recurrent, feedback, result.readout, 0.1)
        q, r = torch.linalg.qr(j @ q)
        x = advance(x)
        if step >= 60:
            sums += torch.diagonal(r, dim1=1, dim2=2).abs().log()
    slow = (sums / 60 / 0.1).sort(dim=1, descending=True).values
    assert relative_error(found, slow) < 1e-6


def test_table_of_the_package_and_a_run_made_again(tmp_path):
    """The table is whole, and a small one survives its file."""
    table = aelle.load_force()
    assert set(table.kind) == {"force", "rforce"}
    assert np.isfinite(table.error).all()
    assert table.exponents.shape == (96, 20)
    assert table.made["environment"]["device"] == "cpu"
    small = aelle.force_sweep(SMALL, gains=(1.2, 1.6), seeds=(0,), k=3)
    path = tmp_path / "small.npz"
    aelle.save_force(small, path)
    read = aelle.load_force(path)
    assert relative_error(read.error, small.error) < 1e-6
    assert relative_error(read.exponents, small.exponents) < 1e-6
    assert list(read.kind) == ["force", "force", "rforce", "rforce"]
    assert list(read.gain) == [1.2, 1.6, 1.2, 1.6]


def test_a_row_of_the_force_table_is_what_training_gives():
    """The first epoch of all runs, made again: only rounding differs between machines."""
    config = ForceConfig.tutorial(train_epochs=1)
    table = aelle.load_force()
    rows = np.flatnonzero(table.kind == "force")
    recurrent, feedback, target = aelle.draw_runs(
        "force", table.gain[rows], table.seed[rows], config
    )
    result = aelle.force_train(recurrent, feedback, target, config, seed=0)
    close = np.abs(result.train_error[0].numpy() - table.train_error[rows, 0])
    assert np.median(close) < 1e-5


# --- planted bugs and bad input -----------------------------------------------------------------


def test_planted_leak_that_is_left_out():
    recurrent, feedback = draw(runs=1, n=8)
    readout, x = torch.randn(2, 1, 8, dtype=torch.float64)
    right = aelle.closed_loop_jacobian(x, recurrent, feedback, readout, 0.1)
    with planted(force, "    jacobian.diagonal(dim1=1, dim2=2).add_(1 - step)\n", "") as bad:
        wrong = bad.closed_loop_jacobian(x, recurrent, feedback, readout, 0.1)
    assert relative_error(wrong, right) > 0.1


def test_planted_denominator_of_recursive_least_squares():
    with planted(force, "p_r / (1 + (rates", "p_r / (2 + (rates") as bad:
        result, visited, wanted = teacher_forced(bad)
    gram = visited[:, 0].T @ visited[:, 0] + 2.0 * np.eye(30)
    right = np.linalg.solve(gram, visited[:, 0].T @ wanted)
    assert relative_error(result.readout[0], right) > 1e-3


@pytest.mark.usefixtures("unchecked")
def test_bad_input():
    recurrent, feedback = draw()
    target = aelle.random_target(SMALL, seed=0)
    with pytest.raises(ValueError, match=r"one network is recurrent\[None\]"):
        aelle.force_train(recurrent[0], feedback, target, SMALL, seed=0)
    with pytest.raises(ValueError, match="feedback must have shape"):
        aelle.force_train(recurrent, feedback[:1], target, SMALL, seed=0)
    with pytest.raises(ValueError, match="target must have shape"):
        aelle.force_train(recurrent, feedback, target.repeat(3, 1), SMALL, seed=0)
    with pytest.raises(ValueError, match="target must be finite"):
        aelle.force_train(recurrent, feedback, target * np.nan, SMALL, seed=0)
    with pytest.raises(ValueError, match="weights must be finite"):
        aelle.force_train(recurrent * np.inf, feedback, target, SMALL, seed=0)
    with pytest.raises(ValueError, match="even"):
        aelle.rforce_matrix(31, 1.5, seed=0)
    with pytest.raises(ValueError, match="gain"):
        aelle.rforce_matrix(30, 0.0, seed=0)
    with pytest.raises(ValueError, match="density"):
        aelle.sparse_matrix(30, 1.5, 0.0, seed=0)
    with pytest.raises(ValueError, match="force or rforce"):
        force_runs.draw_runs("fORCE", [1.0], [0], SMALL)
