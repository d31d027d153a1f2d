"""From joint positions to what the encoder reads: one view, one length, one scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurotutor.checks import as_count
from neurotutor.data.skeletons import Skeletons

UNSEEN_STYLES = ("elderly", "youthful")


def view_transform(
    positions: Float[np.ndarray, "time joints 3"],
    *,
    pelvis: int,
    spine: int,
    hips: tuple[int, int],
) -> Float[np.ndarray, "time joints 3"]:
    """See a sequence from its own first frame: pelvis at the origin, spine along the last axis.

    Args:
        positions: joint positions, any unit.
        pelvis: joint that becomes the origin.
        spine: joint above it; the direction to it is the third axis.
        hips: two joints; the direction from the second to the first, made orthogonal to the
            spine, is the first axis.

    Returns:
        Positions in the body's own frame. Distances are kept. The axes of the authors' code are
        left-handed, so that left and right are exchanged, in every sequence alike.

    Raises:
        ValueError: if a joint does not exist, if the spine coincides with the pelvis, or if the
            hips coincide or lie along the spine.

    Source: Su, Liu & Shlizerman (2020), preprocessing of the official code.
    """
    if positions.ndim != 3 or positions.shape[2] != 3 or len(positions) == 0:
        raise ValueError(f"positions must be (time, joints, 3), got {positions.shape}")
    if not all(0 <= joint < positions.shape[1] for joint in (pelvis, spine, *hips)):
        raise ValueError(f"there are joints 0..{positions.shape[1] - 1}")
    first = positions[0].astype(float)
    size = max(float(np.ptp(first, axis=0).max()), np.finfo(float).tiny)
    up = first[spine] - first[pelvis]
    if np.linalg.norm(up) < 1e-9 * size:
        raise ValueError("spine and pelvis coincide in the first frame: no axis between them")
    up /= np.linalg.norm(up)
    across = first[hips[0]] - first[hips[1]]
    side = across - (across @ up) * up
    if np.linalg.norm(side) < 1e-9 * size:
        raise ValueError(
            "the hips coincide (or lie along the spine) in the first frame: no axis between them"
        )
    side /= np.linalg.norm(side)
    third = np.cross(side, up)
    axes = np.stack([side, third, up], axis=1)
    return ((positions - first[pelvis]) @ axes).astype(positions.dtype)


def yaw_align(
    positions: Float[np.ndarray, "time joints 3"], left: int, right: int
) -> Float[np.ndarray, "time joints 3"]:
    """Turn a sequence about the vertical (y) until its first frame has the left joint on +x.

    Raises:
        ValueError: if the two joints stand one above the other in the first frame.
    """
    across = (positions[0, left] - positions[0, right]).astype(float)
    length = np.hypot(across[0], across[2])
    if length < 1e-9 * max(float(np.abs(positions).max()), np.finfo(float).tiny):
        raise ValueError("left and right joint stand one above the other: no heading")
    cosine, sine = across[0] / length, across[2] / length
    x, y, z = np.moveaxis(positions, -1, 0)
    return np.stack([cosine * x + sine * z, y, cosine * z - sine * x], axis=-1).astype(
        positions.dtype
    )


def min_max(positions: Float[np.ndarray, "time joints 3"]) -> Float[np.ndarray, "time joints 3"]:
    """Stretch each axis of a sequence to -1..1 over all joints and frames (official, NW-UCLA).

    Raises:
        ValueError: if an axis does not vary at all.
    """
    low = positions.min(axis=(0, 1))
    reach = positions.max(axis=(0, 1)) - low
    if not (reach > 0).all():
        raise ValueError("an axis has one value throughout: nothing to stretch")
    return 2 * (positions - low) / reach - 1


def resample(
    positions: Float[np.ndarray, "time joints 3"], time: int
) -> Float[np.ndarray, "{time} joints 3"]:
    """Bring a sequence to `time` frames by linear interpolation; first and last frame stay."""
    time = as_count("time", time)
    at = np.linspace(0, len(positions) - 1, time)
    before = np.floor(at).astype(int)
    after = np.minimum(before + 1, len(positions) - 1)
    share = (at - before)[:, None, None]
    return ((1 - share) * positions[before] + share * positions[after]).astype(positions.dtype)


def official_length(
    positions: Float[np.ndarray, "time joints 3"], time: int = 50
) -> tuple[Float[np.ndarray, "{time} joints 3"], int]:
    """Bring a sequence to `time` frames as the official code does, which can lose its end.

    A longer sequence keeps every d-th frame, d = floor(length / time), and of these the first
    `time`: of 99 frames the first 50. A shorter one is padded with zeros.

    Returns:
        The frames, and how many of them are real.
    """
    time = as_count("time", time)
    step = max(len(positions) // time, 1)
    kept = positions[::step][:time]
    padded = np.zeros((time, *positions.shape[1:]), positions.dtype)
    padded[: len(kept)] = kept
    return padded, len(kept)


@dataclass(frozen=True)
class Task:
    """A pool of sequences to ask about, and a test set; labels of the pool are the oracle's.

    Attributes:
        pool: what the encoder reads.
        pool_labels: the action of each, to be asked for.
        test: the same for the test set.
        test_labels: its actions.
        action_names: one for each action.
        pool_bodies: the pool as bodies, for drawing.
        test_bodies: the test set as bodies.
        parents: of the joints of the bodies.
        mean: mean of the pool that was taken away, for each coordinate.
        scale: what the rest was divided by, in metres.
        name: of the data.
    """

    pool: Float[Tensor, "pool time features"]
    pool_labels: Int[np.ndarray, "pool"]
    test: Float[Tensor, "test time features"]
    test_labels: Int[np.ndarray, "test"]
    action_names: tuple[str, ...]
    pool_bodies: Float[np.ndarray, "pool time joints 3"]
    test_bodies: Float[np.ndarray, "test time joints 3"]
    parents: tuple[int, ...]
    mean: Float[np.ndarray, "features"]
    scale: float
    name: str

    @property
    def n_actions(self) -> int:
        """Number of actions."""
        return len(self.action_names)

    def bodies(self, x: Float[Tensor, "n time features"]) -> Float[np.ndarray, "n time joints 3"]:
        """What the network made, as bodies: the scaling undone, a dropped root put back."""
        flat = x.detach().cpu().numpy() * self.scale + self.mean
        bodies = flat.reshape(*flat.shape[:2], -1, 3)
        if bodies.shape[2] < len(self.parents):
            bodies = np.concatenate([np.zeros_like(bodies[:, :, :1]), bodies], axis=2)
        return bodies


def _task(
    data: Skeletons,
    labels: Int[np.ndarray, "sequences"],
    bodies: Float[np.ndarray, "sequences time joints 3"],
    pool: Int[np.ndarray, "pool"],
    test: Int[np.ndarray, "test"],
    *,
    first_joint: int,
    per_coordinate: bool,
    floor: float,
) -> Task:
    """Centre and scale with the pool alone: statistics of the test set would leak."""
    flat = bodies[:, :, first_joint:].reshape(*bodies.shape[:2], -1)
    mean = flat[pool].mean(axis=(0, 1))
    spread = flat[pool].std(axis=(0, 1)).mean() if per_coordinate else (flat[pool] - mean).std()
    scale = float(spread) + floor
    x = torch.from_numpy(((flat - mean) / scale).astype(np.float32))
    return Task(
        pool=x[pool],
        pool_labels=labels[pool],
        test=x[test],
        test_labels=labels[test],
        action_names=data.action_names,
        pool_bodies=bodies[pool],
        test_bodies=bodies[test],
        parents=data.parents,
        mean=mean,
        scale=scale,
        name=data.name,
    )


def simulated_task(pool: Skeletons, test: Skeletons, time: int = 20) -> Task:
    """Pool and test set of the generator: the pelvis starts at the origin, one scale for all.

    Args:
        pool: sequences of one length, to learn from.
        test: sequences of the same length.
        time: frames to keep, at equal distances.

    Returns:
        The task. The view is left as it is: turned bodies are part of the problem.

    Raises:
        ValueError: if lengths differ, or there are fewer frames than `time`.
    """
    time = as_count("time", time)
    lengths = set(pool.lengths) | set(test.lengths)
    if len(lengths) != 1 or min(lengths) < time:
        raise ValueError(f"sequences must have one length of {time} frames or more, got {lengths}")
    n = pool.n_sequences + test.n_sequences
    positions = np.concatenate([pool.positions, test.positions])
    bodies = positions.reshape(n, -1, *positions.shape[1:])
    bodies = bodies[:, :: bodies.shape[1] // time][:, :time]
    bodies = bodies - bodies[:, :1, :1]
    rows = np.arange(n)
    return _task(
        pool,
        np.concatenate([pool.label, test.label]),
        bodies,
        rows[: pool.n_sequences],
        rows[pool.n_sequences :],
        first_joint=0,
        per_coordinate=False,
        floor=0.0,
    )


def recorded_task(
    data: Skeletons,
    n_pool: int | None = 600,
    n_test: int | None = 400,
    *,
    split: str = "random",
    time: int = 20,
    hips: tuple[str, str] = ("UpperLeg_L", "UpperLeg_R"),
    unseen: tuple[str, ...] = UNSEEN_STYLES,
    seed: int = 0,
) -> Task:
    """Pool and test set of a recording: the root at the origin, the first frame facing ahead.

    Args:
        data: the recording; joint 0 is the root.
        n_pool: sequences to learn from, drawn from the training part; `None` takes all.
        n_test: sequences to test on, drawn from the test part; `None` takes all.
        split: `"random"`, 70 % and 30 % of the sequences; `"cross"`, the groups `unseen` are the
            test part.
        time: frames that each sequence is resampled to.
        hips: names of the left and the right hip.
        unseen: groups to test on, such as styles that are never trained on.
        seed: of the split and the draw.

    Returns:
        The task.

    Raises:
        ValueError: for an unknown split, joint or group, or more sequences than there are.

    Source: Kobayashi et al. (2023) for the recording; the form is ours.
    """
    if split not in ("random", "cross"):
        raise ValueError(f"split must be 'random' or 'cross', got {split!r}")
    missing = [name for name in hips if name not in data.joint_names]
    if missing:
        raise ValueError(f"no joint is named {missing[0]!r}; there are {data.joint_names}")
    rng = np.random.default_rng(seed)
    order = rng.permutation(data.n_sequences)
    if split == "random":
        cut = int(0.7 * len(order))
        training, testing = order[:cut], order[cut:]
    else:
        unknown = [name for name in unseen if name not in data.group_names]
        if unknown:
            raise ValueError(f"no group is named {unknown[0]!r}; there are {data.group_names}")
        held = np.isin(data.group, [data.group_names.index(name) for name in unseen])
        training, testing = order[~held[order]], order[held[order]]
    for wanted, there, part in ((n_pool, training, "pool"), (n_test, testing, "test")):
        if wanted is not None and not 1 <= wanted <= len(there):
            raise ValueError(f"n_{part} must be 1..{len(there)}, got {wanted}")
    training, testing = training[:n_pool], testing[:n_test]
    left, right = (data.joint_names.index(name) for name in hips)
    bodies = np.zeros((data.n_sequences, time, len(data.joint_names), 3), np.float32)
    for row in (*training, *testing):
        sequence = data.sequence(int(row))
        own = sequence - sequence[:, :1]
        bodies[row] = resample(yaw_align(own, left, right), time)
    return _task(
        data, data.label, bodies, training, testing, first_joint=1, per_coordinate=True, floor=0.05
    )
