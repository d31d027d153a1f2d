"""Drawings of what benchmarks measured: ratios on a log scale, cost as a problem grows.

Tracks and curves are SVG whose horizontal places are percentages, so that the drawing follows the
width of the page while its text keeps its size. Every number stands in words beside its mark.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_HEIGHT, _TOP, _BOTTOM = 190, 12, 26  # pixels of a curve: all of it, above and below the plot
_LEFT, _RIGHT = 16.0, 95.0  # per cent of the width between which a curve is drawn
_MARKS = ("circle", "square", "triangle", "diamond")


def seconds(value: float) -> str:
    """A time with a unit that suits it."""
    for unit, each in (("s", 1.0), ("ms", 1e-3)):
        if value >= each:
            return f"{_three(value / each)} {unit}"
    return f"{_three(value / 1e-6)} µs"


def size(count: int | None) -> str:
    """Bytes with a unit that suits them, or that nobody knows."""
    if count is None:
        return "unknown"
    for unit, each in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= each:
            return f"{_three(count / each)} {unit}"
    return "under 1 MiB"


def number(value: float) -> str:
    """A number of about three figures, as a reader would write it."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return _three(value)
    return f"{value:.1e}"


def _three(value: float) -> str:
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class LogScale:
    """Places on a logarithmic axis, in per cent between two ends."""

    low: int
    high: int
    left: float = 0.0
    right: float = 100.0

    @classmethod
    def around(cls, values: Sequence[float], left: float = 0.0, right: float = 100.0) -> LogScale:
        """The decades that hold all of these values."""
        low = math.floor(math.log10(min(values)))
        return cls(low, max(low + 1, math.ceil(math.log10(max(values)))), left, right)

    def place(self, value: float) -> float:
        """Where a value stands."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.left + (self.right - self.left) * min(1.0, max(0.0, share))

    def ticks(self) -> list[float]:
        """The powers of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def bounds(row: Mapping[str, Any]) -> tuple[float, float]:
    """The smallest and the largest ratio that the repetitions of a row allow."""
    ours, peer = row["ours"], row["peer"]
    return ours["min_s"] / peer["max_s"], ours["max_s"] / peer["min_s"]


