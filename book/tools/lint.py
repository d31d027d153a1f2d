"""Checks of the sources: what every page and every chapter must keep to."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from . import docstrings, editions, language, prose, records
from .concepts import needs, symbols, terms
from .console import BuildError, say
from .layout import Layout
from .pages import SECTIONS, Page, starter
from .routes import routes
from .sources import Book, Check, Problem, line_of

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
    "needs_terms": list,
    "needs_symbols": list,
    "introduces": dict,
    "reading_minutes": int,
    "data": list,
    "equations": dict,
}
ABSOLUTE = re.compile(r"(?<![\w.~<:/])/(?:home|root|Users|work|mnt|opt|scratch)/\w|\b[A-Z]:\\\\?\w")
HYPE = re.compile(r"\b(?:simply|obviously|trivially|clearly|of course)\b", re.IGNORECASE)
DEFINING = ("notation", "glossary")  # pages that say what a symbol or a term means, in numbers, too
LONGEST_CELL = 40  # lines of code that a reader sees at once


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
                yield Problem(page.path, line_of(page, "needs:"), f"needs {need}: no such page")
        introduces = front.get("introduces") or {}
        if set(introduces) - {"local"} != {"terms", "symbols"}:
            yield Problem(page.path, 1, "`introduces` holds `terms`, `symbols`, perhaps `local`")
        for name in front.get("data") or []:
            if recordings and name not in recordings:
                yield Problem(page.path, line_of(page, "data:"), f"{name} is not in the registry")


def memory_settings(book: Book) -> Iterator[Problem]:
    """A page with a paper scale names the setting to lower when memory runs out, and it exists."""
    for page in book.pages:
        if not page.is_notebook:
            continue
        code = "\n".join(cell.source for cell in page.code_cells)
        setting = page.front.get("memory_setting")
        scaled = "runtime.scale()" in code
        if scaled and not isinstance(setting, str):
            yield Problem(
                page.path,
                1,
                "a page with a paper scale needs `memory_setting`: a field of a config class, a "
                "parameter of a function, or a name that a cell sets",
            )
        elif setting and not scaled:
            yield Problem(page.path, line_of(page, "memory_setting:"), "there is no paper scale")
        elif setting and not _is_setting(setting, code):
            line = line_of(page, "memory_setting:")
            yield Problem(page.path, line, f"there is no setting {setting}")


def _is_setting(setting: str, code: str) -> bool:
    owner, _, name = setting.rpartition(".")
    if not owner:
        return re.search(rf"^\s*{re.escape(name)} = ", code, re.MULTILINE) is not None
    thing = docstrings.resolve(owner)
    if dataclasses.is_dataclass(thing):
        return name in {field.name for field in dataclasses.fields(thing)}
    return callable(thing) and name in inspect.signature(thing).parameters


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


def equations(book: Book) -> Iterator[Problem]:
    """Labels on the page, front matter and oracle tests name the same equations."""
    for page in book.taught:
        declared = page.front.get("equations") or {}
        labels = re.findall(r"^:label:\s*(eq-[\w-]+)\s*$", page.text, re.MULTILINE)
        for label in sorted(set(labels) - set(declared)):
            yield Problem(page.path, line_of(page, label), f"{label} is not in `equations`")
        for label in sorted(set(declared) - set(labels)):
            yield Problem(
                page.path, line_of(page, label), f"{label} labels no equation of the page"
            )
        for label, entry in declared.items():
            line = line_of(page, label)
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
        questions = sum(len(re.findall(r"\b(?:quiz|ask_number)\(", source)) for _, source in cells)
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
    """No hype, no path of somebody's machine."""
    for page in book.pages:
        for block in prose.blocks(page)[0]:
            text = re.sub(
                r"\{[\w:-]+\}`[^`]*`|\]\([^)]*\)|<[^>]+>|https?://\S+", _blank, block.text
            )
            text = prose.without_code(text)
            for found in HYPE.finditer(text):
                line = block.line + text[: found.start()].count("\n")
                yield Problem(page.path, line, f"wording: {found[0]!r}")
        for number, line in enumerate(page.text.split("\n"), start=1):
            if ABSOLUTE.search(line):
                yield Problem(page.path, number, "an absolute path")


def _blank(found: re.Match) -> str:
    return "\n" * found[0].count("\n")


def one_english(book: Book) -> Iterator[Problem]:
    """British spelling and one word for one thing, on the pages and in docstrings."""
    for text in language.texts(book.layout, book.pages):
        for line, what in language.variants(text):
            yield Problem(text.path, line, what)


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
    memory_settings,
    recordings_declared,
    sections,
    typed_results,
    terms,
    symbols,
    needs,
    routes,
    equations,
    exercises,
    claims,
    table_of_contents,
    references,
    wording,
    one_english,
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
