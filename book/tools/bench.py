"""Compare with other libraries: their own environment, one benchmark after another, records."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from .bench_records import MISSING
from .console import BuildError, say, step
from .layout import Layout

ENVIRONMENT = ".venv-bench"
_LIBRARIES = ("OMP", "MKL", "OPENBLAS", "NUMBA")
_NOT_BENCHMARKS = ("common", "__init__")


def names(layout: Layout) -> list[str]:
    """Chapters that have a benchmark."""
    found = (path.stem for path in (layout.root / "benchmarks").glob("*.py"))
    return sorted(name for name in found if name not in _NOT_BENCHMARKS)


def peers(layout: Layout) -> list[str]:
    """Pinned peers of `benchmarks/requirements.txt`, as `name==version`.

    Raises:
        BuildError: if one of them is not pinned.
    """
    path = layout.root / "benchmarks" / "requirements.txt"
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    found = [line for line in lines if line]
    for each in found:
        if not re.fullmatch(r"[\w.-]+==[\w.]+", each):
            raise BuildError(f"{path.name}: a peer is pinned as name==version, got {each!r}")
    return found


def environment(layout: Layout) -> Path:
    """Python of the peers' environment, made now if it does not stand.

    The book's own packages come first, with the book's versions; then each peer by itself. One that
    pip refuses is left out; why is kept beside the environment, and every record that would have
    used it repeats it.

    Raises:
        BuildError: if the book's own packages do not install.
    """
    folder = layout.root / ENVIRONMENT
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pins = [layout.root / "requirements.txt", layout.root / "benchmarks" / "requirements.txt"]
    wanted = hashlib.sha256(sys.version.encode() + b"".join(p.read_bytes() for p in pins))
    stamp = folder / ".ready"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted.hexdigest():
        return python
    stamp.unlink(missing_ok=True)
    with step(f"making the peers' environment {ENVIRONMENT} (minutes)"):
        # What a kill or other pins left behind may hold half a package: it is made afresh.
        venv.create(folder, with_pip=True, clear=folder.exists())
        failed = _pip(python, "-r", str(pins[0]))
        if failed:
            raise BuildError(f"the book's own packages do not install: {failed}")
        missing = {}
        for peer in peers(layout):
            # Its dependencies must not move a version of the book; where they would, the peer
            # may still run without its own wishes.
            failed = _pip(python, "-c", str(pins[0]), peer)
            if failed and _pip(python, "--no-deps", peer):
                missing[peer.partition("==")[0]] = failed
                say(f"    {peer} does not install: {failed}")
            elif failed:
                say(f"    {peer} installed without its dependencies: {failed}")
        (folder / MISSING).write_text(json.dumps(missing, indent=1), encoding="utf-8")
    stamp.write_text(wanted.hexdigest(), encoding="utf-8")
    return python


def _pip(python: Path, *arguments: str) -> str:
    """Install; what pip said at the end if it failed, in one line."""
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-q", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["pip failed"]
    # A package that does not build ends with pip's remarks; the reason stands before them.
    errors = [line for line in said if re.match(r"ERROR:|\w*Error:", line)]
    return (errors[0] if errors else said[-1]).removeprefix("ERROR: ")[:200]


def run(layout: Layout, chosen: Sequence[str], *, threads: int = 1) -> list[str]:
    """Run the named benchmarks, or all, one at a time; their records replace the committed ones.

    Args:
        layout: folders of the book.
        chosen: chapters; none means all.
        threads: of every library.

    Returns:
        Chapters that missed a target.

    Raises:
        BuildError: for an unknown chapter, fewer than one thread, or a benchmark that ended
            without a record: its results disagreed.
    """
    known = names(layout)
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        raise BuildError(f"no benchmark is called {unknown[0]!r}; there are {', '.join(known)}")
    if threads < 1:
        raise BuildError(f"threads must be 1 or greater, got {threads}")
    python = environment(layout)
    search = [str(layout.root), *filter(None, [os.environ.get("PYTHONPATH")])]
    setting = {f"{library}_NUM_THREADS": str(threads) for library in _LIBRARIES}
    environ = {**os.environ, **setting, "PYTHONPATH": os.pathsep.join(search)}
    missed = []
    for name in chosen or known:
        out = layout.root / "benchmarks" / f"{name}.json"
        before = out.stat().st_mtime_ns if out.is_file() else 0
        with step(f"benchmark of {name}, {threads} thread{'s' * (threads > 1)}"):
            command = [str(python), "-m", f"benchmarks.{name}", "--out", str(out)]
            done = subprocess.run(command, cwd=layout.root, env=environ, check=False)
        if not out.is_file() or out.stat().st_mtime_ns == before:
            raise BuildError(f"the benchmark of {name} left no record (exit {done.returncode})")
        if done.returncode:
            missed.append(name)
    return missed
