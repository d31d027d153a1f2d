"""The picture that a shared link shows: title, promise and a motif of the part, 1200 by 630."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from neurotutor import plotting

from . import mark

WIDTH, HEIGHT = 1200, 630
_COLOURS = plotting.CLUSTER_COLOURS
_DPI = 100
_LEFT = 70  # pixels from the left edge to the text


def _clouds(axes: Axes, rng: np.random.Generator) -> None:
    """Representations: clusters of points, and the same clusters turned."""
    for index, angle in enumerate(np.linspace(0.4, 2 * np.pi + 0.4, 4)[:-1]):
        centre = 0.55 * np.array([np.cos(angle), np.sin(angle)])
        for shift, shade in ((0.0, 1.0), (0.35, 0.35)):
            points = centre + shift + 0.1 * rng.standard_normal((45, 2))
            axes.scatter(*points.T, s=16, color=_COLOURS[index], alpha=shade, linewidths=0)


def _assembly(axes: Axes, rng: np.random.Generator) -> None:
    """Plasticity: neurons of which a few are wired to each other."""
    points = rng.uniform(-1, 1, (90, 2))
    nearest = np.argsort(np.linalg.norm(points, axis=1))[:14]
    for first in nearest:
        for second in nearest:
            if first < second:
                axes.plot(*points[[first, second]].T, color=_COLOURS[0], alpha=0.35, linewidth=1.2)
    axes.scatter(*points.T, s=26, color="#c9ccd0", linewidths=0)
    axes.scatter(*points[nearest].T, s=70, color=_COLOURS[1], zorder=3, linewidths=0)


def _arrows(axes: Axes, rng: np.random.Generator) -> None:
    """Connectomes: who drives whom."""
    angles = np.linspace(0, 2 * np.pi, 8)[:-1] + 0.2
    points = 0.85 * np.column_stack((np.cos(angles), np.sin(angles)))
    for first, second in ((0, 2), (0, 3), (1, 3), (2, 5), (3, 5), (4, 6), (5, 6), (1, 4), (6, 2)):
        axes.annotate(
            "",
            points[second],
            points[first],
            arrowprops={
                "arrowstyle": "-|>",
                "color": _COLOURS[0],
                "linewidth": 2,
                "shrinkA": 13,
                "shrinkB": 13,
                "mutation_scale": 18,
            },
        )
    axes.scatter(*points.T, s=330, color=_COLOURS[2], zorder=3, linewidths=0)


def _attractor(axes: Axes, rng: np.random.Generator) -> None:
    """Dynamics: two orbits of Lorenz's equations that begin side by side and part."""
    state = np.array([[1.0, 1.0, 20.0], [1.001, 1.0, 20.0]])
    orbit = [state]
    for _ in range(2400):
        x, y, z = state.T
        speed = np.column_stack((10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z))
        state = state + 0.006 * speed
        orbit.append(state)
    track = np.stack(orbit)
    for index, shade in ((0, 0.9), (1, 0.7)):
        axes.plot(
            track[:, index, 0] / 21,
            (track[:, index, 2] - 25) / 24,
            color=_COLOURS[index],
            alpha=shade,
            linewidth=0.9,
        )


def _waves(axes: Axes, rng: np.random.Generator) -> None:
    """Perception: a chirp in three voices."""
    time = np.linspace(-1, 1, 900)
    for index, (pitch, level) in enumerate(((9, 0.6), (14, 0.0), (23, -0.6))):
        envelope = np.exp(-(((time + 0.35 - 0.35 * index) / 0.4) ** 2))
        wave = level + 0.26 * envelope * np.sin(2 * np.pi * pitch * time * (1 + 0.2 * time))
        axes.plot(time, wave, color=_COLOURS[index], linewidth=1.8)


def _spikes(axes: Axes, rng: np.random.Generator) -> None:
    """Every other page: spikes of a population."""
    for row in range(14):
        count = rng.poisson(9 + 12 * np.exp(-(((row - 7) / 3) ** 2)))
        times = rng.uniform(-1, 1, count)
        colour = _COLOURS[row % 3]
        axes.vlines(times, -0.95 + 0.135 * row, -0.85 + 0.135 * row, color=colour, linewidth=2)


MOTIFS: dict[str, Callable[[Axes, np.random.Generator], None]] = {
    "representations": _clouds,
    "plasticity": _assembly,
    "connectomes": _arrows,
    "dynamics": _attractor,
    "perception": _waves,
}


def wrapped(text: str, width: int, most: int) -> list[str]:
    """At most `most` lines of at most `width` characters; … stands for what does not fit."""
    return textwrap.wrap(text, width, max_lines=most, placeholder=" …", break_long_words=False)


def card(title: str, part: str, promise: str, book: str) -> bytes:
    """Draw the card of one page.

    Args:
        title: of the page, as plain text.
        part: the page's part, such as `plasticity`; empty for pages outside the parts.
        promise: a sentence or two about the page; may be empty.
        book: title of the book.

    Returns:
        A PNG of 1200 by 630 pixels in at most 128 colours.
    """
    with mpl.rc_context({"font.family": "DejaVu Sans", "text.parse_math": False}):
        fig = Figure(figsize=(WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI, facecolor=plotting.PAPER)
        page = fig.add_axes((0, 0, 1, 1))
        page.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
        page.axis("off")
        page.axvspan(0, 22, color=_COLOURS[0], linewidth=0)
        _words(page, title, part, promise, book)
        picture = fig.add_axes((0.69, 0.2, 0.28, 0.28 * WIDTH / HEIGHT))
        picture.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05))
        picture.axis("off")
        MOTIFS.get(part, _spikes)(picture, np.random.default_rng(7))
        raw = io.BytesIO()
        fig.savefig(raw, format="png", facecolor=plotting.PAPER)
    image = Image.open(raw).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small = io.BytesIO()
    image.save(small, format="png", optimize=True)
    return small.getvalue()


def _words(page: Axes, title: str, part: str, promise: str, book: str) -> None:
    page.text(_LEFT, 560, (part or book).upper(), fontsize=17, color=plotting.MUTED, va="center")
    heading = wrapped(title, 25, 3)
    page.text(
        _LEFT,
        515,
        "\n".join(heading),
        fontsize=36,
        fontweight="bold",
        color=plotting.INK,
        va="top",
        linespacing=1.15,
    )
    page.text(
        _LEFT,
        515 - 60 * len(heading) - 25,
        "\n".join(wrapped(promise, 52, 4 if len(heading) > 2 else 6)),
        fontsize=18,
        color=plotting.INK,
        va="top",
        linespacing=1.4,
    )
    mark.draw(page, _LEFT, 45, 56)
    page.text(_LEFT + 72, 73, book, fontsize=21, fontweight="bold", color=plotting.INK, va="center")
