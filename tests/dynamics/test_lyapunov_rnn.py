"""Jacobians and spectra: equations as oracles, systems with known exponents, the errors."""

import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
import torch

from neurotutor.dynamics import lyapunov_rnn as lyap
from neurotutor.dynamics.lyapunov_rnn import cells, linearise, lyapunov_spectrum, spectrum
from tests.harness import oracle, planted, relative_error

F64 = torch.float64


def rand(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=F64)


def sigmoid(v):
    return 1 / (1 + math.exp(-v))


# --- Jacobians ----------------------------------------------------------------------------------


def literal_rows(weights, vector, bias):
    """`weights @ vector + bias`, with loops."""
    return [
        sum(w * v for w, v in zip(row, vector, strict=True)) + b
        for row, b in zip(weights.tolist(), bias.tolist(), strict=True)
    ]


@oracle("eq-lyap-tanh")
def test_equation_tanh():
    cell = cells.Tanh(rand(4, 3), rand(4, 4, seed=1), rand(4, seed=2))
    h, x = rand(4, seed=3), rand(3, seed=4)
    a = literal_rows(cell.input_weights, x.tolist(), cell.input_bias)
    felt = literal_rows(cell.recurrent_weights, h.tolist(), torch.zeros(4))
    new = [math.tanh(p + q) for p, q in zip(a, felt, strict=True)]
    slow = [
        [(1 - new[i] ** 2) * cell.recurrent_weights[i, j].item() for j in range(4)]
        for i in range(4)
    ]
    assert relative_error(cell.step(h[None], x[None])[0], new) < 1e-12
    assert relative_error(lyap.jacobian(cell, h[None], x[None])[0], slow) < 1e-12


@oracle("eq-lyap-gru")
def test_equation_gru():
    n = 4
    cell = cells.GRU(
        rand(3 * n, 3), rand(3 * n, n, seed=1), rand(3 * n, seed=2), rand(3 * n, seed=5)
    )
    h, x = rand(n, seed=3).tolist(), rand(3, seed=4).tolist()
    fed = literal_rows(cell.input_weights, x, cell.input_bias)
    felt = literal_rows(cell.recurrent_weights, h, cell.recurrent_bias)
    u = cell.recurrent_weights.tolist()
    new, slow = [], np.zeros((n, n))
    for i in range(n):
        r, z = sigmoid(fed[i] + felt[i]), sigmoid(fed[n + i] + felt[n + i])
        q = felt[2 * n + i]
        g = math.tanh(fed[2 * n + i] + r * q)
        new.append((1 - z) * g + z * h[i])
        for j in range(n):
            slow[i, j] = (i == j) * z + (h[i] - g) * z * (1 - z) * u[n + i][j]
            slow[i, j] += (1 - z) * (1 - g**2) * (r * u[2 * n + i][j] + q * r * (1 - r) * u[i][j])
    state, fed_in = torch.tensor([h], dtype=F64), torch.tensor([x], dtype=F64)
    assert relative_error(cell.step(state, fed_in)[0], new) < 1e-12
    assert relative_error(lyap.jacobian(cell, state, fed_in)[0], slow) < 1e-12


@oracle("eq-lyap-lstm")
def test_equation_lstm():
    n = 3
    cell = cells.LSTM(rand(4 * n, 2), rand(4 * n, n, seed=1), rand(4 * n, seed=2))
    state, x = rand(2 * n, seed=3), rand(2, seed=4)
    h, c = state[:n].tolist(), state[n:].tolist()
    a = [
        p + q
        for p, q in zip(
            literal_rows(cell.input_weights, x.tolist(), cell.input_bias),
            literal_rows(cell.recurrent_weights, h, torch.zeros(4 * n)),
            strict=True,
        )
    ]
    u, slow, new_h, new_c = cell.recurrent_weights.tolist(), np.zeros((2 * n, 2 * n)), [], []
    for i in range(n):
        gate_i, gate_f = sigmoid(a[i]), sigmoid(a[n + i])
        gate_g, gate_o = math.tanh(a[2 * n + i]), sigmoid(a[3 * n + i])
        cell_state = gate_f * c[i] + gate_i * gate_g
        tau = math.tanh(cell_state)
        new_c.append(cell_state)
        new_h.append(gate_o * tau)
        for j in range(n):
            dc_dh = (
                gate_f * (1 - gate_f) * c[i] * u[n + i][j]
                + gate_i * (1 - gate_i) * gate_g * u[i][j]
                + gate_i * (1 - gate_g**2) * u[2 * n + i][j]
            )
            slope = gate_o * (1 - tau**2)
            slow[n + i, j] = dc_dh
            slow[i, j] = slope * dc_dh + gate_o * (1 - gate_o) * tau * u[3 * n + i][j]
        slow[n + i, n + i] = gate_f
        slow[i, n + i] = slope * gate_f
    assert relative_error(cell.step(state[None], x[None])[0], new_h + new_c) < 1e-12
    assert relative_error(lyap.jacobian(cell, state[None], x[None])[0], slow) < 1e-12
    block = lyap.jacobian(cell, state[None], x[None], state="h")[0]
    assert relative_error(block, slow[:n, :n]) < 1e-12


