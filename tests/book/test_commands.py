"""The commands that the pages show: each is of a known kind, and each kind is tried.

What is run as it stands: making the virtual environment, activating it, installing the package into
it, `python -c` and `python -m neurotutor`. What would take minutes is tried in part:

- `pip install -r requirements.txt` runs in the environment of these tests, which was made by this
  very command, without an index: pip must find every pin there, and nothing left to install.
- `make ...` runs with `-n`, so that make reads its rules and does nothing. The commands of
  `book.tools`, JupyterLab and nbgrader are asked for their help or version: other tests try
  their work.
- A fetch runs where the recording is present, and must then find it; elsewhere its name must stand
  in the registry, because the tests use no network but the package index.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from book.tools.layout import Layout
from book.tools.pages import discover
from neurotutor import data

LAYOUT = Layout.here()
TEXTS = [
    LAYOUT.root / "README.md",
    LAYOUT.root / "CONTRIBUTING.md",
    *sorted(path for path in LAYOUT.book.rglob("*.md") if "tools" not in path.parts),
]
_BLOCK = re.compile(r"^```(?:bash|sh|shell|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`((?:python3? -m|make|pip install|nbgrader|py -)\s[^`\n]+)`(?!`)")
_COMMENT = re.compile(r"\s+#\s.*$")


def shown(text: str) -> list[str]:
    """The commands of a text: lines of its shell blocks, and those that stand in a line."""
    lines = [line for block in _BLOCK.findall(text) for line in block.splitlines()]
    commands = [_COMMENT.sub("", line).strip() for line in [*lines, *_INLINE.findall(text)]]
    return [command for command in commands if command and not command.startswith("#")]


def all_shown() -> list[str]:
    """Every command of every text, once."""
    found = [each for path in TEXTS for each in shown(path.read_text(encoding="utf-8"))]
    return list(dict.fromkeys(found))


def run(command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run one line in a shell that finds this session's Python first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-ec", command],
        cwd=cwd,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(LAYOUT.root), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def passes(command: str, cwd: Path = LAYOUT.root, **environment: str) -> str:
    """Run one line, which must succeed; what it prints."""
    done = run(command, cwd, **environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What an installation reads of the repository, in a folder of its own."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt"):
        shutil.copy(LAYOUT.root / name, folder)
    (folder / "neurotutor").mkdir()
    shutil.copy(LAYOUT.package / "__init__.py", folder / "neurotutor")
    return folder


@pytest.fixture(scope="module")
def venv(clone):
    """The virtual environment that the pages tell to make, in the clone."""
    passes("python -m venv .venv", clone)
    return clone / ".venv"


def _venv(command: str, venv: Path) -> None:
    assert command in ("python -m venv .venv", "py -3.11 -m venv .venv")
    assert (venv / "bin" / "python").exists()


def _activate(command: str, venv: Path) -> None:
    found = passes(f"{command}; command -v python", venv.parent)
    assert Path(found.strip()).parent == venv / "bin"


def _requirements(command: str, venv: Path) -> None:
    assert passes(f"python -m {command} --dry-run --no-index --quiet") == ""


def _editable(command: str, venv: Path) -> None:
    inside = "source .venv/bin/activate;"
    passes(f"{inside} {command} --quiet --disable-pip-version-check", venv.parent, PYTHONPATH="")
    code = "import neurotutor; print(neurotutor.__file__)"
    found = passes(f"{inside} cd /; python -c {shlex.quote(code)}", venv.parent, PYTHONPATH="")
    assert Path(found.strip()).parent == venv.parent / "neurotutor"


def _extra(command: str, venv: Path) -> None:
    offline = "--dry-run --no-index --no-build-isolation --quiet"
    assert passes(f"python -m {command} {offline}", venv.parent) == ""


def _pinned(command: str, venv: Path) -> None:
    pins = (LAYOUT.root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert command.split()[-1] in pins


def _make(command: str, venv: Path) -> None:
    assert "book.tools" in (plan := passes(command.replace("make", "make -n", 1))) or "rm" in plan


def _helped(command: str, venv: Path) -> None:
    assert passes(f"{command} --help").startswith("usage:")


def _version(command: str, venv: Path) -> None:
    assert re.match(r"\d+\.\d+", passes(f"{command} --version"))


def _nbgrader(command: str, venv: Path) -> None:
    _, action, page = command.split()
    assert action in passes("nbgrader --help").split()
    assert page in {each.name for each in discover(LAYOUT) if each.is_notebook}


def _module(command: str, venv: Path) -> None:
    assert importlib.util.find_spec(command.split()[2]) is not None


def _python(command: str, venv: Path) -> None:
    assert passes(command).strip()


def _fetch(command: str, venv: Path) -> None:
    name = command.split()[-1]
    if data.locate(name) is None:
        assert name in data.names()
    else:
        assert passes(command).startswith(f"{name}  ")


KINDS: dict[str, Callable[[str, Path], None]] = {
    r"(?:python|py -3\.11) -m venv \.venv": _venv,
    r"source \.venv/bin/activate": _activate,
    r"pip install -r requirements\.txt": _requirements,
    r"pip install --no-deps -e \.": _editable,
    r"pip install -e '\.\[[a-z]+\]'": _extra,
    r"pip install [\w-]+==[\w.]+": _pinned,
    r"make [a-z]+(?: (?:NAME|PYTHON|PORT)=[\w.]+)?": _make,
    r"python -m book\.tools .+": _helped,
    r"python -m jupyter lab": _version,
    r"nbgrader [a-z_]+ \w+": _nbgrader,
    r"python -m http\.server": _module,
    r"python -m (?:benchmarks|neurotutor\.[a-z_.]+)(?:\.[a-z_]+)?(?: [a-z]+)?": _module,
    r"python -m neurotutor data fetch [\w/.-]+": _fetch,
    r"python -m neurotutor (?!data fetch).+": _python,
    r"python -c .+": _python,
}


def kind(command: str) -> Callable[[str, Path], None] | None:
    """How a command is tried; None if nobody said how."""
    found = [how for pattern, how in KINDS.items() if re.fullmatch(pattern, command)]
    return found[0] if len(found) == 1 else None


@pytest.mark.parametrize("command", all_shown())
def test_shown_command(command, venv):
    """A command of a page works, as far as the docstring of this file says."""
    how = kind(command)
    assert how is not None, f"no test knows how to try {command!r}; add its kind to KINDS"
    how(command, venv)


def test_commands_are_found_and_unknown_ones_are_seen():
    text = "a `make book` b `python -m x`\n\n```bash\nfrobnicate --all  # it all\n\n# no\n```\n"
    assert shown(text) == ["frobnicate --all", "make book", "python -m x"]
    assert kind("frobnicate --all") is None
    assert {kind(each) for each in all_shown()} >= {_venv, _activate, _requirements, _editable}


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("make nonsense", _make),
        ("python -m book.tools nonsense", _helped),
        ("python -m neurotutor nonsense", _python),
        ("python -m neurotutor.nonsense", _module),
        ("pip install torch==0.1", _pinned),
        ("nbgrader nonsense nemo", _nbgrader),
        ("nbgrader generate_assignment nonsense", _nbgrader),
    ],
)
def test_a_command_that_does_not_work_is_seen(command, how, venv):
    assert kind(command) is how
    with pytest.raises(AssertionError):
        how(command, venv)
