"""Checkers of the exercises accept right answers and name typical mistakes."""

import numpy as np
import pytest

from neurotutor.teaching import Hint
from neurotutor.teaching.exercises import tpc as exercises
from tests.harness import assert_checker


def cut(series, max_delay, stride=None, swapped=False, extra=0):
    width = max_delay + 1
    stride = 2 * width if stride is None else stride
    n = (len(series) - max_delay) // stride + extra
    parts = [series[k * stride : k * stride + width] for k in range(n)]
    return np.array([part.ravel() if swapped else part.T.ravel() for part in parts])


def fancy_windows(series, max_delay):
    view = np.lib.stride_tricks.sliding_window_view(series, max_delay + 1, axis=0)
    step = 2 * (max_delay + 1)
    n = (len(series) - max_delay) // step
    return view[::step][:n].reshape(n, -1)


def test_windows():
    assert_checker(
        exercises.own_windows,
        accept=[cut, fancy_windows],
        reject={
            "no gap": (lambda x, d: cut(x, d, d + 1), "no gap"),
            "overlap": (lambda x, d: cut(x, d, 1), "overlap"),
            "order": (lambda x, d: cut(x, d, swapped=True), "neuron by neuron"),
            "too few": (lambda x, d: cut(x, d, extra=-1), "windows; you have"),
            "wrong width": (lambda x, d: x, "columns"),
            "other content": (lambda x, d: cut(x, d) + 1, "what is in them"),
        },
    )


def rolled(graph, max_delay, keep=lambda t1, t2: t1 <= t2):
    width = max_delay + 1
    n = len(graph) // width
    out = np.zeros((n, n), bool)
    for a, b in np.argwhere(graph):
        if keep(a % width, b % width):
            out[a // width, b // width] = True
    return out


def by_reshape(graph, max_delay):
    width = max_delay + 1
    n = len(graph) // width
    forward = np.triu(np.ones((width, width), bool))
    return (graph.reshape(n, width, n, width) & forward[:, None, :]).any(axis=(1, 3))


def test_rolling():
    def without_loops(graph, max_delay):
        return rolled(graph, max_delay) & ~np.eye(len(graph) // (max_delay + 1), dtype=bool)

    assert_checker(
        exercises.own_rolling,
        accept=[rolled, by_reshape],
        reject={
            "backward": (lambda g, d: rolled(g, d, lambda a, b: True), "back in time"),
            "no slice": (lambda g, d: rolled(g, d, lambda a, b: a < b), "within a slice"),
            "turned": (lambda g, d: rolled(g, d).T, "turned over"),
            "no loops": (without_loops, "self-loop"),
            "shape": (lambda g, d: g, "One row and one column"),
            "slices first": (
                lambda g, d: g.reshape(d + 1, 3, d + 1, 3).any(axis=(0, 2)),
                "has the number",
            ),
        },
    )


def test_cancelling():
    assert_checker(
        exercises.cancelling_weight,
        accept=[lambda a, b: -a * b, lambda a, b: float(np.negative(np.prod([a, b])))],
        reject={
            "sign": (lambda a, b: a * b, "same way"),
            "sum": (lambda a, b: -(a + b), "multiply"),
            "ratio": (lambda a, b: -a / b, "a over b"),
            "else": (lambda a, b: 0.0, "must be -0.4"),
        },
    )


def test_gain():
    assert_checker(
        exercises.synaptic_gain,
        accept=[lambda w, u: w * (1 - np.tanh(u) ** 2), lambda w, u: w / np.cosh(u) ** 2],
        reject={
            "drive": (lambda w, u: w * np.tanh(u), "derivative"),
            "no weight": (lambda w, u: 1 - np.tanh(u) ** 2, "left out the weight"),
            "no square": (lambda w, u: w * (1 - np.tanh(u)), "square"),
            "else": (lambda w, u: w, "yours is"),
        },
    )


def test_what_is_no_answer():
    with pytest.raises(Hint, match="without calling"):
        exercises.cancelling_weight(3)
    with pytest.raises(Hint, match="returns nothing"):
        exercises.synaptic_gain(lambda w, u: None)
