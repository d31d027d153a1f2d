"""Checkers of the HiWA exercises accept right answers and name typical mistakes."""

import numpy as np

from neurotutor.representations import hiwa
from neurotutor.teaching.exercises import hiwa as exercises
from tests.harness import assert_checker


def roots(matrix):
    return np.sqrt(np.linalg.eigvalsh(matrix))


def test_gaussian_distance():
    def rewritten(x, y):
        first, second = (np.sort(np.linalg.svd(m, compute_uv=False)) for m in (x, y))
        return np.sum(first + second - 2 * np.sqrt(first * second))

    assert_checker(
        exercises.gaussian_distance,
        accept=[lambda x, y: ((roots(x) - roots(y)) ** 2).sum(), rewritten, hiwa.gaussian_distance],
        reject={
            "no roots": (
                lambda x, y: ((roots(x) ** 2 - roots(y) ** 2) ** 2).sum(),
                "square roots",
            ),
            "opposite order": (lambda x, y: ((roots(x) - roots(y)[::-1]) ** 2).sum(), "longest"),
            "diagonals": (
                lambda x, y: ((np.sqrt(np.diag(x)) - np.sqrt(np.diag(y))) ** 2).sum(),
                "diagonals",
            ),
            "not squared": (lambda x, y: np.linalg.norm(roots(x) - roots(y)), "its square"),
            "without rotation": (lambda x, y: np.trace(x) + np.trace(y), "costs less"),
            "too small": (lambda x, y: 0.0, "sorted eigenvalues"),
            "vector": (lambda x, y: (roots(x) - roots(y)) ** 2, "one number"),
            "nothing": (lambda x, y: None, "returns nothing"),
            "called": (3.0, "without calling"),
        },
    )


def balls(seed, spreads=(1.0, 1.0), shift=0.0, count=30):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], count)
    sets = []
    for _ in range(2):
        points = rng.standard_normal((2 * count, 3)) * np.repeat(spreads, count)[:, None]
        points[labels == 1] += shift
        sets += [points, labels]
    return tuple(sets)


def test_undetermined():
    def rewritten(seed):
        rng = np.random.default_rng([seed, 7])
        x, y = rng.normal(size=(2, 60, 2))
        labels = np.arange(60) % 2
        return x, labels, y, labels

    def copied(seed):
        x, labels, _, _ = balls(seed)
        return x, labels, x, labels

    assert_checker(
        exercises.undetermined,
        accept=[balls, rewritten],
        reject={
            "spreads differ": (lambda seed: balls(seed, (1.0, 4.0)), "wider"),
            "centres differ": (lambda seed: balls(seed, shift=4.0), "tells the clusters apart"),
            "seed unused": (lambda seed: balls(3), "same points"),
            "copy": (copied, "copy"),
            "few points": (lambda seed: balls(seed, count=5), "20 points"),
            "one cluster": (
                lambda seed: (np.ones((50, 2)), np.zeros(50), np.ones((50, 2)), np.zeros(50)),
                "two clusters",
            ),
            "labels": (lambda seed: (np.ones((9, 2)), np.zeros(8)) * 2, "one label"),
            "two arrays": (lambda seed: balls(seed)[:2], "four arrays"),
        },
    )


CYCLE = np.array([[1.0, 0.5, 2.0], [2.0, 1.0, 0.5], [0.5, 2.0, 1.0]])


def test_hidden_cycle():
    assert_checker(
        exercises.hidden_cycle,
        accept=[CYCLE, CYCLE.T, lambda: 10 * CYCLE, [[0, -1, 3], [3, 0, -1], [-1, 3, 0]]],
        reject={
            "symmetric": (np.ones((3, 3)) - np.eye(3), "symmetric"),
            "exchange pays": (CYCLE - np.array([[0, 0, 0], [1.5, 0, 0], [0, 0, 0]]), "exchange"),
            "identity best": (CYCLE + 2 * (1 - np.eye(3)), "still the cheapest"),
            "shape": (np.ones((2, 2)), "3 by 3"),
            "infinite": (np.full((3, 3), np.inf), "finite"),
        },
    )


def turned(matrix, columns):
    u, _, v = np.linalg.svd(matrix)
    if np.linalg.det(u @ v) < 0:
        u[:, columns] *= -1
    return u @ v


def test_proper_polar():
    def rewritten(matrix):
        u, _, v = np.linalg.svd(matrix)
        return u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v

    def always(matrix):
        u, _, v = np.linalg.svd(matrix)
        u[:, -1] *= -1
        return u @ v

    assert_checker(
        exercises.proper_polar,
        accept=[lambda m: turned(m, -1), rewritten],
        reject={
            "no flip": (lambda m: hiwa.polar(m), "reflection"),
            "first column": (lambda m: turned(m, 0), "counts much"),
            "all columns": (lambda m: turned(m, slice(None)), "closest"),
            "always": (always, "only if you must"),
            "two columns": (lambda m: turned(m, slice(0, 2)), "still -1"),
            "not orthogonal": (lambda m: m / np.linalg.norm(m), "orthogonal"),
            "shape": (lambda m: m[0], "shape"),
        },
    )


def count(angles, rotations=True, reflections=True, modulo=360.0, identity=True):
    angles = np.asarray(angles)
    target = {round(float(x), 6) % modulo for x in angles % modulo}
    found = 0
    for sign in ([1] if rotations else []) + ([-1] if reflections else []):
        moves = {round(float((x - sign * angles[0]) % 360.0), 6) for x in angles}
        for move in moves:
            found += {
                round(float(x), 6) % modulo for x in (sign * angles + move) % modulo
            } == target
    return found if identity else found - 1


def test_symmetries():
    def by_gaps(angles):
        ordered = np.sort(np.asarray(angles) % 360)
        gaps = np.round(np.diff([*ordered, ordered[0] + 360]), 6)
        turns = [np.roll(gaps, k) for k in range(len(gaps))]
        return sum((t == gaps).all() for t in turns) + sum((t[::-1] == gaps).all() for t in turns)

    assert_checker(
        exercises.symmetries,
        accept=[count, by_gaps],
        reject={
            "rotations only": (lambda a: count(a, reflections=False), "rotations only"),
            "no identity": (lambda a: count(a, identity=False), "identity"),
            "wrong circle": (
                lambda a: (
                    sum(np.isclose((a + m) % 180, a[0] % 180).any() for m in range(0, 360, 45)) * 3
                ),
                "modulo",
            ),
            "a fraction": (lambda a: 1.5, "whole number"),
            "too few": (lambda a: 1, "each target"),
        },
    )
