"""MyST text as plain Markdown, for a notebook that is opened in Jupyter instead of on the site."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from pybtex.database import Entry, Person, parse_file
from pybtex.richtext import Text

from .pages import Page

_ROLE = re.compile(r"\{(cite:t|cite|eq|term|doc|math)\}`([^`]+)`")
_TARGETED = re.compile(r"(.+?)\s*<([^<>]+)>\s*", re.DOTALL)
_TARGET = re.compile(r"^\([\w-]+\)=[ \t]*\n", re.MULTILINE)
_DIRECTIVE = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<kind>[\w-]+)\}[ \t]*(?P<title>[^\n]*)\n"
    r"(?P<body>.*?)^(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_OPTION = re.compile(r"^:([\w-]+):[ \t]*(.*)$")
_LABEL = re.compile(r"^`{3,}\{math\}[ \t]*\n:label:[ \t]*(\S+)", re.MULTILINE)


@cache
def bibliography(path: Path) -> Mapping[str, Entry]:
    """The entries of a BibTeX file, by key."""
    return parse_file(str(path), bib_format="bibtex").entries


def _surname(person: Person) -> str:
    names = [*person.rich_prelast_names, *person.rich_last_names]
    return " ".join(str(name) for name in names)


def _field(entry: Entry, name: str) -> str:
    """A field without LaTeX: accents as letters, protecting braces gone."""
    return str(Text.from_latex(entry.fields[name]))


def _people(entry: Entry) -> list[Person]:
    return entry.persons.get("author") or entry.persons.get("editor") or []


def full_names(entry: Entry) -> list[str]:
    """Authors or editors with all their names, accents as letters."""
    return [
        " ".join(map(str, [*person.rich_first_names, *person.rich_middle_names, _surname(person)]))
        for person in _people(entry)
    ]


def short_authors(entry: Entry) -> str:
    """Authors as a sentence names them: one, two, or the first and others."""
    names = [_surname(person) for person in _people(entry)]
    if not names:
        return _field(entry, "title")
    return " and ".join(names) if len(names) < 3 else f"{names[0]} et al."


def reference(entry: Entry) -> str:
    """One entry as a line of a list of references."""
    people = []
    for person in _people(entry):
        initials = "".join(f" {str(name)[0]}." for name in person.rich_first_names)
        people.append(_surname(person) + initials)
    if len(people) > 6:
        people = [*people[:5], "et al."]
    where = [
        _field(entry, name)
        for name in ("journal", "booktitle", "school", "publisher")
        if name in entry.fields
    ]
    parts = [
        f"{', '.join(people)} ({entry.fields.get('year', 'no year')})",
        f"*{_field(entry, 'title')}*",
    ]
    line = ". ".join([*parts, *where[:1]]) + "."
    if "doi" in entry.fields:
        line += f" https://doi.org/{entry.fields['doi']}"
    elif "url" in entry.fields:
        line += f" {entry.fields['url']}"
    return line


class Converter:
    """Turns the text cells of one page into Markdown that Jupyter shows as it is meant."""

    def __init__(self, page: Page, pages: Sequence[Page], bib: Path):
        """Number the page's equations, and note what other pages are called.

        Args:
            page: the page that is converted.
            pages: all pages, for the titles of those that it names.
            bib: BibTeX file of the book.
        """
        self.page = page
        self.entries = bibliography(bib)
        self.cited: set[str] = set()
        self._titles = {other.docname: other.short_title for other in pages}
        self._names = {other.name: other.short_title for other in pages}
        labels = _LABEL.findall(page.text)
        self._numbers = {label: number for number, label in enumerate(labels, start=1)}

    def __call__(self, text: str) -> str:
        """One text cell, converted."""
        return self._inline(_TARGET.sub("", _DIRECTIVE.sub(self._block, text))).strip()

    def references(self) -> str:
        """The works that the converted cells cite, as a list."""
        lines = sorted(reference(self.entries[key]) for key in self.cited)
        return "\n".join(["## References", "", *(f"- {line}" for line in lines)])

    # ---------------------------------------------------------------------------- in a line

    def _inline(self, text: str) -> str:
        roles: dict[str, Callable[[str], str]] = {
            "cite": self._cite,
            "cite:t": self._cite_in_text,
            "eq": self._equation,
            "term": lambda held: f"*{_shown(held)}*",
            "doc": self._document,
            "math": lambda held: f"${held}$",
        }
        return _ROLE.sub(lambda found: roles[found[1]](found[2]), text)

    def _known(self, keys: str) -> list[Entry]:
        found = [key.strip() for key in keys.split(",")]
        self.cited.update(found)
        return [self.entries[key] for key in found]

    def _cite(self, keys: str) -> str:
        texts = [f"{short_authors(e)}, {e.fields.get('year', '')}" for e in self._known(keys)]
        return f"({'; '.join(texts)})"

    def _cite_in_text(self, keys: str) -> str:
        texts = [f"{short_authors(e)} ({e.fields.get('year', '')})" for e in self._known(keys)]
        return ", ".join(texts)

    def _equation(self, label: str) -> str:
        number = self._numbers.get(label)
        return f"({number})" if number else f"equation `{label}` of another page"

    def _document(self, held: str) -> str:
        split = _TARGETED.fullmatch(held)
        if split:
            return f"*{split[1]}*"
        path = held.strip()
        return f"*{self._titles.get(path.strip('/')) or self._names.get(Path(path).name, path)}*"

    # ---------------------------------------------------------------------------- in a block

    def _block(self, found: re.Match) -> str:
        kind, title = found["kind"], found["title"].strip()
        options, body = _split_options(found["body"])
        match kind:
            case "math":
                return self._formula(body, options.get("label"))
            case "chapter-card":
                return self._card()
            case "equation-map":
                return self._equation_map()
            case "admonition" | "note" | "tip" | "warning" | "important":
                inner = _DIRECTIVE.sub(self._block, body).strip()
                heading = f"**{title or kind.capitalize()}**\n\n"
                return textwrap.indent(heading + inner, "> ", lambda line: True)
            case "code-block" | "code":
                return f"```{title}\n{body.rstrip()}\n```"
        # What else a page may hold is made while the site is built, and is on the site alone.
        return ""

    def _formula(self, body: str, label: str | None) -> str:
        tag = f"\n\\tag{{{self._numbers[label]}}}" if label else ""
        return f"$$\n{body.strip()}{tag}\n$$"

    def _card(self) -> str:
        front = self.page.front
        lines = ["**After this page you can**", ""]
        lines += [f"- {goal}" for goal in front.get("objectives", [])]
        needs = [self._names[name] for name in front.get("needs", []) if name in self._names]
        if needs:
            lines += ["", f"**You need first**: {', '.join(needs)}"]
        if "reading_minutes" in front:
            lines += ["", f"**Reading time**: {front['reading_minutes']} minutes"]
        return "\n".join(lines)

    def _equation_map(self) -> str:
        lines = [
            f"- equation ({self._numbers[label]}): `{entry['code']}`"
            for label, entry in (self.page.front.get("equations") or {}).items()
            if label in self._numbers
        ]
        return "\n".join(["**Which function computes which equation**", "", *lines])


def _shown(held: str) -> str:
    """What a role shows: `text` of `text <target>`, or all of it."""
    split = _TARGETED.fullmatch(held)
    return split[1] if split else held


def _split_options(body: str) -> tuple[dict[str, str], str]:
    """Options at the head of a directive's body, and the rest."""
    options: dict[str, str] = {}
    lines = body.split("\n")
    while lines and (found := _OPTION.match(lines[0])):
        options[found[1]] = found[2].strip()
        lines.pop(0)
    return options, "\n".join(lines)
