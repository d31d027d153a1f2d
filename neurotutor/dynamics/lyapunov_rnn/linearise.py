"""The Jacobian of one step, kept in pieces: diagonals, and diagonals times weight matrices.

Every cell of the chapter has a Jacobian of one form. Its state consists of parts of n units (the
LSTM has two, hidden and cell state). Block (row, column) is a diagonal, plus a sum over gates g of
`D(mix) U_g`. Kept in pieces, it acts on a few tangent vectors without ever being formed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import repeat

import torch
from jaxtyping import Float
from torch import Tensor

# From this number of tangent vectors on, forming the matrix of a cell with several gates pays: one
# product with it replaces one product per gate.
FORM_FROM = 32


def affine(
    x: Float[Tensor, "..."], weights: Float[Tensor, "*nets out in"], bias: Tensor | None = None
) -> Float[Tensor, "..."]:
    """Apply weights that may belong to a whole stack of networks.

    Args:
        x: vectors, shape (*nets, ..., in); the axes of `nets` may be 1.
        weights: one matrix for each network.
        bias: (*nets, out), or none.

    Returns:
        `weights @ x + bias`, shape (*nets, ..., out).
    """
    n_nets = weights.ndim - 2
    if n_nets == 0:
        return torch.nn.functional.linear(x, weights, bias)
    rows = x.flatten(n_nets, -2) if x.ndim > n_nets + 2 else x
    if x.ndim == n_nets + 1:
        rows = x.unsqueeze(-2)
    out = rows @ weights.mT
    if bias is not None:
        out = out + bias.unsqueeze(-2)
    return out.reshape(*out.shape[:n_nets], *x.shape[n_nets:-1], out.shape[-1])


@dataclass(frozen=True)
class Linearisation:
    """Jacobian of one step of a cell, at one state or at many, in pieces.

    Attributes:
        parts: how many parts of n units a state has.
        direct: (row, column) -> diagonal of that block, shape (*nets, *lead, n); or a number.
        mix: (row, gate) -> factor of each row of `U_gate`, shape (*nets, *lead, n).
        recurrent: the recurrent weights U of all gates, one below the other; their columns are the
            parts of the state that the recurrence reads.
        mix_input: the same factors for the input weights; equal to `mix` for most cells.
        input: the input weights W of all gates.
    """

    parts: int
    direct: Mapping[tuple[int, int], Tensor | float]
    mix: Mapping[tuple[int, int], Tensor]
    recurrent: Float[Tensor, "*nets rows read"]
    mix_input: Mapping[tuple[int, int], Tensor]
    input: Float[Tensor, "*nets rows in"]

    @property
    def hidden_size(self) -> int:
        """Units n of one part."""
        return next(iter(self.mix.values())).shape[-1]

    @property
    def size(self) -> int:
        """Length of a tangent vector."""
        return self.parts * self.hidden_size

    @property
    def nets(self) -> int:
        """How many leading axes count networks."""
        return self.recurrent.ndim - 2

    def steps(self) -> Iterator[Linearisation]:
        """Each step by itself, of a linearisation at states of shape (*nets, ..., time, state)."""
        direct, mix = _each(self.direct), _each(self.mix)
        fed = repeat(None) if self.mix_input is self.mix else _each(self.mix_input)
        for now, mixed, mixed_input in zip(direct, mix, fed, strict=False):
            yield replace(
                self, direct=now, mix=mixed, mix_input=mixed if mixed_input is None else mixed_input
            )

    def hidden_only(self) -> Linearisation:
        """The block of the hidden state alone, with every other part of the state held fixed."""
        if self.parts == 1:
            return self
        n = self.hidden_size
        return replace(
            self,
            parts=1,
            direct={key: piece for key, piece in self.direct.items() if key == (0, 0)},
            mix={key: piece for key, piece in self.mix.items() if key[0] == 0},
            mix_input={key: piece for key, piece in self.mix_input.items() if key[0] == 0},
            recurrent=self.recurrent[..., :n],
        )

    def push(
        self, vectors: Float[Tensor, "... vectors state"]
    ) -> Float[Tensor, "... vectors state"]:
        """Carry tangent vectors over one step: apply the Jacobian to each row.

        Args:
            vectors: one tangent vector a row, shape (*nets, *lead, vectors, size).

        Returns:
            `J v` for each row v, same shape.
        """
        n = self.hidden_size
        own = vectors.split(n, dim=-1)
        read = vectors[..., : self.recurrent.shape[-1]]
        rows: list[Tensor | None] = [None] * self.parts
        if self.recurrent.shape[-2] > n and vectors.shape[-2] >= FORM_FROM:
            rows = [read @ self.block(row).mT for row in range(self.parts)]
        else:
            felt = affine(read, self.recurrent).split(n, dim=-1)
            for (row, gate), factor in self.mix.items():
                rows[row] = _add_scaled(rows[row], factor, felt[gate])
        for (row, column), piece in self.direct.items():
            rows[row] = _add_scaled(rows[row], piece, own[column])
        return rows[0] if self.parts == 1 else torch.cat(rows, dim=-1)

    def block(self, row: int) -> Float[Tensor, "... hidden read"]:
        """Rows of the Jacobian of one part, without diagonals: unit i mixes rows i of all gates."""
        n = self.hidden_size
        gates = [gate for target, gate in self.mix if target == row]
        factors = torch.stack([self.mix[row, gate] for gate in gates], dim=-1)
        weights = self.recurrent.unflatten(-2, (-1, n))
        if gates == list(range(len(gates))):
            weights = weights[..., : len(gates), :, :]  # a view; the other way copies
        else:
            weights = weights[..., gates, :, :]
        flat = factors.reshape(*factors.shape[: self.nets], -1, n, len(gates))
        mixed = flat.transpose(-3, -2) @ weights.transpose(-3, -2)
        return mixed.transpose(-3, -2).reshape(*factors.shape[:-1], self.recurrent.shape[-1])

    def push_input(
        self, vectors: Float[Tensor, "... vectors in"]
    ) -> Float[Tensor, "... vectors state"]:
        """Carry perturbations of the input into the next state: apply `ds/dx` to each row."""
        felt = affine(vectors, self.input).split(self.hidden_size, dim=-1)
        rows: list[Tensor | None] = [None] * self.parts
        for (row, gate), factor in self.mix_input.items():
            rows[row] = _add_scaled(rows[row], factor, felt[gate])
        return rows[0] if self.parts == 1 else torch.cat(rows, dim=-1)

    def matrix(self) -> Float[Tensor, "... state state"]:
        """Form the Jacobian: entry [i, j] is the derivative of new unit i by old unit j."""
        n, read = self.hidden_size, self.recurrent.shape[-1]
        rows = [
            torch.nn.functional.pad(self.block(row), (0, self.size - read))
            for row in range(self.parts)
        ]
        matrix = torch.cat(rows, dim=-2)
        for (row, column), piece in self.direct.items():
            block = matrix[..., row * n : (row + 1) * n, column * n : (column + 1) * n]
            torch.diagonal(block, 0, -2, -1).add_(piece)
        return matrix


@dataclass(frozen=True)
class LayeredLinearisation:
    """Jacobian of one step of several layers: block lower triangular, from the layers' pieces.

    Attributes:
        layers: one linearisation for each layer, the lowest first.
    """

    layers: tuple[Linearisation, ...]

    @property
    def size(self) -> int:
        """Length of a tangent vector."""
        return sum(layer.size for layer in self.layers)

    def steps(self) -> Iterator[LayeredLinearisation]:
        """Each step by itself (see `Linearisation.steps`)."""
        for layers in zip(*(layer.steps() for layer in self.layers), strict=True):
            yield LayeredLinearisation(layers)

    def hidden_only(self) -> LayeredLinearisation:
        """The hidden states of all layers, with every other part of the state held fixed."""
        return LayeredLinearisation(tuple(layer.hidden_only() for layer in self.layers))

    def push(
        self, vectors: Float[Tensor, "... vectors state"]
    ) -> Float[Tensor, "... vectors state"]:
        """Carry tangent vectors over one step; what a layer's state does reaches the next one."""
        moved, below = [], None
        for layer, own in zip(
            self.layers, vectors.split([layer.size for layer in self.layers], dim=-1), strict=True
        ):
            now = layer.push(own)
            if below is not None:
                now = now + layer.push_input(below)
            moved.append(now)
            below = now[..., : layer.hidden_size]
        return torch.cat(moved, dim=-1)

    def matrix(self) -> Float[Tensor, "... state state"]:
        """Form the Jacobian: entry [i, j] is the derivative of new unit i by old unit j."""
        first = next(iter(self.layers[0].mix.values()))
        basis = torch.eye(self.size, dtype=first.dtype, device=first.device)
        return self.push(basis.expand(*first.shape[:-1], -1, -1)).mT


