"""What happens to the points before they are aligned: whitening, low-rank maps, clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from neurotutor.representations.hiwa.checks import as_points, as_real, same_dimension


@dataclass(frozen=True)
class Whitening:
    """An affine map that gives a point set mean 0 and covariance I.

    Attributes:
        mean: (D,) mean of the set it was made from, in its units.
        matrix: (D, D) symmetric inverse square root of its covariance.
    """

    mean: Float[np.ndarray, "dim"]
    matrix: Float[np.ndarray, "dim dim"]

    @classmethod
    def of(cls, points: Float[np.ndarray, "points dim"]) -> Whitening:
        """Measure mean and covariance (divisor n - 1) of `points`.

        Raises:
            ValueError: if there are too few points, or the covariance is singular.
        """
        points = as_points("points", points)
        n, dim = points.shape
        if n <= dim:
            raise ValueError(f"whitening needs more points than dimensions, got {n} in {dim}-D")
        covariance = np.atleast_2d(np.cov(points, rowvar=False))
        values, vectors = np.linalg.eigh(covariance)
        if values[0] <= 1e-12 * values[-1]:
            raise ValueError(
                "the covariance is singular, so the points cannot be whitened: reduce their "
                "dimension first, or set whiten=False"
            )
        return cls(points.mean(axis=0), (vectors / np.sqrt(values)) @ vectors.T)

    def __call__(self, points: Float[np.ndarray, "points dim"]) -> Float[np.ndarray, "points dim"]:
        """Apply the map to (points, D)."""
        points = as_points("points", points)
        same_dimension("points", points, "the whitened set", self.mean[None])
        return (points - self.mean) @ self.matrix


def whiten(points: Float[np.ndarray, "points dim"]) -> Float[np.ndarray, "points dim"]:
    """Centre `points` and give them unit covariance by the symmetric square root.

    Args:
        points: (points, D), more points than dimensions.

    Returns:
        (points, D) without unit: sample mean 0, sample covariance I (divisor n - 1).

    Raises:
        ValueError: if the covariance is singular or the input is not finite.

    Source: Lee et al. (2019), preprocessing (a).
    """
    return Whitening.of(points)(points)


def embedding_map(
    points: Float[np.ndarray, "points dim"], embedding: Float[np.ndarray, "points low"]
) -> Float[np.ndarray, "dim low"]:
    """Return the linear map M that takes `points` closest to a given embedding of them.

    M is the pseudo-inverse of the (points, D) matrix times the embedding. Its scale follows the
    embedding: M M' is in general not a projector.

    Args:
        points: (points, D).
        embedding: (points, low) coordinates of the same points, for example from Isomap.

    Returns:
        (D, low).

    Raises:
        ValueError: if the numbers of points differ, or entries are not finite.

    Source: Lee et al. (2019), preprocessing (b), the variant of the published Python demo.
    """
    points, embedding = as_points("points", points), as_points("embedding", embedding)
    if len(points) != len(embedding):
        raise ValueError(
            f"embedding must have one row per point, got {len(embedding)} rows for {len(points)}"
        )
    return np.linalg.pinv(points) @ embedding


def apply_map(
    points: Float[np.ndarray, "*batch points dim"], basis: Float[np.ndarray, "*batch_b dim low"]
) -> Float[np.ndarray, "*batch points dim"]:
    """Send every point x to M M' x.

    With orthonormal columns in M this projects onto their span.

    Args:
        points: (..., points, D).
        basis: (..., D, low) map M, one for all or one per leading index.

    Returns:
        (..., points, D).

    Raises:
        ValueError: if the dimensions do not fit.

    Source: Lee et al. (2019), preprocessing (b).
    """
    points, basis = as_real("points", points), as_real("basis", basis)
    if basis.ndim < 2 or basis.shape[-2] != points.shape[-1]:
        raise ValueError(f"basis must be ({points.shape[-1]}, low), got shape {basis.shape}")
    return points @ basis @ basis.swapaxes(-1, -2)


@dataclass(frozen=True)
class Clusters:
    """Clusters of different sizes in one rectangular array.

    Attributes:
        points: (clusters, most, D); rows past a cluster's size are zero.
        weights: (clusters, most) mass of every point: 1/size, and 0 for the padding. A point of
            mass 0 neither sends nor receives anything, so padding never shows in a result.
        labels: (clusters,) sorted distinct labels.
    """

    points: Float[np.ndarray, "clusters most dim"]
    weights: Float[np.ndarray, "clusters most"]
    labels: Shaped[np.ndarray, "clusters"]

    @classmethod
    def of(
        cls,
        points: Float[np.ndarray, "points dim"],
        labels: Shaped[np.ndarray, "clusters"],
        index: Shaped[np.ndarray, "points"],
    ) -> Clusters:
        """Group `points` (points, D) by `index` (points,) into the sorted distinct `labels`."""
        sizes = np.bincount(index, minlength=len(labels))
        order = np.argsort(index, kind="stable")
        rank = np.arange(len(points)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        padded = np.zeros((len(labels), sizes.max(), points.shape[1]), dtype=points.dtype)
        weights = np.zeros(padded.shape[:2], dtype=points.dtype)
        padded[index[order], rank] = points[order]
        weights[index[order], rank] = np.repeat(1 / sizes, sizes)
        return cls(padded, weights, labels)
