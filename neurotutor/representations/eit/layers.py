"""The two kinds of transformer layer of EIT, and the attention inside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .config import EitConfig, Interaction


class Attention(nn.Module):
    """Multi-head self-attention whose heads keep their width, whatever the width of a token is.

    Args:
        dim: width d of a token.
        n_heads: number h of heads.
        head_width: width of a head; queries, keys and values have h times as many entries.
        dropout: on the output.

    Source: Liu et al. (2022), attention of both modules.
    """

    def __init__(self, dim: int, n_heads: int, head_width: int, dropout: float | int = 0.0):
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(dim, 3 * n_heads * head_width, bias=False)
        self.out = nn.Linear(n_heads * head_width, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Float[Tensor, "batch length dim"]) -> Tensor:
        """Every token becomes a weighted mean over all tokens of its sequence, projected back."""
        q, k, v = self._heads(tokens)
        mixed = attend(q, k, v)
        return self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))

    def weights(
        self, tokens: Float[Tensor, "batch length dim"]
    ) -> Float[Tensor, "batch heads length length"]:
        """Attention weights; entry [i, j] says how much token i takes from token j."""
        q, k, _ = self._heads(tokens)
        return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)

    def _heads(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        batch, length, _ = tokens.shape
        split = self.qkv(tokens).view(batch, length, 3, self.n_heads, -1)
        return split.permute(2, 0, 3, 1, 4).unbind(0)


def attend(
    q: Float[Tensor, "batch heads length width"],
    k: Float[Tensor, "batch heads length width"],
    v: Float[Tensor, "batch heads length width"],
) -> Float[Tensor, "batch heads length width"]:
    """Scaled dot-product attention: softmax of q k' / sqrt(width), times v, in one fused kernel.

    Source: Vaswani et al. (2017), equation 1.
    """
    return F.scaled_dot_product_attention(q, k, v)


def mlp(dim: int, expansion: int, dropout: float | int = 0.0) -> nn.Sequential:
    """Two linear layers with a GELU between them, and dropout after both."""
    return nn.Sequential(
        nn.Linear(dim, expansion * dim),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(expansion * dim, dim),
        nn.Dropout(dropout),
    )


class IndividualLayer(nn.Module):
    """One layer over the time bins of one channel.

    As published, nothing leads around the attention: what a bin was reaches the next layer only
    through the weighted mean over bins.

    Source: Liu et al. (2022), individual module.
    """

    def __init__(self, config: EitConfig):
        super().__init__()
        self.norm_1 = nn.LayerNorm(config.dim)
        self.attention = Attention(config.dim, config.n_heads, config.head_width)
        self.norm_2 = nn.LayerNorm(config.dim)
        self.mlp = mlp(config.dim, config.individual_expansion)
        self.skip = config.individual_skip

    def forward(self, z: Float[Tensor, "batch time dim"]) -> Tensor:
        """Attention over bins, then the MLP with its skip connection."""
        h = self.attention(self.norm_1(z))
        if self.skip:
            h = z + h
        return h + self.mlp(self.norm_2(h))


class InteractionLayer(nn.Module):
    """One layer over the channels of one time bin.

    In the form "attention" the second LayerNorm and the MLP exist and are not used: the published
    network has them, its parameter counts include them.

    Source: Liu et al. (2022), interaction module.
    """

    def __init__(self, config: EitConfig):
        super().__init__()
        self.form: Interaction = config.interaction
        self.norm_1 = nn.LayerNorm(config.dim)
        self.attention = Attention(config.dim, config.n_heads, config.head_width, config.dropout)
        self.norm_2 = nn.LayerNorm(config.dim)
        self.mlp = mlp(config.dim, config.interaction_expansion, config.dropout)

    def forward(self, u: Float[Tensor, "batch channels dim"]) -> Tensor:
        """Attention over channels; in the form "residual" also both skips and the MLP."""
        mixed = self.attention(self.norm_1(u))
        if self.form == "attention":
            return mixed
        u = u + mixed
        return u + self.mlp(self.norm_2(u))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Build a network inside: its weights come from this seed, the global generator stays as is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
