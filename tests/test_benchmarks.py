"""Benchmarks start, take the same arguments and leave a record; their speed is not tested."""

import importlib
import json
from pathlib import Path

import pytest

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
    assert calls == ["a", "b"] * 3
    for row in rows.values():
        assert row["min_s"] <= row["median_s"] <= row["max_s"]


def test_record_is_kept_with_its_machine(tmp_path):
    common.save({"machine": common.machine("torch")}, tmp_path / "new" / "x.json")
    found = json.loads((tmp_path / "new" / "x.json").read_text(encoding="utf-8"))["machine"]
    assert {"date", "processor", "threads", "python", "numpy", "torch"} <= set(found)


def test_missed_targets_give_an_exit_status(capsys):
    assert common.missed([]) == 0
    assert common.missed(["twice as fast"]) == 1
    assert "MISSED twice as fast" in capsys.readouterr().err


def test_bad_arguments(capsys):
    with pytest.raises(SystemExit):
        common.options("A benchmark.", "x", ["--repeats", "0"])
    assert "repeats must be 1 or greater, got 0" in capsys.readouterr().err
