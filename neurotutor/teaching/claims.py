"""What a paper claims, what this code measured, and whether the two agree.

`book/claims.toml` says what must be shown, with thresholds that were set before measuring. A
chapter records what it measured with `check`, and shows its table with `table`. While the book is
built, the environment variable `NEUROTUTOR_RECORDS` names the folder that receives the records.
"""

from __future__ import annotations

import datetime
import html
import json
import math
import operator
import os
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from IPython.display import HTML, display

import neurotutor
from neurotutor import runtime

BOOK = Path(neurotutor.__file__).parents[1] / "book"
OPERATORS = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_SIGNS = {"<=": "≤", ">=": "≥", "<": "&lt;", ">": "&gt;"}
Outcome = Literal["met", "unmet", "needs data"]


class ClaimNotMet(Exception):
    """Raised while the book is built, where a claim fails and no reason is on record."""


@dataclass(frozen=True)
class Check:
    """One measured number of a claim beside its threshold."""

    name: str
    label: str
    op: str
    threshold: float
    value: float
    met: bool


@dataclass(frozen=True)
class Verdict:
    """What was measured for a claim, and whether that is what the paper's claim asks for."""

    chapter: str
    id: str
    outcome: Outcome
    checks: tuple[Check, ...] = ()
    seeds: tuple[int, ...] = ()
    spread: str = ""
    note: str = ""

    def _repr_html_(self) -> str:
        symbol, word = _WORDS[self.outcome]
        return (
            f'<span class="nt-verdict nt-{self.outcome.replace(" ", "-")}">'
            f'<span aria-hidden="true">{symbol}</span> the claim {word}</span>'
        )


@dataclass(frozen=True)
class Claim:
    """One entry of `book/claims.toml`; `checks` hold name, label, op and a threshold by scale."""

    id: str
    sentence: str
    paper: str
    where: str
    why: str
    checks: tuple[Mapping[str, Any], ...]
    data: str = ""
    unmet: str = ""
    scale: str = ""
    varies: str = ""

    def thresholds(self, scale: str) -> list[tuple[str, str, str, float]]:
        """(name, label, operator, threshold) of the checks that apply at this scale."""
        return [
            (each["name"], each["label"], each["op"], float(each[scale]))
            for each in self.checks
            if scale in each
        ]


_recorded: dict[tuple[str, str], Verdict] = {}


