"""Every number of NDT and STNDT in one place: published values, and a small setting beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from neurotutor.checks import as_count

Mode = Literal["full", "timestep", "neuron", "timestep_only"]
MODES: tuple[str, ...] = ("full", "timestep", "neuron", "timestep_only")


@dataclass(frozen=True)
class StndtConfig:
    """Hyperparameters of NDT and STNDT.

    Defaults are those of the authors' configuration for MC_Maze, read in their repository; what
    they search over has a value from inside the range, and the comment names the range.

    Raises:
        ValueError: if a value is out of range.
        TypeError: if a whole number is expected and something else comes.

    Source: Le & Shlizerman (2022) and its repository; Ye & Pandarinath (2021) for NDT.
    """

    # Networks
    n_layers: int = 4  # L (6 for DMFC_RSG)
    n_heads: int = 2  # h (1 for Area2_Bump)
    feedforward: int = 128  # H, hidden width of both feed-forward networks
    pre_norm: bool = True  # LayerNorm before each part; False: after each sum
    count_embedding: int = 0  # NDT: k, width of a table of counts; 0: the counts themselves
    max_count: int = 5  # NDT: c_max, largest count of that table
    learned_positions: bool = True  # NDT: table of positions; False: sinusoids
    dead_parameters: bool = True  # keep the value and output maps of spatial attention, unused
    identical_layers: bool = False  # True: all layers start as copies of the first, as published
    fixup: bool = True  # "T-Fixup": three weights of each layer times 0.67 L^(-1/4)
    # What a bin may attend to
    context_backward: int = 8  # b, bins of the past (searched, 1 to 99); negative: all
    context_forward: int = 4  # f, bins of the future (searched, 1 to 99); negative: all
    # Dropout (all searched)
    dropout: float = 0.2  # inside layers, 0 to 0.4
    rate_dropout: float = 0.2  # before the read-out, 0 to 0.4
    embedding_dropout: float = 0.2  # after the embedding, 0 to 0.6
    # Masking
    mask_mode: Mode = "full"  # "timestep" for NDT as published
    mask_ratio: float = 0.25  # r, 0.1 to 0.4
    mask_token: float = 1.0  # share of chosen entries that become 0
    mask_random: float = 0.5  # share of the rest that become a random count
    mask_max_span: int = 3  # w_max, 1 to 6
    span_ramp: tuple[int, int] = (8000, 12000)  # epochs between which spans come in
    # Contrast
    contrast_weight: float = 0.1  # lambda, 0.01 to 1; 0 leaves the term out
    contrast_ratio: float = 0.05  # r of the two copies
    contrast_token: float = 0.5
    contrast_random: float = 0.5
    temperature: float = 0.07  # tau
    # Optimisation: AdamW
    batch_size: int = 64  # trials
    n_epochs: int = 50_501  # most; training usually stops earlier
    warmup_epochs: int = 5000  # linear, then cosine to 0
    learning_rate: float = 1e-3  # 1e-5 to 1e-2
    weight_decay: float = 5e-5  # 1e-8 to 1e-3
    clip_norm: float = 200.0  # largest norm of the gradient

    def __post_init__(self):
        """Refuse what cannot be trained, at the place where it is written down."""
        for name in ("n_layers", "n_heads", "feedforward", "mask_max_span", "batch_size"):
            as_count(name, getattr(self, name), 1)
        as_count("n_epochs", self.n_epochs, 1)
        for name in ("count_embedding", "warmup_epochs"):
            as_count(name, getattr(self, name), 0)
        as_count("max_count", self.max_count, 1)
        for name in ("context_backward", "context_forward"):
            as_count(name, getattr(self, name), -(2**31))
        if self.mask_mode not in MODES:
            raise ValueError(f"mask_mode must be one of {', '.join(MODES)}, got {self.mask_mode!r}")
        for name in ("dropout", "rate_dropout", "embedding_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {getattr(self, name)}")
        for name in ("mask_ratio", "contrast_ratio"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in (0, 1], got {getattr(self, name)}")
        for name in ("mask_token", "mask_random", "contrast_token", "contrast_random"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in ("temperature", "learning_rate", "clip_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and > 0, got {getattr(self, name)}")
        for name in ("contrast_weight", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a finite number >= 0, got {getattr(self, name)}")
        if self.warmup_epochs >= self.n_epochs:
            raise ValueError(
                f"warmup_epochs must be smaller than n_epochs ({self.n_epochs}), "
                f"got {self.warmup_epochs}; lower it"
            )

    @classmethod
    def tutorial(cls) -> StndtConfig:
        """Two small layers, all bins in sight, 480 steps: for simulated Lorenz trials (ours)."""
        return replace(
            cls(),
            n_layers=2,
            feedforward=64,
            dead_parameters=False,
            context_backward=-1,
            context_forward=-1,
            dropout=0.0,
            rate_dropout=0.0,
            embedding_dropout=0.0,
            mask_max_span=1,
            contrast_weight=0.0,
            batch_size=16,
            n_epochs=24,
            warmup_epochs=2,
            learning_rate=4e-3,
        )

    @classmethod
    def reach_tutorial(cls) -> StndtConfig:
        """The same network for a hundred recorded reaches, with dropout against overfitting."""
        return replace(
            cls.tutorial(),
            dropout=0.1,
            rate_dropout=0.1,
            embedding_dropout=0.1,
            n_epochs=30,
            warmup_epochs=3,
            learning_rate=5e-3,
        )

    @classmethod
    def small_data(cls) -> StndtConfig:
        """Published depth and width for the simulated Lorenz trials, 400 epochs (ours)."""
        return replace(cls.tutorial(), **_LARGER, n_epochs=400, warmup_epochs=20)

    @classmethod
    def reach_small_data(cls) -> StndtConfig:
        """Published depth and width for a hundred recorded reaches, 600 epochs (ours)."""
        larger = replace(cls.reach_tutorial(), **_LARGER, n_epochs=600, warmup_epochs=40)
        return replace(larger, dropout=0.3, rate_dropout=0.3, embedding_dropout=0.3)


_LARGER = {
    "n_layers": 4,
    "feedforward": 128,
    "dead_parameters": True,
    "batch_size": 64,
    "learning_rate": 2e-3,
}


def learning_rate(epoch: int, config: StndtConfig) -> float:
    """Learning rate in an epoch (0 first): linear warm-up, then a cosine towards 0.

    Source: configuration of the authors' repository; both are counted in epochs.
    """
    if epoch < config.warmup_epochs:
        return config.learning_rate * (epoch + 1) / config.warmup_epochs
    done = (epoch - config.warmup_epochs) / (config.n_epochs - config.warmup_epochs)
    return config.learning_rate * (1 + math.cos(math.pi * min(1.0, done))) / 2


def span_probability(epoch: int, config: StndtConfig) -> float:
    """Probability that a batch of this epoch is masked in spans: a ramp from 0 to 1."""
    if config.mask_max_span == 1:
        return 0.0
    start, end = config.span_ramp
    return min(max((epoch - start) / max(end - start, 1), 0.0), 1.0)
