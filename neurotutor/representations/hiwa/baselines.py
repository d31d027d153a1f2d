"""What a sceptic would try first: alignments that see no clusters.

Every function returns a (D, D) matrix M that acts as `points @ M.T`, like HiWA's rotation.
"""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree
from sklearn.exceptions import ConvergenceWarning

from neurotutor.representations.hiwa.checks import (
    as_orthogonal,
    as_points,
    as_real,
    same_dimension,
)
from neurotutor.representations.hiwa.solver import random_rotation
from neurotutor.representations.hiwa.transport import polar, sinkhorn, squared_distances


def _pair_of_sets(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    source, target = as_points("source", source), as_points("target", target)
    same_dimension("source", source, "target", target)
    return source, target


def wasserstein_alignment(
    source: Float[np.ndarray, "points_s dim"],
    target: Float[np.ndarray, "points_t dim"],
    *,
    rotation0: Float[np.ndarray, "dim dim"] | None = None,
    n_rounds: int = 200,
    first_entropy: float | int = 100.0,
    decay: float | int = 0.95,
    last_entropy: float | int = 0.1,
    sinkhorn_iter: int = 1000,
    sinkhorn_tol: float | int = 1e-4,
    settled: float | int = 1e-6,
    seed: int = 0,
) -> Float[np.ndarray, "dim dim"]:
    """Align two whole point sets by one transport plan and one rotation, in turn (WA).

    Args:
        source: (points, D).
        target: (points, D).
        rotation0: (D, D) orthogonal start; drawn as for HiWA when None.
        n_rounds: alternations of plan and rotation.
        first_entropy: entropy of the first round, squared distance after division by sqrt(D).
        decay: factor from round to round.
        last_entropy: entropy below which it does not fall.
        sinkhorn_iter: most Sinkhorn iterations per round.
        sinkhorn_tol: marginal error at which Sinkhorn stops (ours).
        settled: once the entropy is at its last value, stop when R moves less than this (ours).
        seed: draws the start.

    Returns:
        (D, D) rotation.

    Raises:
        ValueError: for mismatched dimensions, NaN, or settings out of range.

    Source: baseline of Lee et al. (2019), "Wasserstein alignment".
    """
    source, target = _pair_of_sets(source, target)
    dimension = source.shape[1]
    if n_rounds < 1 or not 0 < last_entropy <= first_entropy or not 0 < decay <= 1:
        raise ValueError(
            "expected n_rounds >= 1, 0 < last_entropy <= first_entropy and 0 < decay <= 1, got "
            f"{n_rounds}, {last_entropy}, {first_entropy} and {decay}"
        )
    rotation = (
        random_rotation(dimension, seed)
        if rotation0 is None
        else as_orthogonal("rotation0", rotation0, dimension)
    )
    x, y = source / np.sqrt(dimension), target / np.sqrt(dimension)
    p, q = np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y))
    for round_ in range(n_rounds):
        epsilon = max(first_entropy * decay**round_, last_entropy)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed count, as published
            plan = sinkhorn(
                squared_distances(x @ rotation.T, y),
                p,
                q,
                epsilon,
                max_iter=sinkhorn_iter,
                tol=sinkhorn_tol,
            )
        previous, rotation = rotation, polar(y.T @ plan.T @ x)
        if epsilon == last_entropy and np.linalg.norm(rotation - previous) < settled:
            break
    return rotation


