"""The student's, the instructor's and nbgrader's notebooks: what is in them, and that they work."""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.preprocessors import CheckCellMetadata, ClearSolutions
from nbgrader.validator import Validator
from traitlets.config import PyFileConfigLoader

from book.tools import editions, lint, plain
from book.tools.console import BuildError
from book.tools.layout import Layout
from book.tools.pages import Page, discover
from neurotutor.teaching import NotYet, exercise
from tests.slices import needed, used

LAYOUT = Layout.here()
PAGES = discover(LAYOUT)
NOTEBOOKS = [page for page in PAGES if page.is_notebook]
every_page = pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.name)

# what only Sphinx understands: roles, directives, targets, options
MYST = re.compile(
    r"\{[a-z:]+\}`|^(?:`{3,}|:{3,})\{|^:{3,}\s*$|^\([\w-]+\)=|^:(?:label|class|tags):", re.MULTILINE
)


def edition(page: Page, kind: str) -> nbformat.NotebookNode:
    return editions.notebook(LAYOUT, page, kind, PAGES)


def graded(notebook: nbformat.NotebookNode) -> list[tuple]:
    """Each exercise's cell and the cell of its check."""
    cells = notebook.cells
    return [
        (cell, cells[place + 1])
        for place, cell in enumerate(cells)
        if cell.metadata.get("nbgrader", {}).get("solution")
    ]


# ------------------------------------------------------------------------- the real pages


@every_page
@pytest.mark.parametrize("kind", editions.KINDS)
def test_notebook_is_whole(page, kind):
    """Valid, without outputs or MyST, introduced, every exercise graded under an id of its own."""
    notebook = edition(page, kind)
    nbformat.validate(notebook)
    MetadataValidator().validate_nb(notebook)
    CheckCellMetadata().preprocess(notebook, {})
    assert MetadataValidator.schema_version == editions.SCHEMA
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert [found[0] for text in texts for found in MYST.finditer(text)] == []
    assert all(texts)
    for words in ("NeuroTutor 0.", page.path.name, "How to run it", "python -m jupyter lab"):
        assert words in texts[0]
    exercises = [cell for cell in page.code_cells if "exercise" in cell.metadata.get("tags", [])]
    pairs = graded(notebook)
    assert len(pairs) == len(exercises)
    for solution, test in pairs:
        held = test.metadata["nbgrader"]
        assert held["grade"] and held["locked"] and held["points"] > 0
        assert test.source.rstrip().endswith(")") and "check(" in test.source
        assert held["grade_id"] == solution.metadata["nbgrader"]["grade_id"] + "-check"
        assert ("### BEGIN SOLUTION" in solution.source) == (kind == "nbgrader")
        assert ("NotImplementedError" in solution.source) == (kind == "student")


@every_page
def test_nbgrader_makes_the_students_notebook(page, tmp_path):
    """What nbgrader releases is the student's notebook, but that its starters name no exercise."""
    made = edition(page, "nbgrader")
    (tmp_path / "nbgrader_config.py").write_bytes(
        editions.notebooks(LAYOUT, "nbgrader", [])["nbgrader_config.py"]
    )
    config = PyFileConfigLoader("nbgrader_config.py", path=str(tmp_path)).load_config()
    made, _ = ClearSolutions(config=config).preprocess(made, {})
    student = edition(page, "student")
    assert [cell.id for cell in made.cells] == [cell.id for cell in student.cells]
    for ours, theirs in zip(student.cells, made.cells, strict=True):
        assert ours.metadata == theirs.metadata
        named = re.sub(r'"write \w+ here', '"write your answer here', ours.source)
        assert named == theirs.source


@every_page
def test_the_instructor_gets_the_notes_and_nobody_else(page):
    path = editions.notes_path(LAYOUT, page)
    if not path.is_file():
        pytest.fail(f"no teaching notes for {page.name}")
    for kind in editions.KINDS:
        held = [cell for cell in edition(page, kind).cells if cell.id == "teaching-notes"]
        assert len(held) == (kind == "instructor")
        for cell in held:
            assert all(f"## {heading}" in cell.source for heading in editions.NOTES_HEADINGS)


def said_by(cells: list[str], test: str, monkeypatch) -> str:
    """Run a check with the statements of earlier cells that it needs; what the reader is told."""
    shown: list[str] = []
    monkeypatch.setattr(exercise, "display", lambda output: shown.append(output.data))
    tree = ast.parse(test)
    tree.body = needed(cells, used(tree)) + tree.body
    try:
        exec(compile(tree, "notebook", "exec"), {"__name__": "notebook"})
    except NotImplementedError as error:
        # The cell calls the answer before it checks the outcome.
        return str(error)
    assert len(shown) == 1
    return shown[0]


