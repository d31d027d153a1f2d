"""What the public doors of the Lyapunov modules refuse, in one place."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def as_count(name: str, value: Any, smallest: int = 1) -> int:
    """Read a whole number that is at least `smallest`.

    Raises:
        TypeError: for anything but a whole number.
        ValueError: if it is too small.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < smallest:
        raise ValueError(f"{name} must be at least {smallest}, got {value}")
    return value


def as_positive(name: str, value: float | int) -> float:
    """Read a finite number above zero.

    Raises:
        TypeError: for anything but a number.
        ValueError: for zero, a negative number, infinity or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be a finite number > 0, got {value}")
    return float(value)


def as_real(name: str, value: Any, *, width: int | None = None) -> Tensor:
    """See to it that a tensor holds finite floating-point numbers, in rows of a known width.

    Args:
        name: what the caller calls it; appears in the error.
        value: the tensor.
        width: wanted length of the last axis; `None` admits any.

    Raises:
        TypeError: if it is no floating-point tensor.
        ValueError: for a wrong width, an empty tensor, NaN or infinity.
    """
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(
            f"{name} must be a floating-point tensor, got {kind}: "
            "pass torch.as_tensor(values, dtype=torch.float64)"
        )
    if value.ndim < 1 or value.numel() == 0 or (width is not None and value.shape[-1] != width):
        wanted = "values" if width is None else str(width)
        raise ValueError(
            f"{name} must have shape (..., {wanted}) and hold something, got {tuple(value.shape)}"
        )
    if not torch.isfinite(value.detach()).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity: look for a diverged network")
    return value
