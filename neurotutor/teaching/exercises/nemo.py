"""Checkers of the exercises of the chapter *Coin-flipping in the brain*."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurotutor.teaching.exercise import Hint, call, call_array


def own_rule(answer: Any) -> str:
    """Check a function (weights, rate, offset) -> increments of these weights."""
    weights, rate, offset = np.array([0.0, 1.0, 1.6, 1.65, 1.8]), 20.0, 0.5
    alpha = offset + math.log(rate) / rate
    tail = np.exp(rate * (1 + offset - weights))
    right = np.where(weights > 0, np.minimum(alpha, tail), 0.0)
    found = call_array(answer, weights, rate, offset)
    if found.shape != weights.shape:
        raise Hint(f"One increment for each of {len(weights)} weights, please: {found.shape} came.")
    if np.allclose(found, right):
        return (
            "The first presentation adds alpha, each later one less. A synapse that does not exist "
            "stays away."
        )
    if np.allclose(found, np.where(weights > 0, np.maximum(alpha, tail), 0.0)):
        raise Hint("You take the larger of the two. Weights would explode: alpha is a ceiling.")
    if found[0] > 0 and np.allclose(found[1:], right[1:]):
        raise Hint("A synapse of weight 0 does not exist, and must not come into being.")
    if np.allclose(found, np.where(weights > 0, tail, 0.0)):
        raise Hint("You left out the ceiling: from weight 1 the exponential jumps far too high.")
    if np.allclose(found, np.where(weights > 0, np.minimum(0.63, tail), 0.0)):
        raise Hint(
            "You use 0.63 for alpha. That belongs to one pair of rate and offset; compute alpha "
            "from those that are given."
        )
    wrong = int(np.argmax(np.abs(found - right)))
    raise Hint(
        f"A weight of {weights[wrong]:g} grows by {right[wrong]:.4f}; yours by {found[wrong]:.4f}."
    )


def learned_probability(answer: Any) -> str:
    """Check a function (first, second) -> softmax probability of the first of two outcomes."""

    def grown(count: int) -> float:
        x = 0.0
        for _ in range(count - 1):
            x += math.exp(-x)
        return x

    cases = [(2, 1), (10, 5), (1, 4)]
    right = [1 / (1 + math.exp(grown(b) - grown(a))) for a, b in cases]
    found = [float(call(answer, a, b)) for a, b in cases]
    if np.allclose(found, right, atol=1e-6):
        return (
            "Counts of 2 to 1 are learnt as odds of e to 1. The rule overstates small counts, and "
            "the error fades as they grow."
        )
    if np.allclose(found, [a / (a + b) for a, b in cases], atol=1e-6):
        raise Hint(
            "That is the frequency, which the network aims at. What it learns is the softmax of "
            "the weights that the recursion gives, and those are not exactly logarithms."
        )
    if np.allclose(found, [1 - value for value in right], atol=1e-6):
        raise Hint("You return the probability of the second outcome.")
    shifted = [1 / (1 + math.exp(grown(b + 1) - grown(a + 1))) for a, b in cases]
    if np.allclose(found, shifted, atol=1e-6):
        raise Hint("You are one presentation ahead: after the first one, x is 0.")
    ratio = [grown(a) / max(grown(a) + grown(b), 1e-12) for a, b in cases]
    if np.allclose(found, ratio, atol=1e-6):
        raise Hint("You take the share of x. The chance grows with the exponential of x.")
    raise Hint(f"For counts of 2 and 1 the probability is {right[0]:.3f}; yours is {found[0]:.3f}.")


def outcomes(answer: Any) -> str:
    """Check a function (counts, k) -> winner of each flip, -1 where nobody has over 0.8 k."""
    counts = np.array([[95, 5, 0], [10, 90, 0], [40, 30, 30], [0, 20, 80], [0, 0, 81], [0, 0, 0]])
    right = np.array([0, 1, -1, -1, 2, -1])
    found = np.asarray(call(answer, counts, 100))
    if found.shape != right.shape:
        raise Hint(f"One winner for each of {len(counts)} flips, please: shape {found.shape} came.")
    if np.array_equal(found, right):
        return "A flip counts only if one assembly has really taken over."
    if np.array_equal(found, counts.argmax(axis=1)):
        raise Hint("You name the leader of every flip. A leader without a majority has not won.")
    if np.array_equal(found, [0, 1, -1, 2, 2, -1]):
        raise Hint("80 of 100 neurons are no majority yet: it must be more than 0.8 k.")
    if (found == 0)[[2, 5]].any():
        raise Hint("Unresolved flips must be -1, not 0: 0 is the name of an assembly.")
    wrong = int(np.flatnonzero(found != right)[0])
    raise Hint(f"For the counts {counts[wrong].tolist()} of 100 the answer is {right[wrong]}.")


def transitions(answer: Any) -> str:
    """Check a function (states, n_states) -> matrix of observed transition frequencies."""
    states = np.array([0, 1, 1, 2, 0, 1, 2, 2, 2, 0])
    counts = np.array([[0, 2, 0], [0, 1, 2], [2, 0, 2]], float)
    right = counts / counts.sum(axis=1, keepdims=True)
    found = call_array(answer, states, 3)
    if found.shape != (3, 3):
        raise Hint(f"The matrix should be 3 by 3, yours has shape {found.shape}.")
    if np.allclose(found, right):
        padded = call_array(answer, states, 4)
        if not np.isfinite(padded).all():
            raise Hint("A state that was never left gives a row of NaN. Leave such a row at 0.")
        return "Row i says what followed state i. Rows of states that were left sum to 1."
    if np.allclose(found, right.T):
        raise Hint("Your matrix is turned over: rows are where you come from.")
    if np.allclose(found, counts):
        raise Hint("These are counts. Divide every row by its sum.")
    if np.allclose(found, counts / counts.sum()):
        raise Hint("You divide by all transitions. Divide every row by its own sum.")
    if np.allclose(found, counts / counts.sum(axis=0, keepdims=True)):
        raise Hint("Your columns sum to 1. What follows a state is in its row.")
    raise Hint("From state 0 the stream goes to 1 both times, so row 0 is (0, 1, 0).")
