"""Musicians made of twenty points: how five instruments, and three spare ones, are held and moved.

Everything here is invented, with one aim: that the timing of notes, the reversals of a bow and the
breath of a player carry the information that they carry in people. Real posture varies far more.
Lengths are in shoulder widths; x grows to the right of the picture, y downwards; the neck is (0, 0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from neurotutor.data.scores import Notes

VIDEO_RATE = 25  # frames per second

JOINTS: tuple[str, ...] = (
    "nose", "neck", "right shoulder", "left shoulder", "right elbow", "left elbow", "right wrist",
    "left wrist", "right palm", "right thumb", "right index", "right middle", "right ring",
    "right little", "left palm", "left thumb", "left index", "left middle", "left ring",
    "left little",
)  # fmt: skip
BONES: tuple[tuple[int, int], ...] = (
    (0, 1), (1, 2), (1, 3), (2, 4), (4, 6), (3, 5), (5, 7), (6, 8), (7, 14),
    *((8, finger) for finger in range(9, 14)), *((14, finger) for finger in range(15, 20)),
)  # fmt: skip
NOSE, NECK, SHOULDERS = 0, 1, (2, 3)
RIGHT, LEFT = (4, 6, 8), (5, 7, 14)  # elbow, wrist, palm
_FINGERS = {"right": slice(9, 14), "left": slice(15, 20)}

Motion = Float[np.ndarray, "frames joints two"]


@dataclass(frozen=True)
class Instrument:
    """One instrument and how it is held.

    Attributes:
        name: such as "violin".
        program: General MIDI program, from 0.
        lowest: lowest pitch that it plays here, MIDI number.
        highest: highest pitch.
        right: where the right wrist is, (x, y).
        left: where the left wrist is.
        family: "strings", "fingers" (flute and reeds), "valves", "plucked" or "slide".
    """

    name: str
    program: int
    lowest: int
    highest: int
    right: tuple[float, float]
    left: tuple[float, float]
    family: str

    @property
    def breathes(self) -> bool:
        """Whether the player needs air to play."""
        return self.family in ("fingers", "valves", "slide")


_ALL = (
    Instrument("violin", 40, 55, 93, (-0.35, 0.25), (0.95, -0.05), "strings"),
    Instrument("cello", 42, 36, 72, (-0.55, 1.25), (0.28, 0.15), "strings"),
    Instrument("flute", 73, 60, 93, (-0.95, -0.3), (-0.35, -0.35), "fingers"),
    Instrument("trumpet", 56, 54, 82, (-0.12, -0.2), (0.12, -0.15), "valves"),
    Instrument("guitar", 24, 40, 76, (-0.2, 0.95), (1.05, 0.45), "plucked"),
    Instrument("clarinet", 71, 50, 91, (-0.05, 0.9), (0.05, 0.4), "fingers"),
    Instrument("saxophone", 65, 49, 81, (-0.4, 1.1), (-0.05, 0.45), "fingers"),
    Instrument("trombone", 57, 40, 72, (-0.3, -0.1), (0.1, -0.2), "slide"),
)
INSTRUMENTS: dict[str, Instrument] = {each.name: each for each in _ALL}
FIVE: tuple[str, ...] = ("violin", "cello", "flute", "trumpet", "guitar")
_SHARED = ((-0.4, 0.6), (0.4, 0.6))  # wrists of the hard mode, the same for all

# Which of six fingers are down for each pitch class: fixed, invented, all different.
_CODE = np.array([[int(bit) for bit in f"{(11 * k + 5) % 63:06b}"] for k in range(12)])
# Valves of a trumpet by pitch class, from C.
_VALVES = np.array([
    [0, 0, 0], [1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0],
    [0, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 0],
])  # fmt: skip


def base_posture(instrument: Instrument, shared: bool = False) -> Float[np.ndarray, "joints two"]:
    """Where the twenty points are while nothing moves.

    Args:
        instrument: whose player.
        shared: put the hands where the hard mode has them, whatever the instrument.

    Returns:
        Shape (20, 2), shoulder widths.
    """
    right, left = _SHARED if shared else (instrument.right, instrument.left)
    pose = np.zeros((len(JOINTS), 2))
    pose[NOSE] = 0, -0.6
    pose[2], pose[3] = (-0.5, 0.05), (0.5, 0.05)
    for side, shoulder, wrist in ((RIGHT, pose[2], right), (LEFT, pose[3], left)):
        elbow, hand, palm = side
        outward = np.sign(shoulder[0])
        middle = (shoulder + wrist) / 2
        pose[elbow] = middle + (0.28 * outward, 0.3)
        pose[hand] = wrist
        pose[palm] = np.add(wrist, (0.08 * -outward, 0.03))
        spread = np.linspace(-0.08, 0.08, 5)
        first = palm + 1
        pose[first : first + 5] = pose[palm] + np.c_[np.full(5, -0.09 * outward), spread]
    return pose


def active_note(notes: Notes, n_frames: int) -> np.ndarray:
    """Number of the note that sounds in the middle of each video frame, -1 in silence.

    Args:
        notes: of one voice.
        n_frames: video frames.
    """
    when = (np.arange(n_frames) + 0.5) / VIDEO_RATE
    at = np.searchsorted(notes.onset, when, side="right") - 1
    sounding = at >= 0
    sounding[sounding] = when[sounding] < notes.offset[at[sounding]]
    return np.where(sounding, at, -1)


def bow_position(notes: Notes, n_frames: int) -> Float[np.ndarray, " frames"]:
    """Where the bow is on the string, from 0 (its frog) to 1 (its tip), in each video frame.

    It crosses nine tenths of its length in a note, at most 2.2 lengths a second, turns at each new
    note and at its ends, and rests in silence.

    Args:
        notes: of one voice.
        n_frames: video frames.
    """
    at = active_note(notes, n_frames)
    speed = np.minimum(0.9 / (notes.offset - notes.onset), 2.2) / VIDEO_RATE
    position, direction, last = 0.1, -1.0, -1
    path = np.empty(n_frames)
    for frame, note in enumerate(at):
        if note >= 0:
            if note != last:
                direction, last = -direction, note
            position += direction * speed[note]
            if not 0 <= position <= 1:
                position = -position if position < 0 else 2 - position
                direction = -direction
        path[frame] = position
    return path


def breath(notes: Notes, n_frames: int) -> Float[np.ndarray, " frames"]:
    """How full the lungs are, 0 to 1: they empty while a note sounds and fill in rests."""
    playing = active_note(notes, n_frames) >= 0
    level, path = 1.0, np.empty(n_frames)
    for frame, sounding in enumerate(playing):
        level = np.clip(level + (-0.35 if sounding else 2.5) / VIDEO_RATE, 0, 1)
        path[frame] = level
    return path


def motion(instrument: Instrument, notes: Notes, n_frames: int) -> Motion:
    """What playing adds to the posture, shape (frames, 20, 2).

    Args:
        instrument: what is played.
        notes: of one voice, within its range.
        n_frames: video frames.
    """
    moved = np.zeros((n_frames, len(JOINTS), 2))
    at = active_note(notes, n_frames)
    pitch = np.where(at >= 0, notes.pitch[at], 0) if len(notes) else np.zeros(n_frames, int)
    # Hands stay at the last note in a rest.
    last = np.maximum.accumulate(np.where(at >= 0, np.arange(n_frames), 0))
    held = pitch[last] if n_frames else pitch
    held = np.where(held == 0, instrument.lowest, held)
    height = (held - instrument.lowest) / (instrument.highest - instrument.lowest)
    _MOVES[instrument.family](moved, instrument, notes, at, held, height)
    if instrument.breathes:
        rise = -0.05 * breath(notes, n_frames)
        moved[:, SHOULDERS, 1] += rise[:, None]
    return moved


def _shift(moved: Motion, side: tuple[int, int, int], by: Float[np.ndarray, "frames two"]) -> None:
    """Move a whole hand, and its elbow half as far."""
    elbow, wrist, palm = side
    moved[:, elbow] += 0.5 * by
    moved[:, [wrist, *range(palm, palm + 6)]] += by[:, None]


def _strings(moved, instrument, notes, at, held, height) -> None:
    bow = bow_position(notes, len(moved))
    string = np.floor(np.clip(height, 0, 0.999) * 4)  # one of four
    angle = (0.5 if instrument.name == "violin" else 0.1) + 0.15 * (string - 1.5)
    reach = 0.75 * (bow - 0.5)
    _shift(moved, RIGHT, np.c_[-reach * np.cos(angle), reach * np.sin(angle)])
    along = (0.25, -0.1) if instrument.name == "violin" else (-0.1, 0.8)
    _shift(moved, LEFT, -(height - 0.5)[:, None] * along if instrument.name == "violin"
           else height[:, None] * along)
    finger = 16 + held % 4
    moved[np.arange(len(moved)), finger, 1] += np.where(at >= 0, 0.06, 0.0)


def _fingers(moved, instrument, notes, at, held, height) -> None:
    down = _CODE[held % 12] * np.where(at >= 0, 0.05, 0.0)[:, None]
    moved[:, 16:19, 1] += down[:, :3]
    moved[:, 10:13, 1] += down[:, 3:]


def _valves(moved, instrument, notes, at, held, height) -> None:
    moved[:, 10:13, 1] += _VALVES[held % 12] * np.where(at >= 0, 0.05, 0.0)[:, None]
    moved[:, NOSE, 1] -= 0.05 * height


def _plucked(moved, instrument, notes, at, held, height) -> None:
    when = (np.arange(len(moved)) + 0.5) / VIDEO_RATE
    after = np.searchsorted(notes.onset, when, side="right") - 1
    since = np.where(after >= 0, when - notes.onset[after], 1e3) if len(notes) else when + 1e3
    stroke = 0.18 * np.exp(-since / 0.08) * np.cos(2 * np.pi * 5 * since)
    _shift(moved, RIGHT, np.c_[0 * stroke, stroke])
    _shift(moved, LEFT, -height[:, None] * (0.6, 0.1))
    finger = 16 + held % 4
    moved[np.arange(len(moved)), finger, 1] += np.where(at >= 0, 0.06, 0.0)


def _slide(moved, instrument, notes, at, held, height) -> None:
    position = (6 - held % 7) / 6  # one of seven
    _shift(moved, RIGHT, -position[:, None] * (0.6, -0.2))


_MOVES: dict[str, Callable[..., None]] = {
    "strings": _strings,
    "fingers": _fingers,
    "valves": _valves,
    "plucked": _plucked,
    "slide": _slide,
}


def filmed(moving: Motion, rng: np.random.Generator) -> Motion:
    """Make a clean skeleton look as a detector would give it.

    Slow sway, a smoothing over three frames, a size and a place of its own for each take, noise in
    every point, and one point in fifty held at its last value.

    Args:
        moving: shape (frames, 20, 2).
        rng: of all draws.
    """
    n = len(moving)
    innovations = rng.standard_normal((n, 2)) * np.sqrt(1 - 0.98**2)
    sway = np.empty((n, 2))
    state = rng.standard_normal(2)
    for frame in range(n):
        state = 0.98 * state + innovations[frame]
        sway[frame] = state
    path = moving + (sway * (0.05, 0.02))[:, None]
    padded = np.concatenate([path[:1], path, path[-1:]])
    path = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    path = path * rng.uniform(0.9, 1.1) + rng.normal(0, 0.08, 2)
    path = path + rng.normal(0, 0.012, path.shape)
    lost = rng.random(path.shape[:2]) < 0.02
    lost[0] = False
    for frame in range(1, n):
        path[frame, lost[frame]] = path[frame - 1, lost[frame]]
    return path
