"""Clusters for HiWA when nobody hands them over: sparse subspaces, or a Gaussian mixture."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float, Int
from sklearn.cluster import SpectralClustering
from sklearn.mixture import GaussianMixture

from neurotutor.representations.hiwa.checks import as_points, as_real


def sparse_coefficients(
    points: Float[np.ndarray, "points dim"],
    *,
    alpha: float | int = 3e3,
    max_iter: int = 200,
    tol: float | int = 2e-4,
) -> Float[np.ndarray, "points points"]:
    """Write every point as a sparse combination of the others.

    Minimises ||C||_1 + (lam / 2) ||X - C X||_F^2 with a zero diagonal by ADMM; points are rows.

    Args:
        points: (points, D), no point at the origin.
        alpha: weight of the fit; lam = alpha / (smallest over points of the largest |inner
            product| with another point).
        max_iter: most ADMM iterations.
        tol: stop when the two copies of C differ by at most this.

    Returns:
        C (points, points); row i holds the coefficients of point i.

    Raises:
        ValueError: for fewer than two points, points at the origin, or settings out of range.

    Source: Elhamifar & Vidal (2013), lasso version; alpha as in HiWA-SSC of Lee et al. (2019).
    """
    points = as_points("points", points)
    if len(points) < 2 or not alpha > 0:
        raise ValueError(f"need two points and alpha > 0, got {len(points)} and {alpha}")
    gram = points @ points.T
    off = np.abs(gram - np.diag(np.diag(gram)))
    smallest = off.max(axis=1).min()
    if smallest <= 0:
        raise ValueError("a point is orthogonal to all others (or zero): remove it")
    fit, penalty = alpha / smallest, alpha
    solve = np.linalg.inv(fit * gram + penalty * np.eye(len(points)))
    sparse = np.zeros_like(gram)
    dual = np.zeros_like(gram)
    for _ in range(max_iter):
        smooth = solve @ (fit * gram + penalty * sparse - dual)
        shifted = smooth + dual / penalty
        sparse = np.sign(shifted) * np.maximum(np.abs(shifted) - 1 / penalty, 0)
        np.fill_diagonal(sparse, 0)
        dual += penalty * (smooth - sparse)
        if np.abs(smooth - sparse).max() <= tol:
            break
    return sparse.T


def keep_largest(
    coefficients: Float[np.ndarray, "rows columns"], share: float | int = 0.8
) -> Float[np.ndarray, "rows columns"]:
    """Keep the fewest entries of every row that make up `share` of its absolute sum.

    Args:
        coefficients: (rows, columns).
        share: rho in (0, 1].

    Returns:
        The same array with the other entries set to 0.

    Raises:
        ValueError: if `share` is not in (0, 1].

    Source: Elhamifar & Vidal (2013), published code; rho = 0.8 in HiWA-SSC.
    """
    coefficients = as_real("coefficients", coefficients, ndim=2)
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share}")
    size = np.abs(coefficients)
    order = np.argsort(-size, axis=1)
    ranked = np.take_along_axis(size, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    keep_ranked = before < share * ranked.sum(axis=1, keepdims=True)
    keep = np.zeros_like(keep_ranked)
    np.put_along_axis(keep, order, keep_ranked, axis=1)
    return np.where(keep, coefficients, 0)


def sparse_subspace_clusters(
    points: Float[np.ndarray, "points dim"],
    n_clusters: int,
    *,
    alpha: float | int = 3e3,
    rho: float | int = 0.8,
    seed: int = 0,
) -> Int[np.ndarray, "points"]:
    """Cluster points that lie near a union of subspaces through the origin (HiWA-SSC).

    Args:
        points: (points, D).
        n_clusters: number of subspaces.
        alpha: weight of the fit, see `sparse_coefficients`.
        rho: share of the coefficients kept, see `keep_largest`.
        seed: for the k-means step of spectral clustering.

    Returns:
        (points,) labels 0..n_clusters-1 in no particular order.

    Raises:
        ValueError: if `n_clusters` is not between 1 and the number of points.

    Source: Elhamifar & Vidal (2013); parameters of HiWA-SSC, Lee et al. (2019).
    """
    points = as_points("points", points)
    _check_count(n_clusters, len(points))
    kept = np.abs(keep_largest(sparse_coefficients(points, alpha=alpha), rho))
    kept /= np.maximum(kept.max(axis=1, keepdims=True), np.finfo(float).tiny)
    model = SpectralClustering(
        n_clusters, affinity="precomputed", assign_labels="kmeans", random_state=seed
    )
    with warnings.catch_warnings():
        # Subspaces that share no direction give separate pieces, which is the best that can happen.
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        return model.fit_predict(kept + kept.T).astype(np.int64)


def mixture_clusters(
    points: Float[np.ndarray, "points dim"], n_clusters: int, *, seed: int = 0, n_init: int = 5
) -> Int[np.ndarray, "points"]:
    """Cluster points by a mixture of Gaussians with full covariances.

    Args:
        points: (points, D).
        n_clusters: number of components.
        seed: for the starts of expectation-maximisation.
        n_init: how many starts; the likeliest is kept.

    Returns:
        (points,) labels 0..n_clusters-1 in no particular order.

    Raises:
        ValueError: if `n_clusters` is not between 1 and the number of points.

    Source: the mixture-model variant of Lee et al. (2019), monkey experiments.
    """
    points = as_points("points", points)
    _check_count(n_clusters, len(points))
    model = GaussianMixture(n_clusters, n_init=n_init, random_state=seed)
    return model.fit_predict(points).astype(np.int64)


def _check_count(n_clusters: int, n_points: int) -> None:
    if not 1 <= n_clusters <= n_points:
        raise ValueError(f"n_clusters must be between 1 and {n_points}, got {n_clusters}")
