"""Motor cortex during centre-out reaching: recordings of two monkeys, and a simulated population.

`load` reads a recording, `simulate` draws one from a population whose tuning is known (`tuning`).
Both return the same `Reach`, so that everything after them runs on either.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from neurotutor.checks import as_count, as_not_negative, as_positive
from neurotutor.data import registry
from neurotutor.data.binned import Binned
from neurotutor.data.checks import one_number, whole_numbers

N_DIRECTIONS = 8

_ARRAYS = (
    "spike_counts",
    "direction",
    "trial",
    "bin_in_trial",
    "hand_pos",
    "hand_vel",
    "hand_acc",
    "hand_force",
    "trial_direction",
    "bin_width_s",
    "speed_threshold",
)


@dataclass(frozen=True)
class Reach(Binned):
    """Reaches to eight targets, cut into time bins; the bins of all trials one after another.

    Attributes:
        spikes: spikes per bin and neuron.
        direction: target of the bin's trial, 0 to 7; target k lies at 90 - 45 k degrees
            (0 = up, then clockwise).
        trial: number of the bin's trial, from 0, in recording order.
        bin_in_trial: index of the bin in its trial, before slow bins were left out.
        position: hand position, mean over the bin; cm where the unit is known. NaN throughout
            where it was not recorded, as in the three that follow.
        velocity: hand velocity, mean over the bin; cm/s.
        acceleration: hand acceleration, mean over the bin; cm/s^2.
        force: force at the hand, mean over the bin; its unit is not stated by the source.
        trial_direction: target of each trial.
        bin_size: width of a bin, in seconds.
        speed_threshold: only bins with a greater hand speed are kept; cm/s.
        name: name of the recording, or what was simulated.
        simulated: whether the spikes were drawn by `simulate`.
    """

    spikes: Int[np.ndarray, "time neurons"]
    direction: Int[np.ndarray, " time"]
    trial: Int[np.ndarray, " time"]
    bin_in_trial: Int[np.ndarray, " time"]
    position: Float[np.ndarray, "time 2"]
    velocity: Float[np.ndarray, "time 2"]
    acceleration: Float[np.ndarray, "time 2"]
    force: Float[np.ndarray, "time 2"]
    trial_direction: Int[np.ndarray, " trials"]
    bin_size: float
    speed_threshold: float
    name: str
    simulated: bool

    @property
    def angle(self) -> Float[np.ndarray, " time"]:
        """Angle of the target of each bin in radians, 90 - 45 k degrees for target k."""
        return target_angle(self.direction)

    @property
    def n_trials(self) -> int:
        """Number of reaches."""
        return len(self.trial_direction)


@dataclass(frozen=True)
class Tuning:
    """What the simulated neurons respond to: the ground truth behind `simulate`.

    Attributes:
        preferred_angle: direction of reach that each neuron fires most for, in radians; drawn for
            untuned neurons, too, and without effect there.
        peak_rate: rate at full speed in the preferred direction, in Hz.
        tuned: whether the neuron cares about direction at all.
    """

    preferred_angle: Float[np.ndarray, " neurons"]
    peak_rate: Float[np.ndarray, " neurons"]
    tuned: Bool[np.ndarray, " neurons"]


def target_angle(direction: Int[np.ndarray, "*bins"]) -> Float[np.ndarray, "*bins"]:
    """Angle of targets in radians: target k lies at 90 - 45 k degrees."""
    return np.deg2rad(90.0 - 45.0 * np.asarray(direction))


def load(name_or_path: str | os.PathLike) -> Reach:
    """Load a recording of reaches.

    Args:
        name_or_path: a name of the registry, such as `"reach/chewie-20131003-bin100ms-vel5"`, or
            the path of any `.npz` of the same form (the README of the data set lists its arrays).

    Returns:
        The recording, checked.

    Raises:
        neurotutor.data.DataNotFound: if the recording or the file is not on this machine.
        neurotutor.data.UnknownData: for a name that the registry does not hold.
        neurotutor.data.CorruptData: if the file is damaged or lacks an array.
        ValueError: if an array has a wrong shape or type, or impossible values.

    Source:
        Recordings of L. E. Miller's laboratory (Dyer et al. 2017), as binned for Azabou et al.
        2021, arXiv:2102.10106, section on neural data.
    """
    path = registry.resolve(name_or_path)
    arrays = registry.read_arrays(path, _ARRAYS)
    is_name = isinstance(name_or_path, str) and not name_or_path.endswith(".npz")
    name = name_or_path if is_name else path.stem

    def fail(problem: str) -> ValueError:
        return ValueError(f"{path} is not a recording of reaches: {problem}")

    spikes = arrays["spike_counts"]
    if spikes.ndim != 2 or 0 in spikes.shape:
        raise fail(f"spike_counts must be (time, neurons) and not empty, got {spikes.shape}")
    n_bins = len(spikes)
    trial_direction = arrays["trial_direction"]
    if trial_direction.ndim != 1 or len(trial_direction) == 0:
        raise fail(f"trial_direction must be (trials,), not empty, got {trial_direction.shape}")
    for key in ("direction", "trial", "bin_in_trial"):
        if arrays[key].shape != (n_bins,):
            raise fail(f"{key} must have one entry per bin, ({n_bins},), got {arrays[key].shape}")
    for key in ("hand_pos", "hand_vel", "hand_acc", "hand_force"):
        if arrays[key].shape != (n_bins, 2):
            raise fail(f"{key} must be x and y per bin, ({n_bins}, 2), got {arrays[key].shape}")
        if arrays[key].dtype.kind != "f":
            raise fail(f"{key} must be floating-point, got {arrays[key].dtype}")
        if np.isinf(arrays[key]).any():
            raise fail(f"{key} holds infinite values; NaN marks what was not recorded")
    whole = {
        key: whole_numbers(arrays[key], key, fail)
        for key in ("spike_counts", "direction", "trial", "bin_in_trial", "trial_direction")
    }
    counts, direction, trial = whole["spike_counts"], whole["direction"], whole["trial"]
    if counts.min() < 0:
        raise fail(f"spike_counts has negative counts (smallest {counts.min()})")
    for key in ("direction", "trial_direction"):
        if whole[key].min() < 0 or whole[key].max() >= N_DIRECTIONS:
            raise fail(
                f"{key} must be labels 0..{N_DIRECTIONS - 1}, "
                f"got {whole[key].min()}..{whole[key].max()}"
            )
    steps = np.diff(trial)
    if trial[0] != 0 or ((steps != 0) & (steps != 1)).any():
        raise fail("trial must count 0, 1, 2, ... in recording order without a gap or a return")
    if trial[-1] + 1 != len(whole["trial_direction"]):
        raise fail(
            f"trial_direction has {len(whole['trial_direction'])} entries "
            f"for {trial[-1] + 1} trials"
        )
    if (direction != whole["trial_direction"][trial]).any():
        raise fail("direction must be trial_direction of the bin's trial")
    within = np.diff(whole["bin_in_trial"])[steps == 0]
    if whole["bin_in_trial"].min() < 0 or (within <= 0).any():
        raise fail("bin_in_trial must be 0 or greater, and grow within each trial")
    bin_size = one_number(arrays["bin_width_s"], "bin_width_s", fail)
    threshold = one_number(arrays["speed_threshold"], "speed_threshold", fail)
    if bin_size <= 0:
        raise fail(f"bin_width_s must be a positive number of seconds, got {bin_size}")
    if threshold < 0:
        raise fail(f"speed_threshold must be 0 or greater, got {threshold}")

    return Reach(
        spikes=counts,
        direction=direction,
        trial=trial,
        bin_in_trial=whole["bin_in_trial"],
        position=arrays["hand_pos"].astype(float),
        velocity=arrays["hand_vel"].astype(float),
        acceleration=arrays["hand_acc"].astype(float),
        force=arrays["hand_force"].astype(float),
        trial_direction=whole["trial_direction"],
        bin_size=bin_size,
        speed_threshold=threshold,
        name=name,
        simulated=False,
    )


def tuning(
    n_neurons: int = 160,
    *,
    tuned_share: float | int = 0.5,
    peak_rate: float | int = 6.0,
    peak_spread: float | int = 1.0,
    seed: int = 0,
) -> Tuning:
    """Draw the tuning of a population; `simulate` with the same arguments uses exactly this one.

    Args:
        n_neurons: size of the population.
        tuned_share: share of neurons that are tuned to the direction of reach.
        peak_rate: median of the peak rates, in Hz.
        peak_spread: standard deviation of the logarithm of the peak rates.
        seed: seed of the population.

    Raises:
        ValueError: for a size below 1, a share outside [0, 1], or a rate that is not positive.
    """
    as_count("n_neurons", n_neurons)
    as_count("seed", seed, 0)
    as_not_negative("tuned_share", tuned_share)
    if tuned_share > 1:
        raise ValueError(f"tuned_share must lie in [0, 1], got {tuned_share}")
    as_positive("peak_rate", peak_rate)
    as_not_negative("peak_spread", peak_spread)
    generator = np.random.default_rng([seed, 0])
    tuned = np.zeros(n_neurons, bool)
    tuned[generator.permutation(n_neurons)[: round(tuned_share * n_neurons)]] = True
    return Tuning(
        preferred_angle=generator.uniform(-np.pi, np.pi, n_neurons),
        peak_rate=peak_rate * np.exp(peak_spread * generator.standard_normal(n_neurons)),
        tuned=tuned,
    )


def simulate(
    n_trials: int = 160,
    n_neurons: int = 160,
    bin_size: float | int = 0.1,
    *,
    seed: int = 0,
    tuned_share: float | int = 0.5,
    peak_rate: float | int = 6.0,
    peak_spread: float | int = 1.0,
    gain_noise: float | int = 0.2,
    duration: Sequence[float | int] = (0.6, 1.1),
    distance: float | int = 10.0,
    speed_threshold: float | int = 0.0,
) -> Reach:
    """Simulate reaches of a cosine-tuned Poisson population whose tuning is known (`tuning`).

    The hand moves straight to the target with the bell-shaped speed of a minimum-jerk movement.
    A tuned neuron fires at half its peak rate, plus half its peak rate times the speed (relative
    to the highest of the movement) times the cosine between reach and preferred direction; an
    untuned neuron at half its peak rate. In each trial the rate of each neuron is multiplied by
    a gain of mean 1. Spike counts are Poisson. Neurons share no noise and do not drift, other than
    in a recording; force is not simulated (NaN).

    Args:
        n_trials: number of reaches; each block of eight visits the eight targets in random order.
        n_neurons: size of the population.
        bin_size: width of a bin, in seconds.
        seed: seed of everything that is drawn.
        tuned_share: see `tuning`.
        peak_rate: see `tuning`.
        peak_spread: see `tuning`.
        gain_noise: coefficient of variation of the gain.
        duration: shortest and longest reach in seconds; all whole numbers of bins between them
            are equally likely.
        distance: length of a reach, in cm.
        speed_threshold: only bins with a greater mean speed are kept, in cm/s.

    Returns:
        The simulated recording.

    Raises:
        ValueError: for sizes or ranges that make no recording.

    Source:
        Ours. The sizes follow the recordings of Azabou et al. 2021, arXiv:2102.10106.
    """
    as_count("n_trials", n_trials)
    as_positive("bin_size", bin_size)
    as_positive("distance", distance)
    as_not_negative("gain_noise", gain_noise)
    as_not_negative("speed_threshold", speed_threshold)
    if len(duration) != 2 or not 0 < duration[0] <= duration[1] < np.inf:
        raise ValueError(
            f"duration must be the shortest and the longest reach in seconds, got {duration}"
        )
    fewest, most = (round(seconds / bin_size) for seconds in duration)
    if fewest < 1:
        raise ValueError(
            f"a reach of {duration[0]} s has no bin of {bin_size} s: make bin_size smaller"
        )
    neurons = tuning(
        n_neurons,
        tuned_share=tuned_share,
        peak_rate=peak_rate,
        peak_spread=peak_spread,
        seed=seed,
    )

    generator = np.random.default_rng([seed, 1])
    n_blocks = -(-n_trials // N_DIRECTIONS)
    blocks = generator.permuted(np.tile(np.arange(N_DIRECTIONS), (n_blocks, 1)), axis=1)
    trial_direction = blocks.reshape(-1)[:n_trials]
    n_bins = generator.integers(fewest, most + 1, n_trials)
    trial = np.repeat(np.arange(n_trials), n_bins)
    bin_in_trial = np.arange(len(trial)) - np.repeat(np.cumsum(n_bins) - n_bins, n_bins)

    # Bin means are exact: each is the difference of the antiderivative at the edges of the bin.
    length = n_bins[trial]
    start, stop = bin_in_trial / length, (bin_in_trial + 1) / length
    along = [
        distance
        * (_minimum_jerk(stop, order) - _minimum_jerk(start, order))
        / (stop - start)
        / (length * bin_size) ** (order + 1)
        for order in (-1, 0, 1)
    ]
    angle = target_angle(trial_direction[trial])
    heading = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    position, velocity, acceleration = (values[:, None] * heading for values in along)

    top_speed = distance * 1.875 / (length * bin_size)  # of a minimum-jerk movement, half-way
    relative_speed = along[1] / top_speed
    cosine = np.cos(angle[:, None] - neurons.preferred_angle) * neurons.tuned
    rates = 0.5 * neurons.peak_rate * (1.0 + relative_speed[:, None] * cosine)
    log_sd = np.sqrt(np.log1p(gain_noise**2))
    gain = np.exp(log_sd * generator.standard_normal((n_trials, n_neurons)) - 0.5 * log_sd**2)
    spikes = generator.poisson(rates * gain[trial] * bin_size)

    keep = along[1] > speed_threshold
    if len(np.unique(trial[keep])) < n_trials:
        raise ValueError(
            f"some reach has no bin with a speed above {speed_threshold} cm/s: "
            f"lower speed_threshold (top speeds are {top_speed.min():.1f} cm/s and more)"
        )
    return Reach(
        spikes=spikes[keep],
        direction=trial_direction[trial][keep],
        trial=trial[keep],
        bin_in_trial=bin_in_trial[keep],
        position=position[keep],
        velocity=velocity[keep],
        acceleration=acceleration[keep],
        force=np.full((int(keep.sum()), 2), np.nan),
        trial_direction=trial_direction,
        bin_size=float(bin_size),
        speed_threshold=float(speed_threshold),
        name=f"simulated reaches (seed {seed})",
        simulated=True,
    )


def _minimum_jerk(phase: Float[np.ndarray, " bins"], order: int) -> Float[np.ndarray, " bins"]:
    """Derivative (order 1), value (0) or integral (-1) of the minimum-jerk path from 0 to 1."""
    if order == 1:
        return 30 * phase**2 * (1 - phase) ** 2
    if order == 0:
        return phase**3 * (10 - 15 * phase + 6 * phase**2)
    return phase**4 * (2.5 - 3 * phase + phase**2)
