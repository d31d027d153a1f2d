"""Directives that draw what benchmarks have on record."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from . import bench_charts, bench_records
from .bench_charts import number, seconds, size
from .console import BuildError
from .sphinx_ext import Directive
from .stage import BENCH

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|$~])")


def plain(text: str) -> str:
    """Text that MyST shows as it is."""
    return _SPECIAL.sub(r"\\\1", text)


class BenchDirective(Directive):
    """A directive that reads the records of the benchmarks."""

    @property
    def folder(self) -> Path:
        """Where the records were staged; the page that is being read depends on them."""
        folder = Path(self.env.srcdir) / BENCH
        for path in (folder, *sorted(folder.glob("*.json"))):
            self.env.note_dependency(str(path))
        return folder

    def records(self) -> dict[str, dict[str, Any]]:
        """Records by chapter, in the order of the table of contents."""
        try:
            found = bench_records.read(self.folder)
        except BuildError as error:
            raise self.error(str(error)) from error
        pages = self.pages()
        return {name: found[name] for name in pages if name in found}

    def pages(self) -> dict[str, dict[str, Any]]:
        """Facts about every page by its name."""
        return {page["name"]: page for page in self.all_facts()}

    def link(self, name: str) -> str:
        """A link to a chapter, in MyST."""
        page = self.pages().get(name)
        return f"[{page['short_title']}](/{page['docname']})" if page else plain(name)

    def table(
        self, head: list[str], rows: list[list[str]], kind: str, label: str
    ) -> list[nodes.Node]:
        """A table that scrolls sideways where it must, by keyboard too.

        Args:
            head: titles of the columns, in MyST.
            rows: cells of each row, in MyST.
            kind: class of the table.
            label: what it shows, for those who hear it.
        """
        lines = ["````{list-table}", ":header-rows: 1", f":class: {kind}", ""]
        for row in [head, *rows]:
            lines += [f"{'  -' if index else '* -'} {cell}" for index, cell in enumerate(row)]
        name = html.escape(label, quote=True)
        return [
            self.raw(f'<div class="nt-scroll" tabindex="0" role="region" aria-label="{name}">'),
            self.parsed("\n".join([*lines, "````"])),
            self.raw("</div>"),
        ]

    def nothing(self) -> list[nodes.Node]:
        """What stands where no record is."""
        return [self.parsed("Nothing was measured yet: `make bench` does.")]


class PeerRatios(BenchDirective):
    """Our time by the peer's, for every chapter and piece of work."""

    def run(self) -> list[nodes.Node]:
        """Nodes of the drawing."""
        pages, records = self.pages(), self.records()
        groups, links, compared = {}, {}, []
        for name, record in records.items():
            rows = [row for row in record["rows"] if row["peer"]]
            compared += rows
            if rows:
                title = pages[name]["short_title"]
                groups[title] = bench_charts.ends(rows)
                links[title] = self.env.app.builder.get_relative_uri(
                    self.env.docname, pages[name]["docname"]
                )
        if not groups:
            return self.nothing()
        faster = sum(row["ratio"] < 1 for row in compared)
        said = f"Of {len(compared)} comparisons, this book's code is the faster in {faster}."
        return [self.parsed(said), self.raw(bench_charts.ratios(groups, links))]


class PeerCurves(BenchDirective):
    """CPU seconds as the problem grows."""

    def run(self) -> list[nodes.Node]:
        """Nodes of the drawings, chapter by chapter."""
        found: list[nodes.Node] = []
        for name, record in self.records().items():
            drawn = bench_charts.curves(record["rows"])
            if drawn:
                found.append(self.parsed(f"**{self.link(name)}**", "nt-claims-title"))
                found.append(self.raw("".join(each for _, each in drawn)))
        return found or self.nothing()


class PeerTable(BenchDirective):
    """Every row of every record, with machine and versions."""

    def run(self) -> list[nodes.Node]:
        """Nodes of the tables."""
        found: list[nodes.Node] = []
        head = ["Work", "This book", "Memory", "Peer", "Its time", "Its memory", "Agreement"]
        for name, record in self.records().items():
            rows = []
            for row in record["rows"]:
                peer, agreed = row["peer"], row["agreement"]
                rows.append(
                    [
                        plain(bench_charts.with_size(row)),
                        _spread(row["ours"]),
                        size(row["ours"]["peak_bytes"]),
                        plain(row["peer_name"] or "none"),
                        _spread(peer) if peer else "",
                        size(peer["peak_bytes"]) if peer else "",
                        f"{plain(agreed['what'])}: {number(agreed['value'])}" if agreed else "",
                    ]
                )
            found.append(self.parsed(f"**{self.link(name)}**", "nt-claims-title"))
            found.append(self.parsed(_made(record)))
            count = f"{len(rows)} row{'s' * (len(rows) > 1)}"
            found.append(self.raw(f'<details class="nt-record"><summary>{count}</summary>'))
            title = f"Record of {self.pages()[name]['short_title']}"
            found += [*self.table(head, rows, "nt-bench", title), self.raw("</details>")]
        return found or self.nothing()


