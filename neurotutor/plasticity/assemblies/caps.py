"""Who fires: the k neurons with the largest input, and how many of them two sets share."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

Ties = Literal["random", "index"]


def cap(
    inputs: Float[np.ndarray, "neurons"], k: int, rng: np.random.Generator | None = None
) -> Int[np.ndarray, "k"]:
    """The k neurons with the largest input.

    Args:
        inputs: total synaptic input of each neuron, in units of a fresh synapse.
        k: number of neurons that fire.
        rng: decides among neurons whose input equals the smallest winning one; `None` takes those
            with the lowest numbers.

    Returns:
        Numbers of the winners, in increasing order.

    Raises:
        ValueError: if `k` is not between 1 and the number of neurons, or an input is NaN.

    Source: Dabagia et al. (2022), section 2; ties as described in the book.
    """
    n = len(inputs)
    if not 1 <= k <= n:
        raise ValueError(f"the cap must lie between 1 and the {n} neurons, got k = {k}; lower k")
    smallest = np.partition(inputs, n - k)[n - k]
    # NaN sorts last, so one NaN among the inputs ends up here or in the sum of the winners.
    if np.isnan(inputs.sum()):
        raise ValueError("inputs hold NaN; look for infinite weights")
    winners = np.flatnonzero(inputs > smallest)
    tied = np.flatnonzero(inputs == smallest)
    free = k - len(winners)
    if rng is not None and free < len(tied):
        tied = rng.choice(tied, free, replace=False, shuffle=False)
    return np.sort(np.concatenate([winners, tied[:free]]))


def cap_rows(
    inputs: Float[np.ndarray, "samples neurons"], k: int, rng: np.random.Generator | None = None
) -> Bool[np.ndarray, "samples neurons"]:
    """The cap of every row at once.

    Args:
        inputs: one row of inputs for each sample.
        k: number of neurons that fire in each row.
        rng: breaks ties at random; `None` breaks them by number.

    Returns:
        True where a neuron fires: exactly k in every row.

    Raises:
        ValueError: as `cap`.
    """
    n = inputs.shape[1]
    if not 1 <= k <= n:
        raise ValueError(f"the cap must lie between 1 and the {n} neurons, got k = {k}; lower k")
    if len(inputs) == 0:
        return np.zeros(inputs.shape, bool)
    smallest = np.partition(inputs, n - k, axis=1)[:, n - k, None]
    fires = inputs >= smallest
    excess = fires.sum(axis=1) - k
    if (excess < 0).any():
        raise ValueError("inputs hold NaN; look for infinite weights")
    for row in np.flatnonzero(excess):
        tied = np.flatnonzero(inputs[row] == smallest[row])
        free = len(tied) - excess[row]
        fires[row, tied] = False
        if rng is not None:
            tied = rng.choice(tied, free, replace=False, shuffle=False)
        fires[row, tied[:free]] = True
    return fires


def overlap(first: Int[np.ndarray, "a"], second: Int[np.ndarray, "b"]) -> float:
    """Share of the first set's neurons that are also in the second.

    Raises:
        ValueError: if the first set is empty.
    """
    if len(first) == 0:
        raise ValueError(
            "the overlap with an area that does not fire is not defined; fire it first"
        )
    return float(np.isin(first, second).mean())
