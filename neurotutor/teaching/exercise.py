"""Exercise checks that say whether an answer is right, and why not."""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from typing import Any

from IPython.display import HTML, display


class Hint(Exception):
    """Raised by a checker: the answer is wrong, and the text names the mistake."""


class NotYet(Exception):
    """Raised while the book is built, where a reference solution must pass its own check."""


def check(checker: Callable[[Any], str], answer: Any) -> None:
    """Check an answer to an exercise and say what was found, on the page.

    Args:
        checker: a function of `neurotutor.teaching.exercises`. It returns a sentence that says why
            the answer is right, or raises `Hint`.
        answer: what the reader wrote: a value, or a function that the checker calls.

    Raises:
        NotYet: only while the book is built, if the answer is wrong.
    """
    try:
        text, right = checker(answer), True
    except Hint as hint:
        text, right = str(hint), False
    except NotImplementedError:
        text, right = "This is still the starter. Fill it in, run the cell above, then this.", False
    word = "Right." if right else "Not yet."
    display(
        HTML(
            f'<div class="nt-check nt-{"right" if right else "wrong"}" role="status">'
            f"<strong>{word}</strong> {html.escape(text)}</div>"
        )
    )
    if not right and "NEUROTUTOR_RECORDS" in os.environ:
        raise NotYet(f"the reference solution does not pass {checker.__name__}: {text}")
