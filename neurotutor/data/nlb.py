"""Spikes of the kind that the Neural Latents Benchmark scores: a Lorenz tutorial, two real trials.

The benchmark's own tensors are not here: they are large, and come from the DANDI archive.
"""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from neurotutor.data import registry
from neurotutor.data.checks import one_number, whole_numbers
from neurotutor.data.dynamical_spikes import DynamicalSpikes

LORENZ = "nlb/lorenz-lfads-tutorial"
MAZE = "nlb/mc-maze-two-trials"
MAZE_TRIALS = (748, 1356)

_LORENZ_ARRAYS = (
    "spikes",
    "condition",
    "rates_hz",
    "latent",
    "train_index",
    "valid_index",
    "bin_width_s",
)
_MAZE_ARRAYS = ("spikes", "time_s", "hand_pos", "hand_vel", "cursor_pos")


@dataclass(frozen=True)
class MazeTrial:
    """One reach through a maze, recorded at 1 ms; held-in and held-out units are not told apart.

    Attributes:
        spikes: 0 or 1 for each millisecond and unit.
        time: from the first sample, in seconds.
        hand_position: x and y, in mm.
        hand_velocity: x and y, in mm/s.
        cursor_position: x and y, in mm.
        unit: label of each unit in the release.
        number: of the trial in the release.
    """

    spikes: Int[np.ndarray, "time units"]
    time: Float[np.ndarray, " time"]
    hand_position: Float[np.ndarray, "time 2"]
    hand_velocity: Float[np.ndarray, "time 2"]
    cursor_position: Float[np.ndarray, "time 2"]
    unit: Int[np.ndarray, " units"]
    number: int


def load_lorenz(name_or_path: str | os.PathLike = LORENZ) -> DynamicalSpikes:
    """Load the Lorenz spikes of the LFADS tutorial: 20 conditions, 40 repeats, 60 neurons.

    Args:
        name_or_path: name in the registry, or the path of an `.npz` of the same form.

    Returns:
        Trials with their true rates, and the original split into training and validation.

    Raises:
        neurotutor.data.DataNotFound: if the file is not on this machine.
        neurotutor.data.CorruptData: if it is damaged or lacks an array.
        ValueError: if an array has a wrong shape or impossible values.

    Source: F. Pei, lfads-nlb-tutorials (MIT licence).
    """
    path = registry.resolve(name_or_path)
    arrays = registry.read_arrays(path, _LORENZ_ARRAYS)

    def fail(problem: str) -> ValueError:
        return ValueError(f"{path} does not hold Lorenz spikes: {problem}")

    spikes = whole_numbers(arrays["spikes"], "spikes", fail)
    if spikes.ndim != 3 or 0 in spikes.shape or spikes.min() < 0:
        raise fail(f"spikes must be counts (trials, bins, neurons), got {spikes.shape}")
    n_trials, n_bins, n_neurons = spikes.shape
    rates, latent = (arrays[key].astype(float) for key in ("rates_hz", "latent"))
    condition = whole_numbers(arrays["condition"], "condition", fail)
    if rates.shape[1:] != (n_bins, n_neurons) or latent.shape != (len(rates), n_bins, 3):
        raise fail(f"rates_hz {rates.shape} and latent {latent.shape} do not fit the spikes")
    if not (np.isfinite(rates).all() and np.isfinite(latent).all()) or rates.min() < 0:
        raise fail("rates_hz and latent must be finite, and rates not negative")
    if condition.shape != (n_trials,) or not 0 <= condition.min() <= condition.max() < len(rates):
        raise fail(f"condition must be one label 0..{len(rates) - 1} for each trial")
    sides = [whole_numbers(arrays[key], key, fail) for key in ("train_index", "valid_index")]
    if not np.array_equal(np.sort(np.concatenate(sides)), np.arange(n_trials)):
        raise fail("train_index and valid_index must name every trial once")
    bin_size = one_number(arrays["bin_width_s"], "bin_width_s", fail)
    if bin_size <= 0:
        raise fail(f"bin_width_s must be positive, got {bin_size}")
    train = np.zeros(n_trials, bool)
    train[sides[0]] = True
    repeat = np.zeros(n_trials, int)
    for label in range(len(rates)):
        mine = condition == label
        repeat[mine] = np.arange(mine.sum())
    return DynamicalSpikes(
        spikes=spikes,
        rates=rates[condition] * bin_size,
        latent=latent,
        condition=condition,
        repeat=repeat,
        train=train,
        bin_size=bin_size,
        name="Lorenz (LFADS tutorial)",
    )


