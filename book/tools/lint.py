"""Checks of the sources: what every page and every chapter must keep to."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import docstrings, editions, latex, prose, records
from .console import BuildError, say
from .layout import Layout
from .pages import SECTIONS, Page, discover, starter

METRICS = re.compile(
    r"""\b(?:accurac(?:y|ies)|Acc|R\^?2|R²|rMSE|RMSE|MSE|F1|purit(?:y|ies)|AUC|errors?|shares?|medians?
    |correlations?|bits\ per\ spike|of\ the\ (?:time|bins|trials|runs))\b""",
    re.VERBOSE,
)
NUMBERS = re.compile(r"\d+\.\d+|\d+(?:\.\d+)?\s?(?:%|\\%|per\s?cent)")
GIVEN = "<!-- given"  # marks a sentence whose number was chosen or defined, not measured
GIVEN_CODE = "# given:"  # the same for a string in a code cell, on its line or the one above
FRONT_MATTER = {
    "chapter": str,
    "title_short": str,
    "objectives": list,
    "needs": list,
    "introduces": dict,
    "reading_minutes": int,
    "data": list,
    "equations": dict,
}
ABSOLUTE = re.compile(r"(?<![\w.~<:/])/(?:home|root|Users|work|mnt|opt|scratch)/\w|\b[A-Z]:\\\\?\w")
AMERICAN = re.compile(
    r"""\b(?:colou?rs?(?<=color)|colors|behavior\w*|center(?:s|ed|ing)?|normaliz\w+|analyz\w+
    |optimiz\w+|generaliz\w+|visualiz\w+|regulariz\w+|standardiz\w+|summariz\w+|neighbor\w*|favor\w*
    |recogniz\w+|minimiz\w+|maximiz\w+|initializ\w+|realiz\w+|modeling|labeled|labeling)\b""",
    re.VERBOSE | re.IGNORECASE,
)
HYPE = re.compile(r"\b(?:simply|obviously|trivially|clearly|of course)\b", re.IGNORECASE)
DEFINING = ("notation", "glossary")  # pages that say what a symbol or a term means, in numbers, too
LONGEST_CELL = 40  # lines of code that a reader sees at once


@dataclass(frozen=True)
class Problem:
    """Something that a source must not have, and where."""

    path: Path
    line: int
    text: str


Check = Callable[["Book"], Iterator[Problem]]


@dataclass(frozen=True)
class Book:
    """All pages of a book, and what several checks ask about them."""

    layout: Layout
    pages: list[Page]

    @classmethod
    def read(cls, layout: Layout) -> Book:
        """Read every page below `book/`."""
        return cls(layout, discover(layout))

    @property
    def chapters(self) -> list[Page]:
        """Pages with all duties of a chapter."""
        return [page for page in self.pages if page.is_chapter]

    @property
    def taught(self) -> list[Page]:
        """Pages that declare what they need and introduce: chapters and primers."""
        return [page for page in self.pages if "introduces" in page.front]

    def path_to(self, page: Page) -> list[Page]:
        """Pages that a reader of this page has read, by its `needs`."""
        known = {each.name: each for each in self.pages}
        found: dict[str, Page] = {}
        waiting = list(page.front.get("needs") or [])
        while waiting:
            name = waiting.pop()
            if name in known and name not in found:
                found[name] = known[name]
                waiting += known[name].front.get("needs") or []
        return list(found.values())

    def page(self, name: str) -> Page | None:
        """The page of this name, or None."""
        return next((page for page in self.pages if page.name == name), None)


def _line(page: Page, text: str) -> int:
    place = page.text.find(text)
    return 1 if place < 0 else page.text.count("\n", 0, place) + 1


def front_matter(book: Book) -> Iterator[Problem]:
    """Front matter is complete and of the right types."""
    names = {page.name for page in book.pages}
    recordings = registry(book.layout)
    for page in book.taught:
        front = page.front
        wanted = {**FRONT_MATTER, "part": str} if page.is_chapter else FRONT_MATTER
        for key, kind in wanted.items():
            if not isinstance(front.get(key), kind):
                yield Problem(page.path, 1, f"front matter needs `{key}`, a {kind.__name__}")
        if front.get("chapter") != page.path.stem:
            yield Problem(page.path, 1, f"`chapter` must be the file's name, {page.path.stem}")
        if page.is_chapter and front["part"] != page.path.parent.name:
            yield Problem(
                page.path, 1, f"`part` must be the folder's name, {page.path.parent.name}"
            )
        if not 3 <= len(front.get("objectives") or []) <= 5:
            yield Problem(page.path, 1, "three to five `objectives`")
        for need in front.get("needs") or []:
            if need not in names:
                yield Problem(page.path, _line(page, "needs:"), f"needs {need}: no such page")
        introduces = front.get("introduces") or {}
        if set(introduces) - {"local"} != {"terms", "symbols"}:
            yield Problem(page.path, 1, "`introduces` holds `terms`, `symbols`, perhaps `local`")
        for name in front.get("data") or []:
            if recordings and name not in recordings:
                yield Problem(page.path, _line(page, "data:"), f"{name} is not in the registry")


def registry(layout: Layout) -> set[str]:
    """Names of the recordings in `data/registry.toml`."""
    path = layout.root / "data" / "registry.toml"
    if not path.is_file():
        return set()
    files = tomllib.loads(path.read_text(encoding="utf-8")).get("file", [])
    return {entry["name"] for entry in files}


def recordings_declared(book: Book) -> Iterator[Problem]:
    """A recording that a cell names is declared in `data`: the cache must know about it."""
    known = registry(book.layout)
    for page in book.pages:
        if not page.is_notebook:
            continue
        declared = set(page.front.get("data") or [])
        for line, text in prose.strings(page):
            if text in known - declared and "/" in text:
                yield Problem(page.path, line, f"the code names {text!r}; declare it in `data`")


def sections(book: Book) -> Iterator[Problem]:
    """A chapter has all its sections, in order, each target before its heading."""
    for page in book.chapters:
        found = []
        lines = page.text.split("\n")
        for number, line in enumerate(lines, start=1):
            mark = re.fullmatch(rf"\({re.escape(page.name)}-([a-z]+)\)=", line.strip())
            if not mark or mark[1] not in SECTIONS:
                continue
            found.append(mark[1])
            after = next((text for text in lines[number:] if text.strip()), "")
            if not after.startswith("## "):
                yield Problem(page.path, number, f"({page.name}-{mark[1]})= must precede a `##`")
        if tuple(found) != SECTIONS:
            yield Problem(
                page.path, 1, f"sections are {', '.join(found)}; expected {', '.join(SECTIONS)}"
            )
        code = "\n".join(cell.source for cell in page.code_cells)
        for wanted, place in (
            ("```{chapter-card}", page.text),
            ("```{equation-map}", page.text.partition(f"({page.name}-summary)=")[2]),
            (f'claims.table("{page.name}")', code),
        ):
            if wanted not in place:
                yield Problem(page.path, 1, f"there is no {wanted} where it belongs")
        first = page.text.partition("```{chapter-card}")[0]
        if "{cite" not in first:
            yield Problem(page.path, 1, "the chapter's paper must be cited above the card")


def typed_results(book: Book) -> Iterator[Problem]:
    """A number beside a metric's name comes from a cell, or from a cited publication."""
    for page in book.pages:
        if page.name in DEFINING:
            continue
        for piece in prose.sentences(page):
            if "{cite" in piece.text or GIVEN in piece.text:
                continue
            found = _result(piece.text)
            if found:
                yield Problem(
                    page.path,
                    piece.line,
                    f"{found[0]!r} beside {found[1]!r} is typed in; print it with say(), cite "
                    f"where it was published, or mark it {GIVEN}: why --> if it was chosen",
                )
        lines = page.text.split("\n")
        for line, text in prose.strings(page):
            if "{cite" in text or any(GIVEN_CODE in near for near in lines[line - 2 : line]):
                continue
            for sentence in re.split(r"(?<=[.!?;])\s+", text):
                found = _result(sentence) if " " in sentence.strip() else None
                if found and prose.MEASURED not in sentence:
                    yield Problem(
                        page.path,
                        line,
                        f"{found[0]!r} beside {found[1]!r} is typed into a string; print the "
                        f"value, or mark the line above {GIVEN_CODE} why, if it was chosen",
                    )


