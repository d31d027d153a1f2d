"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial

import numpy as np
import pytest

import neurotutor
from neurotutor import cli, data
from neurotutor.cli import main
from neurotutor.data import download
from tests.data.conftest import archive, server, shelf

__all__ = ["archive", "server", "shelf"]  # fixtures


@pytest.fixture
def call(capfd):
    """Run a command in this process: exit code, standard output, standard error."""

    def call(*words):
        try:
            code = main(list(words))
        except SystemExit as stop:
            code = stop.code
        return code, *capfd.readouterr()

    return call


def refused(result, *words):
    """The result is a refusal in one line that says these words."""
    code, out, err = result
    assert code == 1
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for word in words:
        assert word in err
    return True


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "neurotutor", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip()) == (0, neurotutor.__version__)


@pytest.mark.parametrize(
    "words", [[], ["data"], ["nonsense"], ["data", "path"], ["run"], ["data", "list", "--x"]]
)
def test_wrong_usage_is_explained(call, words):
    code, out, err = call(*words)
    assert code == 2
    assert out == ""
    assert err.startswith("usage: python -m neurotutor")


def test_data_list(call, shelf, archive):
    shelf.add("set/one", archive[0])
    shelf.add("set/two", b"x" * 2000)
    here = shelf.cache / "set" / "one.npz"
    here.parent.mkdir(parents=True)
    here.write_bytes(archive[0])
    code, out, err = call("data", "list")
    assert (code, err) == (0, "")
    one, two = (
        next(line for line in out.splitlines() if line.startswith(f"set/{each}"))
        for each in ("one", "two")
    )
    assert one.split() == ["set/one", "here", "320", "kB", str(here)]
    assert two.split() == ["set/two", "absent", "2", "kB"]
    assert out.count("licence: free") == 2
    assert "cite: this test" in out
    assert out.endswith("fetch with: python -m neurotutor data fetch set/two (or --all)\n")


def test_data_list_of_the_repository(call):
    code, out, _ = call("data", "list")
    assert code == 0
    assert all(f"\n{name}" in f"\n{out}" for name in data.names())