def icp(
    source: Float[np.ndarray, "points_s dim"],
    target: Float[np.ndarray, "points_t dim"],
    *,
    rotation0: Float[np.ndarray, "dim dim"] | None = None,
    max_iter: int = 100,
    tol: float | int = 1e-5,
) -> tuple[Float[np.ndarray, "dim dim"], Float[np.ndarray, "dim"]]:
    """Align by iterated closest points: nearest neighbour, then Procrustes with translation.

    Args:
        source: (points, D).
        target: (points, D).
        rotation0: (D, D) orthogonal start; the identity when None.
        max_iter: most rounds.
        tol: stop when the mean distance changes by less than this.

    Returns:
        Rotation (D, D), reflections allowed, and translation (D,): target ~ R source + t.

    Raises:
        ValueError: for mismatched dimensions, NaN, or a start that is not orthogonal.

    Source: Besl & McKay (1992); baseline of Lee et al. (2019).
    """
    source, target = _pair_of_sets(source, target)
    dimension = source.shape[1]
    rotation = (
        np.eye(dimension) if rotation0 is None else as_orthogonal("rotation0", rotation0, dimension)
    )
    shift = np.zeros(dimension)
    tree = cKDTree(target)
    last = np.inf
    for _ in range(max_iter):
        distance, nearest = tree.query(source @ rotation.T + shift)
        matched = target[nearest]
        rotation = polar((matched - matched.mean(0)).T @ (source - source.mean(0)))
        shift = matched.mean(0) - rotation @ source.mean(0)
        if abs(last - distance.mean()) < tol:
            break
        last = distance.mean()
    return rotation, shift


def coral(
    source: Float[np.ndarray, "points_s dim"], target: Float[np.ndarray, "points_t dim"]
) -> Float[np.ndarray, "dim dim"]:
    """Match second moments: whiten by the source covariance, colour by the target's (CORAL).

    Args:
        source: (points, D), at least two points.
        target: (points, D), at least two points.

    Returns:
        (D, D) linear map; not orthogonal.

    Raises:
        ValueError: for mismatched dimensions, NaN, or a single point.

    Source: Sun, Feng & Saenko (2016); baseline of Lee et al. (2019).
    """
    source, target = _pair_of_sets(source, target)
    if min(len(source), len(target)) < 2:
        raise ValueError(f"CORAL needs two points per set, got {len(source)} and {len(target)}")
    powers = []
    for points, power in ((source, -0.5), (target, 0.5)):
        values, vectors = np.linalg.eigh(
            np.atleast_2d(np.cov(points, rowvar=False)) + np.eye(points.shape[1])
        )
        powers.append((vectors * values**power) @ vectors.T)
    return (powers[0] @ powers[1]).T


def subspace_alignment(
    source: Float[np.ndarray, "points_s dim"], target: Float[np.ndarray, "points_t dim"]
) -> Float[np.ndarray, "dim dim"]:
    """Send the k-th principal axis of the source to the k-th of the target (SA).

    Args:
        source: (points, D), at least two points, no constant coordinate.
        target: (points, D), at least two points, no constant coordinate.

    Returns:
        (D, D) orthogonal map; the signs of the axes are arbitrary, and that is its weakness here.

    Raises:
        ValueError: for mismatched dimensions, NaN, or a constant coordinate.

    Source: Fernando et al. (2013); baseline of Lee et al. (2019).
    """
    source, target = _pair_of_sets(source, target)
    axes = []
    for name, points in (("source", source), ("target", target)):
        spread = points.std(axis=0)
        if (spread == 0).any():
            raise ValueError(f"{name} has a constant coordinate and cannot be z-scored: drop it")
        scores = (points - points.mean(axis=0)) / spread
        axes.append(np.linalg.svd(scores, full_matrices=True)[2])
    return axes[1].T @ axes[0]


def procrustes(
    source: Float[np.ndarray, "points dim"], target: Float[np.ndarray, "points dim"]
) -> Float[np.ndarray, "dim dim"]:
    """Rotate paired points onto each other: the supervised oracle, which needs the pairing.

    Args:
        source: (points, D).
        target: (points, D), row k belongs to row k of `source`.

    Returns:
        (D, D) orthogonal matrix of least squared error.

    Raises:
        ValueError: if the shapes differ, or entries are not finite.

    Source: Schoenemann (1966).
    """
    source, target = _pair_of_sets(source, target)
    if source.shape != target.shape:
        raise ValueError(f"paired sets must have one shape, got {source.shape}, {target.shape}")
    return polar(as_real("target", target).T @ source)
