"""Checkers of the exercises of the chapter *MI Net: music from the movement of a musician*."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotutor.teaching.exercise import Hint, call, call_array


def nearest(answer: Any) -> str:
    """Check a function (encodings, codebook) -> number of the nearest letter of each encoding."""
    codebook = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0], [4.0, 0.0], [9.0, 9.0]])
    encodings = np.array([[0.5, 0.2], [3.6, 0.1], [0.2, 2.0], [2.0, 0.0], [7.0, 8.0], [6.0, 0.5]])
    right = np.array([0, 1, 2, 0, 4, 1])
    found = call_array(answer, encodings, codebook)
    if found.shape == (len(codebook),) != right.shape:
        raise Hint("One number for each encoding, please. You looked for the encoding of a letter.")
    if found.shape != right.shape:
        raise Hint(f"The result should have shape {right.shape}, yours has {found.shape}.")
    if np.array_equal(found, right):
        return "Ties go to the lowest number, as argmin does by itself."
    if np.array_equal(found, (encodings @ codebook.T).argmax(axis=1)):
        raise Hint("The largest inner product favours long letters. Take the smallest distance.")
    if (found == 4).sum() >= 4:
        raise Hint("You take the farthest letter.")
    if set(np.flatnonzero(found != right).tolist()) <= {1, 3, 5}:
        raise Hint("Where two letters are equally near, take the one with the lower number.")
    wrong = int(np.flatnonzero(found != right)[0])
    raise Hint(f"Encoding {encodings[wrong].tolist()} is nearest to letter {right[wrong]}.")


def ema_step(answer: Any) -> str:
    """Check a function (counts, sums, encodings, codes, decay) -> counts, sums, codebook."""
    rng = np.random.default_rng(0)
    counts, sums = np.array([1.0, 2.0, 0.5]), rng.standard_normal((3, 2))
    encodings, codes, decay = rng.standard_normal((7, 2)), np.array([0, 0, 2, 0, 2, 2, 0]), 0.9
    used = np.bincount(codes, minlength=3).astype(float)
    summed = np.stack([encodings[codes == k].sum(axis=0) for k in range(3)])
    right = [decay * counts + (1 - decay) * used, decay * sums + (1 - decay) * summed]
    right.append(right[1] / right[0][:, None])
    found = call(answer, counts, sums, encodings, codes, decay)
    if not isinstance(found, tuple | list) or len(found) != 3:
        raise Hint("Return three things: counts, sums, and the codebook.")
    new_counts, new_sums, book = (np.asarray(each, float) for each in found)
    if new_counts.shape != (3,) or new_sums.shape != (3, 2) or book.shape != (3, 2):
        raise Hint(f"Shapes (3,), (3, 2), (3, 2) please; got {new_counts.shape}, {new_sums.shape}.")
    if not np.isfinite(book).all():
        raise Hint("A letter that no encoding chose became NaN. Its past keeps it alive: use it.")
    if np.allclose(new_counts, right[0]) and np.allclose(new_sums, right[1]):
        if np.allclose(book, right[2]):
            return (
                "This is k-means over batches, with a memory of gamma. Without memory: their means."
            )
        if np.allclose(book, right[1]):
            raise Hint("You return the sums as letters. Divide each by its count.")
        raise Hint("The letter is the new sum over the new count.")
    if np.allclose(new_counts, (1 - decay) * counts + decay * used):
        raise Hint("You swapped gamma and 1 - gamma: the past has the weight gamma.")
    means = summed / np.maximum(used, 1)[:, None]
    if np.allclose(new_sums, decay * sums + (1 - decay) * means):
        raise Hint("You average the encodings of a letter. Add them: the count divides later.")
    if np.allclose(new_counts, counts + used):
        raise Hint(
            "You add without forgetting. The past has the weight gamma, this batch 1 - gamma."
        )
    raise Hint(
        f"Letter 0 was chosen {used[0]:.0f} times, so its count goes from {counts[0]:g} to "
        f"{right[0][0]:g}; yours goes to {new_counts[0]:g}."
    )


def bits_a_code(answer: Any) -> str:
    """Check a function (logits, codes) -> mean bits a code."""
    rng = np.random.default_rng(1)
    logits, codes = 3 * rng.standard_normal((9, 5)), rng.integers(0, 5, 9)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    chosen = shares[np.arange(9), codes]
    right = -np.log2(chosen).mean()
    found = call_array(answer, logits, codes)
    if found.shape != ():
        raise Hint("One number, please: the mean over all steps.")
    if np.isclose(found, right):
        big = call_array(answer, logits + 2000.0, codes)
        if not np.isclose(big, right):
            raise Hint("Adding 2000 to all scores changes nothing, but your exp overflows.")
        return "A fresh model pays log2 K for each letter; whatever it knows is discount."
    if np.isclose(found, right * np.log(2)):
        raise Hint("These are nats. Divide by the logarithm of 2.")
    if np.isclose(found, -right):
        raise Hint("The sign: a cost is minus the logarithm of a probability.")
    if np.isclose(found, right * 9):
        raise Hint("This is the cost of all letters. Take the mean.")
    if np.isclose(found, -np.log2(chosen.mean())):
        raise Hint("Take the logarithm first and the mean afterwards.")
    if np.isclose(found, -logits[np.arange(9), codes].mean() / np.log(2)):
        raise Hint(
            "Scores are not log probabilities yet. Subtract the log of the sum of their exp."
        )
    raise Hint(f"For the test case the answer is {right:.3f}; yours is {float(found):.3f}.")


def change_player(answer: Any) -> str:
    """Check a function (first, second) -> first half of one skeleton, second half of another."""
    rng = np.random.default_rng(2)
    first, second = rng.standard_normal((8, 20, 2)), 5 + rng.standard_normal((8, 20, 2))
    right = np.concatenate([first[:4], second[4:] + first[3, 1] - second[4, 1]])
    found = call_array(answer, first, second, shape=(8, 20, 2))
    if np.allclose(found, right):
        return "The neck does not jump, so neither does the speed that the network sees there."
    if np.allclose(found, np.concatenate([first[:4], second[4:]])):
        raise Hint(
            "The player jumps. Shift the second half so that its neck continues the first's."
        )
    if np.allclose(found[:4], second[:4]) or np.allclose(found[4:], first[4:]):
        raise Hint("The first half comes from the first skeleton, the second from the second.")
    if np.allclose(found[:4], first[:4]) and np.allclose(found[4, 1], first[3, 1]):
        raise Hint(
            "Shift all joints of the second half, in all its frames, by one and the same vector."
        )
    if np.allclose(found[:4], first[:4]):
        raise Hint("The neck (joint 1) of frame 4 should be where it was in frame 3.")
    raise Hint("The first half should be the first skeleton as it is.")
