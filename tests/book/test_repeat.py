"""The same commit, seed and number of threads give the same numbers twice."""

from __future__ import annotations

import json

import pytest

from book.tools import execute, records, repeat
from book.tools.console import BuildError
from book.tools.layout import Layout
from book.tools.pages import discover

HEAD = """\
---
kernelspec: {display_name: Python 3, name: python3}
chapter: small
---

# Small

"""
CELL = """\
```{code-cell} ipython3
import json, os, pathlib, time
folder = pathlib.Path(os.environ["NEUROTUTOR_RECORDS"])
folder.mkdir(exist_ok=True)
checks = [{"name": "fixed", "value": 0.1}, {"name": "clock", "value": CLOCK}]
said = {"a": {"verdict": "met", "checks": checks}}
record = {"claims": said, "environment": {"device": "cpu"}}
(folder / "claims-small.json").write_text(json.dumps(record))
```
"""
TOML = '[[small]]\nid = "a"\n[[small.checks]]\nname = "fixed"\ntutorial = 1\n'


def record(**values: float) -> dict:
    checks = [{"name": name, "value": value} for name, value in values.items()]
    return {"claims": {"a": {"checks": checks}}}


def book(root, clock: str) -> Layout:
    layout = Layout(root)
    for path, text in (
        ("book/part/small.md", HEAD + CELL.replace("CLOCK", clock)),
        ("book/claims.toml", TOML),
        ("neurotutor/__init__.py", ""),
        ("benchmarks/kept.txt", ""),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    execute.execute_all(layout, execute.plan(layout, discover(layout)))
    return layout


def test_the_last_bit_counts():
    assert repeat.differing(record(x=0.1, y=1.0), record(x=0.1, y=1.0)) == []
    assert repeat.differing(record(x=0.1), record(x=0.1 + 2**-56)) == ["a.x"]
    assert repeat.differing(record(x=0.1), record(x=0.1, y=1.0)) == ["a.y"]


def test_a_claim_may_say_why_it_varies():
    assert repeat.unexplained(["a.x", "b.x"], [{"id": "a", "varies": "a clock"}]) == ["b.x"]
    assert repeat.unexplained(["a.x"], [{"id": "a", "varies": ""}]) == ["a.x"]


def test_two_executions_are_compared(tmp_path):
    layout = book(tmp_path, "0.3")
    assert repeat.repeat(layout, ["small"]) == []
    kept = json.loads((tmp_path / "benchmarks" / repeat.RECORD).read_text(encoding="utf-8"))
    assert kept["small"]["numbers"] == 2
    assert kept["small"]["differ"] == []


def test_a_number_that_depends_on_the_clock_is_found(tmp_path):
    layout = book(tmp_path, "time.time()")
    assert repeat.repeat(layout, []) == ["small.a.clock"]
    kept = json.loads((tmp_path / "benchmarks" / repeat.RECORD).read_text(encoding="utf-8"))
    assert kept["small"]["differ"] == ["a.clock"]


def test_a_page_without_an_execution_is_refused(tmp_path):
    layout = book(tmp_path, "0.3")
    page = tmp_path / "book" / "part" / "small.md"
    page.write_text(page.read_text(encoding="utf-8").replace("0.1", "0.2"), encoding="utf-8")
    with pytest.raises(BuildError, match="has not been executed as it stands"):
        repeat.repeat(layout, ["small"])
    layout.claims.write_text("", encoding="utf-8")
    with pytest.raises(BuildError, match="records no claims"):
        repeat.repeat(layout, ["small"])


def test_another_checkout_is_compared_without_executing(tmp_path, monkeypatch):
    """A number that the clock made differs between two builds; no cell runs a third time."""
    here, there = book(tmp_path / "here", "time.time()"), book(tmp_path / "there", "time.time()")
    monkeypatch.setattr(repeat, "execute", lambda *_: pytest.fail("a page was executed"))
    assert repeat.repeat(here, [], other=there) == ["small.a.clock"]
    assert repeat.repeat(here, [], other=here) == []
    with pytest.raises(BuildError, match="has not been executed as it stands in .*nowhere"):
        repeat.repeat(here, [], other=Layout(tmp_path / "nowhere"))


def test_every_page_was_executed_twice():
    """The committed comparison covers each page with claims, and says why a number varies."""
    here = Layout.here()
    kept = json.loads((here.root / "benchmarks" / repeat.RECORD).read_text(encoding="utf-8"))
    claims = records.read_claims(here)
    assert kept.keys() == claims.keys()
    for name, entry in kept.items():
        assert entry["numbers"] > 0
        assert repeat.unexplained(entry["differ"], claims[name]) == []
