"""Fisher's z: is a partial correlation zero? Single questions, and thousands at once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import chi2, norm

from neurotutor.connectomes.causal_connectome.checks import (
    COPY,
    as_alpha,
    as_correlation,
    as_data,
    as_query,
)


def correlation_matrix(data: Float[np.ndarray, "rows nodes"]) -> Float[np.ndarray, "nodes nodes"]:
    """Pearson correlation of all pairs of columns, with ones on the diagonal exactly.

    Args:
        data: finite, no constant column; shape (rows, nodes).
    """
    centred = data - data.mean(axis=0)
    # Columns are divided before the product, so that units cannot overflow or vanish.
    centred /= np.abs(centred).max(axis=0)
    centred /= np.sqrt((centred**2).sum(axis=0))
    r = np.clip(centred.T @ centred, -1.0, 1.0)
    np.fill_diagonal(r, 1.0)
    return r


class FisherZ:
    """Test of x independent of y given S for jointly Gaussian samples.

    It needs the correlation matrix once, and never looks at the data again. A question that cannot
    be answered has p = 0, so that PC keeps the edge: too few samples (n - |S| - 3 <= 0), or a set
    that determines x or y, or that holds copies.

    Args:
        data: samples, shape (rows, nodes); or None, if a correlation matrix is given.
        correlation: shape (nodes, nodes), instead of data.
        n_samples: how many independent samples the correlation was computed from.

    Raises:
        TypeError: if neither or both are given, or `n_samples` is no whole number.
        ValueError: for NaN, a constant neuron, two neurons that are copies, or under 4 samples.

    Source: Kalisch & Buehlmann (2007), section 2.2.2.
    """

    def __init__(
        self,
        data: Any = None,
        *,
        correlation: Any = None,
        n_samples: int | None = None,
    ) -> None:
        if (data is None) == (correlation is None):
            raise TypeError("FisherZ needs data, or correlation with n_samples: one of the two")
        if data is not None:
            if n_samples is not None:
                raise TypeError("n_samples belongs to a correlation matrix; data bring their own")
            array = as_data(data)
            correlation, n_samples = correlation_matrix(array), len(array)
        self.correlation, self.n_samples = as_correlation(correlation, n_samples)
        self.n_nodes = len(self.correlation)

    def critical(self, size: int, alpha: float) -> float:
        """Largest |r| that still counts as independent, for a conditioning set of `size`.

        Args:
            size: of the conditioning set.
            alpha: level of the test.

        Returns:
            tanh(z / sqrt(n - |S| - 3)) with z the normal quantile of 1 - alpha / 2; -1, which no
            |r| is below, where there are too few samples to test.
        """
        freedom = self.n_samples - size - 3
        if freedom <= 0:
            return -1.0
        return math.tanh(float(norm.isf(as_alpha(alpha) / 2)) / math.sqrt(freedom))

    def partial(
        self,
        x: Int[np.ndarray, "*batch"],
        y: Int[np.ndarray, "*batch"],
        given: Int[np.ndarray, "*batch size"],
    ) -> Float[np.ndarray, "*batch"]:
        """Partial correlations of many pairs, each given a set of the same size.

        The correlation matrices of (S, x, y) are eliminated variable by variable, all at once. For
        one variable in S this is the textbook formula, and for any S the same number as
        -P01 / sqrt(P00 P11) from the inverse P.

        Args:
            x: number of the first node of each pair.
            y: number of the second node.
            given: conditioning set of each pair, shape (..., size).

        Returns:
            Correlations; NaN where the set is singular or determines x or y.
        """
        r, size = self.correlation, given.shape[-1]
        order = [given[..., i] for i in range(size)] + [x, y]
        last = size + 2
        m = {(i, j): r[order[i], order[j]] for i in range(last) for j in range(i + 1, last)}
        m |= {(i, i): np.float64(1.0) for i in range(last)}
        with np.errstate(divide="ignore", invalid="ignore"):
            for k in range(size):
                pivot = np.where(m[k, k] > COPY, m[k, k], np.nan)
                for i in range(k + 1, last):
                    factor = m[k, i] / pivot
                    for j in range(i, last):
                        m[i, j] = m[i, j] - factor * m[k, j]
            left, right = (np.where(m[i, i] > COPY, m[i, i], np.nan) for i in (size, size + 1))
            return np.asarray(m[size, size + 1] / np.sqrt(left * right))

    def __call__(self, x: int, y: int, given: Iterable[int] = ()) -> float:
        """p-value of the hypothesis that x and y are independent given a set.

        Raises:
            TypeError: if a node is no whole number.
            ValueError: if there is no such node, or the set holds x or y.
        """
        x, y, chosen = as_query(x, y, given, self.n_nodes)
        freedom = self.n_samples - len(chosen) - 3
        if freedom <= 0:
            return 0.0
        r = float(self.partial(np.array(x), np.array(y), np.array(chosen, dtype=int)))
        if math.isnan(r):
            return 0.0
        return fisher_z_p_value(r, freedom + 3)


def fisher_z_p_value(r: float, effective: int) -> float:
    """Two-sided p-value of a correlation: z = atanh(r) has a standard error of 1/sqrt(n - 3).

    Args:
        r: (partial) correlation; values beyond 1 in size, by rounding, count as 1.
        effective: number of samples minus the size of the conditioning set.
    """
    z = math.atanh(max(-1 + 1e-15, min(1 - 1e-15, r)))
    return float(2 * norm.sf(math.sqrt(effective - 3) * abs(z)))


class BinnedTest:
    """A test that assumes no shape of the dependence: do counts in a table factorise?

    Every neuron is cut into bins that hold equally many samples. Within each combination of bins of
    the conditioning set, the G statistic compares the table of x and y with the product of its
    margins. Many conditioning neurons leave few samples in each table, so keep them few.

    Args:
        data: samples, shape (rows, nodes).
        n_bins: per neuron.

    Raises:
        ValueError: for unusable data, or fewer than 2 bins.

    Source: Spirtes, Glymour & Scheines (2000), section 5.5.
    """

    def __init__(self, data: Any, n_bins: int = 4) -> None:
        array = as_data(data)
        if isinstance(n_bins, bool) or not isinstance(n_bins, int) or n_bins < 2:
            raise ValueError(f"n_bins must be a whole number >= 2, got {n_bins!r}")
        cuts = np.quantile(array, np.arange(1, n_bins) / n_bins, axis=0)
        self.bins = (array[:, None] > cuts).sum(axis=1)
        self.n_bins, self.n_nodes = n_bins, array.shape[1]

    def __call__(self, x: int, y: int, given: Iterable[int] = ()) -> float:
        """p-value of the hypothesis that x and y are independent given a set.

        Raises:
            TypeError: if a node is no whole number.
            ValueError: if there is no such node, or the set holds x or y.
        """
        x, y, chosen = as_query(x, y, given, self.n_nodes)
        k = self.n_bins
        stratum = np.zeros(len(self.bins), dtype=int)
        for node in chosen:
            stratum = stratum * k + self.bins[:, node]
        cell = (stratum * k + self.bins[:, x]) * k + self.bins[:, y]
        table = np.bincount(cell, minlength=k ** (len(chosen) + 2)).reshape(-1, k, k)
        rows, columns = table.sum(axis=2, keepdims=True), table.sum(axis=1, keepdims=True)
        expected = rows * columns / np.maximum(rows.sum(axis=1, keepdims=True), 1)
        filled = table > 0
        g = 2 * (table[filled] * np.log(table[filled] / expected[filled])).sum()
        freedom = ((rows > 0).sum(axis=1) - 1).clip(0) * ((columns > 0).sum(axis=2) - 1).clip(0)
        return float(chi2.sf(g, freedom.sum())) if freedom.sum() else 0.0
