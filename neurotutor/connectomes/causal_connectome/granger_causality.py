"""Granger causality: does the past of one neuron help to predict another?

Convention: entry [i, j] of every matrix is about i -> j; the diagonal is a neuron's own past.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import f as f_distribution

from neurotutor.connectomes.causal_connectome.checks import as_alpha, as_data


@dataclass(frozen=True)
class Granger:
    """F tests of all ordered pairs; [i, j] is about i -> j.

    Attributes:
        p_values: (nodes, nodes), of the hypothesis that the past of i is of no use for j.
        statistic: (nodes, nodes) F statistics.
        strength: (nodes, nodes), log of the ratio of residual sums of squares without and with i.
        order: number of lags.
        freedom: degrees of freedom of numerator and denominator; they differ on the diagonal of
            the pairwise form, which has only its own lags (see `diagonal_freedom`).
        diagonal_freedom: the same for the diagonal.
    """

    p_values: Float[np.ndarray, "nodes nodes"]
    statistic: Float[np.ndarray, "nodes nodes"]
    strength: Float[np.ndarray, "nodes nodes"]
    order: int
    freedom: tuple[int, int]
    diagonal_freedom: tuple[int, int]

    def edges(self, alpha: float, *, own: bool = False) -> Bool[np.ndarray, "nodes nodes"]:
        """Pairs whose p-value is at most `alpha`; [i, j] true means i -> j.

        Args:
            alpha: level of each test.
            own: whether to keep the diagonal, a neuron's own past.
        """
        found = self.p_values <= as_alpha(alpha)
        if not own:
            np.fill_diagonal(found, False)
        return found


def lagged(
    data: Float[np.ndarray, "time nodes"], order: int
) -> tuple[Float[np.ndarray, "rows nodes"], Float[np.ndarray, "rows nodes order"]]:
    """Present values and, beside each, the values of every neuron 1, 2, ... bins before.

    Args:
        data: time series, shape (time, nodes).
        order: number of lags.

    Returns:
        Present (time - order, nodes) and past (time - order, nodes, order); both are centred,
        which has the same effect as an intercept in every regression.
    """
    rows = len(data) - order
    past = np.stack([data[order - lag : order - lag + rows] for lag in range(1, order + 1)], axis=2)
    present = data[order:]
    return present - present.mean(axis=0), past - past.mean(axis=0)


def granger(
    data: Any, order: int | str = 1, *, conditional: bool = True, max_order: int = 10
) -> Granger:
    """Test for every ordered pair (i, j) whether the past of i helps to predict j.

    Args:
        data: time series, shape (time, nodes).
        order: number of lags L, or "bic" to choose it.
        conditional: compare predictions from the past of all neurons with and without that of i;
            if False, look at i and j alone. For i = j the neuron's own past is left out.
        max_order: largest order that "bic" tries.

    Returns:
        F tests with [i, j] about i -> j.

    Raises:
        ValueError: for NaN, a constant neuron, a wrong order, a series too short for the number of
            lags, or series that determine each other.

    Source: Granger (1969); the F test is Luetkepohl (2005), section 3.6.1.
    """
    array = as_data(data)
    lags = choose_order(array, max_order) if order == "bic" else _as_order(order, array)
    # Units must not decide which pivots count as zero.
    present, past = lagged(array / array.std(axis=0), lags)
    n_rows, p = present.shape
    fit = _conditional if conditional else _pairwise
    without, with_, n_columns = fit(present, past)
    if (with_ <= 1e-12 * (present**2).sum(axis=0)).any():
        raise ValueError(
            "the past determines a neuron exactly, so there is nothing to test: drop "
            "copies and shifted copies of neurons"
        )
    freedom = (lags, n_rows - n_columns)
    own = freedom if conditional else (lags, n_rows - 1 - lags)
    denominator = np.full((p, p), freedom[1])
    np.fill_diagonal(denominator, own[1])
    # The larger model cannot fit worse; rounding can make it look so.
    gain = np.maximum(without - with_, 0.0)
    statistic = gain / lags / (with_ / denominator)
    p_values = f_distribution.sf(statistic, lags, denominator)
    return Granger(p_values, statistic, np.log1p(gain / with_), lags, freedom, own)


def _as_order(order: Any, array: Float[np.ndarray, "time nodes"]) -> int:
    """Read a number of lags that the series is long enough for."""
    if isinstance(order, bool) or not isinstance(order, int | np.integer) or order < 1:
        raise ValueError(f"order must be a whole number of lags >= 1, or 'bic', got {order!r}")
    rows, columns = len(array) - order, 1 + array.shape[1] * order
    if rows <= columns:
        raise ValueError(
            f"{len(array)} time points are too few for {order} lags of "
            f"{array.shape[1]} neurons: {rows} rows for {columns} coefficients"
        )
    return int(order)


def _inverse(gram: Float[np.ndarray, "*batch k k"]) -> Float[np.ndarray, "*batch k k"]:
    """Inverse of Gram matrices.

    Raises:
        ValueError: if one is singular.
    """
    if (np.linalg.eigvalsh(gram)[..., 0] < 1e-10 * np.abs(gram).max(axis=(-1, -2))).any():
        raise ValueError(
            "the past of the neurons is linearly dependent (copies, or a neuron that "
            "is a weighted sum of others): drop one of them"
        )
    return np.linalg.inv(gram)


def _conditional(
    present: Float[np.ndarray, "rows nodes"], past: Float[np.ndarray, "rows nodes order"]
) -> tuple[Float[np.ndarray, "nodes nodes"], Float[np.ndarray, "nodes nodes"], int]:
    """Residual sums of squares without and with the lags of i, among those of all neurons.

    Leaving out a block of columns raises the sum of squares by b' V^-1 b, where b are the block's
    coefficients in the full fit and V its block of the inverse Gram matrix. So one fit serves all
    p^2 comparisons.

    Returns:
        Without, with (both [i, j] for i -> j), and the number of columns with the intercept.
    """
    n_rows, p, order = past.shape
    design = past.reshape(n_rows, p * order)
    inverse = _inverse(design.T @ design)
    weights = inverse @ (design.T @ present)
    residual = ((present - design @ weights) ** 2).sum(axis=0)
    each = np.arange(p)
    blocks = inverse.reshape(p, order, p, order)[each, :, each, :]
    own = weights.reshape(p, order, p)
    gain = (own * np.linalg.solve(blocks, own)).sum(axis=1)
    with_ = np.broadcast_to(residual, (p, p))
    return with_ + gain, with_, 1 + p * order


def _pairwise(
    present: Float[np.ndarray, "rows nodes"], past: Float[np.ndarray, "rows nodes order"]
) -> tuple[Float[np.ndarray, "nodes nodes"], Float[np.ndarray, "nodes nodes"], int]:
    """The same with the lags of i and j alone; on the diagonal with and without the own lags.

    Returns:
        Without, with (both [i, j] for i -> j), and the number of columns with the intercept.
    """
    n_rows, p, order = past.shape
    design = past.reshape(n_rows, p * order)
    gram, cross = design.T @ design, design.T @ present
    total = (present**2).sum(axis=0)
    lags = np.arange(p)[:, None] * order + np.arange(order)

    def residual(columns: np.ndarray, target: np.ndarray) -> np.ndarray:
        square = gram[columns[:, :, None], columns[:, None, :]]
        right = cross[columns, target[:, None]]
        explained = (right * (_inverse(square) @ right[:, :, None])[:, :, 0]).sum(axis=1)
        return total[target] - explained

    each = np.arange(p)
    alone = residual(lags, each)
    without, with_ = np.empty((p, p)), np.empty((p, p))
    without[:] = alone
    source, target = np.nonzero(~np.eye(p, dtype=bool))
    if p > 1:
        both = np.concatenate([lags[source], lags[target]], axis=1)
        with_[source, target] = residual(both, target)
    without[each, each], with_[each, each] = total, alone
    return without, with_, 1 + 2 * order


def choose_order(data: Any, max_order: int = 10) -> int:
    """Number of lags with the smallest Bayesian information criterion of the joint model.

    Args:
        data: time series, shape (time, nodes).
        max_order: largest number of lags to try. All orders are judged on the same rows.

    Raises:
        ValueError: for unusable data, or a series too short for `max_order`.

    Source: Luetkepohl (2005), section 4.3.
    """
    array = as_data(data)
    largest = _as_order(max_order, array)
    present, past = lagged(array / array.std(axis=0), largest)
    n_rows, p, _ = past.shape
    scores = []
    for order in range(1, largest + 1):
        design = past[:, :, :order].reshape(n_rows, -1)
        weights = _inverse(design.T @ design) @ (design.T @ present)
        residual = present - design @ weights
        sign, log_det = np.linalg.slogdet(residual.T @ residual / n_rows)
        if sign <= 0:
            raise ValueError("the residuals are linearly dependent: drop copies of neurons")
        scores.append(log_det + np.log(n_rows) * p * (1 + p * order) / n_rows)
    return 1 + int(np.argmin(scores))
