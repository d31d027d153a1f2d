"""The graph of concepts: who introduces a term or a symbol, and who may use it.

A path to a page is any order of pages in which each comes after those in its `needs`. What a page
uses must stand on every such path before it: in a page that it needs, directly or through others,
or on the page itself, at that place or earlier. Front matter declares it:

- `introduces.terms`, `introduces.symbols`: what the page explains; `introduces.local`: letters of
  one derivation, explained on the spot.
- `needs`: pages; `needs_terms`, `needs_symbols`: what it takes from them.
- `everyday`: words of the glossary that the page uses in another sense.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from . import latex, prose
from .console import say
from .layout import Layout
from .pages import Page
from .sources import Book, Problem, line_of

_ROLE = re.compile(r"\{term\}`([^`]+)`")
_UNREAD = re.compile(r"\{[\w:-]+\}`[^`]*`|\]\([^)]*\)|<[^>\n]+>|(?<![\\$])\$[^$]+\$")
_HEADING = re.compile(r"^#{1,3}\s.*$", re.MULTILINE)
_RELATION = re.compile(
    r"=|[<>]|\\(?:leftarrow|sim|approx|propto|leq?|geq?|in|to|equiv|iff)(?![a-zA-Z])"
)
_ROW_END = re.compile(r"\\\\|\\q?quad(?![a-zA-Z])|;")
_WORD = re.compile(r"[A-Za-z]{3,}")


def introduced(page: Page, kind: str) -> list[str]:
    """Terms, symbols or local letters that a page declares to introduce."""
    return (page.front.get("introduces") or {}).get(kind) or []


def glossary_terms(book: Book) -> list[str]:
    """Terms of the glossary, as written."""
    page = book.page("glossary")
    if page is None:
        return []
    found: list[str] = []
    for body in re.findall(r"^```\{glossary\}\n(.*?)^```", page.text, re.DOTALL | re.MULTILINE):
        found += [line for line in body.split("\n") if line and not line[0].isspace()]
    return [term for term in found if not term.startswith(":")]


def forms(term: str) -> list[str]:
    """A term in lower case and its plurals: `assembly`, `assemblies`."""
    word = term.lower()
    found = [word, word + "s"]
    if word.endswith(("s", "x", "ch", "sh")):
        found.append(word + "es")
    if re.search(r"[^aeiou]y$", word):
        found.append(word[:-1] + "ies")
    if word.endswith("is"):
        found.append(word[:-2] + "es")
    return found


class Words:
    """Finds the terms of a glossary in plain text, the longest first."""

    def __init__(self, terms: list[str]) -> None:
        self._of: dict[str, str] = {}
        for term in terms:
            for form in forms(term):
                self._of.setdefault(_plain(form), term)
        spelled = sorted(self._of, key=len, reverse=True)
        choice = "|".join(re.escape(form).replace(r"\ ", r"[\s-]+") for form in spelled)
        self._pattern = re.compile(rf"(?<![\w-])(?:{choice})(?![\w-])", re.IGNORECASE)

    def find(self, text: str) -> Iterator[tuple[int, str]]:
        """Where a term stands: (place, term in lower case); acronyms in capitals only."""
        for found in self._pattern.finditer(text) if self._of else ():
            term = self._of[_plain(found[0].lower())]
            if not term.isupper() or found[0].startswith(term):
                yield found.start(), term.lower()


def _plain(text: str) -> str:
    return re.sub(r"[\s-]+", " ", text)


@dataclass(frozen=True)
class Mention:
    """A term on a page.

    Attributes:
        term: in lower case.
        line: of the file.
        linked: whether it is a link to the glossary.
        printed: whether it stands in a string of the code: a label, an alt text, a question.
    """

    term: str
    line: int
    linked: bool = False
    printed: bool = False


def mentions(page: Page, words: Words) -> list[Mention]:
    """Terms on a page in the order of reading; headings name what follows, and do not count."""
    found: list[tuple[int, int, Mention]] = []
    for block in prose.blocks(page)[0]:
        text = _HEADING.sub(_blank, prose.without_code(block.text))
        for role in _ROLE.finditer(text):
            named = re.search(r"<([^>]+)>\s*$", role[1])
            term = " ".join((named[1] if named else role[1]).split()).lower()
            line = block.line + text.count("\n", 0, role.start())
            found.append((line, role.start(), Mention(term, line, linked=True)))
        plain = _UNREAD.sub(_blank, text)
        for place, term in words.find(plain):
            line = block.line + plain.count("\n", 0, place)
            found.append((line, place, Mention(term, line)))
    for line, text in prose.strings(page):
        if " " in text.strip():  # one word alone is a key or an option rather than a sentence
            for place, term in words.find(_UNREAD.sub(_blank, text)):
                found.append((line, place, Mention(term, line, printed=True)))
    return [mention for *_, mention in sorted(found, key=lambda each: each[:2])]


def _blank(found: re.Match) -> str:
    return re.sub(r"[^\n]", " ", found[0])


class Sections:
    """Where the headings of a page stand."""

    def __init__(self, page: Page) -> None:
        self._starts = [
            block.line + block.text.count("\n", 0, found.start())
            for block in prose.blocks(page)[0]
            for found in _HEADING.finditer(block.text)
        ]

    @property
    def first(self) -> int:
        """Where the first section begins; cells above it import and name, and show nothing."""
        return self._starts[1] if len(self._starts) > 1 else 0

    def end(self, line: int) -> float:
        """The first line of the section after the one that holds this line."""
        after = bisect_right(self._starts, line)
        return self._starts[after] if after < len(self._starts) else float("inf")


def _path(book: Book, page: Page) -> str:
    return " → ".join(each.name for each in [*book.path_to(page), page])


def _known_from(book: Book, what: str, kind: str, page: Page) -> str:
    """What to do about something unknown: which pages would introduce it."""
    givers = [
        each.name
        for each in book.taught
        if each is not page and what in [text.lower() for text in introduced(each, kind)]
    ]
    return f", add one of {', '.join(givers)} to `needs`" if givers else ""


def terms(book: Book) -> Iterator[Problem]:
    """A term is introduced on every path that leads to its use."""
    listed = {term.lower(): term for term in glossary_terms(book)}
    words = Words(list(listed.values()))
    everywhere: set[str] = set()
    for page in book.taught:
        own = [term.lower() for term in introduced(page, "terms")]
        everywhere |= set(own)
        before = _terms_before(book, page)
        used = mentions(page, words)
        linked = {each.term for each in used if each.linked}
        for term in own:
            if term not in listed:
                yield Problem(page.path, 1, f"introduces {term!r}, which the glossary lacks")
            if term in before:
                yield Problem(page.path, 1, f"introduces {term!r}, which a page before it did")
            if term not in linked:
                yield Problem(page.path, 1, f"introduces {term!r} but never links it")
        yield from _everyday(page, listed, own, used)
        aside = set(page.front.get("everyday") or [])
        unknown = (set(listed) - before - set(own)) - aside
        yield from _unknown_terms(book, page, used, unknown)
        yield from _early_terms(page, used, set(own) & linked)
    if book.taught:
        glossary = book.page("glossary")
        for term in set(listed) - everywhere:
            yield Problem(
                glossary.path,
                line_of(glossary, f"\n{listed[term]}\n") + 1,
                f"no page introduces {listed[term]!r}",
            )


def _terms_before(book: Book, page: Page) -> set[str]:
    return {term.lower() for each in book.path_to(page) for term in introduced(each, "terms")}


def _everyday(
    page: Page, listed: Mapping[str, str], own: list[str], used: list[Mention]
) -> Iterator[Problem]:
    plain = {each.term for each in used if not each.linked}
    linked = {each.term for each in used if each.linked}
    for term in page.front.get("everyday") or []:
        line = line_of(page, "everyday:")
        if term not in listed:
            yield Problem(page.path, line, f"`everyday`: {term!r} is not in the glossary")
        elif term in own or term in linked:
            yield Problem(page.path, line, f"`everyday`: {term!r} is linked here as a term")
        elif term not in plain:
            yield Problem(page.path, line, f"`everyday`: {term!r} does not stand on this page")


def _unknown_terms(
    book: Book, page: Page, used: list[Mention], unknown: set[str]
) -> Iterator[Problem]:
    seen: set[str] = set()
    for each in used:
        if each.term not in unknown or each.term in seen:
            continue
        seen.add(each.term)
        sense = "" if each.linked else ", or list it in `everyday` if it has another sense here"
        yield Problem(
            page.path,
            each.line,
            f"{each.term!r} stands here before any page introduces it on the path "
            f"{_path(book, page)}; introduce it here (link it, list it in `introduces`)"
            f"{_known_from(book, each.term, 'terms', page)}{sense}",
        )


def _early_terms(page: Page, used: list[Mention], own: set[str]) -> Iterator[Problem]:
    """Terms that stand on the page above the link that introduces them."""
    sections = Sections(page)
    first = {term: next(e for e in used if e.linked and e.term == term) for term in own}
    seen: set[str] = set()
    for place, each in enumerate(used):
        if each.term not in own or each.term in seen or each.linked:
            continue
        if each.printed and each.line < sections.first:
            continue
        link = first[each.term]
        # a picture is explained by the text around it
        late = link.line >= sections.end(each.line) if each.printed else used.index(link) > place
        if late:
            seen.add(each.term)
            yield Problem(
                page.path,
                each.line,
                f"{each.term!r} stands here, above line {link.line} that introduces it; link the "
                "first mention, or explain it in this section",
            )


@dataclass(frozen=True)
class Notation:
    """The notation page: universal symbols, and the rows of the others.

    Attributes:
        universal: symbols that need no introduction.
        rows: (line, LaTeX, docname of the page that introduces it).
    """

    universal: set[str]
    rows: list[tuple[int, str, str]]


def read_notation(book: Book) -> Notation | None:
    """The tables of the notation page, or None if there is no such page."""
    page = book.page("notation")
    if page is None:
        return None
    universal: set[str] = set()
    rows = []
    heading = ""
    for number, line in enumerate(page.text.split("\n"), start=1):
        if line.startswith("#"):
            heading = line
        found = re.match(r"^\|\s*\$(.+?)\$\s*\|(.*)\|\s*$", line)
        if not found:
            continue
        if "niversal" in heading:
            for formula in [found[1], *re.findall(r"\$(.+?)\$", found[2])]:
                universal |= {symbol.base for symbol in latex.symbols(formula)}
        else:
            source = re.search(r"\{doc\}`(?:[^`<]*<)?/?([^`>]+)>?`", found[2].split("|")[-1])
            rows.append((number, found[1], source[1] if source else ""))
    return Notation(universal, rows)


def symbols(book: Book) -> Iterator[Problem]:
    """A symbol is introduced on every path that leads to its use, and on record."""
    notation = read_notation(book)
    if notation is None:
        return
    where = {(latex.normal(text), docname) for _, text, docname in notation.rows}
    for page in book.taught:
        line = line_of(page, "symbols:")
        own = introduced(page, "symbols")
        before = [
            (text, each) for each in book.path_to(page) for text in introduced(each, "symbols")
        ]
        for text in own:
            if (latex.normal(text), page.docname) not in where:
                yield Problem(
                    page.path,
                    line,
                    f"introduces ${text}$, which the notation page does not list for this page",
                )
            for other, each in before:
                if latex.normal(other) == latex.normal(text):
                    yield Problem(
                        page.path, line, f"introduces ${text}$, which {each.name} already uses"
                    )
        yield from _unknown_symbols(book, page, notation.universal)
        yield from _early_symbols(page, notation.universal)
    declared = {
        (latex.normal(text), page.docname)
        for page in book.taught
        for text in introduced(page, "symbols")
    }
    known = {page.docname for page in book.taught}
    page = book.page("notation")
    for line, text, docname in notation.rows:
        if docname in known and (latex.normal(text), docname) not in declared:
            yield Problem(page.path, line, f"{docname} does not introduce ${text}$")


@cache
def _named(text: str, universal: frozenset[str]) -> latex.Symbol | None:
    """The symbol that a declaration is about; None for a name in one piece, like `a-Acc`."""
    found = latex.symbols(text)
    main = [symbol for symbol in found if symbol.base not in universal] or found
    return found[0] if main and "\\text{-}" not in text.replace(" ", "") else None


def _used_symbols(
    book: Book, page: Page, universal: frozenset[str]
) -> Iterator[tuple[int, latex.Symbol]]:
    """Symbols of the page's formulas that are neither universal nor local, with their lines."""
    free = universal | set(introduced(page, "local"))
    pages = [page, *book.path_to(page)]
    whole = [
        latex.normal(text)
        for each in pages
        for text in introduced(each, "symbols")
        if _named(text, universal) is None
    ]
    for piece in prose.formulas(page):
        text = latex.normal(piece.text)
        for name in whole:
            text = text.replace(name, " ")
        for symbol in latex.symbols(text):
            if symbol.base not in free and str(symbol) not in free:
                yield piece.line, symbol


