"""What works on this machine, on one screen: `python -m neurotutor doctor`.

It imports nothing but the standard library until a check asks for more, so that it can still speak
where packages are missing.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

WIDTH, HEIGHT = 80, 24
_ROOT = Path(__file__).resolve().parents[1]
_SUPPORTED = ((3, 11), (3, 12))
_INSTALL = "pip install -r requirements.txt"
_ENOUGH, _TOO_LITTLE = 3.0, 1.0  # GiB: what the largest chapter takes, and what no chapter does


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: what was looked at.
        state: `"ok"`, `"note"` (something is missing that only some readers need), or `"problem"`
            (the book cannot run).
        text: what is there.
        mend: the command, or the words, that mend it; empty where nothing needs mending.
    """

    name: str
    state: Literal["ok", "note", "problem"]
    text: str
    mend: str = ""


def python() -> Finding:
    """The version of Python: 3.11 and 3.12 are supported."""
    version = platform.python_version()
    running = sys.version_info[:2]
    if running < _SUPPORTED[0]:
        mend = "python3.12 -m venv .venv, then install again"
        return Finding("Python", "problem", f"{version}, the book needs 3.11 or 3.12", mend)
    if running > _SUPPORTED[-1]:
        mend = "if a package refuses: python3.12 -m venv .venv"
        return Finding("Python", "note", f"{version}, the book is tested on 3.11 and 3.12", mend)
    return Finding("Python", "ok", f"{version} in {_short(sys.prefix, 44)}")


def packages() -> Finding:
    """The packages that `neurotutor` depends on, PyTorch left to its own line."""
    names = [name for name in _dependencies() if name != "torch"]
    absent = [name for name in names if not _installed(name)]
    if absent:
        return Finding("packages", "problem", f"missing: {', '.join(absent)}", _INSTALL)
    return Finding("packages", "ok", f"all {len(names)} that the package needs")


def _dependencies() -> list[str]:
    """Names of the packages that this one asks for, extras left out."""
    path = _ROOT / "pyproject.toml"
    if path.is_file():
        import tomllib

        asked = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["dependencies"]
    else:
        asked = importlib.metadata.requires("neurotutor") or []
    return [re.split(r"[^\w.-]", each)[0] for each in asked if "extra ==" not in each]


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def pytorch() -> Finding:
    """Whether PyTorch loads and computes, and on which device a page would run."""
    try:
        torch = importlib.import_module("torch")
        runtime = importlib.import_module("neurotutor.runtime")
        device = runtime.device()
        fine = float(torch.ones(2, device=device).sum()) == 2
    except (ImportError, OSError, RuntimeError) as error:
        said = " ".join(str(error).split())
        return Finding("PyTorch", "problem", f"does not load: {said}", _INSTALL)
    if not fine:
        mend = 'to stay on the CPU: export CUDA_VISIBLE_DEVICES=""'
        return Finding("PyTorch", "problem", f"{torch.__version__} adds wrongly on {device}", mend)
    where = {"cuda": "an NVIDIA GPU (CUDA)", "mps": "Apple's GPU (MPS)"}.get(
        device.type, "the CPU; no page needs a GPU"
    )
    return Finding("PyTorch", "ok", f"{torch.__version__} on {where}")


def memory() -> Finding:
    """Free memory beside what the largest chapter takes."""
    try:
        free = importlib.import_module("psutil").virtual_memory().available / 2**30
    except ImportError:
        return Finding("memory", "note", "unknown without psutil", "pip install psutil")
    text = f"{free:.1f} GiB free, a chapter takes up to {_ENOUGH:.0f}"
    if free < _TOO_LITTLE:
        return Finding("memory", "problem", text, "close other programs, and notebooks with them")
    if free < _ENOUGH:
        mend = "one page at a time: python -m book.tools --jobs 1 book"
        return Finding("memory", "note", text, mend)
    return Finding("memory", "ok", text)


def cores() -> Finding:
    """Cores, and whether numerical libraries will fight over them in a notebook."""
    count = os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads or count == 1:
        return Finding("cores", "ok", f"{count}, with {threads or 1} thread(s) for a notebook")
    mend = "before JupyterLab: " + ("set" if os.name == "nt" else "export") + " OMP_NUM_THREADS=1"
    return Finding("cores", "note", f"{count}; notebooks run faster on one thread", mend)