def test_output_that_nobody_reads_to_its_end():
    done = subprocess.run(
        f"{sys.executable} -m neurotutor data list | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_data_path(call, shelf, archive):
    shelf.add("set/one", archive[0])
    assert refused(call("data", "path", "set/one"), "data fetch set/one")
    assert refused(call("data", "path", "set/on"), "did you mean 'set/one'")
    here = shelf.cache / "set" / "one.npz"
    here.parent.mkdir(parents=True)
    here.touch()
    assert call("data", "path", "set/one") == (0, f"{here}\n", "")


def test_data_fetch(call, shelf, server, archive, monkeypatch):
    shelf.add("set/one", archive[0], arrays=archive[1])
    server.files["set/one.npz"] = archive[0]
    code, out, err = call("data", "fetch", "set/one", "--from", server.address)
    assert code == 0
    assert out == f"set/one  {data.require('set/one')}\n"
    assert "100%" in err
    assert call("data", "fetch", "--all") == (0, out, "")


def test_data_fetch_all_goes_on_after_a_failure(call, shelf, tmp_path):
    for name in ("one", "two", "three"):
        np.savez(tmp_path / f"{name}.npz", a=np.arange(3))
        shelf.add(f"set/{name}", (tmp_path / f"{name}.npz").read_bytes())
    disk = tmp_path / "disk" / "set"
    disk.mkdir(parents=True)
    for name in ("one", "three"):
        (tmp_path / f"{name}.npz").rename(disk / f"{name}.npz")
    code, out, err = call("data", "fetch", "--all", "--from", str(tmp_path / "disk"))
    assert code == 1
    assert [line.split()[0] for line in out.splitlines()] == ["set/one", "set/three"]
    assert err.startswith("error: set/two: there is no file")
    assert err.count("\n") == 1


def test_data_fetch_refuses(call, shelf, server, archive, monkeypatch):
    shelf.add("set/one", archive[0])
    assert refused(call("data", "fetch"), "NAME ..., or --all")
    assert refused(call("data", "fetch", "set/one", "--all"), "NAME ..., or --all")
    assert refused(call("data", "fetch", "set/one", "set/x", "--from", "/"), "'set/x'")
    assert refused(call("data", "fetch", "set/one", "--from", server.address), "404 Not Found")
    assert refused(call("data", "fetch", "set/one", "--from", "ftp://x"), "cannot fetch from")
    monkeypatch.setenv("NEUROTUTOR_REGISTRY", str(shelf.folder / "none.toml"))
    assert refused(call("data", "fetch", "--all"), "no registry of recordings")


def test_interrupted_fetch_says_so_and_goes_on(shelf, server, archive):
    shelf.add("set/one", archive[0], arrays=archive[1])
    server.files["set/one.npz"] = archive[0]
    server.pause = 0.02
    part = shelf.cache / "set" / "one.npz.part"
    words = [sys.executable, "-m", "neurotutor", "data", "fetch", "set/one"]
    words += ["--from", server.address]
    # A shell's background job ignores Ctrl-C, and its children would, too.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    child = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    deadline = time.monotonic() + 60
    while not part.exists() or part.stat().st_size < 50_000:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    err = child.communicate()[1]
    assert child.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("interrupted; what has arrived is kept")
    assert not data.available("set/one")
    server.pause = 0.0
    assert subprocess.run(words, capture_output=True).returncode == 0
    assert server.asked[-1][1].startswith("bytes=")
    assert data.require("set/one").read_bytes() == archive[0]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of another book, around the working folder; the package is elsewhere."""
    root = tmp_path / "checkout"
    (root / "book" / "tools").mkdir(parents=True)
    (root / "book" / "part").mkdir()
    (root / "book" / "part" / "demo.md").touch()
    (root / "book" / "claims.toml").write_text(
        textwrap.dedent(
            """
            [[demo]]
            id = "first"
            sentence = "What the paper says."
            paper = "1"
            where = "Table 1"
            why = "fair"
            unmet = "we do not know"
            [[demo.checks]]
            name = "n"
            label = "the number"
            op = "<="
            tutorial = 0.5
            [[other]]
            id = "second"
            sentence = "What another says."
            paper = "2"
            where = "Table 2"
            why = "fair"
            checks = []
            """
        )
    )
    monkeypatch.setattr(cli.neurotutor, "__file__", str(tmp_path / "lib" / "x" / "__init__.py"))
    monkeypatch.chdir(root / "book" / "part")
    return root


def record(root, **claims):
    folder = root / "_build" / "records"
    folder.mkdir(parents=True, exist_ok=True)
    content = {"date": "2030-01-02", "environment": {"scale": "tutorial"}, "claims": claims}
    (folder / "claims-demo.json").write_text(json.dumps(content))


def test_claims(call, checkout):
    code, out, err = call("claims")
    assert (code, err) == (0, "")
    assert "demo\n  first: not run yet\n    What the paper says.\n" in out
    assert "other\n  second: not run yet\n" in out
    checks = [{"label": "the number", "value": 0.75, "op": "<=", "threshold": 0.5, "met": False}]
    record(checkout, first={"verdict": "unmet", "checks": checks})
    code, out, _ = call("claims", "demo")
    assert code == 0
    assert out == (
        "demo  (tutorial scale, 2030-01-02)\n  first: does not reproduce\n"
        "    What the paper says.\n    the number: 0.75 (asked: <= 0.5)\n    why: we do not know\n"
    )
    record(checkout, first={"verdict": "needs data", "checks": []})
    assert "first: needs data" in call("claims", "demo")[1]


def test_claims_refuses(call, checkout, monkeypatch, tmp_path):
    assert refused(call("claims", "dem"), "no chapter is named 'dem'", "did you mean 'demo'?")
    assert refused(call("claims", "zzz"), "there are demo, other")
    record(checkout)
    path = checkout / "_build" / "records" / "claims-demo.json"
    path.write_text(path.read_text()[:-3])
    code, _, err = call("claims")
    assert code == 1
    assert "claims-demo.json is damaged: run the chapter again" in err
    monkeypatch.chdir(tmp_path)
    assert refused(call("claims"), "run this inside a checkout of NeuroTutor")


def test_claims_without_their_file(call, checkout):
    (checkout / "book" / "claims.toml").unlink()
    assert refused(call("claims"), "no claims file")


def test_claims_of_the_repository(call):
    code, out, _ = call("claims")
    assert code == 0
    assert "hiwa" in out


def test_run_hands_over_to_the_book(call, checkout):
    (checkout / "book" / "tools" / "__main__.py").write_text(
        "import os, sys\nprint(os.getcwd(), *sys.argv[1:])\nsys.exit(7)\n"
    )
    code, out, err = call("run", "demo")
    assert (code, out, err) == (7, f"{os.path.realpath(checkout)} chapter demo\n", "")


def test_run_refuses(call, checkout, monkeypatch, tmp_path):
    assert refused(call("run", "demoo"), "no chapter is named 'demoo'", "did you mean 'demo'?")
    monkeypatch.chdir(tmp_path)
    assert refused(call("run", "demo"), "run this inside a checkout of NeuroTutor")


def test_no_permission_is_one_line(call, shelf, archive, monkeypatch):
    shelf.add("set/one", archive[0])

    def locked(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(shelf.cache))

    monkeypatch.setattr(download.Path, "mkdir", locked)
    assert refused(call("data", "fetch", "set/one", "--from", "/"), "no permission for")
