"""Sphinx extension: cards, claims, costs and maps from what pages declare and executions left."""

from __future__ import annotations

import copy
import json
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

from . import assets, docstrings, graph, markup, sheet
from .stage import BENCH, FACTS

_BADGE = {
    "met": ("&#10003;", "reproduces"),
    "unmet": ("&#10007;", "does not reproduce"),
    "needs data": ("&#9675;", "needs data"),
}


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 10 else f"{minutes} min"


def memory(count: float) -> str:
    """Bytes in words."""
    return f"{count / 2**30:.1f} GiB"


class Directive(SphinxDirective):
    """A directive that reads facts about pages and writes MyST text into the page."""

    has_content = False

    def facts(self, docname: str | None = None) -> dict[str, Any]:
        """Facts about one page; the page that is being read depends on them from now on."""
        docname = docname or self.env.docname
        path = Path(self.env.srcdir) / FACTS / f"{docname}.json"
        self.env.note_dependency(str(path))
        if not path.is_file():
            raise self.error(f"nothing is known about the page {docname!r}")
        return json.loads(path.read_text(encoding="utf-8"))

    def all_facts(self) -> list[dict[str, Any]]:
        """Facts about all pages, in the order of the table of contents."""
        folder = Path(self.env.srcdir) / FACTS
        found = [
            self.facts(path.relative_to(folder).with_suffix("").as_posix())
            for path in sorted(folder.rglob("*.json"))
        ]
        order = {name: index for index, name in enumerate(_reading_order(self.env.app))}
        return sorted(found, key=lambda each: order.get(each["docname"], len(order)))

    def parsed(self, text: str, *classes: str) -> nodes.container:
        """MyST text as nodes in a box of the given classes."""
        box = nodes.container(classes=list(classes))
        lines = StringList(text.split("\n"), source=self.env.docname)
        self.state.nested_parse(lines, self.content_offset, box)
        return box

    def raw(self, text: str) -> nodes.raw:
        """HTML as it is."""
        return nodes.raw("", text, format="html")


def origin(dotted: str) -> str | None:
    """Where the object of this dotted name is defined; None if there is no such object."""
    thing = docstrings.resolve(dotted)
    if thing is None:
        return None
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    return f"{module}.{name}" if module and name else dotted


def _reading_order(app: Sphinx) -> list[str]:
    site_map = getattr(app.config, "external_site_map", None)
    return list(site_map) if site_map is not None else []


def _link(docname: str, text: str) -> str:
    return f"[{text}](/{docname})"


class ChapterCard(Directive):
    """What the chapter teaches, what it needs, how long it takes."""

    def run(self) -> list[nodes.Node]:
        """Nodes of the card."""
        page = self.facts()
        front = page["front"]
        known = {each["name"]: each for each in self.all_facts()}
        needs = [
            _link(known[name]["docname"], known[name]["short_title"])
            for name in front.get("needs", [])
            if name in known
        ]
        lines = [f"- {item}" for item in front.get("objectives", [])]
        card = nodes.container(classes=["nt-card"])
        card += self.parsed(
            "**After this chapter you can**\n\n" + "\n".join(lines), "nt-card-goals"
        )
        rows = []
        if needs:
            rows.append(f"**You need first**: {', '.join(needs)}")
        if "reading_minutes" in front:
            rows.append(f"**Reading time**: {front['reading_minutes']} minutes")
        cost = page["cost"]
        if cost:
            rows.append(
                f"**Run time**: {duration(cost['wall_seconds'])} on one thread, "
                f"{memory(cost['peak_bytes'])} of memory, measured while this page was built"
            )
        paper = page["paper"]
        if paper.get("wall_seconds"):
            device = paper.get("environment", {}).get("device", "")
            rows.append(f"**At the paper's scale**: {duration(paper['wall_seconds'])} on {device}")
        card += self.parsed("\n\n".join(rows), "nt-card-facts")
        return [card]


