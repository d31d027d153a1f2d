"""Execute pages once more and compare what they recorded, number by number."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from . import cache
from .console import BuildError, say
from .execute import execute, plan
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


def repeat(layout: Layout, names: Sequence[str]) -> list[str]:
    """Execute the named pages, or all, once more; compare with the execution that is kept.

    The outcome of every page is written to `benchmarks/repeat.json` as soon as it is known, beside
    those of the other pages.

    Args:
        layout: folders of the book.
        names: pages with claims; none means all of them.

    Returns:
        Numbers that differ although no reason is given, as `page.claim.name`.

    Raises:
        BuildError: if a page has no claims, or no execution of it is kept.
    """
    pages = discover(layout)
    jobs = {job.page.name: job for job in plan(layout, pages) if job.claims}
    chosen = [by_name(pages, name).name for name in names] if names else list(jobs)
    path = layout.root / "benchmarks" / RECORD
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    problems = []
    for name in chosen:
        if name not in jobs:
            raise BuildError(f"{name} records no claims, so there is nothing to compare")
        kept = cache.load(layout.cache, name, jobs[name].key)
        if kept is None:
            raise BuildError(f"{name} has not been executed as it stands; run: make book")
        again = execute(layout, jobs[name])
        differ = differing(kept.record, again.record)
        bad = unexplained(differ, jobs[name].claims)
        problems += [f"{name}.{each}" for each in bad]
        found[name] = {
            "date": datetime.now(UTC).date().isoformat(),
            "environment": again.record["environment"],
            "numbers": len(values(again.record)),
            "differ": differ,
        }
        draft = path.with_name(path.name + ".part")
        draft.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n", "utf-8")
        os.replace(draft, path)
        say(
            f"    {name}: {len(values(again.record)) - len(differ)} of {len(values(again.record))} "
            f"numbers are the same to the last bit"
            + (f"; not: {', '.join(differ)}" if differ else "")
        )
    return problems
