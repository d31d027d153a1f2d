"""The checkers of the chapter's exercises accept what is right and name what is wrong."""

import numpy as np
from scipy.special import softmax

from neurotutor.teaching.exercises import stndt as exercises
from tests.harness import assert_checker


def test_best_scale():
    assert_checker(
        exercises.best_scale,
        accept=[lambda r, x: x.sum() / r.sum(), lambda r, x: np.mean(x) / np.mean(r)],
        reject={
            "upside down": (lambda r, x: r.sum() / x.sum(), "upside down"),
            "mean of ratios": (lambda r, x: (x / r).mean(), "sum first"),
            "logarithm": (lambda r, x: np.log(x.sum() / r.sum()), "logarithm"),
            "least squares": (lambda r, x: (x * r).sum() / (r**2).sum(), "least squares"),
            "no scale": (lambda r, x: 1.0, "derivative"),
            "nothing": (lambda r, x: None, "return"),
        },
    )


def spans(starts, span):
    mask = np.zeros_like(starts)
    for shift in range(span):
        mask[:, shift:] |= starts[:, : starts.shape[1] - shift]
    return mask


def test_widen():
    def by_convolution(starts, span):
        return np.stack([np.convolve(row, np.ones(span))[: len(row)] > 0 for row in starts])

    def wraps(starts, span):
        return np.any([np.roll(starts, k, axis=1) for k in range(span)], axis=0)

    assert_checker(
        exercises.widen,
        accept=[spans, by_convolution],
        reject={
            "wraps": (wraps, "beginning"),
            "backwards": (lambda s, w: spans(s[:, ::-1], w)[:, ::-1], "backwards"),
            "long": (lambda s, w: spans(s, w + 1), "too long"),
            "short": (lambda s, w: spans(s, w - 1), "too short"),
            "starts": (lambda s, w: s.copy(), "the starts|too short"),
            "without start": (lambda s, w: spans(s, w) & ~s, "belongs"),
            "shape": (lambda s, w: spans(s, w)[0], "shape"),
        },
    )


def test_mix():
    def reference(query, key, features):
        weights = softmax(query @ key.T / np.sqrt(query.shape[1]), axis=1)
        return features @ weights.T

    def by_loop(query, key, features):
        out = np.zeros_like(features)
        for i in range(len(query)):
            grown = np.exp(key @ query[i] / np.sqrt(len(query[i])))
            out[:, i] = features @ (grown / grown.sum())
        return out

    def scores(q, k):
        return q @ k.T / 2

    assert_checker(
        exercises.mix,
        accept=[reference, by_loop],
        reject={
            "transposed": (lambda q, k, x: x @ softmax(scores(q, k), axis=1), "row"),
            "columns": (lambda q, k, x: x @ softmax(scores(q, k), axis=0).T, "columns"),
            "no root": (lambda q, k, x: x @ softmax(q @ k.T, axis=1).T, "root"),
            "swapped": (lambda q, k, x: x @ softmax(scores(k, q), axis=1).T, "swapped"),
            "no softmax": (lambda q, k, x: x @ scores(q, k).T, "bare scores"),
            "shape": (lambda q, k, x: x.T, "shape"),
            "features": (lambda q, k, x: x, "row by row"),
        },
    )


def test_equal_ensemble():
    def quiet_bins(spikes):
        first = np.full(spikes.shape, 0.5)
        return first, np.where(spikes == 0, 0.9, first)

    def one_quiet_bin(spikes):
        first = np.full(spikes.shape, 0.3)
        second = first.copy()
        second.flat[np.flatnonzero(spikes == 0)[0]] = 2.0
        return [first, second]

    def busy_bins(spikes):
        first = np.full(spikes.shape, 0.5)
        return first, np.where(spikes > 0, 0.9, first)

    assert_checker(
        exercises.equal_ensemble,
        accept=[quiet_bins, one_quiet_bin],
        reject={
            "the same": (lambda s: (np.ones(s.shape), np.ones(s.shape)), "one model"),
            "with spikes": (busy_bins, "strictly concave"),
            "everywhere": (lambda s: (np.ones(s.shape), 2 * np.ones(s.shape)), "gains"),
            "zero": (lambda s: (np.zeros(s.shape), np.ones(s.shape)), "greater than 0"),
            "one array": (lambda s: np.ones(s.shape), "two arrays"),
        },
    )


def test_shuffled():
    def reference(spikes, neuron, generator):
        out = spikes.copy()
        out[:, :, neuron] = spikes[generator.permutation(len(spikes)), :, neuron]
        return out

    def rolled(spikes, neuron, generator):
        out = spikes.copy()
        out[:, :, neuron] = np.roll(spikes[:, :, neuron], 1 + generator.integers(5), axis=0)
        return out

    def bins(spikes, neuron, generator):
        out = spikes.copy()
        out[:, :, neuron] = generator.permuted(spikes[:, :, neuron].ravel()).reshape(30, 6)
        return out

    def zero(spikes, neuron, generator):
        out = spikes.copy()
        out[:, :, neuron] = 0
        return out

    def in_place(spikes, neuron, generator):
        spikes[:, :, neuron] = spikes[::-1, :, neuron].copy()
        return spikes

    assert_checker(
        exercises.shuffled,
        accept=[reference, rolled],
        reject={
            "bins": (bins, "whole trials"),
            "silenced": (zero, "lost"),
            "in place": (in_place, "in place"),
            "all neurons": (lambda s, n, g: s[g.permutation(len(s))], "other neurons"),
            "nothing": (lambda s, n, g: s.copy(), "nothing changed"),
        },
    )
