"""How steady each claim is: the pages under other seeds and on two threads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import nbformat

from . import cache
from .console import BuildError, say
from .execute import Job, plan, run_cells, workers
from .layout import Layout
from .pages import by_name, discover

RECORD = "sheet.json"
_DIGITS = 6  # of every number that is kept


@dataclass(frozen=True)
class Condition:
    """One way to run a page: which shift of its seeds, and on how many threads."""

    shift: int = 0
    threads: int = 1

    @property
    def name(self) -> str:
        """Key of the condition in the record."""
        seeds = f"seeds {self.shift}" if self.shift else "as it stands"
        return seeds if self.threads == 1 else f"{seeds}, {self.threads} threads"


PLAIN = Condition()
THREADS = Condition(threads=2)
CONDITIONS = (PLAIN, THREADS, *(Condition(shift=shift) for shift in (1, 2, 3, 4)))
SEEDS = tuple(each.name for each in CONDITIONS if each.threads == 1)


def summary(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the sheet keeps of a record: date, environment, and each claim's verdict and numbers."""
    return {
        "date": record.get("date", ""),
        "environment": record.get("environment", {}),
        "claims": {
            claim: {
                "verdict": entry["verdict"],
                "values": {
                    each["name"]: float(f"{each['value']:.{_DIGITS}g}") for each in entry["checks"]
                },
            }
            for claim, entry in record.get("claims", {}).items()
        },
    }


def path(layout: Layout) -> Path:
    """Where the committed sheet lies."""
    return layout.root / "benchmarks" / RECORD


def read(file: Path) -> dict[str, dict[str, Any]]:
    """The sheet, by page and condition; empty if there is none."""
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def vary(layout: Layout, names: Sequence[str], *, at_once: int | None = None) -> None:
    """Run the named pages, or all, under every condition, and keep what they recorded.

    What is on the sheet for a page as it stands now is not run again, and every run is kept as soon
    as it ends. A claim that fails, or a cell that fails, is kept as such and stops nothing.

    Args:
        layout: folders of the book.
        names: pages with claims; none means all of them.
        at_once: how many run side by side; by default as many as cores and memory allow.

    Raises:
        BuildError: if a page has no claims, no execution of it is kept, or a run did not end.
    """
    pages = discover(layout)
    jobs = {job.page.name: job for job in plan(layout, pages) if job.claims}
    chosen = [by_name(pages, name).name for name in names] if names else list(jobs)
    sheet, lock = read(path(layout)), Lock()
    waiting = []
    for name in chosen:
        if name not in jobs:
            raise BuildError(f"{name} records no claims, so there is nothing to compare")
        kept = cache.load(layout.cache, name, jobs[name].key)
        if kept is None:
            raise BuildError(f"{name} has not been executed as it stands; run: make book")
        runs = sheet.setdefault(name, {})
        runs[PLAIN.name] = {"key": jobs[name].key, **summary(kept.record)}
        waiting += [
            (jobs[name], condition)
            for condition in CONDITIONS[1:]
            if runs.get(condition.name, {}).get("key") != jobs[name].key
        ]
    say(f"{len(waiting)} runs of {len(chosen)} pages")

    cut: list[str] = []

    def one(task: tuple[Job, Condition]) -> None:
        job, condition = task
        found = _run(layout, job, condition)
        if found is None:
            cut.append(f"{job.page.name}, {condition.name}")
            return
        found = {"key": job.key, **found}
        with lock:
            sheet[job.page.name][condition.name] = found
            _write(path(layout), sheet)
        say(f"    {job.page.name}, {condition.name}: {_outcome(sheet[job.page.name], condition)}")

    _write(path(layout), sheet)
    with ThreadPoolExecutor(at_once or workers(len(waiting))) as pool:
        for future in [pool.submit(one, task) for task in waiting]:
            future.result()
    if cut:
        raise BuildError(f"{len(cut)} runs did not end: {'; '.join(sorted(cut))}; run it again")


def _run(layout: Layout, job: Job, condition: Condition) -> dict[str, Any] | None:
    """What a page recorded under a condition; None if its kernel did not reach the last cell."""
    notebook = job.page.notebook()
    lines = ["from book.tools import vary", f"vary.threads({condition.threads})"]
    lines += [f"vary.seeds({condition.shift})"] if condition.shift else []
    notebook.cells.insert(0, nbformat.v4.new_code_cell("\n".join(lines)))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            # The cells after one that fails still run: each claim speaks for itself.
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "raises-exception"]
    run = run_cells(layout, job.page, notebook, threads=condition.threads)
    code = [cell for cell in run.notebook.cells if cell.cell_type == "code"]
    if any(cell.source.strip() and cell.execution_count is None for cell in code):
        return None
    found = summary(run.record)
    failed = [
        f"{output.ename}: {output.evalue}".splitlines()[0][:200]
        for cell in code
        for output in cell.outputs
        if output.output_type == "error" and output.ename != "ClaimNotMet"
    ]
    return {**found, "failed": failed} if failed else found


def _write(file: Path, sheet: Mapping[str, Any]) -> None:
    ordered = {
        page: {each.name: runs[each.name] for each in CONDITIONS if each.name in runs}
        for page, runs in sorted(sheet.items())
        if len(runs) > 1  # a page that was run in one way alone says nothing here
    }
    draft = file.with_name(file.name + ".part")
    draft.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, file)


def _outcome(runs: Mapping[str, Any], condition: Condition) -> str:
    moved = other_verdicts(runs, condition.name)
    failed = runs[condition.name].get("failed", [])
    words = f"other verdicts: {', '.join(moved)}" if moved else "the same verdicts"
    return f"{words}; failed: {'; '.join(failed)}" if failed else words


def other_verdicts(runs: Mapping[str, Any], condition: str) -> list[str]:
    """Claims whose verdict under a condition is not that of the page as it stands.

    Args:
        runs: a page's entry in the sheet.
        condition: name of one of `CONDITIONS`.

    Returns:
        Ids, in the order of the page; a claim that was not recorded counts as another verdict.
    """
    there = runs[condition]["claims"]
    return [
        claim
        for claim, entry in runs[PLAIN.name]["claims"].items()
        if there.get(claim, {}).get("verdict") != entry["verdict"]
    ]


def spread(runs: Mapping[str, Any], claim: str) -> dict[str, tuple[float, float, int]]:
    """Smallest and largest value of every number of a claim over the seeds.

    Args:
        runs: a page's entry in the sheet.
        claim: id of a claim.

    Returns:
        For each check (smallest, largest, how many seeds have it).
    """
    values: dict[str, list[float]] = {}
    for name in SEEDS:
        entry = runs.get(name, {}).get("claims", {}).get(claim, {})
        for check, value in entry.get("values", {}).items():
            values.setdefault(check, []).append(value)
    return {check: (min(each), max(each), len(each)) for check, each in values.items()}


def met(runs: Mapping[str, Any], claim: str) -> tuple[int, int]:
    """Under how many of the seeds that were run a claim is met, and how many that were."""
    verdicts = [
        runs[name]["claims"].get(claim, {}).get("verdict") for name in SEEDS if name in runs
    ]
    return sum(each == "met" for each in verdicts), len(verdicts)
