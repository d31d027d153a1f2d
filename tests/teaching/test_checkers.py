"""All checkers of the book: no right answer rejected, and mistakes are named.

The right answers and the planted mistakes stand in the tests of the chapters; here they are
gathered and counted. The reference solutions are those of the pages.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import types
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from book.tools import editions
from book.tools.layout import Layout
from book.tools.pages import Page, discover, solution
from neurotutor.teaching import Hint, exercises
from tests import harness
from tests.slices import needed, used

LAYOUT = Layout.here()
PAGES = [page for page in discover(LAYOUT) if page.is_notebook]
SPECIFIC = 0.95  # share of planted mistakes that must get a hint that names them


@dataclass
class Tally:
    """What was counted for one page."""

    exercises: int = 0
    right: int = 0
    rejected_right: list[str] = field(default_factory=list)
    mistakes: int = 0
    missed: list[str] = field(default_factory=list)
    vague: list[str] = field(default_factory=list)

    def add(self, found: harness.Judged) -> None:
        """Count one checker."""
        name = found.checker.__name__
        self.right += len(found.accepted)
        self.rejected_right += [
            f"{name}, answer {i}" for i, a in enumerate(found.accepted) if not a
        ]
        self.mistakes += len(found.hints)
        self.missed += [f"{name}: {each}" for each, hint in found.hints.items() if not hint]
        specific = found.specific()
        self.vague += [
            f"{name}: {each} -> {hint}"
            for each, hint in found.hints.items()
            if hint and each not in specific
        ]


def modules() -> list[types.ModuleType]:
    """Every test module that gives answers to checkers."""
    found = []
    for path in sorted((LAYOUT.root / "tests").rglob("test_*.py")):
        if "assert_checker(" in path.read_text(encoding="utf-8") and path != Path(__file__):
            parts = path.relative_to(LAYOUT.root).with_suffix("").parts
            found.append(importlib.import_module(".".join(parts)))
    return found


def gather() -> dict[str, dict[str, harness.Judged]]:
    """What each checker made of its answers: page -> name of the checker -> findings."""
    found: dict[str, dict[str, harness.Judged]] = defaultdict(dict)
    with harness.collecting() as judged:
        for module in modules():
            for name, test in inspect.getmembers(module, inspect.isfunction):
                if name.startswith("test_") and "assert_checker(" in inspect.getsource(test):
                    test()
    for each in judged:
        page = each.checker.__module__.removeprefix(f"{exercises.__name__}.")
        assert each.checker.__name__ not in found[page], f"{each.checker.__name__} is tested twice"
        found[page][each.checker.__name__] = each
    return found


def references(page: Page) -> dict[str, bool]:
    """Name of each checker that the page calls, and whether it accepts the page's own solution."""
    found, before = {}, []
    asked = False
    for cell in page.code_cells:
        if asked:
            source = "\n".join(cell.source.split("\n")[: editions.check_end(cell.source)])
            tree = ast.parse(source)
            checker, answer = tree.body[-1].value.args
            tree.body = needed(before, used(tree)) + tree.body[:-1]
            space: dict = {}
            exec(compile(tree, page.name, "exec"), space)
            try:
                eval(ast.unparse(checker), space)(eval(ast.unparse(answer), space))
                found[checker.attr] = True
            except Hint:
                found[checker.attr] = False
        asked = "exercise" in cell.metadata.get("tags", [])
        before.append(solution(cell.source))
    return found


@pytest.fixture(scope="module")
def tallies():
    """The count of every page; each exercise of a page must have been given answers."""
    judged = gather()
    found = {}
    for page in PAGES:
        tally = found[page.name] = Tally()
        for name, accepted in references(page).items():
            assert name in judged[page.name], f"no test gives answers to {page.name}.{name}"
            tally.exercises += 1
            tally.right += 1
            tally.rejected_right += [] if accepted else [f"{name}, the page's own solution"]
            tally.add(judged[page.name][name])
    return found


def table(found: dict[str, Tally]) -> str:
    """The figures of every page, and of the book."""
    row = "{:<20}{:>10}{:>8}{:>10}{:>10}{:>10}{:>8}".format
    head = row("page", "exercises", "right", "rejected", "mistakes", "rejected", "named")
    lines, total = [head], [0] * 6
    for name, tally in found.items():
        rejected = tally.mistakes - len(tally.missed)
        figures = [
            tally.exercises,
            tally.right,
            len(tally.rejected_right),
            tally.mistakes,
            rejected,
            rejected - len(tally.vague),
        ]
        lines.append(row(name, *figures))
        total = [before + now for before, now in zip(total, figures, strict=True)]
    share = 100 * total[5] / total[3]
    return "\n".join([*lines, row("the book", *total), f"named: {share:.1f} % of the mistakes"])


def test_all_checkers_of_the_book(tallies, capsys):
    """No right answer is rejected anywhere, and nearly every mistake is named."""
    with capsys.disabled():
        print("\n" + table(tallies))
        for name, tally in tallies.items():
            for each in tally.missed + tally.vague:
                print(f"    {name}.{each}")
    assert [each for tally in tallies.values() for each in tally.rejected_right] == []
    assert all(tally.exercises >= 3 for tally in tallies.values())
    mistakes = sum(tally.mistakes for tally in tallies.values())
    unnamed = sum(len(tally.missed) + len(tally.vague) for tally in tallies.values())
    assert 1 - unnamed / mistakes >= SPECIFIC


def test_what_counts_as_named():
    """An accepted mistake, a hint without the word, or one that two share, does not count."""

    def checker(answer):
        if answer in ("wrong", "worse"):
            raise Hint("that is not it")
        if answer == "sign":
            raise Hint("the sign is turned round")
        return "right, because it is right"

    found = harness.judge(
        checker,
        ["right", "wrong"],
        {
            "wrong": ("wrong", "not it"),
            "worse": ("worse", "not it"),
            "sign": ("sign", "sign"),
            "any": ("sign", "."),
            "accepted": ("fine", "fine"),
        },
    )
    assert found.accepted == (True, False)
    assert found.named == {"wrong", "worse", "sign"}
    assert found.hints["accepted"] == ""
    alone = harness.judge(checker, ["right"], {"sign": ("sign", "sign")})
    assert alone.specific() == {"sign"}
    assert found.specific() == set()
    tally = Tally()
    tally.add(found)
    assert (len(tally.missed), len(tally.vague), len(tally.rejected_right)) == (1, 4, 1)


def test_a_rejected_reference_is_seen(tmp_path):
    """The page's own solution is really given to the checker."""
    path = tmp_path / "toy.md"
    path.write_text(
        "```{code-cell} ipython3\nfrom types import SimpleNamespace\n\n"
        "from neurotutor.teaching import Hint, check\n\n"
        "def picky(answer):\n    if answer != 1:\n        raise Hint('no')\n    return 'yes'\n\n"
        "exercises = SimpleNamespace(picky=picky)\n```\n\n"
        "```{code-cell} ipython3\n:tags: [exercise]\n\ndef two():\n    ### BEGIN SOLUTION\n"
        "    return 2\n    ### END SOLUTION\n```\n\n"
        "```{code-cell} ipython3\ncheck(exercises.picky, two())\n```\n",
        encoding="utf-8",
    )
    assert references(Page.read(path, tmp_path)) == {"picky": False}
