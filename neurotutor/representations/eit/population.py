"""The baseline that mixes all channels at once: one population vector a bin, one transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from neurotutor.checks import as_count

from .layers import Attention, mlp, seeded
from .model import require_series


@dataclass(frozen=True)
class PopulationConfig:
    """Hyperparameters of the population transformer; defaults are those for neural recordings.

    Raises:
        ValueError: if a value is out of range.

    Source: Liu et al. (2022), NDT-like baseline of the repository nerdslab/EIT.
    """

    width: int | None = None  # W; None: 2N for one feature, N c for more
    n_layers: int = 4  # 2 for bodies
    n_heads: int = 6
    head_width: int = 64
    expansion: int = 2  # of the MLP
    dropout: float | int = 0.5  # 0 in the two-body script
    learning_rate: float | int = 1e-4  # 5e-4 for two bodies, 1e-3 for three

    def __post_init__(self):
        """Refuse what cannot be built."""
        for name in ("n_layers", "n_heads", "head_width", "expansion"):
            as_count(name, getattr(self, name))
        if self.width is not None:
            as_count("width", self.width)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be > 0, got {self.learning_rate}")

    @classmethod
    def bodies(cls) -> PopulationConfig:
        """Two layers without dropout, as published for two pairs."""
        return cls(n_layers=2, dropout=0.0, learning_rate=5e-4)

    @classmethod
    def bodies_tutorial(cls) -> PopulationConfig:
        """The same with heads as small as EIT's, and a larger rate (ours)."""
        return cls(n_layers=2, n_heads=2, head_width=16, dropout=0.0, learning_rate=2e-3)

    @classmethod
    def triples_tutorial(cls) -> PopulationConfig:
        """The same with as many heads as EIT has there: for two triples of bodies (ours)."""
        return cls(n_layers=2, n_heads=4, head_width=16, dropout=0.0, learning_rate=2e-3)


class PopulationOutput(NamedTuple):
    """`logits` of the classes for every bin, and the N numbers a bin that they are read from."""

    logits: Float[Tensor, "batch time classes"]
    features: Float[Tensor, "batch time channels"]


class _Layer(nn.Module):
    def __init__(self, width: int, config: PopulationConfig):
        super().__init__()
        self.norm_1 = nn.LayerNorm(width)
        self.attention = Attention(width, config.n_heads, config.head_width, config.dropout)
        self.norm_2 = nn.LayerNorm(width)
        self.mlp = mlp(width, config.expansion, config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm_1(x))
        return x + self.mlp(self.norm_2(x))


class PopulationTransformer(nn.Module):
    """A transformer over time whose token is the state of all channels in one bin.

    Args:
        n_channels: number N of channels.
        n_features: numbers c of a channel in a bin.
        n_classes: number of classes.
        n_bins: number of time bins; each has a learned embedding.
        config: sizes.
        seed: of the weights.

    Source: Liu et al. (2022), NDT-like baseline; Ye & Pandarinath (2021).
    """

    def __init__(
        self,
        n_channels: int,
        n_features: int,
        n_classes: int,
        n_bins: int,
        config: PopulationConfig | None = None,
        *,
        seed: int = 0,
    ):
        super().__init__()
        config = PopulationConfig() if config is None else config
        self.n_channels = as_count("n_channels", n_channels)
        self.n_features = as_count("n_features", n_features)
        n_inputs = n_channels * n_features
        width = config.width or (2 * n_channels if n_features == 1 else n_inputs)
        with seeded(seed):
            self.embed = nn.Linear(n_inputs, width)
            self.time_embedding = nn.Parameter(torch.randn(as_count("n_bins", n_bins), width))
            self.mask_token = nn.Parameter(torch.randn(width))
            self.layers = nn.ModuleList(_Layer(width, config) for _ in range(config.n_layers))
            self.channels = nn.Linear(width, n_channels)
            self.project = nn.Linear(n_channels, as_count("n_classes", n_classes, 2))

    def forward(
        self,
        x: Float[Tensor, "batch time channels features"],
        hidden: Bool[Tensor, "batch time"] | None = None,
    ) -> PopulationOutput:
        """Logits and features of every bin; bins marked `hidden` are replaced by the mask token.

        Raises:
            ValueError: if a shape is wrong or a value is not finite.
        """
        require_series(x, self.n_features)
        if x.shape[1:3] != (len(self.time_embedding), self.n_channels):
            raise ValueError(
                f"this network was built for {len(self.time_embedding)} bins of "
                f"{self.n_channels} channels, got {x.shape[1]} of {x.shape[2]}"
            )
        tokens = self.embed(x.flatten(2))
        if hidden is not None:
            tokens = torch.where(hidden[..., None], self.mask_token, tokens)
        tokens = tokens + self.time_embedding
        for layer in self.layers:
            tokens = layer(tokens)
        features = self.channels(tokens)
        return PopulationOutput(self.project(features), features)

    def rates(
        self, counts: Float[Tensor, "batch time channels 1"], hidden: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time channels"]:
        """Expected counts of all bins when the hidden ones are guessed from the others."""
        return F.softplus(self(counts, hidden).features)


def hide_bins(
    n_samples: int, n_bins: int, ratio: float | int, *, generator: torch.Generator | None = None
) -> Bool[Tensor, "samples bins"]:
    """Choose the same number of bins to hide in every sample: round(ratio times bins), at least 1.

    Raises:
        ValueError: if the ratio does not lie strictly between 0 and 1, or hides every bin.

    Source: Liu et al. (2022): 1/2 for windows of 2 bins, 1/6 for windows of 6.
    """
    if not 0 < ratio < 1:
        raise ValueError(f"ratio must lie strictly between 0 and 1, got {ratio}")
    n_samples, n_bins = as_count("n_samples", n_samples), as_count("n_bins", n_bins, 2)
    n_hidden = max(1, round(ratio * n_bins))
    if n_hidden >= n_bins:
        raise ValueError(f"ratio {ratio} hides all {n_bins} bins; lower it")
    order = torch.rand(n_samples, n_bins, generator=generator).argsort(dim=1)
    return order < n_hidden


def masked_poisson_loss(
    rates: Float[Tensor, "batch time channels"],
    counts: Float[Tensor, "batch time channels"],
    hidden: Bool[Tensor, "batch time"],
) -> Float[Tensor, ""]:
    """Mean of rate - count log(rate) over the hidden bins, on raw counts.

    Args:
        rates: expected counts, positive.
        counts: spikes, not centred.
        hidden: which bins were hidden; at least one.

    Raises:
        ValueError: if counts are negative (centred rates?) or no bin is hidden.

    Source: Liu et al. (2022), BERT-like baseline; the published call swaps the two arguments.
    """
    if (counts < 0).any():
        raise ValueError("counts are negative; a Poisson loss needs raw counts, not centred rates")
    if not hidden.any():
        raise ValueError("no bin is hidden; draw the mask with hide_bins")
    return F.poisson_nll_loss(rates[hidden], counts[hidden], log_input=False)