@pytest.mark.parametrize("kind", lyap.KINDS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("n_layers", [1, 2])
def test_closed_jacobians_equal_autograd(kind, bias, n_layers):
    n, n_in = 5, 3
    each = [
        lyap.uniform(kind, n_in if layer == 0 else n, n, 0.9, seed=layer, bias=bias)
        for layer in range(n_layers)
    ]
    cell = each[0] if n_layers == 1 else lyap.Layers(tuple(each))
    states, x = rand(4, cell.state_size), rand(4, n_in, seed=1)
    found = lyap.jacobian(cell, states, x)
    for row in range(4):
        exact = torch.autograd.functional.jacobian(
            lambda s, row=row: cell.step(s[None], x[row : row + 1])[0], states[row]
        )
        assert (found[row] - exact).abs().max() < 1e-10
    # Pushing tangent vectors agrees with the formed matrix, and with forward derivatives.
    vectors = rand(4, 2, cell.state_size, seed=2)
    pieces = cell.linearise(states, cell.drive(x))
    assert torch.allclose(pieces.push(vectors), vectors @ found.mT, atol=1e-12)
    assert torch.allclose(lyap.jacobian(cell.step, states, x), found, atol=1e-12)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize(("bias", "n_layers"), [(True, 1), (False, 2), (True, 2)])
def test_modules_of_torch_are_read_with_their_layout(kind, bias, n_layers):
    torch.manual_seed(0)
    module = getattr(torch.nn, kind)(3, 4, n_layers, bias=bias, batch_first=True).double()
    cell = lyap.from_torch(module)
    x = rand(2, 6, 3)
    wanted, _ = module(x)
    state = torch.zeros(2, cell.state_size, dtype=F64)
    for t in range(6):
        state = cell.step(state, x[:, t])
        assert torch.allclose(cell.hidden(state), wanted[:, t], atol=1e-12)


def test_modules_that_are_no_such_system_are_refused(unchecked):
    with pytest.raises(ValueError, match="two directions"):
        lyap.from_torch(torch.nn.GRU(3, 4, bidirectional=True))
    with pytest.raises(ValueError, match="projects"):
        lyap.from_torch(torch.nn.LSTM(3, 4, proj_size=2))
    with pytest.raises(TypeError, match="module must be torch.nn.RNN, GRU or LSTM, got Linear"):
        lyap.from_torch(torch.nn.Linear(3, 4))


# --- the algorithm ------------------------------------------------------------------------------


def gram_schmidt(columns):
    """Orthonormal columns and their pivots, one column after the other."""
    basis, pivots = [], []
    for column in columns:
        rest = list(column)
        for known in basis:
            along = sum(a * b for a, b in zip(known, rest, strict=True))
            rest = [r - along * a for r, a in zip(rest, known, strict=True)]
        norm = math.sqrt(sum(r * r for r in rest))
        basis.append([r / norm for r in rest])
        pivots.append(norm)
    return basis, pivots


@oracle("eq-lyap-qr")
@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
def test_equation_qr(kind):
    """The whole algorithm with loops: warm-up, alignment, measurement on fresh inputs."""
    cell = lyap.uniform(kind, 2, 3, 1.0, seed=0)
    x = rand(1, 12, 2)
    size, k = cell.state_size, 2
    state = torch.zeros(1, size, dtype=F64)
    columns = [[1.0 if i == j else 0.0 for i in range(size)] for j in range(k)]
    sums, measured = [0.0] * k, 0
    for t in range(12):
        matrix = lyap.jacobian(cell, state, x[:, t])[0].tolist()
        state = cell.step(state, x[:, t])
        if t < 3:
            continue
        moved = [
            [sum(a * b for a, b in zip(row, column, strict=True)) for row in matrix]
            for column in columns
        ]
        columns, pivots = gram_schmidt(moved)
        if t >= 5:
            measured += 1
            sums = [s + math.log(p) for s, p in zip(sums, pivots, strict=True)]
    found = lyapunov_spectrum(cell, inputs=x, k=k, warmup=3, align=2)
    assert found.n_steps == measured == 7
    assert relative_error(found.exponents, [s / measured for s in sums]) < 1e-10
    assert torch.allclose(found.running[-1], found.exponents)
    assert found.times.tolist() == list(range(1, 8))


@oracle("eq-lyap-exponent")
def test_equation_exponent():
    """QR against the singular values of the literal product, held in exact-enough arithmetic."""
    cell = lyap.gaussian(3, 1.2, noise=0.5, seed=2)
    x = rand(1, 400, 3, seed=3)
    state, product = torch.zeros(1, 3, dtype=F64), mpmath.eye(3)
    with mpmath.workdps(400):
        for t in range(400):
            step = mpmath.matrix(lyap.jacobian(cell, state, x[:, t])[0].tolist())
            product = step * product
            state = cell.step(state, x[:, t])
        values = mpmath.svd_r(product, compute_uv=False)
        slow = sorted((float(mpmath.log(v) / 400) for v in values), reverse=True)
    fast = lyapunov_spectrum(cell, inputs=x).exponents
    assert relative_error(fast, slow) < 0.01
    assert abs(fast.sum().item() - sum(slow)) < 1e-9


@oracle("eq-lyap-sum")
@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm", "cornn"])
def test_equation_sum(kind):
    cell = lyap.uniform(kind, 2, 6, 0.8, seed=1)
    x = rand(3, 80, 2)
    found = lyapunov_spectrum(cell, inputs=x, warmup=10)
    state, total = torch.zeros(3, cell.state_size, dtype=F64), 0.0
    for t in range(80):
        if t >= 10:
            total = total + torch.linalg.det(lyap.jacobian(cell, state, x[:, t])).abs().log()
        state = cell.step(state, x[:, t])
    assert (found.per_sequence.sum(dim=-1) - total / 70).abs().max() < 1e-8


def linear(matrix):
    return cells.Linear(torch.zeros(len(matrix), 0, dtype=F64), matrix)


def test_matrices_have_the_exponents_that_they_must():
    q = torch.linalg.qr(rand(5, 5)).Q
    identity = lyapunov_spectrum(linear(torch.eye(5, dtype=F64)), n_steps=20)
    assert identity.exponents.abs().max() < 1e-12
    scaled = lyapunov_spectrum(linear(0.7 * q), n_steps=20)
    assert torch.allclose(scaled.exponents, torch.full((5,), math.log(0.7), dtype=F64))
    entries = torch.tensor([0.2, -0.9, 0.5], dtype=F64)
    diagonal = lyapunov_spectrum(linear(torch.diag(entries)), n_steps=30)
    assert torch.allclose(diagonal.descending, entries.abs().log().sort(descending=True).values)
    matrix = rand(6, 6, seed=4) * 0.3
    exact = torch.linalg.eigvals(matrix).abs().log().sort(descending=True).values
    found = lyapunov_spectrum(linear(matrix), n_steps=2000, align=200)

    assert (found.descending - exact).abs().max() < 1e-3


def test_a_network_that_follows_a_periodic_input_has_the_exponents_of_one_round():
    cell = cells.Tanh(2 * rand(3, 1), 0.6 * rand(3, 3, seed=4))
    period = torch.tensor([1.5, -0.4, 0.1], dtype=F64).reshape(1, 3, 1)
    x = period.repeat(1, 100, 1)
    found = lyapunov_spectrum(cell, inputs=x, warmup=60, align=90).descending
    state = torch.zeros(1, 3, dtype=F64)
    for t in range(60):
        state = cell.step(state, x[:, t])
    forward = backward = torch.eye(3, dtype=F64)
    for t in range(3):
        step = lyap.jacobian(cell, state, x[:, t])[0]
        forward, backward = step @ forward, backward @ step
        state = cell.step(state, x[:, t])

    def moduli(product):
        return torch.linalg.eigvals(product).abs().log().sort(descending=True).values / 3

    assert (found - moduli(forward)).abs().max() < 1e-3
    assert (found - moduli(backward)).abs().max() > 0.01
    # The smallest modulus is near rounding, hence the tolerance.
    assert (moduli(forward).sum() - moduli(backward).sum()).abs() < 1e-6


def test_fewer_exponents_are_the_first_ones_and_a_batch_is_its_members():
    for kind in ("tanh", "gru", "lstm"):
        cell = lyap.uniform(kind, 2, 8, 0.9, seed=0)
        x = rand(3, 25, 2)
        full = lyapunov_spectrum(cell, inputs=x, warmup=5)
        few = lyapunov_spectrum(cell, inputs=x, warmup=5, k=3)
        assert (full.per_sequence[:, :3] - few.per_sequence).abs().max() < 1e-8
        bits = lyapunov_spectrum(cell, inputs=x, warmup=5, base=2)
        assert torch.allclose(bits.exponents * math.log(2), full.exponents)
        for row in range(3):
            alone = lyapunov_spectrum(cell, inputs=x[row : row + 1], warmup=5)
            assert (alone.exponents - full.per_sequence[row]).abs().max() < 1e-8
        own = lyapunov_spectrum(
            cell.step, torch.zeros(3, cell.state_size, dtype=F64), x, warmup=5, k=2
        )
        assert (own.per_sequence - full.per_sequence[:, :2]).abs().max() < 1e-8
        formed = lyapunov_spectrum(cell.step, torch.zeros(cell.state_size, dtype=F64), x, warmup=5)
        assert (formed.per_sequence - full.per_sequence).abs().max() < 1e-8


@pytest.mark.parametrize("kind", lyap.KINDS)
def test_a_stack_of_networks_is_its_members(kind):
    members = [
        lyap.uniform(kind, 2, 5, p, seed=i, bias=True) for i, p in enumerate((0.2, 0.5, 0.8))
    ]
    stacked = lyap.stack(members)
    assert stacked.nets == (3,)
    shared, own = rand(2, 40, 2), rand(3, 2, 40, 2, seed=1)
    together = lyapunov_spectrum(stacked, inputs=shared, warmup=4)
    apart = lyapunov_spectrum(stacked, inputs=own, warmup=4, qr_every=2)
    for i, member in enumerate(members):
        alone = lyapunov_spectrum(member, inputs=shared, warmup=4)
        assert (together.per_sequence[i] - alone.per_sequence).abs().nan_to_num(0).max() < 1e-8
        alone = lyapunov_spectrum(member, inputs=own[i], warmup=4, qr_every=2)
        assert (apart.per_sequence[i] - alone.per_sequence).abs().nan_to_num(0).max() < 1e-8
        assert torch.equal(stacked[i].recurrent_weights, member.recurrent_weights)


def test_coordinates_do_not_matter():
    matrix, weights = rand(5, 5), rand(5, 2, seed=1)
    matrix = 0.2 * (matrix + matrix.mT)  # real eigenvalues: no pair that turns for ever
    x = rand(1, 260, 2, seed=2)
    q = torch.linalg.qr(rand(5, 5, seed=3)).Q
    plain = lyapunov_spectrum(cells.Linear(weights, matrix), inputs=x, align=160)
    turned = lyapunov_spectrum(cells.Linear(q @ weights, q @ matrix @ q.mT), inputs=x, align=160)
    assert (plain.descending - turned.descending).abs().max() < 1e-6
    order = torch.tensor([3, 0, 4, 1, 2])
    net = cells.Tanh(weights, 2 * matrix)
    named = cells.Tanh(weights[order], 2 * matrix[order][:, order])
    plain = lyapunov_spectrum(net, inputs=x, align=160)
    renamed = lyapunov_spectrum(named, inputs=x, align=160)
    assert (plain.descending - renamed.descending).abs().max() < 1e-6


def test_a_cell_memory_that_never_forgets_gives_zeros():
    n = 4
    bias = torch.zeros(4 * n, dtype=F64)
    bias[n : 2 * n] = 1e4  # sigmoid of this is 1 in float64
    cell = cells.LSTM(torch.zeros(4 * n, 2, dtype=F64), torch.zeros(4 * n, n, dtype=F64), bias)
    found = lyapunov_spectrum(cell, inputs=rand(1, 30, 2)).exponents
    assert int(torch.isneginf(found).sum()) == n
    assert found[torch.isfinite(found)].abs().max() < 1e-12
    hidden = lyapunov_spectrum(cell, inputs=rand(1, 30, 2), state="h").exponents
    assert hidden.shape == (n,)
    assert torch.isneginf(hidden).all()


def test_a_rectified_network_with_silent_units_has_infinite_exponents():
    cell = cells.ReLU(
        torch.zeros(3, 0, dtype=F64), torch.eye(3, dtype=F64), -torch.ones(3, dtype=F64)
    )
    found = lyapunov_spectrum(cell, n_steps=5)
    assert torch.isneginf(found.exponents).all()


def test_the_spacing_of_factorisations():
    cell = lyap.gaussian(16, 1.5, noise=0.3, seed=0)
    x = rand(2, 200, 16)
    close, every_two, far = (
        lyapunov_spectrum(cell, inputs=x, warmup=20, qr_every=spacing) for spacing in (1, 2, 7)
    )
    assert (close.exponents - every_two.exponents).abs().max() < 1e-8
    assert (close.exponents[:4] - far.exponents[:4]).abs().max() < 1e-6
    assert every_two.times.tolist() == list(range(2, 181, 2))
    assert far.times[-1] == 180


# --- known systems ------------------------------------------------------------------------------


def test_maps_and_a_flow_that_everybody_knows():
    start = torch.tensor([[0.1, 0.1], [0.2, -0.1]], dtype=F64)
    henon = lyapunov_spectrum(lyap.henon(), start, n_steps=800, warmup=100)
    assert henon.exponents.sum().item() == pytest.approx(math.log(0.3), abs=1e-10)
    assert henon.largest.item() == pytest.approx(0.419, abs=0.06)
    starts = torch.rand(50, 1, generator=torch.Generator().manual_seed(0), dtype=F64)
    logistic = lyapunov_spectrum(lyap.logistic(), starts, n_steps=400, warmup=20)
    assert logistic.largest.item() == pytest.approx(math.log(2), abs=4e-3)
    step = lyap.runge_kutta(lyap.lorenz(), 0.01)
    starts = torch.tensor([[1.0, 1, 1], [-3, 2, 20], [5, 5, 30], [-8, -7, 25]], dtype=F64)
    lorenz = lyapunov_spectrum(step, starts, n_steps=500, warmup=300, align=100, dt=0.01)
    assert lorenz.exponents.sum().item() == pytest.approx(-13.667, abs=1e-3)
    assert lorenz.largest.item() == pytest.approx(0.906, abs=0.4)


@oracle("eq-lyap-dimension")
def test_equation_dimension():
    def slow(values):
        total, j = 0.0, 0
        for value in values:
            if total + value < 0:
                return j + (total / abs(value) if j else 0.0)
            total, j = total + value, j + 1
        return float(j)

    cases = [
        ([0.5, 0.0, -1.0], 2.5),
        ([-0.1, -0.5], 0.0),
        ([0.3, 0.1, -0.2], 3.0),
        ([0.906, 0.0, -14.57], 2 + 0.906 / 14.57),
        ([0.0, -1.0], 1.0),
        ([0.4, -math.inf], 1.0),
    ]
    for values, wanted in cases:
        found = lyap.kaplan_yorke_dimension(torch.tensor(values, dtype=F64)).item()
        assert found == pytest.approx(wanted)
        assert found == pytest.approx(slow(values))
    many = rand(20, 7).sort(dim=-1, descending=True).values
    fast = lyap.kaplan_yorke_dimension(many)
    assert relative_error(fast, [slow(row) for row in many.tolist()]) < 1e-12
    assert lyap.entropy_bound(torch.tensor([0.5, -1.0, 0.25], dtype=F64)).item() == 0.75
    assert lyap.lyapunov_time(torch.tensor([[0.5], [-1.0]], dtype=F64)).tolist() == [2.0, math.inf]


# --- planted bugs and bad input -----------------------------------------------------------------


def test_a_reversed_product_is_found_out():
    cell = lyap.uniform("tanh", 1, 4, 1.0, seed=5)
    x = 2 * rand(1, 40, 1)
    right = lyapunov_spectrum(cell, inputs=x).exponents
    with planted(
        spectrum, "vectors = piece.push(vectors)", "vectors = vectors @ piece.matrix()"
    ) as bad:
        wrong = bad.lyapunov_spectrum(cell, inputs=x).exponents
    # The sum rule does not notice, the single exponents do.
    assert abs(float(right.sum() - wrong.sum())) < 1e-9
    assert (right - wrong).abs().max() > 1e-3


def test_a_lost_path_through_the_reset_gate_is_found_out():
    states, x = rand(2, 4), rand(2, 3)
    cell = lyap.uniform("gru", 3, 4, 1.0, seed=0)
    with planted(
        cells, "(1 - z) * (1 - g**2) * q * r * (1 - r)", "(1 - z) * (1 - g**2) * r * (1 - r)"
    ) as bad:
        wrong = bad.GRU(cell.input_weights, cell.recurrent_weights)
        found = wrong.linearise(states, wrong.drive(x)).matrix()
    assert relative_error(found, lyap.jacobian(cell, states, x)) > 1e-3


def test_a_frozen_sum_over_networks_is_found_out():
    stacked = lyap.uniform("gru", 2, 4, torch.tensor([0.2, 1.0], dtype=F64), seed=0)
    vectors = rand(2, 3, 2, 4)
    with planted(linearise, "x.flatten(n_nets, -2)", "x.flip(0).flatten(n_nets, -2)") as bad:
        moved = bad.affine(vectors, stacked.recurrent_weights)
    assert not torch.allclose(moved, linearise.affine(vectors, stacked.recurrent_weights))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"k": 9}, "k must be at most 4"),
        ({"warmup": 30}, "nothing is left"),
        ({"warmup": 20, "align": 10}, "nothing is left"),
        ({"inputs": torch.zeros(2, 30, 5, dtype=F64)}, r"\(..., 3\)"),
        ({"inputs": torch.zeros(30, 3, dtype=F64)}, "sequences, time"),
        ({"inputs": torch.full((2, 30, 3), math.nan, dtype=F64)}, "finite"),
        ({"inputs": torch.zeros(2, 30, 3, dtype=torch.int64)}, "floating-point"),
        ({"inputs": None}, "n_steps"),
        ({"inputs": None, "n_steps": 0}, "n_steps must be at least 1"),
        ({"n_steps": 31}, "n_steps must be at most 30"),
        ({"base": 1.0}, "base"),
        ({"dt": 0.0}, "dt"),
        ({"qr_every": 0}, "qr_every"),
        ({"state": "c"}, '"full" or "h"'),
        ({"state0": torch.zeros(2, 5, dtype=F64)}, r"\(..., 4\)"),
        ({"state0": torch.zeros(3, 4, dtype=F64)}, "sequences"),
        ({"k": 2.5}, "whole number"),
    ],
)
def test_bad_arguments_are_refused(unchecked, change, message):
    cell = lyap.uniform("tanh", 3, 4, 0.5, seed=0)
    arguments = {"inputs": torch.zeros(2, 30, 3, dtype=F64)} | change
    with pytest.raises((ValueError, TypeError), match=message):
        lyapunov_spectrum(cell, **arguments)


