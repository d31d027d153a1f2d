"""Execute pages once more and compare what they recorded, number by number."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from . import cache
from .cache import Execution
from .console import BuildError, say
from .execute import Job, execute, plan, workers
from .layout import Layout
from .pages import by_name, discover

RECORD = "repeat.json"


def values(record: Mapping[str, Any]) -> dict[str, float]:
    """Every number that the cells of a page recorded, by claim and name."""
    return {
        f"{claim}.{each['name']}": each["value"]
        for claim, entry in record.get("claims", {}).items()
        for each in entry["checks"]
    }


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Numbers that two records do not share to the last bit, and those that only one of them has.

    Args:
        first: what one execution of a page recorded.
        second: what another one recorded.

    Returns:
        `claim.name` of each, in alphabetical order.
    """
    one, other = values(first), values(second)
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def unexplained(names: Sequence[str], claims: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those numbers whose claim does not say in `claims.toml` why it varies.

    Args:
        names: what `differing` returned.
        claims: the page's entry in `claims.toml`; `varies` names the operation.
    """
    said = {claim["id"] for claim in claims if claim.get("varies")}
    return [name for name in names if name.partition(".")[0] not in said]


def _kept(layout: Layout, job: Job) -> Execution:
    found = cache.load(layout.cache, job.page.name, job.key)
    if found is None:
        raise BuildError(
            f"{job.page.name} has not been executed as it stands in {layout.root}; run there: "
            "make book"
        )
    return found


def repeat(
    layout: Layout,
    names: Sequence[str],
    *,
    at_once: int | None = None,
    other: Layout | None = None,
) -> list[str]:
    """Execute the named pages, or all, once more; compare with the execution that is kept.

    The outcome of every page is written to `benchmarks/repeat.json` as soon as it is known, beside
    those of the other pages.

    Args:
        layout: folders of the book.
        names: pages with claims; none means all of them.
        at_once: how many run side by side; by default as many as cores and memory allow.
        other: another checkout of the same commit, whose executions are compared instead of new
            ones; they must have been made with the same versions.

    Returns:
        Numbers that differ although no reason is given, as `page.claim.name`.

    Raises:
        BuildError: if a page has no claims, or no execution of it is kept, here or in `other`.
    """
    pages = discover(layout)
    jobs = {job.page.name: job for job in plan(layout, pages) if job.claims}
    chosen = [by_name(pages, name).name for name in names] if names else list(jobs)
    path = layout.root / "benchmarks" / RECORD
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    problems: list[str] = []
    kept = {}
    for name in chosen:
        if name not in jobs:
            raise BuildError(f"{name} records no claims, so there is nothing to compare")
        kept[name] = _kept(layout, jobs[name])
    lock = Lock()

    def one(name: str) -> None:
        again = execute(layout, jobs[name]) if other is None else _kept(other, jobs[name])
        differ = differing(kept[name].record, again.record)
        count = len(values(again.record))
        with lock:
            problems.extend(f"{name}.{each}" for each in unexplained(differ, jobs[name].claims))
            found[name] = {
                "date": datetime.now(UTC).date().isoformat(),
                "environment": again.record["environment"],
                "numbers": count,
                "differ": differ,
            }
            draft = path.with_name(path.name + ".part")
            draft.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n", "utf-8")
            os.replace(draft, path)
        say(
            f"    {name}: {count - len(differ)} of {count} numbers are the same to the last bit"
            + (f"; not: {', '.join(differ)}" if differ else "")
        )

    with ThreadPoolExecutor(at_once or workers(len(chosen))) as pool:
        for future in [pool.submit(one, name) for name in chosen]:
            future.result()
    return sorted(problems)