def _unknown_symbols(book: Book, page: Page, universal: set[str]) -> Iterator[Problem]:
    fixed = frozenset(universal)
    own = introduced(page, "symbols")
    known: set[str] = set()
    for text in [*own, *(t for e in book.path_to(page) for t in introduced(e, "symbols"))]:
        named = _named(text, fixed)
        if named is not None:
            known |= {str(named), named.base}
    seen: set[str] = set()
    for line, symbol in _used_symbols(book, page, fixed):
        if symbol.base in known or str(symbol) in known or str(symbol) in seen:
            continue
        seen.add(str(symbol))
        yield Problem(
            page.path,
            line,
            f"${symbol}$ is used, but no page introduces it on the path {_path(book, page)}; "
            "explain it here, list it in `introduces` and on the notation page, or add the page "
            "that introduces it to `needs`",
        )
    normals = "\n".join(latex.normal(piece.text) for piece in prose.formulas(page))
    used = {symbol.base for symbol in latex.symbols(normals.replace("\n", " , "))}
    for text in own:
        bases = [symbol.base for symbol in latex.symbols(text)][:1]
        if latex.normal(text) not in normals and not set(bases) <= used:
            yield Problem(
                page.path, line_of(page, "symbols:"), f"introduces ${text}$ but never uses it"
            )