class EquationMap(Directive):
    """Each numbered equation beside the function that computes it and the test that checks it."""

    def run(self) -> list[nodes.Node]:
        """Nodes of the table."""
        equations = self.facts()["front"].get("equations") or {}
        if not equations:
            return []
        rows = [
            "````{list-table}",
            ":header-rows: 1",
            ":class: nt-equations",
            "",
            "* - Equation",
            "  - Code",
            "  - Checked against a literal transcription in",
        ]
        for label, entry in equations.items():
            code = entry["code"]
            short = code.removeprefix("neurotutor.")
            target = origin(code) or code
            file, _, test = entry["oracle"].partition("::")
            rows += [
                f"* - {{eq}}`{label}`",
                f"  - {{py:obj}}`{short} <{target}>`",
                f"  - `{test}` in `{file}`",
            ]
        return [self.parsed("\n".join([*rows, "````"]), "nt-scroll")]


class ClaimsTable(Directive):
    """Claims of one chapter or, without an argument, of all, with what this build measured."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Nodes of the tables, one for each chapter."""
        from neurotutor.teaching import claims

        wanted = self.arguments[0] if self.arguments else None
        found: list[nodes.Node] = []
        for page in self.all_facts():
            if not page["claims"] or wanted not in (None, page["name"]):
                continue
            title = f"{_link(page['docname'], page['short_title'])}"
            if wanted is None:
                found.append(self.parsed(f"**{title}** {self.count(page)}", "nt-claims-title"))
            record = with_spread(page, self.sheet().get(page["name"], {}))
            table = claims.render(page["name"], record or None, page["paper"] or None)
            found.append(self.raw(table))
        if wanted is not None and not found:
            raise self.error(f"no chapter called {wanted!r} has claims")
        return found

    def sheet(self) -> dict[str, Any]:
        """What is on record about the pages under other seeds."""
        path = Path(self.env.srcdir) / BENCH / sheet.RECORD
        self.env.note_dependency(str(path))
        return sheet.read(path)

    def count(self, page: dict[str, Any]) -> str:
        """How many of the claims reproduce, in words."""
        said = page["record"].get("claims", {}).values()
        parts = []
        for verdict, (_, word) in _BADGE.items():
            count = sum(each["verdict"] == verdict for each in said)
            if count:
                parts.append(f"{count} {word if count == 1 else _PLURAL[verdict]}")
        return f"({', '.join(parts)})" if parts else "(not run yet)"


def with_spread(page: dict[str, Any], runs: dict[str, Any]) -> dict[str, Any]:
    """A page's record, in which each claim also says what other seeds made of it.

    Args:
        page: facts about the page.
        runs: its entry in the sheet; empty if there is none.
    """
    record = copy.deepcopy(page["record"])
    for claim, entry in record.get("claims", {}).items():
        found = sheet.spread(runs, claim)
        if not found:
            continue
        count, of = sheet.met(runs, claim)
        spans = [f"{low:.3g} to {high:.3g}" for low, high, _ in found.values()]
        said = f"under {of} sets of seeds {', '.join(spans)}, met under {count}"
        entry["spread"] = "; ".join(filter(None, [entry["spread"], said]))
    return record


_PLURAL = {"met": "reproduce", "unmet": "do not reproduce", "needs data": "need data"}


class CostTable(Directive):
    """Wall time and peak memory of every page that has code."""

    def run(self) -> list[nodes.Node]:
        """Nodes of the table."""
        rows = [
            "````{list-table}",
            ":header-rows: 1",
            ":class: nt-costs",
            "",
            "* - Page",
            "  - Wall time",
            "  - Peak memory",
            "  - Scale",
            "  - Device",
        ]
        pages = [page for page in self.all_facts() if page["is_notebook"]]
        for page in pages:
            cost = page["cost"]
            cells = (
                [
                    duration(cost["wall_seconds"]),
                    memory(cost["peak_bytes"]),
                    cost["scale"],
                    cost["device"] or "cpu",
                ]
                if cost
                else ["not run yet", "", "", ""]
            )
            rows.append(f"* - {_link(page['docname'], page['short_title'])}")
            rows += [f"  - {cell}" for cell in cells]
        done = [page["cost"] for page in pages if page["cost"]]
        if done:
            total = sum(cost["wall_seconds"] for cost in done)
            most = max(cost["peak_bytes"] for cost in done)
            rows += [
                "* - **All pages, one after the other**",
                f"  - **{duration(total)}**",
                f"  - **{memory(most)}** at most",
                "  - ",
                "  - ",
            ]
        return [self.parsed("\n".join([*rows, "````"]), "nt-scroll")]


