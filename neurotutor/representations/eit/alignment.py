"""Compare channels by their clouds of embeddings, with exact optimal transport."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.optimize import linear_sum_assignment, linprog
from scipy.spatial.distance import cdist


def transport_cost(
    a: Float[np.ndarray, "points_a dim"], b: Float[np.ndarray, "points_b dim"]
) -> float:
    """Cost of the cheapest way to move one cloud onto another: squared lengths, equal weights.

    Clouds of one size are matched one to one, which is exact there; others by a linear programme.

    Args:
        a: points of one cloud.
        b: points of the other.

    Returns:
        Mean squared length of the moves, in squared units of the embedding.

    Raises:
        ValueError: if widths differ, a cloud is empty, or a value is not finite.

    Source: Liu et al. (2022), alignment of channels; the same number as POT's `emd2`.
    """
    for name, cloud in (("a", a), ("b", b)):
        if cloud.ndim != 2 or len(cloud) == 0:
            raise ValueError(f"{name} must have shape (points, dim), got {cloud.shape}")
        if not np.isfinite(cloud).all():
            raise ValueError(f"{name} holds NaN or infinite values")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"clouds need one width, got {a.shape[1]} and {b.shape[1]}")
    cost = cdist(a.astype(float), b.astype(float), "sqeuclidean")
    n, m = cost.shape
    if n == m:
        return float(cost[linear_sum_assignment(cost)].mean())
    rows = sparse.kron(sparse.eye(n), np.ones((1, m)))
    columns = sparse.kron(np.ones((1, n)), sparse.eye(m))
    masses = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    plan = linprog(cost.ravel(), A_eq=sparse.vstack([rows, columns]), b_eq=masses, method="highs")
    return float(plan.fun)


def channel_distances(
    a: Float[np.ndarray, "channels_a points_a dim"],
    b: Float[np.ndarray, "channels_b points_b dim"] | None = None,
) -> Float[np.ndarray, "channels_a channels_b"]:
    """Transport cost between the clouds of every channel of one set and every one of another.

    Args:
        a: embeddings of each channel over trials and bins, shape (channels, points, dim).
        b: those of the other set; left out: the same set.

    Returns:
        Matrix D, symmetric with a zero diagonal where `b` is left out.

    Raises:
        ValueError: as `transport_cost`, or if the rank is not three.

    Source: Liu et al. (2022), alignment of channels.
    """
    for name, clouds in (("a", a), ("b", b)):
        if clouds is not None and clouds.ndim != 3:
            raise ValueError(f"{name} must have shape (channels, points, dim), got {clouds.shape}")
    if b is not None:
        return np.array([[transport_cost(p, q) for q in b] for p in a])
    distances = np.zeros((len(a), len(a)))
    for i in range(len(a)):
        for j in range(i):
            distances[i, j] = distances[j, i] = transport_cost(a[i], a[j])
    return distances


def mean_discrepancy(
    a: Float[np.ndarray, "points_a dim"], b: Float[np.ndarray, "points_b dim"]
) -> float:
    """Maximum mean discrepancy with five Gaussian kernels: cheaper, and blind to far moves.

    The bandwidths are the mean squared distance of the pooled points over 4, times 1, 2, 4, 8, 16.

    Raises:
        ValueError: if fewer than two different points come in, or a value is not finite.

    Source: Liu et al. (2022), the second distance in the repository nerdslab/EIT.
    """
    pooled = np.concatenate([a, b]).astype(float)
    if not np.isfinite(pooled).all():
        raise ValueError("a or b holds NaN or infinite values")
    squared = cdist(pooled, pooled, "sqeuclidean")
    n = len(pooled)
    mean = squared.sum() / max(n * (n - 1), 1)
    if mean == 0:
        raise ValueError("all points are the same, so no bandwidth can be chosen; pass more points")
    kernel = sum(np.exp(-squared / (mean / 4 * 2**i)) for i in range(5))
    m = len(a)
    return float(kernel[:m, :m].mean() + kernel[m:, m:].mean() - 2 * kernel[:m, m:].mean())
