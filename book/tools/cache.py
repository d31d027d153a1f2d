"""Kept executions: one folder per page and key, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from .fingerprint import file_digest

KEEP = 4  # executions of one page that stay, so that switching back and forth costs nothing
_NOTEBOOK, _COST, _RECORD, _MANIFEST = "notebook.ipynb", "cost.json", "record.json", "manifest.json"


@dataclass(frozen=True)
class Execution:
    """What executing a page gave.

    Attributes:
        notebook: the executed notebook.
        cost: wall time in seconds, peak memory in bytes, seconds of each code cell, machine.
        record: the page's claims as its cells recorded them; empty if it has none.
    """

    notebook: nbformat.NotebookNode
    cost: dict[str, Any]
    record: dict[str, Any]


def _folder(cache: Path, name: str) -> Path:
    return cache / name


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def store(cache: Path, name: str, key: str, execution: Execution) -> None:
    """Keep an execution. A kill at any moment leaves either the whole entry or none.

    The files are written to a folder of another name, which is renamed when all of them are on
    disk; the manifest lets a reader see that each is what was written.
    """
    folder = _folder(cache, name)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / key
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder))
    try:
        nbformat.write(execution.notebook, draft / _NOTEBOOK)
        (draft / _COST).write_text(json.dumps(execution.cost), encoding="utf-8")
        (draft / _RECORD).write_text(json.dumps(execution.record), encoding="utf-8")
        manifest = {item.name: file_digest(item) for item in sorted(draft.iterdir())}
        (draft / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        for item in draft.iterdir():
            _fsync(item)
        if target.exists():  # damaged, or made meanwhile by another run: ours is as good
            doomed = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder))
            target.rename(doomed / "old")
            draft.rename(target)
            shutil.rmtree(doomed)
        else:
            draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _forget(folder)


def load(cache: Path, name: str, key: str) -> Execution | None:
    """The kept execution, or None if there is none that can be trusted."""
    target = _folder(cache, name) / key
    try:
        manifest = json.loads((target / _MANIFEST).read_text(encoding="utf-8"))
        if set(manifest) != {_NOTEBOOK, _COST, _RECORD}:
            return None
        if any(file_digest(target / item) != value for item, value in manifest.items()):
            return None
        cost = json.loads((target / _COST).read_text(encoding="utf-8"))
        record = json.loads((target / _RECORD).read_text(encoding="utf-8"))
        notebook = nbformat.read(target / _NOTEBOOK, as_version=4)
    except (OSError, ValueError):
        return None
    os.utime(target)
    return Execution(notebook, cost, record)


def last_cost(cache: Path, name: str) -> float:
    """Wall time of the page's most recent execution under any key; infinite if there is none."""
    found = sorted(_folder(cache, name).glob(f"*/{_COST}"), key=lambda path: path.stat().st_mtime)
    for path in reversed(found):
        try:
            return float(json.loads(path.read_text(encoding="utf-8"))["wall_seconds"])
        except (OSError, ValueError, KeyError):
            continue
    return float("inf")


def _forget(folder: Path) -> None:
    """Remove all but the most recently used entries, and drafts that a kill left behind."""
    entries = sorted(folder.glob("[!.]*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in entries[KEEP:]:
        shutil.rmtree(path, ignore_errors=True)
    newest = entries[0].stat().st_mtime if entries else 0.0
    for path in folder.glob(".draft-*"):
        if path.stat().st_mtime < newest - 3600:
            shutil.rmtree(path, ignore_errors=True)
