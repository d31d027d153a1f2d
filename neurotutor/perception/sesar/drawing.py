"""Bodies as stick figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection


def draw_body(
    ax: Axes,
    body: Float[np.ndarray, "joints 3"],
    parents: Sequence[int],
    *,
    colour: str,
    right: float = 0.0,
    up: float = 0.0,
    turn: float = 0.6,
    alpha: float = 1.0,
    width: float = 1.6,
) -> None:
    """Draw one frame: a line from every joint to its parent.

    Args:
        ax: axes to draw in, with equal scales.
        body: positions in metres, y is up.
        parents: of each joint; -1 for the root.
        colour: of the lines.
        right: shift on the page, in metres.
        up: the same upwards.
        turn: from where it is seen, in radians about the vertical; 0 is from the front.
        alpha: opacity.
        width: of the lines, in points.

    Raises:
        ValueError: if there are not as many parents as joints.
    """
    if len(parents) != len(body):
        raise ValueError(f"{len(body)} joints need as many parents, got {len(parents)}")
    across = np.cos(turn) * body[:, 0] + np.sin(turn) * body[:, 2]
    flat = np.stack([across + right, body[:, 1] + up], axis=1)
    lines = [[flat[joint], flat[parent]] for joint, parent in enumerate(parents) if parent >= 0]
    ax.add_collection(LineCollection(lines, colors=colour, linewidths=width, alpha=alpha))


def draw_strip(
    ax: Axes,
    bodies: Float[np.ndarray, "time joints 3"],
    parents: Sequence[int],
    *,
    colour: str,
    step: float = 0.9,
    up: float = 0.0,
) -> None:
    """Draw some frames of a sequence side by side, `step` metres apart, time to the right."""
    for index, body in enumerate(bodies):
        draw_body(ax, body, parents, colour=colour, right=step * index, up=up)
