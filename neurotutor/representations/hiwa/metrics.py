"""How good an alignment is: rotation error, correspondence error, decoding."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Float, Shaped
from sklearn.neighbors import KNeighborsClassifier

from neurotutor.representations.hiwa.checks import (
    as_labels,
    as_points,
    as_real,
    same_dimension,
)


def alignment_error(
    rotation: Float[np.ndarray, "dim dim"],
    truth: Float[np.ndarray, "dim dim"],
    points: Float[np.ndarray, "points dim"],
) -> float:
    """Return rMSE = ||(R* - R) X||_F^2 / ||R* X||_F^2, with points X as rows here.

    Args:
        rotation: (D, D) estimate R; any linear map may be judged.
        truth: (D, D) true rotation R*.
        points: (points, D) source points.

    Returns:
        0 for the truth, about 2 for an unrelated rotation; without unit.

    Raises:
        ValueError: for shapes that do not fit, or points that are all zero.

    Source: Lee et al. (2019), alignment error.
    """
    rotation, truth = as_real("rotation", rotation, ndim=2), as_real("truth", truth, ndim=2)
    points = as_points("points", points)
    if rotation.shape != truth.shape:
        raise ValueError(f"rotation is {rotation.shape} but truth is {truth.shape}")
    same_dimension("points", points, "truth", truth)
    scale = ((points @ truth.T) ** 2).sum()
    if scale == 0:
        raise ValueError("points must not all be zero: their error has no scale")
    return float(((points @ (truth - rotation).T) ** 2).sum() / scale)


def correspondence_error(correspondence: Float[np.ndarray, "clusters clusters"]) -> float:
    """Return ||P - I/S||_1, the sum of absolute entries, for P of total mass 1.

    Args:
        correspondence: (S, S) coupling whose truth is the identity over S.

    Returns:
        0 when every cluster finds its namesake, at most 2.

    Raises:
        ValueError: if P is not square or not finite.

    Source: Lee et al. (2019), correspondence error.
    """
    correspondence = as_real("correspondence", correspondence, ndim=2)
    size = len(correspondence)
    if correspondence.shape != (size, size):
        raise ValueError(f"correspondence must be square, got {correspondence.shape}")
    return float(np.abs(correspondence - np.eye(size) / size).sum())


def correspondence_margin(costs: Float[np.ndarray, "clusters clusters"]) -> float:
    """Return the smallest C_ij + C_ji - (C_ii + C_jj) over pairs of clusters.

    A positive margin means: exchanging any two clusters makes the match worse. For a symmetric
    cost that already makes the identity the best assignment; for a non-symmetric one longer
    cycles must be checked too, see `best_assignment_is_identity`.

    Args:
        costs: (S, S) cost of aligning source cluster i with target cluster j, S >= 2.

    Raises:
        ValueError: if the matrix is not square, has fewer than two rows, or is not finite.

    Source: Lee et al. (2019), condition of the correspondence theorem with right side 0.
    """
    costs = as_real("costs", costs, ndim=2)
    size = len(costs)
    if costs.shape != (size, size) or size < 2:
        raise ValueError(f"costs must be square with at least 2 rows, got {costs.shape}")
    same = np.diag(costs)
    exchange = costs + costs.T - (same[:, None] + same[None, :])
    return float(exchange[~np.eye(size, dtype=bool)].min())


def best_assignment_is_identity(costs: Float[np.ndarray, "clusters clusters"]) -> bool:
    """Tell whether no permutation, of any cycle length, is cheaper than the identity.

    Args:
        costs: (S, S), S at most 8: every permutation is tried.

    Raises:
        ValueError: if the matrix is not square, is larger than 8, or is not finite.
    """
    costs = as_real("costs", costs, ndim=2)
    size = len(costs)
    if costs.shape != (size, size) or size > 8:
        raise ValueError(f"costs must be square with at most 8 rows, got {costs.shape}")
    rows = np.arange(size)
    cheapest = min(costs[rows, list(order)].sum() for order in itertools.permutations(rows))
    return bool(np.trace(costs) <= cheapest + 1e-12)


def gaussian_distance(
    covariance_x: Float[np.ndarray, "dim dim"], covariance_y: Float[np.ndarray, "dim dim"]
) -> float:
    """Return the least squared Wasserstein distance of two centred Gaussians over rotations.

    Equals sum_k (sqrt(lambda_k) - sqrt(lambda'_k))^2 with both spectra sorted.

    Args:
        covariance_x: (D, D) symmetric, positive semi-definite.
        covariance_y: (D, D) symmetric, positive semi-definite.

    Raises:
        ValueError: if the shapes differ, or a matrix is not symmetric or has a negative
            eigenvalue.
    """
    roots = []
    for name, value in (("covariance_x", covariance_x), ("covariance_y", covariance_y)):
        matrix = as_real(name, value, ndim=2)
        if matrix.shape[0] != matrix.shape[1] or not np.allclose(matrix, matrix.T):
            raise ValueError(f"{name} must be symmetric, got shape {matrix.shape}")
        eigenvalues = np.linalg.eigvalsh(matrix)
        if eigenvalues[0] < -1e-9 * max(1.0, eigenvalues[-1]):
            raise ValueError(f"{name} must be positive semi-definite, got {eigenvalues[0]:.3g}")
        roots.append(np.sqrt(np.maximum(eigenvalues, 0)))
    if roots[0].shape != roots[1].shape:
        raise ValueError(
            f"covariances must have one shape, got {len(roots[0])}-D and {len(roots[1])}-D"
        )
    return float(((roots[0] - roots[1]) ** 2).sum())


def nearest_accuracy(
    aligned: Float[np.ndarray, "points_s dim"],
    labels: Shaped[np.ndarray, "points_s"],
    prior: Float[np.ndarray, "points_t dim"],
    prior_labels: Shaped[np.ndarray, "points_t"],
    k: int = 1,
) -> float:
    """Return the share of aligned points whose nearest labelled points have the right label.

    Args:
        aligned: (points, D) aligned source points.
        labels: (points,) their true labels, used for scoring only.
        prior: (points, D) labelled points, in the same coordinates.
        prior_labels: (points,) their labels.
        k: neighbours that vote.

    Returns:
        A share in [0, 1].

    Raises:
        ValueError: for mismatched dimensions or labels, or k outside 1..number of prior points.
    """
    aligned, prior = as_points("aligned", aligned), as_points("prior", prior)
    same_dimension("aligned", aligned, "prior", prior)
    as_labels("labels", labels, len(aligned))
    as_labels("prior_labels", prior_labels, len(prior))
    if not 1 <= k <= len(prior):
        raise ValueError(f"k must be between 1 and {len(prior)}, got {k}")
    classifier = KNeighborsClassifier(n_neighbors=k).fit(prior, np.asarray(prior_labels))
    return float((classifier.predict(aligned) == np.asarray(labels)).mean())
