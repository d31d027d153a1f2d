"""A poor machine: one core, no npm, no Chromium, no recordings, no home to write in, no network.

All of it at once, since what works then works with each of them alone, and each by what it says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from book.tools import assets, build, execute, host, language
from book.tools.console import BuildError
from book.tools.layout import Layout
from tests.book import toy

RECORDING = "reach/mihi-20140303-bin100ms-vel5"
# Every Python process imports this first: one core, and no address but those of this machine.
POOR = """\
import os, socket
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
HERE = (None, "", "localhost", "127.0.0.1", "::1")
connect, look_up = socket.socket.connect, socket.getaddrinfo

def refuse(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in HERE:
        raise OSError(101, "Network is unreachable")
    return connect(self, address)

def unknown(host, *rest, **named):
    if host not in HERE:
        raise socket.gaierror(-3, "Temporary failure in name resolution")
    return look_up(host, *rest, **named)

socket.socket.connect, socket.getaddrinfo = refuse, unknown
"""
# The libraries that keep something in the home of a user, and what a page does without recordings.
CELLS = f"""
```{{code-cell}} ipython3
import joblib
import matplotlib.pyplot as plt
import torch
from pathlib import Path
from neurotutor import data, plotting
from neurotutor.teaching import data_box
fig, ax = plt.subplots(figsize=(1, 1))
ax.set_title("$x^2$")
plt.show()
print(joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-each) for each in range(3)))
print(float(torch.ones(3).sum()))
print(Path.home(), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
```

```{{code-cell}} ipython3
import socket
try:
    socket.create_connection(("example.org", 80))
except OSError as error:
    print("offline:", error)
if not data.available("{RECORDING}"):
    data_box("{RECORDING}")
```
"""


def poor(folder: Path) -> dict[str, str]:
    """The environment of a machine that has none of it."""
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site" / "sitecustomize.py").write_text(POOR, encoding="utf-8")
    (folder / "nothing").mkdir(exist_ok=True)
    (folder / "file").touch()
    shutil.copy(toy.REPOSITORY / "data" / "registry.toml", folder)  # its cache is beside it
    gone = ("XDG_", "NEUROTUTOR_", "MPL", "IPYTHON", "JUPYTER", "TORCH", "npm_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(gone)}
    return {
        **kept,
        "HOME": str(folder / "file" / "home"),  # below a file, even root can make no folder
        "PATH": str(folder / "nothing"),
        "NEUROTUTOR_REGISTRY": str(folder / "registry.toml"),
        "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(toy.REPOSITORY)]),
    }


def call(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """Run a module on the poor machine."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=toy.REPOSITORY,
        env=poor(folder),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A book that was built there: its folder, and what the build said."""
    folder = tmp_path_factory.mktemp("poor")
    root = toy.make(folder / "book")
    for name in ("pyproject.toml", "requirements.txt", "LICENSE"):
        shutil.copy(toy.REPOSITORY / name, root)
    page = root / "book" / "representations" / "toy.md"
    text = page.read_text(encoding="utf-8")
    text = text.replace("data: []", f"data: [{RECORDING}]")
    page.write_text(text.replace("\n(toy-exercises)=", CELLS + "\n(toy-exercises)="), "utf-8")
    return folder, call(folder, "book.tools", "--root", str(root), "site")


def test_a_poor_machine_makes_a_whole_site(made):
    """The build ends well, says what it did without, and the folder for a host is whole."""
    folder, done = made
    assert done.returncode == 0, done.stdout + done.stderr
    assert "npm is not installed: the site will link MathJax" in done.stdout
    assert "the site offers no PDF: no Chromium or Chrome is installed" in done.stdout
    assert done.stderr == ""
    assert (folder / "book" / "_build" / "site" / "representations" / "toy.html").is_file()


def test_the_page_is_whole_there(made):
    """Every cell gave what it gives elsewhere, without a complaint; the box names the command."""
    folder, _ = made
    (kept,) = (folder / "book" / "_build" / "cache" / "toy").glob("[!.]*/notebook.ipynb")
    outputs = [
        each
        for cell in json.loads(kept.read_text(encoding="utf-8"))["cells"]
        for each in cell.get("outputs", [])
    ]
    streams = [each for each in outputs if each["output_type"] == "stream"]
    assert [each["text"] for each in streams if each["name"] == "stderr"] == []
    said = "".join("".join(each["text"]) for each in streams)
    assert f"[0, 1, 2]\n3.0\n{folder / 'file' / 'home'} 1\n" in said
    assert "offline: " in said
    html = folder / "book" / "_build" / "site" / "representations" / "toy.html"
    page = BeautifulSoup(html.read_text(encoding="utf-8"), "html.parser")
    box = page.select_one(".nt-databox").get_text()
    assert f"python -m neurotutor data fetch {RECORDING}" in box
    assert any("cdn.jsdelivr.net" in each.get("src", "") for each in page.select("script"))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("pdf", "error: no Chromium or Chrome is installed, and one of them prints the book; "),
        ("screenshots", "error: no Chromium or Chrome is installed"),
    ],
)
def test_what_needs_chromium_says_so(made, command, said):
    """One line, and no traceback."""
    folder, _ = made
    done = call(folder, "book.tools", "--root", str(folder / "book"), command)
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_a_fetch_without_a_network_says_what_to_do(tmp_path):
    """One line that names the host, the network and the other way."""
    done = call(tmp_path, "neurotutor", "data", "fetch", RECORDING)
    assert done.returncode == 1
    assert "cannot reach raw.githubusercontent.com: check the network" in done.stderr
    assert "--from FOLDER" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list((tmp_path / "cache").rglob("*.npz"))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_one_core_executes_one_page_at_a_time():
    """Cores that this process may not use do not count."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert execute.workers(17) == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.fixture
def broken_npm(tmp_path, monkeypatch):
    """An npm that reaches nobody."""
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\necho 'npm error network getaddrinfo ENOTFOUND' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}{os.pathsep}{os.environ['PATH']}")
    return Layout(toy.make(tmp_path / "book"))


def test_an_npm_without_a_network_leaves_a_book(broken_npm, capsys):
    """The build goes on with links to a CDN, as without npm, and says why."""
    build.scripts(broken_npm)
    said = capsys.readouterr().out
    assert "npm could not fetch @jupyter-widgets" in said
    assert "ENOTFOUND" in said
    assert "the site will link MathJax" in said
    assert not assets.folder(broken_npm).exists()


@pytest.mark.parametrize("command", [host.site, language.main])
def test_what_is_published_is_whole_or_not_at_all(broken_npm, command):
    """A site for a host does not quietly come to depend on another one."""
    with pytest.raises(BuildError, match="npm could not fetch"):
        command(broken_npm)
    assert not broken_npm.html.exists()


@pytest.mark.parametrize("command", ["lint", "bench"])
def test_a_python_without_the_libraries_says_which_one_to_run(command):
    """As when the environment is not active: no traceback, but what to do."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-S", "-m", "book.tools", command],
        cwd=Layout.here().root,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "is not installed in the Python that runs this" in done.stderr
    assert ".venv/bin/python" in done.stderr
    assert "Traceback" not in done.stderr
