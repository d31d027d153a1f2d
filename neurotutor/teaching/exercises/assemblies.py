"""Checkers of the exercises of the chapter *Assemblies*."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotutor.teaching.exercise import Hint, call, call_array


def own_cap(answer: Any) -> str:
    """Check a function (inputs, k) -> boolean mask of the k neurons with the largest input."""
    rng = np.random.default_rng(3)
    plain = rng.permutation(np.linspace(0.0, 5.0, 40))
    found = np.asarray(call(answer, plain, 7))
    if found.shape == (7,) and found.dtype.kind in "iu":
        raise Hint("You return the numbers of the winners. Return a mask: one True or False each.")
    if found.shape != plain.shape:
        raise Hint(f"The mask should have shape {plain.shape}, yours has {found.shape}.")
    found = found.astype(bool)
    right = np.zeros(40, bool)
    right[np.argsort(plain)[-7:]] = True
    smallest = np.zeros(40, bool)
    smallest[np.argsort(plain)[:7]] = True
    if np.array_equal(found, smallest):
        raise Hint("You let the neurons with the smallest input fire. Sort the other way round.")
    if not np.array_equal(found, right):
        raise Hint(
            f"Of 40 neurons with different inputs, {found.sum()} fire, and {(found & right).sum()} "
            "of them belong to the 7 with the largest input. The cap is no fixed threshold: it "
            "moves so that 7 fire."
        )
    tied = np.array([1.0, 3.0, 3.0, 3.0, 0.0, 3.0, 5.0])
    found = np.asarray(call(answer, tied, 3)).astype(bool)
    if found.sum() > 3:
        raise Hint(
            f"With equal inputs at the edge {found.sum()} neurons fire instead of 3. Inputs are "
            "whole numbers at first, so ties are common: choose among them."
        )
    if found.sum() < 3:
        raise Hint(
            f"With equal inputs at the edge only {found.sum()} neurons fire instead of 3. Some of "
            "the tied ones must fire."
        )
    if not found[6] or found[0] or found[4]:
        raise Hint("The one neuron with the largest input must fire before any of the tied ones.")
    return "Exactly k fire, whatever the inputs are: inhibition sets the threshold, not the neuron."


def own_plasticity(answer: Any) -> str:
    """Check a function (weights, firing, winners, beta) -> weights after one round."""
    weights = np.array(
        [[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.1, 1.0], [0.0, 1.0, 0.0, 1.21], [1.0, 1.0, 1.0, 0.0]]
    )
    firing, winners, beta = np.array([1, 2]), np.array([0, 3]), 0.5
    found = call_array(answer, weights, firing, winners, beta)
    if found.shape != weights.shape:
        raise Hint(f"The weights should have shape {weights.shape}, yours have {found.shape}.")
    block = np.ix_(firing, winners)
    right = weights.copy()
    right[block] *= 1 + beta
    if np.allclose(found, right):
        return (
            "Only synapses that were used grow, and each by the same factor: one used m times has "
            "the weight (1 + beta) to the power m."
        )
    turned = weights.copy()
    turned[np.ix_(winners, firing)] *= 1 + beta
    if np.allclose(found, turned):
        raise Hint(
            "You strengthen the synapses from the winners back to the neurons that fired before "
            "them. Rows are sources: the one that fires first is the row."
        )
    added = weights.copy()
    added[block] += beta
    if np.allclose(found, added) or found[2, 0] != 0:
        raise Hint(
            "A synapse that does not exist has come into being, or weights grow by a sum: the rule "
            "multiplies, and zero times anything is zero."
        )
    if np.allclose(found, np.where(right != weights, weights * beta, weights)):
        raise Hint("You multiply by beta. The factor is 1 + beta, so that weights never shrink.")
    rows = weights.copy()
    rows[firing] *= 1 + beta
    if np.allclose(found, rows):
        raise Hint(
            "You strengthen everything that the firing neurons send out. Only synapses whose "
            "target fires next are used."
        )
    wrong = np.argwhere(~np.isclose(found, right))[0]
    raise Hint(
        f"The synapse from neuron {wrong[0]} to neuron {wrong[1]} should have the weight "
        f"{right[tuple(wrong)]:.3f}, yours has {found[tuple(wrong)]:.3f}."
    )


def support_sizes(answer: Any) -> str:
    """Check a function (history) -> number of neurons that have ever fired, after each round."""
    history = [
        np.array([0, 3, 5]),
        np.array([0, 4, 5]),
        np.array([3, 4, 5]),
        np.array([3, 4, 8]),
        np.array([3, 4, 8]),
    ]
    found = call_array(answer, history)
    if found.shape != (5,):
        raise Hint(f"One number for each of the 5 rounds, please; yours has shape {found.shape}.")
    if np.array_equal(found, [3, 4, 4, 5, 5]):
        return (
            "The support counts a neuron once, when it first fires, so it never falls. It stays "
            "below its bound when no more newcomers win."
        )
    if np.array_equal(found, [3, 6, 9, 12, 15]):
        raise Hint("You count a neuron again each time it fires. The support is a set.")
    if np.array_equal(found, [3, 3, 3, 3, 3]):
        raise Hint(
            "You count the winners of each round. The support keeps those of earlier rounds."
        )
    if np.array_equal(found, [3, 1, 0, 1, 0]):
        raise Hint("These are the first-time winners of each round. Add them up.")
    if np.array_equal(found, [3, 4, 4, 4, 3]):
        raise Hint("You join each round with the one before it. Join it with all before it.")
    raise Hint("For the winners {0,3,5}, {0,4,5}, {3,4,5} the support sizes are 3, 4 and 4.")


def across_overlap(answer: Any) -> str:
    """Check a function (assemblies) -> mean share of an assembly that another one also holds."""
    assemblies = np.zeros((3, 12), bool)
    assemblies[0, [0, 1, 2, 3]] = True
    assemblies[1, [2, 3, 4, 5]] = True
    assemblies[2, [3, 6, 7, 8]] = True
    found = call(answer, assemblies)
    if np.ndim(found) != 0:
        raise Hint("One number, please: the mean over all pairs of different assemblies.")
    found = float(found)
    if np.isclose(found, 1 / 3):
        return (
            "The three pairs share 2, 1 and 1 of 4 neurons. By chance two sets of k out of n share "
            "k / n of themselves: compare with that."
        )
    if np.isclose(found, 5 / 9):
        raise Hint("You count each assembly's overlap with itself, which is 1. Leave it out.")
    if np.isclose(found, 4 / 3):
        raise Hint("That is a number of neurons. Divide by the size of an assembly.")
    if np.isclose(found, 1 / 9):
        raise Hint("You divide by the number of all neurons. Divide by the size of an assembly.")
    if np.isclose(found, (1 / 3 + 1 / 7 + 1 / 7) / 3):
        raise Hint(
            "You divide by the size of the union (Jaccard's index). Here the share is taken of one "
            "assembly; all have the same size."
        )
    raise Hint(
        f"The pairs share 2, 1 and 1 of 4 neurons, so the mean is 0.333; yours is {found:.3f}."
    )