def _result(sentence: str) -> tuple[str, str] | None:
    """The number and the metric of a sentence that states a result, or None."""
    plain = re.sub(r"\{[\w:-]+\}`[^`]*`", " ", sentence)
    plain = re.sub(r"\$\s*([\d.]+)\s*(\\?%?)\s*\$", r"\1\2", plain)
    plain = re.sub(r"\$R\^2\$", "R2", plain)
    plain = re.sub(r"\$\\mathrm\{?\s*(Acc|rMSE)\s*\}?\$", r"\1", plain)
    plain = re.sub(r"\$[^$]*\$", " ", plain)
    number, metric = NUMBERS.search(plain), METRICS.search(plain)
    return (number[0], metric[0]) if number and metric else None


def glossary_terms(book: Book) -> list[str]:
    """Terms of the glossary, as written."""
    page = book.page("glossary")
    if page is None:
        return []
    found: list[str] = []
    for body in re.findall(r"^```\{glossary\}\n(.*?)^```", page.text, re.DOTALL | re.MULTILINE):
        found += [line for line in body.split("\n") if line and not line[0].isspace()]
    return [term for term in found if not term.startswith(":")]


def terms(book: Book) -> Iterator[Problem]:
    """A term is introduced by the page that uses it, or by a page before it."""
    listed = {term.lower(): term for term in glossary_terms(book)}
    everywhere: set[str] = set()
    for page in book.taught:
        own = [term.lower() for term in (page.front.get("introduces") or {}).get("terms") or []]
        everywhere |= set(own)
        before = {
            term.lower()
            for each in book.path_to(page)
            for term in (each.front.get("introduces") or {}).get("terms") or []
        }
        used = list(_term_roles(page))
        for term in own:
            if term not in listed:
                yield Problem(page.path, 1, f"introduces {term!r}, which the glossary lacks")
            if term in before:
                yield Problem(page.path, 1, f"introduces {term!r}, which a page before it did")
            if term not in {name for _, name in used}:
                yield Problem(page.path, 1, f"introduces {term!r} but never links it")
        for line, term in used:
            if term in listed and term not in before | set(own):
                yield Problem(page.path, line, f"uses {term!r}, which no page before introduces")
        hidden = set(listed) - before - set(own)
        yield from _plain_terms(page, {term: listed[term] for term in hidden})
    if book.taught:
        glossary = book.page("glossary")
        for term in set(listed) - everywhere:
            yield Problem(
                glossary.path,
                _line(glossary, f"\n{listed[term]}\n") + 1,
                f"no page introduces {listed[term]!r}",
            )


