"""Spikes drawn from dynamical systems whose rates are known: Lorenz, and a chaotic network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from neurotutor.checks import as_count, as_positive

SIGMA, RHO, BETA = 10.0, 28.0, 8.0 / 3.0


@dataclass(frozen=True)
class DynamicalSpikes:
    """Trials of spike counts with the rates that they were drawn from.

    Attributes:
        spikes: counts per bin.
        rates: true rates, in spikes per bin (not in Hz).
        latent: state of the system in each bin, one row of bins a condition.
        condition: which initial state a trial starts from.
        repeat: how many trials of the same condition came before it.
        train: trials to learn from; the others are for validation.
        bin_size: width of a bin, in seconds.
        name: what was simulated.
    """

    spikes: Int[np.ndarray, "trials bins neurons"]
    rates: Float[np.ndarray, "trials bins neurons"]
    latent: Float[np.ndarray, "conditions bins latents"]
    condition: Int[np.ndarray, " trials"]
    repeat: Int[np.ndarray, " trials"]
    train: Bool[np.ndarray, " trials"]
    bin_size: float
    name: str


def lorenz_step(state: Float[np.ndarray, "*rows 3"], dt: float) -> Float[np.ndarray, "*rows 3"]:
    """One Euler step of the Lorenz system.

    Args:
        state: x, y, z, shape (..., 3).
        dt: length of the step, in units of the system's own time.

    Source: Lorenz (1963), with sigma = 10, rho = 28, beta = 8/3.
    """
    x, y, z = np.moveaxis(state, -1, 0)
    change = np.stack([SIGMA * (y - x), x * (RHO - z) - y, x * y - BETA * z], axis=-1)
    return state + dt * change


def lorenz(
    *,
    seed: int = 0,
    n_conditions: int = 20,
    n_repeats: int = 20,
    n_train: int = 16,
    n_neurons: int = 30,
    n_bins: int = 50,
    base_rate: float | int = 5.0,
) -> DynamicalSpikes:
    """Poisson neurons whose log rates are linear in the state of a Lorenz system.

    Each condition is one initial state, followed for `n_bins` bins of 20 ms, four Euler steps of
    0.005 each, after 500 steps that are thrown away. Coordinates are standardised over everything.
    All trials of a condition share their rates.

    Args:
        seed: of the legacy `RandomState`: initial states, weights, then the repeats one by one.
        n_conditions: number of initial states.
        n_repeats: trials of each.
        n_train: how many of them, the first ones, are for training.
        n_neurons: size of the population.
        n_bins: bins of a trial.
        base_rate: rate at the centre of the attractor, in Hz.

    Returns:
        Trials ordered by condition, then by repeat.

    Raises:
        ValueError: for sizes below 1, or no repeat left for validation.

    Source: ours, after the data sets of the latent-variable literature (Pandarinath et al. 2018).
    """
    for value, label in (
        (n_conditions, "n_conditions"),
        (n_train, "n_train"),
        (n_neurons, "n_neurons"),
        (n_bins, "n_bins"),
    ):
        as_count(label, value)
    as_count("n_repeats (n_train and one for validation)", n_repeats, n_train + 1)
    as_positive("base_rate", base_rate)
    random = np.random.RandomState(seed)
    state = random.standard_normal((n_conditions, 3)) + [0.0, 0.0, 25.0]
    dt, burn_in, substeps, bin_size = 0.005, 500, 4, 0.02
    for _ in range(burn_in):
        state = lorenz_step(state, dt)
    path = np.empty((n_conditions, n_bins * substeps, 3))
    for i in range(n_bins * substeps):
        path[:, i] = state
        state = lorenz_step(state, dt)
    path = (path - path.mean(axis=(0, 1))) / path.std(axis=(0, 1))
    weights = random.uniform(-1, 1, (n_neurons, 3))
    fine = base_rate * bin_size * np.exp(path @ weights.T)
    rates = fine.reshape(n_conditions, n_bins, substeps, n_neurons).mean(axis=2)
    latent = path.reshape(n_conditions, n_bins, substeps, 3).mean(axis=2)
    spikes = np.stack([random.poisson(rates) for _ in range(n_repeats)], axis=1)
    return _trials(spikes, rates, latent, n_train, bin_size, f"Lorenz (seed {seed})")


def chaotic_network(
    *,
    seed: int = 0,
    n_conditions: int = 130,
    n_repeats: int = 10,
    n_train: int = 8,
    n_neurons: int = 50,
    n_bins: int = 100,
    gain: float | int = 1.5,
    peak_rate: float | int = 30.0,
) -> DynamicalSpikes:
    """Poisson neurons that follow the units of a random recurrent network without input.

    Steps of 10 ms, time constant 25 ms, weights of variance 1 / n_neurons. Each unit's activity is
    scaled to run from 0 to 1 in each condition, and to `peak_rate` in Hz. The latent state *is*
    the population: there is no low-dimensional truth to find.

    Args:
        seed: of everything that is drawn.
        n_conditions: number of initial states.
        n_repeats: trials of each.
        n_train: how many of them, the first ones, are for training.
        n_neurons: size of the network.
        n_bins: bins of 10 ms in a trial.
        gain: factor on the weights; above 1 a large network is chaotic.
        peak_rate: largest rate of every neuron, in Hz.

    Raises:
        ValueError: for sizes below 1, or no repeat left for validation.

    Source: Ye & Pandarinath (2021), data of the chaotic network; Sussillo & Abbott (2009).
    """
    for value, label in (
        (n_conditions, "n_conditions"),
        (n_train, "n_train"),
        (n_neurons, "n_neurons"),
    ):
        as_count(label, value)
    as_count("n_bins", n_bins, 2)
    as_count("n_repeats (n_train and one for validation)", n_repeats, n_train + 1)
    as_positive("gain", gain)
    as_positive("peak_rate", peak_rate)
    random = np.random.default_rng(seed)
    weights = gain * random.standard_normal((n_neurons, n_neurons)) / np.sqrt(n_neurons)
    state = random.standard_normal((n_conditions, n_neurons))
    leak, bin_size = 10.0 / 25.0, 0.01
    activity = np.empty((n_conditions, n_bins, n_neurons))
    for t in range(n_bins):
        state = (1 - leak) * state + leak * np.tanh(state) @ weights.T
        activity[:, t] = np.tanh(state)
    low = activity.min(axis=1, keepdims=True)
    span = (activity.max(axis=1, keepdims=True) - low).clip(1e-12)
    rates = peak_rate * bin_size * (activity - low) / span
    spikes = random.poisson(rates[:, None], (n_conditions, n_repeats, n_bins, n_neurons))
    name = f"chaotic network (seed {seed})"
    return _trials(spikes, rates, activity, n_train, bin_size, name)


def _trials(
    spikes: Int[np.ndarray, "conditions repeats bins neurons"],
    rates: Float[np.ndarray, "conditions bins neurons"],
    latent: Float[np.ndarray, "conditions bins latents"],
    n_train: int,
    bin_size: float,
    name: str,
) -> DynamicalSpikes:
    n_conditions, n_repeats = spikes.shape[:2]
    condition = np.repeat(np.arange(n_conditions), n_repeats)
    repeat = np.tile(np.arange(n_repeats), n_conditions)
    return DynamicalSpikes(
        spikes=spikes.reshape(-1, *spikes.shape[2:]).astype(np.int64),
        rates=rates[condition],
        latent=latent,
        condition=condition,
        repeat=repeat,
        train=repeat < n_train,
        bin_size=bin_size,
        name=name,
    )
