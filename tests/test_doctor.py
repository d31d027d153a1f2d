"""The setup check: each thing that can be missing is named, with what mends it, on one screen."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import types

import pytest

from neurotutor import cli, doctor


@pytest.fixture
def without(monkeypatch):
    """Make modules look absent: they cannot be imported, found, or asked for a version."""

    def hide(*names):
        find, version = importlib.util.find_spec, importlib.metadata.version

        def found(name, package=None):
            return None if name in names else find(name, package)

        def versioned(name):
            if name in names:
                raise importlib.metadata.PackageNotFoundError(name)
            return version(name)

        for name in names:
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setattr(importlib.util, "find_spec", found)
        monkeypatch.setattr(importlib.metadata, "version", versioned)

    return hide


def _memory(monkeypatch, gib):
    machine = types.SimpleNamespace(available=gib * 2**30)
    monkeypatch.setitem(
        sys.modules, "psutil", types.SimpleNamespace(virtual_memory=lambda: machine)
    )


def test_this_machine_runs_the_book(capsys):
    """Where the tests run, nothing essential is missing, and the command says so."""
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert said.endswith("The book can run here.\n")
    assert all(state in ("ok", "note") for state in (line.split()[0] for line in _rows(said)))


def _rows(said: str) -> list[str]:
    return [line for line in said.split("\n")[:-2] if not line.startswith(" ")]


@pytest.mark.parametrize(("version", "state"), [((3, 10), "problem"), ((3, 14), "note")])
def test_another_python(monkeypatch, version, state):
    """An old Python stops the book; a new one is untested."""
    monkeypatch.setattr(sys, "version_info", (*version, 0))
    found = doctor.python()
    assert found.state == state
    assert "python3.12" in found.mend


def test_a_package_is_missing(without):
    """It is named, with the command that installs it."""
    without("scipy", "einops")
    found = doctor.packages()
    assert found.state == "problem"
    assert "scipy" in found.text
    assert found.mend == "pip install -r requirements.txt"


def test_pytorch_is_missing(without, monkeypatch, capsys):
    """The command ends with 1."""
    without("torch")
    found = doctor.pytorch()
    assert found.state == "problem"
    assert "does not load" in found.text
    assert doctor.main() == 1
    assert "1 problem: mend" in capsys.readouterr().out


def test_pytorch_is_broken(monkeypatch):
    """A library that does not load, and a device that computes wrongly, are problems."""
    torch = sys.modules["torch"]
    monkeypatch.setattr(torch, "ones", lambda *_, **__: torch.zeros(2))
    found = doctor.pytorch()
    assert found.state == "problem"
    assert "CUDA_VISIBLE_DEVICES" in found.mend

    def fails(*_, **__):
        raise RuntimeError("CUDA error: no kernel image\nis available")

    monkeypatch.setattr(torch, "ones", fails)
    assert doctor.pytorch().text == "does not load: CUDA error: no kernel image is available"


@pytest.mark.parametrize(("gib", "state"), [(0.4, "problem"), (2.0, "note"), (8.0, "ok")])
def test_little_memory(monkeypatch, gib, state):
    """A chapter takes up to 3 GiB, and none gets by with less than 1."""
    _memory(monkeypatch, gib)
    assert doctor.memory().state == state


def test_memory_is_unknown(without):
    """Without psutil the check says that it does not know."""
    without("psutil")
    assert doctor.memory().mend == "pip install psutil"


def test_threads_get_in_each_others_way(monkeypatch):
    """Many cores and no limit on threads make notebooks slow."""
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert doctor.cores().state == "ok"
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert "OMP_NUM_THREADS=1" in doctor.cores().mend


def test_recordings(monkeypatch, tmp_path):
    """None is fine, since the book simulates; a folder that is not there is said."""
    registry = tmp_path / "registry.toml"
    entry = (
        '[set.set]\nlicence = "b"\n[[file]]\nname = "set/one"\nabout = "a"\nsize = 1\n'
        'sha256 = "0"\ncontent_sha256 = "0"\nconverter = ""\norigin = []\norigin_sha256 = []\n'
    )
    registry.write_text(entry, encoding="utf-8")
    monkeypatch.setenv("NEUROTUTOR_REGISTRY", str(registry))
    monkeypatch.setenv("NEUROTUTOR_DATA", str(tmp_path))
    found = doctor.recordings()
    assert (found.state, found.text[:6]) == ("note", "0 of 1")
    assert "data list" in found.mend
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "one.npz").write_bytes(b"0")
    assert doctor.recordings().text.startswith("1 of 1 in ")
    monkeypatch.setenv("NEUROTUTOR_DATA", str(tmp_path / "nowhere"))
    assert "no folder" in doctor.recordings().text
    registry.unlink()
    assert doctor.recordings().state == "problem"


def test_nothing_can_be_written(monkeypatch, tmp_path):
    """A read-only checkout is a problem; a full disk is worth a note."""
    (tmp_path / "data").write_text("a file where a folder should be", encoding="utf-8")
    monkeypatch.setattr(doctor, "_ROOT", tmp_path)
    assert doctor.storage().state == "problem"
    (tmp_path / "data").unlink()
    assert doctor.storage().state == "ok"

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr("tempfile.TemporaryFile", refuse)
        found = doctor.storage()
    assert found.state == "problem"
    assert "Permission denied" in found.text
    full = types.SimpleNamespace(free=2**28)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    assert doctor.storage().state == "note"


def test_fonts(monkeypatch, without):
    """Without its font a figure looks different; without matplotlib there is none."""
    from matplotlib import font_manager

    def absent(*_, **__):
        raise ValueError("no such font")

    with monkeypatch.context() as patched:
        patched.setattr(font_manager, "findfont", absent)
        assert doctor.fonts().state == "note"
    without("matplotlib.font_manager")
    assert doctor.fonts().state == "problem"


@pytest.mark.parametrize(
    ("check", "module"),
    [
        (doctor.sound, "midirenderer"),
        (doctor.sound, "pretty_midi"),
        (doctor.jupyter, "jupyterlab"),
        (doctor.builders, "jupyter_book"),
    ],
)
def test_extras_are_notes(without, check, module):
    """The book runs without sampled sounds, JupyterLab and the tools of builders."""
    without(module)
    found = check()
    assert found.state == "note"
    assert found.mend


def test_programs_of_builders(monkeypatch):
    """npm and Chromium are named where they are missing."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "npm, Chromium missing" in doctor.builders().text


