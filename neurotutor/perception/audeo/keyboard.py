"""A keyboard from above: one picture of it at rest, and what each key changes when it goes down."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from neurotutor.perception.audeo.config import BLACK, Preset

LENGTH = 0.92  # of a white key, in heights of the frame
BLACK_LENGTH = 0.63 * LENGTH
_GROUND, _WHITE, _BODY, _SHINE = 0.18, 0.93, 0.10, 0.16  # linear intensity


@dataclass(frozen=True)
class Keyboard:
    """Pictures in linear intensity.

    Attributes:
        base: all keys up, (height, width).
        patches: for each key, first column and what is added when it is fully down.
        centre: of each key, in columns.
        is_black: whether it is a black key.
        key_width: of a white key, in columns.
    """

    base: Float[np.ndarray, "height width"]
    patches: tuple[tuple[int, np.ndarray], ...]
    centre: Float[np.ndarray, "keys"]
    is_black: np.ndarray
    key_width: float


def _coverage(start: float | int, stop: float | int, first: int, last: int) -> np.ndarray:
    """Share of each pixel from `first` to `last` that an interval covers."""
    pixel = np.arange(first, last)
    return np.clip(np.minimum(pixel + 1, stop) - np.maximum(pixel, start), 0, 1)


class _Canvas:
    """A strip of the picture, painted rectangle by rectangle."""

    def __init__(self, height: int, first: int, last: int):
        self.height, self.first, self.last = height, first, last
        self.image = np.full((height, last - first), _GROUND)

    def fill(self, x0, x1, y0, y1, value, opacity=1.0):
        """Blend towards a value; `value` None darkens what is there by `opacity`."""
        rows = _coverage(y0, y1, 0, self.height)
        columns = _coverage(x0, x1, self.first, self.last)
        cover = opacity * np.outer(rows, columns)
        target = 0.0 if value is None else value
        self.image += cover * (target - self.image)


def _layout(preset: Preset) -> tuple[np.ndarray, np.ndarray, float]:
    """Centres (columns), which keys are black, and the width of a white key."""
    pitches = np.arange(preset.low, preset.high + 1)
    black = np.isin(pitches % 12, list(BLACK))
    width = preset.width / preset.n_white
    whites_below = np.cumsum(~black) - ~black
    shift = np.array([BLACK.get(pitch % 12, 0.5) for pitch in pitches])
    return (whites_below + shift) * width, black, width


def _paint(preset: Preset, first: int, last: int, pressed: int | None) -> np.ndarray:
    """Columns `first` to `last` of the keyboard, with one key down or none."""
    centre, black, w = _layout(preset)
    h = preset.height
    canvas = _Canvas(h, first, last)
    near = np.flatnonzero((centre > first - w) & (centre < last + w))
    for k in near[~black[near]]:
        left, right = centre[k] - 0.485 * w, centre[k] + 0.485 * w
        front = (LENGTH - (0.035 if k == pressed else 0)) * h
        canvas.fill(left, right, 0, front, _WHITE)
        if k != pressed:
            continue
        # The front tilts away from the light: darker by 0.10 there, by nothing at the hinge.
        for y in range(int(np.ceil(front))):
            canvas.fill(left, right, y, min(y + 1, front), None, 0.10 / _WHITE * (y + 0.5) / front)
        for edge in (left, right - 0.16 * w):
            canvas.fill(edge, edge + 0.16 * w, 0.35 * LENGTH * h, front, None, 0.55)
    for k in near[black[near]]:
        down = k == pressed
        left, right = centre[k] - 0.29 * w, centre[k] + 0.29 * w
        front = (BLACK_LENGTH - (0.05 if down else 0)) * h
        shade = 0.35 * (0.4 if down else 1)
        canvas.fill(right, right + 0.12 * w, 0, BLACK_LENGTH * h, None, shade)
        canvas.fill(left, right, 0, front, _BODY)
        shine = _SHINE * (0.35 if down else 1)
        canvas.fill(left + 0.15 * w, right - 0.15 * w, 0.04 * h, front - 0.08 * h, shine)
    return canvas.image


@lru_cache(maxsize=4)
def build_keyboard(preset: Preset) -> Keyboard:
    """Draw the keyboard at rest, and one difference for each key.

    A frame is the base plus, for each key, its depth times its difference. Where two neighbours
    are down together the wall between them is drawn although it should vanish.

    Args:
        preset: size and range.
    """
    centre, black, w = _layout(preset)
    base = _paint(preset, 0, preset.width, None)
    patches = []
    for k in range(preset.n_keys):
        first = max(int(np.floor(centre[k] - 0.75 * w)), 0)
        last = min(int(np.ceil(centre[k] + 0.75 * w)), preset.width)
        added = _paint(preset, first, last, k) - base[:, first:last]
        patches.append((first, added.astype(np.float32)))
    return Keyboard(base.astype(np.float32), tuple(patches), centre, black, w)
