"""The checkers of the exercises of both chapters: right answers pass, mistakes are named."""

import math

import numpy as np

from neurotutor.teaching.exercises import assemblies, nemo
from tests.harness import assert_checker


def sorted_cap(inputs, k):
    fires = np.zeros(len(inputs), bool)
    fires[np.argsort(inputs, kind="stable")[len(inputs) - k :]] = True
    return fires


def test_own_cap():
    assert_checker(
        assemblies.own_cap,
        accept=[
            sorted_cap,
            lambda x, k: np.isin(np.arange(len(x)), np.lexsort((np.arange(len(x)), -x))[:k]),
        ],
        reject={
            "indices": (lambda x, k: np.argsort(x)[-k:], "mask"),
            "smallest": (lambda x, k: sorted_cap(-x, k), "smallest"),
            "ties all fire": (lambda x, k: x >= np.sort(x)[-k], "equal inputs.*instead of 3"),
            "ties never fire": (lambda x, k: x > np.sort(x)[-k - 1], "tied ones must fire"),
            "threshold": (lambda x, k: x > x.mean(), "no fixed threshold"),
            "nothing": (lambda x, k: None, "return"),
        },
    )


def used_grow(weights, firing, winners, beta):
    after = weights.copy()
    after[np.ix_(firing, winners)] *= 1 + beta
    return after


def in_place(weights, firing, winners, beta):
    weights[np.ix_(firing, winners)] *= 1 + beta
    return weights


def with_block(change):
    def answer(weights, firing, winners, beta):
        after = weights.copy()
        change(after, firing, winners, beta)
        return after

    return answer


def test_own_plasticity():
    def turned(w, f, v, b):
        w[np.ix_(v, f)] *= 1 + b

    def added(w, f, v, b):
        w[np.ix_(f, v)] += b

    def beta_alone(w, f, v, b):
        w[np.ix_(f, v)] *= b

    def whole_rows(w, f, v, b):
        w[f] *= 1 + b

    def rewrite(weights, firing, winners, beta):
        used = np.outer(
            np.isin(np.arange(len(weights)), firing), np.isin(np.arange(len(weights)), winners)
        )
        return weights * (1 + beta * used)

    assert_checker(
        assemblies.own_plasticity,
        accept=[used_grow, rewrite],
        reject={
            "turned over": (with_block(turned), "rows are sources"),
            "adds": (with_block(added), "multiplies"),
            "beta for 1 + beta": (with_block(beta_alone), "1 \\+ beta"),
            "whole rows": (with_block(whole_rows), "target fires next"),
            "in place": (in_place, "in place"),
        },
    )


def test_support_sizes():
    def growing(history):
        return [len(set(np.concatenate(history[: t + 1]).tolist())) for t in range(len(history))]

    def other(history):
        seen = np.zeros(100, bool)
        sizes = []
        for winners in history:
            seen[winners] = True
            sizes.append(int(seen.sum()))
        return sizes

    def fresh(history):
        seen, sizes = set(), []
        for winners in history:
            sizes.append(len(set(winners.tolist()) - seen))
            seen |= set(winners.tolist())
        return sizes

    assert_checker(
        assemblies.support_sizes,
        accept=[growing, other],
        reject={
            "counts repeats": (lambda h: np.cumsum([len(w) for w in h]), "set"),
            "this round only": (lambda h: [len(w) for w in h], "earlier rounds"),
            "newcomers": (fresh, "add them up"),
            "one number": (lambda h: 5, "each of the 5"),
        },
    )


def test_across_overlap():
    def pairs(found):
        values = [
            (a & b).sum() / a.sum()
            for i, a in enumerate(found)
            for j, b in enumerate(found)
            if i != j
        ]
        return np.mean(values)

    def matrix(found):
        shared = found.astype(float) @ found.T
        return shared[~np.eye(len(found), dtype=bool)].mean() / found[0].sum()

    def all_pairs(found):
        return (found.astype(float) @ found.T).mean() / found[0].sum()

    def jaccard(found):
        return np.mean(
            [(a & b).sum() / (a | b).sum() for i, a in enumerate(found) for b in found[i + 1 :]]
        )

    assert_checker(
        assemblies.across_overlap,
        accept=[pairs, matrix],
        reject={
            "itself": (all_pairs, "itself"),
            "a number of neurons": (lambda f: matrix(f) * f[0].sum(), "number of neurons"),
            "share of all": (lambda f: matrix(f) * f[0].sum() / f.shape[1], "all neurons"),
            "Jaccard": (jaccard, "union"),
            "a matrix": (lambda f: f.astype(float) @ f.T, "one number"),
        },
    )