def recordings() -> Finding:
    """How many real recordings are here, and where they were looked for."""
    try:
        registry = importlib.import_module("neurotutor.data.registry")
        known = registry.names()
        here = sum(registry.available(name) for name in known)
        folder = registry.cache_folder()
    except (ImportError, OSError, ValueError) as error:
        said = " ".join(str(error).split())
        return Finding("recordings", "problem", said, "git checkout data/registry.toml")
    named = os.environ.get("NEUROTUTOR_DATA")
    if named and not Path(named).is_dir():
        mend = "unset NEUROTUTOR_DATA, or name a folder that exists"
        return Finding("recordings", "note", f"NEUROTUTOR_DATA: no folder {named}", mend)
    where = " and ".join(_short(each, 24) for each in (named, folder) if each)
    text = f"{here} of {len(known)} in {where}"
    if not here:
        mend = "not needed; to see them all: python -m neurotutor data list"
        return Finding("recordings", "note", text, mend)
    return Finding("recordings", "ok", text)


def storage() -> Finding:
    """Whether recordings and built pages can be written."""
    for folder in (_ROOT / "data" / "cache", _ROOT / "_build"):
        there = next(each for each in (folder, *folder.parents) if each.exists())
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            text = f"cannot write {_short(there, 30)}: {error.strerror}"
            mend = "clone the repository into a folder that is yours"
            return Finding("storage", "problem", text, mend)
    free = shutil.disk_usage(there).free / 2**30
    if free < 1:
        mend = "free some space; or: python -m book.tools clean"
        return Finding("storage", "note", f"only {free:.1f} GiB of disk left", mend)
    return Finding("storage", "ok", f"data/cache and _build are writable, {free:.0f} GiB left")


def fonts() -> Finding:
    """The font of the figures, which travels with matplotlib."""
    try:
        manager = importlib.import_module("matplotlib.font_manager")
    except ImportError:
        return Finding("fonts", "problem", "matplotlib is missing", _INSTALL)
    try:
        manager.findfont("DejaVu Sans", fallback_to_default=False)
    except ValueError:
        mend = "pip install --force-reinstall --no-deps matplotlib"
        return Finding("fonts", "note", "DejaVu Sans is missing; figures look different", mend)
    return Finding("fonts", "ok", "DejaVu Sans, for the figures")


def sound() -> Finding:
    """Whether scores are played with sampled instruments; without, a plain synthesiser does."""
    absent = [name for name in ("midirenderer", "pretty_midi") if not _found(name)]
    if absent:
        text = "plays, with plain tones instead of instruments"
        return Finding("sound", "note", text, "pip install midirenderer pretty_midi")
    return Finding("sound", "ok", "sampled instruments")


def jupyter() -> Finding:
    """Whether notebooks can be opened."""
    if not _found("jupyterlab"):
        return Finding("JupyterLab", "note", "missing", "pip install jupyterlab")
    return Finding("JupyterLab", "ok", "jupyter lab _build/notebooks/student")


def builders() -> Finding:
    """What only those need who build and test the site."""
    absent = []
    if not _found("jupyter_book"):
        absent.append("jupyter-book")
    if not shutil.which("npm"):
        absent.append("npm")
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))):
        absent.append("Chromium")
    if absent:
        mend = "only builders need it; see 'How to use this book'"
        return Finding("site", "note", f"to build and test it: {', '.join(absent)} missing", mend)
    return Finding("site", "ok", "jupyter-book, npm and Chromium are there")


def _found(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _short(path: str | os.PathLike, width: int) -> str:
    """The end of a path, if all of it is too long."""
    text = str(path)
    return text if len(text) <= width else "..." + text[3 - width :]


CHECKS: tuple[Callable[[], Finding], ...] = (
    python,
    packages,
    pytorch,
    memory,
    cores,
    recordings,
    storage,
    fonts,
    sound,
    jupyter,
    builders,
)


def screen(findings: Sequence[Finding]) -> str:
    """Findings as text of at most 24 lines of 80 columns, what mends each below it."""
    lines = []
    for each in findings:
        lines.append(f"{each.state:<9}{each.name:<12}{each.text}")
        if each.mend:
            lines.append(f"{'':<18}-> {each.mend}")
    problems = sum(each.state == "problem" for each in findings)
    lines.append(
        f"{problems} problem{'s' if problems > 1 else ''}: mend what is marked, and run it again"
        if problems
        else "The book can run here."
    )
    return "\n".join(line if len(line) <= WIDTH else line[: WIDTH - 3] + "..." for line in lines)


def main() -> int:
    """Print the screen; 0 if the book can run here, 1 if something essential is missing."""
    findings = [check() for check in CHECKS]
    print(screen(findings))
    return 1 if any(each.state == "problem" for each in findings) else 0
