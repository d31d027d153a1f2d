"""What the public doors of the AeLLE modules refuse, in one place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def as_real(name: str, value: Any, low: float | int, *, strict: bool = True) -> float:
    """Read a finite number above `low` (or from `low` on, if not `strict`).

    Raises:
        ValueError: for a number that is too small, infinite or NaN.
    """
    if not (low < value < math.inf or (not strict and value == low)):
        raise ValueError(
            f"{name} must be a finite number {'>' if strict else '>='} {low:g}, got {value}"
        )
    return float(value)


def as_spectra(spectra: Any, length: int | None = None, *, name: str = "spectra") -> np.ndarray:
    """See to it that there is one finite spectrum a row, of the length that is wanted.

    Args:
        spectra: exponents, shape (networks, exponents).
        length: how many exponents each must have; None accepts any number.
        name: what the caller calls it; appears in the error.

    Returns:
        The same numbers in double precision.

    Raises:
        ValueError: for another shape, or exponents that are not finite.
    """
    found = np.asarray(spectra, dtype=float)
    if found.ndim != 2 or found.size == 0:
        raise ValueError(
            f"{name} must have shape (networks, exponents) and hold something, got {found.shape}"
        )
    if length is not None and found.shape[1] != length:
        raise ValueError(
            f"{name} must have {length} exponents each, got {found.shape[1]}: "
            "bring them to one length with resample_spectrum"
        )
    if not np.isfinite(found).all():
        bad = int((~np.isfinite(found)).any(axis=1).sum())
        raise ValueError(
            f"{name} must be finite, but {bad} of {len(found)} rows hold NaN or infinity: "
            "drop diverged networks, or raise minus infinity with clip_floor"
        )
    return found


def as_targets(target: Any, n_networks: int, *, name: str = "target") -> np.ndarray:
    """See to it that there is one finite number for each network.

    Raises:
        ValueError: for a wrong number of them, or values that are not finite.
    """
    found = np.asarray(target, dtype=float)
    if found.shape != (n_networks,):
        raise ValueError(
            f"{name} must have shape ({n_networks},), one number for each network, "
            f"got {found.shape}"
        )
    if not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity: drop those networks")
    return found
