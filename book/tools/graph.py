"""The graph of chapters: drawn as SVG with links, and written out as a list."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .console import BuildError

_WIDTH, _HEIGHT, _EDGE = 168, 40, 12
_STEP_X, _STEP_Y = _WIDTH + 72, _HEIGHT + 16


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


def groups(items: Sequence[Item]) -> list[list[Item]]:
    """Items that hang together by what they need, largest groups first; loners come last."""
    known = {item.name: item for item in items}
    root = {name: name for name in known}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    for item in items:
        for need in item.needs:
            if need in known:
                root[find(item.name)] = find(need)
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(find(item.name), []).append(item)
    return sorted(found.values(), key=lambda group: -len(group))


def _places(items: Sequence[Item]) -> tuple[dict[str, tuple[int, int]], int, int]:
    """Upper left corners of the boxes, and width and height of the drawing.

    What is needed stands to the left of what needs it, so that a drawing is as wide as the longest
    path, and grows downwards with the number of pages.
    """
    places: dict[str, tuple[int, int]] = {}
    top, right, loners = _EDGE, 0, []
    for group in groups(items):
        if len(group) == 1:
            loners += group
            continue
        columns = layers(group)
        tallest = max(len(column) for column in columns)
        for level, column in enumerate(columns):
            step = _STEP_Y * tallest / len(column)
            for row, item in enumerate(column):
                y = top + step * row + (step - _STEP_Y) / 2
                places[item.name] = (_EDGE + level * _STEP_X, round(y))
        top += _STEP_Y * tallest
        right = max(right, len(columns))
    right = max(right, min(len(loners), 3))
    for number, item in enumerate(loners):
        row, column = divmod(number, right)
        places[item.name] = (_EDGE + column * _STEP_X, top + row * _STEP_Y)
    height = max(y for _, y in places.values()) + _HEIGHT + _EDGE
    return places, (right - 1) * _STEP_X + _WIDTH + 2 * _EDGE, height


def _arrow(
    start: tuple[int, int],
    end: tuple[int, int],
    shift: int,
    between: Sequence[tuple[int, int]],
    count: int | None,
) -> str:
    """A curve from the right of one box to the left of another, with a number on it or none.

    Args:
        start: upper left corner of the box that it comes from.
        end: that of the box that it leads to.
        shift: how far below the middle of that box it ends, so that several arrows stay apart.
        between: corners of the boxes in the columns between; the curve keeps to the gaps.
        count: the number.
    """
    x, y = start[0] + _WIDTH, start[1] + _HEIGHT // 2
    to_x, to_y = end[0] - 5, end[1] + _HEIGHT // 2 + shift
    drawn = f"M{x} {y}"
    for left in sorted({corner[0] for corner in between}):
        tops = sorted(corner[1] for corner in between if corner[0] == left)
        gaps = [top - (_STEP_Y - _HEIGHT) // 2 for top in [*tops, tops[-1] + _STEP_Y]]
        gap = min(gaps, key=lambda place: abs(place - y))
        drawn += f" C{x + 40} {y} {left - 40} {gap} {left} {gap} L{left + _WIDTH} {gap}"
        x, y = left + _WIDTH, gap
    drawn += f" C{x + 40} {y} {to_x - 36} {to_y} {to_x} {to_y}"
    arrow = f'<path class="nt-graph-arrow" marker-end="url(#{_marker(count)})" d="{drawn}"/>'
    if count is None:
        return arrow
    return f'{arrow}<text class="nt-graph-count" x="{to_x - 16}" y="{to_y - 9}">{count}</text>'


def _marker(counts: object) -> str:
    """Name of the arrow head, one for each kind of drawing: a page may hold both."""
    return "nt-arrow" if counts is None else "nt-arrow-counted"


def draw(
    items: Sequence[Item],
    counts: Mapping[tuple[str, str], int] | None = None,
    *,
    label: str = "How chapters depend on each other",
    about: str = "Each box is a page; an arrow leads from a page to one that needs it",
    words: bool = True,
) -> str:
    """The graph as HTML: an SVG whose boxes are links, then the same as a list.

    Args:
        items: pages in reading order; what they need beyond each other is left out.
        counts: a number to write at the arrow between two pages.
        label: name of the region that holds the drawing.
        about: what the drawing shows, for those who do not see it.
        words: whether the list follows.
    """
    layers(items)  # refuses circles
    places, width, height = _places(items)
    titles = {item.name: item.title for item in items}
    arrows, boxes, sentences = [], [], []
    for item in items:
        x, y = places[item.name]
        needs = sorted((need for need in item.needs if need in places), key=lambda n: places[n][1])
        for number, need in enumerate(needs):
            left = places[need][0]
            between = [corner for corner in places.values() if left < corner[0] < x]
            shift = round((number - (len(needs) - 1) / 2) * 20)
            count = counts[need, item.name] if counts else None
            arrows.append(_arrow(places[need], (x, y), shift, between, count))
        title = html.escape(item.title)
        address = html.escape(item.address, quote=True)
        boxes.append(
            f'<a href="{address}"><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" '
            f'rx="8"/><text x="{x + _WIDTH // 2}" y="{y + _HEIGHT // 2}">{title}</text></a>'
        )
        names = ", ".join(html.escape(titles[need]) for need in item.needs if need in titles)
        sentences.append(
            f'<li><a href="{address}">{title}</a>'
            + (f" needs {names}" if names else " needs nothing before it")
            + "</li>"
        )
    listed = (
        f'<details class="nt-graph-words"><summary>The same as a list</summary>'
        f"<ul>{''.join(sentences)}</ul></details>"
    )
    return (
        f'<div class="nt-graph nt-scroll" tabindex="0" role="region" aria-label="{label}">'
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="group" '
        f'aria-label="{about}"><defs><marker id="{_marker(counts)}" viewBox="0 0 8 8" refX="6" '
        'refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z"/>'
        "</marker></defs>"
        f"{''.join(arrows)}{''.join(boxes)}</svg></div>{listed if words else ''}"
    )
