"""Mixtures of low-rank Gaussians and a rotated copy: point sets whose alignment is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

SPACINGS = ("random", "equal")


@dataclass(frozen=True)
class LowRankGaussians:
    """Two point sets with the same clusters; the target is rotated and drawn anew.

    Attributes:
        source: (points, D) source points.
        source_labels: (points,) cluster of each source point, 0..S-1.
        target: (points, D) target points. Not paired with the source points.
        target_labels: (points,) cluster of each target point; equal numbers correspond.
        rotation: (D, D) true rotation R*, determinant +1; target ~ R* source.
        bases_source: (S, D, d) orthonormal bases A_i of the source clusters.
        bases_target: (S, D, d) R* A_i.
    """

    source: Float[np.ndarray, "points_s dim"]
    source_labels: Int[np.ndarray, "points_s"]
    target: Float[np.ndarray, "points_t dim"]
    target_labels: Int[np.ndarray, "points_t"]
    rotation: Float[np.ndarray, "dim dim"]
    bases_source: Float[np.ndarray, "clusters dim low"]
    bases_target: Float[np.ndarray, "clusters dim low"]


def simulate(
    n_clusters: int,
    ambient_dim: int,
    intrinsic_dim: int,
    n_points: int,
    *,
    size_spread: float | int = 0.0,
    noise: float | int = 0.0,
    spacing: str = "random",
    seed: int,
) -> LowRankGaussians:
    """Draw a mixture of low-rank Gaussians and an independent, rotated draw of the same mixture.

    Args:
        n_clusters: S, number of clusters.
        ambient_dim: D, dimension of the points.
        intrinsic_dim: d <= D, dimension of the subspace of every cluster.
        n_points: N, nominal number of points per cluster.
        size_spread: `Nvar`; sizes are spread uniformly over N (1 +- size_spread / 2).
        noise: `delta`, standard deviation of isotropic noise in D dimensions.
        spacing: "random" subspaces, or "equal": consecutive ones share d - 1 directions, which
            needs D = S + d - 1. Only the subspaces differ, the latent points are drawn alike.
        seed: draws everything.

    Returns:
        The two sets and the truth.

    Raises:
        ValueError: for sizes out of range, an unknown `spacing`, or an equal spacing that does
            not fit D.

    Source: Lee et al. (2019), synthetic experiments; the generator of the authors' saved results.
    """
    if n_clusters < 1 or n_points < 1 or not 1 <= intrinsic_dim <= ambient_dim:
        raise ValueError(
            "expected n_clusters >= 1, n_points >= 1 and 1 <= intrinsic_dim <= ambient_dim, got "
            f"{n_clusters}, {n_points}, {intrinsic_dim} and {ambient_dim}"
        )
    if not 0 <= size_spread < 2 or not 0 <= noise < np.inf:
        raise ValueError(
            f"expected 0 <= size_spread < 2 and finite noise >= 0, got {size_spread} and {noise}"
        )
    if spacing not in SPACINGS:
        raise ValueError(f"spacing must be one of {SPACINGS}, got {spacing!r}")
    equal = spacing == "equal"
    if equal and ambient_dim != n_clusters + intrinsic_dim - 1:
        raise ValueError(
            "equal spacing needs ambient_dim = n_clusters + intrinsic_dim - 1 = "
            f"{n_clusters + intrinsic_dim - 1}, got {ambient_dim}"
        )
    rng = np.random.default_rng(seed)
    dim, low = ambient_dim, intrinsic_dim
    if equal:
        # The full left basis of the SVD is [A_1, null(A_1')].
        basis = np.linalg.svd(rng.standard_normal((dim, low)))[0]
        bases = np.stack([basis[:, s : s + low] for s in range(n_clusters)])
    else:
        bases = np.stack([_orth(rng.standard_normal((dim, low))) for _ in range(n_clusters)])
    rotation = _orth(rng.random((dim, dim)))
    if np.linalg.det(rotation) < 0:
        rotation[:, -1] *= -1

    latent = [_latent_gaussian(low, rng) for _ in range(n_clusters)]
    spread = size_spread * n_points
    sets = []
    for turn in (np.eye(dim), rotation):
        sizes = np.ceil(n_points - spread / 2 + spread * rng.random(n_clusters)).astype(int)
        sizes = np.maximum(sizes, 1)
        draws = [
            mean + rng.standard_normal((size, low)) @ root
            for (mean, root), size in zip(latent, sizes, strict=True)
        ]
        points = np.concatenate(
            [z @ (turn @ frame).T for z, frame in zip(draws, bases, strict=True)]
        )
        points = points + noise * rng.standard_normal(points.shape)
        sets.append((points, np.repeat(np.arange(n_clusters), sizes)))
    (source, source_labels), (target, target_labels) = sets
    return LowRankGaussians(
        source=source,
        source_labels=source_labels,
        target=target,
        target_labels=target_labels,
        rotation=rotation,
        bases_source=bases,
        bases_target=rotation @ bases,
    )


def _orth(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.svd(matrix, full_matrices=False)[0]


def _latent_gaussian(low: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a mean (d,) and a symmetric square root (d, d) of a covariance."""
    mean = rng.standard_normal(low)
    draw = rng.random((low, low))
    values, vectors = np.linalg.eigh((draw + draw.T) / 2)
    # Negative eigenvalues become 0 before the ridge d * u, which keeps every direction alive.
    values = np.maximum(values, 0) + low * rng.random()
    return mean, (vectors * np.sqrt(values)) @ vectors.T