def _early_symbols(page: Page, universal: set[str]) -> Iterator[Problem]:
    """Symbols that a formula or a picture uses in a section that does not say what they are.

    A symbol is explained where it stands in a sentence, on the left of a displayed relation, or
    in a label that has words of its own; a named function, like `softmax`, where its name does.
    """
    own = {
        named.base
        for text in introduced(page, "symbols")
        if (named := _named(text, frozenset(universal))) is not None
    }
    explained: dict[str, int] = {}
    used: list[tuple[int, str]] = []
    for line, text in prose.inline(page):
        _explain(explained, line, text)
    for block in prose.blocks(page)[0]:
        text = prose.without_code(block.text)
        for word in re.finditer(r"\b[A-Za-z]+\b", text):
            line = block.line + text.count("\n", 0, word.start())
            for base in (f"\\operatorname{{{word[0]}}}", f"\\mathrm{{{word[0]}}}"):
                explained.setdefault(base, line)
    for piece in prose.blocks(page)[1]:
        for row in _ROW_END.split(piece.text):
            bare = re.sub(r"\\(?:begin|end)\s*\{[a-zA-Z*]+\}|&", "", row)
            left = _RELATION.search(bare)
            _explain(explained, piece.line, bare[: left.start()] if left else "")
        used.append((piece.line, piece.text))
    for line, text, words in prose.labels(page):
        if _WORD.search(words):
            _explain(explained, line, text)
        used.append((line, text))
    sections, seen = Sections(page), set()
    for line, text in sorted(used):
        for symbol in latex.symbols(latex.normal(text)):
            base = symbol.base
            if base not in own or base in seen:
                continue
            if explained.get(base, float("inf")) >= sections.end(line):
                seen.add(base)
                where = f"line {explained[base]}" if base in explained else "no sentence"
                yield Problem(
                    page.path,
                    line,
                    f"${symbol}$ stands here, and {where} is the first to explain ${base}$; say "
                    "what it is in this section, or above",
                )


