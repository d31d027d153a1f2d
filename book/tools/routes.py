"""Routes through the book: in which order pages are taken, and that each comes after its needs.

A page that offers routes declares them in its front matter:

    routes:
      weekend:
        title: A weekend alone
        steps:
          - when: Saturday morning
            pages: [neural_data]
            before: What to do before the session.
            exercises: {neural_data: [1, 3]}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .pages import Page
from .sources import Book, Problem, line_of

_EXERCISE = re.compile(r"^### \d+\. (.+?)\s*$", re.MULTILINE)
_STEP = {"when": str, "pages": list, "before": str, "exercises": dict}


def exercise_titles(page: Page) -> list[str]:
    """Headings of the page's exercises, in order; exercise 1 is the first."""
    found = re.search(r"^\([\w-]+-exercises\)=$", page.text, re.MULTILINE)
    if found is None:
        return []
    after = page.text[found.end() :]
    return _EXERCISE.findall(re.split(r"^\([\w-]+\)=$", after, maxsplit=1, flags=re.MULTILINE)[0])


def question_count(page: Page) -> int:
    """How many questions answer back on the page."""
    asked = re.compile(r"\b(?:quiz|ask_number)\(")
    return sum(len(asked.findall(cell.source)) for cell in page.code_cells)


def routes(book: Book) -> Iterator[Problem]:
    """A route visits every page after those that it needs, and asks for exercises that exist."""
    taught = {page.name: page for page in book.taught}
    for page in book.pages:
        for name, route in (page.front.get("routes") or {}).items():
            line = line_of(page, f"  {name}:")
            for text in _misshapen(route):
                yield Problem(page.path, line, f"route {name}: {text}")
                break
            else:
                for text in _walk(route, taught):
                    yield Problem(page.path, line, f"route {name}: {text}")


def _misshapen(route: Any) -> Iterator[str]:
    if not isinstance(route, dict) or set(route) != {"title", "steps"}:
        yield "needs `title` and `steps`, and nothing else"
        return
    for number, each in enumerate(route["steps"], 1):
        for key, kind in _STEP.items():
            if not isinstance(each.get(key), kind):
                yield f"step {number} needs `{key}`, a {kind.__name__}"


def _walk(route: dict[str, Any], taught: dict[str, Page]) -> Iterator[str]:
    visited: list[str] = []
    for each in route["steps"]:
        when = each["when"]
        for name in each["pages"]:
            if name not in taught:
                yield f"{when} visits {name}: no such chapter"
                continue
            if name in visited:
                yield f"{when} visits {name} again"
            for need in taught[name].front.get("needs") or []:
                if need not in visited:
                    yield (
                        f"{when} visits {name} before {need}, which it needs; put {need} into an "
                        "earlier step, or leave the chapter out"
                    )
            visited.append(name)
            count = len(exercise_titles(taught[name]))
            for number in each["exercises"].get(name) or []:
                if not 1 <= number <= count:
                    yield f"{when} asks for exercise {number} of {name}, which has {count}"
        for name in each["exercises"]:
            if name not in each["pages"]:
                yield f"{when} asks for exercises of {name}, which it does not visit"
