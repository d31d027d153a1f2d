"""Silent video of two hands on a keyboard, from notes: keys, hands, light and camera."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from neurotutor.checks import as_count
from neurotutor.data import scores
from neurotutor.data.scores import Notes, Score
from neurotutor.perception.audeo.config import FRAME_RATE, Preset, as_preset
from neurotutor.perception.audeo.keyboard import build_keyboard
from neurotutor.perception.audeo.performance import fit_keys, heard, key_depth, perform
from neurotutor.perception.audeo.synthesis import notes_to_roll

_LEVELS = 4096  # of the table that turns linear intensity into 8 bits
_CHUNK = 64  # frames that pass the camera at a time
_TAPS = np.arange(-4, 5)


@dataclass(frozen=True)
class Clip:
    """A rendered video and what was played in it.

    Attributes:
        video: grey frames, 25 per second, 8 bit.
        keys: which keys are down: the truth.
        pseudo: which keys a transcriber of the sound would report: what the nets learn from.
        played: the notes of the performance.
        heard: the notes of the transcriber.
        preset: size and range.
        seed: of performance, hands, light and camera.
        source: name of the piece.
    """

    video: UInt8[np.ndarray, "frames height width"]
    keys: Bool[np.ndarray, "frames keys"]
    pseudo: Bool[np.ndarray, "frames keys"]
    played: Notes
    heard: Notes
    preset: Preset
    seed: int
    source: str

    def __len__(self) -> int:
        return len(self.video)


def render_clip(
    midi: str | os.PathLike | Notes | Score,
    seed: int = 0,
    preset: str | Preset = "tutorial",
    *,
    start: float | int = 0.0,
    seconds: float | int | None = None,
    performed: bool = True,
    hands: bool = True,
    camera: bool = True,
) -> Clip:
    """Render a silent video of a piece, with its labels.

    Every clip has its own performance, skin, light and camera, all drawn from `seed`.

    Args:
        midi: path of a MIDI file, name of a piece of the set, notes, or a score.
        seed: of all draws. The same seed gives the same bytes.
        preset: "tutorial" (25 keys, 36 x 164), "paper" (88 keys, 100 x 900), or a `Preset`.
        start: where in the score to begin, s.
        seconds: length of the video; all of the notes by default.
        performed: whether to play with human timing; else exactly as written.
        hands: whether to draw them.
        camera: whether light, shift, blur and noise are added.

    Returns:
        The video and its labels.

    Raises:
        ValueError: for a start before 0, a length of less than a frame, or another preset.
        TypeError: for anything that is no music.
        neurotutor.data.DataNotFound: if there is no such file.
    """
    notes, source = _as_notes(midi)
    chosen = as_preset(preset)
    as_count("seed", seed, 0)
    if not 0 <= start < np.inf:
        raise ValueError(f"start must be a time >= 0 in seconds, got {start}")
    if seconds is not None and not 1 / FRAME_RATE <= seconds < np.inf:
        raise ValueError(f"seconds must be 0.04 or more, got {seconds}")
    timing, motion, look, labels = (np.random.default_rng([seed, part]) for part in range(4))
    # Rubato can make time pass 1.4 times as fast; the rest is cut off below.
    stop = start + (1.4 * seconds if seconds is not None else 1e9)
    played = notes.window(start, stop)
    played = fit_keys(perform(played, timing) if performed else played, chosen)
    if seconds is not None:
        played = played.window(0, seconds)
        n_frames = round(seconds * FRAME_RATE)
    else:
        end = played.offset.max() if len(played) else 0.0
        n_frames = max(int(np.floor(end * FRAME_RATE + 0.5)), 1)
    said = fit_keys(heard(played, labels), chosen)
    said = said.window(0, n_frames / FRAME_RATE)
    depth = key_depth(played, n_frames, chosen, motion)
    linear = draw_keys(depth, chosen)
    if hands:
        draw_hands(linear, played, chosen, motion)
    video = expose(linear, look) if camera else _to_bytes(linear)
    rolls = [
        notes_to_roll(each, n_frames, lowest=chosen.low, n_keys=chosen.n_keys)
        for each in (played, said)
    ]
    return Clip(video, *rolls, played, said, chosen, int(seed), source)


def _as_notes(midi: str | os.PathLike | Notes | Score) -> tuple[Notes, str]:
    if isinstance(midi, Notes):
        return midi, "notes"
    if isinstance(midi, Score):
        return midi.notes, midi.name
    if not isinstance(midi, str | os.PathLike):
        raise TypeError(f"midi must be a path, Notes or a Score, got {type(midi).__name__}")
    score = scores.load(midi)
    return score.notes, score.name


def draw_keys(
    depth: Float[np.ndarray, "frames keys"], preset: Preset
) -> Float[np.ndarray, "frames height width"]:
    """The keyboard in each frame, in linear intensity: base plus depth times difference.

    Args:
        depth: how far each key is down.
        preset: size and range.
    """
    keyboard = build_keyboard(preset)
    frames = np.repeat(keyboard.base[None], len(depth), axis=0)
    for k, (first, added) in enumerate(keyboard.patches):
        down = np.flatnonzero(depth[:, k])
        if len(down):
            columns = slice(first, first + added.shape[1])
            frames[down, :, columns] += depth[down, k, None, None].astype(np.float32) * added
    return frames


def _follow(target: np.ndarray, frequency: float = 1.6) -> np.ndarray:
    """A critically damped second-order filter: how a palm follows where it is wanted."""
    omega, dt = 2 * np.pi * frequency, 1 / FRAME_RATE
    fade = np.exp(-omega * dt)
    place, speed, path = target[0], 0.0, np.empty_like(target)
    for t, wanted in enumerate(target):
        off = place - wanted
        push = speed + omega * off
        place = wanted + (off + push * dt) * fade
        speed = (speed - omega * push * dt) * fade
        path[t] = place
    return path


def _palm(notes: Notes, centre: np.ndarray, n_frames: int, low: int, rest: float) -> np.ndarray:
    """Where the palm is: it follows the mean of the active keys of the next quarter second."""
    total, count = np.zeros(n_frames), np.zeros(n_frames)
    for pitch, start, stop in zip(notes.pitch, notes.onset, notes.offset, strict=True):
        first = max(int((start - 0.25) * FRAME_RATE), 0)
        frames = slice(first, min(int(stop * FRAME_RATE) + 1, n_frames))
        total[frames] += centre[pitch - low]
        count[frames] += 1
    active = np.flatnonzero(count)
    if not len(active):
        return np.full(n_frames, rest)
    latest = active[np.maximum(np.searchsorted(active, np.arange(n_frames), "right") - 1, 0)]
    return _follow(total[latest] / count[latest])


def _fingers(notes: Notes, reach: np.ndarray, centre: np.ndarray, low: int) -> np.ndarray:
    """Which finger plays each note: the nearest one that is free."""
    busy, chosen = np.full(5, -1.0), np.zeros(len(notes), int)
    for i in range(len(notes)):
        t = min(int(notes.onset[i] * FRAME_RATE), len(reach) - 1)
        away = np.abs(reach[t] - centre[notes.pitch[i] - low]) + 1e6 * (busy > notes.onset[i])
        chosen[i] = int(away.argmin())
        busy[chosen[i]] = notes.offset[i]
    return chosen


def draw_hands(
    frames: Float[np.ndarray, "frames height width"],
    notes: Notes,
    preset: Preset,
    rng: np.random.Generator,
) -> None:
    """Draw two hands over the keyboard, in place.

    The part with the higher mean pitch is the right hand. A palm follows its keys; five fingers
    hover over the front of the keys, so that their place alone does not tell what is played; each
    note takes the nearest free finger, whose tip then lies on the key.

    Args:
        frames: linear intensity; changed.
        notes: as played, in the range of the preset.
        preset: size and range.
        rng: where skin and idle motion come from.
    """
    n_frames, height, width = frames.shape
    keyboard = build_keyboard(preset)
    w = keyboard.key_width
    skin = rng.uniform(0.45, 0.72)
    times = np.arange(n_frames) / FRAME_RATE
    for hand, part in enumerate(_parts(notes)):
        palm = _palm(part, keyboard.centre, n_frames, preset.low, (0.3 + 0.4 * hand) * width)
        spread = np.arange(-2, 3) * 0.98 * w
        phase, pace = rng.uniform(0, 2 * np.pi, (2, 2, 5)), rng.uniform(0.2, 0.7, (2, 5))
        sway = np.sin(2 * np.pi * pace[:, None] * times[:, None] + phase[0][:, None])
        rest_x = palm[:, None] + spread + 0.15 * w * sway[0]
        # The hovering height drifts within 0.72 to 0.88 of the frame.
        rest_y = height * (rng.uniform(0.75, 0.85, 5) + 0.03 * sway[1])
        knuckle = np.stack(
            [palm[:, None] + 0.55 * spread, np.full((n_frames, 5), 1.25 * height)], -1
        )
        tip = np.stack([rest_x, rest_y], -1)
        blend = np.zeros((n_frames, 5))
        goal = tip.copy()
        chosen = _fingers(part, rest_x, keyboard.centre, preset.low)
        for finger, pitch, start, stop in zip(
            chosen, part.pitch, part.onset, part.offset, strict=True
        ):
            first = max(int((start - 0.14) * FRAME_RATE), 0)
            span = slice(first, min(int((stop + 0.12) * FRAME_RATE) + 2, n_frames))
            t = times[span]
            ease = np.clip((t - start + 0.14) / 0.10, 0, 1) * np.clip(1 - (t - stop) / 0.12, 0, 1)
            key = pitch - preset.low
            spot = (keyboard.centre[key], (0.42 if keyboard.is_black[key] else 0.74) * height)
            stronger = ease > blend[span, finger]
            blend[span, finger] = np.where(stronger, ease, blend[span, finger])
            goal[span, finger] = np.where(stronger[:, None], spot, goal[span, finger])
        tip += blend[..., None] * (goal - tip)
        for finger in range(5):
            _draw_finger(frames, tip[:, finger], knuckle[:, finger], 0.36 * w, skin)


def _parts(notes: Notes) -> tuple[Notes, Notes]:
    """Notes of the left and of the right hand; with one track, split at its middle pitch."""
    tracks = np.unique(notes.track)
    if len(tracks) < 2:
        middle = np.median(notes.pitch) if len(notes) else 0
        left = notes.pitch < middle
    else:
        height = np.array([notes.pitch[notes.track == each].mean() for each in tracks])
        left = np.isin(notes.track, tracks[height < (height.min() + height.max()) / 2])
    return notes.select(left), notes.select(~left)


def _draw_finger(
    frames: np.ndarray, tip: np.ndarray, knuckle: np.ndarray, radius: float, skin: float
) -> None:
    """One capsule from tip to knuckle in every frame, with a soft shadow to its right."""
    n_frames, height, width = frames.shape
    throw = max(int(round(0.5 * radius)), 1)
    margin = int(np.ceil(1.6 * radius)) + throw + 1
    # Only what is inside the picture counts: the bone is cut at the lower edge.
    reach = (height - tip[:, 1]) / (knuckle[:, 1] - tip[:, 1])
    edge = tip[:, 0] + reach * (knuckle[:, 0] - tip[:, 0])
    left = np.floor(np.minimum(tip[:, 0], edge)).astype(int) - margin
    span = int((np.maximum(tip[:, 0], edge) - left).max()) + margin + 2
    left = np.clip(left, 0, max(width - span, 0))
    span = min(span, width)
    top = max(int(tip[:, 1].min() - 1.6 * radius) - 1, 0)
    columns = left[:, None] + np.arange(span)
    x = (columns + 0.5).astype(np.float32)[:, None, :]
    y = (np.arange(top, height) + 0.5).astype(np.float32)[None, :, None]
    ax, ay = (tip[:, i].astype(np.float32)[:, None, None] for i in (0, 1))
    bone = (knuckle - tip).astype(np.float32)
    bx, by = bone[:, 0, None, None], bone[:, 1, None, None]
    dx, dy = x - ax, y - ay
    along = np.clip((dx * bx + dy * by) / (bx * bx + by * by), 0, 1)
    distance = np.sqrt((dx - along * bx) ** 2 + (dy - along * by) ** 2)
    shade = np.clip((1.5 * radius - distance) / (0.9 * radius), 0, 1)
    shade[..., throw:] = shade[..., :-throw].copy()
    cover = np.clip(radius + 0.5 - distance, 0, 1)
    # A finger is round: darker towards its sides.
    tone = skin * (1 - 0.25 * np.minimum(distance / radius, 1) ** 2)
    rows = np.arange(top, height)
    which = (np.arange(n_frames)[:, None, None], rows[None, :, None], columns[:, None, :])
    below = frames[which] * (1 - np.float32(0.35) * shade)
    frames[which] = below + cover * (tone - below)


def expose(
    linear: Float[np.ndarray, "frames height width"], rng: np.random.Generator
) -> UInt8[np.ndarray, "frames height width"]:
    """Light, shift, blur, noise and gamma: what a camera makes of the scene.

    The light varies over the frame and flickers by 2 %. The camera stands off by a fixed part of a
    pixel and jitters slowly. Shift and blur (sigma 0.45 pixel) are one filter for each axis.

    Args:
        linear: intensity.
        rng: where light, shifts and noise come from.
    """
    n_frames, height, width = linear.shape
    a, b, c = rng.normal(0, 0.15, 3)
    x, y = (
        (np.arange(width) + 0.5) / width - 0.5,
        ((np.arange(height) + 0.5) / height - 0.5)[:, None],
    )
    light = np.maximum(1 + a * x + b * y + c * (x**2 - 1 / 12), 0.2).astype(np.float32)
    flicker = (1 + 0.02 * rng.standard_normal(n_frames)).astype(np.float32)
    jitter = np.zeros((n_frames, 2))
    kicks = 0.18 * np.sqrt(1 - 0.95**2) * rng.standard_normal((n_frames, 2))
    now = 0.18 * rng.standard_normal(2)
    for t, kick in enumerate(kicks):
        now = 0.95 * now + kick
        jitter[t] = now
    shift = np.clip(rng.normal(0, 0.6, 2) + jitter, -2.5, 2.5)
    taps = np.exp(-0.5 * ((_TAPS - shift[..., None]) / 0.45) ** 2)
    taps = (taps / taps.sum(axis=-1, keepdims=True)).astype(np.float32)
    video = np.empty(linear.shape, np.uint8)
    for first in range(0, n_frames, _CHUNK):
        part = slice(first, first + _CHUNK)
        seen = linear[part] * light * flicker[part, None, None]
        for axis in (1, 2):
            seen = _filter(seen, taps[part, axis - 1], axis)
        seen += np.float32(0.012) * rng.standard_normal(seen.shape, np.float32)
        video[part] = _to_bytes(seen)
    return video


def _filter(frames: np.ndarray, taps: np.ndarray, axis: int) -> np.ndarray:
    """Nine taps along one axis, other ones in each frame; the border is repeated."""
    reach = len(_TAPS) // 2
    pad = [(0, 0)] * 3
    pad[axis] = (reach, reach)
    padded = np.pad(frames, pad, mode="edge")
    size = frames.shape[axis]
    out = np.zeros_like(frames)
    for number in np.flatnonzero(taps.max(axis=0) > 1e-4):
        window = [slice(None)] * 3
        window[axis] = slice(2 * reach - number, 2 * reach - number + size)
        out += taps[:, number, None, None] * padded[tuple(window)]
    return out


_GAMMA = np.rint(255 * (np.arange(_LEVELS) / (_LEVELS - 1)) ** (1 / 1.6)).astype(np.uint8)


def _to_bytes(linear: np.ndarray) -> np.ndarray:
    return _GAMMA[(np.clip(linear, 0, 1) * (_LEVELS - 1) + 0.5).astype(np.uint16)]
