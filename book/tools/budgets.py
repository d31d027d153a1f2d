"""Seconds, memory and weight of every page against a committed baseline."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup

from . import cache
from .console import BuildError, say
from .execute import plan
from .layout import Layout
from .pages import discover

MARGIN = 1.3  # a page is reported when it needs more than this many times its baseline
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
    found = {}
    for job in plan(layout, discover(layout)):
        execution = cache.load(layout.cache, job.page.name, job.key)
        if execution is None or "calibration" not in execution.cost:
            continue
        html = layout.html / f"{job.page.docname}.html"
        found[job.page.name] = {
            "seconds": round(execution.cost["cpu_seconds"], 2),
            "peak_bytes": execution.cost["peak_bytes"],
            "page_bytes": page_weight(html) if html.is_file() else 0,
            "calibration_s": round(execution.cost["calibration"]["cpu_seconds"], 4),
        }
    return found


def page_weight(path: Path) -> int:
    """Bytes of a page and of the pictures that it shows."""
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    pictures = {
        (path.parent / urllib.parse.unquote(image["src"])).resolve()
        for image in soup.find_all("img", src=True)
        if not image["src"].startswith("data:")
    }
    return path.stat().st_size + sum(each.stat().st_size for each in pictures if each.is_file())


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
    """Write what this build measured as the new baseline; what it did not measure stays.

    Raises:
        BuildError: if no execution on this machine carries a calibration.
    """
    now = measured(layout)
    if not now:
        raise BuildError("no page was executed with a calibration; run `make book` first")
    pages = {**read(layout), **now}
    text = {"date": datetime.now(UTC).date().isoformat(), "pages": dict(sorted(pages.items()))}
    baseline_path(layout).write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")
    say(f"baseline of {len(now)} pages written to {baseline_path(layout)}")


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
