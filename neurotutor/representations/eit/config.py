"""Every number of EIT in one place: the authors' values, and small settings beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from neurotutor.checks import as_count

Interaction = Literal["residual", "attention"]
Pool = Literal["concatenate", "mean"]


@dataclass(frozen=True)
class EitConfig:
    """Hyperparameters of the embedded interaction transformer.

    Defaults are those of the authors' code for neural recordings; `two_body` and `three_body` are
    those for bodies under gravity.

    Raises:
        ValueError: if a value is out of range.
        TypeError: if a whole number is expected and something else comes.

    Source: Liu et al. (2022); repository nerdslab/EIT.
    """

    # Tokens and attention (model files)
    dim: int = 16  # d, width of a token
    n_heads: int = 6  # h
    head_width: int = 64  # width of a head, whatever d is
    # Individual module
    individual_layers: int = 2  # L_I
    individual_expansion: int = 2  # e, hidden width of its MLP over d
    individual_skip: bool = False  # no skip around its attention, as published
    time_embedding: int = 0  # ours: learned code for this many bins; 0: none, as published
    # Interaction module
    interaction_layers: int = 2  # L_S
    interaction: Interaction = "residual"  # "attention": no skip, no MLP (many-body scripts)
    interaction_expansion: int = 1
    dropout: float | int = 0.5  # after its attention and after both layers of its MLP
    channel_embedding: bool = True  # e_n; False is ours
    # Read-out
    bottleneck: int = 1  # b, numbers that a channel hands on; 1 as published
    channel_dropout: float | int = 0.5  # p_n
    pool: Pool = "concatenate"  # "mean" over channels is ours
    # Loss and optimisation (Adam, constant rate)
    individual_weight: float | int = 0.5  # weight of the individual module's own cross-entropy
    learning_rate: float | int = 1e-4
    batch_size: int = 16  # 128 // 8
    n_epochs: int = 400

    def __post_init__(self):
        """Refuse what cannot be built or trained, where it is written down."""
        for name in (
            "dim",
            "n_heads",
            "head_width",
            "individual_layers",
            "individual_expansion",
            "interaction_layers",
            "interaction_expansion",
            "bottleneck",
            "batch_size",
            "n_epochs",
        ):
            as_count(name, getattr(self, name), 1)
        as_count("time_embedding", self.time_embedding, 0)
        for name in ("dropout", "channel_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {getattr(self, name)}")
        if not 0 <= self.individual_weight < math.inf:
            raise ValueError(f"individual_weight must be >= 0, got {self.individual_weight}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be finite and > 0, got {self.learning_rate}")
        for name, allowed in (
            ("interaction", ("residual", "attention")),
            ("pool", ("concatenate", "mean")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )

    @classmethod
    def two_body(cls) -> EitConfig:
        """Published setting for two pairs of bodies."""
        return cls(
            individual_layers=1,
            interaction_layers=1,
            interaction="attention",
            channel_dropout=0.0,
            individual_weight=0.0,
            batch_size=64,
            n_epochs=500,
        )

    @classmethod
    def three_body(cls) -> EitConfig:
        """Published setting for two triples of bodies."""
        return replace(
            cls.two_body(),
            dim=24,
            individual_layers=2,
            interaction_layers=2,
            n_epochs=10,  # the code's value; a remark beside it says 100
        )

    @classmethod
    def tutorial(cls) -> EitConfig:
        """Neural recordings with one small head and a larger rate (ours)."""
        return replace(cls(), n_heads=1, head_width=16, learning_rate=5e-3, n_epochs=4)

    @classmethod
    def two_body_tutorial(cls) -> EitConfig:
        """The published two-body network with small heads and a larger rate (ours)."""
        return replace(cls.two_body(), n_heads=2, head_width=16, learning_rate=3e-3, batch_size=32)

    @classmethod
    def wide(cls) -> EitConfig:
        """Four numbers a channel, all skips, less dropout: for tasks of many classes (ours)."""
        return replace(cls.two_body(), **_WIDE, learning_rate=2e-3)

    @classmethod
    def wide_tutorial(cls) -> EitConfig:
        """As `wide`, with small heads and a larger rate (ours)."""
        return replace(cls.two_body_tutorial(), **_WIDE, learning_rate=4e-3)

    @classmethod
    def triples_tutorial(cls) -> EitConfig:
        """As `wide`, with heads a quarter as wide: for two triples of bodies (ours)."""
        return replace(cls.wide(), n_heads=4, head_width=16)


_WIDE = {
    "individual_skip": True,
    "interaction": "residual",
    "bottleneck": 4,
    "dropout": 0.1,
}