def _explain(explained: dict[str, int], line: int, text: str) -> None:
    for symbol in latex.symbols(latex.normal(text)):
        explained[symbol.base] = min(line, explained.get(symbol.base, line))


def taken(book: Book, page: Page) -> tuple[list[str], list[str]]:
    """Terms and symbols that a page uses and that a page before it introduces.

    Returns:
        Terms as the glossary writes them, in the order of the alphabet, and symbols as the pages
        before declare them, in the order of first use.
    """
    listed = {term.lower(): term for term in glossary_terms(book)}
    aside = set(page.front.get("everyday") or [])
    used = {each.term for each in mentions(page, Words(list(listed.values())))}
    found = sorted(used & _terms_before(book, page) & set(listed) - aside)
    notation = read_notation(book)
    if notation is None:
        return [listed[term] for term in found], []
    universal = frozenset(notation.universal)
    own = {_named(text, universal) for text in introduced(page, "symbols")}
    own_bases = {named.base for named in own if named is not None}
    before: dict[str, list[str]] = {}
    for each in book.path_to(page):
        for text in introduced(each, "symbols"):
            named = _named(text, universal)
            if named is not None:
                before.setdefault(str(named), []).append(text)
                before.setdefault(named.base, []).append(text)
    first_use: dict[str, None] = {}
    for _, symbol in _used_symbols(book, page, universal):
        if symbol.base not in own_bases:
            for text in before.get(str(symbol)) or before.get(symbol.base) or ():
                first_use[text] = None
    return [listed[term] for term in found], list(first_use)


