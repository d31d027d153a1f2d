"""The branch that Binder and Colab open: students' notebooks beside the package of this version.

Both services open notebooks that lie in a repository as `.ipynb`. The sources of the pages are
text, so the notebooks go to a branch of their own, which the publishing workflow overwrites.
"""

from __future__ import annotations

import os
import shutil
import subprocess

import nbformat

from . import editions
from .address import Address
from .console import say
from .layout import Layout
from .pages import discover

# What the package needs to be installed on the branch, and what Binder reads.
CARRIED = (
    ".binder",
    "LICENSE",
    "README.md",
    "data/registry.toml",
    "neurotutor",
    "pyproject.toml",
    "requirements.txt",
)
_COLAB = """\
# In Colab only: fetch the package of the book, version {version}, in the state of this notebook.
import sys

if "google.colab" in sys.modules:
    %pip install --quiet --src /content/src -e "git+{repository}@{state}#egg=neurotutor"
    sys.path.insert(0, "/content/src/neurotutor")"""


def write(layout: Layout) -> bool:
    """Write the content of the branch, or nothing while the repository's address is not set.

    Returns:
        Whether it was written.

    Raises:
        BuildError: if an address in `_config.yml` is malformed, or an exercise of a page.
    """
    address = Address.read(layout)
    shutil.rmtree(layout.launch, ignore_errors=True)
    if not address.repository:
        say(
            "    no repository.url is set in _config.yml: no page offers Binder or Colab, and "
            f"{layout.launch.name}/ is not written"
        )
        return False
    draft = layout.launch.with_suffix(".part")
    shutil.rmtree(draft, ignore_errors=True)
    cell = colab_cell(address, state(layout, address))
    for name, content in editions.notebooks(layout, "student", discover(layout)).items():
        goal = draft / name
        goal.parent.mkdir(parents=True, exist_ok=True)
        notebook = nbformat.reads(content.decode(), as_version=4)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(cell, id="colab"))
        nbformat.write(notebook, goal)
    for name in CARRIED:
        source, goal = layout.root / name, draft / name
        goal.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, goal, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, goal)
    os.replace(draft, layout.launch)
    return True


def state(layout: Layout, address: Address) -> str:
    """The commit that the book is built from; outside a git checkout, the tag of its version."""
    git = shutil.which("git")
    if git is not None and (layout.root / ".git").exists():
        done = subprocess.run(
            [git, "rev-parse", "HEAD"],
            cwd=layout.root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return done.stdout.strip()
    return f"v{address.version}"


def colab_cell(address: Address, state: str) -> str:
    """The first cell of a launched notebook, which does nothing outside Colab."""
    return _COLAB.format(version=address.version, repository=address.repository, state=state)
