"""What a reader reads: the sentences and the formulas of a text source, with their lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .pages import Page

_FENCE = re.compile(r"^\s*(`{3,}|~{3,}|:{3,})\s*(?:\{([\w:-]+)\})?(.*)$")
_NOT_PROSE = {"code-cell", "code-block", "code", "literalinclude", "eval-rst", "mermaid", "raw"}
_INLINE_CODE = re.compile(r"(\{[\w:-]+\}`[^`]+`)|(?<!`)(`+)(?!`).+?(?<!`)\2(?!`)", re.DOTALL)
_MATH_ROLE = re.compile(r"\{math\}`([^`]+)`", re.DOTALL)
_DOLLARS = re.compile(r"(?<!\\)\$\$(.+?)(?<!\\)\$\$|(?<![\\$])\$(?!\$)(.+?)(?<![\\$])\$", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_SENTENCE_END = re.compile(
    r"(?<=[.!?:])[\"')*_]*\s+(?=[\"'(*_{$]*[A-Z0-9{$])|\n\s*\n|\n(?=\s*[-*|] )"
)
_TABLE_EDGE = re.compile(r"^\s*\|?[\s:|-]+\|?\s*$")


@dataclass(frozen=True)
class Piece:
    """A stretch of text and the line of the file on which it starts."""

    line: int
    text: str


def blocks(page: Page) -> tuple[list[Piece], list[Piece]]:
    """Prose and display formulas of a page, block by block, in order.

    Code, options of directives and front matter are left out.

    Returns:
        Blocks of prose (inline formulas included), and the contents of `math` directives.
    """
    prose: list[Piece] = []
    formulas: list[Piece] = []
    gathered: list[str] = []
    start = 1
    opened: list[tuple[str, str]] = []  # (fence, kind) of the directives that are open

    def flush() -> None:
        kind = opened[-1][1] if opened else "prose"
        if any(line.strip() for line in gathered):
            piece = Piece(start, "\n".join(gathered))
            if kind == "math":
                formulas.append(piece)
            elif kind == "prose":
                prose.append(piece)
        gathered.clear()

    in_front = page.text.startswith("---")
    for number, line in enumerate(page.text.split("\n"), start=1):
        if in_front:
            in_front = not (number > 1 and line.strip() == "---")
            start = number + 1
            continue
        found = _FENCE.match(line)
        inside = opened[-1][1] if opened else "prose"
        closes = bool(
            found
            and opened
            and not found[2]
            and not found[3].strip()
            and found[1][0] == opened[-1][0][0]
            and len(found[1]) >= len(opened[-1][0])
        )
        if closes:
            flush()
            opened.pop()
            start = number + 1
        elif found and inside == "prose" and (found[2] or found[1][0] != ":"):
            flush()
            name = found[2] or "code"
            kind = "math" if name == "math" else "code" if name in _NOT_PROSE else "prose"
            opened.append((found[1], kind))
            start = number + 1
            if kind == "prose" and found[3].strip():
                prose.append(Piece(number, found[3].strip()))
        elif re.match(r"^\s*:[\w-]+:", line) and opened:
            flush()
            start = number + 1
        else:
            gathered.append(line)
    flush()
    return prose, formulas


def without_code(text: str) -> str:
    """The text without inline code and comments; lines stay where they are."""
    return _no_code(_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text))


def _no_code(text: str) -> str:
    """The text with roles, which look like code in braces, and without code."""
    return _INLINE_CODE.sub(lambda found: found[1] or "\n" * found[0].count("\n"), text)


def sentences(page: Page) -> Iterator[Piece]:
    """Sentences of the prose, list items and table rows, with comments, without inline code."""
    for block in blocks(page)[0]:
        text = _no_code(block.text)
        place = 0
        for part in [*_SENTENCE_END.finditer(text), None]:
            end = part.start() if part else len(text)
            sentence = text[place:end]
            lead = len(sentence) - len(sentence.lstrip())
            line = block.line + text[: place + lead].count("\n")
            if sentence.strip() and not _TABLE_EDGE.match(sentence):
                yield Piece(line, " ".join(sentence.split()))
            place = part.end() if part else end


def formulas(page: Page) -> Iterator[Piece]:
    """Every formula of the page: directives, dollars, roles, and those in strings of its code."""
    yield from blocks(page)[1]
    for line, text in inline(page):
        yield Piece(line, text)
    for line, text, _ in labels(page):
        yield Piece(line, text)


def inline(page: Page) -> Iterator[tuple[int, str]]:
    """Formulas inside sentences: (line, LaTeX)."""
    for block in blocks(page)[0]:
        text = without_code(block.text)
        for pattern in (_MATH_ROLE, _DOLLARS):
            for found in pattern.finditer(text):
                inside = next(filter(None, found.groups()))
                yield block.line + text[: found.start()].count("\n"), inside


def labels(page: Page) -> Iterator[tuple[int, str, str]]:
    """Formulas in strings of the page's code: (line, LaTeX, the string without formulas)."""
    for line, text in strings(page):
        words = _DOLLARS.sub(" ", text)
        for found in _DOLLARS.finditer(text):
            yield line, next(filter(None, found.groups())), words


def strings(page: Page) -> Iterator[tuple[int, str]]:
    """Texts in the page's code that may be shown: (line, text); values in f-strings become `0`.

    Docstrings are left out: they belong to the code.
    """
    for line, source in code(page):
        try:
            tree = ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE))
        except SyntaxError:
            continue
        skipped = _docstrings(tree)
        parts: set[int] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                text = ""
                for value in node.values:
                    if isinstance(value, ast.Constant):
                        text += str(value.value)
                        parts.add(id(value))
                    else:
                        text += MEASURED
                yield line + node.lineno - 1, text
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in parts | skipped
            ):
                yield line + node.lineno - 1, node.value


MEASURED = "\u25a1"  # stands for a value that code puts into a sentence


def _docstrings(tree: ast.AST) -> set[int]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                found.add(id(first.value))
    return found


def code(page: Page) -> Iterator[tuple[int, str]]:
    """Code cells of the page: (line of the file on which the code starts, code)."""
    lines = page.text.split("\n")
    index = 0
    for cell in page.code_cells:
        first = cell.source.split("\n")
        while index < len(lines) and lines[index : index + len(first)] != first:
            index += 1
        yield index + 1, cell.source
        index += len(first)
