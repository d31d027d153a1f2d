"""Numbers that follow from a spectrum, or that it is compared with."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from neurotutor.dynamics.lyapunov_rnn.cells import Cell, Layers
from neurotutor.dynamics.lyapunov_rnn.checks import as_real


def _spectrum(exponents: Tensor) -> Tensor:
    if not isinstance(exponents, Tensor) or not exponents.is_floating_point():
        raise TypeError("exponents must be a floating-point tensor of shape (..., k)")
    if exponents.ndim < 1 or exponents.shape[-1] < 1:
        raise ValueError(f"exponents must have shape (..., k), got {tuple(exponents.shape)}")
    if exponents.isnan().any() or (exponents == math.inf).any():
        raise ValueError("exponents must be numbers or minus infinity, got NaN or plus infinity")
    return exponents.sort(dim=-1, descending=True).values


def kaplan_yorke_dimension(exponents: Float[Tensor, "*nets k"]) -> Float[Tensor, "*nets"]:
    """Kaplan-Yorke dimension: how many directions a volume may have that does not shrink.

    Args:
        exponents: the spectrum, in any order; all of it, or enough that its sum is negative.

    Returns:
        j plus the sum of the first j exponents over the size of the next, with j the largest
        number of leading exponents whose sum is not negative. 0 if the largest exponent is
        negative; k if no partial sum is negative.

    Raises:
        TypeError: if `exponents` are no floating-point tensor.
        ValueError: for NaN or plus infinity.

    Source: Kaplan & Yorke (1979).
    """
    values = _spectrum(exponents)
    sums = values.cumsum(dim=-1)
    j = (sums >= 0).sum(dim=-1, keepdim=True)  # partial sums rise and then fall: no gaps
    padded = torch.nn.functional.pad(sums, (1, 0))
    carried = padded.gather(-1, j)
    following = values.gather(-1, j.clamp(max=values.shape[-1] - 1)).abs()
    fraction = torch.where(j < values.shape[-1], carried / following, torch.zeros_like(carried))
    return (j + fraction).squeeze(-1)


def entropy_bound(exponents: Float[Tensor, "*nets k"]) -> Float[Tensor, "*nets"]:
    """Sum of the positive exponents: an upper bound of the entropy rate, per unit of time.

    Source: Pesin (1977); Ruelle's inequality.
    """
    return _spectrum(exponents).clamp(min=0).sum(dim=-1)


def lyapunov_time(exponents: Float[Tensor, "*nets k"]) -> Float[Tensor, "*nets"]:
    """Time in which a small difference grows e-fold; infinite where nothing grows."""
    largest = _spectrum(exponents)[..., 0]
    return torch.where(largest > 0, 1 / largest, torch.full_like(largest, math.inf))


def circular_law(n: int, gain: float) -> Float[Tensor, "n"]:
    """Log moduli of the eigenvalues of a large Gaussian matrix of gain g, in descending order.

    Eigenvalues fill a disc of radius g evenly, so entry i is `log g + log(1 - i / n) / 2`, taken at
    the middle of each of n equal shares.

    Raises:
        ValueError: for n below 1 or a gain that is not positive.

    Source: Girko (1985).
    """
    if n < 1 or not gain > 0:
        raise ValueError(f"n must be 1 or greater and gain positive, got {n} and {gain}")
    share = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return math.log(gain) + 0.5 * torch.log1p(-share)


def gradient_log_norms(
    cell: Cell | Layers,
    state0: Float[Tensor, "sequences state"],
    inputs: Float[Tensor, "sequences time in"],
    *,
    seed: int = 0,
) -> Float[Tensor, "sequences lags"]:
    """Log norms of a gradient that is propagated back through time.

    The loss is the last state times a fixed random vector.

    Args:
        cell: one network.
        state0: initial states.
        inputs: what drives it.
        seed: of the random vector.

    Returns:
        Entry [:, tau] is the log norm of the gradient with respect to the state `tau` steps before
        the last one.

    Raises:
        TypeError: for inputs that hold no floating-point numbers.
        ValueError: for a wrong width or NaN.

    Source: Vogt, Puelma Touzel, Shlizerman & Lajoie (2022), section on gradients.
    """
    as_real("inputs", inputs, width=cell.input_size)
    state = as_real("state0", state0, width=cell.state_size).detach().requires_grad_()
    drives, states = cell.drive(inputs), []
    for t in range(inputs.shape[-2]):
        states.append(state)
        state = cell.advance(state, drives[..., t, :])
    states.append(state)
    generator = torch.Generator().manual_seed(seed)
    probe = torch.randn(cell.state_size, generator=generator, dtype=torch.float64).to(state)
    gradients = torch.autograd.grad((state * probe).sum(), states)
    return torch.stack([each.norm(dim=-1).log() for each in reversed(gradients)], dim=-1)


def slope(values: Float[Tensor, "*lead time"], *, start: int = 0) -> Float[Tensor, "*lead"]:
    """Slope of a straight line through `values` against their index, from index `start` on.

    Raises:
        ValueError: if fewer than two values are left.
    """
    left = values[..., start:]
    if left.shape[-1] < 2:
        raise ValueError(f"a slope needs two values or more after start={start}")
    lag = torch.arange(left.shape[-1], dtype=values.dtype, device=values.device)
    lag = lag - lag.mean()
    return (left * lag).sum(dim=-1) / (lag**2).sum()
