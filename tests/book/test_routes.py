"""Routes keep to the order of needs; the drawing of chapters grows downwards."""

from __future__ import annotations

import pytest

from book.tools import graph, lint, routes
from book.tools.layout import Layout
from book.tools.pages import Page

PAGE = """\
---
kernelspec: {{display_name: Python 3, name: python3}}
chapter: {name}
needs: [{needs}]
introduces: {{terms: [], symbols: []}}
---

# Title

### 1. No exercise of the page

({name}-exercises)=
## Exercises

### 1. First (warm-up)

### 2. Second

({name}-summary)=
## Summary

### 3. No exercise either
"""
STEP = "      - {{when: Week {n}, pages: [{pages}], before: Read., exercises: {exercises}}}\n"


@pytest.fixture
def problems(tmp_path):
    """What is wrong with one route through a (alone), b (needs a) and c (needs b)."""

    def walk(*steps: tuple[str, str], route: str = "") -> list[str]:
        folder = tmp_path / "book"
        folder.mkdir(exist_ok=True)
        for name, needs in (("a", ""), ("b", "a"), ("c", "b")):
            text = PAGE.format(name=name, needs=needs)
            (folder / f"{name}.md").write_text(text, encoding="utf-8")
        listed = "".join(
            STEP.format(n=number, pages=pages, exercises=exercises)
            for number, (pages, exercises) in enumerate(steps, 1)
        )
        body = route or f"    title: Tour\n    steps:\n{listed}"
        (folder / "paths.md").write_text(
            f"---\nroutes:\n  tour:\n{body}---\n\n# Paths\n", encoding="utf-8"
        )
        book = lint.Book.read(Layout(tmp_path))
        return [f"{p.path.name}:{p.line}: {p.text}" for p in routes.routes(book)]

    return walk


def test_a_route_that_keeps_to_the_order(problems):
    """One page a week, or two in the right order in one."""
    assert problems(("a", "{a: [1, 2]}"), ("b", "{}"), ("c", "{c: [2]}")) == []
    assert problems(("a, b", "{b: [1]}"), ("c", "{}")) == []


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((("b", "{}"), ("a", "{}")), "Week 1 visits b before a, which it needs"),
        ((("a", "{}"), ("c", "{}")), "Week 2 visits c before b"),
        ((("b, a", "{}"),), "Week 1 visits b before a"),
        ((("a", "{}"), ("a", "{}")), "Week 2 visits a again"),
        ((("z", "{}"),), "visits z: no such chapter"),
        ((("a", "{a: [3]}"),), "exercise 3 of a, which has 2"),
        ((("a", "{b: [1]}"),), "exercises of b, which it does not visit"),
    ],
)
def test_a_route_that_does_not(problems, steps, expected):
    """The message names the route, the week and the page."""
    (found,) = problems(*steps)
    assert found.startswith("paths.md:3: route tour: ")
    assert expected in found


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("    title: Tour\n", "needs `title` and `steps`"),
        ("    title: T\n    steps: [{when: Week 1, pages: [a], before: Read.}]\n", "`exercises`"),
        ("    title: T\n    steps: [{when: W, pages: a, before: R, exercises: {}}]\n", "`pages`"),
    ],
)
def test_a_route_without_its_parts(problems, route, expected):
    """Every part of a step must be there."""
    (found,) = problems(route=route)
    assert expected in found


def test_titles_of_exercises(tmp_path):
    """Those of the exercise section alone."""
    path = tmp_path / "a.md"
    path.write_text(PAGE.format(name="a", needs=""), encoding="utf-8")
    assert routes.exercise_titles(Page.read(path, tmp_path)) == ["First (warm-up)", "Second"]


def test_the_book_has_its_three_routes():
    """Two courses of eight weeks, and a weekend."""
    page = lint.Book.read(Layout.here()).page("paths")
    lengths = {name: len(route["steps"]) for name, route in page.front["routes"].items()}
    assert lengths == {"neuroscience": 8, "machine_learning": 8, "weekend": 4}
    assert all(f"```{{route}} {name}" in page.text for name in lengths)


def _item(name: str, *needs: str) -> graph.Item:
    return graph.Item(name, name.upper(), f"{name}.html", needs, "")


def test_loners_stand_below_and_boxes_do_not_overlap():
    """What is needed stands to the left; the drawing is as wide as the longest path."""
    items = [_item("x"), _item("a"), _item("b", "a"), _item("c", "a", "b"), _item("d", "a")]
    places, width, height = graph._places(items)
    assert places["a"][0] < places["b"][0] < places["c"][0]
    assert places["b"][0] == places["d"][0]
    assert places["x"][1] > max(y for name, (_, y) in places.items() if name != "x")
    corners = list(places.values())
    apart = [
        abs(one[0] - two[0]) >= graph._WIDTH or abs(one[1] - two[1]) >= graph._HEIGHT
        for number, one in enumerate(corners)
        for two in corners[:number]
    ]
    assert all(apart)
    assert max(x for x, _ in corners) + graph._WIDTH < width < 3 * graph._STEP_X
    assert max(y for _, y in corners) + graph._HEIGHT < height


def test_numbers_stand_at_arrows():
    """A counted drawing has one number for each arrow, and an arrow head of its own."""
    items = [_item("a"), _item("b", "a"), _item("c", "a", "b")]
    counts = {("a", "b"): 4, ("a", "c"): 1, ("b", "c"): 12}
    drawn = graph.draw(items, counts, label="Words", about="Who gives what", words=False)
    assert drawn.count("nt-graph-count") == 3
    assert ">12</text>" in drawn
    assert 'aria-label="Words"' in drawn
    assert "<details" not in drawn
    assert 'id="nt-arrow-counted"' in drawn
    assert 'id="nt-arrow"' in graph.draw(items)
