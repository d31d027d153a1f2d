"""Simulated neural time series whose causal graph is known.

Four neurons in eight ways (`simulate`), linear networks of any size (`random_var`), and the
recursion of a continuous-time recurrent network (`ctrnn`) that some of them run on. Adjacency
everywhere: entry [i, j] is true if neuron i drives neuron j.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from neurotutor.checks import as_count, as_not_negative, as_positive

# The published simulator steps by e over a time constant of 10 bins.
STEP = math.e / 10

# Drivers 0 and 1 act on neuron 2, which acts on neuron 3.
EDGES = ((0, 2), (1, 2), (2, 3))


@dataclass(frozen=True)
class CausalSeries:
    """A multivariate time series with its true graph.

    Attributes:
        values: (time, neurons) activity.
        adjacency: (neurons, neurons) entry [i, j] true: i drives j, directly, at some delay that
            the series can show. Diagonal: the neuron's own past drives it.
        weights: (neurons, neurons) linear effect of i on j where there is one; NaN where the
            effect is not linear; 0 where there is no edge.
        name: what was simulated.
    """

    values: Float[np.ndarray, "time neurons"]
    adjacency: Bool[np.ndarray, "neurons neurons"]
    weights: Float[np.ndarray, "neurons neurons"]
    name: str


def ctrnn(
    weights: Float[np.ndarray, "neurons neurons"],
    inputs: Float[np.ndarray, "*series time neurons"],
    *,
    step: float = STEP,
    start: Float[np.ndarray, "neurons"] | None = None,
) -> Float[np.ndarray, "*series time neurons"]:
    """Run a continuous-time recurrent network by explicit Euler steps.

    `u(t+1) = u(t) + step * (-u(t) + W' tanh u(t) + I(t))`, row 0 is the start, and the last row of
    the inputs acts on nothing.

    Args:
        weights: W; entry [i, j] is the synapse from i to j.
        inputs: I(t) of each neuron; axes before the last two are independent runs.
        step: Euler step over the time constant, in (0, 2).
        start: u(0); zeros by default.

    Returns:
        u(0), u(1), ..., as many rows as `inputs`.

    Raises:
        ValueError: if shapes disagree, `step` is out of range, or a number is not finite.

    Source: Biswas & Shlizerman (2020, 2022), simulated networks.
    """
    weights, inputs = np.asarray(weights, float), np.asarray(inputs, float)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
        raise ValueError(f"weights must be square, (neurons, neurons), got {weights.shape}")
    n_neurons = len(weights)
    if inputs.ndim < 2 or inputs.shape[-1] != n_neurons or inputs.shape[-2] < 1:
        raise ValueError(
            f"inputs must be (..., time, {n_neurons}), one column a neuron, got {inputs.shape}"
        )
    if not 0 < step < 2:
        raise ValueError(f"step must lie between 0 and 2, beyond which Euler diverges, got {step}")
    state = np.zeros(n_neurons) if start is None else np.asarray(start, float)
    if state.shape != (n_neurons,):
        raise ValueError(f"start must be ({n_neurons},), got {state.shape}")
    if not all(np.isfinite(each).all() for each in (weights, inputs, state)):
        raise ValueError("weights, inputs and start must be finite: remove NaN and infinite values")
    activity = np.empty_like(inputs)
    activity[..., 0, :] = state
    for t in range(inputs.shape[-2] - 1):
        u = activity[..., t, :]
        activity[..., t + 1, :] = u + step * (-u + np.tanh(u) @ weights + inputs[..., t, :])
    return activity


def simulate(
    kind: str,
    n_steps: int = 1000,
    *,
    noise: float = 1.0,
    discard: int = 0,
    seed: int | np.random.Generator,
) -> CausalSeries:
    """Simulate four neurons: 0 and 1 drive 2, and 2 drives 3.

    Kinds, with noise strength eta:
        `linear`: constant means 1 and -1; effects 2, 1, 2 at a delay of one bin. Gaussian.
        `nonlinear`: uniform noise in (0, eta); effects by 4 sin, 3 sin, 3 sin, delay one bin.
        `ctrnn`: recurrent network, synapses of 10, input mean 1; every neuron drives itself.
        `contemp`: effects 1, 1, 0.7 within the bin. Gaussian.
        `mixed`: as `contemp`, but neuron 0 acts one bin later.
        `selfvar`: effects 0.5 at one bin, and each neuron keeps 0.7 of its own last value.
        `quad`: neuron 0 acts by its square, neuron 2 by its absolute value, delay one bin.
        `ctrnn-soft`: as `ctrnn`, synapses of 2, input mean 0.

    Args:
        kind: one of `KINDS`.
        n_steps: bins that are returned.
        noise: eta.
        discard: bins at the start that are left out; the linear networks do not start in their
            stationary state.
        seed: of a new generator, or the generator itself.

    Returns:
        The series and its true graph, self-loops included where there are any.

    Raises:
        ValueError: for an unknown kind, or numbers out of range.

    Source: Biswas & Shlizerman (2022) for `linear`, `nonlinear` and `ctrnn`; the others are ours.
    """
    if kind not in _SIMULATORS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    as_count("n_steps", n_steps, 2)
    as_count("discard", discard, 0)
    as_positive("noise", noise)
    run, effects, own = _SIMULATORS[kind]
    values = run(np.random.default_rng(seed), n_steps + discard, noise)[discard:]
    weights = np.zeros((4, 4))
    np.fill_diagonal(weights, own)
    for (i, j), effect in zip(EDGES, effects, strict=True):
        weights[i, j] = effect
    return CausalSeries(values, weights != 0, weights, kind)


def random_var(
    n_neurons: int,
    n_steps: int = 1000,
    *,
    own: float = 0.3,
    effect: float = 0.25,
    inputs: int = 2,
    seed: int | np.random.Generator,
) -> CausalSeries:
    """Draw a sparse linear network with a delay of one bin, and a series from it.

    Args:
        n_neurons: number of neurons; more than `inputs`.
        n_steps: bins.
        own: share of its own last value that each neuron keeps.
        effect: size of the other effects; their signs are random.
        inputs: drivers of each neuron, apart from itself.
        seed: of a new generator, or the generator itself.

    Returns:
        The series (unit Gaussian noise, started at rest) and its graph.

    Raises:
        ValueError: if numbers are out of range or the network is unstable.
    """
    as_count("inputs", inputs, 0)
    as_count("n_neurons", n_neurons, inputs + 1)
    as_count("n_steps", n_steps, 2)
    as_not_negative("own", own)
    as_positive("effect", effect)
    rng = np.random.default_rng(seed)
    weights = own * np.eye(n_neurons)
    for j in range(n_neurons):
        drivers = rng.choice(np.delete(np.arange(n_neurons), j), inputs, replace=False)
        weights[drivers, j] = effect * rng.choice([-1, 1], inputs)
    radius = np.abs(np.linalg.eigvals(weights)).max()
    if radius >= 1:
        raise ValueError(
            f"this network is unstable (spectral radius {radius:.2f}, expected below 1): take a "
            "smaller own, effect or number of inputs"
        )
    values = rng.standard_normal((n_steps, n_neurons))
    for t in range(1, n_steps):
        values[t] += values[t - 1] @ weights
    return CausalSeries(values, weights != 0, weights, f"VAR of {n_neurons}")


def _linear(rng: np.random.Generator, n_steps: int, noise: float) -> np.ndarray:
    x = noise * rng.standard_normal((n_steps, 4))
    x[1:, 0] += 1
    x[1:, 1] -= 1
    x[1:, 2] += 2 * x[:-1, 0] + x[:-1, 1]
    x[1:, 3] += 2 * x[:-1, 2]
    return x


def _nonlinear(rng: np.random.Generator, n_steps: int, noise: float) -> np.ndarray:
    x = rng.uniform(0, noise, (n_steps, 4))
    x[0] = rng.uniform(0, 1, 4)
    x[1:, 2] += 4 * np.sin(x[:-1, 0]) + 3 * np.sin(x[:-1, 1])
    x[1:, 3] += 3 * np.sin(x[:-1, 2])
    return x


def _contemporaneous(rng: np.random.Generator, n_steps: int, noise: float) -> np.ndarray:
    x = noise * rng.standard_normal((n_steps, 4))
    x[:, 0] += 1
    x[:, 1] -= 1
    x[:, 2] += x[:, 0] + x[:, 1]
    x[:, 3] += 0.7 * x[:, 2]
    return x


def _mixed(rng: np.random.Generator, n_steps: int, noise: float) -> np.ndarray:
    x = noise * rng.standard_normal((n_steps + 1, 4))
    x[:, 0] += 1
    x[:, 1] -= 1
    x[1:, 2] += x[:-1, 0] + x[1:, 1]
    x[:, 3] += 0.7 * x[:, 2]
    return x[1:]


def _self_var(rng: np.random.Generator, n_steps: int, noise: float) -> np.ndarray:
    weights = 0.7 * np.eye(4)
    for i, j in EDGES:
        weights[i, j] = 0.5
    x = noise * rng.standard_normal((n_steps, 4))
    for t in range(1, n_steps):
        x[t] += x[t - 1] @ weights
    return x


def _quadratic(rng: np.random.Generator, n_steps: int, noise: float) -> np.ndarray:
    x = noise * rng.standard_normal((n_steps, 4))
    x[1:, 2] += x[:-1, 0] ** 2 - 1 + x[:-1, 1]
    x[1:, 3] += 2 * np.abs(x[:-1, 2])
    return x


def _recurrent(synapse: float, mean: float) -> Callable:
    weights = np.zeros((4, 4))
    for i, j in EDGES:
        weights[i, j] = synapse

    def run(rng: np.random.Generator, n_steps: int, noise: float) -> np.ndarray:
        return ctrnn(weights, mean + noise * rng.standard_normal((n_steps, 4)))

    return run


# Simulator, effects along EDGES (NaN: not a straight line), effect of each neuron on itself.
_NOT_LINEAR = (math.nan,) * 3
_SIMULATORS: dict[str, tuple[Callable, tuple[float, ...], float]] = {
    "linear": (_linear, (2.0, 1.0, 2.0), 0.0),
    "nonlinear": (_nonlinear, _NOT_LINEAR, 0.0),
    "ctrnn": (_recurrent(10.0, 1.0), _NOT_LINEAR, 1 - STEP),
    "contemp": (_contemporaneous, (1.0, 1.0, 0.7), 0.0),
    "mixed": (_mixed, (1.0, 1.0, 0.7), 0.0),
    "selfvar": (_self_var, (0.5, 0.5, 0.5), 0.7),
    "quad": (_quadratic, (math.nan, 1.0, math.nan), 0.0),
    "ctrnn-soft": (_recurrent(2.0, 0.0), _NOT_LINEAR, 1 - STEP),
}
KINDS: tuple[str, ...] = tuple(_SIMULATORS)
