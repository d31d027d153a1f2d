"""The checkers of the exercises on SESAR: right answers pass, mistakes are named."""

import numpy as np

from neurotutor.teaching.exercises import sesar
from tests.harness import assert_checker


def gap(p):
    top = np.sort(p, axis=1)
    return top[:, -1] - top[:, -2]


def test_own_margin():
    assert_checker(
        sesar.own_margin,
        accept=[gap, lambda p: p.max(1) - np.partition(p, -2, axis=1)[:, -2]],
        reject={
            "least confident": (lambda p: 1 - p.max(1), "second largest"),
            "smallest": (lambda p: p.max(1) - p.min(1), "smallest"),
            "sign": (lambda p: -gap(p), "sign"),
            "columns": (lambda p: np.abs(p[:, 0] - p[:, 1]), "sort"),
            "largest": (lambda p: p.max(1), "gap is"),
        },
    )


def right_loss(drawn, x, lengths):
    real = np.arange(x.shape[1]) < lengths[:, None]
    return ((np.abs(drawn - x).sum(-1) * real).sum(1) / lengths).mean()


def loop_loss(drawn, x, lengths):
    return np.mean(
        [np.abs(a[:n] - b[:n]).sum() / n for a, b, n in zip(drawn, x, lengths, strict=True)]
    )


def test_masked_loss():
    def off(drawn, x):
        return np.abs(drawn - x).sum(-1)

    def real(x, lengths):
        return np.arange(x.shape[1]) < lengths[:, None]

    assert_checker(
        sesar.masked_loss,
        accept=[right_loss, loop_loss],
        reject={
            "no mask": (lambda d, x, n: off(d, x).mean(), "all frames"),
            "official": (lambda d, x, n: (off(d, x).sum(1) / n).mean(), "official"),
            "long ones": (
                lambda d, x, n: (off(d, x) * real(x, n)).sum() / real(x, n).sum(),
                "long sequences",
            ),
            "padded length": (
                lambda d, x, n: (off(d, x) * real(x, n)).mean(1).mean(),
                "padded length",
            ),
            "squares": (lambda d, x, n: ((d - x) ** 2).sum(), "loss of the check"),
        },
    )


def test_one_per_cluster():
    def best(clusters, margins):
        return np.array(
            [
                min(np.flatnonzero(clusters == k), key=lambda i: margins[i])
                for k in np.unique(clusters)
            ]
        )

    def sorted_best(clusters, margins):
        order = np.argsort(margins)
        return order[np.unique(clusters[order], return_index=True)[1]]

    assert_checker(
        sesar.one_per_cluster,
        accept=[best, sorted_best],
        reject={
            "no clusters": (lambda c, m: np.argsort(m)[:3], "share a cluster"),
            "largest": (lambda c, m: best(c, -m), "largest"),
            "first": (lambda c, m: np.unique(c, return_index=True)[1], "did not look"),
            "values": (lambda c, m: np.array([0.1, 0.5, 0.05]), "indices"),
            "too many": (lambda c, m: np.arange(8), "three questions"),
        },
    )


def greedy(points, labelled, budget, how=np.min):
    known, chosen = list(labelled), []
    for _ in range(budget):
        off = how(np.linalg.norm(points[:, None] - points[known], axis=2), axis=1)
        off[known] = -np.inf
        known.append(int(np.argmax(off)))
        chosen.append(known[-1])
    return np.array(chosen)


def running(points, labelled, budget):
    near = np.min([np.linalg.norm(points - points[i], axis=1) for i in labelled], axis=0)
    chosen = []
    for _ in range(budget):
        chosen.append(int(near.argmax()))
        near = np.minimum(near, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen)


def test_farthest():
    def from_labelled(points, labelled, budget):
        return np.argsort(-np.linalg.norm(points - points[labelled[0]], axis=1))[:budget]

    assert_checker(
        sesar.farthest,
        accept=[greedy, running],
        reject={
            "not greedy": (from_labelled, "neighbours"),
            "nearest": (
                lambda p, m, b: np.argsort(np.linalg.norm(p - p[0], axis=1))[1 : b + 1],
                "nearest",
            ),
            "labelled": (lambda p, m, b: np.arange(b), "has a label"),
            "mean distance": (
                lambda p, m, b: greedy(p, m, b, np.mean),
                "nearest labelled|farthest",
            ),
            "coordinates": (lambda p, m, b: p[:b], "indices"),
        },
    )
