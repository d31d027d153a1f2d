"""What every public door of the plasticity-rule modules refuses, in one place."""

from __future__ import annotations

import torch
from torch import Tensor


def as_inputs(x: Tensor, n_inputs: int, *, name: str = "x", batched: bool = True) -> Tensor:
    """See to it that inputs are finite and of the right width.

    Args:
        x: (inputs,) or, if `batched`, (..., inputs).
        n_inputs: width d that the network was built for.
        name: what the caller calls it; appears in the error.
        batched: whether leading axes are allowed.

    Raises:
        TypeError: if `x` is not a floating-point tensor.
        ValueError: for a wrong shape, an empty batch, NaN or infinity.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(
            f"{name} must be a floating-point tensor, got {type(x).__name__}: "
            "pass torch.as_tensor(values, dtype=torch.float32)"
        )
    right = x.ndim >= 1 and x.shape[-1] == n_inputs and (batched or x.ndim == 1)
    if not right or x.numel() == 0:
        form = f"(..., {n_inputs})" if batched else f"({n_inputs},)"
        raise ValueError(f"{name} must have shape {form} and hold something, got {tuple(x.shape)}")
    if not torch.isfinite(x).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity: drop or impute those rows")
    return x


def as_labels(labels: Tensor, n_examples: int, n_classes: int) -> Tensor:
    """See to it that there is one class number for each example.

    Raises:
        TypeError: if the labels are not whole numbers.
        ValueError: for a wrong number of them, or a label outside 0..classes-1.
    """
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.is_complex():
        raise TypeError("labels must be a tensor of whole numbers: pass torch.as_tensor(labels)")
    if labels.shape != (n_examples,):
        raise ValueError(
            f"labels must have shape ({n_examples},), one for each example, "
            f"got {tuple(labels.shape)}"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= n_classes:
        raise ValueError(
            f"labels must lie in 0..{n_classes - 1}, got {low}..{high}: renumber the classes"
        )
    return labels.long()


def as_table(name: str, table: Tensor, shape: tuple[int, int]) -> Tensor:
    """See to it that a rule is a finite table of the size that the rounds ask for.

    Raises:
        ValueError: for a wrong shape or entries that are not finite.
    """
    if tuple(table.shape) != shape:
        raise ValueError(
            f"{name} must be a table of shape {shape} for this number of rounds, "
            f"got {tuple(table.shape)}"
        )
    if not torch.isfinite(table).all():
        raise ValueError(f"{name} must hold finite numbers only")
    return table