def _term_roles(page: Page) -> Iterator[tuple[int, str]]:
    for found in re.finditer(r"\{term\}`([^`]+)`", page.text):
        named = re.search(r"<([^>]+)>\s*$", found[1])
        term = " ".join((named[1] if named else found[1]).split()).lower()
        yield page.text.count("\n", 0, found.start()) + 1, term


def _plain_terms(page: Page, hidden: dict[str, str]) -> Iterator[Problem]:
    """Terms of several words that stand in the text before any page introduced them."""
    patterns = {
        term: re.compile(rf"\b{re.escape(term)}s?\b".replace(r"\ ", r"\s+"), re.IGNORECASE)
        for term in hidden
        if " " in term
    }
    for block in prose.blocks(page)[0]:
        text = prose.without_code(block.text)
        for term, pattern in patterns.items():
            found = pattern.search(text)
            if found:
                line = block.line + text[: found.start()].count("\n")
                yield Problem(
                    page.path, line, f"{term!r} stands here before any page introduces it"
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
    """A symbol is introduced by the page that uses it, or by a page before it, and on record."""
    notation = read_notation(book)
    if notation is None:
        return
    where = {(latex.normal(text), docname) for _, text, docname in notation.rows}
    for page in book.taught:
        own = (page.front.get("introduces") or {}).get("symbols") or []
        before = [
            (text, each)
            for each in book.path_to(page)
            for text in (each.front.get("introduces") or {}).get("symbols") or []
        ]
        for text in own:
            if (latex.normal(text), page.docname) not in where:
                yield Problem(
                    page.path,
                    _line(page, "symbols:"),
                    f"introduces ${text}$, which the notation page does not list for this page",
                )
            for other, each in before:
                if latex.normal(other) == latex.normal(text):
                    yield Problem(
                        page.path,
                        _line(page, "symbols:"),
                        f"introduces ${text}$, which {each.name} already uses",
                    )
        # letters that one derivation uses and explains on the spot
        local = set((page.front.get("introduces") or {}).get("local") or [])
        free = notation.universal | local
        yield from _used_symbols(page, own, [text for text, _ in before], free)
    declared = {
        (latex.normal(text), page.docname)
        for page in book.taught
        for text in (page.front.get("introduces") or {}).get("symbols") or []
    }
    known = {page.docname for page in book.taught}
    page = book.page("notation")
    for line, text, docname in notation.rows:
        if docname in known and (latex.normal(text), docname) not in declared:
            yield Problem(page.path, line, f"{docname} does not introduce ${text}$")


def _used_symbols(
    page: Page, own: Sequence[str], before: Sequence[str], universal: set[str]
) -> Iterator[Problem]:
    whole: list[str] = []
    known: set[str] = set(universal)
    for text in [*own, *before]:
        found = latex.symbols(text)
        main = [symbol for symbol in found if symbol.base not in universal] or found
        if "\\text{-}" in text.replace(" ", ""):
            whole.append(latex.normal(text))
        elif main:
            known |= {str(found[0]), found[0].base}
    seen: set[str] = set()
    normals = ""
    for piece in prose.formulas(page):
        text = latex.normal(piece.text)
        normals += text + "\n"
        for name in whole:
            text = text.replace(name, " ")
        for symbol in latex.symbols(text):
            if symbol.base in known or str(symbol) in known or str(symbol) in seen:
                continue
            seen.add(str(symbol))
            yield Problem(
                page.path, piece.line, f"${symbol}$ is used, but no page before introduces it"
            )
    used = {symbol.base for symbol in latex.symbols(normals.replace("\n", " , "))}
    for text in own:
        bases = [symbol.base for symbol in latex.symbols(text)][:1]
        if latex.normal(text) not in normals and not set(bases) <= used:
            yield Problem(
                page.path, _line(page, "symbols:"), f"introduces ${text}$ but never uses it"
            )


def equations(book: Book) -> Iterator[Problem]:
    """Labels on the page, front matter and oracle tests name the same equations."""
    for page in book.taught:
        declared = page.front.get("equations") or {}
        labels = re.findall(r"^:label:\s*(eq-[\w-]+)\s*$", page.text, re.MULTILINE)
        for label in sorted(set(labels) - set(declared)):
            yield Problem(page.path, _line(page, label), f"{label} is not in `equations`")
        for label in sorted(set(declared) - set(labels)):
            yield Problem(page.path, _line(page, label), f"{label} labels no equation of the page")
        for label, entry in declared.items():
            line = _line(page, label)
            if not isinstance(entry, dict) or set(entry) != {"code", "oracle"}:
                yield Problem(page.path, line, f"{label} needs `code` and `oracle`")
                continue
            if docstrings.resolve(entry["code"]) is None:
                yield Problem(page.path, line, f"{entry['code']} does not exist")
            file, _, test = str(entry["oracle"]).partition("::")
            marks = oracles(book.layout.root / file)
            if marks.get(test) != label:
                yield Problem(
                    page.path,
                    line,
                    f"{file} has no test {test!r} marked @oracle({label!r})",
                )
            for other in sorted(set(marks.values()) - set(declared)):
                yield Problem(page.path, 1, f"{file} has an oracle for {other}, unknown here")


def oracles(path: Path) -> dict[str, str]:
    """Test functions of a file that are marked as oracles: name -> label."""
    if not path.is_file():
        return {}
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef):
            continue
        for mark in node.decorator_list:
            if (
                isinstance(mark, ast.Call)
                and getattr(mark.func, "id", getattr(mark.func, "attr", "")) == "oracle"
                and mark.args
                and isinstance(mark.args[0], ast.Constant)
            ):
                found[node.name] = str(mark.args[0].value)
    return found


