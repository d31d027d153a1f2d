"""Execute notebooks: each once, under `pytest --nbmake`, in a process of its own, measured."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import psutil

from . import cache, calibration, records
from .cache import Execution
from .console import BuildError, gibibytes, say
from .fingerprint import data_folders, execution_key, installed_versions, locate_data
from .layout import Layout
from .pages import Page

CELL_LIMIT = {"tutorial": 1800, "paper": 7 * 24 * 3600}  # seconds
MEMORY_EACH = 3 * 2**30  # what a chapter may use, and so how many may run side by side
# A driver that is ended takes its notebooks along: else one would go on for days, and write into
# the checkpoints of the run that goes on from them.
_PYTEST = """
import os, sys, threading, time, pytest

def watch(driver=os.getppid()):
    while os.getppid() == driver:
        time.sleep(0.2)
    os._exit(1)

threading.Thread(target=watch, daemon=True).start()
sys.exit(pytest.main())
"""
_SAMPLE = 0.1  # seconds between two looks at the memory
_LOOKS_A_SEARCH = 5
# What NumPy, PyTorch and CUDA say when memory runs out, and Jupyter when the system ended a kernel.
_NO_MEMORY = re.compile(
    r"MemoryError|OutOfMemory|out of memory|can't allocate memory|ALLOC_FAILED|DeadKernel"
)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class ExecutionFailed(BuildError):
    """A page did not execute; the message shows the cell and the traceback."""


@dataclass(frozen=True)
class Job:
    """A page that has code cells, and the key of its execution."""

    page: Page
    key: str
    claims: list[dict[str, Any]]


def plan(layout: Layout, pages: Sequence[Page]) -> list[Job]:
    """The pages that are notebooks, each with the key of its execution."""
    versions = installed_versions()
    claims = records.read_claims(layout)
    return [
        Job(page, execution_key(layout, page, entry, versions), entry)
        for page in pages
        if page.is_notebook
        for entry in [claims.get(page.name, [])]
    ]


def workers(count: int) -> int:
    """How many notebooks run side by side: as cores and free memory allow."""
    if count < 1:
        return 1
    cores = len(psutil.Process().cpu_affinity()) if sys.platform == "linux" else os.cpu_count() or 1
    memory = int(psutil.virtual_memory().available // MEMORY_EACH)
    return max(1, min(count, cores, memory))


def execute_all(
    layout: Layout,
    jobs: Sequence[Job],
    *,
    at_once: int | None = None,
    expected: Mapping[str, float] | None = None,
) -> dict[str, Execution]:
    """Executions of all jobs, from the cache or made now; those that take longest begin.

    A failure does not keep the others from finishing: they are kept, and not repeated next time.

    Args:
        layout: folders of the book.
        jobs: what to execute.
        at_once: how many run side by side; by default as many as cores and memory allow.
        expected: seconds of pages that were never executed on this machine, as far as known.

    Raises:
        ExecutionFailed: if any page failed; nothing is kept for it.
    """
    done = {job.page.name: cache.load(layout.cache, job.page.name, job.key) for job in jobs}
    waiting = [job for job in jobs if done[job.page.name] is None]
    kept = len(jobs) - len(waiting)
    if kept:
        say(f"    {kept} of {len(jobs)} unchanged, not executed again")
    expected = expected or {}

    def seconds(job: Job) -> float:
        last = cache.last_cost(layout.cache, job.page.name)
        return last if math.isfinite(last) else expected.get(job.page.name, math.inf)

    waiting.sort(key=seconds, reverse=True)
    speed = calibration.measure() if waiting else {}
    failures: list[str] = []

    def one(job: Job) -> None:
        try:
            execution = execute(layout, job)
        except ExecutionFailed as error:
            failures.append(job.page.name)
            say(str(error), error=True)
            return
        execution.cost["calibration"] = speed
        cache.store(layout.cache, job.page.name, job.key, execution)
        done[job.page.name] = execution
        cost = execution.cost
        say(
            f"    {job.page.name}: executed in {cost['wall_seconds']:.1f} s, "
            f"{gibibytes(cost['peak_bytes'])}"
        )

    with ThreadPoolExecutor(at_once or workers(len(waiting))) as pool:
        for future in [pool.submit(one, job) for job in waiting]:
            future.result()
    if failures:
        raise ExecutionFailed(
            f"{len(failures)} of {len(jobs)} notebooks failed: {', '.join(sorted(failures))}"
        )
    return {name: execution for name, execution in done.items() if execution is not None}


def execute(layout: Layout, job: Job) -> Execution:
    """Execute one page and check what it left.

    Raises:
        ExecutionFailed: if a cell failed or did not run, or the claims on record do not stand.
    """
    page = job.page
    scale = records.scale()
    run = run_cells(layout, page, page.notebook())
    executed, record = run.notebook, run.record
    _check_cells(page, executed, run.code, run.output)
    absent = {each for each in page.front.get("data") or [] if locate_data(layout, each) is None}
    found = records.problems(page.name, job.claims, record, absent=absent, at_scale=scale)
    if found:
        lines = "\n".join(f"  {line}" for line in found)
        raise ExecutionFailed(f"{page.path}: the claims on record do not stand:\n{lines}")
    if scale == "paper":
        say(f"    recorded: {records.keep_paper(page.path, record, run.seconds)}")
    cost = {
        "began": time.time() - run.seconds,
        "wall_seconds": run.seconds,
        "cpu_seconds": run.spent.cpu_seconds,
        "peak_bytes": run.spent.peak_bytes,
        "cell_seconds": [_seconds(cell) for cell in executed.cells if cell.cell_type == "code"],
        "cores": psutil.cpu_count(),
        "device": record.get("environment", {}).get("device", ""),
        "scale": scale,
    }
    for cell in executed.cells:
        cell.metadata.pop("execution", None)
    return Execution(executed, cost, record)


@dataclass(frozen=True)
class Run:
    """What a run of a notebook's cells left, whether or not they succeeded.

    Attributes:
        notebook: with its outputs.
        record: what its cells recorded; empty if they recorded nothing.
        code: exit status of the process.
        output: what the process printed.
        seconds: wall time.
        spent: processor time and memory.
    """

    notebook: nbformat.NotebookNode
    record: dict[str, Any]
    code: int
    output: str
    seconds: float
    spent: Spent


def run_cells(
    layout: Layout, page: Page, notebook: nbformat.NotebookNode, *, threads: int = 1
) -> Run:
    """Run the cells of a notebook in a process and a folder of their own.

    Args:
        layout: folders of the book.
        page: whose notebook it is.
        notebook: its cells; the settings of the notebook itself are left out.
        threads: that each numerical library may use.
    """
    # A notebook must not be able to switch its own failures off.
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    # nbmake does not collect below a folder called _build, so the work is done elsewhere.
    with tempfile.TemporaryDirectory(prefix="neurotutor-", ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        path = work / f"{page.path.stem}.ipynb"
        nbformat.write(notebook, path)
        (work / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        command = [
            sys.executable,
            "-c",
            _PYTEST,
            "--nbmake",
            "--overwrite",
            "-q",
            "-p",
            "nbmake.pytest_plugin",
            "-p",
            "no:cacheprovider",
            "-c",
            "pytest.ini",
            "--rootdir",
            ".",
            f"--nbmake-timeout={CELL_LIMIT[records.scale()]}",
            path.name,
        ]
        environment = _environment(layout, work, threads)
        code, output, seconds, spent = _measured(command, work, environment)
        executed = nbformat.read(path, as_version=4)
        record = records.read_record(work / "records", page.name)
    return Run(executed, record, code, output, seconds, spent)


def _environment(layout: Layout, work: Path, threads: int) -> dict[str, str]:
    """The environment of a kernel: its threads, no settings of the user, progress bars off."""
    dropped = ("PYTEST_", "JUPYTER_", "COV_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    search = [str(layout.root), *filter(None, [os.environ.get("PYTHONPATH")])]
    if "NEUROTUTOR_DATA" in kept:
        kept["NEUROTUTOR_DATA"] = str(data_folders(layout)[0])
    return {
        **kept,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(search),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "IPYTHONDIR": str(work / "ipython"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "MPLCONFIGDIR": str(layout.matplotlib),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "TQDM_DISABLE": "1",
        "NEUROTUTOR_RECORDS": str(work / "records"),
    }


def _measured(
    command: list[str], folder: Path, environment: dict[str, str]
) -> tuple[int, str, float, Spent]:
    """Run a command; its exit code, output, wall time and what its process tree needed."""
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        spent = Spent()
        watcher = threading.Thread(target=_watch, args=(process, spent), daemon=True)
        watcher.start()
        try:
            output, _ = process.communicate()
        except BaseException:
            _end(process)
            raise
        watcher.join()
    return process.returncode, output, time.perf_counter() - start, spent


class Spent:
    """Processor time and memory of a tree of processes, as far as regular looks can see it."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._cpu: dict[int, float] = {}
        self._members: list[psutil.Process] = []
        self._looks = 0

    @property
    def cpu_seconds(self) -> float:
        """Seconds of the processor, of all processes that were seen."""
        return sum(self._cpu.values())

    def look(self, pid: int) -> None:
        """Add what the tree of this process holds and has used by now."""
        # To find the members takes as long as many looks at them: all processes are searched.
        if self._looks % _LOOKS_A_SEARCH == 0:
            self._members = _tree(pid)
        self._looks += 1
        resident = 0
        for each in self._members:
            try:
                with each.oneshot():
                    resident += each.memory_info().rss
                    times = each.cpu_times()
            except psutil.Error:
                continue  # it ended between the two looks
            self._cpu[each.pid] = times.user + times.system
        self.peak_bytes = max(self.peak_bytes, resident)


