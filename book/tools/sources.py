"""All pages of a book at once, and what several checks of the sources ask about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .layout import Layout
from .pages import Page, discover


@dataclass(frozen=True)
class Problem:
    """Something that a source must not have, and where."""

    path: Path
    line: int
    text: str


@dataclass(frozen=True)
class Book:
    """All pages of a book, and what several checks ask about them."""

    layout: Layout
    pages: list[Page]

    @classmethod
    def read(cls, layout: Layout) -> Book:
        """Read every page below `book/`."""
        return cls(layout, discover(layout))

    @property
    def chapters(self) -> list[Page]:
        """Pages with all duties of a chapter."""
        return [page for page in self.pages if page.is_chapter]

    @property
    def taught(self) -> list[Page]:
        """Pages that declare what they need and introduce: chapters and primers."""
        return [page for page in self.pages if "introduces" in page.front]

    def path_to(self, page: Page) -> list[Page]:
        """Pages that every reader of this page has read, by its `needs`, earliest first.

        A reader may take them in any order in which each comes after what it needs itself, so
        that these pages, and no others, are common to all paths that lead to this page.
        """
        known = {each.name: each for each in self.pages}
        found: dict[str, Page] = {}

        def visit(name: str, below: tuple[str, ...]) -> None:
            if name in known and name not in found and name not in below:
                for need in known[name].front.get("needs") or []:
                    visit(need, (*below, name))
                found[name] = known[name]

        for need in page.front.get("needs") or []:
            visit(need, (page.name,))
        return list(found.values())

    def page(self, name: str) -> Page | None:
        """The page of this name, or None."""
        return next((page for page in self.pages if page.name == name), None)


Check = Callable[[Book], Iterator[Problem]]


def line_of(page: Page, text: str) -> int:
    """The line on which a text first stands, or the first line."""
    place = page.text.find(text)
    return 1 if place < 0 else page.text.count("\n", 0, place) + 1