def exercises(book: Book) -> Iterator[Problem]:
    """Every exercise has a starter, a docstring and a check; there are as many as promised."""
    for page in book.taught:
        cells = list(prose.code(page))
        tags = [list(cell.metadata.get("tags", [])) for cell in page.code_cells]
        count = 0
        for index, (line, source) in enumerate(cells):
            if "exercise" not in tags[index]:
                if "### BEGIN SOLUTION" in source:
                    yield Problem(page.path, line, "a solution outside a cell tagged `exercise`")
                continue
            count += 1
            try:
                begin = starter(source)
            except BuildError as error:
                yield Problem(page.path, line, f"exercise: {error}")
                continue
            yield from _starter_stands(page, line, begin)
            after = cells[index + 1][1] if index + 1 < len(cells) else ""
            if not re.search(r"\bcheck\(", after):
                yield Problem(page.path, line, "the cell after an exercise must call check(...)")
        questions = sum(len(re.findall(r"\bquiz\(", source)) for _, source in cells)
        if page.is_chapter:
            if not 3 <= count <= 5:
                yield Problem(page.path, 1, f"three to five exercises, this page has {count}")
            if not 3 <= questions <= 5:
                yield Problem(page.path, 1, f"three to five questions, this page has {questions}")


def _starter_stands(page: Page, line: int, begin: str) -> Iterator[Problem]:
    try:
        tree = ast.parse(begin)
    except SyntaxError as error:
        yield Problem(page.path, line, f"the starter of this exercise is no Python: {error.msg}")
        return
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    if not functions or not any(ast.get_docstring(node) for node in functions):
        yield Problem(page.path, line, "the starter needs a function with a docstring")


