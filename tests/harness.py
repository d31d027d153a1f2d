"""What the tests of every chapter need: equation oracles, planted bugs, checkers of checkers."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from neurotutor import data
from neurotutor.teaching import Hint


def oracle(label: str) -> Callable[[Callable], Callable]:
    """Mark a test as the slow, literal transcription of the equation with this label.

    The structure test compares these marks with the `equations` of the chapters' front matter.
    """
    if not re.fullmatch(r"eq-[a-z0-9-]+", label):
        raise ValueError(f"an equation label looks like 'eq-hiwa-objective', got {label!r}")

    def mark(test: Callable) -> Callable:
        test.equation_label = label
        return test

    return mark


def relative_error(fast: Any, slow: Any) -> float:
    """Largest absolute difference, relative to the largest entry of the slow result."""
    fast, slow = (np.asarray(getattr(x, "detach", lambda x=x: x)(), float) for x in (fast, slow))
    if fast.shape != slow.shape:
        raise AssertionError(f"shapes differ: {fast.shape} against {slow.shape}")
    return float(np.abs(fast - slow).max() / max(np.abs(slow).max(), np.finfo(float).tiny))


@contextmanager
def planted(module: ModuleType, old: str, new: str):
    """A copy of `module` in which `old` (found exactly once in its source) reads `new`.

    The copy lives under a name of its own; the original stays as it is. It is not shape-checked,
    since a planted transposition should be found by a test of values, too.
    """
    source = Path(inspect.getsourcefile(module)).read_text(encoding="utf-8")
    count = source.count(old)
    if count != 1:
        raise AssertionError(f"{old!r} stands {count} times in {module.__name__}, expected once")
    if old == new:
        raise AssertionError("the planted bug changes nothing")
    name = f"{module.__name__}__planted"
    spec = importlib.util.spec_from_loader(name, loader=None, origin=module.__file__)
    copy = importlib.util.module_from_spec(spec)
    copy.__file__ = module.__file__
    copy.__package__ = module.__package__
    sys.modules[name] = copy
    try:
        exec(compile(source.replace(old, new), module.__file__, "exec"), copy.__dict__)
        yield copy
    finally:
        del sys.modules[name]


@dataclass(frozen=True)
class Judged:
    """What a checker made of right answers and of planted mistakes.

    Attributes:
        checker: the function of `neurotutor.teaching.exercises`.
        accepted: for each right answer, whether it was accepted.
        hints: mistake -> the hint that it got, or "" where it was accepted.
        named: mistakes whose hint holds the words that the test demands.
    """

    checker: Callable[[Any], str]
    accepted: tuple[bool, ...]
    hints: Mapping[str, str]
    named: frozenset[str]

    def specific(self) -> set[str]:
        """Mistakes whose hint names them: the words are there, and no other mistake gets them.

        A hint that two different mistakes share is a fallback and names neither.
        """
        given = list(self.hints.values())
        return {name for name in self.named if given.count(self.hints[name]) == 1}


_judged: list[Judged] | None = None


@contextmanager
def collecting() -> Iterator[list[Judged]]:
    """Let `assert_checker` note what it sees and assert nothing, for figures over all chapters."""
    global _judged
    _judged = []
    try:
        yield _judged
    finally:
        _judged = None


def judge(
    checker: Callable[[Any], str], accept: Sequence[Any], reject: Mapping[str, tuple[Any, str]]
) -> Judged:
    """Give a checker every answer; a pattern that demands no word names nothing."""
    hints, named = {}, set()
    for mistake, (answer, pattern) in reject.items():
        hints[mistake] = _hint(checker, answer)
        demands = re.search(r"\w", re.sub(r"\\.", "", pattern))
        if hints[mistake] and demands and re.search(pattern, hints[mistake], re.IGNORECASE):
            named.add(mistake)
    accepted = tuple(_hint(checker, answer) == "" for answer in accept)
    return Judged(checker, accepted, hints, frozenset(named))


def _hint(checker: Callable[[Any], str], answer: Any) -> str:
    try:
        praise = checker(answer)
    except Hint as hint:
        return str(hint)
    assert isinstance(praise, str), f"{checker.__name__} must say why the answer is right"
    assert len(praise) > 10, f"{checker.__name__} must say why the answer is right"
    return ""


def assert_checker(
    checker: Callable[[Any], str],
    *,
    accept: Sequence[Any],
    reject: Mapping[str, tuple[Any, str]],
) -> None:
    """A checker of an exercise accepts right answers and names each typical mistake.

    Args:
        checker: function of `neurotutor.teaching.exercises`.
        accept: the reference solution and at least one rewrite that does the same.
        reject: mistake -> (wrong answer, regular expression that its hint must match); at least 3.
    """
    if len(accept) < 2 or len(reject) < 3:
        raise AssertionError("a checker is tested with 2 right answers and 3 mistakes at least")
    found = judge(checker, accept, reject)
    if _judged is not None:
        _judged.append(found)
        return
    assert all(found.accepted), f"{checker.__name__} rejects a right answer: {found.accepted}"
    for mistake, hint in found.hints.items():
        assert hint, f"{checker.__name__} accepts the mistake '{mistake}'"
        assert mistake in found.named, (
            f"{checker.__name__}: the hint for '{mistake}' does not name it: {hint}"
        )


def recording(name: str) -> Path:
    """Path of a real recording; the test is skipped, with the reason, where it is not present."""
    path = data.locate(name)
    if path is None:
        pytest.skip(f"needs data: {name} (python -m neurotutor data fetch {name})")
    return path
