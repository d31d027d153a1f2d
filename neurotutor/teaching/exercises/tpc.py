"""Checkers of the exercises of the chapter *Time-Aware PC*."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurotutor.connectomes import tpc
from neurotutor.teaching import Hint


def _call(answer: Any, *arguments: Any) -> Any:
    """Call an answer on copies of its arguments, and see to it that something came back."""
    if not callable(answer):
        raise Hint("Pass the function itself, without calling it.")
    given = [np.array(each) if isinstance(each, np.ndarray) else each for each in arguments]
    result = answer(*given)
    if result is None:
        raise Hint("Your function returns nothing. Did you forget the return?")
    return result


def own_windows(answer: Any) -> str:
    """Check a function (series, max_delay) -> windows, one a row."""
    series = np.random.default_rng(0).standard_normal((47, 3))
    for max_delay in (1, 2):
        width = max_delay + 1
        right = tpc.windows(series, max_delay)
        found = np.asarray(_call(answer, series, max_delay), float)
        if found.ndim != 2 or found.shape[1] != 3 * width:
            raise Hint(
                f"3 neurons in windows of {width} bins make {3 * width} columns; the shape of "
                f"yours is {found.shape}."
            )
        if found.shape == right.shape and np.allclose(found, right):
            continue
        if found.shape == right.shape:
            swapped = right.reshape(-1, 3, width).transpose(0, 2, 1).reshape(right.shape)
            if np.allclose(found, swapped):
                raise Hint(
                    "Your columns go slice by slice. They go neuron by neuron: i (tau + 1) + t."
                )
            raise Hint("The number of windows is right, but what is in them is not.")
        for stride, name in ((width, "no gap between windows"), (1, "windows that overlap")):
            other = tpc.windows(series, max_delay, stride)
            if np.array_equal(found[:2], other[:2]):
                raise Hint(
                    f"You leave {name}. From start to start it is 2 (tau + 1) bins, so that the "
                    "windows are nearly independent samples."
                )
        raise Hint(
            f"{len(series)} bins and tau = {max_delay} give floor((T - tau) / (2 (tau + 1))) = "
            f"{len(right)} windows; you have {len(found)}."
        )
    return "Each row is one clip, and the gap between clips lets their noise forget each other."


def own_rolling(answer: Any) -> str:
    """Check a function (graph, max_delay) -> rolled adjacency."""
    max_delay, n = 2, 3
    width = max_delay + 1
    edges = [((0, 0), (1, 2)), ((1, 1), (1, 2)), ((2, 1), (0, 1)), ((0, 2), (2, 0))]
    graph = np.zeros((n * width, n * width), bool)
    for (u, t1), (v, t2) in edges:
        graph[u * width + t1, v * width + t2] = True
    right = np.zeros((n, n), bool)
    right[0, 1] = right[1, 1] = right[2, 0] = True
    found = np.asarray(_call(answer, graph, max_delay))
    if found.shape != (n, n):
        raise Hint(f"One row and one column a neuron, please: ({n}, {n}), not {found.shape}.")
    found = found.astype(bool)
    if np.array_equal(found, right):
        return "An edge between two neurons stands for any edge between two of their copies."
    if np.array_equal(found, right.T):
        raise Hint("Your graph is turned over: entry [i, j] is i -> j.")
    backward = right.copy()
    backward[0, 2] = True
    if np.array_equal(found, backward):
        raise Hint("You count an edge that points back in time. It needs t1 <= t2.")
    lagged = right.copy()
    lagged[2, 0] = False
    if np.array_equal(found, lagged):
        raise Hint("You leave out edges within a slice. They count: t1 <= t2, not t1 < t2.")
    if not found[1, 1] and np.array_equal(
        found | np.eye(n, dtype=bool), right | np.eye(3, dtype=bool)
    ):
        raise Hint("A neuron whose past drives it has a self-loop: keep the diagonal.")
    raise Hint(
        "Node i at slice t has the number i (tau + 1) + t. List your edges, and compare them with "
        "0 -> 1, 1 -> 1 and 2 -> 0."
    )


def cancelling_weight(answer: Any) -> str:
    """Check a function (a, b) -> direct effect that cancels the one through a relay."""
    cases = [(0.8, 0.5), (2.0, -1.5), (-0.4, 0.7)]
    right = [-a * b for a, b in cases]
    found = [float(_call(answer, a, b)) for a, b in cases]
    if np.allclose(found, right):
        return (
            "The direct path and the detour cancel, so nothing in the data betrays the edge. "
            "Faithfulness is the assumption that this does not happen."
        )
    if np.allclose(found, [-value for value in right]):
        raise Hint("With this sign both paths push the same way, and the link is twice as strong.")
    if np.allclose(found, [-(a + b) for a, b in cases]):
        raise Hint("Effects along a path multiply, they do not add up.")
    if np.allclose(found, [-a / b for a, b in cases]):
        raise Hint("The detour has the effect a times b, not a over b.")
    raise Hint(f"For a = 0.8 and b = 0.5 the direct effect must be -0.4; yours is {found[0]:g}.")


def synaptic_gain(answer: Any) -> str:
    """Check a function (weight, x) -> change of a neuron's drive for a small change of x."""
    cases = [(10.0, 15.0), (2.0, 0.0), (2.0, 0.8), (10.0, -1.0)]
    right = [w * (1 - math.tanh(u) ** 2) for w, u in cases]
    found = [float(_call(answer, w, u)) for w, u in cases]
    if np.allclose(found, right, rtol=1e-3, atol=1e-9):
        return (
            "At 15 the gain is a few trillionths for a weight of 10: a strong synapse that "
            "nothing passes through."
        )
    if np.allclose(found, [w * math.tanh(u) for w, u in cases]):
        raise Hint("That is the drive itself. Ask how much it changes: take the derivative.")
    if np.allclose(found, [1 - math.tanh(u) ** 2 for _, u in cases], rtol=1e-3, atol=1e-9):
        raise Hint("You left out the weight of the synapse.")
    if np.allclose(found, [w * (1 - math.tanh(u)) for w, u in cases], rtol=1e-3, atol=1e-9):
        raise Hint("The derivative of tanh is 1 - tanh squared; you forgot the square.")
    raise Hint(f"For a weight of 2 at x = 0 the gain is 2; yours is {found[1]:g}.")
