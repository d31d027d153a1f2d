"""Checkers of the EIT exercises: right answers pass, each typical mistake gets its own hint."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from neurotutor.teaching.exercises import eit
from tests.harness import assert_checker


def gap(f, x, order):
    return np.abs(f(x[:, order]) - f(x)[:, order]).max()


def test_equivariance_gap():
    assert_checker(
        eit.equivariance_gap,
        accept=[gap, lambda f, x, o: max(np.ravel(abs(f(x[:, o]) - np.take(f(x), o, axis=1))))],
        reject={
            "invariance": (lambda f, x, o: np.abs(f(x[:, o]) - f(x)).max(), "invariance"),
            "input not reordered": (lambda f, x, o: 0.0 * gap(f, x, o), "before f"),
            "inverse": (
                lambda f, x, o: np.abs(f(x[:, o]) - f(x)[:, np.argsort(o)]).max(),
                "inverse order",
            ),
            "mean": (lambda f, x, o: np.abs(f(x[:, o]) - f(x)[:, o]).mean(), "largest"),
            "wrong axis": (lambda f, x, o: np.abs(f(x[o]) - f(x)[:4][o]).max() + 1, "axis 1"),
            "no return": (lambda f, x, o: None, "return"),
        },
    )


def layer(d, h, e):
    return 4 * d + 4 * 64 * h * d + d + 2 * e * d * d + e * d + d


def test_layer_parameters():
    assert_checker(
        eit.layer_parameters,
        accept=[
            layer,
            lambda d, h, e: (
                sum([2 * d, 3 * 64 * h * d, (64 * h + 1) * d, 2 * d, e * d * (d + 1)])
                + d * (e * d + 1)
            ),
        ],
        reject={
            "one norm": (lambda d, h, e: layer(d, h, e) - 2 * d, "two LayerNorms"),
            "no norm": (lambda d, h, e: layer(d, h, e) - 4 * d, "scale and a shift"),
            "bias of qkv": (lambda d, h, e: layer(d, h, e) + 3 * 64 * h, "no bias"),
            "no bias": (lambda d, h, e: layer(d, h, e) - d, "has a bias"),
            "narrow heads": (
                lambda d, h, e: 4 * d + 4 * d * d + d + 2 * e * d * d + e * d + d,
                "64 wide",
            ),
            "other": (lambda d, h, e: d * h * e, "Count"),
        },
    )


def by_appearance(pattern):
    names = {}
    return tuple(names.setdefault(each, len(names)) for each in pattern)


def test_partition():
    assert_checker(
        eit.partition,
        accept=[by_appearance, lambda p: [list(dict.fromkeys(p)).index(each) for each in p]],
        reject={
            "unchanged": (lambda p: p, "as it came"),
            "sorted": (lambda p: tuple(sorted(p)), "places"),
            "from one": (lambda p: tuple(k + 1 for k in by_appearance(p)), "first group be 0"),
            "by name": (lambda p: [sorted(set(p)).index(each) for each in p], "first appearance"),
            "constant": (lambda p: [0] * len(p), "left to right"),
        },
    )


def distance(a, b):
    cost = cdist(a, b, "sqeuclidean")
    return cost[linear_sum_assignment(cost)].mean()


def test_cloud_distance():
    def literal(a, b):
        rows, columns = linear_sum_assignment([[((p - q) ** 2).sum() for q in b] for p in a])
        return sum(((a[i] - b[j]) ** 2).sum() for i, j in zip(rows, columns, strict=True)) / len(a)

    def lengths(a, b):
        cost = cdist(a, b)
        return cost[linear_sum_assignment(cost)].mean()

    assert_checker(
        eit.cloud_distance,
        accept=[distance, literal],
        reject={
            "paired": (lambda a, b: ((a - b) ** 2).sum(1).mean(), "point i"),
            "sum": (lambda a, b: len(a) * distance(a, b), "mean"),
            "root": (lambda a, b: np.sqrt(distance(a, b)), "without the root"),
            "lengths": (lengths, "squared length"),
            "nearest": (lambda a, b: cdist(a, b, "sqeuclidean").min(1).mean(), "one to one"),
            "centres": (lambda a, b: ((a.mean(0) - b.mean(0)) ** 2).sum(), "centres"),
            "all pairs": (lambda a, b: cdist(a, b, "sqeuclidean").mean(), "far from itself"),
            "other": (lambda a, b: 7.0, "Cost matrix"),
        },
    )


def test_the_partition_of_the_solution_gives_three_classes():
    patterns = {by_appearance(each) for each in permutations((0, 0, 1, 1))}
    assert len(patterns) == 3
