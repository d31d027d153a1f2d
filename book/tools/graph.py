"""The graph of chapters: drawn as SVG with links, and written out as a list."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from .console import BuildError

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _EDGE = 168, 44, 28, 52, 12


@dataclass(frozen=True)
class Item:
    """A page in the graph: its name, what to write, where it leads, what it needs, its part."""

    name: str
    title: str
    address: str
    needs: tuple[str, ...]
    part: str


def layers(items: Sequence[Item]) -> list[list[Item]]:
    """Items by the length of the longest path that leads to them.

    Raises:
        BuildError: if items need each other in a circle.
    """
    depth: dict[str, int] = {}
    known = {item.name: item for item in items}

    def measure(name: str, path: tuple[str, ...]) -> int:
        if name in path:
            circle = " needs ".join([*path[path.index(name) :], name])
            raise BuildError(f"pages need each other in a circle: {circle}")
        if name not in depth:
            below = [measure(need, (*path, name)) for need in known[name].needs if need in known]
            depth[name] = 1 + max(below, default=-1)
        return depth[name]

    for item in items:
        measure(item.name, ())
    rows: list[list[Item]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for item in items:
        rows[depth[item.name]].append(item)
    return rows


def draw(items: Sequence[Item]) -> str:
    """The graph as HTML: an SVG whose boxes are links, then the same as a list.

    Args:
        items: pages in reading order; what they need beyond each other is left out.
    """
    rows = layers(items)
    widest = max(len(row) for row in rows)
    width = widest * (_WIDTH + _GAP_X) - _GAP_X + 2 * _EDGE
    height = len(rows) * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _EDGE
    places: dict[str, tuple[float, float]] = {}
    for level, row in enumerate(rows):
        left = (width - len(row) * (_WIDTH + _GAP_X) + _GAP_X) / 2
        for column, item in enumerate(row):
            places[item.name] = (
                left + column * (_WIDTH + _GAP_X),
                _EDGE + level * (_HEIGHT + _GAP_Y),
            )
    arrows, boxes, words = [], [], []
    titles = {item.name: item.title for item in items}
    for item in items:
        x, y = places[item.name]
        for need in item.needs:
            if need not in places:
                continue
            from_x, from_y = places[need]
            start = (from_x + _WIDTH / 2, from_y + _HEIGHT)
            end = (x + _WIDTH / 2, y - 5)
            middle = (start[1] + end[1]) / 2
            arrows.append(
                f'<path class="nt-graph-arrow" marker-end="url(#nt-arrow)" d="M{start[0]:g} '
                f"{start[1]:g} C{start[0]:g} {middle:g} {end[0]:g} {middle:g} {end[0]:g} "
                f'{end[1]:g}"/>'
            )
        title = html.escape(item.title)
        address = html.escape(item.address, quote=True)
        boxes.append(
            f'<a href="{address}"><rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" '
            f'rx="8"/><text x="{x + _WIDTH / 2:g}" y="{y + _HEIGHT / 2:g}">{title}</text></a>'
        )
        names = ", ".join(html.escape(titles[need]) for need in item.needs if need in titles)
        words.append(
            f'<li><a href="{address}">{title}</a>'
            + (f" needs {names}" if names else " needs nothing before it")
            + "</li>"
        )
    return (
        f'<div class="nt-graph nt-scroll" tabindex="0" role="region" aria-label="How chapters '
        f'depend on each other"><svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="group" aria-label="Each box is a page; an arrow leads from a '
        'page to one that needs it">'
        '<defs><marker id="nt-arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z"/></marker></defs>'
        f"{''.join(arrows)}{''.join(boxes)}</svg></div>"
        f'<details class="nt-graph-words"><summary>The same as a list</summary>'
        f"<ul>{''.join(words)}</ul></details>"
    )