def test_own_rule():
    def right(w, rate, offset):
        alpha = offset + math.log(rate) / rate
        return np.where(w > 0, np.minimum(alpha, np.exp(rate * (1 + offset - w))), 0.0)

    def loop(w, rate, offset):
        alpha = offset + math.log(rate) / rate
        return [min(alpha, math.exp(rate * (1 + offset - x))) if x > 0 else 0 for x in w]

    def larger(w, rate, offset):
        alpha = offset + math.log(rate) / rate
        return np.where(w > 0, np.maximum(alpha, np.exp(rate * (1 + offset - w))), 0.0)

    def absent_too(w, rate, offset):
        return np.minimum(offset + math.log(rate) / rate, np.exp(rate * (1 + offset - w)))

    assert_checker(
        nemo.own_rule,
        accept=[right, loop],
        reject={
            "max": (larger, "larger"),
            "absent synapses": (absent_too, "does not exist"),
            "no ceiling": (lambda w, r, o: np.where(w > 0, np.exp(r * (1 + o - w)), 0), "ceiling"),
            "alpha typed in": (
                lambda w, r, o: np.where(w > 0, np.minimum(0.63, np.exp(r * (1 + o - w))), 0),
                "0.63",
            ),
        },
    )


def steps(count, x=0.0):
    for _ in range(count - 1):
        x += math.exp(-x)
    return x


def test_learned_probability():
    assert_checker(
        nemo.learned_probability,
        accept=[
            lambda a, b: 1 / (1 + math.exp(steps(b) - steps(a))),
            lambda a, b: math.exp(steps(a)) / (math.exp(steps(a)) + math.exp(steps(b))),
        ],
        reject={
            "frequency": (lambda a, b: a / (a + b), "frequency"),
            "the other one": (lambda a, b: 1 / (1 + math.exp(steps(a) - steps(b))), "second"),
            "one ahead": (
                lambda a, b: 1 / (1 + math.exp(steps(b + 1) - steps(a + 1))),
                "one presentation",
            ),
            "share": (lambda a, b: steps(a) / max(steps(a) + steps(b), 1e-12), "exponential"),
        },
    )


def test_outcomes():
    def right(counts, k):
        return np.where(counts.max(axis=1) > 0.8 * k, counts.argmax(axis=1), -1)

    assert_checker(
        nemo.outcomes,
        accept=[
            right,
            lambda c, k: [next((i for i, x in enumerate(row) if x > 0.8 * k), -1) for row in c],
        ],
        reject={
            "leader": (lambda c, k: c.argmax(axis=1), "leader"),
            "at least": (
                lambda c, k: np.where(c.max(axis=1) >= 0.8 * k, c.argmax(axis=1), -1),
                "more than",
            ),
            "zero": (lambda c, k: np.where(right(c, k) < 0, 0, right(c, k)), "-1"),
        },
    )


def test_transitions():
    def count(states, n):
        counts = np.zeros((n, n))
        np.add.at(counts, (states[:-1], states[1:]), 1)
        return counts

    def right(states, n):
        counts = count(states, n)
        return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def loop(states, n):
        rows = []
        for i in range(n):
            after = [b for a, b in zip(states[:-1], states[1:], strict=True) if a == i]
            rows.append([after.count(j) / len(after) if after else 0.0 for j in range(n)])
        return rows

    def careless(states, n):
        counts = count(states, n)
        with np.errstate(invalid="ignore"):
            return counts / counts.sum(axis=1, keepdims=True)

    assert_checker(
        nemo.transitions,
        accept=[right, loop],
        reject={
            "turned over": (lambda s, n: right(s, n).T, "turned over"),
            "counts": (count, "counts"),
            "all": (lambda s, n: count(s, n) / count(s, n).sum(), "own sum"),
            "columns": (
                lambda s, n: count(s, n) / np.maximum(count(s, n).sum(axis=0, keepdims=True), 1),
                "columns",
            ),
            "NaN": (careless, "NaN"),
        },
    )