@dataclass(frozen=True)
class Dense:
    """Jacobians that have been formed, one for each step.

    Attributes:
        matrices: shape (*lead, time, state, state), or (*lead, state, state) for one step.
    """

    matrices: Float[Tensor, "... state state"]

    @property
    def size(self) -> int:
        """Length of a tangent vector."""
        return self.matrices.shape[-1]

    def steps(self) -> Iterator[Dense]:
        """Each step by itself."""
        return map(Dense, self.matrices.unbind(dim=-3))

    def push(
        self, vectors: Float[Tensor, "... vectors state"]
    ) -> Float[Tensor, "... vectors state"]:
        """Apply the Jacobian to each row."""
        return vectors @ self.matrices.mT

    def matrix(self) -> Float[Tensor, "... state state"]:
        """The Jacobian itself."""
        return self.matrices


def _add_scaled(total: Tensor | None, piece: Tensor | float, vectors: Tensor) -> Tensor:
    """Add tangent vectors (rows), scaled by a diagonal, to a sum that may be empty."""
    if not isinstance(piece, Tensor):
        return vectors * piece if total is None else torch.add(total, vectors, alpha=piece)
    piece = piece.unsqueeze(-2)
    return piece * vectors if total is None else torch.addcmul(total, piece, vectors)


def _each(pieces: Mapping) -> Iterator[dict]:
    """Pieces of each step in turn, from pieces of all steps."""
    over_time = [
        piece.unbind(dim=-2) if isinstance(piece, Tensor) else repeat(piece)
        for piece in pieces.values()
    ]
    if not over_time:
        return repeat({})
    return (dict(zip(pieces, values, strict=True)) for values in zip(*over_time, strict=False))
