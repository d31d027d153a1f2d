"""The commands that execute, stage and render."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from filelock import FileLock, Timeout

from . import assets, budgets, cache, editions, render, stage
from .bench import ENVIRONMENT
from .console import BuildError, gibibytes, say, step
from .execute import execute_all, plan, slowest_cells
from .layout import Layout
from .pages import Page, by_name, discover


@contextlib.contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """Keep two builds from writing the same folder; the lock dies with its process."""
    layout.build.mkdir(parents=True, exist_ok=True)
    lock = FileLock(layout.build / "build.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say("    another build is staging or rendering; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _executed(
    layout: Layout, pages: Sequence[Page], at_once: int | None
) -> dict[str, cache.Execution]:
    with step("looking for pages whose code, data or versions changed"):
        jobs = plan(layout, pages)
    with step(f"executing {_count(len(jobs), 'notebook')}"):
        expected = {name: entry["seconds"] for name, entry in budgets.read(layout).items()}
        return execute_all(layout, jobs, at_once=at_once, expected=expected)


def scripts(layout: Layout) -> None:
    """Fetch what the site serves itself; a site made without a network links it instead."""
    with step("fetching the scripts that the site serves itself"):
        try:
            missing = "" if assets.provide(layout) else "npm is not installed"
        except BuildError as error:
            missing = str(error)
        if missing:
            say(
                f"    {missing}: the site will link MathJax, RequireJS and the widget\n"
                "    manager from a CDN, and formulas and players need a network"
            )


def book(layout: Layout, *, at_once: int | None = None) -> None:
    """Execute what changed, stage everything, render it with warnings as errors."""
    start = time.perf_counter()
    pages = discover(layout)
    executions = _executed(layout, pages, at_once)
    with _alone(layout):
        scripts(layout)
        with step("staging the pages"):
            tree = stage.write(layout.source, stage.tree(layout, pages, executions))
            editions.write(layout, pages)
        with step("rendering the site"):
            if not render.render(layout, tree, out=layout.root):
                say("    nothing changed since the last build")
    say(f"book built in {time.perf_counter() - start:.1f} s; open")
    say((layout.html / "index.html").as_uri())


def execute(layout: Layout, names: Sequence[str], *, at_once: int | None = None) -> None:
    """Execute the named pages, or all, unless nothing changed for them."""
    pages = discover(layout)
    chosen = [by_name(pages, name) for name in names] if names else pages
    for page in chosen:
        if names and not page.is_notebook:
            raise BuildError(f"{page.path} has no code cells")
    _executed(layout, chosen, at_once)


def paper(layout: Layout, names: Sequence[str]) -> None:
    """Execute the named chapters at the paper's scale, one after the other, and record them.

    What a chapter measured is written beside it. A run that was stopped goes on from what it had
    finished: chapters keep their trainings below `_build/paper`.
    """
    os.environ["NEUROTUTOR_SCALE"] = "paper"
    execute(layout, names, at_once=1)


def chapter(layout: Layout, name: str, *, at_once: int | None = None) -> None:
    """Execute and render one page; other pages show their last outputs, if there are any.

    The preview has a folder of its own, and its warnings are printed but are no errors: other
    pages may be unfinished.
    """
    pages = discover(layout)
    page = by_name(pages, name)
    executions = _executed(layout, [page], at_once) if page.is_notebook else {}
    if page.name in executions:
        cost = executions[page.name].cost
        say(
            f"    {page.name}: {cost['wall_seconds']:.1f} s, {gibibytes(cost['peak_bytes'])}; "
            f"slowest cells:"
        )
        say(slowest_cells(page, cost) or "    none above half a second")
    for job in plan(layout, [other for other in pages if other.name != page.name]):
        kept = cache.load(layout.cache, job.page.name, job.key)
        if kept is not None:
            executions[job.page.name] = kept
    with _alone(layout):
        scripts(layout)
        with step("staging the pages"):
            files = stage.tree(layout, pages, executions, api=False)
            files["_toc.yml"] = stage.present_toc(layout, files)
            tree = stage.write(layout.preview_source, files)
        with step("rendering the preview"):
            render.render(
                layout,
                tree,
                out=layout.preview,
                source=layout.preview_source,
                strict=False,
                only=page.docname,
            )
    say((layout.preview_html / f"{page.docname}.html").as_uri())


def test(layout: Layout, *, at_once: int | None = None) -> int:
    """Style, notebooks and site, then all tests; the exit code."""
    with step("ruff: style"):
        _call([sys.executable, "-m", "ruff", "check", "."], layout, "ruff found something")
    # The structure tests and the browser tests look at what this builds.
    book(layout, at_once=at_once)
    with step("pytest: unit tests, structure of the pages, site in a browser"):
        command = [sys.executable, "-m", "pytest", "-q", "-n", str(min(2, os.cpu_count() or 1))]
        _call(command, layout, "tests failed")
    say("all tests passed")
    return 0


def _call(command: list[str], layout: Layout, failure: str) -> None:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    if subprocess.run(command, cwd=layout.root, env=environment, check=False).returncode != 0:
        raise BuildError(failure)


def clean(layout: Layout) -> None:
    """Remove everything that was made."""
    for folder in (layout.build, layout.root / ".venv", layout.root / ENVIRONMENT):
        if folder.exists():
            shutil.rmtree(folder)
            say(f"removed {folder}")
