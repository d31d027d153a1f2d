"""The primer's own four steps: count spikes, average them, fit a cosine, let neurons vote."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real


class TuningCurves(NamedTuple):
    """Mean rate of every neuron for every direction, with the standard error of that mean (Hz)."""

    mean: Float[np.ndarray, "directions neurons"]
    error: Float[np.ndarray, "directions neurons"]


class CosineTuning(NamedTuple):
    """Cosine fit of every neuron: beta + rho cos(phi - psi), and the spread sigma of its rate."""

    baseline: Float[np.ndarray, "neurons"]
    depth: Float[np.ndarray, "neurons"]
    preferred: Float[np.ndarray, "neurons"]
    spread: Float[np.ndarray, "neurons"]

    @property
    def strength(self) -> Float[np.ndarray, "neurons"]:
        """Depth in units of the spread, rho / sigma; 0 for a neuron that never changes."""
        varies = self.spread > 0
        return np.where(varies, self.depth / np.where(varies, self.spread, 1.0), 0.0)


def _as_rates(rates: Real[np.ndarray, "time neurons"]) -> Float[np.ndarray, "time neurons"]:
    rates = np.asarray(rates)
    if rates.dtype.kind not in "iuf":
        raise TypeError(f"rates must hold real numbers, got dtype {rates.dtype}; convert them")
    if rates.ndim != 2 or rates.size == 0:
        raise ValueError(f"rates must have shape (time, neurons), got {rates.shape}; reshape them")
    if not np.isfinite(rates).all():
        raise ValueError("rates hold NaN or infinite values; drop those bins first")
    return rates.astype(np.float64)


def bin_spikes(
    times: Real[np.ndarray, "spikes"], bin_size: float, duration: float
) -> Int[np.ndarray, "time"]:
    """Count the spikes of one neuron in bins of equal width.

    A bin holds its left edge and not its right one, so that no spike is counted twice.

    Args:
        times: spike times in seconds, in any order, in [0, duration); shape (spikes,).
        bin_size: width of a bin in seconds.
        duration: length of the recording in seconds, a whole number of bins.

    Returns:
        Counts, shape (time,).

    Raises:
        ValueError: if a spike lies outside [0, duration), or the duration is not a whole number of
            bins.
    """
    times = np.asarray(times, dtype=np.float64)
    if times.ndim != 1:
        raise ValueError(f"times must have one axis, got shape {times.shape}; pass one neuron")
    if not (0 < bin_size <= duration < np.inf):
        raise ValueError(
            f"bin_size and duration must be positive seconds with bin_size <= duration, "
            f"got {bin_size} and {duration}"
        )
    n_bins = round(duration / bin_size)
    if abs(n_bins * bin_size - duration) > 1e-9 * duration:
        raise ValueError(
            f"duration must be a whole number of bins, got {duration} s and bins of {bin_size} s; "
            "cut the recording"
        )
    if times.size and not (times.min() >= 0 and times.max() < duration):
        raise ValueError(f"spike times must lie in [0, {duration}) s; drop or shift the others")
    # A spike just below an edge may round up to the bin that does not exist.
    index = np.minimum((times / bin_size).astype(int), n_bins - 1)
    return np.bincount(index, minlength=n_bins)


def tuning_curves(
    rates: Real[np.ndarray, "time neurons"],
    direction: Int[np.ndarray, "time"],
    n_directions: int = 8,
) -> TuningCurves:
    """Average the rate of every neuron over the bins of each direction.

    Args:
        rates: firing rates in Hz, shape (time, neurons).
        direction: label 0 .. n_directions - 1 of each bin, shape (time,).
        n_directions: number of directions; each must occur in two bins or more.

    Returns:
        Means and their standard errors, each of shape (directions, neurons), in Hz. The error
        treats bins as independent, which flatters it: bins of one trial are not.

    Raises:
        ValueError: if shapes disagree, or a direction has fewer than two bins.
        TypeError: if labels are not integers.
    """
    rates = _as_rates(rates)
    direction = np.asarray(direction)
    if direction.dtype.kind not in "iu":
        raise TypeError(f"direction must hold integers, got {direction.dtype}; use .astype(int)")
    if direction.shape != (len(rates),):
        raise ValueError(f"direction must have shape ({len(rates)},), got {direction.shape}")
    if direction.min() < 0 or direction.max() >= n_directions:
        raise ValueError(f"direction must lie in 0..{n_directions - 1}; set n_directions")
    count = np.bincount(direction, minlength=n_directions)
    if count.min() < 2:
        raise ValueError(
            f"direction {count.argmin()} has {count.min()} bins, 2 are needed; pass more trials"
        )
    groups = [rates[direction == label] for label in range(n_directions)]
    mean = np.stack([group.mean(axis=0) for group in groups])
    error = np.stack([group.std(axis=0, ddof=1) / np.sqrt(len(group)) for group in groups])
    return TuningCurves(mean, error)


def fit_cosine(
    rates: Real[np.ndarray, "time neurons"], angle: Float[np.ndarray, "time"]
) -> CosineTuning:
    """Fit a cosine of the movement's angle to the rate of every neuron, by least squares.

    beta + rho cos(phi - psi) is linear in (1, cos phi, sin phi), so one solve fits all neurons.

    Args:
        rates: firing rates in Hz, shape (time, neurons).
        angle: movement angle phi of each bin in radians, shape (time,).

    Returns:
        Baseline beta and depth rho >= 0 in Hz, preferred direction psi in (-pi, pi] in radians, and
        the standard deviation sigma of the rate over all bins in Hz.

    Raises:
        ValueError: if shapes disagree, or the angles take fewer than three values.

    Source: Georgopoulos et al. (1982).
    """
    rates = _as_rates(rates)
    angle = np.asarray(angle, dtype=np.float64)
    if angle.shape != (len(rates),) or not np.isfinite(angle).all():
        raise ValueError(f"angle must be finite and of shape ({len(rates)},), got {angle.shape}")
    design = np.column_stack([np.ones(len(angle)), np.cos(angle), np.sin(angle)])
    solution, _, rank, _ = np.linalg.lstsq(design, rates, rcond=None)
    if rank < 3:
        raise ValueError("angle must take three values or more to fit a cosine; pass more trials")
    baseline, along, across = solution
    return CosineTuning(
        baseline, np.hypot(along, across), np.arctan2(across, along), rates.std(axis=0)
    )


def votes(
    rates: Real[np.ndarray, "time neurons"], tuning: CosineTuning
) -> Float[np.ndarray, "time neurons 2"]:
    """What every neuron adds to the population vector: its preferred direction, times its surprise.

    Args:
        rates: firing rates in Hz, shape (time, neurons).
        tuning: fitted on other bins; `baseline` and `spread` in Hz, `preferred` in radians.

    Returns:
        One arrow for each bin and neuron, shape (time, neurons, 2), without a unit. A neuron whose
        rate never changed has the arrow 0.

    Raises:
        ValueError: if the number of neurons differs.
    """
    rates = _as_rates(rates)
    if rates.shape[1] != len(tuning.preferred):
        raise ValueError(
            f"rates have {rates.shape[1]} neurons, the tuning has {len(tuning.preferred)}; "
            "use the neurons that it was fitted on"
        )
    varies = tuning.spread > 0
    surprise = (rates - tuning.baseline) / np.where(varies, tuning.spread, np.inf)
    pointer = np.column_stack([np.cos(tuning.preferred), np.sin(tuning.preferred)])
    return surprise[:, :, None] * pointer


def population_vector(
    rates: Real[np.ndarray, "time neurons"], tuning: CosineTuning
) -> Float[np.ndarray, "time 2"]:
    """Mean of all neurons' votes in each bin; its angle is the decoded movement direction.

    Args:
        rates: firing rates in Hz, shape (time, neurons).
        tuning: cosine fits of the same neurons, from other bins.

    Returns:
        Vectors (right, up), shape (time, 2), without a unit.

    Raises:
        ValueError: if the number of neurons differs.

    Source: Georgopoulos, Schwartz and Kettner (1986).
    """
    return votes(rates, tuning).mean(axis=1)


def smooth(
    rates: Real[np.ndarray, "time neurons"], trial: Int[np.ndarray, "time"], half_width: int
) -> Float[np.ndarray, "time neurons"]:
    """Average every bin with its neighbours in the same trial.

    Args:
        rates: firing rates in Hz, shape (time, neurons).
        trial: trial number of each bin, the bins of a trial in one block; shape (time,).
        half_width: number of bins on either side; at the ends of a trial those that there are.

    Returns:
        Smoothed rates in Hz, shape (time, neurons).

    Raises:
        ValueError: if shapes disagree, or `half_width` is negative.
    """
    rates = _as_rates(rates)
    trial = np.asarray(trial)
    if trial.shape != (len(rates),):
        raise ValueError(f"trial must have shape ({len(rates)},), got {trial.shape}")
    if half_width < 0:
        raise ValueError(f"half_width must be 0 or greater, got {half_width}")
    total, count = rates.copy(), np.ones(len(rates))
    for shift in range(1, min(half_width, len(rates) - 1) + 1):
        same = trial[shift:] == trial[:-shift]
        for here, there in ((np.s_[:-shift], np.s_[shift:]), (np.s_[shift:], np.s_[:-shift])):
            total[here] += rates[there] * same[:, None]
            count[here] += same
    return total / count[:, None]