@cache
def load(path: Path = BOOK / "claims.toml") -> dict[str, dict[str, Claim]]:
    """All claims, by chapter and id, in the order of the file.

    Args:
        path: a TOML file; each chapter is an array of tables.

    Raises:
        FileNotFoundError: if the file does not exist (the package without the book).
        ValueError: if an entry lacks a field, repeats an id, or has an unknown operator.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no claims file at {path}; claims need a checkout of the book")
    with path.open("rb") as file:
        chapters = tomllib.load(file)
    claims: dict[str, dict[str, Claim]] = {}
    for chapter, entries in chapters.items():
        claims[chapter] = {}
        for entry in entries:
            missing = {"id", "sentence", "paper", "where", "why", "checks"} - entry.keys()
            name = entry.get("id", "?")
            if missing:
                raise ValueError(f"claim {chapter}.{name} lacks {', '.join(sorted(missing))}")
            if name in claims[chapter]:
                raise ValueError(f"claim {chapter}.{name} stands twice in {path.name}")
            for each in entry["checks"]:
                if not {"name", "label", "op"} <= each.keys() or each["op"] not in OPERATORS:
                    raise ValueError(
                        f"claim {chapter}.{name}: a check needs name, label and an op out of "
                        f"{', '.join(OPERATORS)}; got {dict(each)}"
                    )
            unknown = entry.keys() - Claim.__dataclass_fields__.keys()
            if unknown:
                raise ValueError(
                    f"claim {chapter}.{name} has unknown fields {', '.join(sorted(unknown))}"
                )
            claims[chapter][name] = Claim(**{**entry, "checks": tuple(entry["checks"])})
    return claims


def _claim(chapter: str, id: str) -> Claim:
    known = load()
    if chapter not in known:
        raise ValueError(f"no chapter {chapter!r} in claims.toml; known: {', '.join(known)}")
    if id not in known[chapter]:
        raise ValueError(
            f"no claim {id!r} of chapter {chapter!r}; known: {', '.join(known[chapter])}"
        )
    return known[chapter][id]


def expected(chapter: str, scale: str) -> list[str]:
    """Ids of the claims that a run of this chapter at this scale must record."""
    return [
        id
        for id, claim in load().get(chapter, {}).items()
        if claim.scale in ("", scale) and claim.thresholds(scale)
    ]


def check(
    chapter: str,
    id: str,
    measured: float | Mapping[str, float],
    *,
    seeds: Sequence[int],
    spread: str = "",
    note: str = "",
) -> Verdict:
    """Record what was measured for a claim, and compare it with the claim's thresholds.

    Args:
        chapter: name of the chapter.
        id: of the claim in `book/claims.toml`.
        measured: the number, or for a claim of several checks their numbers by name.
        seeds: the seeds that the numbers come from.
        spread: the spread over them, in words and numbers.
        note: anything that a reader of the table should know.

    Returns:
        The verdict, which is also kept for `table`.

    Raises:
        ValueError: if the claim is unknown, or a number is missing, unasked for or not finite.
    """
    claim = _claim(chapter, id)
    wanted = claim.thresholds(runtime.scale())
    if not isinstance(measured, Mapping):
        if len(wanted) != 1:
            raise ValueError(
                f"claim {chapter}.{id} has {len(wanted)} checks; pass a dictionary with "
                f"{', '.join(name for name, *_ in wanted)}"
            )
        measured = {wanted[0][0]: measured}
    if measured.keys() != {name for name, *_ in wanted}:
        raise ValueError(
            f"claim {chapter}.{id} asks for {', '.join(name for name, *_ in wanted)}; "
            f"got {', '.join(measured)}"
        )
    checks = []
    for name, label, op, threshold in wanted:
        value = float(measured[name])
        if not math.isfinite(value):
            raise ValueError(f"claim {chapter}.{id}: {name} is {value}; a measurement went wrong")
        checks.append(Check(name, label, op, threshold, value, OPERATORS[op](value, threshold)))
    outcome: Outcome = "met" if all(each.met for each in checks) else "unmet"
    return _keep(Verdict(chapter, id, outcome, tuple(checks), tuple(map(int, seeds)), spread, note))


def needs_data(chapter: str, id: str, name: str) -> Verdict:
    """Record that a claim was not measured because the recording `name` is not on this machine."""
    _claim(chapter, id)
    return _keep(Verdict(chapter, id, "needs data", note=f"python -m neurotutor data fetch {name}"))


def _keep(verdict: Verdict) -> Verdict:
    _recorded[verdict.chapter, verdict.id] = verdict
    folder = os.environ.get("NEUROTUTOR_RECORDS")
    if folder:
        _write(Path(folder) / f"claims-{verdict.chapter}.json", record(verdict.chapter))
    return verdict


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8"
    ) as file:
        json.dump(content, file, indent=1)
    os.replace(file.name, path)


def record(chapter: str) -> dict[str, Any]:
    """What this process measured for a chapter, with device, versions, threads, scale and date."""
    return {
        "chapter": chapter,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "environment": runtime.environment(),
        "claims": {
            id: {
                "verdict": verdict.outcome,
                "checks": [asdict(each) for each in verdict.checks],
                "seeds": list(verdict.seeds),
                "spread": verdict.spread,
                "note": verdict.note,
            }
            for (owner, id), verdict in _recorded.items()
            if owner == chapter
        },
    }


def unexplained(chapter: str, recorded: Mapping[str, Any]) -> list[str]:
    """Why a record does not hold: claims never recorded, and failures without a stated reason.

    A run at the paper's scale is recorded as it came out: its failures are shown, not refused.

    Args:
        chapter: name of the chapter.
        recorded: what `record` returned, or the same read from a file.

    Returns:
        One sentence for each; an empty list if the record holds.
    """
    problems = []
    scale = recorded["environment"]["scale"]
    for id in expected(chapter, scale):
        entry = recorded["claims"].get(id)
        if entry is None:
            problems.append(f"{chapter}.{id} was never recorded")
        elif entry["verdict"] == "unmet" and scale != "paper" and not _claim(chapter, id).unmet:
            failed = "; ".join(
                f"{each['label']} = {each['value']:.4g}, asked: {each['op']} {each['threshold']:g}"
                for each in entry["checks"]
                if not each["met"]
            )
            problems.append(f"{chapter}.{id} is not met: {failed}")
    return problems


_WORDS = {
    "met": ("&#10003;", "reproduces"),
    "unmet": ("&#10007;", "does not reproduce"),
    "needs data": ("&#9675;", "needs data"),
    "missing": ("&#9675;", "not run yet"),
    "paper": ("&#9675;", "paper scale only"),
}


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _measured(entry: Mapping[str, Any] | None) -> str:
    if entry is None or not entry["checks"]:
        return ""
    rows = "".join(
        f"<li>{html.escape(each['label'])}: <strong>{_number(each['value'])}</strong> "
        f"(asked: {_SIGNS[each['op']]} {each['threshold']:g})</li>"
        for each in entry["checks"]
    )
    details = [
        f"{len(entry['seeds'])} seeds" if len(entry["seeds"]) > 1 else "",
        html.escape(entry["spread"]),
        html.escape(entry["note"]),
    ]
    return f"<ul>{rows}</ul><small>{'; '.join(filter(None, details))}</small>"


def render(
    chapter: str, recorded: Mapping[str, Any] | None, paper: Mapping[str, Any] | None = None
) -> str:
    """The claims table of one chapter as HTML.

    Args:
        chapter: name of the chapter.
        recorded: the record of this build, or `None` if the chapter was not executed.
        paper: the recorded paper-scale run (`book/<part>/<chapter>.paper.json`), if there is one.

    Returns:
        A table with the claim, the published number, what was measured here, and the verdict.
    """
    recorded = recorded or {"claims": {}}
    rows = []
    for id, claim in load().get(chapter, {}).items():
        entry = recorded["claims"].get(id)
        state = entry["verdict"] if entry else ("paper" if claim.scale == "paper" else "missing")
        symbol, word = _WORDS[state]
        reason = f"<br><small>{html.escape(claim.unmet)}</small>" if state == "unmet" else ""
        large = _measured(paper["claims"].get(id)) if paper else ""
        if large:
            where = f"{paper['environment']['device']}, {paper['date']}"
            large = f"<p><small>Paper scale ({html.escape(where)}):</small></p>{large}"
        missing = html.escape(entry["note"]) if state == "needs data" else ""
        varies = (
            f"<br><small>Not the same to the last digit in every run: {html.escape(claim.varies)}"
            "</small>"
            if claim.varies
            else ""
        )
        rows.append(
            f'<tr id="claim-{chapter}-{id}"><td>{html.escape(claim.sentence)}'
            f"<br><small>Why this threshold: {html.escape(claim.why)}</small>{varies}</td>"
            f"<td>{html.escape(claim.paper)}<br><small>{html.escape(claim.where)}</small></td>"
            f"<td>{_measured(entry) or missing}{large}</td>"
            f'<td><span class="nt-verdict nt-{state.replace(" ", "-")}">'
            f'<span aria-hidden="true">{symbol}</span> {word}</span>{reason}</td></tr>'
        )
    return (
        '<div class="nt-scroll" tabindex="0" role="region" '
        f'aria-label="Claims of chapter {html.escape(chapter)}"><table class="nt-claims">'
        "<thead><tr><th>The claim</th><th>Published</th><th>Measured here</th>"
        f"<th>Verdict</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def paper_record(chapter: str) -> dict[str, Any] | None:
    """The committed record of the chapter at the paper's scale, or `None` if nobody made one."""
    found = sorted(BOOK.glob(f"*/{chapter}.paper.json"))
    return json.loads(found[0].read_text(encoding="utf-8")) if found else None


def table(chapter: str) -> None:
    """Show the claims of a chapter with what was measured here.

    Raises:
        ClaimNotMet: only while the book is built, if a claim of this scale was never recorded, or
            failed without a reason in `book/claims.toml`.
    """
    recorded = record(chapter)
    display(HTML(render(chapter, recorded, paper_record(chapter))))
    problems = unexplained(chapter, recorded)
    if problems and "NEUROTUTOR_RECORDS" in os.environ:
        raise ClaimNotMet("; ".join(problems))
