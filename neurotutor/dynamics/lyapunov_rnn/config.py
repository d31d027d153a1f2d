"""What the two training tasks are run with: the published values, and small ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class CharacterConfig:
    """Predicting the next character; defaults are those of the published notebooks."""

    hidden_size: int = 512  # 64, 128, 256 or 512
    n_networks: int = 16  # values of p, one network each (60 to 300 in the published search)
    smallest_scale: float = 0.04  # p, weights are drawn from U(-p, p)
    largest_scale: float = 0.24
    dropout: float = 0.1  # before the read-out
    learning_rate: float = 0.002  # of Adam
    decay: float = 0.95  # of the learning rate, per epoch, from epoch 10 on
    decay_from: int = 2000  # step that begins epoch 10
    steps_per_epoch: int = 200
    batch_size: int = 128
    sequence_length: int = 100
    n_steps: int = 3000  # 15 epochs of 200 batches
    clip: float | None = None  # length that the gradient of one network is cut to

    @classmethod
    def tutorial(cls, hidden_size: int = 32) -> CharacterConfig:
        """Small networks over a wide range of p, in seconds."""
        return cls(
            hidden_size=hidden_size,
            smallest_scale=0.02,
            largest_scale=2.0,
            dropout=0.0,
            learning_rate=0.005,
            batch_size=16,
            sequence_length=50,
            n_steps=300,
            clip=1.0,
        )

    def scales(self) -> Float[Tensor, "networks"]:
        """Values of p, evenly spaced on a log axis."""
        return log_spaced(self.smallest_scale, self.largest_scale, self.n_networks)


@dataclass(frozen=True)
class DigitsConfig:
    """Reading a digit row by row; this task stands in for the published ones at small size."""

    hidden_size: int = 32
    n_networks: int = 100
    smallest_scale: float = 0.05
    largest_scale: float = 3.0
    learning_rate: float = 0.01  # of Adam
    batch_size: int = 100
    epochs: int = 10

    def scales(self) -> Float[Tensor, "networks"]:
        """Values of p, evenly spaced on a log axis."""
        return log_spaced(self.smallest_scale, self.largest_scale, self.n_networks)


def log_spaced(smallest: float, largest: float, n: int) -> Float[Tensor, "n"]:
    """Numbers from smallest to largest, in equal ratios.

    Raises:
        ValueError: unless 0 < smallest <= largest and n >= 1.
    """
    if not 0 < smallest <= largest or n < 1:
        raise ValueError(f"need 0 < smallest <= largest and n >= 1: {smallest}, {largest}, {n}")
    ends = torch.tensor([smallest, largest], dtype=torch.float64).log()
    return torch.linspace(float(ends[0]), float(ends[1]), n, dtype=torch.float64).exp()
