"""Checkers of the exercises of the chapter on HiWA."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from neurotutor.representations import hiwa
from neurotutor.teaching.exercise import Hint, call, call_array


def gaussian_distance(answer: Any) -> str:
    """Check a function (covariance_x, covariance_y) -> least squared distance over rotations."""
    rng = np.random.default_rng(0)
    turn = hiwa.polar(rng.standard_normal((3, 3)))
    x, y = np.diag([9.0, 0.25, 4.0]), turn @ np.diag([1.0, 16.0, 0.04]) @ turn.T
    found = call_array(answer, x, y)
    if found.shape != ():
        raise Hint(f"The distance is one number, yours has shape {found.shape}.")
    values_x, values_y = np.array([0.25, 4.0, 9.0]), np.array([0.04, 1.0, 16.0])
    if np.isclose(found, ((np.sqrt(values_x) - np.sqrt(values_y)) ** 2).sum()):
        return (
            "The best rotation lays the long axis of one ellipsoid on the long axis of the other, "
            "and what remains is the difference of the axes' lengths."
        )
    if np.isclose(found, ((values_x - values_y) ** 2).sum()):
        raise Hint("Lengths of axes are the square roots of the eigenvalues. Take the roots first.")
    if np.isclose(found, ((np.sqrt(values_x) - np.sqrt(values_y[::-1])) ** 2).sum()):
        raise Hint("You pair the longest axis with the shortest. Sort both spectra the same way.")
    if np.isclose(found, ((np.sqrt(np.diag(x)) - np.sqrt(np.diag(y))) ** 2).sum()):
        raise Hint("You compare the diagonals. Under rotation only the eigenvalues are kept.")
    if np.isclose(found**2, ((np.sqrt(values_x) - np.sqrt(values_y)) ** 2).sum()):
        raise Hint("This is the distance; its square is asked for.")
    if found > ((np.sqrt(values_x) - np.sqrt(values_y)) ** 2).sum():
        raise Hint("A rotation exists that costs less. Are both spectra sorted, lengths as roots?")
    raise Hint("Compare the roots of the sorted eigenvalues, square the differences, and add.")


def undetermined(answer: Any) -> str:
    """Check a function (seed) -> (source, source_labels, target, target_labels)."""
    signs, firsts = [], []
    for seed in range(8):
        sets = call(answer, seed)
        if not isinstance(sets, tuple) or len(sets) != 4:
            raise Hint("Return four arrays: source, source_labels, target, target_labels.")
        source, source_labels, target, target_labels = (np.asarray(each) for each in sets)
        for points, labels in ((source, source_labels), (target, target_labels)):
            if points.ndim != 2 or labels.shape != (len(points),):
                raise Hint("Points are (points, D), and every point has one label.")
            if len(np.unique(labels)) != 2:
                raise Hint("Each set has exactly two clusters, labelled 0 and 1.")
            if min(np.bincount(np.unique(labels, return_inverse=True)[1])) < 20:
                raise Hint("Give every cluster 20 points or more, or chance decides.")
        if source.shape == target.shape and np.allclose(source, target):
            raise Hint("The target is a copy of the source. Draw it anew.")
        if firsts and source.shape == firsts[0].shape and np.allclose(source, firsts[0]):
            raise Hint("Every seed gives the same points. Make a generator from the seed.")
        firsts.append(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = hiwa.HiWA(hiwa.HiwaConfig.tutorial(max_iter=12)).fit(
                source.astype(float), source_labels, target.astype(float), target_labels, seed=seed
            )
        kept = model.correspondence_[0, 0] - 0.25
        signs.append(0 if abs(kept) < 0.03 else int(np.sign(kept)))
    if signs == [0] * 8:
        return "P stays uniform in all eight draws: nothing tells the clusters apart."
    if {1, -1} <= set(signs):
        return (
            f"In eight draws P keeps the order {signs.count(1)} times and swaps it "
            f"{signs.count(-1)} times. A sharp P, and only chance decided."
        )
    if _spread_ratio(source, source_labels) > 1.5:
        raise Hint(
            "One cluster is wider than the other, and HiWA tells them apart by that. "
            "Give both the same spread."
        )
    raise Hint(
        "Eight draws give one and the same correspondence, so something tells the clusters apart. "
        "Same centre, same spread in every direction, same number of points."
    )


def _spread_ratio(points: np.ndarray, labels: np.ndarray) -> float:
    spreads = [points[labels == k].std(axis=0).mean() for k in np.unique(labels)]
    return float(max(spreads) / max(min(spreads), np.finfo(float).tiny))


def hidden_cycle(answer: Any) -> str:
    """Check a (3, 3) cost that passes the pairwise test and has a cheaper 3-cycle."""
    answer = call(answer) if callable(answer) else answer
    cost = np.asarray(answer, dtype=float)
    if cost.shape != (3, 3):
        raise Hint(f"The cost is a 3 by 3 matrix, yours has shape {cost.shape}.")
    if not np.isfinite(cost).all():
        raise Hint("All costs must be finite numbers.")
    if np.allclose(cost, cost.T):
        raise Hint(
            "Your cost is symmetric. Then the pairwise test is enough, and nothing can hide."
        )
    margin = hiwa.correspondence_margin(cost)
    if margin <= 0:
        raise Hint(f"Some exchange of two clusters already pays: the margin is {margin:.3g}.")
    if hiwa.best_assignment_is_identity(cost):
        raise Hint(
            "The identity is still the cheapest assignment. Make one way around the triangle "
            "cheap, and the way back dear."
        )
    return (
        f"No exchange of two pays (margin {margin:.3g}), yet moving all three around does. A test "
        "of pairs cannot see that."
    )


def proper_polar(answer: Any) -> str:
    """Check a function matrix -> closest rotation of determinant +1."""
    rng = np.random.default_rng(1)
    matrices = rng.standard_normal((12, 3, 3))
    for matrix in matrices:
        found = call_array(answer, matrix)
        if found.shape != (3, 3):
            raise Hint(f"A (3, 3) matrix gives a (3, 3) rotation, yours has shape {found.shape}.")
        if not np.allclose(found @ found.T, np.eye(3), atol=1e-8):
            raise Hint(
                "Your result is not orthogonal. Multiply U and V' without the singular values."
            )
        if np.allclose(found, hiwa.polar(matrix, 1), atol=1e-8):
            continue
        plain = hiwa.polar(matrix)
        if np.allclose(found, plain, atol=1e-8):
            raise Hint("Where U V' is a reflection you leave it one. Its determinant must be +1.")
        if np.linalg.det(plain) > 0:
            raise Hint("Here U V' is a rotation already, and you change it. Flip only if you must.")
        if np.allclose(found, -plain, atol=1e-8):
            raise Hint(
                "You turn all three directions. That is a rotation, but not the closest one: "
                "turn one singular direction only."
            )
        if np.linalg.det(found) < 0:
            raise Hint("The determinant is still -1. Turn one singular direction.")
        raise Hint(
            "You turn a singular direction that counts much. NumPy sorts the singular values: the "
            "last one counts least."
        )
    return "The last singular direction costs least to turn: the trace falls by twice its value."


def symmetries(answer: Any) -> str:
    """Check a function (angles in degrees) -> number of maps that keep the set of directions."""
    cases = [
        ([0.0, 90.0, 180.0, 270.0], 8, "four targets on a square"),
        ([-45.0, -90.0, -135.0, 135.0], 1, "the four targets of monkey M"),
        ([-45.0, -90.0], 2, "two targets"),
        ([-45.0, -90.0, -135.0], 2, "three neighbours"),
        ([10.0, 130.0, 250.0], 6, "a regular triangle"),
    ]
    for angles, right, name in cases:
        found = call(answer, np.array(angles))
        if np.ndim(found) != 0 or int(found) != found:
            raise Hint("Return one whole number.")
        if found == right:
            continue
        if found == right - 1:
            raise Hint(f"For {name} you count {found}. Does the identity count? It should.")
        if right == 8 and found == 4:
            raise Hint("You count rotations only. The square has four reflections, too.")
        if found > right:
            raise Hint(
                f"For {name} you count {found}, more than there are. Angles close after a full "
                "turn: compare them modulo 360 degrees, and count every map once."
            )
        raise Hint(
            f"For {name} you count {found}; look for maps that send each target to a target."
        )
    return (
        "The four targets of monkey M have no symmetry but the identity: that is why their "
        "distribution can say which is which."
    )
