"""Pages under other seeds and on two threads: what is replaced, kept, counted and shown."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from book.tools import execute, sheet, sphinx_ext, sphinx_steady, vary
from book.tools.console import BuildError
from book.tools.layout import Layout
from book.tools.pages import discover

LAYOUT = Layout.here()

DRAWS = """\
import json, random, sys
import numpy as np, torch
from book.tools import vary
if int(sys.argv[1]):
    vary.seeds(int(sys.argv[1]))
from sklearn.model_selection import KFold
random.seed(4)
torch.manual_seed(3)
generator = torch.Generator().manual_seed(0)
children = np.random.SeedSequence([1, 2]).spawn(2)
first, _ = next(KFold(5, shuffle=True, random_state=0).split(np.zeros((50, 1))))
print(json.dumps({
    "default_rng": np.random.default_rng(7).random(),
    "Philox": np.random.Generator(np.random.Philox(key=9, counter=2)).random(),
    "Philox of a seed": np.random.Generator(np.random.Philox(8)).random(),
    "list": np.random.default_rng([7, 1]).random(),
    "sequence": np.random.default_rng(children[1]).random(),
    "RandomState": np.random.RandomState(5).rand(),
    "scikit-learn": first[:8].tolist(),
    "manual_seed": torch.rand(1).item(),
    "Generator": torch.rand(1, generator=generator).item(),
    "permutation": torch.randperm(30, generator=generator).tolist(),
    "random": random.random(),
    "passed on": np.random.default_rng(np.random.default_rng(7)).random(),
}))
"""

PAGE = """\
---
kernelspec: {display_name: Python 3, name: python3}
chapter: small
---

# Small

```{code-cell} ipython3
import json, os, pathlib
import numpy as np, torch
torch.set_num_threads(1)
drawn = np.random.default_rng(3).random()
folder = pathlib.Path(os.environ["NEUROTUTOR_RECORDS"])
folder.mkdir(exist_ok=True)
numbers = {"low": drawn, "threads": torch.get_num_threads()}
checks = [{"name": name, "value": value} for name, value in numbers.items()]
said = {
    "sure": {"verdict": "met", "checks": [{"name": "one", "value": 1.0}]},
    "lucky": {"verdict": "met" if drawn < 0.2 else "unmet", "checks": checks},
}
record = {"claims": said, "environment": {"device": "cpu"}, "date": "2026-01-01"}
(folder / "claims-small.json").write_text(json.dumps(record))
```

