"""Checkers of the exercises of the chapter on MYOW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurotutor.teaching.exercise import Hint, call, call_array


def cosine_distance(answer: Any) -> str:
    """Check a function (a, b) -> 1 - cos of paired rows."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((6, 4)), rng.standard_normal((6, 4))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    found = call_array(answer, a, b)
    if found.shape == () and np.isclose(found, (1 - cosine).mean()):
        raise Hint("You average over the batch. Return one distance for each row.")
    if found.shape != (6,):
        raise Hint(f"Pair row i of a with row i of b: shape (6,) is wanted, got {found.shape}.")
    if np.allclose(found, 1 - cosine):
        return "Two unit vectors that agree are at distance 0, whatever their lengths were before."
    if np.allclose(found, cosine):
        raise Hint("This is the cosine itself: it is largest where the two agree. Take 1 minus it.")
    if np.allclose(found, 1 - (a * b).sum(1)):
        raise Hint("The lengths are still in it. Divide the dot product by both norms.")
    if np.allclose(found, 2 - 2 * cosine):
        raise Hint("This is the image version, 2 - 2 cos: twice as large as the one asked for.")
    raise Hint("Try it on [1, 0] and [0, 1]: the distance should be 1. And on [1, 0] twice: 0.")


def slow_teacher(answer: Any) -> str:
    """Check a function (target, online, tau) -> target after one EMA step."""
    target, online = np.array([1.0, 2.0, -1.0]), np.array([3.0, 0.0, 1.0])
    found = call_array(answer, target, online, 0.9, shape=(3,))
    if np.allclose(found, 0.9 * target + 0.1 * online):
        if not np.allclose(call_array(answer, target, online, 1.0, shape=(3,)), target):
            raise Hint("With tau = 1 the teacher must not move at all; yours does.")
        return "Nine tenths of the old teacher stay: it follows, but it is not in a hurry."
    if np.allclose(found, 0.1 * target + 0.9 * online):
        raise Hint("You swapped tau and 1 - tau: your teacher runs after the student in one step.")
    if np.allclose(found, online):
        raise Hint("You copy the online network. That is tau = 0, a teacher without memory.")
    if np.allclose(found, target + 0.9 * online) or np.allclose(found, 0.9 * target + online):
        raise Hint("The two weights must sum to 1, or the parameters grow with every step.")
    raise Hint("Keep the share tau of the target and add the share 1 - tau of the online network.")


def eligible_pairs(answer: Any) -> str:
    """Check a function (anchor_time, candidate_time, exclusion) -> mask of minable pairs."""
    anchors, candidates = np.array([0, 40, 100]), np.array([0, 10, 30, 35, 50, 70, 95, 120])
    gap = anchors[:, None] - candidates[None, :]
    found = np.asarray(call(answer, anchors, candidates, 30))
    if found.shape == (8, 3):
        raise Hint("Anchors are the rows and candidates the columns; yours is the other way round.")
    if found.shape != (3, 8):
        raise Hint(f"Compare every anchor with every candidate: (3, 8) is wanted, {found.shape} is")
    if found.dtype != bool:
        raise Hint(f"A mask holds booleans, yours holds {found.dtype}.")
    if np.array_equal(found, np.abs(gap) > 30):
        return "What is left is news: similar, and not because it is the same moment again."
    if np.array_equal(found, np.abs(gap) >= 30):
        raise Hint("A candidate at exactly the exclusion is still too near: more than, not from.")
    if np.array_equal(found, np.abs(gap) <= 30):
        raise Hint("This marks the pairs to leave out. A mask of eligible pairs is its opposite.")
    if np.array_equal(found, gap > 30) or np.array_equal(found, -gap > 30):
        raise Hint("Only one side is excluded. Take the absolute difference: before and after.")
    raise Hint("A pair is eligible where |t_i - t_j| is greater than the exclusion.")


def purity_of_picks(answer: Any) -> str:
    """Check a function (cosine, direction, trial, k) -> share of neighbours with the direction."""
    rng = np.random.default_rng(1)
    direction, trial = np.repeat(np.arange(4).repeat(3), 5), np.repeat(np.arange(12), 5)
    y = np.eye(4)[direction] + 0.7 * rng.standard_normal((60, 4))
    # Bins of a trial resemble each other far more than bins of other trials do.
    y += 1.5 * rng.standard_normal((12, 4))[trial]
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    cosine = y @ y.T
    other = trial[:, None] != trial[None, :]

    def share(allowed: np.ndarray, k: int, furthest: bool = False) -> float:
        ranked = np.where(allowed, cosine if not furthest else -cosine, -np.inf)
        nearest = np.argsort(-ranked, axis=1, kind="stable")[:, :k]
        return float((direction[nearest] == direction[:, None]).mean())

    def gives(allowed: np.ndarray, furthest: bool = False) -> bool:
        return all(np.isclose(found[k], share(allowed, k, furthest)) for k in found)

    found = {
        k: float(call_array(answer, cosine, direction, trial, k, shape=())) for k in (1, 5, 20)
    }
    if gives(other):
        return (
            f"On this test data {found[1]:.0%} of the picks are right with k = 1 and "
            f"{found[20]:.0%} with k = 20: a wider net catches more strangers."
        )
    if gives(np.ones_like(other)):
        raise Hint("You search the anchor's own trial, even the anchor itself. Mask both out.")
    if gives(~np.eye(60, dtype=bool)):
        raise Hint("You leave out the anchor but not its trial: neighbours in time look alike.")
    if gives(other, furthest=True):
        raise Hint("These are the least similar bins. The nearest have the largest cosine.")
    if found[1] == found[5] == found[20]:
        raise Hint("The result does not depend on k. Take the k nearest, not all or one.")
    raise Hint(
        "For each bin: hide its own trial, take the k largest cosines, and average how often their "
        "direction is the bin's."
    )


def mining_nearby(answer: Any) -> str:
    """Check what a reader measured when mining may stay near in time.

    The answer holds `near` (share of neighbours within the exclusion) and `same_state` (share of
    neighbours in the anchor's state) for the keys "far" and "everywhere".
    """
    if not isinstance(answer, Mapping) or set(answer) != {"far", "everywhere"}:
        raise Hint('Return a dictionary with the keys "far" and "everywhere".')
    for name, each in answer.items():
        if not isinstance(each, Mapping) or set(each) != {"near", "same_state"}:
            raise Hint(f'answer["{name}"] needs the keys "near" and "same_state".')
        if not all(0 <= value <= 1 for value in each.values()):
            raise Hint(f'Both numbers of answer["{name}"] are shares, from 0 to 1.')
    far, everywhere = answer["far"], answer["everywhere"]
    if far == everywhere:
        raise Hint("Both runs are the same. Does each use its own rule?")
    if far["near"] > 0:
        raise Hint('The rule "far" still lets near bins through. Swapped, or only one side masked?')
    if everywhere["near"] < 0.2:
        raise Hint(
            'With "everywhere", far more neighbours are near: forbid only the anchor itself.'
        )
    return (
        f"{everywhere['near']:.0%} of the neighbours now lie within the excluded time, and "
        f"{everywhere['same_state']:.0%} share the anchor's state, against "
        f"{far['same_state']:.0%}. That looks better and is worth less: a state lasts for minutes, "
        "so the bin next door shares it without any learning."
    )
