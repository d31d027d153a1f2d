"""Moving skeletons with an action each: two motion-capture recordings, and a generator.

The generator moves a body of sixteen joints through ten actions, with the nuisances that a camera
adds: who it is, how fast and how far, from where it is seen, how noisy the joints are. It needs no
download.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from neurotutor.checks import as_count, as_not_negative, as_positive
from neurotutor.data import registry

BANDAI = "skeleton-actions/bnr2_15fps"
VICON = "skeleton-actions/vicon20_40hz"

JOINTS = (
    "pelvis",
    "chest",
    "neck",
    "head",
    "l_shoulder",
    "l_elbow",
    "l_hand",
    "r_shoulder",
    "r_elbow",
    "r_hand",
    "l_hip",
    "l_knee",
    "l_foot",
    "r_hip",
    "r_knee",
    "r_foot",
)
PARENTS = (-1, 0, 1, 2, 1, 4, 5, 1, 7, 8, 0, 10, 11, 0, 13, 14)
# Length in metres of the bone that ends in each joint; left and right are alike.
LENGTHS = {
    "chest": 0.45,
    "neck": 0.15,
    "head": 0.15,
    "shoulder": 0.18,
    "elbow": 0.28,
    "hand": 0.25,
    "hip": 0.10,
    "knee": 0.42,
    "foot": 0.42,
}
PELVIS_HEIGHT = 0.84
IMBALANCED = (0.25, 0.2, 0.15, 0.1, 0.08, 0.07, 0.05, 0.04, 0.03, 0.03)

_PI = np.pi
# What moves, in degrees (height in centimetres). Sides: left then right.
_CHANNELS = (
    *("arm L", "arm R", "arm out L", "arm out R", "elbow L", "elbow R"),
    *("hip L", "hip R", "hip out L", "hip out R", "knee L", "knee R"),
    *("lean", "height"),
)
_REST = {"elbow L": 10, "elbow R": 10, "arm out L": 5, "arm out R": 5}


def _both(channel: str, *wave: float | int) -> dict[str, tuple[float | int, ...]]:
    return {f"{channel} L": wave, f"{channel} R": wave}


def _wave(*sides: str) -> dict[str, tuple[float | int, ...]]:
    return {f"arm out {s}": (120, 20, 1, 0) for s in sides} | {
        f"elbow {s}": (20, 25, 1, 0) for s in sides
    }


# Action -> (frequency in Hz, channel -> (offset, amplitude, harmonic, phase)).
ACTIONS: dict[str, tuple[float, dict[str, tuple[float | int, ...]]]] = {
    "walk": (
        1.0,
        {
            "arm L": (0, 25, 1, _PI),
            "arm R": (0, 25, 1, 0),
            "elbow L": (15, 5, 1, _PI),
            "elbow R": (15, 5, 1, 0),
            "hip L": (0, 25, 1, 0),
            "hip R": (0, 25, 1, _PI),
            "knee L": (20, 20, 1, _PI / 2),
            "knee R": (20, 20, 1, -_PI / 2),
            "height": (0, 2, 2, 0),
            "lean": (3, 0, 1, 0),
        },
    ),
    "run": (
        1.5,
        {
            "arm L": (0, 45, 1, _PI),
            "arm R": (0, 45, 1, 0),
            "elbow L": (85, 10, 1, _PI),
            "elbow R": (85, 10, 1, 0),
            "hip L": (10, 42, 1, 0),
            "hip R": (10, 42, 1, _PI),
            "knee L": (45, 40, 1, _PI / 2),
            "knee R": (45, 40, 1, -_PI / 2),
            "height": (0, 5, 2, 0),
            "lean": (12, 0, 1, 0),
        },
    ),
    "wave left": (1.2, _wave("L")),
    "wave right": (1.2, _wave("R")),
    "wave both": (1.2, _wave("L", "R")),
    "raise both": (0.5, _both("arm", 85, 85, 1, -_PI / 2)),
    "squat": (
        0.5,
        _both("hip", 45, 45, 1, -_PI / 2)
        | _both("knee", 50, 50, 1, -_PI / 2)
        | _both("arm", 40, 40, 1, -_PI / 2)
        | {"height": (-18, -18, 1, -_PI / 2), "lean": (12, 12, 1, -_PI / 2)},
    ),
    "kick right": (
        0.7,
        {
            "hip R": (30, 40, 1, -_PI / 2),
            "knee R": (25, 25, 1, _PI / 2),
            "arm L": (10, 15, 1, -_PI / 2),
            "arm R": (0, -15, 1, -_PI / 2),
            "lean": (-5, 5, 1, _PI / 2),
        },
    ),
    "jumping jack": (
        0.9,
        _both("arm out", 80, 75, 1, -_PI / 2)
        | _both("hip out", 14, 14, 1, -_PI / 2)
        | {"height": (4, 6, 2, 0)},
    ),
    "bow": (0.4, _both("arm", 10, 10, 1, -_PI / 2) | {"lean": (35, 35, 1, -_PI / 2)}),
}
ACTION_NAMES = tuple(ACTIONS)


@dataclass(frozen=True)
class Skeletons:
    """Sequences of joint positions, end to end, each with an action.

    Attributes:
        positions: in metres, y is up.
        valid: False where a joint was lost or frozen by the tracker.
        offsets: sequence i is `positions[offsets[i]:offsets[i + 1]]`.
        label: action of each sequence, an index into `action_names`.
        group: who or how: subject or style of each sequence; 0 where there is none.
        action_names: one for each action.
        group_names: one for each value of `group`.
        joint_names: one for each joint.
        parents: of each joint; -1 for the root.
        frame_rate: frames per second.
        name: of the recording or generator.
        simulated: whether the data were made up.
    """

    positions: Float[np.ndarray, "frames joints 3"]
    valid: Bool[np.ndarray, "frames joints"]
    offsets: Int[np.ndarray, "boundaries"]
    label: Int[np.ndarray, "sequences"]
    group: Int[np.ndarray, "sequences"]
    action_names: tuple[str, ...]
    group_names: tuple[str, ...]
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    frame_rate: float
    name: str
    simulated: bool

    @property
    def n_sequences(self) -> int:
        """Number of sequences."""
        return len(self.label)

    @property
    def lengths(self) -> Int[np.ndarray, "sequences"]:
        """Frames of each sequence."""
        return np.diff(self.offsets)

    def sequence(self, index: int) -> Float[np.ndarray, "time joints 3"]:
        """Positions of one sequence.

        Raises:
            ValueError: if there is no such sequence.
        """
        if not 0 <= index < self.n_sequences:
            raise ValueError(f"there are sequences 0..{self.n_sequences - 1}, got {index}")
        return self.positions[self.offsets[index] : self.offsets[index + 1]]

    def take(self, rows: Int[np.ndarray, "chosen"]) -> Skeletons:
        """The same recording with these sequences alone, in this order."""
        rows = np.asarray(rows)
        pieces = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in rows]
        frames = np.concatenate(pieces)
        return replace(
            self,
            positions=self.positions[frames],
            valid=self.valid[frames],
            offsets=np.r_[0, np.cumsum([len(piece) for piece in pieces])],
            label=self.label[rows],
            group=self.group[rows],
        )

    def padded(
        self,
    ) -> tuple[
        Float[np.ndarray, "sequences longest joints 3"], Bool[np.ndarray, "sequences longest"]
    ]:
        """All sequences in one array, zeros after the end of each, and a mask of what is real."""
        longest = int(self.lengths.max())
        mask = np.arange(longest) < self.lengths[:, None]
        whole = np.zeros((*mask.shape, *self.positions.shape[1:]), self.positions.dtype)
        whole[mask] = self.positions
        return whole, mask


def load(name_or_path: str | os.PathLike = BANDAI) -> Skeletons:
    """Load one of the two recordings.

    Args:
        name_or_path: `"skeleton-actions/bnr2_15fps"` (ten actions in seven styles),
            `"skeleton-actions/vicon20_40hz"` (twenty actions by ten subjects, nine markers; cut it
            with `windows`), or the path of an `.npz` of either form.

    Returns:
        Positions in metres with y up; the group is the style or the subject.

    Raises:
        neurotutor.data.DataNotFound: if the recording or the file is not on this machine.
        neurotutor.data.UnknownData: for a name that the registry does not hold.
        neurotutor.data.CorruptData: if the file is damaged or lacks an array.
        ValueError: if arrays disagree or hold what they should not.

    Source: Kobayashi et al. (2023); Theodoridis (2011).
    """
    path = registry.resolve(name_or_path)
    arrays = registry.read_arrays(path, ("pos", "offsets", "label", "action_names"))

    def fail(problem: str) -> ValueError:
        return ValueError(f"{path} is not a set of skeleton sequences: {problem}")

    position, offsets, label = arrays["pos"], arrays["offsets"], arrays["label"]
    if position.ndim != 3 or position.shape[2] != 3 or position.dtype.kind not in "iuf":
        raise fail(f"pos must be (frames, joints, 3), got {position.shape} of {position.dtype}")
    if not np.isfinite(position).all():
        raise fail("pos holds NaN or infinite values")
    for key, array in (("offsets", offsets), ("label", label)):
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise fail(f"{key} must be whole numbers, got {array.shape} of {array.dtype}")
    offsets, label = offsets.astype(np.int64), label.astype(np.int64)
    if len(offsets) != len(label) + 1 or len(label) == 0:
        raise fail(f"{len(label)} labels need {len(label) + 1} offsets, got {len(offsets)}")
    if offsets[0] != 0 or offsets[-1] != len(position) or (np.diff(offsets) < 1).any():
        raise fail(f"offsets must rise from 0 to the number of frames, {len(position)}")
    names = tuple(map(str, arrays["action_names"]))
    if not 0 <= label.min() <= label.max() < len(names):
        raise fail(f"label must lie in 0..{len(names) - 1}, got {label.min()}..{label.max()}")
    if {"style", "style_names", "joint_names", "parents"} <= arrays.keys():
        group, group_names = arrays["style"].astype(np.int64), arrays["style_names"]
        joint_names, parents = arrays["joint_names"], arrays["parents"].astype(int)
        metres, frame_rate = position.astype(np.float32) / 1000, 15.0
        valid = np.ones(position.shape[:2], bool)
    elif {"subject", "marker_names"} <= arrays.keys():
        group = arrays["subject"].astype(np.int64) - 1
        group_names = [f"subject {number}" for number in range(1, group.max() + 2)]
        joint_names, parents = arrays["marker_names"], np.array([-1, 0, 1, 0, 3, 0, 5, 0, 7])
        valid = (position != 0).any(axis=2)
        # z is up in the file; turned about x, not mirrored.
        metres = position[..., [0, 2, 1]].astype(np.float32) / 1000 * np.float32([1, 1, -1])
        frame_rate = 40.0
    else:
        raise fail("it has neither styles and joint names nor subjects and marker names")
    if not len(joint_names) == len(parents) == position.shape[1] or len(group) != len(label):
        raise fail("names, parents and groups do not fit the positions and labels")
    is_name = isinstance(name_or_path, str) and not name_or_path.endswith(".npz")
    return Skeletons(
        positions=metres,
        valid=valid,
        offsets=offsets,
        label=label,
        group=group,
        action_names=names,
        group_names=tuple(map(str, group_names)),
        joint_names=tuple(map(str, joint_names)),
        parents=tuple(map(int, parents)),
        frame_rate=frame_rate,
        name=name_or_path if is_name else path.stem,
        simulated=False,
    )


def windows(recording: Skeletons, n_frames: int = 80, stride: int | None = None) -> Skeletons:
    """Cut long recordings into windows of one length; those with a lost joint are dropped.

    Args:
        recording: sequences of any length.
        n_frames: of a window.
        stride: from one start to the next; default: the windows touch.

    Returns:
        The windows as sequences, in order, with the action and group of their recording. Split
        them by group: windows of one recording resemble each other.

    Raises:
        ValueError: if no window is left, or a size is below 1.
    """
    as_count("n_frames", n_frames)
    stride = n_frames if stride is None else stride
    as_count("stride", stride)
    starts, owners = [], []
    for owner, (first, last) in enumerate(
        zip(recording.offsets[:-1], recording.offsets[1:], strict=True)
    ):
        for start in range(first, last - n_frames + 1, stride):
            if recording.valid[start : start + n_frames].all():
                starts.append(start)
                owners.append(owner)
    if not starts:
        raise ValueError(f"no window of {n_frames} frames without a lost joint; ask for a shorter")
    frames = (np.array(starts)[:, None] + np.arange(n_frames)).ravel()
    return replace(
        recording,
        positions=recording.positions[frames],
        valid=recording.valid[frames],
        offsets=np.arange(len(starts) + 1) * n_frames,
        label=recording.label[owners],
        group=recording.group[owners],
    )


def simulate(
    n_sequences: int = 600,
    *,
    n_frames: int = 60,
    frame_rate: float = 30.0,
    speed_spread: float = 0.4,
    amplitude_spread: float = 0.3,
    phase: float | None = None,
    warp: float = 0.15,
    angle_offset: float = 4.0,
    size_spread: float = 0.06,
    length_spread: float = 0.03,
    yaw: float = 90.0,
    noise: float = 0.02,
    freeze: float = 0.0,
    probabilities: tuple[float | int, ...] | None = None,
    imbalanced: bool = False,
    labels: Int[np.ndarray, "sequences"] | None = None,
    seed: int = 0,
) -> Skeletons:
    """Make a body move through ten actions, with nuisances that are known.

    Args:
        n_sequences: how many.
        n_frames: of each.
        frame_rate: frames per second.
        speed_spread: the logarithm of the speed is uniform within plus and minus this.
        amplitude_spread: standard deviation of the logarithm of how far a movement goes.
        phase: where in its cycle a movement starts, in radians; default: anywhere.
        warp: speed changes within a sequence by up to this share.
        angle_offset: standard deviation of a constant error of each joint angle, in degrees.
        size_spread: standard deviation of the logarithm of the size of the body.
        length_spread: the same for each bone on top; left and right stay alike.
        yaw: the body is turned about the vertical by up to this, in degrees.
        noise: standard deviation of the noise on each coordinate, in metres.
        freeze: probability that a joint stands still for ten frames, as lost joints do.
        probabilities: of the ten actions; default: equal. The counts follow them as closely as
            whole numbers can, in random order.
        imbalanced: short for the probabilities `IMBALANCED`.
        labels: the action of each sequence, if you want to set them yourself.
        seed: of everything random. The nuisances of sequence i do not depend on its action.

    Returns:
        The sequences; `valid` is False where a joint is frozen.

    Raises:
        ValueError: for sizes below 1, negative spreads, or probabilities that are none.
        TypeError: for sizes that are not whole numbers.
    """
    as_count("n_frames", n_frames)
    as_count("seed", seed, 0)
    as_positive("frame_rate", frame_rate)
    for value, label in (
        (speed_spread, "speed_spread"),
        (amplitude_spread, "amplitude_spread"),
        (warp, "warp"),
        (angle_offset, "angle_offset"),
        (size_spread, "size_spread"),
        (length_spread, "length_spread"),
        (yaw, "yaw"),
        (noise, "noise"),
        (freeze, "freeze"),
    ):
        as_not_negative(label, value)
    if freeze > 1:
        raise ValueError(f"freeze is a probability, got {freeze}")
    if (probabilities is not None) + imbalanced + (labels is not None) > 1:
        raise ValueError("give one of probabilities, imbalanced and labels")
    rng = np.random.default_rng(seed)
    if labels is None:
        as_count("n_sequences", n_sequences)
        labels = _labels(n_sequences, IMBALANCED if imbalanced else probabilities, rng)
    else:
        labels = _given_labels(labels)
        n_sequences = len(labels)
    rng = np.random.default_rng([seed, 1])  # so that the nuisances do not depend on the actions

    def normal(spread: float, *shape: int) -> np.ndarray:
        return spread * rng.standard_normal((n_sequences, *shape))

    def uniform(reach: float) -> np.ndarray:
        return reach * rng.uniform(-1, 1, n_sequences)

    waves = np.stack([_table(name) for name in ACTION_NAMES])[labels]
    frequency = np.array([ACTIONS[name][0] for name in ACTION_NAMES])[labels]
    frequency = frequency * np.exp(uniform(speed_spread))
    waves[:, :, 1] *= np.exp(normal(amplitude_spread))[:, None]
    start = rng.uniform(0, 2 * np.pi, n_sequences) if phase is None else np.full(n_sequences, phase)
    time = np.arange(n_frames) / frame_rate
    swing = uniform(warp)[:, None] / (2 * np.pi) * np.sin(2 * np.pi * time / 2.0)
    cycle = 2 * np.pi * frequency[:, None] * (time + swing) + start[:, None]
    offset, amplitude, harmonic, lag = waves.transpose(2, 0, 1)[..., None]
    values = offset + amplitude * np.sin(harmonic * cycle[:, None] + lag)
    angles = dict(zip(_CHANNELS, values.transpose(1, 0, 2), strict=True))
    errors = normal(angle_offset, len(_CHANNELS) - 1, 1)  # the height has none
    for index, channel in enumerate(_CHANNELS[:-1]):
        angles[channel] = np.deg2rad(angles[channel] + errors[:, index])
    size = np.exp(normal(size_spread))
    own = np.exp(normal(length_spread, len(LENGTHS)))
    lengths = {
        bone: length * size * own[:, index] for index, (bone, length) in enumerate(LENGTHS.items())
    }
    body = _body(angles, lengths, size)
    turn = np.deg2rad(uniform(yaw))[:, None, None]
    x, y, z = np.moveaxis(body, -1, 0)
    body = np.stack(
        [np.cos(turn) * x + np.sin(turn) * z, y, np.cos(turn) * z - np.sin(turn) * x], axis=-1
    )
    body = body + noise * rng.standard_normal(body.shape)
    valid = np.ones(body.shape[:3], bool)
    stuck = rng.random((n_sequences, len(JOINTS))) < freeze
    when = rng.integers(0, n_frames, stuck.shape)
    for i, j in zip(*np.nonzero(stuck), strict=True):
        hold = slice(when[i, j], when[i, j] + 10)
        body[i, hold, j] = body[i, when[i, j], j]
        valid[i, hold, j] = False
    return Skeletons(
        positions=body.reshape(-1, len(JOINTS), 3).astype(np.float32),
        valid=valid.reshape(-1, len(JOINTS)),
        offsets=np.arange(n_sequences + 1) * n_frames,
        label=labels,
        group=np.zeros(n_sequences, np.int64),
        action_names=ACTION_NAMES,
        group_names=("generator",),
        joint_names=JOINTS,
        parents=PARENTS,
        frame_rate=float(frame_rate),
        name="mocap_toy",
        simulated=True,
    )


def _table(name: str) -> np.ndarray:
    """(channels, 4): offset, amplitude, harmonic and phase of every channel of an action."""
    channels = ACTIONS[name][1]
    return np.array(
        [channels.get(each, (_REST.get(each, 0), 0, 1, 0)) for each in _CHANNELS], float
    )


def _labels(
    n: int, probabilities: tuple[float | int, ...] | None, rng: np.random.Generator
) -> np.ndarray:
    """Actions in random order, in numbers as close to the probabilities as possible."""
    share = (
        np.full(len(ACTIONS), 0.1) if probabilities is None else np.asarray(probabilities, float)
    )
    if share.shape != (len(ACTIONS),) or not (share >= 0).all() or abs(share.sum() - 1) > 1e-6:
        raise ValueError(
            f"probabilities must be {len(ACTIONS)} numbers >= 0 that sum to 1, got {probabilities}"
        )
    counts = np.floor(share * n + 1e-9).astype(int)
    rest = np.argsort(counts - share * n, kind="stable")[: n - counts.sum()]
    counts[rest] += 1
    return rng.permutation(np.repeat(np.arange(len(ACTIONS)), counts))


def _given_labels(labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.size == 0 or labels.dtype.kind not in "iu":
        raise ValueError("labels must be one action (a whole number) for each sequence")
    if not 0 <= labels.min() <= labels.max() < len(ACTIONS):
        raise ValueError(f"labels must lie in 0..{len(ACTIONS) - 1}")
    return labels.astype(np.int64)


def _body(
    angles: dict[str, np.ndarray], lengths: dict[str, np.ndarray], size: np.ndarray
) -> np.ndarray:
    """Joint positions (sequences, time, joints, 3) from angles in radians: a chain of bones."""
    lean = angles["lean"]
    still = np.zeros_like(lean)
    trunk = np.stack([still, np.cos(lean), np.sin(lean)], axis=-1)

    def bone(name: str, direction: np.ndarray) -> np.ndarray:
        return lengths[name][:, None, None] * direction

    def limb(flexion: np.ndarray, out: np.ndarray, side: int) -> np.ndarray:
        return np.stack(
            [
                side * np.sin(out),
                -np.cos(out) * np.cos(flexion),
                np.cos(out) * np.sin(flexion),
            ],
            axis=-1,
        )

    height = PELVIS_HEIGHT * size[:, None] + angles["height"] / 100
    joints = {"pelvis": np.stack([still, height, still], axis=-1)}
    joints["chest"] = joints["pelvis"] + bone("chest", trunk)
    joints["neck"] = joints["chest"] + bone("neck", trunk)
    joints["head"] = joints["neck"] + bone("head", trunk)
    for letter, side in (("l", 1), ("r", -1)):
        big = letter.upper()
        across = np.broadcast_to(np.array([side, 0.0, 0.0]), trunk.shape)
        elbow = np.maximum(angles[f"elbow {big}"], 0)
        knee = np.maximum(angles[f"knee {big}"], 0)
        arm, out = angles[f"arm {big}"], angles[f"arm out {big}"]
        joints[f"{letter}_shoulder"] = joints["chest"] + bone("shoulder", across)
        joints[f"{letter}_elbow"] = joints[f"{letter}_shoulder"] + bone(
            "elbow", limb(arm, out, side)
        )
        joints[f"{letter}_hand"] = joints[f"{letter}_elbow"] + bone(
            "hand", limb(arm + elbow, out, side)
        )
        leg, out = angles[f"hip {big}"], angles[f"hip out {big}"]
        joints[f"{letter}_hip"] = joints["pelvis"] + bone("hip", across)
        joints[f"{letter}_knee"] = joints[f"{letter}_hip"] + bone("knee", limb(leg, out, side))
        joints[f"{letter}_foot"] = joints[f"{letter}_knee"] + bone(
            "foot", limb(leg - knee, out, side)
        )
    return np.stack([joints[name] for name in JOINTS], axis=2)
