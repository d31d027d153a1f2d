"""Checkers of the exercises of the chapter *AeLLE*."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotutor.teaching.exercise import Hint, call, call_array


def _resample(spectrum: np.ndarray, length: int, shift: float = 0.5) -> np.ndarray:
    n = len(spectrum)
    place = (np.arange(length) + shift) / length * n - shift
    left = np.clip(np.floor(place).astype(int), 0, n - 2)
    share = place - left
    return (1 - share) * spectrum[left] + share * spectrum[left + 1]


def own_resample(answer: Any) -> str:
    """Check a function (spectrum, length) -> exponents at the middle of `length` shares."""
    spectrum, length = np.array([0.2, -0.1, -0.9, -2.0]), 10
    right = _resample(spectrum, length)
    found = call_array(answer, spectrum, length)
    if found.shape != right.shape:
        raise Hint(f"{length} exponents were asked for, and an array of shape {found.shape} came.")
    if np.allclose(found, right):
        return "A share of all directions is the same for every size, so spectra can be compared."
    n = len(spectrum)
    ends = np.interp(np.linspace(0, n - 1, length), np.arange(n), spectrum)
    if np.allclose(found, ends):
        raise Hint(
            "You pin the first and the last exponent to the ends. The first of 4 exponents stands "
            "for the share 1/8, and the first of 10 for 1/20."
        )
    middle = (np.arange(length) + 0.5) / length
    flat = np.interp(middle, (np.arange(n) + 0.5) / n, spectrum)
    if np.allclose(found, flat):
        raise Hint(
            "Between the exponents you are right. Beyond the first and the last share, np.interp "
            "stays flat; the outermost line should go on."
        )
    if np.allclose(found, _resample(spectrum, length, 0.0)):
        raise Hint("You take the left edge of each share. The middle is (i - 1/2)/n.")
    if np.allclose(found, right[::-1]):
        raise Hint("The order is turned round: the largest exponent comes first.")
    wrong = int(np.argmax(np.abs(found - right)))
    raise Hint(f"Exponent {wrong + 1} should be {right[wrong]:.3f}; yours is {found[wrong]:.3f}.")


def own_f1(answer: Any) -> str:
    """Check a function (said, good) -> F1, 0 where nothing was rightly found."""
    cases = [
        (np.array([1, 1, 1, 0, 0, 0, 0, 0], bool), np.array([1, 1, 0, 1, 1, 0, 0, 0], bool)),
        (np.array([1, 1, 1, 1], bool), np.array([1, 0, 0, 0], bool)),
    ]

    def parts(said: np.ndarray, good: np.ndarray) -> tuple[float, float, float]:
        hits = (said & good).sum()
        return hits / said.sum(), hits / good.sum(), (said == good).mean()

    right = [2 / (1 / parts(*case)[0] + 1 / parts(*case)[1]) for case in cases]
    found = [float(call(answer, *case)) for case in cases]
    if not np.allclose(found, right):
        for value, name in enumerate(("precision", "recall", "the share of right answers")):
            if np.allclose(found, [parts(*case)[value] for case in cases]):
                raise Hint(f"That is {name} alone.")
        if np.allclose(found, [np.mean(parts(*case)[:2]) for case in cases]):
            raise Hint("You take the plain mean of precision and recall; F1 is the harmonic mean.")
        raise Hint(f"For the first case F1 is {right[0]:.3f}; yours is {found[0]:.3f}.")
    none, some = np.zeros(3, bool), np.array([True, False, False])
    for said, good in ((none, some), (some, none), (none, none)):
        with np.errstate(all="ignore"):
            try:
                value = float(call(answer, said, good))
            except ZeroDivisionError as error:
                raise Hint(
                    "You divide by zero where no network is called good, or none is. "
                    "Return 0 there."
                ) from error
        if value != 0:
            raise Hint(
                "Where no network is rightly called good, F1 is 0 by convention; "
                f"you return {value}."
            )
    return "It holds in the plain cases, and where precision or recall do not exist."


def own_latent_step(answer: Any) -> str:
    """Check a function (codes, weight, amount) -> codes with a prediction lower by `amount`."""
    rng = np.random.default_rng(0)
    codes, weight, amount = rng.normal(size=(5, 3)), np.array([0.5, -1.0, 2.0]), 0.7
    right = codes - amount * weight / (weight @ weight)
    found = call_array(answer, codes, weight, amount)
    if found.shape != codes.shape:
        raise Hint(f"One code for each of five networks, please: shape {found.shape} came.")
    if np.allclose(found, right):
        return (
            "The step goes straight down the read-out, and no other step of its length gets as far."
        )
    change = (found - codes) @ weight
    if np.allclose(change, amount):
        raise Hint("The prediction goes up by that amount: check the sign.")
    if np.allclose(found, codes - amount * weight):
        raise Hint("You leave out the squared length of the weights, so the step is too long.")
    if np.allclose(found, codes - amount * weight / np.linalg.norm(weight)):
        raise Hint(
            "Divide by the squared length: a step of length one along the unit vector "
            "changes the prediction by the length of the weights."
        )
    if np.allclose(change, -amount):
        raise Hint(
            "The prediction is right, but a shorter step does it: move along the weights, "
            "not along one coordinate."
        )
    raise Hint(f"The prediction should fall by {amount}; yours changes by {change[0]:.3f}.")


def own_rls(answer: Any) -> str:
    """Check a function (P, w, r, error) -> (P, w) after one step of recursive least squares."""
    rng = np.random.default_rng(1)
    root = rng.normal(size=(4, 4))
    p, w, r, error = root @ root.T + np.eye(4), rng.normal(size=4), rng.normal(size=4), 0.6
    k = p @ r / (1 + r @ p @ r)
    right_p, right_w = p - np.outer(k, p @ r), w - error * k
    result = call(answer, p, w, r, error)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Hint("Return two things: P and the weights.")
    found_p, found_w = (np.asarray(each, dtype=float) for each in result)
    if found_p.shape != p.shape or found_w.shape != w.shape:
        raise Hint(f"P is {p.shape} and w is {w.shape}; {found_p.shape} and {found_w.shape} came.")
    if np.allclose(found_p, right_p) and np.allclose(found_w, right_w):
        return "Each step solves the regression on all that was seen, without solving it again."
    if np.allclose(found_w, w + error * k):
        raise Hint("The weights move the wrong way: the error is what came minus what should come.")
    if np.allclose(found_w, w - error * (p @ r)):
        raise Hint("You left out the denominator 1 + r P r: the step overshoots.")
    if np.allclose(found_w, w - error * (right_p @ p @ r)) or (
        np.allclose(found_p, right_p) and not np.allclose(found_w, right_w)
    ):
        raise Hint("P is right. The weights move by the error times k.")
    if np.allclose(found_w, right_w) and np.allclose(found_p, p):
        raise Hint(
            "The weights are right, but P stays as it was: the next step would not know "
            "what this one has seen."
        )
    if np.allclose(found_w, right_w):
        raise Hint("The weights are right. P loses the outer product of k and P r.")
    raise Hint(f"The first weight should be {right_w[0]:.4f}; yours is {found_w[0]:.4f}.")
