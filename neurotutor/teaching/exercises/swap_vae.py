"""Checkers of the exercises of the chapter on Swap-VAE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurotutor.teaching.exercise import Hint, call, call_array


def swap_blocks(answer: Any) -> str:
    """Check a function (latent_1, latent_2, n_content) -> both with exchanged contents."""
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((4, 7)), rng.standard_normal((4, 7))
    found = call(answer, first, second, 5)
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Hint("Return two arrays: what view 1 is decoded from, and what view 2 is.")
    one, two = (np.asarray(each, float) for each in found)
    if one.shape != first.shape or two.shape != first.shape:
        raise Hint(f"Both keep their shape (4, 7); yours are {one.shape} and {two.shape}.")
    right = (
        np.hstack([second[:, :5], first[:, 5:]]),
        np.hstack([first[:, :5], second[:, 5:]]),
    )
    if np.allclose(one, right[0]) and np.allclose(two, right[1]):
        return "Do it twice and you are back where you began: nothing is lost by swapping."
    if np.allclose(one, right[1]) and np.allclose(two, right[0]):
        raise Hint("The order is reversed: view 1 keeps its own style, so (content 2, style 1).")
    if np.allclose(one, first) and np.allclose(two, second):
        raise Hint("Nothing is exchanged.")
    if np.allclose(one, second) and np.allclose(two, first):
        raise Hint("You exchange the whole vectors. The styles must stay where they are.")
    raise Hint("Cut both at n_content: the left parts change places, the right parts stay.")


def alignment(answer: Any) -> str:
    """Check a function (content_1, content_2) -> mean squared distance of the unit vectors."""
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((6, 4)), rng.standard_normal((6, 4))
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (first, second)]
    distance = ((unit[0] - unit[1]) ** 2).sum(axis=1)
    found = call_array(answer, first, second)
    if found.shape == (6,) and np.allclose(found, distance):
        raise Hint("This is one distance for each pair. Average them over the batch.")
    if found.shape != ():
        raise Hint(f"One number is wanted, yours has shape {found.shape}.")
    if np.isclose(found, distance.mean()):
        ends = [float(call_array(answer, first, scale * first, shape=())) for scale in (2, -3)]
        if not np.allclose(ends, [0, 4]):
            raise Hint(f"Parallel contents should give 0 and opposite ones 4; yours give {ends}.")
        return (
            "Expand the square: 1 + 1 - 2 cos. The cosine lies between -1 and 1, so the loss "
            "lies between 0 and 4, whatever the lengths are."
        )
    if np.isclose(found, ((first - second) ** 2).sum(axis=1).mean()):
        raise Hint("The lengths are still in it. Scale every row to length 1 first.")
    if np.isclose(found, ((unit[0] - unit[1]) ** 2).mean()):
        raise Hint("You average over dimensions, too. Sum over them, average over pairs.")
    if np.isclose(found, np.sqrt(distance).mean()):
        raise Hint("This is the distance. The squared distance is asked for.")
    raise Hint("For each pair: both rows to length 1, difference, square, sum. Then the mean.")


def chance(answer: Any) -> str:
    """Check a function (n_directions, width) -> share of random angles that count as right."""
    cases = {(8, 1.0): 1 / 8, (8, 1.5): 3 / 16, (4, 1.0): 1 / 4, (2, 3.0): 1.0}
    found = {case: float(call_array(answer, *case, shape=())) for case in cases}
    if all(np.isclose(found[case], share) for case, share in cases.items()):
        return (
            "One in eight, and three in sixteen: what a network must beat before it says a thing."
        )
    if all(np.isclose(found[case], 0.5 * case[1] / case[0]) for case in list(cases)[:3]):
        raise Hint("You count one side only. An angle may miss to the left or to the right.")
    if np.isclose(found[8, 1.0], 1 / 8) and np.isclose(found[8, 1.5], 1 / 8):
        raise Hint("The wider sector of delta-Acc must catch more. Use width.")
    if np.isclose(found[8, 1.5], 3 / 16) and not np.isclose(found[4, 1.0], 1 / 4):
        raise Hint("Right for eight directions, wrong for four. Use n_directions.")
    if found[2, 3.0] > 1:
        raise Hint("With 2 directions and width 3 every angle is right. A share is at most 1.")
    raise Hint("The sector spans width * pi / n to both sides. Divide it by the whole turn.")


def weight_for_counts(answer: Any) -> str:
    """Check a function (kl_weight, bin_size) -> the weight that does the same for counts."""
    cases = {(10.0, 0.1): 1.0, (10.0, 0.05): 0.5, (40.0, 0.1): 4.0}
    found = {case: float(call_array(answer, *case, shape=())) for case in cases}
    if all(np.isclose(found[case], weight) for case, weight in cases.items()):
        return (
            "So a weight of 10 in hertz is a weight of 1 in counts of 100 ms: an ordinary VAE, "
            "not a strong beta-VAE. A weight means nothing without its unit."
        )
    if all(np.isclose(found[case], case[0] / case[1]) for case in cases):
        raise Hint("The wrong way round: in counts the Poisson term is smaller, not larger.")
    if all(np.isclose(found[case], case[0]) for case in cases):
        raise Hint(
            "The unit matters: the Poisson term scales with the rates, the KL term does not."
        )
    if np.isclose(found[10.0, 0.1], 1.0):
        raise Hint("Right for one case only. Use both arguments.")
    raise Hint("Counts are rates times the width of a bin. By what does the Poisson term change?")


def swap_gap(answer: Any) -> str:
    """Check what a reader measured: {K: swap loss minus reconstruction loss} for K = 0 and others.

    The answer maps the largest jitter K to the gap, averaged over the last steps of a training.
    """
    if not isinstance(answer, Mapping) or not {0, 1, 5} <= set(answer):
        raise Hint("Return a dictionary with the gap for K = 0, 1 and 5.")
    gaps = {k: float(value) for k, value in answer.items()}
    if not all(np.isfinite(value) for value in gaps.values()):
        raise Hint("A gap is not finite. Did the training end?")
    if len(set(gaps.values())) == 1:
        raise Hint("All gaps are the same. Does each training use its own max_jitter?")
    if all(value <= 0 for value in gaps.values()):
        raise Hint("Swap minus reconstruction: foreign content rebuilds worse, so the gap is > 0.")
    if abs(gaps[0]) > 1e-3 * max(abs(value) for value in gaps.values()):
        raise Hint("With K = 0 a bin is its own partner, and both contents are the same: gap 0.")
    if gaps[1] <= 0 or gaps[5] <= 0:
        raise Hint("With K > 0 the gap is positive. Take the mean over the last steps, not one.")
    return (
        f"From {gaps[0]:.1f} at K = 0 to {gaps[5]:.1f} at K = 5. At 0 there is nothing to "
        "exchange, so nothing tells the network what belongs into which block."
    )
