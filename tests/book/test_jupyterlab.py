"""A student's notebook in JupyterLab, driven in a browser: it fails kindly, then passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

from book.tools import editions, site
from book.tools.layout import Layout
from book.tools.pages import by_name, discover

LAYOUT = Layout.here()
PAGES = discover(LAYOUT)
PRIMER = by_name(PAGES, "neural_data")
TOKEN = "a-token-for-this-test"
PATIENCE = 300_000  # milliseconds; a kernel that starts on a busy machine takes its time

needs_chromium = pytest.mark.skipif(site.browser_path() is None, reason="needs chromium")

# The notebook is shown, its kernel has answered, and the command to run it can be given.
READY = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.status === 'idle' && jupyterapp.commands.isEnabled('notebook:run-all-cells');
}"""
SETTINGS = {
    # Cells out of sight are drawn, too, and nothing asks another host for news.
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """JupyterLab on a free port of this machine, with settings of its own; its address."""
    for name, held in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(held), encoding="utf-8")
    places = {
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
        "JUPYTER_CONFIG_DIR": folder / "config",
        "JUPYTER_DATA_DIR": folder / "data",
        "JUPYTERLAB_SETTINGS_DIR": folder / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
        "IPYTHONDIR": folder / "ipython",
    }
    environment = {**os.environ, **{name: str(path) for name, path in places.items()}}
    environment["PYTHONPATH"] = str(LAYOUT.root)
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ip=127.0.0.1"]
    command += ["--port=0", "--allow-root", "--expose-app-in-browser"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder / 'work'}"]
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    try:
        yield _address(server, folder)
    finally:
        server.terminate()
        server.wait(timeout=60)


def _address(server: subprocess.Popen, folder: Path) -> str:
    for _ in range(600):
        for path in (folder / "runtime").glob(f"jpserver-{server.pid}.json"):
            return json.loads(path.read_text(encoding="utf-8"))["url"]
        if server.poll() is not None:
            break
        time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not start:\n{(folder / 'log.txt').read_text()}")


def short_edition(kind: str) -> nbformat.NotebookNode:
    """The primer's notebook with its imports and exercises, and without what takes long.

    The cells between the first one and the exercises simulate and draw; no exercise needs them.
    """
    notebook = editions.notebook(LAYOUT, PRIMER, kind, PAGES)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    graded = [cell for cell in code if "nbgrader" in cell.metadata]
    keep = {cell.id for cell in [*code[:2], *graded]}
    notebook.cells = [c for c in notebook.cells if c.cell_type == "markdown" or c.id in keep]
    return notebook


@needs_chromium
def test_first_exercise_in_jupyterlab(tmp_path):
    """All cells run; the starter is named kindly; typed in, the solution passes."""
    student, solved = short_edition("student"), short_edition("instructor")
    starter, test = [cell for cell in student.cells if "nbgrader" in cell.metadata][:2]
    solution = next(cell.source for cell in solved.cells if cell.id == starter.id)
    (tmp_path / "work").mkdir()
    nbformat.write(student, str(tmp_path / "work" / "primer.ipynb"))
    with jupyterlab(tmp_path) as address, site.chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.goto(f"{address}lab/tree/primer.ipynb?token={TOKEN}")
        notebook = page.locator(".jp-NotebookPanel .jp-Notebook")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        # A command of JupyterLab, where a click is lost on a menu that is still being built.
        page.wait_for_function(READY)
        page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
        first = notebook.locator(".jp-CodeCell", has_text=test.source).first
        answer = first.locator(".nt-check")
        answer.wait_for()
        name = editions.exercise_name(PRIMER, starter.source)
        assert "Not yet." in answer.inner_text()
        assert f"write {name} here, then run this cell and the check" in answer.inner_text()
        # Nothing raised, up to the last check of the notebook.
        page.wait_for_function("n => document.querySelectorAll('.nt-check').length === n", arg=3)
        assert notebook.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
        # The style of the site is there: the border of a wrong answer is not that of a right one.
        border = "each => getComputedStyle(each).borderLeftColor"
        wrong = answer.evaluate(border)

        editor = notebook.locator(".jp-CodeCell", has_text=f"def {name}(").first
        editor.locator(".cm-content").click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(solution)
        page.keyboard.press("Shift+Enter")
        page.keyboard.press("Shift+Enter")
        right = first.locator(".nt-check.nt-right")
        right.wait_for()
        assert "Right." in right.inner_text()
        assert right.evaluate(border) != wrong
