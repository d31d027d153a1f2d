"""Render the staged tree with Jupyter Book; skip what is already rendered."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import assets
from .console import BuildError
from .fingerprint import digest, file_digest, installed_versions
from .layout import Layout
from .stage import FACTS

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_BOOK = "from jupyter_book.cli.main import main; main()"


def site_key(layout: Layout, tree: str) -> dict[str, str]:
    """What the site depends on: the staged tree, and all that shapes every page of it."""
    tools = sorted(Path(__file__).parent.glob("*.py")) + [assets.PACKAGES]
    package = sorted(layout.package.rglob("*.py"))
    every_page = {
        "tools": [file_digest(path) for path in tools],
        "config": file_digest(layout.root / "_config.yml"),
        "toc": file_digest(layout.root / "_toc.yml"),
        "versions": installed_versions(),
        "vendor": assets.folder(layout).is_dir(),
        "titles": _titles(layout.source),
        "static": [file_digest(path) for path in sorted(layout.source.glob("_static/**/*.*"))],
        "modules": [path.relative_to(layout.root).as_posix() for path in package],
    }
    code = [file_digest(path) for path in package]
    return {"every_page": digest(every_page), "tree": tree, "code": digest(code)}


def _titles(source: Path) -> list[str]:
    facts = sorted((source / FACTS).rglob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8"))["title"] for path in facts]


def render(
    layout: Layout,
    tree: str,
    *,
    out: Path,
    source: Path | None = None,
    strict: bool = True,
    only: str = "",
) -> bool:
    """Build the site, or see that it is up to date.

    Sphinx reads only what changed since the last build that succeeded. After a build that failed
    or was killed everything is read again: otherwise a warning of a page that was read before the
    failure would be lost, and the next build would pass.

    Args:
        layout: folders of the book.
        tree: SHA-256 of the staged tree.
        out: folder of the build; the site is `out/_build/html`.
        source: the staged tree; by default that of the layout.
        strict: whether a warning is an error.
        only: in a build that is not strict, print warnings of files that begin with this.

    Returns:
        False if nothing had to be done.

    Raises:
        BuildError: if Jupyter Book fails, or warns in a strict build.
    """
    source = source or layout.source
    build = out / "_build"
    stamp = build / "site.json"
    html = build / "html"
    key = {**site_key(layout, tree), "strict": str(strict)}
    before = json.loads(stamp.read_text(encoding="utf-8")) if stamp.is_file() else None
    if before == key and (html / "index.html").is_file():
        return False
    if before is None or before["every_page"] != key["every_page"]:
        shutil.rmtree(build / ".doctrees", ignore_errors=True)
        shutil.rmtree(html, ignore_errors=True)
    build.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    command = [sys.executable, "-c", _BOOK, "build", str(source), "--path-output", str(out)]
    command += ["--quiet", "--keep-going"]
    command += ["-W"] if strict else []
    search = [str(layout.root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(search),
        "NEUROTUTOR_VENDOR": str(assets.folder(layout)),
        "NEUROTUTOR_DRIVER": str(os.getpid()),
        "PYTHONWARNINGS": "ignore",
    }
    environment.pop("NEUROTUTOR_RECORDS", None)
    done = subprocess.run(
        command,
        env=environment,
        cwd=layout.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    log = _ANSI.sub("", done.stdout).replace(str(source) + os.sep, "")
    (build / "render.log").write_text(log, encoding="utf-8")
    if done.returncode != 0:
        raise BuildError(f"Jupyter Book failed:\n{log.strip()}")
    for line in log.splitlines():
        if ("WARNING" in line or "ERROR" in line) and line.startswith(only):
            print(line, file=sys.stderr)
    draft = stamp.with_suffix(".part")
    draft.write_text(json.dumps(key), encoding="utf-8")
    os.replace(draft, stamp)
    return True
