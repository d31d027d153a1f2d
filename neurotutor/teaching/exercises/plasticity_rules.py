"""Checkers of the exercises of the chapter on plasticity rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotutor.teaching.exercise import Hint, call_array


def firing_pattern(answer: Any) -> str:
    """Check a function (fired: rounds x neurons of 0 and 1) -> pattern number of every neuron."""
    fired = np.array([[1, 0, 0, 1, 1, 0], [0, 0, 1, 1, 0, 1], [1, 0, 0, 1, 0, 1]])
    right = np.array([5, 0, 2, 7, 4, 3])
    found = call_array(answer, fired, shape=(6,))
    if np.array_equal(found, right):
        longer = np.array([[1, 0], [1, 1], [0, 1], [1, 0], [0, 1]])
        if not np.array_equal(call_array(answer, longer, shape=(2,)), [26, 13]):
            raise Hint("Right for three rounds, but not for five. Take the rounds from the shape.")
        return "Round one is the leading bit: a neuron that fires in rounds one and three is 101."
    if np.array_equal(found, [5, 0, 2, 7, 1, 6]):
        raise Hint("You read the bits backwards: the first round is the most significant one.")
    if np.array_equal(found, fired.sum(0)):
        raise Hint("You count how often a neuron fired. The rule also wants to know when.")
    if np.array_equal(found, [101, 0, 10, 111, 100, 11]):
        raise Hint("You wrote the bits as decimal digits. Each round is worth a power of two.")
    if np.array_equal(found, 2 * right):
        raise Hint("You shift once too often: the last round is worth 1, yours is worth 2.")
    raise Hint(f"For rounds 1, 0, 1 the pattern is 5, yours is {found[0]:g}.")


def output_change(answer: Any) -> str:
    """Check a function (rule, patterns, label, predicted, n_classes, step) -> change of U."""
    rule = np.array([[-0.5, 0.8], [1.5, -2.0]])
    patterns, label, predicted, n_classes, step = np.array([0, 1, 1, 0]), 2, 0, 4, 0.1
    arguments = (rule, patterns, label, predicted, n_classes, step)
    right = np.zeros((4, 4))
    right[2], right[0] = step * rule[patterns, 0], step * rule[patterns, 1]
    found = call_array(answer, *arguments, shape=(4, 4))

    def equals(other: np.ndarray) -> bool:
        return np.allclose(found, other, atol=1e-12)

    if equals(right):
        same = call_array(answer, rule, patterns, 1, 1, 3, step, shape=(3, 4))
        if np.abs(same).max() > 0:
            raise Hint("Right for a mistake. But if the prediction was right, nothing may change.")
        return "Two rows change, each by what its column of the rule says about every neuron."
    if equals(right[[2, 1, 0, 3]]):
        raise Hint("The columns are swapped: column 0 is for the true label.")
    if equals(right / step):
        raise Hint("You forgot the step size.")
    if equals(right.T):
        raise Hint("Your result is transposed: rows are classes, columns are neurons.")
    only = right.copy()
    only[0] = 0
    if equals(only):
        raise Hint("Only the true label's edges change. The predicted label has a column as well.")
    minus = right.copy()
    minus[0] *= -1
    if equals(minus):
        raise Hint("You subtract the second column. Its sign is in the rule already: add it.")
    raise Hint("Row `label` gets step * rule[patterns, 0], row `predicted` column 1; others rest.")


def balanced_rule(answer: Any) -> str:
    """Check a function (share, a) -> the rule [-a, a; b, -b] whose average change is zero."""
    share, a = 0.3, 0.6
    right = np.array([[-0.6, 0.6], [1.4, -1.4]])
    found = call_array(answer, share, a, shape=(2, 2))

    def row(b: float) -> np.ndarray:
        return np.array([[-a, a], [b, -b]])

    if np.allclose(found, right):
        again = call_array(answer, 0.5, 1.0, shape=(2, 2))
        if not np.allclose(again, [[-1, 1], [1, -1]]):
            raise Hint("With half of the neurons active this must be the rule of the perceptron.")
        return "The few that fired outweigh the many that did not: b / a is (1 - share) / share."
    if np.allclose(found, row(a * share / (1 - share))):
        raise Hint("Your ratio is upside down: the rarer an event, the more it must count.")
    if np.allclose(found, row(a)):
        raise Hint("That is the perceptron, b = a: where few neurons fire, the silent ones win.")
    if np.allclose(found, row(a / share)):
        raise Hint("You forgot that only the silent share, 1 - share, is to be balanced.")
    if np.allclose(found, -right):
        raise Hint("All signs are flipped: the true label gains on neurons that fired.")
    if np.allclose(found, right.T):
        raise Hint("Rows are silent and fired, columns true and predicted label: transpose it.")
    balance = share * found[1, 0] + (1 - share) * found[0, 0]
    raise Hint(
        f"At a share of 0.3 the true label's synapses change by {balance:.3f} times the step on "
        "average; that should be 0, with -a in the first row."
    )


def project(answer: Any) -> str:
    """Check a function (x, origin, radius) -> the nearest way back into ball and pixel range."""
    origin = np.array([0.5, 0.5, 0.5, 0.9])
    far, near = np.array([2.5, 0.5, -1.0, 0.9]), np.array([0.6, 0.5, 0.4, 0.9])
    out = np.array([0.5, 0.5, 0.5, 1.3])
    radius = 0.5

    def right(x: np.ndarray) -> np.ndarray:
        away = x - origin
        length = np.linalg.norm(away)
        return np.clip(origin + away * min(1.0, radius / max(length, 1e-12)), 0, 1)

    found = [call_array(answer, x, origin, radius, shape=(4,)) for x in (far, near, out)]
    if all(np.allclose(f, right(x)) for f, x in zip(found, (far, near, out), strict=True)):
        return "Inside the ball nothing happens; outside, the way back is along the radius."
    if np.allclose(found[0], np.clip(origin + np.clip(far - origin, -radius, radius), 0, 1)):
        raise Hint("You clip every pixel by itself. That is a cube; the ball limits the length.")
    if not np.allclose(found[1], near):
        stretched = origin + (near - origin) * radius / np.linalg.norm(near - origin)
        if np.allclose(found[1], stretched):
            raise Hint("You move points that are inside out to the surface. Only shorten.")
    if np.allclose(found[0], far * min(1.0, radius / np.linalg.norm(far))) or np.allclose(
        found[0], np.clip(far * min(1.0, radius / np.linalg.norm(far)), 0, 1)
    ):
        raise Hint("Your ball lies around black. It must lie around the origin of the attack.")
    if found[2].max() > 1:
        raise Hint("A pixel is brighter than 1. Clip to [0, 1] after the ball.")
    raise Hint("Shorten x - origin to `radius` if it is longer, add it to origin, clip to [0, 1].")


def winnow_update(answer: Any) -> str:
    """Check a function (weights, x, label, predicted, factor) -> weights after a mistake."""
    weights = np.array([[1.0, 2.0, 0.5], [4.0, 1.0, 3.0]])
    x, factor = np.array([1, 0, 1]), 1.5
    found = call_array(answer, weights, x, 0, 1, factor, shape=(2, 3))
    right = weights * np.array([[1.5, 1, 1.5], [1 / 1.5, 1, 1 / 1.5]])

    def equals(other: np.ndarray) -> bool:
        return np.allclose(found, other)

    if equals(right):
        return "Active inputs are multiplied and divided, silent ones rest: that is Winnow."
    if equals(weights * np.array([[1.5], [1 / 1.5]])):
        raise Hint("You also change inputs that were silent. They must rest.")
    if equals(weights * np.array([[1 / 1.5, 1, 1 / 1.5], [1.5, 1, 1.5]])):
        raise Hint(
            "The wrong way round: the true label's weights grow, the predicted one's shrink."
        )
    if equals(weights + np.array([[1.5, 0, 1.5], [-1.5, 0, -1.5]])) or equals(
        weights + np.array([[1, 0, 1], [-1, 0, -1]])
    ):
        raise Hint("You add. Multiplicative weights multiply.")
    half = right.copy()
    half[1] = weights[1]
    if equals(half):
        raise Hint("The true label is rewarded, but the predicted one is not blamed.")
    raise Hint("True label: times factor where x is 1. Predicted label: divided by it there.")