def claims(book: Book) -> Iterator[Problem]:
    """Claims and chapters name each other."""
    listed = records.read_claims(book.layout)
    for name, entries in listed.items():
        page = book.page(name)
        if page is None:
            yield Problem(book.layout.claims, 1, f"claims of {name}, which is no page")
            continue
        code = "\n".join(cell.source for cell in page.code_cells)
        for entry in entries:
            if f'"{entry["id"]}"' not in code:
                yield Problem(page.path, 1, f"the claim {entry['id']} is never recorded")
            data = entry.get("data")
            if data and data not in (page.front.get("data") or []):
                yield Problem(page.path, 1, f"{entry['id']} needs {data}; declare it in `data`")
    for page in book.chapters:
        if page.name not in listed:
            yield Problem(page.path, 1, "claims.toml has no claims of this chapter")


def table_of_contents(book: Book) -> Iterator[Problem]:
    """Every page is in the table of contents, once."""
    path = book.layout.root / "_toc.yml"
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("root", "file"):
                    found.append(str(value))
                else:
                    walk(value)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    walk(yaml.safe_load(path.read_text(encoding="utf-8")))
    names = {page.docname for page in book.pages}
    for name in sorted(names - set(found)):
        yield Problem(path, 1, f"{name} is missing")
    for name in sorted(set(found) - names):
        yield Problem(path, 1, f"{name} does not exist")
    for name in sorted({name for name in found if found.count(name) > 1}):
        yield Problem(path, 1, f"{name} stands twice")


