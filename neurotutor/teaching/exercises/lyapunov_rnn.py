"""Checkers of the exercises of the chapter on Lyapunov exponents of recurrent networks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurotutor.teaching.exercise import Hint, call, call_array


def _number(answer: Any, *arguments: Any) -> float:
    found = np.asarray(call(answer, *arguments), dtype=float)
    if found.size != 1:
        raise Hint(f"One number, please: an array of shape {found.shape} came.")
    return float(found.reshape(()))


def _log_abs_det(jacobians: np.ndarray) -> np.ndarray:
    return np.linalg.slogdet(jacobians).logabsdet


def mean_log_det(answer: Any) -> str:
    """Check a function (jacobians) -> mean log of |det J|."""
    jacobians = np.random.default_rng(0).normal(size=(5, 3, 3))
    logs = _log_abs_det(jacobians)
    found = _number(answer, jacobians)
    if np.isclose(found, logs.mean()):
        return "The volume of the ball of ink changes by this much per step, in the mean."
    if math.isnan(found):
        raise Hint("Some determinants are negative: take their size before the logarithm.")
    if np.isclose(found, logs.sum()):
        raise Hint("That is the sum over the steps. Divide by their number.")
    if np.isclose(found, np.log(np.abs(np.linalg.det(jacobians)).mean())):
        raise Hint("You take the log of a mean. Take the logarithms first, and then their mean.")
    if np.isclose(found, logs.mean() / 3):
        raise Hint("You divide by n, too: that is the mean exponent, and this is their sum.")
    if np.isclose(found, logs.mean() / math.log(2)):
        raise Hint("That is in bits. Use the natural logarithm.")
    raise Hint(f"Here the answer is {logs.mean():.4f}; yours is {found:.4f}.")


def _spectrum(jacobians: np.ndarray, k: int, every: int, *, last: bool = True) -> np.ndarray:
    vectors, total = np.eye(jacobians.shape[1])[:, :k], np.zeros(k)
    for t, each in enumerate(jacobians, start=1):
        vectors = each @ vectors
        if t % every == 0 or (last and t == len(jacobians)):
            vectors, r = np.linalg.qr(vectors)
            total += np.log(np.abs(np.diag(r)))
    return total / len(jacobians)


def own_spectrum(answer: Any) -> str:
    """Check a function (jacobians, k, every) -> the first k exponents."""
    jacobians = np.random.default_rng(1).normal(size=(11, 4, 4)) / 2
    right = _spectrum(jacobians, 3, 1)
    found = np.asarray(call(answer, jacobians, 3, 1), dtype=float)
    if found.shape != (3,):
        raise Hint(f"The first 3 of 4 exponents, please: shape {found.shape} came.")
    if not np.isfinite(found).all():
        raise Hint("Pivots may be negative. Take the size of each before its logarithm.")
    if np.allclose(found, right):
        sparse = call_array(answer, jacobians, 3, 4)
        if np.allclose(sparse, _spectrum(jacobians, 3, 4)):
            return "No step is lost at the end. In exact arithmetic the spacing changes nothing."
        if np.allclose(sparse, _spectrum(jacobians, 3, 4, last=False)):
            raise Hint(
                "With 11 steps and a factorisation every 4, the last 3 steps never reach the sum: "
                "factorise at the last step as well."
            )
        raise Hint("Right for every=1, but not for every=4. Divide by the number of steps.")
    if np.allclose(found, right * 11):
        raise Hint("These are sums. Divide by the number of steps.")
    if np.allclose(found, _spectrum(jacobians[::-1], 3, 1)):
        raise Hint("You begin with the last step. The first one acts first, so it stands right.")
    if np.allclose(found, _spectrum(jacobians.transpose(0, 2, 1), 3, 1)):
        raise Hint("You use the transposed Jacobians. A tangent vector moves by J itself.")
    raise Hint(
        f"The first exponent is {right[0]:.4f} here; yours is {found[0]:.4f}. Multiply, factorise, "
        "add the logs of the sizes of the diagonal of R, and go on with Q."
    )


def exponents_of_round(answer: Any) -> str:
    """Check a function (jacobians) -> exponents of a network whose Jacobians repeat."""
    jacobians = np.random.default_rng(2).normal(size=(3, 4, 4))

    def moduli(ordered: np.ndarray) -> np.ndarray:
        product = np.linalg.multi_dot(list(ordered))
        return np.sort(np.log(np.abs(np.linalg.eigvals(product))))[::-1]

    product = np.linalg.multi_dot(list(jacobians[::-1]))
    right = moduli(jacobians[::-1]) / 3
    found = call_array(answer, jacobians)
    if found.shape != (4,):
        raise Hint(f"One exponent for each of 4 units, please: shape {found.shape} came.")
    if np.allclose(found, right):
        return (
            "The later step stands further left. Any number of rounds is a power of this product."
        )
    if np.allclose(np.sort(found), np.sort(right)):
        raise Hint("Right numbers, wrong order: the largest comes first.")
    if np.allclose(found, right * 3):
        raise Hint("Those are rates per round. Divide by its length to get rates per step.")
    if np.allclose(found, moduli(jacobians) / 3):
        raise Hint("Your product runs backwards in time: the first step must stand on the right.")
    if np.allclose(found, np.log(np.linalg.svd(product, compute_uv=False)) / 3):
        raise Hint(
            "Those are singular values of one round. Over many rounds the powers of the product "
            "count, and its eigenvalues with them."
        )
    each = np.sort(np.log(np.abs(np.linalg.eigvals(jacobians))), axis=1)[:, ::-1].mean(axis=0)
    if np.allclose(found, each):
        raise Hint("You average over the steps. Eigenvalues of a product are not products of them.")
    raise Hint(f"The largest exponent is {right[0]:.4f} here; yours is {found[0]:.4f}.")


def crossing(answer: Any) -> str:
    """Check a function (strengths, exponents) -> strength where the exponent crosses zero."""
    strengths = np.array([0.0, 0.5, 1.0, 2.0])
    exponents = np.array([0.3, 0.2, -0.1, -0.4])
    found = float(call(answer, strengths, exponents))
    right = 0.5 + 0.5 * 0.2 / 0.3
    if np.isclose(found, right):
        never = float(call(answer, strengths, exponents + 1))
        if not math.isnan(never):
            raise Hint(f"A curve that stays above zero never crosses it: nan, not {never:g}.")
        if not math.isnan(float(call(answer, strengths, -exponents))):
            raise Hint("That curve crosses zero from below. Only the end of chaos is asked for.")
        return "Chaos ends there. With more networks you could say how sharply."
    if math.isnan(found):
        raise Hint("The curve goes from 0.2 to -0.1 between 0.5 and 1: that is a crossing.")
    if found in (0.5, 1.0):
        raise Hint("That is a point of the grid. Draw a straight line between the two neighbours.")
    if np.isclose(found, 0.75):
        raise Hint("Half-way is not where the line crosses: weigh both neighbours by their values.")
    if np.isclose(found, 0.5 + 0.5 * 0.1 / 0.3):
        raise Hint("The weights are the wrong way round: the line is higher on the left, so go on.")
    raise Hint(f"The line from 0.2 to -0.1 crosses zero at {right:.3f}; yours at {found:.3f}.")
