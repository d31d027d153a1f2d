"""Pieces of a page: measured sentences, real source, questions that answer back, data boxes."""

from __future__ import annotations

import html
import inspect
import itertools
import math
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from IPython.display import HTML, Markdown, display

import neurotutor
from neurotutor import data

_ROOT = Path(neurotutor.__file__).parents[1]


def say(text: str) -> None:
    """Put a sentence on the page. A measured number reaches the prose this way and no other.

    Args:
        text: Markdown, usually an f-string with the variables that hold the numbers.

    Raises:
        ValueError: if the text is empty, or a number in it is NaN.
    """
    if not text.strip():
        raise ValueError("say() needs a sentence, got an empty text")
    if re.search(r"\bnan\b", text):
        raise ValueError(f"a number in this sentence is NaN; find out why first: {text!r}")
    display(Markdown(text))


def show(thing: Any) -> None:
    """Show the real source of a function, class or method, with its file and lines.

    Args:
        thing: anything that `inspect.getsource` can read from a file.

    Raises:
        TypeError: if Python has no source for it.
    """
    thing = inspect.unwrap(thing)
    try:
        lines, first = inspect.getsourcelines(thing)
        path = Path(inspect.getsourcefile(thing))
    except (OSError, TypeError) as error:
        raise TypeError(f"show() needs something written in Python, got {thing!r}") from error
    place = path.relative_to(_ROOT).as_posix() if path.is_relative_to(_ROOT) else path.name
    source = textwrap.dedent("".join(lines))
    display(
        Markdown(
            f"*{place}, lines {first} to {first + len(lines) - 1}*\n\n"
            f"```python\n{source.rstrip()}\n```"
        )
    )


def quiz(question: str, options: Sequence[tuple[str, bool, str]], *, id: str) -> None:
    """A question to think about that answers back without a kernel, by mouse or keyboard.

    Args:
        question: one sentence or two; HTML is escaped, `code` in backticks is kept.
        options: (text, whether it is right, why it is right or wrong); exactly one is right.
        id: unique on the page, such as `hiwa-q1`.

    Raises:
        ValueError: if not exactly one option is right, a reason is missing, or `id` has a blank.
    """
    if sum(right for _, right, _ in options) != 1:
        raise ValueError(f"quiz {id!r} needs exactly one right option")
    if not all(why.strip() for _, _, why in options):
        raise ValueError(f"quiz {id!r}: every option needs a reason, right or wrong")
    _check_id(id)
    # Reasons stand in live regions: a hidden description would be read out before the choice.
    items = "".join(
        f'<label class="nt-choice nt-{"right" if right else "wrong"}">'
        f'<input type="radio" name="{id}" aria-labelledby="{id}-{number}">'
        f'<span class="nt-option" id="{id}-{number}">{_text(option)}</span>'
        f'<span class="nt-reason" aria-live="polite"><span class="nt-why">'
        f"<strong>{'Right.' if right else 'Not so.'}</strong> {_text(why)}</span></span></label>"
        for number, (option, right, why) in enumerate(options)
    )
    display(
        HTML(
            f'<fieldset class="nt-quiz" id="{id}"><legend>{_text(question)}</legend>'
            f"{items}</fieldset>"
        )
    )


def ask_number(
    question: str,
    answer: float | int,
    why: str,
    *,
    tolerance: float | int,
    mistakes: Sequence[tuple[float | int, str]] = (),
    unit: str = "",
    id: str,
) -> None:
    """A question whose answer is a number; it answers back without a kernel.

    The site's own script compares what the reader types. Without it, as in a notebook, on paper
    or where scripts are off, the answer and the reasons can be unfolded.

    Args:
        question: one sentence or two; HTML is escaped, `code` in backticks is kept.
        answer: the right number.
        why: how it comes about.
        tolerance: how far from `answer` a number may be and still be right; same unit.
        mistakes: (number that a typical mistake leads to, what the mistake is).
        unit: written behind the field, such as `ms`.
        id: unique on the page, such as `hiwa-n1`.

    Raises:
        ValueError: if a number is not finite, the tolerance is not positive, a mistake counts as
            right or as another mistake, a reason is missing, or `id` has a blank.
    """
    known = [(answer, why), *mistakes]
    if not all(math.isfinite(number) for number, _ in known):
        raise ValueError(f"question {id!r} needs finite numbers, got {[each[0] for each in known]}")
    if not 0 < tolerance < math.inf:
        raise ValueError(f"question {id!r} needs a tolerance above 0, got {tolerance}")
    if not all(reason.strip() for _, reason in known):
        raise ValueError(f"question {id!r}: the answer and every mistake need a reason")
    numbers = sorted(number for number, _ in known)
    if any(after - before <= 2 * tolerance for before, after in itertools.pairwise(numbers)):
        raise ValueError(
            f"question {id!r}: {numbers} cannot be told apart with a tolerance of {tolerance}; "
            "make it smaller"
        )
    _check_id(id)
    behind = f" {unit}" if unit else ""
    slips = "".join(
        f'<li data-value="{number!r}">If you got {number:g}{html.escape(behind)}: '
        f'<span class="nt-why">{_text(reason)}</span></li>'
        for number, reason in mistakes
    )
    display(
        HTML(
            f'<div class="nt-quiz nt-number" id="{id}" role="group" aria-labelledby="{id}-q" '
            f'data-tolerance="{tolerance!r}"><p class="nt-question" id="{id}-q">{_text(question)}'
            f'</p><form hidden><label for="{id}-in">Your answer</label> <input id="{id}-in" '
            f'type="text" inputmode="decimal" autocomplete="off" size="8" '
            f'aria-describedby="{id}-out">{html.escape(behind)} <button type="submit">Check'
            f'</button> <output id="{id}-out" for="{id}-in" role="status"></output></form>'
            f"<details><summary>Answer and reasons</summary>"
            f'<p class="nt-answer" data-value="{answer!r}"><strong>{answer:g}'
            f'{html.escape(behind)}.</strong> <span class="nt-why">{_text(why)}</span></p>'
            f"{f'<ul>{slips}</ul>' if slips else ''}</details></div>"
        )
    )


def _check_id(id: str) -> None:
    if not re.fullmatch(r"[a-z0-9-]+", id):
        raise ValueError(f"a quiz id has small letters, digits and dashes, got {id!r}")


def _text(words: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(words))


def data_box(name: str) -> None:
    """Say, in one visible box, that a section needs a recording and which command fetches it.

    Args:
        name: of the registry, such as `hiwa/mihi_demo`.

    Raises:
        ValueError: if the registry has no such name.
    """
    if name not in data.names():
        raise ValueError(f"unknown recording {name!r}; known: {', '.join(data.names())}")
    display(
        HTML(
            '<div class="nt-databox" role="note"><strong>This section needs a recording.</strong> '
            f"It is not on this machine. Fetch it with "
            f"<code>python -m neurotutor data fetch {html.escape(name)}</code> "
            "and build the page again.</div>"
        )
    )