def references(book: Book) -> Iterator[Problem]:
    """Every reference stands once, and every citation has one.

    Sphinx stops reading at an entry that stands twice: what follows is then cited as [].
    """
    path = book.layout.root / "book" / "references.bib"
    text = path.read_text(encoding="utf-8")
    lines: dict[str, int] = {}
    for found in re.finditer(r"^@\w+\{([^,\s]+),", text, re.MULTILINE):
        line = text[: found.start()].count("\n") + 1
        if found[1] in lines:
            yield Problem(path, line, f"{found[1]} stands in line {lines[found[1]]} already")
        lines.setdefault(found[1], line)
    for page in book.pages:
        for number, line in enumerate(page.text.split("\n"), start=1):
            for found in re.finditer(r"\{cite(?::\w+)?\}`([^`]+)`", line):
                for key in found[1].split(","):
                    if key.strip() not in lines:
                        yield Problem(page.path, number, f"no reference {key.strip()}")


def wording(book: Book) -> Iterator[Problem]:
    """British spelling, no hype, no path of somebody's machine."""
    for page in book.pages:
        for block in prose.blocks(page)[0]:
            text = re.sub(
                r"\{[\w:-]+\}`[^`]*`|\]\([^)]*\)|<[^>]+>|https?://\S+", _blank, block.text
            )
            text = prose.without_code(text)
            for pattern, word in ((AMERICAN, "spelling"), (HYPE, "wording")):
                for found in pattern.finditer(text):
                    line = block.line + text[: found.start()].count("\n")
                    yield Problem(page.path, line, f"{word}: {found[0]!r}")
        for number, line in enumerate(page.text.split("\n"), start=1):
            if ABSOLUTE.search(line):
                yield Problem(page.path, number, "an absolute path")


def _blank(found: re.Match) -> str:
    return "\n" * found[0].count("\n")


def cells(book: Book) -> Iterator[Problem]:
    """Cells cannot switch failures off, and what a reader sees of them is short."""
    for page in book.pages:
        if not page.is_notebook:
            continue
        for cell, (line, source) in zip(page.code_cells, prose.code(page), strict=True):
            tags = cell.metadata.get("tags", [])
            for tag in ("raises-exception", "skip-execution"):
                if tag in tags:
                    yield Problem(page.path, line, f"the tag {tag} is not used in this book")
            hidden = any(tag.startswith(("hide-", "remove-")) for tag in tags) or "exercise" in tags
            if len(source.split("\n")) > LONGEST_CELL and not hidden:
                yield Problem(
                    page.path,
                    line,
                    f"a visible cell of more than {LONGEST_CELL} lines; tag plumbing `hide-input`",
                )


def teaching_notes(book: Book) -> Iterator[Problem]:
    """Every chapter and every primer has notes for those who teach it, with all headings."""
    for page in book.taught:
        path = editions.notes_path(book.layout, page)
        place = path if path.is_file() else page.path
        for problem in editions.notes_problems(book.layout, page):
            yield Problem(place, 1, problem)


CHECKS: tuple[Check, ...] = (
    front_matter,
    recordings_declared,
    sections,
    typed_results,
    terms,
    symbols,
    equations,
    exercises,
    claims,
    table_of_contents,
    references,
    wording,
    cells,
    teaching_notes,
)


def main(layout: Layout) -> int:
    """Print every problem; 1 if there is any."""
    book = Book.read(layout)
    found = [problem for check in CHECKS for problem in check(book)]
    for problem in found:
        path = problem.path.relative_to(layout.root)
        say(f"{path}:{problem.line}: {problem.text}", error=True)
    say(f"{len(found)} problems in {len(book.pages)} pages" if found else "the sources are fine")
    return 1 if found else 0
