"""Checkers of the exercises of the chapter *Attention over time and over neurons*."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotutor import decoding
from neurotutor.teaching.exercise import Hint, call, call_array


def best_scale(answer: Any) -> str:
    """Check a function (rates, spikes) -> factor on the rates of the highest likelihood."""
    generator = np.random.default_rng(0)
    rates = generator.gamma(2.0, 0.4, (4, 6, 3))
    spikes = generator.poisson(1.7 * rates)
    right = spikes.sum() / rates.sum()
    found = float(call_array(answer, rates, spikes, shape=()))
    if np.isclose(found, right):
        return (
            "The best factor makes the expected number of spikes equal to the counted one. So "
            "rates of the right shape and the wrong size lose bits that one number would give back."
        )
    if np.isclose(found, 1 / right):
        raise Hint("Your factor is upside down: with too few expected spikes it must exceed 1.")
    if np.isclose(found, (spikes / rates).mean()):
        raise Hint("You average the ratios of single bins. Sum first, then divide.")
    if np.isclose(found, np.log(right)):
        raise Hint("You return the logarithm of the factor.")
    if np.isclose(found, (spikes * rates).sum() / (rates**2).sum()):
        raise Hint("That is the factor of least squares. The loss here is Poisson's.")
    raise Hint(
        "Set the derivative of c sum(rates) - sum(spikes) log c to 0: for this input c is "
        f"{right:.3f}, yours is {found:.3f}."
    )


def widen(answer: Any) -> str:
    """Check a function (starts, span) -> mask in which every start covers `span` bins onwards."""
    starts = np.zeros((3, 12), bool)
    starts[0, [2, 9]] = True
    starts[1, [4, 5]] = True
    right = np.zeros_like(starts)
    for trial, t in zip(*np.nonzero(starts), strict=True):
        right[trial, t : t + 4] = True
    found = np.asarray(call(answer, starts, 4))
    if found.shape != right.shape:
        raise Hint(f"The mask should have shape {right.shape}, yours has {found.shape}.")
    found = found.astype(bool)
    if np.array_equal(found, right):
        return (
            "Two spans may overlap, and a span at the end of a trial is cut off. Both make the "
            "share of masked bins smaller than the number of starts times the span."
        )
    if np.array_equal(found, right[:, ::-1][:, ::-1] & ~starts):
        raise Hint("The bin where a span starts belongs to it.")
    if found[0, :2].any():
        raise Hint(
            "Bins before the first start are masked: either your spans run backwards, or one that "
            "reaches the end of a trial goes on at its beginning."
        )
    if found[0, [6, 7]].any():
        raise Hint("Your spans are one bin too long.")
    if found[0, 2:5].all() and not found[0, 5]:
        raise Hint("Your spans are one bin too short.")
    if np.array_equal(found, starts):
        raise Hint("These are the starts. Each of them must cover `span` bins.")
    raise Hint("A start at bin 2 with a span of 4 masks the bins 2, 3, 4 and 5 of that trial only.")


def mix(answer: Any) -> str:
    """Check a function (query, key, features) -> features mixed by attention over neurons."""
    generator = np.random.default_rng(1)
    query, key = generator.standard_normal((2, 5, 4))
    features = generator.standard_normal((7, 5))

    def softmax(scores: np.ndarray, axis: int) -> np.ndarray:
        grown = np.exp(scores)
        return grown / grown.sum(axis=axis, keepdims=True)

    scores = query @ key.T / 2
    right = features @ softmax(scores, 1).T
    found = call_array(answer, query, key, features)
    if found.shape != right.shape:
        raise Hint(f"One row for each bin, please: shape {right.shape}, yours has {found.shape}.")
    if np.allclose(found, right):
        return (
            "Each neuron's new time course is a weighted mean of all time courses. Its weights sum "
            "to 1, so what all neurons share passes through unchanged."
        )
    if np.allclose(found, features @ softmax(scores, 1)):
        raise Hint("Your weights are transposed: neuron i must collect with *row* i of A.")
    if np.allclose(found, features @ softmax(scores, 0).T):
        raise Hint("Your columns sum to 1. The softmax runs over the neurons that are attended to.")
    if np.allclose(found, features @ softmax(2 * scores, 1).T):
        raise Hint("You left out the root of the width, which keeps the scores small.")
    if np.allclose(found, features @ softmax(scores.T, 1).T):
        raise Hint("Queries and keys are swapped: row i asks with query i.")
    if np.allclose(found, features @ scores.T):
        raise Hint("These are the bare scores. Weights are positive and sum to 1: softmax them.")
    raise Hint("A is softmax(query key' / sqrt(4)) row by row; the result is features A'.")


def equal_ensemble(answer: Any) -> str:
    """Check a function spikes -> two models whose ensemble gains nothing, though they differ."""
    spikes = np.random.default_rng(2).poisson(0.5, (5, 8, 3))
    pair = call(answer, spikes)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise Hint("Return two arrays of rates.")
    first, second = (np.asarray(each, float) for each in pair)
    if first.shape != spikes.shape or second.shape != spikes.shape:
        raise Hint(f"Both arrays need the shape of the spikes, {spikes.shape}.")
    if not (np.isfinite([first, second]).all() and min(first.min(), second.min()) > 0):
        raise Hint("Rates must be finite and greater than 0.")
    if np.allclose(first, second):
        raise Hint("These two are one model. Equality is wanted of two that differ.")
    scores = [decoding.bits_per_spike(each, spikes) for each in (first, second)]
    both = decoding.bits_per_spike((first + second) / 2, spikes)
    if abs(both - np.mean(scores)) < 1e-9:
        return (
            "In a bin without a spike the likelihood is linear in the rate, and averaging gains "
            "nothing. In a bin with one it is strictly concave, so any difference there pays."
        )
    where = "with" if not np.allclose(first[spikes > 0], second[spikes > 0]) else "without"
    if where == "with":
        raise Hint(
            f"Your ensemble gains {both - np.mean(scores):.4f} bits per spike: the two differ in "
            "bins with a spike, where the logarithm is strictly concave."
        )
    raise Hint("The two differ in the right bins, and still the scores are not equal: look again.")


def shuffled(answer: Any) -> str:
    """Check a function (spikes, neuron, generator) -> a copy with this neuron's trials permuted."""
    spikes = np.random.default_rng(3).poisson(1.0, (30, 6, 4))
    before = spikes.copy()
    if not callable(answer):
        raise Hint("Pass the function itself, without calling it.")
    found = answer(spikes, 2, np.random.default_rng(0))
    if found is None:
        raise Hint("Your function returns nothing. Did you forget the return?")
    found = np.asarray(found)
    if not np.array_equal(spikes, before):
        raise Hint("Your function changes its input in place. Work on a copy.")
    if found.shape != spikes.shape:
        raise Hint(f"The shape must stay {spikes.shape}, yours is {found.shape}.")
    others = [0, 1, 3]
    if not np.array_equal(found[:, :, others], spikes[:, :, others]):
        raise Hint("Other neurons changed, too. Only this one may lose its trial.")
    mine, new = spikes[:, :, 2], found[:, :, 2]
    if np.array_equal(mine, new):
        raise Hint("Nothing changed. Permute the trials of this neuron.")
    if sorted(map(tuple, mine)) != sorted(map(tuple, new)):
        if np.array_equal(np.sort(mine.ravel()), np.sort(new.ravel())):
            raise Hint("You shuffle single bins. Whole trials must move, so that its PSTH stays.")
        raise Hint("Counts were lost or made up. A permutation keeps every trial once.")
    return (
        "The neuron keeps its rate and its mean response, and loses only what it says about this "
        "trial. Silencing takes all of that away, and shows the model an input it never met."
    )
