"""The profiler finds the slow cell and the slow function."""

from __future__ import annotations

import pytest

from book.tools import profiling
from book.tools.console import BuildError
from book.tools.layout import Layout
from book.tools.pages import by_name, discover

HEAD = "---\nkernelspec: {display_name: Python 3, name: python3}\nchapter: small\n---\n\n# Small\n"
CELL = "\n```{{code-cell}} ipython3\n{}\n```\n"


@pytest.fixture
def layout(tmp_path, monkeypatch):
    """A page of three cells, one of which calls a slow function."""
    package = tmp_path / "slowpackage"
    package.mkdir()
    (package / "__init__.py").write_text(
        "def slow():\n    return sum(range(50_000_000))\n\ndef quick():\n    return 1\n"
    )
    (tmp_path / "book").mkdir()
    cells = ("import slowpackage", "x = slowpackage.slow()", "y = slowpackage.quick()")
    (tmp_path / "book" / "small.md").write_text(HEAD + "".join(map(CELL.format, cells)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(Layout, "package", property(lambda self: self.root / "slowpackage"))
    return Layout(tmp_path)


def test_slowest_comes_first(layout, capsys):
    profiling.report(layout, "small")
    cells, functions = capsys.readouterr().out.split("functions of the package")
    assert "x = slowpackage.slow()" in cells.splitlines()[1]
    assert "__init__.py:1 slow" in functions.splitlines()[1]
    assert "__init__.py:4 quick" in functions


def test_failing_cell_is_named(layout):
    path = layout.book / "small.md"
    path.write_text(path.read_text() + CELL.format("1 / 0"))
    with pytest.raises(BuildError, match=r"small\.md: code cell 4 failed: ZeroDivisionError"):
        profiling.run(by_name(discover(layout), "small"), layout.package)


def test_page_without_code_is_refused(layout):
    (layout.book / "plain.md").write_text("# Plain\n")
    with pytest.raises(BuildError, match="has no code cells"):
        profiling.report(layout, "plain")
