"""The checkers of MI Net's exercises: right answers pass, mistakes are named."""

import numpy as np

from neurotutor.teaching.exercises import mi_net
from tests.harness import assert_checker


def distances(z, e):
    return ((z[:, None] - e[None]) ** 2).sum(axis=2)


def last_of_ties(z, e):
    return len(e) - 1 - distances(z, e)[:, ::-1].argmin(axis=1)


def test_nearest():
    assert_checker(
        mi_net.nearest,
        accept=[
            lambda z, e: distances(z, e).argmin(axis=1),
            lambda z, e: [min(range(len(e)), key=lambda j: np.linalg.norm(x - e[j])) for x in z],
        ],
        reject={
            "farthest": (lambda z, e: distances(z, e).argmax(axis=1), "farthest"),
            "other axis": (lambda z, e: distances(z, e).argmin(axis=0), "each encoding"),
            "inner product": (lambda z, e: (z @ e.T).argmax(axis=1), "inner product|farthest"),
            "last of ties": (last_of_ties, "lower number"),
            "nothing": (lambda z, e: None, "return"),
        },
    )


def ema(n, m, z, k, g):
    chosen = np.eye(len(n))[k]
    n, m = g * n + (1 - g) * chosen.sum(axis=0), g * m + (1 - g) * chosen.T @ z
    return n, m, m / n[:, None]


def ema_loop(n, m, z, k, g):
    n, m = n * g, m * g
    for row, code in zip(z, k, strict=True):
        n[code] += 1 - g
        m[code] += (1 - g) * row
    return [n, m, m / n[:, None]]


def ema_of_means(n, m, z, k, g):
    used = np.bincount(k, minlength=len(n))
    means = np.eye(len(n))[k].T @ z / np.maximum(used, 1)[:, None]
    n, m = g * n + (1 - g) * used, g * m + (1 - g) * means
    return n, m, m / n[:, None]


def forgets_the_past(n, m, z, k, g):
    with np.errstate(invalid="ignore", divide="ignore"):
        return ema(n, m, z, k, 0.0)


def test_ema_step():
    assert_checker(
        mi_net.ema_step,
        accept=[ema, ema_loop],
        reject={
            "swapped": (lambda n, m, z, k, g: ema(n, m, z, k, 1 - g), "swapped"),
            "means": (ema_of_means, "Add them"),
            "sums as letters": (lambda *a: (*ema(*a)[:2], ema(*a)[1]), "Divide"),
            "no past": (forgets_the_past, "NaN"),
            "codebook only": (lambda *a: ema(*a)[2], "three things"),
        },
    )


def log_p(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def bits(logits, codes):
    return -log_p(logits)[np.arange(len(codes)), codes].mean() / np.log(2)


def careless(logits, codes):
    with np.errstate(over="ignore", invalid="ignore"):
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.nan_to_num(-np.log2(p[np.arange(len(codes)), codes])).mean()


def test_bits_a_code():
    def of_mean(logits, codes):
        return -np.log2(np.exp(log_p(logits))[np.arange(len(codes)), codes].mean())

    def raw(logits, codes):
        return -logits[np.arange(len(codes)), codes].mean() / np.log(2)

    assert_checker(
        mi_net.bits_a_code,
        accept=[bits, lambda x, z: np.mean([-log_p(x)[t, c] for t, c in enumerate(z)]) / np.log(2)],
        reject={
            "nats": (lambda x, z: bits(x, z) * np.log(2), "nats"),
            "sign": (lambda x, z: -bits(x, z), "sign"),
            "sum": (lambda x, z: bits(x, z) * len(z), "mean"),
            "log of the mean": (of_mean, "logarithm first"),
            "scores": (raw, "log probabilities"),
            "overflow": (careless, "overflows"),
        },
    )


def change(a, b):
    half = len(a) // 2
    return np.concatenate([a[:half], b[half:] + a[half - 1, 1] - b[half, 1]])


def change_in_place_of_copy(a, b):
    out = a.copy()
    half = len(a) // 2
    out[half:] = b[half:] - b[half, 1] + a[half - 1, 1]
    return out


def test_change_player():
    def neck_only(a, b):
        out = np.concatenate([a[:4], b[4:]])
        out[4, 1] = a[3, 1]
        return out

    assert_checker(
        mi_net.change_player,
        accept=[change, change_in_place_of_copy],
        reject={
            "jumps": (lambda a, b: np.concatenate([a[:4], b[4:]]), "jumps"),
            "turned round": (lambda a, b: change(b, a), "first skeleton"),
            "neck only": (neck_only, "all joints"),
            "wrong frame": (
                lambda a, b: np.concatenate([a[:4], b[4:] + a[0, 1] - b[0, 1]]),
                "frame 4",
            ),
        },
    )
