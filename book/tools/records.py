"""Claims on file against claims on record: what an execution must have said."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from .console import BuildError
from .layout import Layout

VERDICTS = ("met", "unmet", "needs data")


def scale() -> str:
    """The scale of this run."""
    return os.environ.get("NEUROTUTOR_SCALE", "tutorial")


def read_claims(layout: Layout) -> dict[str, list[dict[str, Any]]]:
    """`claims.toml` as it stands: the claims of each chapter."""
    if not layout.claims.is_file():
        return {}
    try:
        return tomllib.loads(layout.claims.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BuildError(f"{layout.claims}: {error}") from error


def read_record(folder: Path, name: str) -> dict[str, Any]:
    """What the cells of a page recorded, or an empty dictionary."""
    path = folder / f"claims-{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def paper_path(page: Path) -> Path:
    """Where the record of a page's run at the paper's scale is kept, beside the page."""
    return page.with_name(page.stem + ".paper.json")


def keep_paper(page: Path, record: dict[str, Any], seconds: float) -> Path:
    """Write what a run at the paper's scale measured, with its wall time, in one move.

    Args:
        page: the page's source.
        record: what its cells recorded.
        seconds: wall time of the run.

    Returns:
        The file.
    """
    path = paper_path(page)
    draft = path.with_name(path.name + ".part")
    content = {**record, "wall_seconds": round(seconds)}
    draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, path)
    return path


def problems(
    name: str,
    claims: list[dict[str, Any]],
    record: dict[str, Any],
    *,
    absent: Collection[str],
    at_scale: str,
) -> list[str]:
    """Why an execution does not stand.

    Every claim must be on record as met, as not met with a reason in `claims.toml`, as waiting for
    a recording that is absent indeed, or must belong to the paper's scale. A run at the paper's
    scale is recorded as it came out, so there a claim that is not met needs no reason.

    Args:
        name: the chapter.
        claims: its entry in `claims.toml`.
        record: what its cells recorded.
        absent: names of the recordings that are not on this machine.
        at_scale: `tutorial` or `paper`.

    Returns:
        One sentence for each problem.
    """
    found = []
    said = record.get("claims", {})
    known = {claim["id"]: claim for claim in claims}
    for identifier in said.keys() - known.keys():
        found.append(f"{name}.{identifier} is recorded but not in claims.toml")
    for identifier, claim in known.items():
        entry = said.get(identifier)
        if entry is None:
            asked = any(at_scale in each for each in claim["checks"])
            if asked and claim.get("scale", at_scale) == at_scale:
                found.append(f"{name}.{identifier} was never recorded")
        elif entry["verdict"] not in VERDICTS:
            found.append(f"{name}.{identifier} has the unknown verdict {entry['verdict']!r}")
        elif entry["verdict"] == "unmet" and at_scale != "paper" and not claim.get("unmet"):
            found.append(f"{name}.{identifier} is not met, and claims.toml gives no reason")
        elif entry["verdict"] == "needs data" and claim.get("data") not in absent:
            found.append(
                f"{name}.{identifier} says that it needs data, but "
                + (f"{claim['data']} is here" if claim.get("data") else "it declares none")
            )
        elif entry["verdict"] != "needs data" and not entry.get("checks"):
            found.append(f"{name}.{identifier} is recorded without a measured number")
    return found
