"""One English throughout: spelling, and one word for one thing, on the pages and in the package."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from . import prose
from .concepts import glossary_terms
from .console import BuildError, say
from .fingerprint import digest, file_digest
from .layout import Layout
from .pages import Page, discover
from .plain import bibliography, full_names
from .sources import Book

FOLDER = Path(__file__).with_name("spelling")
AMERICAN = re.compile(
    r"""\b(?:colou?rs?(?<=color)|colors|behavior\w*|center(?:s|ed|ing)?|normaliz\w+|analyz\w+
    |optimiz\w+|generaliz\w+|visualiz\w+|regulariz\w+|standardiz\w+|summariz\w+|neighbor\w*|favor\w*
    |recogniz\w+|minimiz\w+|maximiz\w+|initializ\w+|realiz\w+|modeling|labeled|labeling)\b""",
    re.VERBOSE | re.IGNORECASE,
)
# roles and their targets, links, HTML, addresses: not words of a sentence
_MARKS = re.compile(r"\{[\w:-]+\}`[^`]*`|\]\([^)]*\)|<[^>]+>|https?://\S+|``[^`]+``|`[^`]+`")
_MATHS = re.compile(r"\$\$.+?\$\$|\$[^$]+\$", re.DOTALL)
_ARGUMENT = re.compile(r"^ +\*{0,2}\w+:|\"\w+\"", re.MULTILINE)  # its name, or a value of it
_SENTENCE = 4  # spaces in a string of code that is more than a label
_NAME = re.compile(r"\b\w*(?:_\w+|\.\w+)+\b|\b\w+\(\)?|\\\w+")


@dataclass(frozen=True)
class Text:
    """Sentences of a file, by line."""

    path: Path
    lines: tuple[tuple[int, str], ...]


def _blank(found: re.Match[str]) -> str:
    return " " + "\n" * found[0].count("\n")


def plain(text: str) -> str:
    """The text without links, roles, formulas, HTML and names of code; lines stay.

    Args:
        text: MyST or a docstring.
    """
    for pattern in (_MARKS, _MATHS, _NAME):
        text = pattern.sub(_blank, text)
    return text


def page_text(page: Page) -> Text:
    """What a reader of a page reads: its prose, and sentences that its code puts there."""
    lines: list[tuple[int, str]] = []
    for block in prose.blocks(page)[0]:
        shown = plain(prose.without_code(block.text))
        lines += enumerate(shown.split("\n"), start=block.line)
    for line, text in prose.strings(page):
        if text.count(" ") >= _SENTENCE:
            lines.append((line, " ".join(plain(text).split())))
    return Text(page.path, tuple(lines))


def docstring_text(path: Path) -> Text:
    """The docstrings of a module."""
    lines: list[tuple[int, str]] = []
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False):
            first = node.body[0]
            words = plain(_ARGUMENT.sub("", first.value.value))
            lines += enumerate(words.split("\n"), start=first.lineno)
    return Text(path, tuple(lines))


def texts(layout: Layout, pages: Sequence[Page]) -> Iterator[Text]:
    """Everything that is written to be read: pages, docstrings, the files at the top."""
    for page in pages:
        yield page_text(page)
    for path in sorted(layout.package.rglob("*.py")):
        yield docstring_text(path)
    for name in ("README.md", "CONTRIBUTING.md"):
        path = layout.root / name
        if path.is_file():
            fenced = re.sub(
                r"^```.*?^```", _blank, path.read_text(encoding="utf-8"), flags=re.S | re.M
            )
            yield Text(path, tuple(enumerate(plain(fenced).split("\n"), start=1)))


# ------------------------------------------------------------------------------- words


@cache
def vocabulary() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """(what the book writes, pattern of what it does not write instead)."""
    table = tomllib.loads((FOLDER / "vocabulary.toml").read_text(encoding="utf-8"))
    return tuple(
        (term, re.compile(rf"\b(?:{'|'.join(variants)})\b", re.IGNORECASE))
        for term, variants in table.items()
    )


def variants(text: Text) -> Iterator[tuple[int, str]]:
    """Words that the book writes otherwise: (line, what is wrong)."""
    for line, words in text.lines:
        for found in AMERICAN.finditer(words):
            yield line, f"spelling: {found[0]!r}"
        for term, pattern in vocabulary():
            for found in pattern.finditer(words):
                yield line, f"{found[0]!r}; this book writes {term!r}"


def known_words(layout: Layout) -> list[str]:
    """Words that no dictionary has: of the glossary, of names in the bibliography, by hand."""
    found = {
        word
        for term in glossary_terms(Book.read(layout))
        for word in re.findall(r"[^\W\d_]{3,}", term)
    }
    references = layout.book / "references.bib"
    if references.is_file():
        for entry in bibliography(references).values():
            found |= set(re.findall(r"[^\W\d_]{3,}", " ".join(full_names(entry))))
    by_hand = (FOLDER / "words.txt").read_text(encoding="utf-8").split("\n")
    found |= {word for word in by_hand if word and not word.startswith("#")}
    return sorted(found)


# ------------------------------------------------------------------------------- the checker


def checker(layout: Layout) -> Path | None:
    """The spelling checker, installed once exactly as its lock file says; None without npm.

    Raises:
        BuildError: if npm cannot fetch it.
    """
    files = [FOLDER / "package.json", FOLDER / "package-lock.json"]
    target = layout.npm / f"spelling-{digest([file_digest(path) for path in files])[:16]}"
    program = target / "node_modules" / "cspell" / "bin.mjs"
    if program.is_file():
        return program
    npm = shutil.which("npm")
    if npm is None:
        return None
    layout.npm.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=layout.npm) as draft:
        inside = Path(draft) / "kept"
        inside.mkdir()
        for path in files:
            shutil.copy(path, inside)
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", "../cache"],
            cwd=inside,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BuildError(f"npm could not fetch the spelling checker:\n{done.stderr.strip()}")
        os.rename(inside, target)
    return program


_UNKNOWN = re.compile(r"^(.+?):(\d+):\d+ - Unknown word \((.+?)\)", re.MULTILINE)


def misspelled(
    layout: Layout, program: Path, found: list[Text], words: list[str]
) -> Iterator[tuple[Path, int, str]]:
    """Words that neither a British dictionary nor the book's own list has.

    Args:
        layout: folders of the book.
        program: what `checker` returned.
        found: texts to check.
        words: the book's own words.

    Yields:
        File, line, word.

    Raises:
        BuildError: if the checker fails.
    """
    with tempfile.TemporaryDirectory(dir=layout.npm) as folder:
        for number, text in enumerate(found):
            last = max((line for line, _ in text.lines), default=0)
            rows = [""] * last
            for line, sentence in text.lines:
                rows[line - 1] += f" {sentence}"
            (Path(folder) / f"{number}.txt").write_text("\n".join(rows), encoding="utf-8")
        settings = Path(folder) / "cspell.json"
        settings.write_text(json.dumps(_settings(program, words)), encoding="utf-8")
        command = [shutil.which("node") or "node", str(program), "lint", "--no-progress"]
        command += ["--no-summary", "--no-color", "--no-must-find-files", "--relative"]
        done = subprocess.run(
            [*command, "--config", str(settings), "--root", folder, "*.txt"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode not in (0, 1):
        raise BuildError(f"the spelling checker failed:\n{(done.stderr or done.stdout).strip()}")
    for file, line, word in _UNKNOWN.findall(done.stdout):
        yield found[int(Path(file).stem)].path, int(line), word


def _settings(program: Path, words: list[str]) -> dict[str, object]:
    dictionary = program.parents[1] / "@cspell" / "dict-en-gb" / "cspell-ext.json"
    return {
        "version": "0.2",
        "language": "en-GB",
        "import": [str(dictionary)],
        "dictionaries": ["en-gb"],
        "words": words,
        "enableFiletypes": ["*"],
    }


def main(layout: Layout) -> int:
    """Print every word that is spelled wrongly, or otherwise than in the rest; 1 if any is.

    Raises:
        BuildError: if npm is missing, or cannot fetch the checker.
    """
    program = checker(layout)
    if program is None:
        raise BuildError("npm is not installed; the spelling checker needs it")
    found = list(texts(layout, discover(layout)))
    problems = [
        (path, line, f"unknown word {word!r}")
        for path, line, word in misspelled(layout, program, found, known_words(layout))
    ]
    problems += [(text.path, line, what) for text in found for line, what in variants(text)]
    for path, line, what in sorted(set(problems)):
        say(f"{path.relative_to(layout.root)}:{line}: {what}", error=True)
    if problems:
        say(f"{len(problems)} problems; a name or a term goes into {FOLDER.name}/words.txt")
        return 1
    say(f"{len(found)} texts are spelled as the dictionary says")
    return 0
