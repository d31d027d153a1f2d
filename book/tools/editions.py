"""Student's, instructor's and nbgrader's notebooks, all made from the one source of each page."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
import tinycss2
from nbformat.v4 import new_code_cell, new_markdown_cell

from neurotutor import __version__

from .console import BuildError, say, step
from .layout import Layout
from .pages import Page, discover, solution, starter
from .plain import Converter

SCHEMA = 3  # version of nbgrader's cell metadata
NOTES = "_teaching"  # folder of the book with the notes for teachers
NOTES_HEADINGS = ("Time plan", "Common errors", "Discussion questions")
KINDS = ("student", "instructor", "nbgrader")
CELL_TIMEOUT = 900  # seconds; nbgrader's own 30 are too few for a page that trains networks

_FOLDED = {"hide-input", "remove-input", "hide-cell"}
_LOOKS = re.compile(r"\.nt-(?:check|choice|databox|number|quiz|verdict)\b")
# The site's style sheet takes these from its theme; in a notebook Jupyter's own colours serve.
_COLOURS = """\
:root {
  --nt-line: var(--jp-border-color1, #888); --nt-wait: var(--jp-content-font-color2, #4d5a6b);
  --nt-right: #0b6b4f; --nt-wrong: #9c3a06; --nt-accent: #1f5fa8;
  --pst-color-surface: var(--jp-layout-color1, #fff);
  --pst-color-background: var(--jp-layout-color2, #eee);
  --pst-color-text-base: var(--jp-content-font-color1, #111);
}
body[data-jp-theme-light="false"] {
  --nt-right: #6fd3ae; --nt-wrong: #f2a97c; --nt-accent: #8fbcf2;
}
"""
_HEADERS = {
    "student": (
        "**How to work in it.** Run the cells from top to bottom. Each exercise is a function that "
        "lacks its body: write it, run its cell, then the cell with `check` below it, which says "
        "whether you are right and, if not, what went wrong."
    ),
    "instructor": (
        "**For the teacher.** The exercises are solved. The next cell holds notes on teaching this "
        "page; hand out the student's notebook, or the one that nbgrader makes from "
        "`_build/notebooks/nbgrader`, which have neither."
    ),
}
_HEADERS["nbgrader"] = _HEADERS["student"]
_CONFIG = f'''"""Settings of nbgrader for a course with NeuroTutor. Copy this folder before use."""

c = get_config()
c.CourseDirectory.course_id = "neurotutor"
c.Execute.timeout = {CELL_TIMEOUT}  # seconds for one cell
c.ClearSolutions.code_stub = {{
    "python": "raise NotImplementedError(\\n"
    '    "write your answer here, then run this cell and the check below it"\\n'
    ")"
}}
'''


def notebooks(layout: Layout, kind: str, pages: Sequence[Page]) -> dict[str, bytes]:
    """All notebooks of one edition, by their paths in its folder.

    Args:
        layout: folders of the book.
        kind: `student` (starters), `instructor` (solved, with notes), or `nbgrader` (solved between
            nbgrader's markers, laid out as the source folder of a course).
        pages: all pages of the book; those without code have no notebook.
    """
    if kind not in KINDS:
        raise ValueError(f"an edition is one of {', '.join(KINDS)}, got {kind!r}")
    files = {}
    for page in pages:
        if page.is_notebook:
            name = page.docname if kind != "nbgrader" else f"source/{page.name}/{page.name}"
            content = nbformat.writes(notebook(layout, page, kind, pages))
            files[f"{name}.ipynb"] = content.encode()
    if kind == "nbgrader":
        files["nbgrader_config.py"] = _CONFIG.encode()
    return files


def notebook(layout: Layout, page: Page, kind: str, pages: Sequence[Page]) -> nbformat.NotebookNode:
    """One page as the notebook of an edition, without outputs.

    Raises:
        BuildError: if an exercise is not well formed.
    """
    found = page.notebook()
    convert = Converter(page, pages, layout.book / "references.bib")
    cells = [new_markdown_cell(_header(page, kind, layout), id="origin")]
    notes = notes_path(layout, page)
    if kind == "instructor" and notes.is_file():
        text = convert(notes.read_text(encoding="utf-8"))
        cells.append(new_markdown_cell(text, id="teaching-notes"))
    cells.append(_style(layout))
    grade_id = ""
    for cell in found.cells:
        if cell.cell_type != "code":
            cell.source = convert(cell.source)
            cell.metadata = {}
            cells += [cell] if cell.source else []
        elif "exercise" in cell.metadata.get("tags", []):
            grade_id = f"{page.name}-{exercise_name(page, cell.source)}"
            cells.append(_exercise(page, cell, kind, grade_id))
        elif grade_id:
            cells += _check(page, cell, grade_id)
            grade_id = ""
        else:
            if _FOLDED & set(cell.metadata.get("tags", [])):
                cell.metadata["jupyter"] = {"source_hidden": True}
            cells.append(cell)
    if convert.cited:
        cells.append(new_markdown_cell(convert.references(), id="references"))
    found.cells = cells
    found.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    return found


def exercise_name(page: Page, source: str) -> str:
    """Name of the first function that an exercise cell defines."""
    names = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    if not names:
        raise BuildError(f"{page.path}: an exercise cell must define a function")
    return names[0]


def _exercise(
    page: Page, cell: nbformat.NotebookNode, kind: str, grade_id: str
) -> nbformat.NotebookNode:
    try:
        begin, solved = starter(cell.source), solution(cell.source)
    except BuildError as error:
        raise BuildError(f"{page.path}: an exercise cell is not well formed: {error}") from error
    if kind != "nbgrader":
        cell.source = begin if kind == "student" else solved
    cell.metadata["deletable"] = False
    cell.metadata["nbgrader"] = _graded(grade_id, grade=False)
    return cell


def _check(page: Page, cell: nbformat.NotebookNode, grade_id: str) -> list[nbformat.NotebookNode]:
    """The graded cell, up to its call of `check`, and a cell with what stood below the call.

    What follows the check shows more of the answer. It has no part in the grade.
    """
    try:
        end = check_end(cell.source)
    except BuildError as error:
        raise BuildError(f"{page.path}: {error}") from error
    lines = cell.source.split("\n")
    rest = "\n".join(lines[end:]).strip("\n")
    cell.source = "\n".join(lines[:end])
    cell.metadata["deletable"] = False
    cell.metadata["editable"] = False
    cell.metadata["nbgrader"] = _graded(f"{grade_id}-check", grade=True)
    return [cell, new_code_cell(rest, id=f"{cell.id}-more")] if rest else [cell]


def check_end(source: str) -> int:
    """Number of the line on which the first call of `check` in a cell ends.

    Raises:
        BuildError: if the cell does not call it.
    """
    for node in ast.parse(source).body:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "check":
            return node.end_lineno or node.lineno
    raise BuildError(f"the cell after an exercise must call check(...), got {source[:60]!r}")


def _graded(grade_id: str, *, grade: bool) -> dict[str, object]:
    """Metadata of nbgrader for an exercise's cell, or for the test below it."""
    found: dict[str, object] = {
        "grade": grade,
        "grade_id": grade_id,
        "locked": grade,
        "schema_version": SCHEMA,
        "solution": not grade,
        "task": False,
    }
    return {**found, "points": 1} if grade else found


def _header(page: Page, kind: str, layout: Layout) -> str:
    source = page.path.relative_to(layout.root).as_posix()
    edition = "instructor" if kind == "instructor" else "student"
    return (
        f"> **NeuroTutor {__version__}**, {edition}'s notebook of the page *{page.short_title}*, "
        f"made from `{source}` by `make {edition}`. Text: CC BY 4.0, code: BSD 3-Clause.\n>\n"
        "> **How to run it.** In a clone of the book, install as its README says, then start "
        "`python -m jupyter lab` in the same environment and open this file. A chapter takes a "
        "minute or two on a laptop, without a network or a GPU.\n>\n"
        f"> {_HEADERS[kind]}"
    )


def _style(layout: Layout) -> nbformat.NotebookNode:
    """A cell with the site's looks of checks and questions; without it every answer would show."""
    sheet = (layout.book / "_static" / "neurotutor.css").read_text(encoding="utf-8")
    rules = [
        rule.serialize()
        for rule in tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)
        if rule.type == "qualified-rule" and _LOOKS.search(tinycss2.serialize(rule.prelude))
    ]
    text = "%%html\n<style>\n" + _COLOURS + "\n".join(rules) + "\n</style>"
    return new_code_cell(text, id="style", metadata={"jupyter": {"source_hidden": True}})


# ------------------------------------------------------------------------------- notes


def notes_path(layout: Layout, page: Page) -> Path:
    """Where the notes on teaching a page are."""
    return layout.book / NOTES / f"{page.name}.md"


def notes_problems(layout: Layout, page: Page) -> list[str]:
    """What the notes on teaching a page lack; an empty list if they are whole."""
    path = notes_path(layout, page)
    if not path.is_file():
        return [f"there are no teaching notes; write book/{NOTES}/{path.name}"]
    text = path.read_text(encoding="utf-8")
    problems = []
    for heading in NOTES_HEADINGS:
        found = re.search(rf"^## {heading}\s*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        if found is None:
            problems.append(f"the teaching notes lack the heading '## {heading}'")
        elif not found[1].strip():
            problems.append(f"'## {heading}' of the teaching notes is empty")
    return problems


# ------------------------------------------------------------------------------- writing


def write(layout: Layout, pages: Sequence[Page], kinds: Sequence[str] = KINDS) -> None:
    """Write the notebooks of some editions; those that a reader has changed are left alone."""
    for kind in kinds:
        kept = publish(layout.notebooks / kind, notebooks(layout, kind, pages))
        for name in kept:
            say(
                f"    {kind}/{name} was changed since it was written, and is kept; to get the new "
                "one, rename or remove it"
            )


def publish(folder: Path, files: Mapping[str, bytes]) -> list[str]:
    """Bring a folder of notebooks up to date without touching anybody's work in it.

    A file is replaced or removed only if it still is what was written here the last time.

    Returns:
        Names of files that differ from what was written, and were kept.
    """
    record = folder / ".written.json"
    before = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    now, kept = {}, []
    for name in sorted({*files, *before}):
        path = folder / name
        there = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        wanted = hashlib.sha256(files[name]).hexdigest() if name in files else None
        if there not in (None, wanted, before.get(name)):
            kept.append(name)
            now[name] = before.get(name, "")
        elif wanted is None:
            path.unlink(missing_ok=True)
        else:
            now[name] = wanted
            if there != wanted:
                _replace(path, files[name])
    _replace(record, json.dumps(now, indent=1).encode())
    return kept


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(content)
    os.replace(draft, path)


def make(layout: Layout, kind: str) -> None:
    """The commands `student` and `instructor`; the latter makes the course for nbgrader, too."""
    kinds = ("student",) if kind == "student" else ("instructor", "nbgrader")
    with step(f"writing the notebooks: {', '.join(kinds)}"):
        write(layout, discover(layout), kinds)
    for each in kinds:
        say((layout.notebooks / each).relative_to(layout.root).as_posix())