def test_all_at_once_fits_on_one_screen(monkeypatch, without):
    """With everything missing: 24 lines of 80 columns, and no remedy is cut off."""
    without("scipy", "numpy", "torch", "psutil", "matplotlib.font_manager", "midirenderer")
    without("jupyterlab", "jupyter_book", "neurotutor.data.registry")
    monkeypatch.setattr(sys, "version_info", (3, 9, 0))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr("os.cpu_count", lambda: 128)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    findings = [check() for check in doctor.CHECKS]
    assert all(each.mend for each in findings)
    lines = doctor.screen(findings).split("\n")
    assert len(lines) <= doctor.HEIGHT
    assert max(map(len, lines)) <= doctor.WIDTH
    assert all(any(line.endswith(each.mend) for line in lines) for each in findings)
    assert lines[-1] == "6 problems: mend what is marked, and run it again"


def test_it_speaks_without_numpy(tmp_path):
    """As a program it needs the standard library alone."""
    (tmp_path / "numpy.py").write_text("raise ImportError('no numpy here')", encoding="utf-8")
    code = (
        "import sys, runpy; sys.path.insert(0, sys.argv.pop()); sys.argv[1:] = ['doctor'];"
        "runpy.run_module('neurotutor', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "no numpy here" in done.stdout
    assert done.stderr == ""