def _watch(process: subprocess.Popen, spent: Spent) -> None:
    while process.poll() is None:
        spent.look(process.pid)
        time.sleep(_SAMPLE)


def _tree(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def _end(process: subprocess.Popen) -> None:
    for each in reversed(_tree(process.pid)):
        try:
            each.kill()
        except psutil.Error:
            continue


def _seconds(cell: nbformat.NotebookNode) -> float:
    times = cell.metadata.get("execution", {})
    first, last = times.get("iopub.execute_input"), times.get("shell.execute_reply")
    if not first or not last:
        return 0.0
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def _check_cells(page: Page, executed: nbformat.NotebookNode, code: int, output: str) -> None:
    """Refuse a run in which a cell failed or did not run, whatever the exit code says."""
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells, start=1):
        for each in cell.outputs:
            if each.output_type == "error":
                trace = "\n".join(each.traceback) or f"{each.ename}: {each.evalue}"
                raise ExecutionFailed(
                    _failure(page, number, len(cells), cell.source, _ANSI.sub("", trace))
                    + _what_to_lower(page, f"{each.ename}: {each.evalue}")
                )
    if code != 0:
        raise ExecutionFailed(
            f"{page.path}: the notebook did not execute:\n{output}{_what_to_lower(page, output)}"
        )
    for number, cell in enumerate(cells, start=1):
        if cell.source.strip() and cell.execution_count is None:
            raise ExecutionFailed(
                _failure(page, number, len(cells), cell.source, "this cell was not executed")
            )


