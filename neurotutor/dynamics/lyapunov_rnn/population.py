"""Many networks trained at once: their weights are stacked, and one step moves them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from neurotutor.checks import as_count, as_positive
from neurotutor.dynamics.lyapunov_rnn.cells import Cell, uniform
from neurotutor.dynamics.lyapunov_rnn.checks import as_real
from neurotutor.dynamics.lyapunov_rnn.linearise import affine


@dataclass(frozen=True)
class Population:
    """Recurrent networks of one size, each with a linear read-out of its hidden units.

    Attributes:
        cell: the recurrent weights of all networks, with one leading axis.
        readout: weights of the read-outs.
        offset: their biases.
    """

    cell: Cell
    readout: Float[Tensor, "nets classes hidden"]
    offset: Float[Tensor, "nets classes"]

    def __len__(self) -> int:
        return self.readout.shape[0]

    def to(self, target: torch.dtype | torch.device | str) -> Population:
        """The same networks with their weights converted or moved."""
        return Population(self.cell.to(target), self.readout.to(target), self.offset.to(target))

    def hidden(self, inputs: Float[Tensor, "sequences time in"]) -> Float[Tensor, "..."]:
        """Hidden states of all networks, (nets, sequences, time, hidden), from a state of zeros."""
        cell = self.cell
        drives = cell.drive(inputs.expand(len(self), *inputs.shape))
        state = drives.new_zeros(*drives.shape[:-2], cell.state_size)
        shown = []
        for drive in drives.unbind(dim=-2):
            state = cell.advance(state, drive)
            shown.append(cell.hidden(state))
        return torch.stack(shown, dim=-2)

    def losses(
        self,
        inputs: Float[Tensor, "sequences time in"],
        targets: Int[Tensor, "..."],
        *,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "nets"]:
        """Mean cross entropy of each network, in nats.

        Args:
            inputs: what all networks read.
            targets: (sequences,) to be named after the last step, or (sequences, time) to be named
                after every step.
            dropout: share of hidden units that are silenced before the read-out.
            generator: draws them.
        """
        hidden = self.hidden(inputs)
        if targets.ndim == 1:
            hidden = hidden[..., -1:, :]
            targets = targets[:, None]
        if dropout > 0:
            noise = torch.rand(hidden.shape, generator=generator, device=hidden.device)
            hidden = hidden * (noise >= dropout) / (1 - dropout)
        logits = affine(hidden, self.readout, self.offset)
        wanted = targets.expand(len(self), *targets.shape).unsqueeze(-1)
        right = logits.log_softmax(dim=-1).gather(-1, wanted)
        return -right.mean(dim=(1, 2, 3))


def draw_population(
    kind: str,
    input_size: int,
    hidden_size: int,
    n_classes: int,
    scales: Float[Tensor, "nets"],
    *,
    seed: int,
    dtype: torch.dtype = torch.float32,
) -> Population:
    """Networks whose recurrent layers are drawn from U(-p, p), p different for each.

    Args:
        kind: of the cell, a key of `KINDS`.
        input_size: width of an input.
        hidden_size: units n.
        n_classes: outputs of the read-out, drawn from U(-1, 1) / sqrt(n).
        scales: p of each network.
        seed: of the draw.
        dtype: of the weights.

    Returns:
        The networks; their cells have no bias.

    Raises:
        ValueError: as `uniform`; or if `scales` is no vector or `n_classes` is below 2.
    """
    if scales.ndim != 1 or n_classes < 2:
        raise ValueError(f"scales must be a vector and n_classes 2 or more, got {n_classes}")
    cell = uniform(kind, input_size, hidden_size, scales, seed=seed, dtype=dtype)
    generator = torch.Generator().manual_seed(seed + 1)
    shape = (len(scales), n_classes, hidden_size)
    readout = 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1
    return Population(
        cell, (readout / hidden_size**0.5).to(dtype), torch.zeros(shape[:2], dtype=dtype)
    )


class Trainer:
    """Adam on a population: the networks share inputs, and nothing else.

    The sum of their losses is minimised. Since no weight is shared and Adam works entry by entry,
    each network moves as it would alone.

    Args:
        population: the networks to begin with; they are copied.
        learning_rate: of Adam.
        clip: length that the gradient of one network is cut to; `None` leaves it as it is.
        dropout: before the read-out.
        seed: of the dropout.

    Raises:
        ValueError: if a number is not positive, or `dropout` is not in [0, 1).
    """

    def __init__(
        self,
        population: Population,
        learning_rate: float,
        *,
        clip: float | None = None,
        dropout: float = 0.0,
        seed: int = 0,
    ):
        as_positive("learning_rate", learning_rate)
        if clip is not None:
            as_positive("clip", clip)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {dropout}")
        self._cell = population.cell
        self._names = [
            field.name
            for field in fields(population.cell)
            if isinstance(getattr(population.cell, field.name), Tensor)
        ]
        weights = [getattr(population.cell, name) for name in self._names]
        weights += [population.readout, population.offset]
        self._weights = [weight.detach().clone().requires_grad_() for weight in weights]
        self.optimiser = torch.optim.Adam(self._weights, lr=learning_rate)
        self.clip, self.dropout = clip, dropout
        self._generator = torch.Generator(device=population.readout.device).manual_seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimiser and generator, for `neurotutor.training.fit`."""
        return {
            "weights": [weight.detach() for weight in self._weights],
            "optimiser": self.optimiser.state_dict(),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned.

        Raises:
            ValueError: for networks of other sizes.
        """
        found = [tuple(weight.shape) for weight in state["weights"]]
        expected = [tuple(weight.shape) for weight in self._weights]
        if found != expected:
            raise ValueError(
                f"the saved networks have weights of shapes {found}, these have {expected}: delete "
                "the checkpoint or pass another path"
            )
        with torch.no_grad():
            for weight, kept in zip(self._weights, state["weights"], strict=True):
                weight.copy_(kept)
        self.optimiser.load_state_dict(state["optimiser"])
        self._generator.set_state(state["generator"])

    @property
    def _live(self) -> Population:
        cell = replace(self._cell, **dict(zip(self._names, self._weights[:-2], strict=True)))
        return Population(cell, *self._weights[-2:])

    @property
    def population(self) -> Population:
        """A copy of the networks as they are now."""
        live = self._live
        cell = replace(
            live.cell, **{name: getattr(live.cell, name).detach().clone() for name in self._names}
        )
        return Population(cell, live.readout.detach().clone(), live.offset.detach().clone())

    def step(
        self, inputs: Float[Tensor, "sequences time in"], targets: Int[Tensor, "..."]
    ) -> Float[Tensor, "nets"]:
        """One step of all networks on one batch.

        Returns:
            The loss of each before the step.
        """
        self.optimiser.zero_grad(set_to_none=True)
        losses = self._live.losses(inputs, targets, dropout=self.dropout, generator=self._generator)
        losses.sum().backward()
        if self.clip is not None:
            squares = sum(weight.grad.flatten(1).square().sum(dim=1) for weight in self._weights)
            factor = (self.clip / squares.sqrt().clamp(min=1e-12)).clamp(max=1.0)
            for weight in self._weights:
                weight.grad.mul_(factor.reshape(-1, *[1] * (weight.ndim - 1)))
        self.optimiser.step()
        return losses.detach()


def evaluate(
    population: Population,
    inputs: Float[Tensor, "sequences time in"],
    targets: Int[Tensor, "..."],
) -> Float[Tensor, "nets"]:
    """Mean cross entropy of each network, without dropout and without derivatives."""
    with torch.no_grad():
        return population.losses(inputs, targets)


def one_hot(
    codes: Int[np.ndarray, "sequences time"], n_symbols: int, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "sequences time symbols"]:
    """Character codes as vectors with a single one."""
    return torch.nn.functional.one_hot(torch.as_tensor(codes), n_symbols).to(dtype)


def digit_rows(
    images: UInt8[np.ndarray, "images height width"], brightest: int
) -> Float[Tensor, "images height width"]:
    """Pictures as sequences of rows, values in [0, 1], from top to bottom."""
    return torch.as_tensor(images, dtype=torch.float32) / brightest


def digit_streams(
    rows: Float[Tensor, "images height width"], n_streams: int, n_digits: int, *, seed: int
) -> Float[Tensor, "streams time width"]:
    """Digits one after the other, as inputs long enough to measure exponents on.

    Args:
        rows: pictures as sequences of rows.
        n_streams: independent streams.
        n_digits: digits of each.
        seed: of the draw.

    Raises:
        ValueError: if there are not enough pictures.
    """
    as_real("rows", rows)
    wanted = as_count("n_streams", n_streams) * as_count("n_digits", n_digits)
    if wanted > len(rows):
        raise ValueError(f"{wanted} different digits were asked for, there are {len(rows)}")
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:wanted]
    return rows[chosen].reshape(n_streams, n_digits * rows.shape[1], rows.shape[2])
