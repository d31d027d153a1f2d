"""MathJax, RequireJS, the widget manager: from npm into the site, or linked from a CDN."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from .console import BuildError
from .fingerprint import digest
from .layout import Layout

PACKAGES = Path(__file__).with_name("package.json")
# what is kept of each package: (package, folder or file in it, where it goes in the vendor folder)
KEPT = (
    ("mathjax", "es5/tex-chtml-full.js", "mathjax/tex-chtml-full.js"),
    ("mathjax", "es5/output/chtml/fonts", "mathjax/output/chtml/fonts"),
    ("mathjax", "es5/a11y", "mathjax/a11y"),
    ("mathjax", "es5/sre", "mathjax/sre"),
    ("mathjax", "LICENSE", "mathjax/LICENSE"),
    ("requirejs", "require.js", "requirejs/require.js"),
    ("@jupyter-widgets/html-manager", "dist/embed-amd.js", "widgets/embed-amd.js"),
    # The bundle looks for its fonts beside two of the modules that it defines.
    ("@jupyter-widgets/html-manager", "dist/*.woff2", "widgets/@jupyter-widgets"),
    (
        "@jupyter-widgets/html-manager",
        "dist/*.woff2",
        "widgets/@jupyter-widgets/html-manager/dist",
    ),
)


def versions() -> dict[str, str]:
    """Exact versions of the npm packages."""
    return json.loads(PACKAGES.read_text(encoding="utf-8"))["dependencies"]


def folder(layout: Layout) -> Path:
    """Where the kept files of exactly these versions lie, once they were fetched."""
    return layout.npm / digest([versions(), KEPT])[:16]


def provide(layout: Layout) -> Path | None:
    """Fetch what the site serves itself, unless it is there.

    Returns:
        The folder with the kept files; None where npm is missing.

    Raises:
        BuildError: if npm is there but cannot fetch the packages.
    """
    target = folder(layout)
    if target.is_dir():
        return target
    npm = shutil.which("npm")
    if npm is None:
        return None
    layout.npm.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=layout.npm) as draft:
        kept = Path(draft) / "vendor"
        for package, version in versions().items():
            _unpack(npm, f"{package}@{version}", Path(draft))
            for source, goal in [rest for name, *rest in KEPT if name == package]:
                _keep(Path(draft) / "package", source, kept / goal)
            shutil.rmtree(Path(draft) / "package")
        os.rename(kept, target)
    return target


def development(layout: Layout, package: str, file: str) -> Path | None:
    """Fetch one file of a package that checks the site and is no part of it, unless it is there.

    Args:
        layout: folders of the book.
        package: a name among the `devDependencies`.
        file: what is kept of it, relative to the package.

    Returns:
        The file; None where npm is missing.

    Raises:
        BuildError: if npm is there but cannot fetch the package.
    """
    known = json.loads(PACKAGES.read_text(encoding="utf-8"))["devDependencies"]
    goal = layout.npm / f"{package}-{known[package]}" / file
    if goal.is_file():
        return goal
    npm = shutil.which("npm")
    if npm is None:
        return None
    layout.npm.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=layout.npm) as draft:
        _unpack(npm, f"{package}@{known[package]}", Path(draft))
        _keep(Path(draft) / "package", file, goal.with_name(f"{goal.name}.part"))
        os.replace(goal.with_name(f"{goal.name}.part"), goal)
    return goal


def _unpack(npm: str, package: str, draft: Path) -> None:
    """Fetch the archive of one package, which npm verifies, and unpack it to `draft/package`."""
    done = subprocess.run(
        # Its own cache lies in the home folder, which may not be writable.
        [npm, "pack", package, "--json", "--pack-destination", str(draft), "--cache", "cache"],
        cwd=draft,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(f"npm could not fetch {package}:\n{done.stderr.strip()}")
    (archive,) = draft.glob("*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(draft, filter="data")
    archive.unlink()


def _keep(package: Path, source: str, goal: Path) -> None:
    if "*" in source:
        goal.mkdir(parents=True, exist_ok=True)
        for found in package.glob(source):
            shutil.copy(found, goal / found.name)
        return
    goal.parent.mkdir(parents=True, exist_ok=True)
    if (package / source).is_dir():
        shutil.copytree(package / source, goal)
    else:
        shutil.copy(package / source, goal)
