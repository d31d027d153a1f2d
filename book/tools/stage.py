"""Stage the tree that Jupyter Book reads: executed notebooks, plain pages, facts on each."""

from __future__ import annotations

import copy
import fnmatch
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import yaml

from . import fingerprint, records, routes
from .cache import Execution
from .console import BuildError
from .layout import Layout
from .pages import Page, solution, starter

FACTS = "_facts"  # folder of the staged tree with one JSON file per page, read by the directives
BENCH = "_bench"  # folder of the staged tree with the records of the benchmarks
_COPIED = {".bib", ".png", ".svg", ".jpg", ".webp", ".css", ".js", ".json"}
_NO_API = ("neurotutor.teaching.exercises",)


def facts(page: Page, claims: list[dict[str, Any]], execution: Execution | None) -> dict[str, Any]:
    """Everything that directives of any page may say about this page."""
    paper = records.paper_path(page.path)
    return {
        "name": page.name,
        "docname": page.docname,
        "title": page.title,
        "short_title": page.short_title,
        "is_chapter": page.is_chapter,
        "is_notebook": page.is_notebook,
        "exercises": routes.exercise_titles(page),
        "questions": routes.question_count(page) if page.is_notebook else 0,
        "front": {key: value for key, value in page.front.items() if key not in _TECHNICAL},
        "claims": claims,
        "record": execution.record if execution else {},
        "cost": {k: v for k, v in execution.cost.items() if k != "cell_seconds"}
        if execution
        else {},
        "paper": json.loads(paper.read_text(encoding="utf-8")) if paper.is_file() else {},
    }


_TECHNICAL = ("jupytext", "kernelspec")


def merge(page: Page, execution: Execution | None) -> nbformat.NotebookNode:
    """The page's present text with the outputs of its execution."""
    notebook = page.notebook()
    if execution is None:
        return notebook
    outputs = [cell for cell in execution.notebook.cells if cell.cell_type == "code"]
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, done in zip(cells, outputs, strict=True):
        cell.outputs = copy.deepcopy(done.outputs)
        cell.execution_count = done.execution_count
    for key in ("widgets", "language_info"):
        if key in execution.notebook.metadata:
            notebook.metadata[key] = execution.notebook.metadata[key]
    return notebook


def for_site(page: Page, notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook as the site shows it: starters to copy, worked solutions folded away."""
    shown = []
    for cell in notebook.cells:
        tags = list(cell.metadata.get("tags", []))
        if cell.cell_type == "code" and "exercise" in tags:
            code = _held(page, cell.source, starter)
            text = (
                "::::{admonition} Your turn\n:class: nt-starter\n\n"
                f":::{{code-block}} python\n{code}\n:::\n::::"
            )
            shown.append(nbformat.v4.new_markdown_cell(text, id=f"{cell.id}-starter"))
            cell.source = _held(page, cell.source, solution)
            label = "Worked solution"
            cell.metadata["mystnb"] = {
                "code_prompt_show": label,
                "code_prompt_hide": label,
                **cell.metadata.get("mystnb", {}),
            }
            cell.metadata["tags"] = [*tags, "hide-cell" if cell.outputs else "hide-input"]
        shown.append(cell)
    # Front matter is for the driver; Sphinx would print it on the page.
    notebook.metadata = {
        key: notebook.metadata[key]
        for key in ("kernelspec", "language_info", "widgets")
        if key in notebook.metadata
    }
    notebook.cells = shown
    return notebook


def _held(page: Page, source: str, change: Any) -> str:
    try:
        return change(source)
    except BuildError as error:
        raise BuildError(f"{page.path}: an exercise cell is not well formed: {error}") from error


def api_modules(layout: Layout) -> list[str]:
    """Public modules of the package, dotted, in order."""
    found = []
    for path in sorted(layout.package.rglob("*.py")):
        parts = path.relative_to(layout.root).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        dotted = ".".join(parts)
        if any(part.startswith("_") for part in parts) or dotted.startswith(_NO_API):
            continue
        if path.name == "__init__.py" and not path.read_text(encoding="utf-8").strip():
            continue
        found.append(dotted)
    return sorted(found)


def _reference(layout: Layout, dotted: str) -> str:
    """The page of one module: its own members in full, and links to those that it passes on."""
    options = "   :members:\n   :ignore-module-all:\n"
    page = f"# {dotted}\n\n```{{eval-rst}}\n.. automodule:: {dotted}\n{options}```\n"
    passed_on = sorted(fingerprint.passed_on(layout.root, dotted))
    if passed_on:
        page += "\n**Also importable from here**\n\n"
        page += "".join(f"- {{py:obj}}`{name} <{where}>`\n" for name, where in passed_on)
    return page


def tree(
    layout: Layout,
    pages: Sequence[Page],
    executions: Mapping[str, Execution],
    *,
    api: bool = True,
) -> dict[str, bytes]:
    """The staged tree: relative path -> content, with or without the pages of the reference."""
    claims = records.read_claims(layout)
    files: dict[str, bytes] = {}
    for page in pages:
        execution = executions.get(page.name)
        if page.is_notebook:
            notebook = for_site(page, merge(page, execution))
            files[f"{page.docname}.ipynb"] = nbformat.writes(notebook).encode()
        else:
            files[f"{page.docname}.md"] = page.text.encode()
        known = facts(page, claims.get(page.name, []), execution)
        files[f"{FACTS}/{page.docname}.json"] = _json(known)
    for path in sorted(layout.book.rglob("*")):
        relative = path.relative_to(layout.book)
        if (
            path.is_file()
            and path.suffix in _COPIED
            and relative.parts[0] != "tools"
            and not path.name.endswith(".paper.json")
        ):
            files[relative.as_posix()] = path.read_bytes()
    for path in sorted((layout.root / "benchmarks").glob("*.json")):
        files[f"{BENCH}/{path.name}"] = path.read_bytes()
    for dotted in api_modules(layout) if api else ():
        files[f"api/{dotted}.md"] = _reference(layout, dotted).encode()
    files["_config.yml"] = (layout.root / "_config.yml").read_bytes()
    files["_toc.yml"] = (layout.root / "_toc.yml").read_bytes()
    return files


def write(folder: Path, files: Mapping[str, bytes]) -> str:
    """Make `folder` hold exactly `files`; what is unchanged keeps its time.

    Returns:
        SHA-256 of the whole tree.
    """
    total = hashlib.sha256()
    for name, content in sorted(files.items()):
        total.update(f"{name}\0{len(content)}\0".encode())
        total.update(content)
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(path.name + ".part")
            draft.write_bytes(content)
            os.replace(draft, path)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in files:
            path.unlink()
    return total.hexdigest()


def present_toc(layout: Layout, files: Mapping[str, bytes]) -> bytes:
    """The table of contents without pages that do not exist yet, for a preview."""
    names = [name.rpartition(".")[0] for name in files if name.endswith((".md", ".ipynb"))]

    def there(item: Any) -> bool:
        pattern = item.get("file") or item.get("glob")
        return pattern is None or bool(fnmatch.filter(names, pattern))

    def kept(node: Any) -> Any:
        if isinstance(node, list):
            return [kept(item) for item in node if there(item)]
        if isinstance(node, dict):
            items = {key: kept(value) for key, value in node.items()}
            return {key: value for key, value in items.items() if value != []}
        return node

    toc = kept(yaml.safe_load((layout.root / "_toc.yml").read_text(encoding="utf-8")))
    if "parts" in toc:
        toc["parts"] = [part for part in toc["parts"] if "chapters" in part]
    return yaml.safe_dump(toc, sort_keys=False).encode()


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str).encode()
