"""Networks that learn to produce a signal: FORCE, random matrices of two kinds, and the loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurotutor.checks import as_count
from neurotutor.dynamics.aelle.checks import as_real
from neurotutor.dynamics.aelle.config import ForceConfig

CIRCLES = (0.9, 0.7, 0.72, 1.2)  # radii of the eigenvalues over g
SLOWEST = 1.15  # radius at which the weights of inner circles peak


@dataclass(frozen=True)
class ForceResult:
    """Networks after training, and how they did.

    Attributes:
        readout: w_o.
        correlation: P, the inverse correlation matrix of rates.
        state: x where training ended.
        output: z where training ended; it enters the next step.
        train_error: mean |z - f| in each training epoch, before the update of the same step.
    """

    readout: Float[Tensor, "runs neurons"]
    correlation: Float[Tensor, "runs neurons neurons"]
    state: Float[Tensor, "runs neurons"]
    output: Float[Tensor, "runs"]
    train_error: Float[Tensor, "epochs runs"]


def sparse_matrix(
    n: int, gain: float | int, density: float | int, *, seed: int
) -> Float[Tensor, "n n"]:
    """A sparse Gaussian matrix of spectral radius about `gain`.

    Args:
        n: neurons N.
        gain: g.
        density: probability of an entry; the others are zero.
        seed: of the draw.

    Returns:
        Non-zero entries of variance g^2 / (density N), float64.

    Raises:
        ValueError: if a number is out of range.
    """
    as_count("n", n)
    as_real("gain", gain, 0, strict=False)
    if not 0 < density <= 1:
        raise ValueError(f"density must lie in (0, 1], got {density}")
    rng = np.random.default_rng(seed)
    entries = rng.standard_normal((n, n)) * gain / np.sqrt(density * n)
    return torch.as_tensor(np.where(rng.random((n, n)) < density, entries, 0.0))


def _circle_counts(pairs: int, gain: float | int) -> np.ndarray:
    radii = gain * np.array(CIRCLES)
    if radii[3] > 1.55:
        inner = np.abs(radii[:3] - SLOWEST) ** (-2 * gain)
        outer = int(0.01 * pairs)
        share = inner / inner.sum()
        first, second = (max(int(share[i] * pairs), int(0.1 * pairs)) for i in (0, 1))
        first = min(first, pairs - outer - second)
        return np.array([first, second, pairs - outer - first - second, outer])
    share = 1 - np.tanh(2 * np.abs(radii - SLOWEST))
    counts = np.floor(share / share.sum() * pairs).astype(int)
    counts[2] += pairs - counts.sum()
    return counts


def rforce_matrix(n: int, gain: float | int, *, seed: int) -> Float[Tensor, "n n"]:
    """A real, normal matrix whose eigenvalues lie on four circles.

    A random antisymmetric matrix has eigenvectors in conjugate pairs and orthogonal to one
    another. They are kept, and their eigenvalues are replaced: radii 0.9, 0.7, 0.72 and 1.2 times
    the gain, evenly spaced angles.

    Args:
        n: neurons N, even, 20 or more.
        gain: g; the spectral radius is 1.2 g.
        seed: of the antisymmetric matrix.

    Returns:
        M, float64.

    Raises:
        ValueError: for an odd or small `n`, or a gain that is not positive.

    Source: Vogt et al. (2024), task C; Zheng & Shlizerman (2020). Counts that the released code
    truncates go to the third circle here, so no eigenvalue is left at zero; where 1.2 g <= 1.55
    that code stops with an error, and the weights that it seems to intend are used.
    """
    as_count("n", n, 20)
    as_real("gain", gain, 0)
    if n % 2:
        raise ValueError(f"n must be even, since eigenvalues come in conjugate pairs; got {n}")
    pairs = n // 2
    counts = _circle_counts(pairs, gain)
    if counts[3] == 0:  # the radius 1.2 g is what the method promises
        counts[2], counts[3] = counts[2] - 1, 1
    pi = np.pi
    if gain < 1.8:
        arcs = [(0.02, pi / 3), (pi / 3, 2 * pi / 3), (2 * pi / 3, pi - 0.02)]
    else:
        arcs = [(4 * pi / 5, pi - 0.02), (2 * pi / 5, 4 * pi / 5), (0.02, 2 * pi / 5)]
    arcs.append((0.0, 0.4 * pi / gain**2) if gain < 1.4 else (0.4 * pi, 0.6 * pi))
    angles = np.concatenate(
        [np.linspace(*arc, count) for arc, count in zip(arcs, counts, strict=True)]
    )
    radii = np.repeat(gain * np.array(CIRCLES), counts)
    draw = np.random.default_rng(seed).standard_normal((n, n))
    # i times an antisymmetric matrix is Hermitian: its eigenvalues come as +-, their vectors are
    # conjugates, so the upper half fixes all of them.
    _, vectors = np.linalg.eigh(1j * (draw - draw.T))
    upper = vectors[:, pairs:]
    half = (upper * (radii * np.exp(1j * angles))) @ upper.conj().T
    return torch.as_tensor(2 * half.real)


def random_target(config: ForceConfig, *, seed: int) -> Float[Tensor, "steps"]:
    """One period of a sum of four sines, scaled to run from -1 to 1.

    Args:
        config: length of a step and of the period.
        seed: draws four whole frequencies from 1-5 and four whole divisors from 1-10.

    Returns:
        Values after each step of an epoch, shape (period,).

    Source: Vogt et al. (2024), task C.
    """
    rng = np.random.default_rng(seed)
    frequencies, divisors = rng.integers(1, 6, 4), rng.integers(1, 11, 4)
    time = np.arange(1, config.period + 1) / config.period
    waves = np.sin(2 * np.pi * frequencies[:, None] * time) / divisors[:, None]
    signal = waves.sum(axis=0)
    signal = signal / (np.ptp(signal) / 2)
    return torch.as_tensor(signal - (signal.max() + signal.min()) / 2)


def force_step(
    state: Float[Tensor, "runs neurons"],
    output: Float[Tensor, "runs"],
    recurrent: Float[Tensor, "runs neurons neurons"],
    feedback: Float[Tensor, "runs neurons"],
    step: float | int,
) -> tuple[Float[Tensor, "runs neurons"], Float[Tensor, "runs neurons"]]:
    """Advance the rate networks by one step of Euler's method.

    Args:
        state: x.
        output: z, as it was before any update of the read-out.
        recurrent: M.
        feedback: w_f.
        step: dt.

    Returns:
        New state x and new rates r = tanh(x).

    Source: Vogt et al. (2024), task C; Sussillo & Abbott (2009).
    """
    pull = torch.bmm(state.tanh()[:, None], recurrent.mT)[:, 0] + feedback * output[:, None]
    state = state + step * (pull - state)
    return state, state.tanh()


def rls_update(
    correlation: Float[Tensor, "runs neurons neurons"],
    readout: Float[Tensor, "runs neurons"],
    rates: Float[Tensor, "runs neurons"],
    error: Float[Tensor, "runs"],
) -> None:
    """One step of recursive least squares, in place.

    Args:
        correlation: P; changed.
        readout: w_o; changed.
        rates: r.
        error: z - f.

    Source: Sussillo & Abbott (2009).
    """
    p_r = torch.bmm(rates[:, None], correlation)[:, 0]  # P is symmetric
    gain = p_r / (1 + (rates * p_r).sum(dim=1, keepdim=True))
    correlation.addcmul_(gain[:, :, None], p_r[:, None, :], value=-1)
    readout -= error[:, None] * gain


def _check_networks(recurrent: Tensor, feedback: Tensor) -> None:
    if recurrent.ndim != 3 or recurrent.shape[1] != recurrent.shape[2]:
        raise ValueError(
            f"recurrent must have shape (runs, neurons, neurons), got {tuple(recurrent.shape)}: "
            "one network is recurrent[None]"
        )
    if feedback.shape != recurrent.shape[:2]:
        raise ValueError(
            f"feedback must have shape {tuple(recurrent.shape[:2])}, got {tuple(feedback.shape)}"
        )
    if not (torch.isfinite(recurrent).all() and torch.isfinite(feedback).all()):
        raise ValueError("weights must be finite, got NaN or infinity")


def _columns_first(recurrent: Tensor) -> Tensor:
    """The same matrices, laid out in memory so that the products of `force_step` are fast."""
    return recurrent.mT.contiguous().mT


def _as_target(target: Tensor, runs: int) -> Tensor:
    found = target.expand(runs, -1) if target.ndim == 1 else target
    if found.ndim != 2 or found.shape[0] != runs or found.shape[1] == 0:
        raise ValueError(
            f"target must have shape (steps,) or ({runs}, steps), got {tuple(target.shape)}"
        )
    if not torch.isfinite(found).all():
        raise ValueError("target must be finite, got NaN or infinity")
    return found


def force_train(
    recurrent: Float[Tensor, "runs neurons neurons"],
    feedback: Float[Tensor, "runs neurons"],
    target: Float[Tensor, "*runs steps"],
    config: ForceConfig | None = None,
    *,
    seed: int,
    teacher: bool = False,
) -> ForceResult:
    """Train the read-outs of many networks at once, while they run.

    Args:
        recurrent: M of each run.
        feedback: w_f of each run.
        target: f over one epoch, one for all runs or one for each.
        config: step, penalty, epochs, steps between updates; the number of neurons and the period
            are those of the arguments.
        seed: of the initial state and output.
        teacher: feed the target back in place of the output.

    Returns:
        Read-outs, states and training errors.

    Raises:
        ValueError: for shapes that disagree, or values that are not finite.

    Source: Vogt et al. (2024), task C; Sussillo & Abbott (2009).
    """
    config = ForceConfig() if config is None else config
    _check_networks(recurrent, feedback)
    runs, n, _ = recurrent.shape
    recurrent = _columns_first(recurrent)
    f = _as_target(target, runs).to(recurrent)
    start = torch.Generator().manual_seed(seed)
    draw = 0.5 * torch.randn(runs, n + 1, generator=start, dtype=torch.float64).to(recurrent)
    x, z = draw[:, :n], draw[:, n]
    readout = torch.zeros_like(x)
    correlation = torch.eye(n).to(recurrent).repeat(runs, 1, 1) / config.penalty
    errors = torch.zeros(config.train_epochs, runs).to(recurrent)
    count = 0
    for epoch in range(config.train_epochs):
        for now in f.T:
            x, r = force_step(x, z, recurrent, feedback, config.step)
            z = (readout * r).sum(dim=1)
            errors[epoch] += (z - now).abs() / f.shape[1]
            count += 1
            if count % config.update_every == 0:
                rls_update(correlation, readout, r, z - now)
            if teacher:
                z = now
    return ForceResult(readout, correlation, x, z, errors)


def force_run(
    result: ForceResult,
    recurrent: Float[Tensor, "runs neurons neurons"],
    feedback: Float[Tensor, "runs neurons"],
    target: Float[Tensor, "*runs steps"],
    config: ForceConfig | None = None,
) -> tuple[Float[Tensor, "steps runs"], Float[Tensor, "runs"]]:
    """Let trained networks run freely from where training ended.

    Args:
        result: what training left; not changed.
        recurrent: M.
        feedback: w_f.
        target: one epoch of f.
        config: step, and how many epochs to test.

    Returns:
        Outputs z at every step, and the mean |z - f| of each run: the loss.

    Raises:
        ValueError: for shapes that disagree, or values that are not finite.
    """
    config = ForceConfig() if config is None else config
    _check_networks(recurrent, feedback)
    recurrent = _columns_first(recurrent)
    f = _as_target(target, len(recurrent)).to(recurrent)
    x, z = result.state, result.output
    outputs = []
    for _ in range(config.test_epochs * f.shape[1]):
        x, r = force_step(x, z, recurrent, feedback, config.step)
        z = (result.readout * r).sum(dim=1)
        outputs.append(z)
    ran = torch.stack(outputs)
    return ran, (ran - f.T.repeat(config.test_epochs, 1)).abs().mean(dim=0)


def closed_loop_jacobian(
    state: Float[Tensor, "runs neurons"],
    recurrent: Float[Tensor, "runs neurons neurons"],
    feedback: Float[Tensor, "runs neurons"],
    readout: Float[Tensor, "runs neurons"],
    step: float | int,
) -> Float[Tensor, "runs neurons neurons"]:
    """Derivative of one step of the network that feeds its own output back.

    Args:
        state: x before the step.
        recurrent: M.
        feedback: w_f.
        readout: w_o.
        step: dt.

    Returns:
        J, entry [i, j] = d x'_i / d x_j. Exponents per step, divided by dt, are those per unit of
        time.

    Source: Vogt et al. (2024), task C. The released code leaves out the leak and the step before
    the feedback, and has 1 - x^2 for the slope; this is the Jacobian of the network itself.
    """
    slope = 1 - state.tanh() ** 2
    loop = recurrent + feedback[:, :, None] * readout[:, None, :]
    jacobian = step * loop * slope[:, None, :]
    jacobian.diagonal(dim1=1, dim2=2).add_(1 - step)
    return jacobian