```{code-cell} ipython3
assert drawn < 0.2, "only the page's own seed gets here"
```
"""
TOML = """\
[[small]]
id = "sure"
[[small.checks]]
name = "one"
tutorial = 1
[[small]]
id = "lucky"
unmet = "the draw"
[[small.checks]]
name = "low"
tutorial = 0.2
"""


def draws(shift: int) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", DRAWS, str(shift)],
        cwd=LAYOUT.root,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_every_seed_starts_another_stream():
    """Every way to seed a generator is moved, each shift its own way, and the same way twice."""
    plain, first, again, second = draws(0), draws(1), draws(1), draws(2)
    assert first == again
    for name, value in plain.items():
        assert len({json.dumps(value), json.dumps(first[name]), json.dumps(second[name])}) == 3


def test_what_cannot_be_varied_is_refused():
    with pytest.raises(ValueError, match="shift must be 1 or greater, got 0"):
        vary.seeds(0)
    with pytest.raises(ValueError, match="count must be 1 or greater, got 0"):
        vary.threads(0)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Layout:
    """A book of one page that was run under every condition; its seed draws a low number."""
    root = tmp_path_factory.mktemp("sheet")
    seed = next(seed for seed in range(100) if drawn(seed) < 0.1)
    page = PAGE.replace("default_rng(3)", f"default_rng({seed})")
    for path, text in (
        ("book/part/small.md", page),
        ("book/claims.toml", TOML),
        ("book/tools/__init__.py", ""),
        ("book/tools/vary.py", (LAYOUT.book / "tools" / "vary.py").read_text(encoding="utf-8")),
        ("neurotutor/__init__.py", ""),
        ("benchmarks/kept.txt", ""),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    layout = Layout(root)
    with pytest.raises(BuildError, match="has not been executed as it stands"):
        sheet.vary(layout, ["small"])
    execute.execute_all(layout, execute.plan(layout, discover(layout)))
    sheet.vary(layout, [])
    return layout


def drawn(seed: int) -> float:
    import numpy as np

    return np.random.default_rng(seed).random()


def test_every_condition_is_kept(small):
    runs = sheet.read(sheet.path(small))["small"]
    assert list(runs) == [
        "as it stands", "as it stands, 2 threads", "seeds 1", "seeds 2", "seeds 3", "seeds 4",
    ]  # fmt: skip
    threads = [run["claims"]["lucky"]["values"]["threads"] for run in runs.values()]
    assert threads == [1, 2, 1, 1, 1, 1]
    lows = [run["claims"]["lucky"]["values"]["low"] for run in runs.values()]
    assert lows[0] == lows[1]
    assert len(set(lows)) == 5


def test_a_claim_that_depends_on_the_draw_is_marked(small):
    runs = sheet.read(sheet.path(small))["small"]
    low, high, count = sheet.spread(runs, "lucky")["low"]
    assert low < 0.1 < 0.2 < high
    assert count == 5
    lucky, of = sheet.met(runs, "lucky")
    assert 1 <= lucky < of == 5
    assert sheet.met(runs, "sure") == (5, 5)
    assert sphinx_steady.steady(runs, "sure")
    assert not sphinx_steady.steady(runs, "lucky")
    unlucky = [name for name in runs if sheet.other_verdicts(runs, name) == ["lucky"]]
    assert len(unlucky) == of - lucky


def test_a_cell_that_fails_is_kept_and_stops_nothing(small):
    runs = sheet.read(sheet.path(small))["small"]
    for name, run in runs.items():
        failed = ["AssertionError: only the page's own seed gets here"]
        moved = sheet.other_verdicts(runs, name)
        assert run.get("failed", []) == (failed if moved else [])


def test_a_run_that_did_not_end_is_not_kept(small, monkeypatch):
    """A kernel that was killed says nothing about a claim."""
    before = sheet.read(sheet.path(small))
    sheet.path(small).unlink()
    ended = sheet.run_cells

    def killed(*arguments, **settings):
        run = ended(*arguments, **settings)
        run.notebook.cells[-1].execution_count = None
        return run

    monkeypatch.setattr(sheet, "run_cells", killed)
    with pytest.raises(BuildError, match="5 runs did not end: small, as it stands, 2 threads"):
        sheet.vary(small, ["small"])
    assert sheet.read(sheet.path(small)) == {}
    sheet._write(sheet.path(small), before)


def test_what_stands_is_not_run_again(small, monkeypatch, capsys):
    monkeypatch.setattr(sheet, "run_cells", lambda *_, **__: pytest.fail("it was run again"))
    sheet.vary(small, ["small"])
    assert "0 runs of 1 pages" in capsys.readouterr().out


def test_a_page_without_claims_is_refused(small, tmp_path):
    with pytest.raises(BuildError, match="there is no page called"):
        sheet.vary(small, ["large"])


RUNS = {
    "as it stands": {"claims": {"a": {"verdict": "met", "values": {"x": 2.0}}}},
    "as it stands, 2 threads": {"claims": {"a": {"verdict": "met", "values": {"x": 2.5}}}},
    "seeds 1": {"claims": {"a": {"verdict": "unmet", "values": {"x": 1.0}}}},
}


def test_words_of_the_table():
    assert sphinx_steady.spans(RUNS, "a", {"x": "gain"}) == ["gain: 2 [1, 2]"]
    assert sphinx_steady.on_two_threads(RUNS, "a") == "moves by 20 %"
    same = RUNS | {"as it stands, 2 threads": RUNS["as it stands"]}
    assert sphinx_steady.on_two_threads(same, "a") == "the same"
    other = RUNS | {"as it stands, 2 threads": {"claims": {}}}
    assert sphinx_steady.on_two_threads(other, "a").endswith("not recorded")
    assert sphinx_steady.on_two_threads({"as it stands": RUNS["as it stands"]}, "a") == "not run"


def test_claims_say_what_other_seeds_make_of_them():
    page = {"record": {"claims": {"a": {"spread": "0.1", "note": ""}}}}
    said = sphinx_ext.with_spread(page, RUNS)["claims"]["a"]["spread"]
    assert said == "0.1; under 2 sets of seeds 1 to 2, met under 1"
    assert page["record"]["claims"]["a"]["spread"] == "0.1"
    assert sphinx_ext.with_spread(page, {}) == page["record"]
