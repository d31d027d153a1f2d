"""The book's mark, drawn by code: an open book across whose pages a spike runs."""

from __future__ import annotations

import functools
import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Polygon
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from PIL import Image

from neurotutor import plotting

SIDE = 64  # the mark's own unit: a square of 64 by 64, y downwards as in SVG
LEFT = ((4, 12), (30, 18), (30, 56), (4, 50))
RIGHT = ((60, 12), (34, 18), (34, 56), (60, 50))
TRACE = ((8, 36), (20, 38.5), (25, 24), (38, 50), (43, 35), (56, 35.5))
LEFT_COLOUR = plotting.COLOURS["source"]
RIGHT_COLOUR = plotting.COLOURS["target"]
TRACE_WIDTH = 4.0
ICON_SIZES = (16, 32, 48)
THEMES = {"light": plotting.INK, "dark": plotting.PAPER}  # colour of the name beside the mark


def _points(corners: tuple[tuple[float, float], ...]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in corners)


def _mark() -> str:
    return (
        f'<polygon points="{_points(LEFT)}" fill="{LEFT_COLOUR}"/>'
        f'<polygon points="{_points(RIGHT)}" fill="{RIGHT_COLOUR}"/>'
        f'<polyline points="{_points(TRACE)}" fill="none" stroke="{plotting.PAPER}" '
        f'stroke-width="{TRACE_WIDTH:g}" stroke-linejoin="round" stroke-linecap="round"/>'
    )


def icon_svg() -> str:
    """The mark alone, as an SVG file."""
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}">{_mark()}</svg>\n'


def logo_svg(title: str, theme: str) -> str:
    """The mark and the book's name beside it, its letters as outlines, so that no font is needed.

    Args:
        title: the name.
        theme: `light` or `dark`, the theme that it is shown in.

    Raises:
        ValueError: if there is no such theme.
    """
    if theme not in THEMES:
        raise ValueError(f"theme must be one of {', '.join(THEMES)}, got {theme!r}")
    outline = TextPath((0, 0), title, size=34, prop=FontProperties(weight="bold"))
    across = SIDE + 12 + outline.get_extents().x1
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across:.0f} {SIDE}" role="img" '
        f'aria-label="{title}">{_mark()}<path fill="{THEMES[theme]}" '
        f'transform="translate({SIDE + 10} 46) scale(1 -1)" d="{_commands(outline)}"/></svg>\n'
    )


def _commands(outline: Outline) -> str:
    letters = {Outline.MOVETO: "M", Outline.LINETO: "L", Outline.CURVE3: "Q", Outline.CURVE4: "C"}
    found = []
    for points, code in outline.iter_segments(curves=True, simplify=False):
        if code == Outline.CLOSEPOLY:
            found.append("Z")
        else:
            found.append(letters[code] + " ".join(f"{value:.1f}" for value in points))
    return "".join(found)


def draw(axes: Axes, x: float, y: float, side: float) -> None:
    """Draw the mark into axes whose unit is a pixel and whose y axis points upwards.

    Args:
        axes: where to.
        x: left edge, in pixels.
        y: lower edge, in pixels.
        side: length of a side, in pixels.
    """
    scale = side / SIDE

    def placed(corners: tuple[tuple[float, float], ...]) -> np.ndarray:
        points = np.asarray(corners, dtype=float)
        return np.column_stack((x + scale * points[:, 0], y + scale * (SIDE - points[:, 1])))

    axes.add_patch(Polygon(placed(LEFT), color=LEFT_COLOUR, linewidth=0))
    axes.add_patch(Polygon(placed(RIGHT), color=RIGHT_COLOUR, linewidth=0))
    points_per_pixel = 72 / axes.figure.dpi
    axes.plot(
        *placed(TRACE).T,
        color=plotting.PAPER,
        linewidth=TRACE_WIDTH * scale * points_per_pixel,
        solid_joinstyle="round",
        solid_capstyle="round",
    )


@functools.cache
def icon_png(side: int) -> bytes:
    """The mark alone as a PNG with a transparent ground, `side` pixels wide and high."""
    raw = io.BytesIO()
    _picture(side).save(raw, format="png", optimize=True)
    return raw.getvalue()


@functools.cache
def icon_ico() -> bytes:
    """The mark as an ICO file in the sizes that browsers ask for."""
    raw = io.BytesIO()
    largest = _picture(max(ICON_SIZES))
    largest.save(raw, format="ico", sizes=[(side, side) for side in ICON_SIZES])
    return raw.getvalue()


def _picture(side: int) -> Image.Image:
    dpi = 4 * side  # four times as fine as needed, then made smaller: smooth edges
    fig = Figure(figsize=(1, 1), dpi=dpi)
    axes = fig.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, dpi), ylim=(0, dpi))
    axes.axis("off")
    draw(axes, 0, 0, dpi)
    raw = io.BytesIO()
    fig.savefig(raw, format="png", transparent=True)
    return Image.open(raw).convert("RGBA").resize((side, side), Image.Resampling.LANCZOS)
