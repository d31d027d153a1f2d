"""Gradient flossing: move leading exponents to a target, by descent through the QR method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from neurotutor.checks import as_count, as_positive
from neurotutor.dynamics.lyapunov_rnn.cells import Cell
from neurotutor.dynamics.lyapunov_rnn.spectrum import lyapunov_spectrum


def flossing_loss(exponents: Float[Tensor, "*nets k"]) -> Float[Tensor, ""]:
    """Sum of squares of the exponents: zero where perturbations neither grow nor shrink.

    Source: Engelken (2023), equation of the flossing loss.
    """
    return exponents.square().sum()


@dataclass(frozen=True)
class Flossed:
    """A cell whose leading exponents were moved.

    Attributes:
        cell: with the new weights.
        history: the k exponents before each step.
        losses: the loss before each step.
    """

    cell: Cell
    history: Float[Tensor, "steps k"]
    losses: Float[Tensor, "steps"]


def floss(
    cell: Cell,
    inputs: Callable[[int], Tensor],
    *,
    k: int,
    n_steps: int,
    learning_rate: float = 0.01,
    warmup: int = 0,
) -> Flossed:
    """Move the first k exponents of a cell towards zero.

    Args:
        cell: one network.
        inputs: step -> (sequences, time, in), what drives the cell there. Fresh inputs in every
            step keep the exponents from being moved on one sequence alone.
        k: number of exponents.
        n_steps: steps of Adam.
        learning_rate: of Adam.
        warmup: steps of the state alone, at the start of every run.

    Returns:
        The moved cell and what happened on the way.

    Raises:
        ValueError: if a number is too small, or as `lyapunov_spectrum`.

    Source: Engelken (2023).
    """
    as_count("n_steps", n_steps)
    as_positive("learning_rate", learning_rate)
    names = [f.name for f in fields(cell) if isinstance(getattr(cell, f.name), Tensor)]
    weights = {name: getattr(cell, name).detach().clone().requires_grad_() for name in names}
    optimiser = torch.optim.Adam(weights.values(), lr=learning_rate)
    history, losses = [], []
    for step in range(n_steps):
        optimiser.zero_grad(set_to_none=True)
        found = lyapunov_spectrum(
            replace(cell, **weights),
            inputs=inputs(step),
            k=k,
            warmup=warmup,
            keep_history=False,
            differentiable=True,
        ).exponents
        loss = flossing_loss(found)
        loss.backward()
        optimiser.step()
        history.append(found.detach())
        losses.append(loss.detach())
    moved = {name: weight.detach() for name, weight in weights.items()}
    return Flossed(replace(cell, **moved), torch.stack(history), torch.stack(losses))
