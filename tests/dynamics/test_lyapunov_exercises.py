"""The checkers of the exercises: right answers pass, mistakes are named."""

import math

import numpy as np

from neurotutor.teaching.exercises import lyapunov_rnn as exercises
from tests.harness import assert_checker


def test_mean_log_det():
    assert_checker(
        exercises.mean_log_det,
        accept=[
            lambda j: np.linalg.slogdet(j).logabsdet.mean(),
            lambda j: np.mean([math.log(abs(np.linalg.det(each))) for each in j]),
        ],
        reject={
            "sum": (lambda j: np.linalg.slogdet(j).logabsdet.sum(), "sum over the steps"),
            "log of mean": (lambda j: np.log(np.abs(np.linalg.det(j)).mean()), "log of a mean"),
            "mean exponent": (lambda j: np.linalg.slogdet(j).logabsdet.mean() / 3, "divide by n"),
            "bits": (lambda j: np.log2(np.abs(np.linalg.det(j))).mean(), "bits"),
            "sign": (
                lambda j: np.mean([math.log(d) if d > 0 else math.nan for d in np.linalg.det(j)]),
                "negative",
            ),
            "all steps": (lambda j: np.linalg.slogdet(j).logabsdet, "One number"),
            "other": (lambda j: 0.0, "the answer is"),
        },
    )


def spectrum(jacobians, k, every, *, last=True, sign=False, mean=True):
    vectors, total = np.eye(jacobians.shape[1])[:, :k], np.zeros(k)
    for t, each in enumerate(jacobians, start=1):
        vectors = each @ vectors
        if t % every == 0 or (last and t == len(jacobians)):
            vectors, r = np.linalg.qr(vectors)
            pivots = np.diag(r)
            if sign:
                total += np.array([math.log(p) if p > 0 else math.nan for p in pivots])
            else:
                total += np.log(np.abs(pivots))
    return total / (len(jacobians) if mean else 1)


def gram_schmidt(jacobians, k, every):
    vectors, total = np.eye(jacobians.shape[1])[:, :k], np.zeros(k)
    for t, each in enumerate(jacobians, start=1):
        vectors = each @ vectors
        if t % every == 0 or t == len(jacobians):
            for i in range(k):
                for j in range(i):
                    vectors[:, i] -= (vectors[:, j] @ vectors[:, i]) * vectors[:, j]
                norm = np.linalg.norm(vectors[:, i])
                vectors[:, i] /= norm
                total[i] += math.log(norm)
    return total / len(jacobians)


def test_own_spectrum():
    assert_checker(
        exercises.own_spectrum,
        accept=[spectrum, gram_schmidt],
        reject={
            "all": (lambda j, k, e: spectrum(j, 4, e), "first 3 of 4"),
            "sums": (lambda j, k, e: spectrum(j, k, e, mean=False), "Divide by the number"),
            "signs": (lambda j, k, e: spectrum(j, k, e, sign=True), "size of each"),
            "reversed": (lambda j, k, e: spectrum(j[::-1], k, e), "begin with the last"),
            "transposed": (lambda j, k, e: spectrum(j.transpose(0, 2, 1), k, e), "transposed"),
            "rest lost": (lambda j, k, e: spectrum(j, k, e, last=False), "last 3 steps"),
            "wrong spacing": (lambda j, k, e: spectrum(j, k, e) * e, "every=4"),
            "other": (lambda j, k, e: np.zeros(k), "first exponent is"),
        },
    )


def of_round(jacobians, *, forward=True):
    ordered = jacobians if forward else jacobians[::-1]
    product = np.eye(jacobians.shape[1])
    for each in ordered:
        product = each @ product
    return product


def descending(product):
    return np.sort(np.log(np.abs(np.linalg.eigvals(product))))[::-1]


def test_exponents_of_round():
    assert_checker(
        exercises.exponents_of_round,
        accept=[
            lambda j: descending(of_round(j)) / len(j),
            lambda j: descending(np.linalg.multi_dot(list(j[::-1]))) / len(j),
        ],
        reject={
            "ascending": (lambda j: descending(of_round(j))[::-1] / 3, "largest comes first"),
            "per round": (lambda j: descending(of_round(j)), "per round"),
            "backwards": (lambda j: descending(of_round(j, forward=False)) / 3, "backwards"),
            "singular values": (
                lambda j: np.log(np.linalg.svd(of_round(j), compute_uv=False)) / 3,
                "singular values",
            ),
            "mean": (
                lambda j: np.mean([descending(each) for each in j], axis=0),
                "Eigenvalues of a product",
            ),
            "one": (lambda j: descending(of_round(j))[:1], "One exponent for each"),
            "other": (lambda j: np.zeros(4), "largest exponent is"),
        },
    )


def line(strengths, exponents):
    for i in range(len(strengths) - 1):
        a, b = exponents[i], exponents[i + 1]
        if a > 0 >= b:
            return strengths[i] + (strengths[i + 1] - strengths[i]) * a / (a - b)
    return math.nan


def interpolated(strengths, exponents):
    falls = np.flatnonzero((exponents[:-1] > 0) & (exponents[1:] <= 0))
    if not len(falls):
        return math.nan
    i = falls[0]
    return float(np.interp(0, exponents[[i + 1, i]], strengths[[i + 1, i]]))


def test_crossing():
    assert_checker(
        exercises.crossing,
        accept=[line, interpolated],
        reject={
            "grid": (lambda s, e: s[np.argmax(e < 0)], "point of the grid"),
            "half-way": (lambda s, e: 0.75, "Half-way"),
            "weights": (lambda s, e: 0.5 + 0.5 * 0.1 / 0.3, "wrong way round"),
            "always": (
                lambda s, e: line(s, e) if (e < 0).any() else s[-1],
                "never crosses",
            ),
            "from below": (
                lambda s, e: line(s, e) if e[0] > 0 else line(s, -e),
                "from below",
            ),
            "nan": (lambda s, e: math.nan, "that is a crossing"),
            "other": (lambda s, e: 1.5, "crosses zero at"),
        },
    )
