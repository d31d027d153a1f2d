"""From a roll to notes, a MIDI file and back."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Shaped

from neurotutor.checks import as_count, as_positive
from neurotutor.data import scores
from neurotutor.data.scores import Notes
from neurotutor.perception.audeo.config import FRAME_RATE

_LOWEST = {88: 21, 51: 36, 25: 48}  # lowest pitch of the rolls that this chapter knows
VELOCITY = 100


def as_roll(name: str, roll: Shaped[np.ndarray, "*shape"]) -> Bool[np.ndarray, "frames keys"]:
    """Read a roll: a row for each frame, a column for each key, true where it is down.

    Raises:
        ValueError: for another number of axes, or for values other than 0 and 1.
    """
    array = np.asarray(roll)
    if array.ndim != 2:
        raise ValueError(f"{name} must have the axes frames and keys, got shape {array.shape}")
    if array.dtype != bool and not np.isin(array, (0, 1)).all():
        raise ValueError(f"{name} must hold 0 and 1 alone: apply a threshold first")
    return array.astype(bool)


def _lowest(lowest: int | None, n_keys: int) -> int:
    if lowest is None:
        if n_keys not in _LOWEST:
            raise ValueError(f"the lowest pitch of a roll of {n_keys} keys is not known: pass it")
        return _LOWEST[n_keys]
    if as_count("lowest", lowest, 0) + n_keys > 128:
        raise ValueError(f"{n_keys} keys from pitch {lowest} on go beyond MIDI's 127")
    return lowest


def roll_to_notes(
    roll: Shaped[np.ndarray, "frames keys"],
    *,
    lowest: int | None = None,
    frame_rate: float | int = FRAME_RATE,
) -> Notes:
    """A note for each run of frames in which a key is down.

    A key that is struck again without a frame in between gives one note. A note that is on in the
    last frame ends with the roll.

    Args:
        roll: true where a key is down.
        lowest: MIDI number of the first column; known for 88, 51 and 25 keys.
        frame_rate: frames per second.

    Returns:
        Notes of velocity 100, their times multiples of a frame.

    Raises:
        ValueError: if the roll holds more than 0 and 1, or its lowest pitch is not known.
    """
    array = as_roll("roll", roll)
    low, rate = _lowest(lowest, array.shape[1]), as_positive("frame_rate", frame_rate)
    edges = np.diff(np.pad(array.astype(np.int8), ((1, 1), (0, 0))), axis=0).T
    key, start = np.nonzero(edges == 1)
    _, stop = np.nonzero(edges == -1)
    return scores.notes_of(low + key, start / rate, stop / rate, velocity=VELOCITY)


def notes_to_roll(
    notes: Notes,
    n_frames: int | None = None,
    *,
    lowest: int = 21,
    n_keys: int = 88,
    frame_rate: float | int = FRAME_RATE,
) -> Bool[np.ndarray, "frames keys"]:
    """Which keys are down in each frame: from round(rate * start) to round(rate * end).

    Rounding matters. 29 frames at 25 per second last 1.16 s, and int(25 * 1.16) is 28.

    Args:
        notes: those outside the keys are left out.
        n_frames: rows of the roll; up to the last end by default.
        lowest: MIDI number of the first column.
        n_keys: columns.
        frame_rate: frames per second.

    Returns:
        True where a key is down; every note is down for a frame at least.
    """
    rate = as_positive("frame_rate", frame_rate)
    as_count("n_keys", n_keys)
    first = np.floor(notes.onset * rate + 0.5).astype(int)
    last = np.maximum(np.floor(notes.offset * rate + 0.5).astype(int), first + 1)
    if n_frames is None:
        n_frames = int(last.max()) if len(notes) else 0
    roll = np.zeros((as_count("n_frames", n_frames, 0), n_keys), bool)
    for pitch, a, b in zip(notes.pitch - lowest, first, last, strict=True):
        if 0 <= pitch < n_keys:
            roll[a:b, pitch] = True
    return roll


def notes_to_midi(notes: Notes, path: str | os.PathLike, program: int = 0) -> Path:
    """Write notes as a MIDI file of one instrument.

    Args:
        notes: what to write.
        path: where to.
        program: General MIDI instrument, 0 is a grand piano.

    Returns:
        The path.

    Raises:
        ValueError: for a program outside 0 to 127.
    """
    together = Notes(
        notes.pitch, notes.onset, notes.offset, notes.velocity, np.zeros(len(notes), np.int64)
    )
    return scores.write_midi(together, path, program)
