"""Directives that show how steady the claims are: under other seeds, on two threads, run twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from . import repeat, sheet
from .bench_pages import BenchDirective, plain

HEAD = ["Claim", "As it stands [smallest, largest]", "Met", "On two threads"]
MARK = "&#10007; "  # before the count of a claim that is not steady
_LEVEL = 1e-6  # relative difference that counts as none: the sheet keeps six digits


def number(value: float) -> str:
    """Three digits; whole numbers from 1,000 on."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def spans(runs: Mapping[str, Any], claim: str, labels: Mapping[str, str]) -> list[str]:
    """Every number of a claim as it stands, with its smallest and largest value over the seeds."""
    here = runs[sheet.PLAIN.name]["claims"][claim]["values"]
    return [
        f"{labels.get(check, check)}: {number(here[check])} [{number(low)}, {number(high)}]"
        for check, (low, high, _) in sheet.spread(runs, claim).items()
        if check in here
    ]


def on_two_threads(runs: Mapping[str, Any], claim: str) -> str:
    """What a second thread changes: nothing, numbers, or the verdict."""
    if sheet.THREADS.name not in runs:
        return "not run"
    one = runs[sheet.PLAIN.name]["claims"][claim]
    two = runs[sheet.THREADS.name]["claims"].get(claim, {"verdict": "not recorded", "values": {}})
    if one["verdict"] != two["verdict"]:
        return f"{MARK}{two['verdict']}"
    changes = [
        abs(two["values"][check] - value) / max(abs(value), abs(two["values"][check]))
        for check, value in one["values"].items()
        if two["values"][check] != value
    ]
    if max(changes, default=0.0) <= _LEVEL:
        return "the same"
    return f"moves by {100 * max(changes):.2g} %"


def steady(runs: Mapping[str, Any], claim: str) -> bool:
    """Whether a claim has one verdict under every condition that was run."""
    return not any(claim in sheet.other_verdicts(runs, condition) for condition in runs)


class SheetTable(BenchDirective):
    """Every claim under five sets of seeds and on two threads."""

    def run(self) -> list[nodes.Node]:
        """Nodes of the count and the tables."""
        held, pages = sheet.read(self.folder / sheet.RECORD), self.pages()
        held = {name: held[name] for name in pages if name in held}
        if not held:
            return [self.parsed("No page was run under other conditions yet.")]
        found: list[nodes.Node] = []
        marked, total = [], 0
        for name, runs in held.items():
            rows = self._rows(name, runs)
            shaky = [row for row in rows if row[2].startswith(MARK)]
            marked += [[f"{self.link(name)}: {row[0]}", *row[1:]] for row in shaky]
            total += len(rows)
            found.append(self.parsed(f"**{self.link(name)}**", "nt-claims-title"))
            found.append(self.parsed(_made(runs)))
            count = f"{len(rows)} claims"
            count += f", {len(shaky)} of them marked" if shaky else ", all steady"
            found.append(self.raw(f'<details class="nt-record"><summary>{count}</summary>'))
            title = f"Claims of {pages[name]['short_title']} under other conditions"
            found += [*self.table(HEAD, rows, "nt-sheet", title), self.raw("</details>")]
        said = (
            f"{total - len(marked)} of {total} claims have one verdict under every set of seeds "
            "and on two threads."
        )
        if marked:
            above = self.table(HEAD, marked, "nt-sheet", "Claims that depend on the draw")
            found = [self.parsed(f"{said} These do not:"), *above, *found]
        else:
            found = [self.parsed(said), *found]
        absent = [name for name, page in pages.items() if page["claims"] and name not in held]
        if absent:
            names = ", ".join(self.link(name) for name in absent)
            found.append(self.parsed(f"Not run under other conditions yet: {names}."))
        return found

    def _rows(self, name: str, runs: Mapping[str, Any]) -> list[list[str]]:
        known = {claim["id"]: claim for claim in self.pages()[name]["claims"]}
        rows = []
        for claim in _claims(runs):
            entry = known.get(claim, {"sentence": claim, "checks": []})
            labels = {each["name"]: each["label"] for each in entry["checks"]}
            count, of = sheet.met(runs, claim)
            mark = "" if steady(runs, claim) else MARK
            rows.append(
                [
                    plain(entry["sentence"]),
                    "<br>".join(plain(each) for each in spans(runs, claim, labels)),
                    f"{mark}{count} of {of}",
                    on_two_threads(runs, claim),
                ]
            )
        return rows


def _claims(runs: Mapping[str, Any]) -> list[str]:
    claims = runs[sheet.PLAIN.name]["claims"]
    return [claim for claim, entry in claims.items() if entry["verdict"] != "needs data"]


def _made(runs: Mapping[str, Any]) -> str:
    made = runs[sheet.PLAIN.name]
    environment = made["environment"]
    absent = [each.name for each in sheet.CONDITIONS if each.name not in runs]
    text = f"{made['date']}, {environment['device']}, " + ", ".join(
        f"{key} {environment[key]}" for key in ("python", "numpy", "torch")
    )
    text += f". Not run: {'; '.join(absent)}." if absent else "."
    for condition, run in runs.items():
        for each in run.get("failed", []):
            text += f" A cell failed under {condition}: {each}."
    return plain(text)


class RepeatTable(BenchDirective):
    """How many numbers of each page were the same to the last bit in a second execution."""

    def run(self) -> list[nodes.Node]:
        """Nodes of the count and the table."""
        path = self.folder / repeat.RECORD
        held = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        pages = self.pages()
        held = {name: held[name] for name in pages if name in held}
        if not held:
            return [self.parsed("No page was executed a second time yet.")]
        total = sum(each["numbers"] for each in held.values())
        differ = sum(len(each["differ"]) for each in held.values())
        rows = []
        for name, each in held.items():
            reasons = {claim["id"]: claim.get("varies", "") for claim in pages[name]["claims"]}
            claims = dict.fromkeys(wrong.partition(".")[0] for wrong in each["differ"])
            why = [f"{claim}: {reasons.get(claim)}" for claim in claims]
            same = each["numbers"] - len(each["differ"])
            cells = [f"{same} of {each['numbers']}", "<br>".join(map(plain, why)), each["date"]]
            rows.append([self.link(name), *cells])
        said = f"{total - differ} of {total} numbers are the same to the last bit."
        head = ["Page", "The same", "What differs, and why", "Date"]
        return [self.parsed(said), *self.table(head, rows, "nt-repeat", "Executed twice")]


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("sheet-table", SheetTable)
    app.add_directive("repeat-table", RepeatTable)
