"""Systems whose exponents are known: two maps, and flows that are stepped by Runge-Kutta."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from neurotutor.checks import as_positive

Map = Callable[[Tensor], Tensor]


def henon(a: float = 1.4, b: float = 0.3) -> Map:
    """Hénon's map `x' = 1 - a x^2 + y`, `y' = b x`; its Jacobian has determinant -b everywhere.

    Source: Hénon (1976).
    """

    def step(state: Float[Tensor, "*lead 2"]) -> Float[Tensor, "*lead 2"]:
        x, y = state.unbind(dim=-1)
        return torch.stack([1 - a * x * x + y, b * x], dim=-1)

    return step


def logistic(r: float = 4.0) -> Map:
    """Logistic map `x' = r x (1 - x)` on [0, 1]; at r = 4 its exponent is log 2."""

    def step(state: Float[Tensor, "*lead 1"]) -> Float[Tensor, "*lead 1"]:
        return r * state * (1 - state)

    return step


def lorenz(sigma: float = 10.0, rho: float = 28.0, beta: float = 8 / 3) -> Map:
    """Vector field of Lorenz' system; the divergence is -(sigma + 1 + beta) everywhere.

    Source: Lorenz (1963).
    """

    def field(state: Float[Tensor, "*lead 3"]) -> Float[Tensor, "*lead 3"]:
        x, y, z = state.unbind(dim=-1)
        return torch.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z], dim=-1)

    return field


def runge_kutta(field: Map, dt: float) -> Map:
    """One step of a flow by the classical method of fourth order.

    The derivative of this step is what the variational equation gives when the same four stages
    advance it. Pass the same `dt` to `lyapunov_spectrum`, and exponents are per unit of time.

    Args:
        field: `state -> velocity`, on the last axis.
        dt: length of the step.

    Raises:
        ValueError: if `dt` is not positive.
    """
    as_positive("dt", dt)

    def step(state: Float[Tensor, "*lead state"]) -> Float[Tensor, "*lead state"]:
        k1 = field(state)
        k2 = field(state + 0.5 * dt * k1)
        k3 = field(state + 0.5 * dt * k2)
        k4 = field(state + dt * k3)
        return state + (dt / 6) * (k1 + 2 * k2 + 2 * k3 + k4)

    return step
