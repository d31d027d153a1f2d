"""Spikes and state of arousal of a freely behaving animal: a recording, and a simulated one."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.signal import lfilter

from neurotutor.checks import as_count, as_not_negative, as_positive
from neurotutor.data import registry
from neurotutor.data.binned import Binned
from neurotutor.data.checks import one_number, whole_numbers

STATES = ("wake", "nREM", "REM")

_ARRAYS = ("spike_counts", "state", "bin_width_s")

# Of the simulation: mean length of an episode in seconds, where it leads to, how much each state
# raises or lowers the rates: round numbers near those of the recording of a mouse (12 hours).
_EPISODE = np.array([1000.0, 900.0, 150.0])
_NEXT = np.array([[0.0, 1.0, 0.0], [0.2, 0.0, 0.8], [0.4, 0.6, 0.0]])
_STATE_GAIN = np.array([1.2, 0.8, 1.1])


@dataclass(frozen=True)
class Sleep(Binned):
    """Spike counts of a population over hours, with the state of arousal in each bin.

    Attributes:
        spikes: spikes per bin and neuron.
        state: index into `STATES` for each bin.
        bin_size: width of a bin, in seconds.
        name: name of the recording, or what was simulated.
        simulated: whether the spikes were drawn by `simulate`.
    """

    spikes: Int[np.ndarray, "time neurons"]
    state: Int[np.ndarray, " time"]
    bin_size: float
    name: str
    simulated: bool


def load(name_or_path: str | os.PathLike) -> Sleep:
    """Load a recording of sleep and waking.

    Args:
        name_or_path: a name of the registry, such as `"rodent-sleep/mouse-ca1-12h-4s"`, or the
            path of any `.npz` of the same form.

    Returns:
        The recording, checked. Which number stands for which state is not stated by its source;
        `STATES` is inferred from the order of the states and from the rates.

    Raises:
        neurotutor.data.DataNotFound: if the recording or the file is not on this machine.
        neurotutor.data.UnknownData: for a name that the registry does not hold.
        neurotutor.data.CorruptData: if the file is damaged or lacks an array.
        ValueError: if an array has a wrong shape or type, or impossible values.

    Source:
        Ma et al. 2019, Neuron, as binned for Azabou et al. 2021, arXiv:2102.10106.
    """
    path = registry.resolve(name_or_path)
    arrays = registry.read_arrays(path, _ARRAYS)

    def fail(problem: str) -> ValueError:
        return ValueError(f"{path} is not a recording of sleep: {problem}")

    stored = arrays["spike_counts"]
    if stored.ndim != 2 or 0 in stored.shape:
        raise fail(f"spike_counts must be (time, neurons) and not empty, got {stored.shape}")
    if arrays["state"].shape != (len(stored),):
        raise fail(
            f"state must have one entry per bin, ({len(stored)},), got {arrays['state'].shape}"
        )
    spikes = whole_numbers(stored, "spike_counts", fail)
    state = whole_numbers(arrays["state"], "state", fail)
    if spikes.min() < 0:
        raise fail(f"spike_counts has negative counts (smallest {spikes.min()})")
    if state.min() < 0 or state.max() >= len(STATES):
        raise fail(f"state must be 0..{len(STATES) - 1}, got {state.min()}..{state.max()}")
    bin_size = one_number(arrays["bin_width_s"], "bin_width_s", fail)
    if bin_size <= 0:
        raise fail(f"bin_width_s must be a positive number of seconds, got {bin_size}")
    is_name = isinstance(name_or_path, str) and not name_or_path.endswith(".npz")
    return Sleep(
        # Stored neuron by neuron; chapters read it bin by bin.
        spikes=np.ascontiguousarray(spikes),
        state=state,
        bin_size=bin_size,
        name=name_or_path if is_name else path.stem,
        simulated=False,
    )


def transition_matrix(bin_size: float | int = 4.0) -> Float[np.ndarray, "3 3"]:
    """Chance of going from one state (row) to another (column) within one bin of the simulation.

    Args:
        bin_size: width of a bin, in seconds.
    """
    as_positive("bin_size", bin_size)
    leave = -np.expm1(-bin_size / _EPISODE)
    return leave[:, None] * _NEXT + np.diag(1.0 - leave)


def simulate(
    n_bins: int = 10800,
    n_neurons: int = 42,
    bin_size: float | int = 4.0,
    *,
    seed: int = 0,
    median_rate: float | int = 7.0,
    rate_spread: float | int = 1.0,
    state_effect: float | int = 0.25,
    drift: float | int = 0.15,
    drift_time: float | int = 3600.0,
) -> Sleep:
    """Simulate a population whose rates follow the state of arousal and drift slowly.

    The state is a Markov chain (`transition_matrix`) that starts awake. Each neuron has a rate of
    its own, a factor for each state, and a factor that wanders around 1 (the exponential of an
    Ornstein-Uhlenbeck process). Spike counts are Poisson, so they vary less than recorded ones.

    Args:
        n_bins: number of bins.
        n_neurons: size of the population.
        bin_size: width of a bin, in seconds.
        seed: seed of everything that is drawn.
        median_rate: median over neurons of their own rate, in Hz.
        rate_spread: standard deviation of the logarithm of these rates.
        state_effect: standard deviation over neurons of the logarithm of a state's factor.
        drift: standard deviation of the logarithm of the drifting factor.
        drift_time: time over which the drift forgets itself, in seconds.

    Returns:
        The simulated recording; `state` is the truth.

    Raises:
        ValueError: for sizes or ranges that make no recording.

    Source:
        Ours. Sizes and episodes are near those of the recording (Ma et al. 2019).
    """
    as_count("n_bins", n_bins)
    as_count("n_neurons", n_neurons)
    as_count("seed", seed, 0)
    as_positive("bin_size", bin_size)
    as_positive("median_rate", median_rate)
    as_positive("drift_time", drift_time)
    as_not_negative("rate_spread", rate_spread)
    as_not_negative("state_effect", state_effect)
    as_not_negative("drift", drift)
    generator = np.random.default_rng(seed)

    state = _states(n_bins, bin_size, generator)
    log_rate = np.log(median_rate) + rate_spread * generator.standard_normal(n_neurons)
    log_gain = np.log(_STATE_GAIN)[:, None] + state_effect * generator.standard_normal(
        (len(STATES), n_neurons)
    )
    keep = np.exp(-bin_size / drift_time)
    kicks = generator.standard_normal((n_bins, n_neurons))
    kicks[1:] *= np.sqrt(1.0 - keep**2)
    wandering = drift * lfilter([1.0], [1.0, -keep], kicks, axis=0)
    spikes = generator.poisson(np.exp(log_rate + log_gain[state] + wandering) * bin_size)
    return Sleep(
        spikes=spikes,
        state=state,
        bin_size=float(bin_size),
        name=f"simulated sleep (seed {seed})",
        simulated=True,
    )


def _states(
    n_bins: int, bin_size: float | int, generator: np.random.Generator
) -> Int[np.ndarray, " time"]:
    """A path of the Markov chain, drawn episode by episode: their lengths are geometric."""
    leave = -np.expm1(-bin_size / _EPISODE)
    episodes, lengths, total = [], [], 0
    current = 0
    while total < n_bins:
        length = int(min(generator.geometric(leave[current]), n_bins))
        episodes.append(current)
        lengths.append(length)
        total += length
        current = int(generator.choice(len(STATES), p=_NEXT[current]))
    return np.repeat(np.array(episodes), lengths)[:n_bins]
