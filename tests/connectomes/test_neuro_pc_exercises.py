"""The checkers of the Neuro-PC exercises: right answers pass, mistakes are named."""

import numpy as np

from neurotutor.connectomes import neuro_pc
from neurotutor.teaching.exercises import neuro_pc as exercises
from tests.harness import assert_checker


def looped_windows(series):
    rows = []
    for start in range(0, len(series) - 4, 4):
        rows.append(series[start : start + 2].T.reshape(-1))
    return np.array(rows)


def test_own_windows():
    assert_checker(
        exercises.own_windows,
        accept=[lambda x: neuro_pc.windows(x, 1), looped_windows],
        reject={
            "overlap": (lambda x: neuro_pc.windows(x, 1, 1), "overlap"),
            "no gap": (lambda x: neuro_pc.windows(x, 1, 2), "without a gap"),
            "neurons first": (lambda x: neuro_pc.windows(x, 1)[:, [0, 2, 1, 3]], "2 v \\+ t"),
            "one too few": (lambda x: neuro_pc.windows(x, 1)[:-1], "3 windows; yours are 2"),
            "three bins": (lambda x: neuro_pc.windows(x, 2), "four numbers"),
            "nothing": (lambda x: None, "return"),
            "called": (np.zeros((3, 4)), "without calling"),
            "other rows": (lambda x: neuro_pc.windows(x, 1) + 1, "first row"),
        },
    )


def test_mean_slope():
    assert_checker(
        exercises.mean_slope,
        accept=[
            lambda u: (1 - np.tanh(u) ** 2).mean(axis=0),
            lambda u: np.array([np.mean(np.cosh(column) ** -2.0) for column in u.T]),
        ],
        reject={
            "at the mean": (lambda u: 1 - np.tanh(u.mean(axis=0)) ** 2, "slope at the mean"),
            "square of mean": (lambda u: 1 - np.tanh(u).mean(axis=0) ** 2, "square first"),
            "no square": (lambda u: (1 - np.tanh(u)).mean(axis=0), "left out the square"),
            "output": (lambda u: np.tanh(u).mean(axis=0), "mean output"),
            "one number": (lambda u: (1 - np.tanh(u) ** 2).mean(), "one slope for each"),
            "other": (lambda u: np.zeros(3), "sits at 0"),
        },
    )


def test_false_links():
    def reference(series, hidden, truth):
        seen = np.delete(np.arange(len(truth)), hidden)
        config = neuro_pc.NeuroPcConfig.tutorial()
        graph = neuro_pc.NeuroPC(config).fit(series[:, seen]).adjacency_
        wrong = graph & ~truth[np.ix_(seen, seen)]
        return [(seen[i], seen[j]) for i, j in np.argwhere(wrong)]

    def fit(series):
        return neuro_pc.NeuroPC(neuro_pc.NeuroPcConfig.tutorial()).fit(series).adjacency_

    def rewrite(series, hidden, truth):
        big = np.zeros_like(truth)
        seen = [n for n in range(len(truth)) if n != hidden]
        big[np.ix_(seen, seen)] = fit(series[:, seen])
        return set(zip(*np.nonzero(big & ~truth), strict=True))

    def kept(series, hidden, truth):
        return [(i, j) for i, j in np.argwhere(fit(series) & ~truth)]

    def renumbered(series, hidden, truth):
        rest = np.delete(truth, hidden, axis=0)
        return np.argwhere(fit(np.delete(series, hidden, 1)) & ~np.delete(rest, hidden, axis=1))

    def all_links(series, hidden, truth):
        seen = np.delete(np.arange(len(truth)), hidden)
        graph = fit(series[:, seen])
        return [(seen[i], seen[j]) for i, j in np.argwhere(graph) if i != j]

    def with_loops(series, hidden, truth):
        seen = np.delete(np.arange(len(truth)), hidden)
        return [(seen[i], seen[j]) for i, j in np.argwhere(fit(series[:, seen]))]

    assert_checker(
        exercises.false_links,
        accept=[reference, rewrite],
        reject={
            "kept": (kept, "still among the data"),
            "renumbered": (renumbered, "whole network"),
            "all links": (all_links, "only those are false"),
            "self-loops": (with_loops, "self-loops"),
            "a count": (lambda x, k, truth: 1, "pairs"),
            "none": (lambda x, k, truth: [], "no false link"),
            "made up": (lambda x, k, truth: [(1, 2)], "false links are"),
        },
    )


def test_past_sums():
    def rolling(series, lag):
        sums = np.cumsum(np.vstack([np.zeros(series.shape[1]), series]), axis=0)
        return sums[lag:-1] - sums[: -lag - 1]

    assert_checker(
        exercises.past_sums,
        accept=[lambda x, d: sum(x[d - k : len(x) - k] for k in range(1, d + 1)), rolling],
        reject={
            "present": (lambda x, d: sum(x[d - k : len(x) - k] for k in range(d)), "present bin"),
            "mean": (lambda x, d: rolling(x, d) / d, "mean of the past"),
            "one bin": (lambda x, d: x[:-d], "one bin"),
            "too long": (lambda x, d: np.cumsum(x, axis=0), "six rows"),
            "turned": (lambda x, d: rolling(x, d).T, "one column for each"),
            "fixed lag": (lambda x, d: rolling(x, 3), "lag of 1"),
            "other": (lambda x, d: rolling(x, d) + 1, "first row"),
        },
    )


def test_label_p_value():
    def separations(similarity, labels, shuffled):
        split = neuro_pc.within_minus_between
        return split(similarity, labels), np.array([split(similarity, s) for s in shuffled])

    def reference(similarity, labels, shuffled):
        found, others = separations(similarity, labels, shuffled)
        return (1 + (others >= found - 1e-12).sum()) / (1 + len(others))

    def rewrite(similarity, labels, shuffled):
        values = [neuro_pc.within_minus_between(similarity, each) for each in [labels, *shuffled]]
        return np.mean([value > values[0] - 1e-9 for value in values])

    def counted(condition, above=1, below=1):
        def answer(similarity, labels, shuffled):
            found, others = separations(similarity, labels, shuffled)
            return (above + condition(others, found).sum()) / (below + len(others))

        return answer

    assert_checker(
        exercises.label_p_value,
        accept=[reference, rewrite],
        reject={
            "zero": (counted(lambda o, f: o >= f - 1e-12, 0, 0), "add 1"),
            "strict": (counted(lambda o, f: o > f + 1e-12), "just as well"),
            "other tail": (counted(lambda o, f: o <= f + 1e-12), "worse"),
            "no share": (counted(lambda o, f: o >= f - 1e-12, 1, -len(np.zeros(150))), "p-value"),
            "nothing": (lambda s, x, y: None, "return"),
        },
    )
