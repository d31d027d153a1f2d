"""Checkers of the exercises of the chapter on EIT."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from neurotutor.teaching.exercise import Hint, call, call_array

_ORDER = np.array([2, 0, 3, 1])


def equivariance_gap(answer: Any) -> str:
    """Check a function (f, x, order) -> largest |f(x reordered) - f(x) reordered|."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 4, 3))

    def square(values: np.ndarray) -> np.ndarray:
        return values**2

    def centred(values: np.ndarray) -> np.ndarray:
        return values - values.mean(axis=1, keepdims=True)

    def numbered(values: np.ndarray) -> np.ndarray:
        return values * np.arange(1.0, 5.0)[:, None]

    expected = np.abs(numbered(x[:, _ORDER]) - numbered(x)[:, _ORDER]).max()
    found = {
        each: float(call_array(answer, each, x, _ORDER, shape=()))
        for each in (square, centred, numbered)
    }
    if np.isclose(found[square], 0) and np.isclose(found[centred], 0):
        if np.isclose(found[numbered], expected):
            return "A map that treats every channel alike has no gap, even one that mixes channels."
        if np.isclose(found[numbered], 0):
            raise Hint(
                "Your gap is 0 even for a map that counts channels. Reorder x before f, too."
            )
        raise Hint("Take the largest absolute difference, over everything.")
    if np.isclose(found[square], np.abs(square(x[:, _ORDER]) - square(x)).max()):
        raise Hint(
            "You compare with f(x) in the old order. That tests invariance: reorder it, too."
        )
    if np.isclose(
        found[square], np.abs(square(x[:, _ORDER]) - square(x)[:, np.argsort(_ORDER)]).max()
    ):
        raise Hint("You use the inverse order on one side. Both sides need the same one.")
    raise Hint("Channels are axis 1 of x and of f(x): index both with [:, order].")


def layer_parameters(answer: Any) -> str:
    """Check a function (d, h, e) -> parameters of one individual layer with heads of width 64."""

    def count(d: int, h: int, e: int, *, norms=2, bias_in=0, bias_out=1, width=64) -> int:
        inner = h * width
        attention = 3 * inner * d + 3 * inner * bias_in + inner * d + d * bias_out
        return 2 * d * norms + attention + 2 * e * d * d + e * d + d

    cases = [(16, 6, 2), (24, 6, 2), (8, 3, 1)]
    found = [int(call(answer, *case)) for case in cases]

    def same(**change: int) -> bool:
        return found == [count(*case, **change) for case in cases]

    if same():
        return (
            f"{found[0]:,} for d = 16, and {16 * 6 * 64 * 4:,} of them sit in four maps between "
            "16 and 384 numbers: the heads are the price."
        )
    if same(norms=1):
        raise Hint("There are two LayerNorms, one before the attention and one before the MLP.")
    if same(norms=0):
        raise Hint("The LayerNorms have a scale and a shift each: 2 d parameters, twice.")
    if same(bias_in=1):
        raise Hint("The map to queries, keys and values has no bias.")
    if same(bias_out=0):
        raise Hint("The output map of the attention has a bias of d numbers.")
    if found == [count(d, 1, e, width=d) for d, h, e in cases]:
        raise Hint("Heads are 64 wide whatever d is: the inner width is 64 h, not d.")
    raise Hint("Count: LayerNorms 4d, qkv 3(64h)d, output (64h)d + d, MLP 2ed^2 + ed + d.")


def partition(answer: Any) -> str:
    """Check a function (pattern) -> the same partition with groups named by first appearance."""
    cases = {
        (1, 1, 0, 0): (0, 0, 1, 1),
        (0, 1, 1, 0): (0, 1, 1, 0),
        (2, 0, 2, 1, 0, 1): (0, 1, 0, 2, 1, 2),
        (5, 5, 5): (0, 0, 0),
    }
    found = {case: tuple(int(each) for each in call(answer, case)) for case in cases}
    if found == cases:
        return "Two patterns that differ only by name become one: of 24 orders, 3 classes are left."
    if all(found[case] == case for case in cases):
        raise Hint(
            "You return the pattern as it came. (1, 1, 0, 0) and (0, 0, 1, 1) are one class."
        )
    if all(found[case] == tuple(sorted(case)) for case in cases):
        raise Hint("Sorting forgets which channel is in which group. Keep the places.")
    if found == {case: tuple(each + 1 for each in right) for case, right in cases.items()}:
        raise Hint("Right but for the names: let the first group be 0.")
    if all(
        found[case] == tuple(int(np.unique(case).tolist().index(c)) for c in case) for case in cases
    ):
        raise Hint("You number groups by size of their old name. Number them by first appearance.")
    raise Hint("Walk from left to right; a group that you have not seen gets the next free number.")


def cloud_distance(answer: Any) -> str:
    """Check a function (a, b) -> mean squared length of the best one-to-one matching."""
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((12, 3)), rng.standard_normal((12, 3)) + 0.5
    squared = ((a[:, None] - b[None]) ** 2).sum(-1)
    rows, columns = linear_sum_assignment(squared)
    best = squared[rows, columns].mean()
    found = float(call_array(answer, a, b, shape=()))
    itself = float(call_array(answer, a, a[::-1].copy(), shape=()))
    if np.isclose(found, best) and np.isclose(itself, 0):
        return "Zero for a cloud and its own reordering: no point needs a partner that you know."
    lengths = np.sqrt(squared)
    plain = lengths[linear_sum_assignment(lengths)].mean()
    for value, text in (
        (np.diag(squared).mean(), "You pair point i with point i. Search for the best pairing."),
        (best * 12, "You add the costs up. Take the mean: each point carries a weight of 1/n."),
        (np.sqrt(best), "This is its root. The chapter's D is the cost itself, without the root."),
        (plain, "You match lengths. The cost of a move is its squared length."),
        (squared.min(axis=1).mean(), "Several points share a partner. Match one to one."),
        (((a.mean(0) - b.mean(0)) ** 2).sum(), "You compare the centres only, not the clouds."),
        (squared.mean(), "You average over all pairs. Then a cloud is far from itself."),
    ):
        if np.isclose(found, value):
            raise Hint(text)
    raise Hint("Cost matrix of squared distances, linear_sum_assignment, mean of the chosen ones.")