def needs(book: Book) -> Iterator[Problem]:
    """What a page takes from the pages before it is what its front matter says."""
    for page in book.taught:
        for key, found in zip(("needs_terms", "needs_symbols"), taken(book, page), strict=True):
            said = page.front.get(key)
            if not isinstance(said, list):
                continue  # front_matter asks for it
            missing = [text for text in found if text not in said]
            extra = [text for text in said if text not in found]
            for what, rest in (("lacks", missing), ("has, but the page does not use,", extra)):
                if rest:
                    yield Problem(
                        page.path,
                        line_of(page, f"{key}:"),
                        f"`{key}` {what} {', '.join(rest)}; `python -m book.tools concepts` "
                        "brings it up to date",
                    )


def update(layout: Layout) -> int:
    """Write `needs_terms` and `needs_symbols` of every page as its text uses them."""
    book = Book.read(layout)
    for page in book.taught:
        terms, symbols = taken(book, page)
        text = _with(page.text, "needs_terms", terms, after="needs")
        text = _with(text, "needs_symbols", symbols, after="needs_terms")
        if text != page.text:
            page.path.write_text(text, encoding="utf-8")
            say(f"{_below(page.path, layout)}: {len(terms)} terms, {len(symbols)} symbols")
    return 0


def _below(path: Path, layout: Layout) -> str:
    return path.relative_to(layout.root).as_posix()


def _with(text: str, key: str, value: list[str], *, after: str) -> str:
    """Front matter with one list set; a new key follows the key `after`."""
    plain = re.compile(r"[A-Za-z][\w /'-]*")
    items = [item if plain.fullmatch(item) else json.dumps(item) for item in value]
    line = f"{key}: [{', '.join(items)}]"
    if re.search(rf"^{key}:.*$", text, re.MULTILINE):
        return re.sub(rf"^{key}:.*$", lambda _: line, text, count=1, flags=re.MULTILINE)
    return re.sub(
        rf"^{after}:.*$", lambda found: f"{found[0]}\n{line}", text, count=1, flags=re.MULTILINE
    )


@dataclass(frozen=True)
class Gift:
    """What one page gives to a later one.

    Attributes:
        giver: name of the page that introduces the terms.
        taker: name of the page that uses them.
        terms: as declared.
    """

    giver: str
    taker: str
    terms: tuple[str, ...]


def gifts(fronts: Mapping[str, Mapping[str, Any]]) -> list[Gift]:
    """Which terms each page takes from which page before it, from front matter alone.

    Args:
        fronts: front matter by the name of the page, in reading order.
    """

    def before(name: str) -> set[str]:
        found: set[str] = set()
        waiting = list(fronts[name].get("needs") or [])
        while waiting:
            need = waiting.pop()
            if need in fronts and need not in found:
                found.add(need)
                waiting += fronts[need].get("needs") or []
        return found

    found = []
    for name, front in fronts.items():
        wanted = {term.lower(): term for term in front.get("needs_terms") or []}
        earlier = before(name)
        for giver in fronts:
            if giver in earlier:
                own = {
                    term.lower() for term in (fronts[giver].get("introduces") or {})["terms"] or []
                }
                shared = tuple(wanted[term] for term in wanted if term in own)
                if shared:
                    found.append(Gift(giver, name, shared))
    return found
