"""Docstrings of the package, plain text with `code` in backticks, as reStructuredText."""

from __future__ import annotations

import importlib
import re
from typing import Any

_CODE = re.compile(r"(``.+?``|`[^`]+`)")
_DOCTEST = re.compile(r"^\s*(?:>>>|\.\.\.) ")
# As in "(*batch, inputs)"; `*args:` in a list of arguments is left to napoleon.
_STAR = re.compile(r"(?<![*\w])\*(?=\w)(?!\w+:)")
_ROLE_BEFORE = re.compile(r":[a-z]+(?::[a-z]+)?:$")


def convert(lines: list[str]) -> list[str]:
    """Make single backticks code; bars, stars and trailing underscores are no markup."""
    # Code may run over the end of a line, so whole paragraphs are converted at once.
    done: list[str] = []
    paragraph: list[str] = []
    for line in [*lines, ""]:
        if line.strip() and not _DOCTEST.match(line):
            paragraph.append(line)
            continue
        done += _paragraph("\n".join(paragraph)).split("\n") if paragraph else []
        done.append(line)
        paragraph = []
    return done[:-1]


def _paragraph(text: str) -> str:
    parts = _CODE.split(text)
    for index, part in enumerate(parts):
        if index % 2 == 0:
            part = part.replace("|", "\\|")
            part = _STAR.sub(r"\\*", part)
            parts[index] = re.sub(r"(?<=\w)_(?![\w:])", r"\\_", part)
        elif not part.startswith("``") and not _ROLE_BEFORE.search(parts[index - 1]):
            parts[index] = f"`{part}`"
    return "".join(parts)


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Handler of Sphinx's event `autodoc-process-docstring`."""
    lines[:] = convert(lines)


def process_types(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """The same event after napoleon, which copies types such as "*batch units" as they are."""
    lines[:] = [
        _STAR.sub(r"\\*", line) if line.lstrip().startswith(":type:") else line for line in lines
    ]


def resolve(dotted: str) -> Any | None:
    """The object of a dotted name, or None if there is none."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            thing = getattr(thing, part, None)
        return thing
    return None
