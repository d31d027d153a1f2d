"""Checkers of the exercises of the chapter *Neuro-PC*."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotutor.connectomes import neuro_pc
from neurotutor.teaching.exercise import Hint, call, call_array


def own_windows(answer: Any) -> str:
    """Check a function (series) -> windows of two bins with a gap of two bins between them."""
    series = np.arange(26.0).reshape(13, 2) ** 2
    right = neuro_pc.windows(series, 1)
    found = call_array(answer, series)
    if found.ndim != 2 or found.shape[1] != 4:
        raise Hint(
            f"Each row holds two bins of two neurons, so four numbers; yours has shape "
            f"{found.shape}."
        )
    if np.array_equal(found, right):
        longer = np.random.default_rng(0).normal(size=(1000, 3))
        rows = len(np.asarray(call(answer, longer)))
        if rows != 249:
            raise Hint(f"A thousand bins give 249 windows; yours are {rows}.")
        return (
            "Each row is one sample: two bins next to each other, then two bins that are left out."
        )
    for stride, name in ((1, "overlap"), (2, "follow each other without a gap")):
        cut = neuro_pc.windows(series, 1, stride)
        if found.shape == cut.shape and np.array_equal(found, cut):
            raise Hint(f"Your windows {name}. From start to start there are four bins.")
    if np.array_equal(found, right[:, [0, 2, 1, 3]]):
        raise Hint(
            "Your columns go through the neurons first. Put the bins of one neuron side by side: "
            "neuron v in slice t is column 2 v + t."
        )
    if len(found) != len(right):
        raise Hint(f"Thirteen bins give {len(right)} windows; yours are {len(found)}.")
    raise Hint("The first row is series[0, 0], series[1, 0], series[0, 1], series[1, 1].")


def mean_slope(answer: Any) -> str:
    """Check a function (states) -> mean slope of tanh for each neuron."""
    states = np.random.default_rng(1).normal([0.0, 1.0, 4.0], [0.5, 1.0, 2.0], (400, 3))
    right = neuro_pc.mean_slope(states)
    found = call_array(answer, states)
    if found.shape != (3,):
        raise Hint(f"One slope for each of three neurons, please: shape {found.shape} came.")
    if np.allclose(found, right):
        return "Near rest the slope is 1 and everything passes; far out it is 0 and nothing does."
    if np.allclose(found, 1 - np.tanh(states.mean(axis=0)) ** 2):
        raise Hint(
            "You take the slope at the mean state. Take it at every state, then the mean: a neuron "
            "that now and then comes home is audible then."
        )
    if np.allclose(found, 1 - np.tanh(states).mean(axis=0) ** 2):
        raise Hint("You square the mean of tanh. Square first, then take the mean.")
    if np.allclose(found, (1 - np.tanh(states)).mean(axis=0)):
        raise Hint("The derivative of tanh is 1 - tanh squared; you left out the square.")
    if np.allclose(found, np.tanh(states).mean(axis=0)):
        raise Hint("That is the mean output. How much does the output change when u does?")
    raise Hint(
        f"For a neuron that sits at 0 the slope is near 1: {right[0]:.3f}, not {found[0]:.3f}."
    )


def false_links(answer: Any) -> str:
    """Check a function (series, hidden, truth) -> set of false links among the seen neurons."""
    cases = []
    for name, hidden, seed in (
        ("fork", 0, 0),
        ("fork", 0, 3),
        ("chain", 0, 0),
        ("inhibition", 2, 1),
    ):
        network = neuro_pc.motif(name)
        series = network.simulate(seed)
        cases.append((series, hidden, network.truth))
    right = [_false_links(*case) for case in cases]
    found = []
    for case in cases:
        links = call(answer, *case)
        try:
            found.append({(int(i), int(j)) for i, j in links})
        except (TypeError, ValueError) as error:
            raise Hint("Return pairs (i, j) of neurons, one for each false link.") from error
    if found == right:
        return (
            "Without their driver, the two arms of the fork seem to talk to each other. PC assumes "
            "that nobody who matters is left out."
        )
    if any(i == j for links in found for i, j in links):
        raise Hint("Leave out self-loops: every neuron drives itself.")
    if not any(found):
        raise Hint(
            "You report no false link, but there are some. Is the hidden neuron still among the "
            "data? Delete its column first."
        )
    if found == [_false_links(*case, restore=False) for case in cases]:
        raise Hint(
            "You number the neurons that are left from 0. Give them the numbers that they have in "
            "the whole network."
        )
    if found == [_false_links(*case, judge=False) for case in cases]:
        raise Hint("You return all links. Only those are false that the truth does not have.")
    wrong = next(k for k, links in enumerate(found) if links != right[k])
    raise Hint(
        f"In case {wrong} the false links are {sorted(right[wrong])}, not {sorted(found[wrong])}."
    )


def _false_links(
    series: np.ndarray,
    hidden: int,
    truth: np.ndarray,
    *,
    restore: bool = True,
    judge: bool = True,
) -> set[tuple[int, int]]:
    """False links without a neuron; the options make typical mistakes."""
    seen = np.delete(np.arange(series.shape[1]), hidden)
    config = neuro_pc.NeuroPcConfig.tutorial()
    graph = neuro_pc.NeuroPC(config).fit(series[:, seen]).adjacency_
    links = [(i, j) for i, j in np.argwhere(graph).tolist() if i != j]
    if judge:
        links = [(i, j) for i, j in links if not truth[seen[i], seen[j]]]
    return {(int(seen[i]), int(seen[j])) if restore else (i, j) for i, j in links}


def past_sums(answer: Any) -> str:
    """Check a function (series, lag) -> sum of the `lag` bins before each bin that has them."""
    series = np.random.default_rng(2).normal(size=(9, 2))
    right = np.stack([series[t - 3 : t].sum(axis=0) for t in range(3, 9)])
    found = call_array(answer, series, 3)
    if found.shape == right.shape and np.allclose(found, right):
        one = call_array(answer, series, 1)
        if one.shape != (8, 2) or not np.allclose(one, series[:-1]):
            raise Hint("With a lag of 1 the past is the bin before; yours is something else.")
        return "One column for the past of each neuron, however far back it goes."
    if found.ndim != 2 or found.shape[1:] != (2,):
        raise Hint(f"One column for each of two neurons, please: shape {found.shape} came.")
    if found.shape == right.shape and np.allclose(found, right / 3):
        raise Hint("That is the mean of the past. Sum it.")
    present = np.stack([series[t - 2 : t + 1].sum(axis=0) for t in range(3, 9)])
    if found.shape == right.shape and np.allclose(found, present):
        raise Hint("Your sums hold the present bin, which they are meant to predict.")
    if found.shape == right.shape and np.allclose(found, series[:-3]):
        raise Hint("You take one bin of the past. Sum all of the last ones.")
    if len(found) != len(right):
        raise Hint(
            f"Nine bins with three bins of past each: six rows, from bin 3 on; yours are "
            f"{len(found)}."
        )
    raise Hint("The first row is series[0] + series[1] + series[2].")


def label_p_value(answer: Any) -> str:
    """Check a function (similarity, labels, shuffled) -> p-value of the separation of stimuli."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], 4)
    vectors = rng.normal(size=(8, 12)) + 0.6 * labels[:, None] * rng.normal(size=12)
    similarity = np.corrcoef(vectors)
    shuffled = np.stack([rng.permutation(labels) for _ in range(199)])
    # A true shuffle may well be the labels themselves; one that is makes ties matter.
    shuffled[:6] = labels

    def p_value(similarity: np.ndarray, shuffled: np.ndarray) -> tuple[float, np.ndarray]:
        found = neuro_pc.within_minus_between(similarity, labels)
        others = np.array([neuro_pc.within_minus_between(similarity, each) for each in shuffled])
        return found, others

    strong = np.where(labels[:, None] == labels, 0.9, 0.1) + 0.1 * np.eye(8)
    mixed = np.stack([rng.permutation(labels) for _ in range(400)])
    mixed = mixed[[0.1 < (each == labels).mean() < 0.9 for each in mixed]]
    cases = [(similarity, shuffled), (strong, mixed)]
    right, found = [], [float(call(answer, each, labels, order)) for each, order in cases]
    mistakes: dict[str, list[float]] = {"zero": [], "strict": [], "tail": []}
    for each, order in cases:
        value, others = p_value(each, order)
        n = len(others)
        as_good = int((others >= value - 1e-12).sum())
        right.append((1 + as_good) / (1 + n))
        mistakes["zero"].append(as_good / n)
        mistakes["strict"].append((1 + int((others > value + 1e-12).sum())) / (1 + n))
        mistakes["tail"].append((1 + int((others <= value + 1e-12).sum())) / (1 + n))
    if np.allclose(found, right, atol=1e-9):
        return "The true labels are one of the shuffles, so p is never 0."
    if np.allclose(found, mistakes["zero"], atol=1e-9):
        raise Hint(
            "You get 0 where no shuffle is as good. The true labels are one more order: add 1 "
            "above and below."
        )
    if np.allclose(found, mistakes["strict"], atol=1e-9):
        raise Hint("Shuffles that separate the blocks just as well count, too: at least, not more.")
    if np.allclose(found, mistakes["tail"], atol=1e-9):
        raise Hint(
            "You count the shuffles that are worse. Those as good or better speak against you."
        )
    if not all(0 <= value <= 1 for value in found):
        raise Hint(f"A p-value lies between 0 and 1; yours are {found}.")
    raise Hint(f"The first p-value is {right[0]:.4f}; yours is {found[0]:.4f}.")
