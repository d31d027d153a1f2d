"""Pages of the book: front matter, cells, and which of them are notebooks."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml

from .console import BuildError
from .layout import Layout

SECTIONS = (
    "question",
    "idea",
    "method",
    "works",
    "play",
    "breaks",
    "reproduces",
    "exercises",
    "summary",
)
_FRONT = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_CODE_CELL = re.compile(r"^(?:`{3,}|~{3,})\{code-cell\}", re.MULTILINE)
_TITLE = re.compile(r"^#\s+(.+?)\s*$", re.MULTILINE)
_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_HELD = "### BEGIN SOLUTION", "### END SOLUTION"
_DEFINES = re.compile(r"^(\s*)def\s+(\w+)")


@dataclass(frozen=True)
class Page:
    """One text source.

    Attributes:
        path: the file.
        docname: its path below `book/`, without suffix, with forward slashes.
        text: what it holds.
    """

    path: Path
    docname: str
    text: str

    @classmethod
    def read(cls, path: Path, book: Path) -> Page:
        """Read one source file below the folder `book`."""
        docname = path.relative_to(book).with_suffix("").as_posix()
        return cls(path, docname, path.read_text(encoding="utf-8"))

    @cached_property
    def front(self) -> dict[str, Any]:
        """The YAML front matter, or an empty dictionary."""
        found = _FRONT.match(self.text)
        if found is None:
            return {}
        try:
            front = yaml.safe_load(found[1])
        except yaml.YAMLError as error:
            raise BuildError(f"{self.path}: the front matter is not valid YAML: {error}") from error
        if not isinstance(front, dict):
            raise BuildError(f"{self.path}: the front matter must be a mapping of keys to values")
        return front

    @property
    def name(self) -> str:
        """The id by which other pages, claims and commands call this page."""
        stem = self.path.stem
        return self.front.get("chapter") or (self.docname if stem == "index" else stem)

    @property
    def is_chapter(self) -> bool:
        """Whether the page is a chapter of a part, with all duties of one; a primer is not."""
        return "part" in self.front

    @property
    def is_notebook(self) -> bool:
        """Whether the page has code cells, and so must be executed."""
        return _CODE_CELL.search(self.text) is not None

    @cached_property
    def title(self) -> str:
        """Text of the first heading."""
        body = _FENCE.sub("", _FRONT.sub("", self.text))
        found = _TITLE.search(body)
        return found[1] if found else self.name

    @property
    def short_title(self) -> str:
        """The title for cards and graphs."""
        return self.front.get("title_short", self.title)

    def notebook(self) -> nbformat.NotebookNode:
        """The page as a notebook without outputs; cell ids depend on positions only."""
        return copy.deepcopy(self._notebook)

    @cached_property
    def _notebook(self) -> nbformat.NotebookNode:
        notebook = jupytext.reads(self.text, fmt="md:myst")
        for index, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{index}"
        return notebook

    @cached_property
    def code_cells(self) -> list[nbformat.NotebookNode]:
        """The code cells, without outputs."""
        return [cell for cell in self.notebook().cells if cell.cell_type == "code"]


def discover(layout: Layout) -> list[Page]:
    """All pages below `book/`, in the order of their paths."""
    found = []
    for path in sorted(layout.book.rglob("*.md")):
        parts = path.relative_to(layout.book).parts
        if parts[0] == "tools" or any(part.startswith(("_", ".")) for part in parts):
            continue
        found.append(Page.read(path, layout.book))
    names: dict[str, Page] = {}
    for page in found:
        if page.name in names:
            raise BuildError(f"{page.path} and {names[page.name].path} are both called {page.name}")
        names[page.name] = page
    return found


def by_name(pages: list[Page], name: str) -> Page:
    """The page called `name` (id, docname or file name)."""
    for page in pages:
        if name in (page.name, page.docname, f"{page.docname}.md", page.path.as_posix()):
            return page
    known = ", ".join(page.name for page in pages)
    raise BuildError(f"there is no page called {name!r}; the pages are: {known}")


def starter(source: str) -> str:
    """The code that a reader starts from: each solution region becomes a line that raises.

    The line names the function that is to be written, and what to do with it.

    Raises:
        BuildError: if the markers are missing, nested or not closed.
    """
    lines, kept, inside, regions, what = source.split("\n"), [], False, 0, "your answer"
    for line in lines:
        mark = line.strip()
        if mark == _HELD[0]:
            if inside:
                raise BuildError("a solution region opens inside another one")
            inside, regions = True, regions + 1
            indent = line[: len(line) - len(line.lstrip())]
            kept.append(f"{indent}raise NotImplementedError(")
            task = f"write {what} here, then run this cell and the check below it"
            kept.append(f'{indent}    "{task}"')
            kept.append(f"{indent})")
        elif mark == _HELD[1]:
            if not inside:
                raise BuildError("a solution region closes that was never opened")
            inside = False
        elif not inside:
            kept.append(line)
            if found := _DEFINES.match(line):
                what = found[2]
    if inside:
        raise BuildError("a solution region is not closed")
    if regions == 0:
        raise BuildError(f"no solution region ({_HELD[0]} ... {_HELD[1]})")
    return "\n".join(kept)


def solution(source: str) -> str:
    """The solved code without the markers."""
    return "\n".join(line for line in source.split("\n") if line.strip() not in _HELD)
