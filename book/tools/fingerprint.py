"""The key of an execution: everything that its outputs depend on, and nothing else."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from . import records
from .layout import Layout
from .pages import Page

FORMAT = 1  # raise it when executions made by an older driver must not be trusted any more
_MAGIC = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)


def digest(value: Any) -> str:
    """SHA-256 of a value that JSON can express."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def installed_versions() -> list[str]:
    """Every installed distribution as `name==version`."""
    found = {
        f"{(item.metadata['Name'] or '').lower().replace('_', '-')}=={item.version}"
        for item in metadata.distributions()
    }
    return sorted(found)


def module_file(root: Path, dotted: str) -> Path | None:
    """The source file of a module below `root`, or None if there is none."""
    path = root.joinpath(*dotted.split("."))
    for candidate in (path.with_name(path.name + ".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def imported_names(source: str, package: str, module: str = "") -> set[str]:
    """Dotted names below `package` that Python source mentions as imports.

    Args:
        source: Python, possibly with IPython's magics. Source that does not parse imports nothing:
            its execution fails anyway.
        package: the top-level package.
        module: dotted name of the package that relative imports start from.

    Returns:
        Names that may be modules or members of modules.
    """
    if source.lstrip().startswith("%%"):
        source = source.lstrip().partition("\n")[2]
    try:
        tree = ast.parse(_MAGIC.sub(r"\1pass", source))
    except SyntaxError:
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")[: len(module.split(".")) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)  # importlib.import_module("package.module")
    prefix = package + "."
    return {name for name in found if name == package or name.startswith(prefix)}


def closure(root: Path, names: Iterable[str], package: str = "neurotutor") -> dict[str, Path]:
    """Modules that importing `names` executes, transitively, with their files.

    The parents of a module are executed, too, and so belong to the result.
    """
    found: dict[str, Path] = {}
    waiting = list(names)
    while waiting:
        parts = waiting.pop().split(".")
        for length in range(1, len(parts) + 1):
            dotted = ".".join(parts[:length])
            if dotted in found or not all(part.isidentifier() for part in parts[:length]):
                continue
            path = module_file(root, dotted)
            if path is None:
                continue
            found[dotted] = path
            base = dotted if path.name == "__init__.py" else dotted.rpartition(".")[0]
            text = path.read_text(encoding="utf-8")
            waiting.extend(imported_names(text, package, base))
    return found


def passed_on(root: Path, dotted: str) -> set[tuple[str, str]]:
    """Names that a package's `__init__` imports from its own modules: (name, dotted origin)."""
    path = module_file(root, dotted)
    if path is None or path.name != "__init__.py":
        return set()
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ImportFrom):
            continue
        base = f"{dotted}.{node.module}" if node.level == 1 and node.module else node.module
        if base and base.startswith(dotted + "."):
            found |= {(alias.asname or alias.name, f"{base}.{alias.name}") for alias in node.names}
    return {(name, where) for name, where in found if not name.startswith("_")}


def page_modules(layout: Layout, page: Page) -> dict[str, Path]:
    """Modules of the package that executing the page may import."""
    names = {"neurotutor.teaching", f"neurotutor.teaching.exercises.{page.name}"}
    for cell in page.code_cells:
        names |= imported_names(cell.source, "neurotutor")
    return closure(layout.root, names)


def data_folders(layout: Layout) -> list[Path]:
    """Folders that are searched for recordings, in order."""
    own = layout.root / "data" / "cache"
    named = os.environ.get("NEUROTUTOR_DATA")
    return [Path(named).resolve(), own] if named else [own]


def locate_data(layout: Layout, name: str) -> Path | None:
    """The file or the folder of a recording, or None where it is absent."""
    for folder in data_folders(layout):
        path = folder / f"{name}.npz"
        if path.is_file():
            return path
        if (folder / name).is_dir():
            return folder / name
    return None


def data_state(layout: Layout, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each recording, or `absent`."""
    state = {}
    for name in sorted(names):
        path = locate_data(layout, name)
        if path is not None and path.is_dir():
            sums = [f"{each.name} {file_digest(each)}" for each in sorted(path.iterdir())]
            state[name] = hashlib.sha256("\n".join(sums).encode()).hexdigest()
        else:
            state[name] = "absent" if path is None else file_digest(path)
    return state


def execution_key(
    layout: Layout, page: Page, claims: list[dict[str, Any]], versions: list[str]
) -> str:
    """The key under which an execution of the page is kept.

    Prose is not part of it: editing text alone does not execute a page again.

    Args:
        layout: folders of the book.
        page: a page with code cells.
        claims: the page's entry in `claims.toml`.
        versions: result of `installed_versions`.
    """
    modules = page_modules(layout, page)
    at_scale = records.scale()
    shown = {}
    # A run at the paper's scale writes its record; it must not be made again because of it.
    if at_scale == "tutorial":
        shown["paper"] = records.paper_path(page.path)
    if any("benchmarks" in cell.source for cell in page.code_cells):
        shown["benchmark"] = layout.root / "benchmarks" / f"{page.name}.json"
    return digest(
        {
            "format": FORMAT,
            "page": page.name,
            "cells": [[cell.source, dict(cell.metadata)] for cell in page.code_cells],
            "kernel": page.front.get("kernelspec"),
            "modules": {name: file_digest(path) for name, path in modules.items()},
            "claims": claims,
            "data": data_state(layout, page.front.get("data") or []),
            **{name: file_digest(path) for name, path in shown.items() if path.is_file()},
            "scale": at_scale,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "versions": versions,
        }
    )
