"""Checks of input that the loaders and simulators share; each names what was wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Int

# Far beyond any count, label or index, and far below what int64 can hold.
LARGEST = 2**31


def whole_numbers(
    values: np.ndarray, key: str, fail: Callable[[str], ValueError]
) -> Int[np.ndarray, "..."]:
    """The values as int64, or an error if they are not whole numbers of a sensible size.

    Args:
        values: array as it was stored.
        key: its name, for the message.
        fail: makes the error from what is wrong.
    """
    if values.dtype.kind not in "iuf":
        raise fail(f"{key} must hold whole numbers, got {values.dtype}")
    if not np.isfinite(values).all():
        raise fail(f"{key} holds NaN or infinite values")
    if values.dtype.kind == "f" and (values != np.round(values)).any():
        raise fail(f"{key} must hold whole numbers, got fractions (rates instead of counts?)")
    if (values > LARGEST).any() or (values < -LARGEST).any():
        raise fail(f"{key} holds numbers beyond {LARGEST}")
    return values.astype(np.int64)


def one_number(values: np.ndarray, key: str, fail: Callable[[str], ValueError]) -> float:
    """The one number of an array without axes.

    A number that was stored with few digits comes back as the decimal number that was meant:
    0.1 in single precision as 0.1, not as 0.10000000149.
    """
    if values.shape != () or values.dtype.kind not in "fiu":
        raise fail(f"{key} must be one number, got {values.dtype} of shape {values.shape}")
    value = float(str(values[()]))
    if not np.isfinite(value):
        raise fail(f"{key} must be finite, got {value}")
    return value
