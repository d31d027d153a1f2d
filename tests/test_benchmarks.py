"""Benchmarks start, take the same arguments and leave a record; their speed is not tested."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import common

NAMES = sorted(
    path.stem
    for path in Path(common.__file__).parent.glob("*.py")
    if path.stem not in ("common", "__init__")
)


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_starts(name, capsys):
    module = importlib.import_module(f"benchmarks.{name}")
    with pytest.raises(SystemExit) as stopped:
        module.main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert "--repeats" in shown and "--out" in shown


def test_versions_take_turns():
    calls = []
    rows = common.interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert calls == ["a", "b"] * 4  # a round that warms up, and three that count
    for row in rows.values():
        assert row["min_s"] <= row["median_s"] <= row["max_s"]


def test_one_repetition_runs_once_and_is_timed():
    calls = []
    common.timed(lambda: calls.append(sum(range(100_000))), 1)
    assert len(calls) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs linux: the peak of a process is reset")
def test_peak_counts_what_a_call_adds():
    _, small = common.watched(lambda: None)
    _, large = common.watched(lambda: np.ones(2**24))
    assert small < 2**24
    assert 0.9 * 2**27 < large < 2 * 2**27


def test_row_needs_an_agreement_with_its_peer():
    fast, slow = (
        common.timed(lambda: sum(range(10_000)), 2),
        common.summary([1.0]) | {"peak_bytes": None},
    )
    with pytest.raises(ValueError, match="a check that the results agree"):
        common.row("Adding", fast, slow, peer_name="another")
    agreed = common.agreement("difference", 0.0, 0.0)
    made = common.row("Adding", fast, slow, peer_name="another", agreement=agreed)
    assert made["ratio"] == fast["median_s"]


@pytest.mark.parametrize("value", [2.0, float("nan")])
def test_disagreement_ends_the_benchmark(value):
    with pytest.raises(SystemExit, match="so no time is quoted"):
        common.agreement("difference", value, 1.0)


def test_target_is_profiled_only_when_missed():
    """What is met needs no reason; what is missed says where the time went."""
    calls = []

    def profile() -> dict[str, float]:
        calls.append(1)
        return {"copies": 0.25, "products": 0.7, "rest": 0.001}

    met = common.target("s", 2.0, 3.0, sense="at most", profile=profile, why="x")
    assert (met["met"], met["why"], calls) == (True, "", [])
    missed = common.target("times", 2.0, 3.0, sense="at least", profile=profile, why="x")
    assert (missed["met"], missed["why"]) == (False, "its time: products 70%, copies 25%; x")
    alone = common.target("times", 2.0, 3.0, sense="at least", profile=profile)
    assert alone["why"] == "its time: products 70%, copies 25%"


def test_shares_of_operators():
    """The dear kind comes first, and the shares make up the whole."""
    x = torch.rand(300, 300)
    shares = common.operators(lambda: [x @ x for _ in range(30)])
    assert max(shares, key=shares.__getitem__) == "matrix products"
    assert sum(shares.values()) == pytest.approx(1)
    large = torch.rand(1000, 1000)
    roots = common.operators(lambda: [large.sqrt() for _ in range(30)])
    assert max(roots, key=roots.__getitem__) == "elementwise operations"
    drawn = common.operators(lambda: [torch.empty(300, 300).normal_() for _ in range(30)])
    assert max(drawn, key=drawn.__getitem__) == "random numbers"
    pause = common.operators(lambda: [sum(range(300_000)), x + x])
    assert max(pause, key=pause.__getitem__) == common.OUTSIDE


def dear() -> int:
    """Most of the time of `both`."""
    return sum(range(2_000_000))


def cheap() -> int:
    """Next to nothing."""
    return sum(range(100))


def both() -> int:
    """Two parts."""
    return dear() + cheap()


def test_shares_of_stages():
    shares = common.stages(both, {"dear": dear, "cheap": cheap, "absent": json.dumps})
    assert shares["dear"] > 0.5 > shares["cheap"] > 0
    assert shares["absent"] == 0
    assert sum(shares.values()) == pytest.approx(1)


def test_shares_of_functions():
    """Time counts where it is spent, not where it was asked for."""
    shares = common.functions(both)
    assert max(shares, key=shares.__getitem__) == "built-in method builtins.sum"
    assert shares["test_benchmarks.both"] < 0.5
    assert sum(shares.values()) == pytest.approx(1)


def test_record_is_kept_with_its_machine(tmp_path):
    rows = [common.row("Adding", common.timed(lambda: sum(range(10_000)), 2))]
    record = common.record(
        "x", rows, repeats=2, seeds=[0], packages=["torch"], peers=["numpy", "no-such-package"]
    )
    common.save(record, tmp_path / "new" / "x.json")
    found = json.loads((tmp_path / "new" / "x.json").read_text(encoding="utf-8"))
    assert {"date", "processor", "threads"} <= set(found["machine"])
    assert {"python", "numpy", "torch"} <= set(found["versions"])
    assert list(found["peers_missing"]) == ["no-such-package"]
    with pytest.raises(SystemExit, match="there are no rows"):
        common.save(record | {"rows": []}, tmp_path / "y.json")
    assert not (tmp_path / "y.json").exists()


def test_missed_targets_give_an_exit_status(capsys):
    assert common.missed([]) == 0
    assert common.missed(["twice as fast"]) == 1
    assert "MISSED twice as fast" in capsys.readouterr().err


def test_bad_arguments(capsys):
    with pytest.raises(SystemExit):
        common.options("A benchmark.", "x", ["--repeats", "0"])
    assert "repeats must be 1 or greater, got 0" in capsys.readouterr().err
