"""What every public door of the HiWA modules refuses, in one place."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_real(name: str, value: Any, *, ndim: int | None = None) -> np.ndarray:
    """Turn `value` into a finite floating-point NumPy array.

    Args:
        name: what the caller calls it; appears in the error.
        value: array or nested sequence of real numbers.
        ndim: exact number of axes wanted, or None for any.

    Returns:
        The array; float32 stays float32, everything else becomes float64.

    Raises:
        TypeError: for torch tensors and for entries that are not real numbers.
        ValueError: for a wrong number of axes, an empty axis, NaN or infinity.
    """
    if type(value).__module__.split(".")[0] == "torch":
        raise TypeError(
            f"{name} must be a NumPy array, got a torch tensor: pass {name}.detach().cpu().numpy()"
        )
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}: convert it first")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}: reshape it")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}: pass at least one")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity: drop or impute those rows")
    return array


def as_points(name: str, value: Any) -> np.ndarray:
    """Turn `value` into a finite (points, D) array; see `as_real` for what is refused."""
    return as_real(name, value, ndim=2)


def as_labels(name: str, value: Any, n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Read cluster labels.

    Args:
        name: what the caller calls them; appears in the error.
        value: (points,) labels, any sortable type.
        n_points: how many points they must describe.

    Returns:
        The sorted distinct labels (clusters,) and, per point, the index into them (points,).

    Raises:
        ValueError: for a wrong length, or labels that are NaN.
    """
    labels = np.asarray(value)
    if labels.shape != (n_points,):
        raise ValueError(
            f"{name} must be one label per point, shape ({n_points},), got {labels.shape}"
        )
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError(f"{name} must not be NaN: drop the points without a label")
    return np.unique(labels, return_inverse=True)


def same_dimension(name_a: str, a: np.ndarray, name_b: str, b: np.ndarray) -> None:
    """Refuse two point sets that do not live in the same space.

    Raises:
        ValueError: if the last axes differ.
    """
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"{name_a} and {name_b} must have the same number of dimensions, got {a.shape[-1]} "
            f"and {b.shape[-1]}: reduce both to a common dimension first"
        )


def as_orthogonal(name: str, value: Any, dimension: int) -> np.ndarray:
    """Read an orthogonal (dimension, dimension) matrix.

    Raises:
        ValueError: if the shape is wrong or the columns are not orthonormal to 1e-6.
    """
    matrix = as_real(name, value, ndim=2).astype(np.float64)
    if matrix.shape != (dimension, dimension):
        raise ValueError(f"{name} must be ({dimension}, {dimension}), got {matrix.shape}")
    if np.abs(matrix.T @ matrix - np.eye(dimension)).max() > 1e-6:
        raise ValueError(f"{name} must be orthogonal: pass hiwa.polar({name})")
    return matrix