def load_maze_trials(name_or_path: str | os.PathLike = MAZE) -> tuple[MazeTrial, MazeTrial]:
    """Load two single trials of MC_Maze: enough for a picture, not to train or to score.

    Args:
        name_or_path: name in the registry, or the path of an `.npz` of the same form.

    Raises:
        neurotutor.data.DataNotFound: if the file is not on this machine.
        neurotutor.data.CorruptData: if it is damaged or lacks an array.
        ValueError: if an array has a wrong shape or impossible values.

    Source: Churchland et al. (2010), DANDI 000128; Pei et al. (2021).
    """
    path = registry.resolve(name_or_path)
    wanted = [f"{key}_{number}" for number in MAZE_TRIALS for key in _MAZE_ARRAYS]
    arrays = registry.read_arrays(path, [*wanted, "unit_id"])

    def fail(problem: str) -> ValueError:
        return ValueError(f"{path} does not hold trials of MC_Maze: {problem}")

    unit = whole_numbers(arrays["unit_id"], "unit_id", fail)
    trials = []
    for number in MAZE_TRIALS:
        spikes, time, position, velocity, cursor = (
            arrays[f"{key}_{number}"] for key in _MAZE_ARRAYS
        )
        spikes = whole_numbers(spikes, f"spikes_{number}", fail)
        if spikes.ndim != 2 or spikes.shape[1:] != unit.shape or not np.isin(spikes, (0, 1)).all():
            raise fail(f"spikes_{number} must be 0 or 1 for {len(unit)} units, got {spikes.shape}")
        hand = [each.astype(float) for each in (position, velocity, cursor)]
        if any(each.shape != (len(spikes), 2) for each in hand) or time.shape != spikes.shape[:1]:
            raise fail(f"hand, cursor and time of trial {number} must have {len(spikes)} rows")
        trials.append(MazeTrial(spikes, time.astype(float), *hand, unit, number))
    return trials[0], trials[1]


def from_csv(*originals: Path) -> dict[str, np.ndarray]:
    """Convert tables of single trials (one row a millisecond) to the arrays of `load_maze_trials`.

    Args:
        originals: files named `trial_NUMBER_data.csv`, with columns `timestamp`, `hand_pos_x` and
            so on, and one `unit_LABEL` for each unit.

    Raises:
        neurotutor.data.CorruptData: if a file is no such table.
    """
    arrays: dict[str, np.ndarray] = {}
    for original in originals:
        number = "".join(filter(str.isdigit, original.stem))
        try:
            text = original.read_text(encoding="utf-8")
            header, *rows = csv.reader(io.StringIO(text))
            table = np.array(rows, dtype=float)
            columns = {name: table[:, place] for place, name in enumerate(header)}
            units = [name for name in header if name.startswith("unit_")]
            label = np.array([int(name.removeprefix("unit_")) for name in units], np.int16)
            spikes = np.stack([columns[name] for name in units], axis=1)
            pairs = {
                key: np.stack([columns[f"{key}_{axis}"] for axis in "xy"], axis=1)
                for key in ("hand_pos", "hand_vel", "cursor_pos")
            }
            time = columns["timestamp"] - columns["timestamp"][0]
        except (ValueError, KeyError, IndexError) as error:
            raise registry.CorruptData(
                f"{original.name} is not a table of a trial ({type(error).__name__}: {error})"
            ) from error
        if not np.isin(spikes, (0, 1)).all():
            raise registry.CorruptData(f"{original.name}: units must hold 0 or 1")
        if not np.array_equal(arrays.setdefault("unit_id", label), label):
            raise registry.CorruptData(f"{original.name} has other units than the first table")
        arrays |= {
            f"spikes_{number}": spikes.astype(np.uint8),
            f"time_s_{number}": time.astype(np.float32),
            **{f"{key}_{number}": values.astype(np.float32) for key, values in pairs.items()},
        }
    return arrays
