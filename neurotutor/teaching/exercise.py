"""Exercise checks that say whether an answer is right, and why not."""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from IPython.display import HTML, display


class Hint(Exception):
    """Raised by a checker: the answer is wrong, and the text names the mistake."""


class NotYet(Exception):
    """Raised for a wrong answer where nobody reads along: while the book is built, or graded."""


# Set by the driver of the book, where a reference solution must pass its own check, and by nbgrader
# while it grades or validates a notebook.
_COUNTED = ("NEUROTUTOR_RECORDS", "NBGRADER_EXECUTION")


def check(checker: Callable[[Any], str], answer: Any) -> None:
    """Check an answer to an exercise and say what was found, on the page.

    A wrong answer is a sentence, not an error: the rest of the notebook goes on. Only a build of
    the book and nbgrader, which count failures, get an error in addition.

    Args:
        checker: a function of `neurotutor.teaching.exercises`. It returns a sentence that says why
            the answer is right, or raises `Hint`.
        answer: what the reader wrote: a value, or a function that the checker calls.

    Raises:
        NotYet: while the book is built or nbgrader runs the notebook, if the answer is wrong.
    """
    try:
        text, right = checker(answer), True
    except Hint as hint:
        text, right = str(hint), False
    except NotImplementedError as error:
        task = str(error) or "write your answer there, then run that cell and this one"
        text, right = f"The cell above is still the starter: {task}.", False
    word = "Right." if right else "Not yet."
    display(
        HTML(
            f'<div class="nt-check nt-{"right" if right else "wrong"}" role="status">'
            f"<strong>{word}</strong> {html.escape(text)}</div>"
        )
    )
    if not right and any(name in os.environ for name in _COUNTED):
        raise NotYet(f"the answer does not pass {checker.__name__}: {text}")


def call(answer: Any, *arguments: Any) -> Any:
    """Call a reader's function on copies of the arguments and hand its result on.

    Args:
        answer: what the reader wrote.
        arguments: what it is called with; arrays are copied.

    Raises:
        Hint: if it is not a function, returns nothing, or changes an array that it was given.
    """
    if not callable(answer):
        raise Hint("Pass the function itself, without calling it.")
    given = [each.copy() if isinstance(each, np.ndarray) else each for each in arguments]
    result = answer(*given)
    if result is None:
        raise Hint("Your function returns nothing. Did you forget the return?")
    for before, after in zip(arguments, given, strict=True):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after):
            raise Hint("Your function changes its input in place. Work on a copy.")
    return result


def call_array(answer: Any, *arguments: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """As `call`, with the result as an array of finite numbers (float64) of the shape given.

    Raises:
        Hint: as `call` does; if the shape differs, or a value is NaN or infinite.
    """
    result = np.asarray(call(answer, *arguments), dtype=float)
    if shape is not None and result.shape != shape:
        raise Hint(f"The result should have shape {shape}, yours has {result.shape}.")
    if not np.isfinite(result).all():
        raise Hint("The result holds NaN or infinite values.")
    return result