def test_bad_systems_are_refused(unchecked):
    cell = lyap.uniform("tanh", 3, 4, 0.5, seed=0)
    broken = replace(cell, recurrent_weights=cell.recurrent_weights * math.nan)
    with pytest.raises(ValueError, match="weights must be finite"):
        lyapunov_spectrum(broken, n_steps=5)
    with pytest.raises(ValueError, match="diverges"):
        lyapunov_spectrum(
            linear(torch.full((1, 1), 1e30, dtype=F64)), torch.ones(1, dtype=F64), n_steps=20
        )
    with pytest.raises(TypeError, match="function of the state"):
        lyapunov_spectrum("henon", n_steps=5)
    with pytest.raises(ValueError, match="needs state0"):
        lyapunov_spectrum(lyap.henon(), n_steps=5)
    with pytest.raises(ValueError, match='state="h" is for cells'):
        lyapunov_spectrum(lyap.henon(), torch.zeros(2), n_steps=5, state="h")
    with pytest.raises(ValueError, match="recurrent_weights of GRU"):
        cells.GRU(rand(12, 3), rand(12, 5))
    with pytest.raises(ValueError, match="rows"):
        cells.Tanh(rand(5, 3), rand(4, 4))
    with pytest.raises(TypeError, match="floating-point"):
        cells.Tanh(torch.zeros(4, 3, dtype=torch.int64), rand(4, 4))
    with pytest.raises(ValueError, match="does not fit"):
        lyap.Layers((cell, cell))
    with pytest.raises(ValueError, match="one kind"):
        lyap.stack([cell, lyap.uniform("gru", 3, 4, 0.5, seed=0)])
    with pytest.raises(ValueError, match="kind must be"):
        lyap.uniform("elman", 3, 4, 0.5, seed=0)
    with pytest.raises(ValueError, match="scale"):
        lyap.uniform("tanh", 3, 4, -1.0, seed=0)
    with pytest.raises(ValueError, match="NaN"):
        lyap.kaplan_yorke_dimension(torch.tensor([0.1, math.nan]))