def _spread(times: dict[str, Any]) -> str:
    low, high = seconds(times["min_s"]), seconds(times["max_s"])
    return f"{seconds(times['median_s'])} \\[{low}, {high}\\]"


def _made(record: dict[str, Any]) -> str:
    machine = record["machine"]
    versions = ", ".join(f"{name} {value}" for name, value in record["versions"].items())
    threads = f"{machine['threads']} thread{'' if machine['threads'] == '1' else 's'}"
    seeds = ", ".join(map(str, record["seeds"]))
    text = (
        f"{machine['date']}, {machine['processor']}, {threads}; {versions}; {record['repeats']} "
        f"repetitions; {'seed' if len(record['seeds']) == 1 else 'seeds'} {seeds}."
    )
    for peer, why in record["peers_missing"].items():
        text += f" Not compared with {peer}: {why}."
    return plain(text)


class PeerTargets(BenchDirective):
    """What was asked of the speed: what is missed, with the reason; what is met, on demand."""

    def run(self) -> list[nodes.Node]:
        """Nodes of the count and the tables."""
        missed, met = [], []
        for name, record in self.records().items():
            for target in record["targets"]:
                asked = f"{plain(target['text'])}: {target['sense']} {number(target['limit'])}"
                cells = [self.link(name), asked, number(target["value"])]
                if target["met"]:
                    met.append([*cells, "&#10003; met"])
                else:
                    missed.append([*cells, f"&#10007; missed. {plain(target['why'])}"])
        if not missed and not met:
            return self.nothing()
        head = ["Chapter", "Asked", "Measured"]
        found = [self.parsed(f"{len(met)} of {len(met) + len(missed)} targets are met.")]
        if missed:
            lines = [*head, "Missed, and where the time goes"]
            found += self.table(
                lines, missed, "nt-bench nt-targets", "Speed targets that are missed"
            )
        if met:
            found.append(
                self.raw('<details class="nt-record"><summary>Those that are met</summary>')
            )
            found += self.table(
                [*head, ""], met, "nt-bench nt-targets", "Speed targets that are met"
            )
            found.append(self.raw("</details>"))
        return found


class CostHistory(BenchDirective):
    """What pages needed before they were made faster, and now; one `page: what changed` a line.

    CPU seconds of the first baseline are multiplied by how long the calibration takes now over how
    long it took then, so that both columns speak of the same machine.
    """

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Nodes of the table."""
        record = json.loads((self.folder / "baseline.json").read_text(encoding="utf-8"))
        rows, total = [], [0.0, 0.0]
        changes = dict(line.split(": ", 1) for line in self.content)
        unknown = sorted(changes.keys() - record["pages"].keys())
        if unknown:
            raise self.error(f"the baseline says nothing of {', '.join(unknown)}")
        if "before" not in record:
            return [self.parsed("No earlier build is on record.")]
        for name, now in record["pages"].items():
            old = record["before"]["pages"].get(name, now)
            before = old["seconds"] * now["calibration_s"] / old["calibration_s"]
            total = [total[0] + before, total[1] + now["seconds"]]
            if name in changes:
                cells = [f"{before:.0f} s", f"{now['seconds']:.0f} s", changes[name]]
                rows.append([self.link(name), *cells])
        rows.append(["**The whole book**", *(f"**{each:.0f} s**" for each in total), ""])
        environment = record["environment"]
        made = f"Before: {record['before']['date']}. Now: {record['date']}, " + ", ".join(
            f"{key} {environment[key]}" for key in ("device", "python", "numpy", "torch")
        )
        made += "."
        if "together_s" in record:
            minutes = record["together_s"] / 60
            made += (
                f" On {environment['cores']} cores, with nothing kept from an earlier build, all "
                f"pages were executed in {minutes:.1f} minutes."
            )
        head = ["Page", "CPU seconds before", "Now", "What changed"]
        table = self.table(head, rows, "nt-history", "CPU seconds before and after")
        return [*table, self.parsed(plain(made))]


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("peer-ratios", PeerRatios)
    app.add_directive("peer-curves", PeerCurves)
    app.add_directive("peer-table", PeerTable)
    app.add_directive("peer-targets", PeerTargets)
    app.add_directive("cost-history", CostHistory)
