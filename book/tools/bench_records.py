"""The form that every record of a benchmark has, and the checks that it is kept."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .console import BuildError

SCHEMA = 1
MISSING = "peers-missing.json"  # in the peers' environment: peer -> why pip could not install it
TIMES = ("median_s", "min_s", "max_s", "peak_bytes")
OTHERS = ("baseline", "repeat", "sheet")  # JSON files of the same folder that are no such records
_FIELDS = {
    "schema": int,
    "name": str,
    "machine": dict,
    "versions": dict,
    "seeds": list,
    "repeats": int,
    "rows": list,
    "targets": list,
    "peers_missing": dict,
    "details": dict,
}
_MACHINE = ("date", "platform", "processor", "threads", "clock")
_TARGET = ("text", "source", "sense", "limit", "value", "met", "why")


def problems(record: Mapping[str, Any]) -> list[str]:
    """What is wrong with a record, one sentence each; nothing if it is of the common form."""
    found = [
        f"{key} should be a {kind.__name__}"
        for key, kind in _FIELDS.items()
        if not isinstance(record.get(key), kind)
    ]
    if found:
        return found
    if record["schema"] != SCHEMA:
        found.append(f"schema should be {SCHEMA}, is {record['schema']}")
    found += [
        f"machine says nothing about {key}" for key in _MACHINE if key not in record["machine"]
    ]
    if not record["rows"]:
        found.append("there are no rows")
    seen = set()
    for number, row in enumerate(record["rows"], start=1):
        size = row.get("size") or {}
        place = (row.get("work"), size.get("value"), row.get("peer_name"))
        if place in seen:
            found.append(f"row {number}: {place} is there twice")
        seen.add(place)
        found += [f"row {number}: {text}" for text in _row_problems(row)]
    for number, target in enumerate(record["targets"], start=1):
        found += [f"target {number}: {text}" for text in _target_problems(target)]
    return found


def _row_problems(row: Mapping[str, Any]) -> list[str]:
    if not row.get("work"):
        return ["no name of the work"]
    found = _time_problems("ours", row.get("ours"))
    size = row.get("size")
    if size is not None and not (size.get("what") and size.get("value", 0) > 0):
        found.append("a size needs the name of what grows and a positive value")
    if row.get("peer") is None:
        if row.get("ratio") is not None:
            found.append("a ratio without a peer")
        return found
    found += _time_problems("peer", row["peer"])
    if found:
        return found
    if not row.get("peer_name"):
        found.append("the peer has no name")
    agreed = row.get("agreement")
    if not agreed or not agreed.get("what") or not agreed["value"] <= agreed["limit"]:
        found.append("no time may be quoted before the results agree")
    ratio = row["ours"]["median_s"] / row["peer"]["median_s"]
    if not math.isclose(row.get("ratio") or 0.0, ratio, rel_tol=1e-9):
        found.append(f"ratio should be ours by the peer's, {ratio:.6g}")
    return found


def _time_problems(whose: str, times: Any) -> list[str]:
    if not isinstance(times, Mapping) or set(times) != set(TIMES):
        return [f"{whose} should have exactly {', '.join(TIMES)}"]
    if not 0 < times["min_s"] <= times["median_s"] <= times["max_s"]:
        return [f"{whose}: times should be positive, and the median between the extremes"]
    if times["peak_bytes"] is not None and times["peak_bytes"] < 0:
        return [f"{whose}: peak_bytes should be 0 or more, or null where it is unknown"]
    return []


def _target_problems(target: Mapping[str, Any]) -> list[str]:
    absent = [key for key in _TARGET if key not in target]
    if absent:
        return [f"lacks {', '.join(absent)}"]
    if target["sense"] not in ("at least", "at most"):
        return [f"sense should be 'at least' or 'at most', is {target['sense']!r}"]
    value, limit = target["value"], target["limit"]
    met = value >= limit if target["sense"] == "at least" else value <= limit
    found = []
    if target["met"] is not met:
        found.append(
            f"says met = {target['met']}, but {value:g} was asked {target['sense']} {limit:g}"
        )
    if not met and not target["why"]:
        found.append(f"{target['text']!r} is missed, and no reason stands beside it")
    elif not met and not re.search(r"\d%", target["why"]):
        found.append(f"{target['text']!r} is missed, and its reason names no share of the time")
    return found


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Every record of the common form below `folder`, by name.

    Raises:
        BuildError: if one of them is not of the common form.
    """
    records = {}
    for path in sorted(folder.glob("*.json")):
        if path.stem in OTHERS:
            continue
        record = json.loads(path.read_text(encoding="utf-8"))
        found = problems(record)
        if record.get("name") != path.stem:
            found.append(f"name should be {path.stem!r}")
        if found:
            raise BuildError(
                f"benchmarks/{path.name}: {found[0]}; measure it again: make bench NAME={path.stem}"
            )
        records[path.stem] = record
    return records