class ChapterGraph(Directive):
    """The chapters and what each needs, as a drawing with links and as a list."""

    def run(self) -> list[nodes.Node]:
        """Nodes of the drawing and the list."""
        pages = self.all_facts()
        known = {page["name"]: page for page in pages}
        needed = {name for page in pages for name in page["front"].get("needs", [])}
        shown = [page for page in pages if page["is_chapter"] or page["name"] in needed]
        items = [
            graph.Item(
                page["name"],
                page["short_title"],
                self.env.app.builder.get_relative_uri(self.env.docname, page["docname"]),
                tuple(name for name in page["front"].get("needs", []) if name in known),
                page["front"].get("part", ""),
            )
            for page in shown
        ]
        if not items:
            return []
        return [self.raw(graph.draw(items))]


# RequireJS reads this before it starts: modules, and the fonts beside them, are the site's own.
_REQUIRE = (
    "window.require = { baseUrl: new URL(document.documentElement.dataset.content_root + "
    "'_static/vendor/widgets/', document.baseURI).href };"
)
# The widget manager asks for formulas to be typeset in the way of MathJax 2; this is version 3.
_TYPESET = (
    "document.addEventListener('DOMContentLoaded', () => { if (window.MathJax && !MathJax.Hub) "
    "MathJax.Hub = { Queue: ([, , element]) => MathJax.startup.promise.then(() => "
    "MathJax.typesetPromise([element])) }; });"
)
# The theme's icons would replace those that the play button holds on to; it brings its own.
_ICONS = "if (window.FontAwesome) FontAwesome.config.observeMutations = false;"


def _vendor(app: Sphinx, config: Config) -> None:
    """Serve MathJax, RequireJS and the widget manager from the site, or link them."""
    vendor = os.environ.get("NEUROTUTOR_VENDOR", "")
    version = assets.versions()
    if vendor and Path(vendor).is_dir():
        config.mathjax_path = "vendor/mathjax/tex-chtml-full.js"
        config.nb_ipywidgets_js = {
            "vendor/requirejs/require.js": {},
            "vendor/widgets/embed-amd.js": {},
        }
        return
    cdn = "https://cdn.jsdelivr.net/npm"
    manager = f"@jupyter-widgets/html-manager@{version['@jupyter-widgets/html-manager']}"
    config.mathjax_path = f"{cdn}/mathjax@{version['mathjax']}/es5/tex-chtml-full.js"
    config.nb_ipywidgets_js = {
        f"{cdn}/requirejs@{version['requirejs']}/require.js": {},
        f"{cdn}/{manager}/dist/embed-amd.js": {"data-jupyter-widgets-cdn": f"{cdn}/"},
    }


def _add_scripts(app: Sphinx) -> None:
    app.add_js_file(None, body=_TYPESET, priority=100)
    app.add_js_file(None, body=_ICONS, priority=100)
    vendor = Path(os.environ.get("NEUROTUTOR_VENDOR") or "absent")
    if vendor.is_dir() and app.builder.format == "html":
        goal = Path(app.outdir) / "_static" / "vendor"
        shutil.copytree(vendor, goal, dirs_exist_ok=True)
        app.add_js_file(None, body=_REQUIRE, priority=100)


def _end_with_driver(app: Sphinx) -> None:
    """End when the driver was killed, so that no orphan writes into the next build's folders."""
    driver = int(os.environ.get("NEUROTUTOR_DRIVER", "0"))

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(0.2)
        os._exit(1)

    if driver:
        threading.Thread(target=watch, daemon=True).start()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives and the self-served scripts."""
    # These build on the directives of this module.
    from . import bench_pages, sphinx_paths, sphinx_steady

    app.add_directive("chapter-card", ChapterCard)
    app.add_directive("equation-map", EquationMap)
    app.add_directive("claims-table", ClaimsTable)
    app.add_directive("cost-table", CostTable)
    app.add_directive("chapter-graph", ChapterGraph)
    bench_pages.setup(app)
    sphinx_paths.setup(app)
    sphinx_steady.setup(app)
    app.connect("config-inited", _vendor, priority=100)
    app.connect("builder-inited", _add_scripts)
    app.connect("builder-inited", _end_with_driver)
    app.connect("build-finished", markup.repair_site)
    # before napoleon (500), which reads the sections and writes reStructuredText
    app.connect("autodoc-process-docstring", docstrings.process, priority=400)
    app.connect("autodoc-process-docstring", docstrings.process_types, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
