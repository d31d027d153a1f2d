"""Where the seconds of a page go: by cell, and by function of the package."""

from __future__ import annotations

import cProfile
import os
import pstats
import time
from dataclasses import dataclass
from pathlib import Path

from .console import BuildError, say
from .layout import Layout
from .pages import Page, by_name, discover


@dataclass(frozen=True)
class Profile:
    """What running a page in this process cost.

    Attributes:
        cells: CPU seconds of each code cell, and the first line of its code, slowest first.
        functions: CPU seconds of each function of the package with all that it calls, how often it
            was called, and its name; slowest first.
    """

    cells: list[tuple[float, str]]
    functions: list[tuple[float, int, str]]


def run(page: Page, package: Path) -> Profile:
    """Run the code cells of a page under the profiler, which makes them slower.

    Args:
        page: a page with code cells.
        package: folder whose functions are listed.

    Raises:
        BuildError: if the page has no code, or a cell fails.
    """
    if not page.is_notebook:
        raise BuildError(f"{page.path} has no code cells")
    from IPython.core.interactiveshell import InteractiveShell

    os.environ.setdefault("MPLBACKEND", "Agg")
    shell = InteractiveShell()
    profiler = cProfile.Profile(time.process_time)
    cells = []
    for number, cell in enumerate(page.code_cells, start=1):
        start = time.process_time()
        profiler.enable()
        done = shell.run_cell(cell.source, silent=True)
        profiler.disable()
        if not done.success:
            wrong = done.error_before_exec or done.error_in_exec
            raise BuildError(f"{page.path}: code cell {number} failed: {wrong!r}")
        first = (cell.source.strip().splitlines() or ["(empty)"])[0]
        cells.append((time.process_time() - start, first))
    own = str(package.resolve()) + os.sep
    functions = [
        (together, calls, f"{Path(file).relative_to(package.resolve())}:{line} {name}")
        for (file, line, name), (_, calls, _, together, _) in pstats.Stats(profiler).stats.items()
        if file.startswith(own)
    ]
    return Profile(sorted(cells, reverse=True), sorted(functions, reverse=True))


def report(layout: Layout, name: str, count: int = 15) -> None:
    """Run a page under the profiler and print its slowest cells and functions."""
    found = run(by_name(discover(layout), name), layout.package)
    total = sum(seconds for seconds, _ in found.cells)
    say(f"{name}: {total:.1f} CPU seconds under the profiler, which adds its own")
    for seconds, first in found.cells[:count]:
        say(f"    {seconds:7.2f} s  {first[:80]}")
    say("functions of the package, with all that they call:")
    for seconds, calls, where in found.functions[:count]:
        say(f"    {seconds:7.2f} s  {calls:>8} calls  {where}")