def _failure(page: Page, number: int, count: int, source: str, trace: str) -> str:
    rule = "-" * 75
    return f"{page.path}: code cell {number} of {count} failed\n{rule}\n{source}\n{rule}\n{trace}"


def _what_to_lower(page: Page, said: str) -> str:
    """After memory ran out at the paper's scale: the setting that decides how much is needed."""
    setting = page.front.get("memory_setting")
    if records.scale() != "paper" or not setting or not _NO_MEMORY.search(said):
        return ""
    owner, _, name = setting.rpartition(".")
    module, _, thing = owner.rpartition(".")
    place = f"`{name}` of `{thing}` ({module})" if owner else f"`{name}`, which a cell sets"
    return (
        f"\n{page.path}: memory ran out, it seems. Lower {place}: at the paper's scale it decides "
        "how much this page needs."
    )


def slowest_cells(page: Page, cost: dict[str, Any], count: int = 5) -> str:
    """The cells that take longest, one line each: seconds and the first line of the code."""
    pairs = sorted(
        zip(cost["cell_seconds"], page.code_cells, strict=True), key=lambda pair: -pair[0]
    )
    return "\n".join(
        f"    {seconds:6.1f} s  {cell.source.strip().splitlines()[0][:80]}"
        for seconds, cell in pairs[:count]
        if seconds >= 0.5 and cell.source.strip()
    )
