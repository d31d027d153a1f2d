"""The three small sets of HiWA and DAD: two monkeys' reaches, and rotated Gaussian clusters."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from neurotutor.data import registry
from neurotutor.data.checks import one_number, whole_numbers

# Target codes of monkey M and the angles of their targets in degrees (data set's description; the
# mean velocities in the data point within 2 degrees of them).
MIHI_ANGLES = {3: -45.0, 4: -90.0, 5: -135.0, 7: 135.0}


@dataclass(frozen=True)
class MonkeyDemo:
    """Two sessions of centre-out reaching of one monkey; their neurons do not correspond.

    "Train" supplies the movement prior, "test" is the session to be decoded.

    Attributes:
        counts_train: spikes per bin and unit of the first session.
        counts_test: the same of the second session, other units.
        velocity_train: mean hand velocity (x, y) per bin; unit not stated by the source,
            magnitudes consistent with cm/s.
        velocity_test: the same of the second session.
        direction_train: code of the target of the reach, per bin.
        direction_test: the same of the second session.
        bin_size: seconds, or NaN where the source does not state it.
        name: name of the recording.
    """

    counts_train: Int[np.ndarray, "time_train units_train"]
    counts_test: Int[np.ndarray, "time_test units_test"]
    velocity_train: Float[np.ndarray, "time_train 2"]
    velocity_test: Float[np.ndarray, "time_test 2"]
    direction_train: Int[np.ndarray, "time_train"]
    direction_test: Int[np.ndarray, "time_test"]
    bin_size: float
    name: str

    @property
    def movement_train(self) -> Float[np.ndarray, "time_train 3"]:
        """Velocity x, velocity y and speed of the first session: the movement prior."""
        return with_speed(self.velocity_train)

    @property
    def movement_test(self) -> Float[np.ndarray, "time_test 3"]:
        """Velocity x, velocity y and speed of the second session: for scoring only."""
        return with_speed(self.velocity_test)


@dataclass(frozen=True)
class GaussianDemo:
    """Four elongated Gaussian clusters in 3-D and a rotated, independent draw of them.

    Attributes:
        source: (points, 3) the set to be rotated.
        source_labels: (points,) clusters 0..3.
        target: (points, 3).
        target_labels: (points,) clusters 0..3; equal numbers correspond.
        name: name of the set.
    """

    source: Float[np.ndarray, "points_s 3"]
    source_labels: Int[np.ndarray, "points_s"]
    target: Float[np.ndarray, "points_t 3"]
    target_labels: Int[np.ndarray, "points_t"]
    name: str


def with_speed(velocity: Float[np.ndarray, "time 2"]) -> Float[np.ndarray, "time 3"]:
    """Append the speed to a velocity: (v_x, v_y, |v|).

    Raises:
        ValueError: if `velocity` is not (time, 2).

    Source: Dyer et al. (2017), the movement space of DAD.
    """
    velocity = np.asarray(velocity)
    if velocity.ndim != 2 or velocity.shape[1] != 2:
        raise ValueError(f"velocity must be (time, 2), got {velocity.shape}")
    return np.column_stack([velocity, np.linalg.norm(velocity, axis=1)])


def load_monkey(name_or_path: str | os.PathLike) -> MonkeyDemo:
    """Load two reaching sessions.

    Args:
        name_or_path: `"hiwa/mihi_demo"` or `"hiwa/chewie_demo"`, or the path of an `.npz` of the
            same form.

    Returns:
        Both sessions, checked. Counts as int64, velocities as float64.

    Raises:
        neurotutor.data.DataNotFound: if the recording or the file is not on this machine.
        neurotutor.data.UnknownData: for a name that the registry does not hold.
        neurotutor.data.CorruptData: if the file is damaged or lacks an array.
        ValueError: if an array has a wrong shape or type, or impossible values.

    Source: Dyer et al. (2017); mihi_demo is also the demo of Lee et al. (2019).
    """
    kinds = ("counts", "velocity", "direction")
    sessions = ("train", "test")
    path = registry.resolve(name_or_path)
    arrays = registry.read_arrays(path, [f"{kind}_{part}" for kind in kinds for part in sessions])

    def fail(problem: str) -> ValueError:
        return ValueError(f"{path} is not a monkey demo: {problem}")

    fields = {}
    for part in sessions:
        counts, velocity, direction = (arrays[f"{kind}_{part}"] for kind in kinds)
        if counts.ndim != 2 or 0 in counts.shape:
            raise fail(f"counts_{part} must be (time, units) and not empty, got {counts.shape}")
        if velocity.shape != (len(counts), 2) or direction.shape != (len(counts),):
            raise fail(
                f"velocity_{part} and direction_{part} must be ({len(counts)}, 2) and "
                f"({len(counts)},), got {velocity.shape} and {direction.shape}"
            )
        fields[f"counts_{part}"] = whole_numbers(counts, f"counts_{part}", fail)
        if fields[f"counts_{part}"].min() < 0:
            raise fail(f"counts_{part} has negative counts")
        fields[f"velocity_{part}"] = _finite(velocity, f"velocity_{part}", fail)
        fields[f"direction_{part}"] = whole_numbers(direction, f"direction_{part}", fail)
    bin_size = np.nan
    if "bin_s" in arrays:
        bin_size = one_number(arrays["bin_s"], "bin_s", fail)
        if bin_size <= 0:
            raise fail(f"bin_s must be a positive number of seconds, got {bin_size}")
    return MonkeyDemo(**fields, bin_size=bin_size, name=_name(name_or_path, path))


def load_gaussians(name_or_path: str | os.PathLike) -> GaussianDemo:
    """Load the Gaussian clusters of the published demo.

    Args:
        name_or_path: `"hiwa/sg_demo"`, or the path of an `.npz` of the same form.

    Returns:
        Both sets, checked. The file holds no true rotation; aligning the class means by
        `baselines.procrustes` gives one.

    Raises:
        neurotutor.data.DataNotFound: if the file is not on this machine.
        neurotutor.data.UnknownData: for a name that the registry does not hold.
        neurotutor.data.CorruptData: if the file is damaged or lacks an array.
        ValueError: if an array has a wrong shape or type, or impossible values.

    Source: Lee et al. (2019), demo of the published Python code.
    """
    path = registry.resolve(name_or_path)
    arrays = registry.read_arrays(path, ("x_source", "label_source", "x_target", "label_target"))

    def fail(problem: str) -> ValueError:
        return ValueError(f"{path} is not the Gaussian demo: {problem}")

    fields = {}
    for part in ("source", "target"):
        points, labels = arrays[f"x_{part}"], arrays[f"label_{part}"]
        if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0:
            raise fail(f"x_{part} must be (points, 3) and not empty, got {points.shape}")
        if labels.shape != (len(points),):
            raise fail(f"label_{part} must be ({len(points)},), got {labels.shape}")
        fields[part] = _finite(points, f"x_{part}", fail)
        fields[f"{part}_labels"] = whole_numbers(labels, f"label_{part}", fail)
    return GaussianDemo(**fields, name=_name(name_or_path, path))


def _finite(values: np.ndarray, key: str, fail: Callable[[str], ValueError]) -> np.ndarray:
    if values.dtype.kind not in "fiu":
        raise fail(f"{key} must hold real numbers, got {values.dtype}")
    if not np.isfinite(values).all():
        raise fail(f"{key} holds NaN or infinite values")
    return values.astype(np.float64)


def _name(name_or_path: str | os.PathLike, path: Path) -> str:
    is_name = isinstance(name_or_path, str) and not name_or_path.endswith(".npz")
    return name_or_path if is_name else path.stem