@every_page
@pytest.mark.parametrize("kind", ["student", "instructor"])
def test_starters_fail_kindly_and_solutions_pass(page, kind, monkeypatch):
    """Every check of both editions, with those earlier statements of the page that it needs.

    Not the whole page is run: the build does that with the solved one. An earlier statement counts
    as needed if it defines a name that the exercise, its check, or another needed one reads.
    """
    cells = [cell for cell in edition(page, kind).cells if cell.cell_type == "code"]
    for place, cell in enumerate(cells):
        if not cell.metadata.get("nbgrader", {}).get("grade"):
            continue
        before = [each.source for each in cells[:place]]
        text = said_by(before, cell.source, monkeypatch)
        name = editions.exercise_name(page, before[-1])
        if kind == "instructor":
            assert "Right." in text, f"{name}: {text}"
            continue
        assert f"write {name} here, then run" in text
        assert "Right." not in text
        with monkeypatch.context() as grading:
            grading.setenv("NBGRADER_EXECUTION", "autograde")
            tree = ast.parse(cell.source)
            tree.body = needed(before, used(tree)) + tree.body
            with pytest.raises((NotYet, NotImplementedError), match=f"write {name} here"):
                exec(compile(tree, "notebook", "exec"), {"__name__": "notebook"})


# ------------------------------------------------------------------------- through nbgrader

SMALL = '''---
chapter: small
part: part
objectives: [Double it]
---

# Small

Doubling {cite}`someone2020` is {term}`easy <ease>`, see {eq}`eq-small` and {doc}`small`.

```{chapter-card}
```

```{math}
:label: eq-small
y = 2x
```

:::{admonition} Note well
:class: note
Twice is {math}`2x`.
:::

```{code-cell} ipython3
from neurotutor.teaching import Hint, check


def is_double(answer):
    """Whether a function doubles."""
    if answer(2) != 4:
        raise Hint("that is not twice")
    return "because two and two make four"
```
'''
EXERCISE = '''
```{code-cell} ipython3
:tags: [exercise]

def NAME(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION
```

```{code-cell} ipython3
check(is_double, NAME)
print("twice 4 is", NAME(4))
```
'''
NOTES = "## Time plan\n\nShort.\n\n## Common errors\n\nNone.\n\n## Discussion questions\n\nWhy?\n"


@pytest.fixture
def small(tmp_path):
    """A book of one page with three exercises, and that page."""
    layout = Layout(tmp_path)
    path = tmp_path / "book" / "part" / "small.md"
    path.parent.mkdir(parents=True)
    path.write_text(
        SMALL + "".join(EXERCISE.replace("NAME", name) for name in ("one", "two", "three")),
        encoding="utf-8",
    )
    (tmp_path / "book" / "_static").mkdir()
    shutil.copy(LAYOUT.book / "_static" / "neurotutor.css", tmp_path / "book" / "_static")
    (tmp_path / "book" / "references.bib").write_text(
        '@article{someone2020, author={M{\\"u}ller, Some and Two, B.}, title={A {Title}}, '
        "journal={A journal}, year={2020}, doi={10.1/2}}\n",
        encoding="utf-8",
    )
    editions.notes_path(layout, Page.read(path, layout.book)).parent.mkdir()
    (tmp_path / "book" / "_teaching" / "small.md").write_text(NOTES, encoding="utf-8")
    return layout, Page.read(path, layout.book)


def answered(notebook: nbformat.NotebookNode, **bodies: str) -> nbformat.NotebookNode:
    for cell in notebook.cells:
        for name, body in bodies.items():
            if cell.source.startswith(f"def {name}("):
                cell.source = f"def {name}(x):\n    {body}\n"
    return notebook


