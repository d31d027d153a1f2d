"""Records of benchmarks, the peers' environment, charts and budgets; nothing is timed here."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import types
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from book.tools import bench, bench_charts, bench_records, budgets
from book.tools.console import BuildError
from book.tools.layout import Layout

LAYOUT = Layout.here()
FOLDER = LAYOUT.root / "benchmarks"
COMMITTED = sorted(
    path.stem for path in FOLDER.glob("*.json") if path.stem not in bench_records.OTHERS
)


def times(median: float, peak: int | None = 2**20) -> dict:
    """Three times about a median."""
    return {
        "median_s": median,
        "min_s": 0.9 * median,
        "max_s": 1.1 * median,
        "peak_bytes": peak,
    }


def row(ours: float = 1.0, peer: float | None = 4.0, size: int | None = None) -> dict:
    """A row as a benchmark writes it."""
    return {
        "work": "Sorting",
        "size": size and {"what": "numbers", "value": size},
        "ours": times(ours),
        "peer": peer and times(peer),
        "peer_name": "a library" if peer else None,
        "agreement": {"what": "difference", "value": 0.0, "limit": 1e-9} if peer else None,
        "ratio": ours / peer if peer else None,
    }


def target(value: float = 4.0) -> dict:
    """Four times as fast was asked."""
    return {
        "text": "times as fast",
        "source": "brief",
        "sense": "at least",
        "limit": 4.0,
        "value": value,
        "met": value >= 4.0,
        "why": "" if value >= 4.0 else "its time: copies 70%",
    }


@pytest.fixture
def record() -> dict:
    """A record in which everything is right."""
    return {
        "schema": bench_records.SCHEMA,
        "name": "small",
        "machine": dict.fromkeys(("date", "platform", "processor", "threads", "clock"), "x"),
        "versions": {"numpy": "2"},
        "seeds": [0],
        "repeats": 3,
        "rows": [row(size=10), row(size=20), row(0.1, None)],
        "targets": [target(), target(2.0)],
        "peers_missing": {"elsewhere": "needs R"},
        "details": {},
    }


# --------------------------------------------------------------------------------- the records


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_record(name):
    """Every committed record is of the common form, and a benchmark stands behind it."""
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert bench_records.problems(found) == []
    assert name in bench.names(LAYOUT)


def test_every_benchmark_has_a_record():
    assert bench.names(LAYOUT) == COMMITTED


def test_right_record_has_no_problem(record):
    assert bench_records.problems(record) == []


PLANTED = {
    "no rows": (lambda r: r["rows"].clear(), "no rows"),
    "no machine": (lambda r: r["machine"].pop("processor"), "nothing about processor"),
    "no seeds": (lambda r: r.pop("seeds"), "seeds should be a list"),
    "another form": (lambda r: r.update(schema=9), "schema should be 1, is 9"),
    "wrong ratio": (lambda r: r["rows"][0].update(ratio=4.0), "ratio should be ours by"),
    "no agreement": (lambda r: r["rows"][0].update(agreement=None), "before the results agree"),
    "disagreement": (
        lambda r: r["rows"][0]["agreement"].update(value=1e-3),
        "before the results agree",
    ),
    "twice": (lambda r: r["rows"].append(r["rows"][0]), "there twice"),
    "median outside": (lambda r: r["rows"][2]["ours"].update(min_s=9.0), "between the extremes"),
    "no memory": (lambda r: r["rows"][2]["ours"].pop("peak_bytes"), "should have exactly"),
    "negative memory": (lambda r: r["rows"][2]["ours"].update(peak_bytes=-1), "0 or more"),
    "nameless peer": (lambda r: r["rows"][0].update(peer_name=""), "no name"),
    "no size": (lambda r: r["rows"][0]["size"].update(value=0), "positive value"),
    "false verdict": (lambda r: r["targets"][1].update(met=True), "says met = True"),
    "no reason": (lambda r: r["targets"][1].update(why=""), "no reason stands beside it"),
    "no profile": (lambda r: r["targets"][1].update(why="slow"), "names no share of the time"),
    "no source": (lambda r: r["targets"][0].pop("source"), "lacks source"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_problem_is_found(record, name):
    change, pattern = PLANTED[name]
    change(record)
    assert any(pattern in text for text in bench_records.problems(record))


def test_records_are_read_by_name(record, tmp_path):
    """Other files are left alone, a broken record is an error."""
    (tmp_path / "small.json").write_text(json.dumps(record))
    for name in bench_records.OTHERS:
        (tmp_path / f"{name}.json").write_text(json.dumps({"pages": {}}))
    assert bench_records.read(tmp_path) == {"small": record}
    (tmp_path / "other.json").write_text(json.dumps(record))
    with pytest.raises(BuildError, match=r"other\.json: name should be 'other'.*NAME=other"):
        bench_records.read(tmp_path)


# ---------------------------------------------------------------------------------- the charts


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.345, "12.3 s"), (1234.0, "1,234 s"), (0.0456, "45.6 ms"), (3.21e-5, "32.1 µs")],
)
def test_seconds(value, text):
    assert bench_charts.seconds(value) == text


def test_sizes_and_numbers():
    assert [bench_charts.size(n) for n in (None, 10, 3 * 2**20, 5 * 2**30)] == [
        "unknown",
        "under 1 MiB",
        "3 MiB",
        "5 GiB",
    ]
    found = [bench_charts.number(x) for x in (0.0, 0.00123, 12345.6, 1e-7)]
    assert found == ["0", "0.00123", "12,346", "1.0e-07"]


def test_log_scale_holds_its_values():
    scale = bench_charts.LogScale.around([0.02, 30.0], 0, 100)
    assert (scale.low, scale.high) == (-2, 2)
    assert scale.place(1.0) == 50
    assert scale.place(0.01) == 0
    assert scale.place(100.0) == 100


def test_ratio_stands_left_of_one_when_faster():
    """Marks stand where the ratio is, 1 has a line of its own, and words say the same."""
    groups = {"Small": [row(1.0, 4.0, 10), row(5.0, 1.0, 20)]}
    soup = BeautifulSoup(bench_charts.ratios(groups, {"Small": "small.html"}), "html.parser")
    marks = [float(each["cx"].rstrip("%")) for each in soup.select("circle")]
    (one,) = {float(each["x1"].rstrip("%")) for each in soup.select(".nt-one")}
    assert marks[0] < one < marks[1]
    assert [each["class"] for each in soup.select("circle")] == [["nt-faster"], ["nt-slower"]]
    assert "Sorting, 10 numbers: 0.25 of the time of a library" in soup.get_text()
    assert soup.select_one("a")["href"] == "small.html"
    for mark in soup.select("line.nt-range"):
        assert 0 <= float(mark["x1"].rstrip("%")) < float(mark["x2"].rstrip("%")) <= 100


def test_one_of_a_kind_is_singular():
    sizes = [None, {"what": "starts", "value": 1}, {"what": "starts", "value": 2000}]
    texts = [bench_charts.with_size({"work": "Work", "size": size}) for size in sizes]
    assert texts == ["Work", "Work, 1 start", "Work, 2,000 starts"]


def test_the_smallest_and_the_largest_size_are_marked():
    rows = [row(1.0, 4.0, size) for size in (20, 10, 40, 30)]
    unsized = {**row(1.0, 4.0, 10), "size": None, "work": "Merging"}
    assert bench_charts.ends([*rows, unsized]) == [rows[1], rows[2], unsized]


def test_curve_needs_three_sizes_and_says_its_numbers():
    rows = [row(0.1 * n, 0.4 * n, n) for n in (10, 100)]
    assert bench_charts.curves(rows) == []
    ((work, drawing),) = bench_charts.curves([*rows, row(100.0, 400.0, 1000)])
    soup = BeautifulSoup(drawing, "html.parser")
    label = soup.select_one("svg[role=img]")["aria-label"]
    assert work == "Sorting"
    assert "this book: 1 s at 10 numbers, 100 s at 1,000" in label
    assert "a library: 4 s at 10 numbers" in label
    assert len(soup.select("figure > svg > .nt-mark")) == 6
    shapes = {each.find().name for each in soup.select("figure > svg > .nt-mark")}
    assert shapes == {"circle", "rect"}


def test_growing_cost_rises():
    ((_, drawing),) = bench_charts.curves([row(0.1 * n, None, n) for n in (10, 100, 1000)])
    soup = BeautifulSoup(drawing, "html.parser")
    heights = [float(each["y"]) for each in soup.select("figure > svg > .nt-mark")]
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) == 3


# ------------------------------------------------------------------------- the peers' environment


def test_peers_are_pinned():
    assert {"timeawarepc", "tigramite", "fft-conv-pytorch"} <= {
        each.partition("==")[0] for each in bench.peers(LAYOUT)
    }


def test_unpinned_peer_is_refused(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "requirements.txt").write_text("# note\nnumpy>=2\n")
    with pytest.raises(BuildError, match="pinned as name==version, got 'numpy>=2'"):
        bench.peers(Layout(tmp_path))


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Layout:
    """A folder of two benchmarks whose environment stands."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    writes = "import sys\nopen(sys.argv[2], 'w').write('{}')\nsys.exit(CODE)\n"
    (folder / "fast.py").write_text(writes.replace("CODE", "0"))
    (folder / "slow.py").write_text(writes.replace("CODE", "1"))
    (folder / "wrong.py").write_text("import sys\nsys.exit('the results differ')\n")
    monkeypatch.setattr(bench, "environment", lambda layout: Path(bench.sys.executable))
    monkeypatch.setenv("PYTHONPATH", "")
    return Layout(tmp_path)


