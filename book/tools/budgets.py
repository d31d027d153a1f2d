"""Seconds, memory and weight of every page against a committed baseline."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import cache
from .cache import Execution
from .console import BuildError, say
from .execute import plan
from .layout import Layout
from .pages import Page, discover
from .site import page_weight

MARGIN = 1.3  # a page is reported when it needs more than this many times its baseline
PAUSE = 10.0  # seconds between two executions of one build, at most
UNITS = {"seconds": "CPU seconds", "peak_bytes": "peak memory", "page_bytes": "page weight"}


@dataclass(frozen=True)
class Excess:
    """A page that needs more than its baseline allows.

    Attributes:
        page: its name.
        what: `seconds`, `peak_bytes` or `page_bytes`.
        ratio: how many times its baseline; for seconds, relative to the calibrations.
        reason: why that was accepted; empty if nobody did.
    """

    page: str
    what: str
    ratio: float
    reason: str

    def __str__(self) -> str:
        """One line for the terminal."""
        text = f"{self.page}: {self.ratio:.2f} times the {UNITS[self.what]} of its baseline"
        return f"{text}; accepted: {self.reason}" if self.reason else text


def excesses(
    baseline: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> list[Excess]:
    """Pages that need more than `MARGIN` times their baseline.

    Args:
        baseline: for each page `seconds`, `peak_bytes`, `page_bytes`, `calibration_s`, and
            `reasons`, which maps one of the first three to why a worse value is accepted.
        now: the same of this build, without reasons; pages in one of both alone are left out.
    """
    found = []
    for page, old in baseline.items():
        new = now.get(page)
        if new is None:
            continue
        for what in UNITS:
            if not old.get(what) or not new.get(what):
                continue  # the page was not rendered, then or now
            ratio = new[what] / old[what]
            if what == "seconds":
                # A machine that takes twice as long over the same work is given twice as long.
                ratio *= old["calibration_s"] / new["calibration_s"]
            if ratio > MARGIN:
                found.append(Excess(page, what, ratio, old.get("reasons", {}).get(what, "")))
    return found


def measured(layout: Layout) -> dict[str, dict[str, float]]:
    """What this build recorded about every page whose execution stands.

    Pages that an older driver executed carry no calibration; they are left out.
    """
    return {name: _needs(layout, page, done) for name, (page, done) in _executed(layout).items()}


def _executed(layout: Layout) -> dict[str, tuple[Page, Execution]]:
    found = {}
    for job in plan(layout, discover(layout)):
        execution = cache.load(layout.cache, job.page.name, job.key)
        if execution is not None and "calibration" in execution.cost:
            found[job.page.name] = (job.page, execution)
    return found


def _needs(layout: Layout, page: Page, execution: Execution) -> dict[str, float]:
    html = layout.html / f"{page.docname}.html"
    return {
        "seconds": round(execution.cost["cpu_seconds"], 2),
        "wall_seconds": round(execution.cost["wall_seconds"], 1),
        "peak_bytes": execution.cost["peak_bytes"],
        "page_bytes": page_weight(html) if html.is_file() else 0,
        "calibration_s": round(execution.cost["calibration"]["cpu_seconds"], 4),
    }


def together(costs: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds from the start of the first execution to the end of the last one.

    Args:
        costs: what the executions cost, with the time at which each `began`.

    Returns:
        None if they were not made in one go: at some moment none of them ran.
    """
    if not costs or any("began" not in cost for cost in costs):
        return None
    ordered = sorted(costs, key=lambda cost: cost["began"])
    first = end = ordered[0]["began"]
    for cost in ordered:
        if cost["began"] > end + PAUSE:
            return None
        end = max(end, cost["began"] + cost["wall_seconds"])
    return end - first


def baseline_path(layout: Layout) -> Path:
    """Where the committed baseline lies."""
    return layout.root / "benchmarks" / "baseline.json"


def read(layout: Layout) -> dict[str, dict[str, Any]]:
    """The committed baseline, page by page; empty if there is none.

    Raises:
        BuildError: if an entry lacks a number, or gives a reason for what nobody measures.
    """
    path = baseline_path(layout)
    if not path.is_file():
        return {}
    pages = json.loads(path.read_text(encoding="utf-8"))["pages"]
    for name, entry in pages.items():
        lacking = {*UNITS, "calibration_s"} - entry.keys()
        unknown = entry.get("reasons", {}).keys() - UNITS.keys()
        if lacking or unknown:
            wrong = f"lacks {min(lacking)}" if lacking else f"excuses {min(unknown)!r}"
            raise BuildError(
                f"benchmarks/baseline.json: {name} {wrong}; expected {', '.join(UNITS)} and "
                "calibration_s; record it anew: python -m book.tools budgets --record"
            )
    return pages


def record(layout: Layout) -> None:
    """Write what this build measured as the new baseline, with device and versions.

    The first baseline that ever was stays in the file, as what the book needed before.

    Raises:
        BuildError: if a page was not executed with a calibration on this machine.
    """
    done = _executed(layout)
    absent = [page.name for page in discover(layout) if page.is_notebook and page.name not in done]
    if absent or not done:
        raise BuildError(
            f"{', '.join(absent) or 'no page'} was not executed with a calibration as it stands; "
            "run `make book` first"
        )
    costs = [execution.cost for _, execution in done.values()]
    path = baseline_path(layout)
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    before = old.pop("before", old)
    text = {
        "date": datetime.now(UTC).date().isoformat(),
        "environment": next(
            (each.record["environment"] for _, each in done.values() if each.record), {}
        ),
        **({"together_s": round(span, 1)} if (span := together(costs)) else {}),
        "pages": {name: _needs(layout, *each) for name, each in sorted(done.items())},
        **({"before": before} if before else {}),
    }
    path.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")
    say(f"baseline of {len(done)} pages written to {path}")


def report(layout: Layout) -> int:
    """Print pages that need more than they may; how many of them have no accepted reason."""
    baseline = read(layout)
    if not baseline:
        say("there is no baseline yet; `python -m book.tools budgets --record` writes one")
        return 0
    now = measured(layout)
    found = excesses(baseline, now)
    for each in found:
        say(f"    {each}")
    open_ = sum(not each.reason for each in found)
    say(
        f"budgets: {len(baseline.keys() & now.keys())} pages compared with their baseline, "
        f"{open_} above it by more than {MARGIN - 1:.0%} without an accepted reason"
    )
    return open_