def ends(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of work that was compared with one peer at several sizes, the smallest and the largest."""
    sizes: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["size"]:
            sizes.setdefault((row["work"], row["peer_name"]), []).append(row["size"]["value"])

    def shown(row: Mapping[str, Any]) -> bool:
        found = sizes.get((row["work"], row["peer_name"]))
        return found is None or row["size"]["value"] in (min(found), max(found))

    return [row for row in rows if shown(row)]


def ratios(groups: Mapping[str, Sequence[Mapping[str, Any]]], links: Mapping[str, str]) -> str:
    """Our time by the peer's, one line for each piece of work, chapter by chapter.

    Args:
        groups: chapter's title -> rows that have a peer.
        links: chapter's title -> address.
    """
    rows = [row for group in groups.values() for row in group]
    scale = LogScale.around([value for row in rows for value in (*bounds(row), 1.0)], 2, 98)
    marks = "".join(
        f'<span class="nt-tick" style="left:{scale.place(tick):.2f}%">{number(tick)}</span>'
        for tick in scale.ticks()
    )
    parts = [f'<div class="nt-ratios"><div class="nt-ratio-axis" aria-hidden="true">{marks}</div>']
    for title, group in groups.items():
        address = html.escape(links[title], quote=True)
        parts.append(
            f'<p class="nt-ratio-chapter"><a href="{address}">{html.escape(title)}</a></p>'
        )
        parts.append("<ul>" + "".join(_ratio_line(row, scale) for row in group) + "</ul>")
    return "".join([*parts, "</div>"])


def _ratio_line(row: Mapping[str, Any], scale: LogScale) -> str:
    low, high = (scale.place(value) for value in bounds(row))
    at = scale.place(row["ratio"])
    grid = "".join(
        f'<line class="{"nt-one" if tick == 1 else "nt-grid"}" x1="{scale.place(tick):.2f}%" '
        f'x2="{scale.place(tick):.2f}%" y1="0" y2="16"/>'
        for tick in scale.ticks()
    )
    words = html.escape(f"{with_size(row)}: {number(row['ratio'])} of the time of ")
    return (
        f"<li><span>{words}{html.escape(row['peer_name'])}</span>"
        f'<svg width="100%" height="16" aria-hidden="true" focusable="false">{grid}'
        f'<line class="nt-range" x1="{low:.2f}%" x2="{high:.2f}%" y1="8" y2="8"/>'
        f'<circle class="{"nt-faster" if row["ratio"] < 1 else "nt-slower"}" cx="{at:.2f}%" cy="8" '
        'r="5"/></svg></li>'
    )


def with_size(row: Mapping[str, Any]) -> str:
    """The work of a row, with its size."""
    grows = row["size"]
    if not grows:
        return row["work"]
    what = grows["what"].removesuffix("s") if grows["value"] == 1 else grows["what"]
    return f"{row['work']}, {grows['value']:,g} {what}"


def curves(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """One drawing for each piece of work that was measured at three sizes or more.

    Returns:
        Work, and its drawing as HTML.
    """
    works: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["size"]:
            works.setdefault((row["work"], row["size"]["what"]), []).append(row)
    found = []
    for (work, what), group in works.items():
        lines: dict[str, dict[float, float]] = {"this book": {}}
        for row in group:
            lines["this book"][row["size"]["value"]] = row["ours"]["median_s"]
            if row["peer"]:
                peer = lines.setdefault(row["peer_name"], {})
                peer[row["size"]["value"]] = row["peer"]["median_s"]
        if len(lines["this book"]) >= 3:
            found.append((work, _curve(work, what, lines)))
    return found


def _curve(work: str, what: str, lines: Mapping[str, Mapping[float, float]]) -> str:
    times = [value for line in lines.values() for value in line.values()]
    sizes = sorted({value for line in lines.values() for value in line})
    tall = LogScale.around(times, _HEIGHT - _BOTTOM, _TOP)  # pixels from above
    low, high = math.log10(sizes[0]), math.log10(sizes[-1])

    def across(value: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (math.log10(value) - low) / (high - low)

    parts = [
        f'<line class="nt-grid" x1="{_LEFT}%" x2="{_RIGHT}%" y1="{tall.place(tick):.1f}" '
        f'y2="{tall.place(tick):.1f}"/><text class="nt-left" x="{_LEFT - 1.5}%" '
        f'y="{tall.place(tick):.1f}">{seconds(tick)}</text>'
        for tick in tall.ticks()
    ]
    shown, last = [], -math.inf
    for value in sizes:
        if across(value) - last >= 13:  # room for a number of six figures on a phone
            shown.append(value)
            last = across(value)
    parts += [
        f'<text class="nt-below" x="{across(value):.2f}%" y="{_HEIGHT - 8}">{value:,g}</text>'
        for value in shown
    ]
    legend, words = [], []
    for index, (name, line) in enumerate(lines.items()):
        points = [(across(x), tall.place(y)) for x, y in sorted(line.items())]
        style = f"nt-line-{min(index, 3)}"
        parts += [
            f'<line class="{style}" x1="{a:.2f}%" y1="{b:.1f}" x2="{c:.2f}%" y2="{d:.1f}"/>'
            for (a, b), (c, d) in zip(points, points[1:], strict=False)
        ]
        parts += [_mark(index, f"{x:.2f}%", f"{y:.1f}", style) for x, y in points]
        legend.append(
            '<li><svg width="34" height="14" aria-hidden="true" focusable="false">'
            f'<line class="{style}" x1="0" x2="34" y1="7" y2="7"/>'
            f"{_mark(index, '17', '7', style)}</svg> {html.escape(name)}</li>"
        )
        ends = sorted(line.items())
        words.append(
            f"{name}: {seconds(ends[0][1])} at {ends[0][0]:,g} {what}, {seconds(ends[-1][1])} at "
            f"{ends[-1][0]:,g}"
        )
    label = html.escape(f"{work}. CPU seconds against {what}. {'; '.join(words)}.", quote=True)
    return (
        f'<figure class="nt-curve"><svg width="100%" height="{_HEIGHT}" role="img" '
        f'aria-label="{label}">{"".join(parts)}</svg><figcaption><strong>{html.escape(work)}'
        f"</strong>: CPU seconds against {html.escape(what)}, both on a log scale."
        f"<ul>{''.join(legend)}</ul></figcaption></figure>"
    )


def _mark(index: int, x: str, y: str, style: str) -> str:
    """A mark of another shape for every line, so that colour alone says nothing."""
    shape = {
        "circle": '<circle r="4.5"/>',
        "square": '<rect x="-4" y="-4" width="8" height="8"/>',
        "triangle": '<path d="M0 -5 L5 4 L-5 4 z"/>',
        "diamond": '<path d="M0 -5.5 L5.5 0 L0 5.5 L-5.5 0 z"/>',
    }[_MARKS[min(index, 3)]]
    return f'<svg x="{x}" y="{y}" class="nt-mark {style}" overflow="visible">{shape}</svg>'
