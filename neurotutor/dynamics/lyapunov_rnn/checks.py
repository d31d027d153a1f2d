"""What the public doors of the Lyapunov modules refuse, in one place."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


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
