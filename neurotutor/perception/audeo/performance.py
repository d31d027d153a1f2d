"""From a score to a performance: human timing, key movement, and what a transcriber would hear."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from neurotutor.data.scores import Notes
from neurotutor.perception.audeo.config import FRAME_RATE, Preset

BAR = 1.6  # seconds; the pedal is held to the end of a bar, or not used in it
_GAP = 0.05  # seconds for which a key is up at least before it is struck again
_SHORTEST = 0.06


def _rebuilt(notes: Notes, onset: np.ndarray, offset: np.ndarray) -> Notes:
    return Notes(notes.pitch, onset, offset, notes.velocity, notes.track)


def release_before_strike(notes: Notes, gap: float = _GAP, merge: float = 0.0) -> Notes:
    """Let each key come up before it is struck again.

    Args:
        notes: in any order of keys.
        gap: seconds that a key is up at least before it is struck again.
        merge: a strike within so many seconds of the last one on its key is dropped.

    Returns:
        The notes; one that would have no length left is dropped.
    """
    keep = np.ones(len(notes), bool)
    offset = notes.offset.copy()
    last: dict[int, int] = {}
    for i, pitch in enumerate(notes.pitch.tolist()):
        before = last.get(pitch)
        if before is not None:
            if notes.onset[i] - notes.onset[before] < merge:
                offset[before] = max(offset[before], offset[i])
                keep[i] = False
                continue
            offset[before] = min(offset[before], notes.onset[i] - gap)
        last[pitch] = i
    keep &= offset > notes.onset
    offset = np.where(keep, offset, notes.onset + 1)
    return _rebuilt(notes, notes.onset, offset).select(keep)


def fit_keys(notes: Notes, preset: Preset) -> Notes:
    """Bring notes into the range of a keyboard.

    With `fold`, a pitch moves by two octaves until it is in range (pitch classes stay); two
    strikes of a key within 80 ms become one. Without, notes outside the range are left out.

    Args:
        notes: any.
        preset: with the range.
    """
    inside = (notes.pitch >= preset.low) & (notes.pitch <= preset.high)
    if not preset.fold:
        return notes.select(inside)
    folded = np.where(inside, notes.pitch, preset.low + (notes.pitch - preset.low) % 24)
    moved = Notes(folded, notes.onset, notes.offset, notes.velocity, notes.track)
    return release_before_strike(moved, merge=0.08)


def perform(notes: Notes, rng: np.random.Generator) -> Notes:
    """Play a score as a person might: rubato, uneven onsets, gaps between notes.

    Time is stretched by one rate for the performance, U(0.9, 1.15), times exp(0.06 N) for each 4 s.
    Onsets move by 12 ms (standard deviation); a note keeps 80 to 97 % of its length, 60 ms at
    least; the same key is up for 50 ms before it is struck again.

    Args:
        notes: at the tempo of the score.
        rng: where all draws come from.
    """
    if not len(notes):
        return notes
    knots = np.arange(0.0, notes.offset.max() + 4.0, 4.0)
    rates = rng.uniform(0.9, 1.15) * np.exp(0.06 * rng.standard_normal(len(knots)))
    played = np.concatenate([[0.0], np.cumsum(rates * 4.0)])
    knots = np.append(knots, knots[-1] + 4.0)
    start = np.interp(notes.onset, knots, played)
    length = np.interp(notes.offset, knots, played) - start
    onset = np.maximum(start + 0.012 * rng.standard_normal(len(notes)), 0.0)
    length = np.maximum(length * rng.uniform(0.80, 0.97, len(notes)), _SHORTEST)
    return release_before_strike(_rebuilt(notes, onset, onset + length))


def key_depth(
    notes: Notes, n_frames: int, preset: Preset, rng: np.random.Generator
) -> Float[np.ndarray, "frames keys"]:
    """How far each key is down in each frame, 0 to 1.

    A key goes down during the 30 to 60 ms before a note starts, and comes up in the 50 to 110 ms
    after it ends.

    Args:
        notes: within the range of the preset.
        n_frames: how many frames, at 25 per second.
        preset: with the range.
        rng: where attack and release times come from.
    """
    depth = np.zeros((n_frames, preset.n_keys))
    attack = rng.uniform(0.03, 0.06, len(notes))
    release = rng.uniform(0.05, 0.11, len(notes))
    for i in range(len(notes)):
        start, stop = notes.onset[i], notes.offset[i]
        first = max(int((start - attack[i]) * FRAME_RATE), 0)
        last = min(int((stop + release[i]) * FRAME_RATE) + 2, n_frames)
        t = np.arange(first, last) / FRAME_RATE
        down = np.clip((t - (start - attack[i])) / attack[i], 0, 1)
        up = np.clip(1 - (t - stop) / release[i], 0, 1)
        column = notes.pitch[i] - preset.low
        depth[first:last, column] = np.maximum(depth[first:last, column], down * up)
    return depth


def heard(notes: Notes, rng: np.random.Generator) -> Notes:
    """What an audio transcriber would say of a performance: the pseudo labels.

    In bars of 1.6 s, a pedal (probability 0.35) holds notes to the end of the bar. A string decays:
    a note of pitch p ends after 3.2 * 2**(-(p - 36) / 20) s, give or take 15 %. Onsets move by
    12 ms; 2 % of the notes are missed; 1 % gain a ghost of 120 ms an octave above.

    Args:
        notes: as played.
        rng: where all draws come from.
    """
    n = len(notes)
    if n == 0:
        return notes
    bar = np.floor(notes.offset / BAR).astype(int)
    pedal = rng.random(bar.max() + 1) < 0.35
    offset = np.where(pedal[bar], (bar + 1) * BAR, notes.offset)
    decay = 3.2 * 2.0 ** (-(notes.pitch - 36) / 20) * rng.uniform(0.85, 1.15, n)
    onset = np.maximum(notes.onset + 0.012 * rng.standard_normal(n), 0.0)
    offset = np.maximum(np.minimum(offset, onset + decay), onset + 0.04)
    kept = rng.random(n) >= 0.02
    ghost = rng.random(n) < 0.01
    above = np.minimum(notes.pitch[ghost] + 12, 127)
    said = Notes(
        np.concatenate([notes.pitch[kept], above]),
        np.concatenate([onset[kept], onset[ghost]]),
        np.concatenate([offset[kept], onset[ghost] + 0.12]),
        np.concatenate([notes.velocity[kept], notes.velocity[ghost]]),
        np.concatenate([notes.track[kept], notes.track[ghost]]),
    )
    return release_before_strike(said)


def no_keys(n_frames: int, n_keys: int) -> Bool[np.ndarray, "frames keys"]:
    """A roll in which nothing sounds."""
    return np.zeros((n_frames, n_keys), bool)
