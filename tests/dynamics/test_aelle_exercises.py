"""The checkers of the exercises of AeLLE: right answers pass, mistakes are named."""

import numpy as np

from neurotutor.dynamics import aelle as package
from neurotutor.teaching.exercises import aelle
from tests.harness import assert_checker


def loops(spectrum, length):
    n, out = len(spectrum), []
    for j in range(length):
        place = (j + 0.5) / length * n - 0.5
        left = min(max(int(np.floor(place)), 0), n - 2)
        out.append(spectrum[left] + (place - left) * (spectrum[left + 1] - spectrum[left]))
    return out


def test_own_resample():
    assert_checker(
        aelle.own_resample,
        accept=[package.resample_spectrum, loops],
        reject={
            "pinned ends": (
                lambda s, m: np.interp(np.linspace(0, len(s) - 1, m), np.arange(len(s)), s),
                "pin the first",
            ),
            "flat ends": (
                lambda s, m: np.interp(
                    (np.arange(m) + 0.5) / m, (np.arange(len(s)) + 0.5) / len(s), s
                ),
                "stays flat",
            ),
            "left edges": (lambda s, m: aelle._resample(s, m, 0.0), "left edge"),
            "turned": (lambda s, m: package.resample_spectrum(s, m)[::-1], "turned round"),
            "length": (lambda s, m: s, "10 exponents"),
            "nothing": (lambda s, m: None, "return"),
            "other": (lambda s, m: package.resample_spectrum(s, m) + 1, "Exponent"),
        },
    )


def with_counts(said, good):
    hits = sum(a and b for a, b in zip(said, good, strict=True))
    return 0.0 if hits == 0 else 2 * hits / (sum(said) + sum(good))


def test_own_f1():
    def precision(said, good):
        return (said & good).sum() / said.sum()

    def recall(said, good):
        return (said & good).sum() / good.sum()

    def divides(said, good):
        p, r = precision(said, good), recall(said, good)
        return 2 * p * r / (p + r)

    def plain_python(said, good):
        hits = int((said & good).sum())
        p, r = hits / int(said.sum()), hits / int(good.sum())
        return 2 * p * r / (p + r)

    assert_checker(
        aelle.own_f1,
        accept=[package.f1_score, with_counts],
        reject={
            "precision": (precision, "precision alone"),
            "recall": (recall, "recall alone"),
            "accuracy": (lambda a, b: (a == b).mean(), "right answers alone"),
            "plain mean": (lambda a, b: (precision(a, b) + recall(a, b)) / 2, "harmonic"),
            "undefined": (divides, "by convention"),
            "crash": (plain_python, "divide by zero"),
            "other": (lambda a, b: 0.1, "first case"),
        },
    )


def test_own_latent_step():
    def short(codes, w, amount):
        return codes - amount * w / (w @ w)

    def one_coordinate(codes, w, amount):
        out = codes.copy()
        out[:, 0] -= amount / w[0]
        return out

    assert_checker(
        aelle.own_latent_step,
        accept=[short, lambda c, w, a: c - a * np.linalg.pinv(w[None])[:, 0]],
        reject={
            "sign": (lambda c, w, a: c + a * w / (w @ w), "sign"),
            "no norm": (lambda c, w, a: c - a * w, "squared length of the weights"),
            "norm": (lambda c, w, a: c - a * w / np.linalg.norm(w), "squared length"),
            "one coordinate": (one_coordinate, "shorter step"),
            "shape": (lambda c, w, a: short(c, w, a)[0], "five networks"),
            "nothing": (lambda c, w, a: c, "changes by"),
        },
    )


def test_own_rls():
    def step(p, w, r, error):
        k = p @ r / (1 + r @ p @ r)
        return p - np.outer(k, r @ p), w - error * k

    def inverse(p, w, r, error):
        new = np.linalg.inv(np.linalg.inv(p) + np.outer(r, r))
        return new, w - error * new @ r

    assert_checker(
        aelle.own_rls,
        accept=[step, inverse],
        reject={
            "sign": (lambda p, w, r, e: (step(p, w, r, e)[0], step(p, w, r, -e)[1]), "wrong way"),
            "no denominator": (
                lambda p, w, r, e: (step(p, w, r, e)[0], w - e * p @ r),
                "denominator",
            ),
            "p stays": (lambda p, w, r, e: (p, step(p, w, r, e)[1]), "stays as it was"),
            "wrong p": (lambda p, w, r, e: (p + 1, step(p, w, r, e)[1]), "outer product"),
            "delta rule": (lambda p, w, r, e: (step(p, w, r, e)[0], w - e * r), "error times k"),
            "one thing": (lambda p, w, r, e: w, "two things"),
            "shape": (lambda p, w, r, e: (p[0], w), "came"),
            "other": (lambda p, w, r, e: (p, w + 1), "first weight"),
        },
    )
