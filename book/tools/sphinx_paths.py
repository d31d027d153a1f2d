"""Directives of the page of paths: routes, a table of chapters, the graph of concepts."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from . import concepts, graph
from .sphinx_ext import Directive, duration


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _time(pages: list[dict[str, Any]]) -> str:
    """Reading time as declared and run time as measured, of all these pages together."""
    minutes = sum(page["front"]["reading_minutes"] for page in pages)
    hours, rest = divmod(minutes, 60)
    reading = f"{hours} h {rest} min" if hours > 1 else _plural(minutes, "minute")
    parts = [f"{reading} to read"]
    if all(page["cost"] for page in pages):
        parts.append(f"{duration(sum(page['cost']['wall_seconds'] for page in pages))} to run")
    return ", ".join(parts)


def _work(page: dict[str, Any]) -> str:
    return (
        f"{_plural(page['questions'], 'question')}, {_plural(len(page['exercises']), 'exercise')}"
    )


class Route(Directive):
    """One route of this page's front matter, step by step."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Nodes of the steps."""
        offered = self.facts()["front"].get("routes") or {}
        name = self.arguments[0]
        if name not in offered:
            raise self.error(f"no route {name!r} in the front matter; there are {list(offered)}")
        steps = offered[name]["steps"]
        known = {page["name"]: page for page in self.all_facts()}
        every = [known[each] for step in steps for each in step["pages"]]
        total = self.parsed(
            f"{_plural(len(steps), 'session')}, {_plural(len(every), 'page')}: {_time(every)}.",
            "nt-route-total",
        )
        return [total, *(self.step(step, known) for step in steps)]

    def step(self, step: dict[str, Any], known: dict[str, dict[str, Any]]) -> nodes.container:
        """One step: its pages, what is asked before, aims, exercises and time."""
        pages = [known[name] for name in step["pages"]]
        links = ", ".join(f"[{page['short_title']}](/{page['docname']})" for page in pages)
        lines = [f"**{step['when']}: {links}**", "", f"*Before the session*: {step['before']}", ""]
        lines += ["*Afterwards you can*:", ""]
        lines += [f"- {aim}" for page in pages for aim in page["front"]["objectives"]]
        chosen = [
            f"{number}, *{page['exercises'][number - 1]}*"
            for page in pages
            for number in step["exercises"].get(page["name"]) or []
        ]
        lines += ["", f"*Exercises*: {'; '.join(chosen) or 'none'}", ""]
        held = "; ".join(_work(page) for page in pages)
        lines.append(f"*Time*: {_time(pages)}. *On the page*: {held}.")
        return self.parsed("\n".join(lines), "nt-card", "nt-route-step")


class ChapterTable(Directive):
    """Aims and time of every page that teaches something."""

    def run(self) -> list[nodes.Node]:
        """Nodes of the table."""
        rows = [
            "````{list-table}",
            ":header-rows: 1",
            ":widths: 32 68",
            ":class: nt-chapters",
            "",
            "* - Page, time and tasks",
            "  - After it you can",
        ]
        for page in self.all_facts():
            if "objectives" not in page["front"]:
                continue
            rows += [
                f"* - **[{page['short_title']}](/{page['docname']})**",
                "",
                f"    {_time([page])}",
                "",
                f"    {_work(page)}",
                "  - " + "\n    ".join(f"- {aim}" for aim in page["front"]["objectives"]),
            ]
        return [self.parsed("\n".join([*rows, "````"]), "nt-scroll")]


class ConceptGraph(Directive):
    """Which terms each page gives to which later pages, as a drawing and as a list."""

    def run(self) -> list[nodes.Node]:
        """Nodes of the drawing and of the list."""
        known = {page["name"]: page for page in self.all_facts() if "introduces" in page["front"]}
        gifts = concepts.gifts({name: page["front"] for name, page in known.items()})
        if not gifts:
            return []
        uri = self.env.app.builder.get_relative_uri
        there = {gift.giver for gift in gifts} | {gift.taker for gift in gifts}
        items = [
            graph.Item(
                name,
                page["short_title"],
                uri(self.env.docname, page["docname"]),
                tuple(gift.giver for gift in gifts if gift.taker == name),
                page["front"].get("part", ""),
            )
            for name, page in known.items()
            if name in there
        ]
        counts = {(gift.giver, gift.taker): len(gift.terms) for gift in gifts}
        lines = []
        for giver in dict.fromkeys(gift.giver for gift in gifts):
            page = known[giver]
            lines += [f"**[{page['short_title']}](/{page['docname']})** gives", ""]
            for gift in gifts:
                if gift.giver == giver:
                    taker = known[gift.taker]
                    words = ", ".join(f"{{term}}`{term}`" for term in gift.terms)
                    lines.append(f"- to [{taker['short_title']}](/{taker['docname']}): {words}")
            lines.append("")
        drawn = graph.draw(
            items,
            counts,
            label="Which chapters give terms to which",
            about="Each box is a page; an arrow leads from a page to one that uses its terms, and "
            "the number says how many. The list below names them",
            words=False,
        )
        return [self.raw(drawn), self.parsed("\n".join(lines), "nt-gifts")]


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("route", Route)
    app.add_directive("chapter-table", ChapterTable)
    app.add_directive("concept-graph", ConceptGraph)
