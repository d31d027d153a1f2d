"""Checkers of the exercises of the chapter *Few labels, well chosen*."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotutor.teaching.exercise import Hint, call, call_array


def own_margin(answer: Any) -> str:
    """Check a function (probabilities) -> gap of the two largest in each row."""
    p = np.array([[0.5, 0.1, 0.4], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1], [1 / 3, 1 / 3, 1 / 3]])
    right = np.array([0.1, 0.4, 0.7, 0.0])
    found = call_array(answer, p, shape=(4,))
    if np.allclose(found, right):
        return "A small gap means doubt between two actions, however large both are."
    if np.allclose(found, 1 - p.max(axis=1)):
        raise Hint("That is how far the largest is from 1. Subtract the second largest instead.")
    if np.allclose(found, p.max(axis=1) - p.min(axis=1)):
        raise Hint("You subtract the smallest. The rival is the second largest.")
    if np.allclose(found, -right):
        raise Hint("The sign is turned: largest minus second largest.")
    if np.allclose(found, np.abs(p[:, 0] - p[:, 1])):
        raise Hint("You compare the first two columns. Sort every row first.")
    wrong = int(np.argmax(np.abs(found - right)))
    raise Hint(f"For the row {p[wrong].round(2).tolist()} the gap is {right[wrong]:.1f}.")


def masked_loss(answer: Any) -> str:
    """Check a function (reconstruction, x, lengths) -> mean distance of the real frames."""
    rng = np.random.default_rng(0)
    x, drawn = rng.standard_normal((2, 3, 4, 2))
    lengths = np.array([4, 1, 2])
    off = np.abs(drawn - x).sum(axis=2)
    real = np.arange(4) < lengths[:, None]
    right = ((off * real).sum(axis=1) / lengths).mean()
    found = call_array(answer, drawn, x, lengths, shape=())
    if np.isclose(found, right):
        longer = [np.concatenate([each, np.full((3, 2, 2), 7.0)], axis=1) for each in (drawn, x)]
        longer[0][:, 4:] = -3.0
        if np.isclose(call_array(answer, *longer, lengths, shape=()), right):
            return "Padding costs nothing, and a short sequence counts as much as a long one."
        raise Hint("Longer padding changes your loss. Frames behind the end must not count.")
    if np.isclose(found, off.mean()):
        raise Hint("You average over all frames. The padded ones are not real: leave them out.")
    if np.isclose(found, (off.sum(axis=1) / lengths).mean()):
        raise Hint(
            "You divide by the real frames but add up the padded ones as well, as the official "
            "code does."
        )
    if np.isclose(found, (off * real).sum() / real.sum()):
        raise Hint("Long sequences count more in yours. Average within each sequence first.")
    if np.isclose(found, ((off * real).sum(axis=1) / 4).mean()):
        raise Hint("You divide by the padded length. Divide by the number of real frames.")
    raise Hint(f"The loss of the check is {right:.3f}, yours is {float(found):.3f}.")


def one_per_cluster(answer: Any) -> str:
    """Check a function (clusters, margins) -> index of the smallest margin in each cluster."""
    clusters = np.array([2, 0, 0, 1, 2, 1, 0, 2])
    margins = np.array([0.9, 0.3, 0.1, 0.5, 0.7, 0.6, 0.2, 0.05])
    right = {2, 3, 7}
    found = np.asarray(call(answer, clusters, margins)).ravel()
    if found.dtype.kind not in "iu":
        raise Hint("Return indices: whole numbers that say which sequences to ask about.")
    chosen = set(found.tolist())
    if chosen == right and len(found) == 3:
        return "The clusters spread the questions, the margins aim them."
    if chosen == {7, 2, 6}:
        raise Hint("You took the three smallest margins of all: two of them share a cluster.")
    if chosen == {0, 1, 5}:
        raise Hint("You took the largest margin of each cluster. Ask where the doubt is.")
    if chosen == {0, 1, 3}:
        raise Hint("You took the first member of each cluster and did not look at the margins.")
    if len(found) != 3:
        raise Hint(f"There are three clusters, so three questions; you ask {len(found)}.")
    raise Hint(f"Sequences 7, 2 and 3 are right (clusters 2, 0, 1); yours are {sorted(chosen)}.")


def farthest(answer: Any) -> str:
    """Check a function (points, labelled, budget) -> greedy core set, in order."""
    points = np.array([[0.0, 0], [1, 0], [0, 2], [5, 0], [5.5, 0], [0, 4.4]])
    right = [4, 5]
    found = np.asarray(call(answer, points, np.array([0]), 2)).ravel()
    if found.dtype.kind not in "iu":
        raise Hint("Return indices: whole numbers that say which points to ask about.")
    chosen = found.tolist()
    third = np.asarray(call(answer, points, np.array([0]), 3)).ravel().tolist()
    if chosen == right and third == [4, 5, 2]:
        return "Each choice counts as labelled at once, so the next one looks elsewhere."
    if chosen == [4, 3]:
        raise Hint("Points 4 and 3 are neighbours. After a choice, measure the distances anew.")
    if chosen == [1, 2]:
        raise Hint("You take the nearest. Take the point that is farthest from all labelled ones.")
    if 0 in chosen:
        raise Hint("Point 0 has a label already. Choose among the others.")
    if chosen == right:
        raise Hint(
            f"Two questions are right; the third should be 2, yours is {third[-1]}. What counts is "
            "the distance to the nearest labelled point, not the sum or the mean."
        )
    raise Hint(f"From point 0 the farthest is 4, then 5; you return {chosen}.")