def test_a_course_in_nbgrader(small, monkeypatch):
    """Released, handed in and graded by nbgrader itself: a right answer counts, no other does."""
    layout, page = small
    editions.write(layout, [page])
    course = layout.notebooks / "nbgrader"
    monkeypatch.chdir(course)
    # nbgrader calls a command that stands beside Python in the environment.
    beside = [str(Path(sys.executable).parent), str(LAYOUT.root)]
    monkeypatch.setenv("PATH", os.pathsep.join([beside[0], os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", beside[1])
    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    api = NbGraderAPI(CourseDirectory(root=str(course), config=config), config=config)
    done = api.generate_assignment("small")
    assert done["success"], done["log"]
    released = nbformat.read(str(course / "release/small/small.ipynb"), 4)
    assert "### BEGIN" not in nbformat.writes(released)
    handed_in = course / "submitted" / "ada" / "small" / "small.ipynb"
    handed_in.parent.mkdir(parents=True)
    nbformat.write(answered(released, one="return x + x", two="return x * x + 1"), str(handed_in))
    done = api.autograde("small", "ada")
    assert done["success"], done["log"]
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        submission = book.find_submission("small", "ada")
        assert submission.max_score == 3
        scores = {
            grade.name: grade.auto_score for each in submission.notebooks for grade in each.grades
        }
    assert scores == {"small-one-check": 1, "small-two-check": 0, "small-three-check": 0}
    student = layout.notebooks / "student" / "part" / "small.ipynb"
    found = Validator().validate(str(student))
    assert set(found) == {"failed"}
    assert len(found["failed"]) == 3
    assert "write one here, then run this cell" in found["failed"][0]["raw_error"]


# ------------------------------------------------------------------------- text, files, lint


def test_myst_as_plain_markdown(small):
    """What Sphinx would resolve is resolved in words; formulas keep their numbers."""
    layout, page = small
    notebook = editions.notebook(layout, page, "student", [page])
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "Doubling (Müller and Two, 2020) is *easy*, see (1) and *Small*." in text
    assert "- Double it" in text
    assert "$$\ny = 2x\n\\tag{1}\n$$" in text
    assert "> **Note well**\n> \n> Twice is $2x$." in text
    assert "- Müller S., Two B. (2020). *A Title*. A journal. https://doi.org/10.1/2" in text


def test_short_authors():
    entries = plain.bibliography(LAYOUT.book / "references.bib")
    assert plain.short_authors(entries["dabagia2024coin"]) == "Dabagia et al."
    assert plain.short_authors(entries["dabagia2025thesis"]) == "Dabagia"


def test_questions_keep_their_answers_back_in_jupyter(small):
    """The style that hides the reasons of a question stands in the notebook."""
    layout, page = small
    style = editions.notebook(layout, page, "student", [page]).cells[1].source
    assert style.startswith("%%html")
    assert re.search(r"\.nt-choice \.nt-why \{[^}]*display: none", style)
    assert "@media" not in style


def test_the_rest_of_a_check_cell_is_no_test(small):
    layout, page = small
    cells = editions.notebook(layout, page, "student", [page]).cells
    place = next(i for i, cell in enumerate(cells) if cell.source == "check(is_double, one)")
    assert cells[place + 1].source == 'print("twice 4 is", one(4))'
    assert "nbgrader" not in cells[place + 1].metadata
    with pytest.raises(BuildError, match="must call check"):
        editions.check_end("print(1)")


def test_work_in_a_notebook_is_never_overwritten(tmp_path):
    """A changed file is kept and named; the others are brought up to date or removed."""
    old = {"a.ipynb": b"1", "b.ipynb": b"1", "c.ipynb": b"1", "d.ipynb": b"1"}
    assert editions.publish(tmp_path, old) == []
    (tmp_path / "a.ipynb").write_bytes(b"work")
    (tmp_path / "c.ipynb").write_bytes(b"work")
    (tmp_path / "mine.txt").write_bytes(b"mine")
    new = {"a.ipynb": b"2", "b.ipynb": b"2", "e.ipynb": b"2"}
    assert editions.publish(tmp_path, new) == ["a.ipynb", "c.ipynb"]
    assert editions.publish(tmp_path, new) == ["a.ipynb", "c.ipynb"]
    held = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name[0] != "."}
    assert held == {
        "a.ipynb": b"work",
        "b.ipynb": b"2",
        "c.ipynb": b"work",
        "e.ipynb": b"2",
        "mine.txt": b"mine",
    }
    (tmp_path / "a.ipynb").unlink()
    assert editions.publish(tmp_path, new) == ["c.ipynb"]
    assert (tmp_path / "a.ipynb").read_bytes() == b"2"


def test_unknown_edition():
    with pytest.raises(ValueError, match="student, instructor, nbgrader"):
        editions.notebooks(LAYOUT, "teacher", [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "write book/_teaching/small.md"),
        (NOTES.replace("## Common errors", "## Errors"), "lack the heading '## Common errors'"),
        (NOTES.replace("Why?", " "), "'## Discussion questions' of the teaching notes is empty"),
        (NOTES, None),
    ],
)
def test_notes_for_teachers_are_checked(small, text, expected):
    layout, page = small
    path = editions.notes_path(layout, page)
    path.unlink()
    if text is not None:
        path.write_text(text, encoding="utf-8")
    found = editions.notes_problems(layout, page)
    assert found == [] if expected is None else expected in found[0]
    assert lint.teaching_notes in lint.CHECKS
