"""Checkers of the MYOW exercises: right answers pass, each typical mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest

from neurotutor.teaching import Hint
from neurotutor.teaching.exercises import myow
from tests.harness import assert_checker


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def cosine(a, b):
    return (unit(a) * unit(b)).sum(axis=1)


def in_place(a, b):
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    return 1 - (a * unit(b)).sum(axis=1)


def test_cosine_distance():
    assert_checker(
        myow.cosine_distance,
        accept=[
            lambda a, b: 1 - cosine(a, b),
            lambda a, b: [
                1 - x @ y / np.sqrt((x @ x) * (y @ y)) for x, y in zip(a, b, strict=True)
            ],
        ],
        reject={
            "cosine itself": (cosine, "1 minus"),
            "lengths kept": (lambda a, b: 1 - (a * b).sum(axis=1), "norms"),
            "image version": (lambda a, b: 2 - 2 * cosine(a, b), "image version"),
            "averaged": (lambda a, b: (1 - cosine(a, b)).mean(), "one distance for each row"),
            "all pairs": (lambda a, b: 1 - unit(a) @ unit(b).T, "row i"),
            "in place": (in_place, "in place"),
            "no return": (lambda a, b: None, "return"),
            "a value": (0.5, "without calling"),
            "something else": (lambda a, b: np.abs(a - b).sum(axis=1), r"\[1, 0\]"),
        },
    )


def test_slow_teacher():
    assert_checker(
        myow.slow_teacher,
        accept=[
            lambda target, online, tau: tau * target + (1 - tau) * online,
            lambda target, online, tau: target + (1 - tau) * (online - target),
        ],
        reject={
            "swapped": (lambda t, o, tau: (1 - tau) * t + tau * o, "swapped"),
            "copied": (lambda t, o, tau: o, "copy the online"),
            "weights": (lambda t, o, tau: tau * t + o, "sum to 1"),
            "typed tau": (lambda t, o, tau: 0.9 * t + 0.1 * o, "tau = 1"),
            "shape": (lambda t, o, tau: (tau * t + (1 - tau) * o).sum(), "shape"),
            "frozen": (lambda t, o, tau: t, "share tau"),
        },
    )


def gap(anchor_time, candidate_time):
    return anchor_time[:, None] - candidate_time[None, :]


def loops(anchor_time, candidate_time, exclusion):
    return np.array([[abs(a - c) > exclusion for c in candidate_time] for a in anchor_time])


def test_eligible_pairs():
    assert_checker(
        myow.eligible_pairs,
        accept=[lambda a, c, n: np.abs(gap(a, c)) > n, loops],
        reject={
            "from": (lambda a, c, n: np.abs(gap(a, c)) >= n, "exactly"),
            "opposite": (lambda a, c, n: np.abs(gap(a, c)) <= n, "opposite"),
            "one side": (lambda a, c, n: gap(a, c) > n, "one side"),
            "transposed": (lambda a, c, n: np.abs(gap(c, a)) > n, "other way round"),
            "numbers": (lambda a, c, n: (np.abs(gap(a, c)) > n).astype(int), "booleans"),
            "one anchor": (lambda a, c, n: np.abs(a[0] - c) > n, "every anchor"),
            "nothing": (lambda a, c, n: np.zeros((3, 8), bool), "greater than the exclusion"),
        },
    )


def picks(cosine, direction, trial, k, *, allowed=None, sign=1):
    allowed = trial[:, None] != trial[None, :] if allowed is None else allowed
    ranked = np.where(allowed, sign * cosine, -np.inf)
    nearest = np.argsort(-ranked, axis=1)[:, :k]
    return (direction[nearest] == direction[:, None]).mean()


def picks_by_loop(cosine, direction, trial, k):
    shares = []
    for i, row in enumerate(cosine):
        others = np.flatnonzero(trial != trial[i])
        nearest = others[np.argsort(row[others])[-k:]]
        shares.append(np.mean(direction[nearest] == direction[i]))
    return np.mean(shares)


def test_purity_of_picks():
    everywhere = np.ones((60, 60), bool)
    assert_checker(
        myow.purity_of_picks,
        accept=[picks, picks_by_loop],
        reject={
            "own trial": (
                lambda c, d, t, k: picks(c, d, t, k, allowed=everywhere),
                "even the anchor itself",
            ),
            "only itself": (
                lambda c, d, t, k: picks(c, d, t, k, allowed=~np.eye(60, dtype=bool)),
                "not its trial",
            ),
            "furthest": (lambda c, d, t, k: picks(c, d, t, k, sign=-1), "least similar"),
            "no k": (lambda c, d, t, k: picks(c, d, t, 3), "depend on k"),
            "not averaged": (lambda c, d, t, k: np.ones(60), "shape"),
            "half": (lambda c, d, t, k: picks(c, d, t, k) / (k + 1), "hide its own trial"),
        },
    )


def measured(far=(0.0, 0.92), everywhere=(0.6, 0.99)):
    keys = ("near", "same_state")
    return {
        "far": dict(zip(keys, far, strict=True)),
        "everywhere": dict(zip(keys, everywhere, strict=True)),
    }


def test_mining_nearby():
    assert_checker(
        myow.mining_nearby,
        accept=[measured(), measured(everywhere=(np.float64(0.4), np.float64(0.9)))],
        reject={
            "no dictionary": (0.3, "dictionary"),
            "other keys": ({"far": {}, "everywhere": {}}, "needs the keys"),
            "same run": (measured(everywhere=(0.0, 0.92)), "the same"),
            "swapped": (measured((0.6, 0.99), (0.0, 0.92)), "swapped"),
            "no share": (measured(everywhere=(60, 99)), "shares"),
            "same rule": (measured(everywhere=(0.0, 0.93)), "only the anchor"),
        },
    )


def test_the_starter_is_not_taken_for_an_answer():
    def starter(*_):
        raise NotImplementedError

    for checker in (myow.cosine_distance, myow.slow_teacher, myow.eligible_pairs):
        with pytest.raises(NotImplementedError):
            checker(starter)
    with pytest.raises(Hint):
        myow.mining_nearby(None)