def test_benchmarks_run_one_by_one(toy):
    """A missed target is said; results that disagree are an error and leave no record."""
    assert bench.names(toy) == ["fast", "slow", "wrong"]
    assert bench.run(toy, ["fast", "slow"]) == ["slow"]
    assert (toy.root / "benchmarks" / "fast.json").read_text() == "{}"
    with pytest.raises(BuildError, match="wrong left no record"):
        bench.run(toy, ["wrong"])


def test_bad_arguments(toy):
    with pytest.raises(BuildError, match="no benchmark is called 'missing'; there are fast, slow"):
        bench.run(toy, ["missing"])
    with pytest.raises(BuildError, match="threads must be 1 or greater, got 0"):
        bench.run(toy, ["fast"], threads=0)


def test_environment_keeps_what_does_not_install(tmp_path, monkeypatch):
    """A peer that pip refuses is left out with its reason; the next call finds all done."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "requirements.txt").write_text("numpy==2.0\n")
    (tmp_path / "benchmarks" / "requirements.txt").write_text("good==1.0\nbad==1.0\n")
    calls = []

    def pip(python, *arguments):
        calls.append(arguments[-1])
        return "needs a compiler" if "bad==1.0" in arguments else ""

    def made(folder, with_pip, clear):
        assert clear == folder.exists()
        folder.mkdir(exist_ok=True)

    monkeypatch.setattr(bench, "_pip", pip)
    monkeypatch.setattr(bench.venv, "create", made)
    bench.environment(Layout(tmp_path))
    said = json.loads((tmp_path / bench.ENVIRONMENT / bench_records.MISSING).read_text())
    assert said == {"bad": "needs a compiler"}
    assert [Path(each).name for each in calls] == [
        "requirements.txt",
        "good==1.0",
        "bad==1.0",
        "bad==1.0",
    ]
    bench.environment(Layout(tmp_path))
    assert len(calls) == 4
    (tmp_path / "benchmarks" / "requirements.txt").write_text("good==1.1\n")
    bench.environment(Layout(tmp_path))
    assert calls[-1] == "good==1.1"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("WARNING: slow\nERROR: No matching distribution\n", "No matching distribution"),
        ("  error: failed\n      Error: no R\n\nnote: not pip\n", "Error: no R"),
        ("WARNING: slow\nno space left\n", "no space left"),
        ("", "pip failed"),
    ],
)
def test_reason_of_pip(said, reason, monkeypatch):
    """The error is quoted, not the remarks before and after it."""

    def run(command, **_):
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr(bench.subprocess, "run", run)
    assert bench._pip(Path("python"), "x") == reason


# --------------------------------------------------------------------------------- the budgets

OLD = {"seconds": 100.0, "peak_bytes": 10**9, "page_bytes": 10**6, "calibration_s": 2.0}


def test_planted_regression_is_reported():
    """More than 30 % worse is reported, for each measure by itself."""
    for what in budgets.UNITS:
        (found,) = budgets.excesses({"small": OLD}, {"small": OLD | {what: 1.4 * OLD[what]}})
        assert (found.page, found.what, found.reason) == ("small", what, "")
        assert re.fullmatch(r"small: 1\.40 times the .* of its baseline", str(found))


def test_slightly_worse_is_not():
    worse = {key: 1.25 * value for key, value in OLD.items()} | {"calibration_s": 2.0}
    assert budgets.excesses({"small": OLD}, {"small": worse}) == []


def test_another_machine_is_no_regression():
    """Seconds count by the calibration of the same run, memory and weight do not."""
    slower = OLD | {"seconds": 200.0, "calibration_s": 4.0}
    assert budgets.excesses({"small": OLD}, {"small": slower}) == []
    faster = OLD | {"seconds": 90.0, "calibration_s": 1.0}  # should have taken 50
    (found,) = budgets.excesses({"small": OLD}, {"small": faster})
    assert found.ratio == pytest.approx(1.8)


def test_reason_stands_beside_what_was_accepted(tmp_path, monkeypatch, capsys):
    """An accepted regression is shown with its reason and does not count."""
    layout = Layout(tmp_path)
    entry = copy.deepcopy(OLD) | {"reasons": {"seconds": "five seeds instead of three"}}
    path = budgets.baseline_path(layout)
    path.parent.mkdir()
    path.write_text(json.dumps({"date": "2026-01-01", "pages": {"small": entry}}))
    monkeypatch.setattr(budgets, "measured", lambda _: {"small": OLD | {"seconds": 180.0}})
    assert budgets.report(layout) == 0
    assert "1.80 times the CPU seconds of its baseline; accepted: five seeds" in (
        capsys.readouterr().out
    )
    monkeypatch.setattr(budgets, "measured", lambda _: {"small": OLD | {"peak_bytes": 2e9}})
    assert budgets.report(layout) == 1


def test_page_that_is_new_or_was_not_rendered_is_left_out():
    assert budgets.excesses({"gone": OLD}, {"new": OLD}) == []
    assert budgets.excesses({"small": OLD | {"page_bytes": 0}}, {"small": OLD}) == []


def test_broken_baseline_is_refused(tmp_path):
    layout = Layout(tmp_path)
    path = budgets.baseline_path(layout)
    path.parent.mkdir()
    for change, pattern in (
        ({"calibration_s": None}, "small lacks calibration_s"),
        ({"reasons": {"minutes": "x"}}, "small excuses 'minutes'"),
    ):
        entry = {k: v for k, v in (OLD | change).items() if v is not None}
        path.write_text(json.dumps({"pages": {"small": entry}}))
        with pytest.raises(BuildError, match=pattern):
            budgets.read(layout)


def test_committed_baseline_is_well_formed():
    for entry in budgets.read(LAYOUT).values():
        assert entry["calibration_s"] > 0


def test_nothing_measured_is_no_baseline(tmp_path, monkeypatch):
    monkeypatch.setattr(budgets, "measured", lambda _: {})
    with pytest.raises(BuildError, match="run `make book` first"):
        budgets.record(Layout(tmp_path))


def test_every_page_or_none_is_a_baseline(tmp_path, monkeypatch):
    """A baseline of half a book is refused; the first one stays as what was before."""
    layout = Layout(tmp_path)
    (tmp_path / "benchmarks").mkdir()
    pages = [types.SimpleNamespace(name=name, is_notebook=True) for name in ("a", "b")]
    monkeypatch.setattr(budgets, "discover", lambda _: pages)
    ran = types.SimpleNamespace(record={"environment": {"device": "cpu"}}, cost={})
    monkeypatch.setattr(budgets, "_executed", lambda _: {"a": (pages[0], ran)})
    monkeypatch.setattr(budgets, "_needs", lambda *_: OLD)
    with pytest.raises(BuildError, match="b was not executed with a calibration"):
        budgets.record(layout)
    both = {page.name: (page, ran) for page in pages}
    monkeypatch.setattr(budgets, "_executed", lambda _: both)
    kept = [budgets.record(layout) or json.loads(budgets.baseline_path(layout).read_text())]
    monkeypatch.setattr(budgets, "_needs", lambda *_: OLD | {"seconds": 1.0})
    for _ in range(2):
        budgets.record(layout)
        kept.append(json.loads(budgets.baseline_path(layout).read_text()))
    assert kept[0]["environment"] == {"device": "cpu"}
    assert "before" not in kept[0]
    assert [each["before"]["pages"]["a"]["seconds"] for each in kept[1:]] == [OLD["seconds"]] * 2
    assert kept[2]["pages"]["a"]["seconds"] == 1.0


def test_one_build_is_told_from_several():
    """Executions that overlap or follow each other count; a night between two of them does not."""
    costs = [{"began": 100.0, "wall_seconds": 50.0}, {"began": 110.0, "wall_seconds": 20.0}]
    assert budgets.together(costs) == 50.0
    assert budgets.together([*costs, {"began": 152.0, "wall_seconds": 8.0}]) == 60.0
    assert budgets.together([*costs, {"began": 40_000.0, "wall_seconds": 8.0}]) is None
    assert budgets.together([*costs, {"wall_seconds": 8.0}]) is None
    assert budgets.together([]) is None
