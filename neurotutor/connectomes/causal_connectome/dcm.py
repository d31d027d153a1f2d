"""Dynamic causal modelling: a mechanism from coupling to BOLD, and the fit of a few hypotheses.

Convention of every function here: entry [i, j] of a coupling matrix is the influence of i on j, per
second; the diagonal is the decay of a region's own activity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from neurotutor.connectomes.causal_connectome.checks import as_graph


@dataclass(frozen=True)
class Balloon:
    """Constants of the balloon model that turns neural activity into a BOLD signal.

    The values are the usual ones of Friston, Harrison & Penny (2003).
    """

    efficacy: float = 1.0  # epsilon, drive of blood flow by activity, 1/s
    signal_decay: float = 0.65  # kappa, 1/s
    autoregulation: float = 0.41  # gamma, 1/s^2
    transit_time: float = 0.98  # tau, s
    stiffness: float = 0.32  # alpha, Grubb's exponent
    resting_extraction: float = 0.34  # E_0, share of oxygen taken out at rest
    resting_volume: float = 0.02  # V_0, share of venous blood


class DcmSignals(NamedTuple):
    """What a simulation returns."""

    # (samples,) times of the samples in seconds.
    time: Float[np.ndarray, "samples"]
    # (..., samples, regions) neural activity.
    neural: Float[np.ndarray, "*batch samples regions"]
    # (..., samples, regions) change of the BOLD signal, as a share of the signal at rest.
    bold: Float[np.ndarray, "*batch samples regions"]


def boxcar(
    duration: float = 160.0, dt: float = 0.1, *, on: float = 10.0, period: float = 20.0
) -> Float[np.ndarray, "steps 1"]:
    """One stimulus that is on for the first part of every period.

    Args:
        duration: in seconds.
        dt: length of a step in seconds.
        on: how long it stays on, in seconds.
        period: from onset to onset, in seconds.

    Raises:
        ValueError: if a time is not positive.
    """
    if not all(0 < value < math.inf for value in (duration, dt, on, period)):
        raise ValueError(
            "duration, dt, on and period must be positive numbers of seconds, got "
            f"{duration}, {dt}, {on}, {period}"
        )
    middle = (np.arange(round(duration / dt)) + 0.5) * dt
    return (middle % period < on).astype(float)[:, None]


def neural_flow(
    x: Float[np.ndarray, "*batch regions"],
    coupling: Float[np.ndarray, "*batch regions regions"],
    drive: Float[np.ndarray, "*batch regions"],
) -> Float[np.ndarray, "*batch regions"]:
    """Change of neural activity per second: inputs from all regions, and from outside.

    Args:
        x: activity of each region.
        coupling: [i, j] is the influence of i on j, with what the stimulus modulates added.
        drive: what the stimulus feeds into each region.

    Source: Friston, Harrison & Penny (2003), neural state equation.
    """
    return (x[..., None, :] @ coupling)[..., 0, :] + drive


def haemodynamic_flow(
    x: Float[np.ndarray, "*shape"],
    s: Float[np.ndarray, "*shape"],
    f: Float[np.ndarray, "*shape"],
    v: Float[np.ndarray, "*shape"],
    q: Float[np.ndarray, "*shape"],
    balloon: Balloon,
) -> tuple[Float[np.ndarray, "*shape"], ...]:
    """Change per second of signal s, flow f, volume v and deoxyhaemoglobin q.

    Args:
        x: neural activity.
        s: signal that opens the vessels.
        f: blood flow, 1 at rest.
        v: volume of venous blood, 1 at rest.
        q: deoxyhaemoglobin, 1 at rest.
        balloon: constants.

    Source: Friston, Harrison & Penny (2003), haemodynamic state equations.
    """
    b = balloon
    out = v ** (1 / b.stiffness)
    extraction = 1 - (1 - b.resting_extraction) ** (1 / f)
    return (
        b.efficacy * x - b.signal_decay * s - b.autoregulation * (f - 1),
        s,
        (f - out) / b.transit_time,
        (f * extraction / b.resting_extraction - out * q / v) / b.transit_time,
    )


def bold_signal(
    v: Float[np.ndarray, "*shape"], q: Float[np.ndarray, "*shape"], balloon: Balloon
) -> Float[np.ndarray, "*shape"]:
    """BOLD signal of a region with volume v and deoxyhaemoglobin q, as a share of that at rest.

    Args:
        v: volume of venous blood, 1 at rest.
        q: deoxyhaemoglobin, 1 at rest.
        balloon: constants.

    Source: Friston, Harrison & Penny (2003), with the coefficients of Buxton's model.
    """
    e = balloon.resting_extraction
    return balloon.resting_volume * (7 * e * (1 - q) + 2 * (1 - q / v) + (2 * e - 0.2) * (1 - v))


def dcm_simulate(
    coupling: Float[np.ndarray, "*batch regions regions"],
    input_weights: Float[np.ndarray, "*batch inputs regions"],
    stimulus: Float[np.ndarray, "steps inputs"] | None = None,
    *,
    modulation: Float[np.ndarray, "*batch inputs regions regions"] | None = None,
    dt: float = 0.1,
    sample_every: float = 2.0,
    balloon: Balloon | None = None,
) -> DcmSignals:
    """Integrate the neural and the haemodynamic equations by fourth-order Runge-Kutta.

    Args:
        coupling: [i, j] is the influence of i on j per second, own decay on the diagonal. Leading
            axes are a batch of models that are integrated side by side.
        input_weights: what each stimulus feeds into each region.
        stimulus: value of each stimulus during each step; default: `boxcar(160, dt)`.
        modulation: change of the coupling while a stimulus is on; default: none.
        dt: length of a step in seconds.
        sample_every: time between two samples in seconds, a whole number of steps.
        balloon: constants; default: the usual ones.

    Returns:
        Neural activity and BOLD signal at the sampled times.

    Raises:
        ValueError: for shapes that disagree, values that are not finite, a sampling time that is
            no whole number of steps, or a system that explodes.

    Source: Friston, Harrison & Penny (2003).
    """
    a, c = np.asarray(coupling, dtype=float), np.asarray(input_weights, dtype=float)
    u = boxcar(160.0, dt) if stimulus is None else np.asarray(stimulus, dtype=float)
    regions = a.shape[-1]
    if a.ndim < 2 or a.shape[-2] != regions:
        raise ValueError(f"coupling must be square, regions by regions, got shape {a.shape}")
    if u.ndim != 2 or c.ndim < 2 or c.shape[-2:] != (u.shape[1], regions):
        raise ValueError(
            "stimulus must be (steps, inputs) and input_weights (inputs, regions), "
            f"got {u.shape} and {c.shape} for {regions} regions"
        )
    b = np.zeros((u.shape[1], regions, regions)) if modulation is None else np.asarray(modulation)
    if b.shape[-3:] != (u.shape[1], regions, regions):
        raise ValueError(f"modulation must be (inputs, regions, regions), got {b.shape}")
    if not all(np.isfinite(each).all() for each in (a, b, c, u)):
        raise ValueError("coupling, modulation, input_weights and stimulus must be finite")
    stride = round(sample_every / dt) if dt > 0 else 0
    if stride < 1 or abs(stride * dt - sample_every) > 1e-9:
        raise ValueError(
            f"sample_every must be a whole number of steps dt > 0, got {sample_every} s and {dt} s"
        )
    constants = Balloon() if balloon is None else balloon
    batch = np.broadcast_shapes(a.shape[:-2], c.shape[:-2], b.shape[:-3])
    state = np.zeros((5, *batch, regions))
    state[2:] = 1.0
    # Few distinct stimulus values: what they feed and modulate is worked out once for each.
    values, which = np.unique(u, axis=0, return_inverse=True)
    systems = [
        (
            np.broadcast_to(
                a + np.tensordot(value, b, ([0], [b.ndim - 3])), (*batch, *a.shape[-2:])
            ),
            np.broadcast_to(np.tensordot(value, c, ([0], [c.ndim - 2])), (*batch, regions)),
        )
        for value in values
    ]
    samples = []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for step, number in enumerate(which.ravel().tolist(), start=1):
            state = _runge_kutta(state, *systems[number], dt, constants)
            if step % stride == 0:
                samples.append(state)
    if not samples or not np.isfinite(samples[-1]).all():
        raise ValueError(
            "the simulated activity explodes, or no sample falls into the stimulus: "
            "use stronger decay, smaller dt or a longer stimulus"
        )
    x, _, _, v, q = np.moveaxis(np.stack(samples, axis=-2), 0, 0)
    time = stride * dt * np.arange(1, len(samples) + 1)
    return DcmSignals(time, x, bold_signal(v, q, constants))


def _flow(
    state: Float[np.ndarray, "5 *batch regions"],
    coupling: Float[np.ndarray, "*batch regions regions"],
    drive: Float[np.ndarray, "*batch regions"],
    balloon: Balloon,
) -> Float[np.ndarray, "5 *batch regions"]:
    """Change per second of x, s, f, v and q together."""
    return np.stack((neural_flow(state[0], coupling, drive), *haemodynamic_flow(*state, balloon)))


def _runge_kutta(
    state: Float[np.ndarray, "5 *batch regions"],
    coupling: Float[np.ndarray, "*batch regions regions"],
    drive: Float[np.ndarray, "*batch regions"],
    dt: float,
    balloon: Balloon,
) -> Float[np.ndarray, "5 *batch regions"]:
    """One step of the classical fourth-order rule; the stimulus is constant during it."""
    k1 = _flow(state, coupling, drive, balloon)
    k2 = _flow(state + dt / 2 * k1, coupling, drive, balloon)
    k3 = _flow(state + dt / 2 * k2, coupling, drive, balloon)
    k4 = _flow(state + dt * k3, coupling, drive, balloon)
    return state + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def add_noise(
    bold: Float[np.ndarray, "*batch samples regions"],
    share: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "*batch samples regions"]:
    """Measurement noise with a standard deviation that is a share of each region's own.

    Args:
        bold: signals.
        share: 0.1 for noise of a tenth of the signal.
        rng: source of randomness.
    """
    return bold + share * bold.std(axis=-2, keepdims=True) * rng.standard_normal(bold.shape)


@dataclass(frozen=True)
class DcmFit:
    """Fit of several hypotheses to several recordings.

    Attributes:
        coupling: (hypotheses, recordings, regions, regions); [i, j] is the influence of i on j.
        input_weight: (hypotheses, recordings), of the first region.
        bic: (hypotheses, recordings), Bayesian information criterion; the smallest wins.
        residual: (hypotheses, recordings), sum of squares in units of each region's variance.
        n_iterations: steps of Gauss-Newton.
    """

    coupling: Float[np.ndarray, "hypotheses recordings regions regions"]
    input_weight: Float[np.ndarray, "hypotheses recordings"]
    bic: Float[np.ndarray, "hypotheses recordings"]
    residual: Float[np.ndarray, "hypotheses recordings"]
    n_iterations: int


def dcm_fit(
    bold: Float[np.ndarray, "recordings samples regions"],
    hypotheses: Shaped[np.ndarray, "hypotheses regions regions"],
    *,
    decay: float = -0.5,
    start: tuple[float, float] = (0.2, 0.8),
    stimulus: Float[np.ndarray, "steps 1"] | None = None,
    dt: float = 0.1,
    sample_every: float = 2.0,
    max_iterations: int = 20,
    tolerance: float = 1e-6,
) -> DcmFit:
    """Fit couplings and input weight of each hypothesis by damped Gauss-Newton.

    All hypotheses, recordings and perturbed parameters are integrated side by side. Noise is
    Gaussian and independent, with the same share of every region's variance.

    Args:
        bold: recordings of one stimulus that enters region 0.
        hypotheses: graphs with the same number of arrows; [i, j] true means that i may drive j.
        decay: of every region's own activity, per second; not fitted.
        start: where couplings and input weight begin.
        stimulus: value during each step; default: `boxcar`.
        dt: step of the integration in seconds.
        sample_every: time between samples in seconds.
        max_iterations: of Gauss-Newton.
        tolerance: stop when no fit improves by this share.

    Returns:
        Couplings, input weights and BIC = N log(RSS / N) + k log N of every fit.

    Raises:
        ValueError: for data that are not finite or constant, or hypotheses that differ in size.

    Source: Friston, Harrison & Penny (2003); BIC of Schwarz (1978) in place of their evidence.
    """
    data, graphs = np.asarray(bold, dtype=float), _as_hypotheses(hypotheses)
    if data.ndim != 3 or data.shape[2] != graphs.shape[1]:
        raise ValueError(
            "bold must be (recordings, samples, regions) with as many regions as the "
            f"hypotheses, got {data.shape} and {graphs.shape}"
        )
    spread = data.std(axis=1, keepdims=True)
    if not np.isfinite(data).all() or (spread == 0).any():
        raise ValueError("bold must be finite, and no region may be constant")
    arrows = [np.argwhere(graph) for graph in graphs]
    n_arrows = len(arrows[0])
    n_fits, n_records = len(graphs), len(data)

    def predict(parameters: np.ndarray) -> np.ndarray:
        """(hypotheses, recordings, k, parameters) -> scaled signals (..., samples * regions)."""
        a = np.zeros((*parameters.shape[:-1], *graphs.shape[1:]))
        a[..., np.arange(graphs.shape[1]), np.arange(graphs.shape[1])] = decay
        for number, pairs in enumerate(arrows):
            a[number][..., pairs[:, 0], pairs[:, 1]] = parameters[number, ..., :-1]
        c = np.zeros((*parameters.shape[:-1], 1, graphs.shape[1]))
        c[..., 0, 0] = parameters[..., -1]
        found = dcm_simulate(a, c, stimulus, dt=dt, sample_every=sample_every).bold
        if found.shape[-2] != data.shape[1]:
            raise ValueError(
                f"the stimulus gives {found.shape[-2]} samples and bold has "
                f"{data.shape[1]}: pass the stimulus of the recording"
            )
        return (found / spread[:, None]).reshape(*parameters.shape[:-1], -1)

    target = (data / spread).reshape(n_records, -1)
    parameters = np.full((n_fits, n_records, n_arrows + 1), float(start[0]))
    parameters[..., -1] = start[1]
    damping = np.full((n_fits, n_records), 1e-3)
    nudge = 1e-5 * np.vstack([np.zeros(n_arrows + 1), np.eye(n_arrows + 1)])
    best = np.full((n_fits, n_records), np.inf)
    proposal = parameters
    for iteration in range(1, max_iterations + 1):
        # Row 0 is the proposal, the others nudge one parameter each: value and slope in one go.
        signals = predict(proposal[:, :, None] + nudge)
        gap = target - signals[:, :, 0]
        error = (gap**2).sum(axis=-1)
        better = error < best
        gained = np.where(better, 1 - error / best, 0.0) if iteration > 1 else np.ones_like(best)
        if iteration == 1:
            slopes, gaps = np.empty((*best.shape, n_arrows + 1, target.shape[1])), gap
        slopes[better] = (signals[:, :, 1:] - signals[:, :, :1])[better] / 1e-5
        gaps = np.where(better[..., None], gap, gaps)
        parameters = np.where(better[..., None], proposal, parameters)
        best = np.where(better, error, best)
        damping = np.clip(np.where(better, damping / 10, damping * 10), 1e-9, 1e6)
        if iteration > 1 and (gained < tolerance).all() and (better | (damping > 1)).all():
            break
        curvature = slopes @ np.swapaxes(slopes, -1, -2)
        diagonal = np.einsum("...ii->...i", curvature)
        curvature = curvature + (damping[..., None] * diagonal)[..., None] * np.eye(n_arrows + 1)
        step = np.linalg.solve(curvature, slopes @ gaps[..., None])[..., 0]
        # A coupling beyond the decay would explode, and no data ask for a stride that long.
        proposal = parameters + np.clip(step, -0.2, 0.2)
    count = target.shape[1]
    bic = count * np.log(best / count) + (n_arrows + 1) * math.log(count)
    coupling = np.zeros((n_fits, n_records, *graphs.shape[1:]))
    for number, pairs in enumerate(arrows):
        coupling[number][:, pairs[:, 0], pairs[:, 1]] = parameters[number, :, :-1]
    coupling += decay * np.eye(graphs.shape[1])
    return DcmFit(coupling, parameters[..., -1], bic, best, iteration)


def _as_hypotheses(hypotheses: Any) -> Bool[np.ndarray, "hypotheses regions regions"]:
    """Read graphs ([i, j] true means i -> j) that all have the same number of arrows."""
    graphs = np.stack([as_graph(each, "a hypothesis") for each in np.asarray(hypotheses)])
    counts = graphs.sum(axis=(1, 2))
    if counts.min() < 1 or counts.min() != counts.max():
        raise ValueError(
            "the hypotheses must have the same number of arrows, one or more, got "
            f"{counts.tolist()}: fit those of another size in a call of their own"
        )
    return graphs
