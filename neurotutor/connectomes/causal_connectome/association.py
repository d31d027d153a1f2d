"""Undirected connectivity: who moves with whom, alone or with everybody else held still.

Convention: matrices are symmetric here, so [i, j] and [j, i] say the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import norm
from sklearn.covariance import GraphicalLassoCV
from sklearn.exceptions import ConvergenceWarning

from neurotutor.connectomes.causal_connectome.checks import as_alpha, as_data, as_query
from neurotutor.connectomes.causal_connectome.independence import correlation_matrix


class Association(NamedTuple):
    """Strength of the tie between all pairs of neurons, with a test of each."""

    # (nodes, nodes) symmetric, ones on the diagonal.
    strength: Float[np.ndarray, "nodes nodes"]
    # (nodes, nodes) symmetric, zeros on the diagonal.
    p_values: Float[np.ndarray, "nodes nodes"]

    def edges(self, alpha: float) -> Bool[np.ndarray, "nodes nodes"]:
        """Symmetric matrix of the pairs whose p-value is at most `alpha`; no pair (i, i)."""
        found = self.p_values <= as_alpha(alpha)
        np.fill_diagonal(found, False)
        return found


def _with_p_values(strength: Float[np.ndarray, "nodes nodes"], effective: int) -> Association:
    """Fisher's z for a matrix of correlations; `effective` is n minus the nodes held still."""
    off = strength.copy()
    np.fill_diagonal(off, 0.0)
    z = np.arctanh(np.clip(off, -1 + 1e-15, 1 - 1e-15))
    p_values = 2 * norm.sf(np.sqrt(effective - 3) * np.abs(z))
    np.fill_diagonal(p_values, 0.0)
    return Association(strength, p_values)


def pearson(data: Any) -> Association:
    """Correlation of all pairs, with Fisher's z test of each.

    Args:
        data: samples, shape (rows, nodes).

    Raises:
        ValueError: for NaN, a constant neuron or fewer than 4 rows.
    """
    array = as_data(data)
    return _with_p_values(correlation_matrix(array), len(array))


def partial_correlation(
    data: Any, x: int | None = None, y: int | None = None, given: Iterable[int] = ()
) -> Float[np.ndarray, "nodes nodes"] | float:
    """Correlation that remains when other neurons are held still.

    Args:
        data: samples, shape (rows, nodes).
        x: number of a neuron; leave x and y out to get all pairs, each given all other neurons.
        y: number of another neuron.
        given: the neurons held still between x and y.

    Returns:
        A symmetric matrix with ones on its diagonal, or one number if x and y are named.

    Raises:
        TypeError: if only one of x and y is named.
        ValueError: for unusable data, too few rows, or neurons that others determine.

    Source: Lauritzen (1996), section 5.1.3; with precision matrix P it is -P_ij / sqrt(P_ii P_jj).
    """
    if (x is None) != (y is None):
        raise TypeError("name both x and y, or neither to get the matrix of all pairs")
    array = as_data(data)
    if x is None:
        if tuple(given):
            raise TypeError("given needs x and y; the matrix holds all other neurons still")
        return -_scaled_precision(array) + 2 * np.eye(array.shape[1])
    x, y, chosen = as_query(x, y, given, array.shape[1])
    return float(-_scaled_precision(array[:, [x, y, *chosen]])[0, 1])


def partial_association(data: Any) -> Association:
    """Partial correlation of all pairs given all other neurons, with Fisher's z test of each.

    Args:
        data: samples, shape (rows, nodes); at least 4 rows more than there are other neurons.

    Raises:
        ValueError: for unusable data, too few rows, or neurons that others determine.
    """
    strength = partial_correlation(data)
    n_rows, n_nodes = np.shape(data)
    return _with_p_values(strength, n_rows - (n_nodes - 2))


def _scaled_precision(array: Float[np.ndarray, "rows nodes"]) -> Float[np.ndarray, "nodes nodes"]:
    """Inverse of the correlation matrix, scaled to a unit diagonal.

    Raises:
        ValueError: if there are too few rows, or a neuron is determined by the others.
    """
    n_rows, n_nodes = array.shape
    if n_rows - (n_nodes - 2) - 3 <= 0:
        raise ValueError(
            f"{n_rows} samples are too few to hold {n_nodes - 2} neurons still; "
            f"{n_nodes + 2} or more are needed, or use graphical_lasso"
        )
    correlation = correlation_matrix(array)
    # A neuron of which the others explain all but this share is a copy or a sum of them.
    if np.linalg.eigvalsh(correlation)[0] < 1e-10:
        raise ValueError(
            "the correlation matrix is singular: a neuron is a copy or a weighted sum "
            "of others; drop it, or use graphical_lasso"
        )
    precision = np.linalg.inv(correlation)
    scale = np.sqrt(precision.diagonal())
    return precision / np.outer(scale, scale)


class SparsePrecision(NamedTuple):
    """Result of the graphical lasso."""

    # (nodes, nodes) symmetric inverse covariance of the standardised data.
    precision: Float[np.ndarray, "nodes nodes"]
    # (nodes, nodes) symmetric partial correlations, ones on the diagonal.
    strength: Float[np.ndarray, "nodes nodes"]
    # (nodes, nodes) symmetric: which of them are not zero.
    edges: Bool[np.ndarray, "nodes nodes"]
    # The penalty that cross-validation chose.
    penalty: float


def graphical_lasso(data: Any, *, folds: int = 5) -> SparsePrecision:
    """Sparse inverse covariance, its penalty chosen by cross-validated likelihood.

    Args:
        data: samples, shape (rows, nodes); columns are standardised first.
        folds: of the cross-validation, contiguous blocks of rows.

    Raises:
        ValueError: for unusable data, or fewer than 2 neurons.

    Source: Friedman, Hastie & Tibshirani (2008); the solver is scikit-learn's.
    """
    array = as_data(data, smallest=2 * folds)
    if array.shape[1] < 2:
        raise ValueError("the graphical lasso needs 2 neurons or more, got 1")
    standard = (array - array.mean(axis=0)) / array.std(axis=0)
    with warnings.catch_warnings():
        # Small penalties on the way may stop early; only the chosen one is used.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GraphicalLassoCV(cv=folds, max_iter=200).fit(standard)
    precision = np.asarray(model.precision_)
    scale = np.sqrt(precision.diagonal())
    strength = -precision / np.outer(scale, scale)
    np.fill_diagonal(strength, 1.0)
    edges = strength != 0
    np.fill_diagonal(edges, False)
    return SparsePrecision(precision, strength, edges, float(model.alpha_))
