"""Checkers of the exercises of the primer, *Neural data in forty minutes*."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurotutor.teaching.exercise import Hint, call_array


def angular_error(answer: Any) -> str:
    """Check a function (decoded, true) -> unsigned error on the circle, radians."""
    decoded = np.deg2rad([10.0, 350.0, 170.0, -170.0, 90.0, 0.0, 45.0])
    true = np.deg2rad([350.0, 10.0, -170.0, 170.0, -90.0, 0.0, 80.0])
    right = np.deg2rad([20.0, 20.0, 20.0, 20.0, 180.0, 0.0, 35.0])
    found = call_array(answer, decoded, true, shape=right.shape)

    def equals(other: np.ndarray) -> bool:
        return np.allclose(found, other, atol=1e-9)

    if equals(right):
        return (
            "10 and 350 degrees are 20 degrees apart, on either side, and nothing on a circle is "
            "further away than half a turn."
        )
    if equals(np.rad2deg(right)):
        raise Hint("The sizes are right, but in degrees. Angles here are in radians.")
    if np.allclose(np.abs(found), right, atol=1e-9) or (found < -1e-9).any():
        raise Hint(
            "Some errors are negative. This error is unsigned: take the absolute value last, after "
            "wrapping."
        )
    if equals(np.abs(decoded - true)):
        raise Hint(
            "You do not wrap around the circle: decoded at 10 degrees, true at 350 degrees, you "
            "report 340 degrees instead of 20."
        )
    if equals(np.abs(decoded - true) % np.pi):
        raise Hint(
            "You wrap at half a turn, so that opposite directions come out as error 0. The circle "
            "closes after a full turn."
        )
    if equals((decoded - true) % (2 * np.pi)) or equals((true - decoded) % (2 * np.pi)):
        raise Hint(
            "You wrap at a full turn, but do not fold: an error of 340 degrees is one of 20 "
            "degrees the other way round."
        )
    wrong = int(np.argmax(np.abs(found - right)))
    raise Hint(
        f"Decoded at {np.rad2deg(decoded[wrong]):.0f} degrees, true at "
        f"{np.rad2deg(true[wrong]):.0f} degrees: the error is {right[wrong]:.3f} rad, yours is "
        f"{found[wrong]:.3f} rad."
    )


def fano_factor(answer: Any) -> str:
    """Check a function (counts, direction) -> Fano factor of each neuron, within directions."""
    rng = np.random.default_rng(7)
    direction = np.repeat([0, 1, 2], [30, 40, 50])
    mean = np.array([[2.0, 9.0, 4.0, 1.5], [3.0, 1.0, 4.0, 6.0], [8.0, 4.0, 4.0, 2.5]])
    counts = rng.poisson(mean[direction]) + (np.arange(4) == 3) * rng.poisson(4.0, (120, 1)) * 2
    groups = [counts[direction == label] for label in range(3)]
    right = np.mean([group.var(axis=0, ddof=1) / group.mean(axis=0) for group in groups], axis=0)
    biased = np.mean([group.var(axis=0) / group.mean(axis=0) for group in groups], axis=0)
    found = call_array(answer, counts, direction, shape=(4,))

    def equals(other: np.ndarray) -> bool:
        return np.allclose(found, other, rtol=1e-6)

    if equals(right) or equals(biased):
        return (
            "Within one direction the Poisson neurons come out near 1. The last neuron is driven "
            "by a second source of spikes that come in pairs, and lies well above."
        )
    if equals(counts.var(axis=0, ddof=1) / counts.mean(axis=0)) or equals(
        counts.var(axis=0) / counts.mean(axis=0)
    ):
        raise Hint(
            "You pool all directions. The variance then holds the tuning as well: a neuron that "
            "fires differently for each direction looks noisy. Take each direction by itself."
        )
    for ddof in (0, 1):
        if equals(np.mean([g.std(axis=0, ddof=ddof) / g.mean(axis=0) for g in groups], axis=0)):
            raise Hint(
                "You divide the standard deviation by the mean. The Fano factor takes the variance."
            )
        if equals(np.mean([g.mean(axis=0) / g.var(axis=0, ddof=ddof) for g in groups], axis=0)):
            raise Hint("You have it upside down: the variance stands over the mean.")
        pooled = np.mean([g.var(axis=0, ddof=ddof) for g in groups], axis=0)
        if equals(pooled / counts.mean(axis=0)):
            raise Hint(
                "You average the variances and divide by the mean over all bins. Divide first, in "
                "each direction, and average the ratios."
            )
    raise Hint(
        f"For the first neuron {right[0]:.3f} is expected, yours is {found[0]:.3f}. Within each "
        "direction: variance of the counts over their mean; then the mean over directions."
    )


def leaked_share(answer: Any) -> str:
    """Check a function (trial, train) -> share of test bins whose trial is also in training."""
    trial = np.repeat(np.arange(6), [4, 6, 5, 3, 8, 4])
    clean = trial < 4
    mixed = clean.copy()
    mixed[[0, 4, 5, 20]] = ~mixed[[0, 4, 5, 20]]

    def count(train: np.ndarray) -> tuple[float, ...]:
        test = ~train
        shared = np.isin(trial, np.intersect1d(trial[train], trial[test]))
        in_test = np.unique(trial[test])
        return (
            float(np.mean(shared[test])),
            float(np.mean(shared)),
            float(np.mean(shared[train])),
            float(np.mean(np.isin(in_test, trial[train]))),
        )

    right, of_all, of_train, of_trials = count(mixed)
    found = [float(call_array(answer, trial, train, shape=())) for train in (clean, mixed)]

    def equals(value: float, other: float) -> bool:
        return abs(value - other) < 1e-9

    if equals(found[0], 0.0) and equals(found[1], right):
        return (
            "A split by trial gives 0. Every test bin that shares its trial with training data is "
            "a question whose answer the decoder has seen."
        )
    if equals(found[0], 1.0) and equals(found[1], 1 - right):
        raise Hint("That is the share that does not leak. Take the complement.")
    if found[0] > 1e-9:
        raise Hint(
            f"This split takes whole trials, so nothing leaks, but you report {found[0]:.3f}. "
            "Compare trial numbers, not bin numbers."
        )
    if equals(found[1], of_trials):
        raise Hint("You count trials. Count test bins: a long trial leaks more than a short one.")
    if equals(found[1], of_all) or equals(found[1], of_train):
        raise Hint(
            "You divide by the wrong number of bins. The question is what share of the test bins "
            "is spoilt, so only test bins count, above and below the line."
        )
    raise Hint(
        f"With four bins on the wrong side the share is {right:.3f}, yours is {found[1]:.3f}. "
        "Which test bins have a trial that also occurs among the training bins?"
    )
