"""The parts of both transformers: attention over time, attention over neurons, one layer."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from .config import StndtConfig


def sinusoids(length: int, width: int) -> Float[Tensor, "length width"]:
    """Code of positions: sin(p 10000^(-2i/d)) in even columns, cos of the same in odd ones.

    Positions start at 0. An odd width has one cosine less.

    Source: Vaswani et al. (2017), section 3.5; used by NDT and STNDT.
    """
    position = torch.arange(length, dtype=torch.float64)[:, None]
    rate = torch.exp(-math.log(10_000.0) * torch.arange(0, width, 2, dtype=torch.float64) / width)
    code = torch.zeros(length, width, dtype=torch.float64)
    code[:, 0::2] = torch.sin(position * rate)
    code[:, 1::2] = torch.cos(position * rate)[:, : width // 2]
    return code.float()


def context_mask(
    n_bins: int, backward: int, forward: int, device: torch.device | str = "cpu"
) -> Bool[Tensor, "queries keys"] | None:
    """Which bins a bin may attend to: True for t - backward <= s <= t + forward.

    Args:
        n_bins: length of a trial.
        backward: bins of the past; negative for all of them.
        forward: bins of the future; negative for all of them.
        device: where the mask is made.

    Returns:
        The mask, or `None` if every bin sees every bin.

    Source: Ye & Pandarinath (2021), context of NDT.
    """
    back = n_bins if backward < 0 else backward
    ahead = n_bins if forward < 0 else forward
    if back >= n_bins - 1 and ahead >= n_bins - 1:
        return None
    gap = torch.arange(n_bins, device=device)
    gap = gap[None, :] - gap[:, None]
    return (gap >= -back) & (gap <= ahead)


def temporal_attention(
    query: Float[Tensor, "batch heads queries width"],
    key: Float[Tensor, "batch heads keys width"],
    value: Float[Tensor, "batch heads keys width"],
    mask: Bool[Tensor, "queries keys"] | None = None,
) -> Float[Tensor, "batch heads queries width"]:
    """softmax(Q K' / sqrt(width)) V over time, by PyTorch's fused kernel.

    Args:
        query: what a bin looks for.
        key: what a bin offers to be found by.
        value: what it hands on.
        mask: True where a query may see a key; `None` lets everybody see everybody.

    Source: Vaswani et al. (2017), eq. 1.
    """
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def spatial_weights(
    query: Float[Tensor, "batch heads neurons width"],
    key: Float[Tensor, "batch heads neurons width"],
) -> Float[Tensor, "batch neurons neurons"]:
    """How much each neuron (row) attends to each other (column), averaged over heads.

    Args:
        query: one vector per neuron and head, made from its time course.
        key: the same.

    Returns:
        Mean over heads of softmax(Q K' / sqrt(width)); each row sums to 1.

    Source: Le & Shlizerman (2022), spatial attention.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    return scores.softmax(dim=-1).mean(dim=1)


def mix_neurons(
    weights: Float[Tensor, "batch neurons neurons"], features: Float[Tensor, "batch bins neurons"]
) -> Float[Tensor, "batch bins neurons"]:
    """Replace each neuron's time course by the attention-weighted mean of all of them.

    Args:
        weights: A, rows sum to 1.
        features: temporal features; they are the values of this attention.

    Returns:
        (A features')', so entry [t, i] is sum_j A_ij features[t, j].

    Source: Le & Shlizerman (2022), spatial attention.
    """
    return features @ weights.transpose(-2, -1)


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself, its parameters named as PyTorch names them.

    Args:
        width: of a token; must be a multiple of `n_heads`.
        n_heads: number of heads.

    Raises:
        ValueError: if the heads do not divide the width.
    """

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        if width % n_heads:
            raise ValueError(
                f"{n_heads} heads do not divide a token of width {width}; choose another number "
                "of heads, or leave a neuron or a bin out"
            )
        self.n_heads = n_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        tokens: Float[Tensor, "batch length width"],
        mask: Bool[Tensor, "length length"] | None = None,
    ) -> Float[Tensor, "batch length width"]:
        """Attend, and project the heads back to the width of a token."""
        projected = F.linear(tokens, self.in_proj_weight, self.in_proj_bias)
        batch, length, width = tokens.shape
        heads = projected.view(batch, length, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        mixed = temporal_attention(*heads.unbind(), mask)
        return self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))


class SpatialAttention(nn.Module):
    """The weights of attention between neurons; there are no values of its own.

    Args:
        n_bins: length of a neuron's time course, the width of a token; a multiple of `n_heads`.
        n_heads: number of heads.
        dead_parameters: also keep the value and output maps that the published module holds and
            never uses, so that weights and parameter counts match.

    Raises:
        ValueError: if the heads do not divide the number of bins.
    """

    def __init__(self, n_bins: int, n_heads: int, *, dead_parameters: bool):
        super().__init__()
        if n_bins % n_heads:
            raise ValueError(
                f"{n_heads} heads do not divide {n_bins} bins; choose another number of heads, "
                "or leave a bin out"
            )
        self.n_heads = n_heads
        rows = 3 if dead_parameters else 2
        self.in_proj_weight = nn.Parameter(torch.empty(rows * n_bins, n_bins))
        self.in_proj_bias = nn.Parameter(torch.zeros(rows * n_bins))
        # Xavier of the published shape, so that both forms start alike.
        bound = math.sqrt(6 / (4 * n_bins))
        nn.init.uniform_(self.in_proj_weight, -bound, bound)
        if dead_parameters:
            self.out_proj = nn.Linear(n_bins, n_bins)

    def forward(
        self, courses: Float[Tensor, "batch neurons bins"]
    ) -> Float[Tensor, "batch neurons neurons"]:
        """Weights between neurons from their time courses."""
        batch, n_neurons, n_bins = courses.shape
        projected = F.linear(
            courses, self.in_proj_weight[: 2 * n_bins], self.in_proj_bias[: 2 * n_bins]
        )
        heads = projected.view(batch, n_neurons, 2, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        return spatial_weights(*heads.unbind())


def _feed_forward(
    x: Tensor, first: nn.Linear, second: nn.Linear, drop: nn.Dropout
) -> Float[Tensor, "batch bins width"]:
    return second(drop(F.relu(first(x))))


class TemporalLayer(nn.Module):
    """One layer of NDT: attention over time, then a feed-forward network, each with a skip.

    Args:
        width: of a token, one per bin.
        config: sizes, dropout, place of the LayerNorm.

    Source: Ye & Pandarinath (2021).
    """

    def __init__(self, width: int, config: StndtConfig):
        super().__init__()
        self.pre_norm = config.pre_norm
        self.self_attn = SelfAttention(width, config.n_heads)
        self.linear1 = nn.Linear(width, config.feedforward)
        self.linear2 = nn.Linear(config.feedforward, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.drop = nn.Dropout(config.dropout)
        if config.fixup:
            factor = 0.67 * config.n_layers**-0.25
            with torch.no_grad():
                for linear in (self.linear1, self.linear2, self.self_attn.out_proj):
                    linear.weight.mul_(factor)

    def forward(
        self,
        state: Float[Tensor, "batch bins width"],
        mask: Bool[Tensor, "bins bins"] | None = None,
    ) -> Float[Tensor, "batch bins width"]:
        """The state after this layer."""
        if self.pre_norm:
            state = state + self.drop(self.self_attn(self.norm1(state), mask))
            inner = _feed_forward(self.norm2(state), self.linear1, self.linear2, self.drop)
            return state + self.drop(inner)
        state = self.norm1(state + self.drop(self.self_attn(state, mask)))
        inner = _feed_forward(state, self.linear1, self.linear2, self.drop)
        return self.norm2(state + self.drop(inner))


class SpatiotemporalLayer(nn.Module):
    """One layer of STNDT: NDT's layer, then mixing of neurons, then a second feed-forward network.

    Args:
        n_neurons: width of a temporal token.
        n_bins: width of a spatial token.
        config: sizes, dropout, place of the LayerNorm.

    Source: Le & Shlizerman (2022), figure 1.
    """

    def __init__(self, n_neurons: int, n_bins: int, config: StndtConfig):
        super().__init__()
        self.pre_norm = config.pre_norm
        self.temporal = TemporalLayer(n_neurons, config)
        self.spatial_attn = SpatialAttention(
            n_bins, config.n_heads, dead_parameters=config.dead_parameters
        )
        self.spatial_norm = nn.LayerNorm(n_bins)
        self.linear3 = nn.Linear(n_neurons, config.feedforward)
        self.linear4 = nn.Linear(config.feedforward, n_neurons)
        self.mix_norm, self.out_norm = nn.LayerNorm(n_neurons), nn.LayerNorm(n_neurons)
        self.drop = nn.Dropout(config.dropout)

    def weights(
        self, courses: Float[Tensor, "batch neurons bins"]
    ) -> Float[Tensor, "batch neurons neurons"]:
        """Attention between neurons for their present time courses."""
        return self.spatial_attn(self.spatial_norm(courses) if self.pre_norm else courses)

    def forward(
        self,
        state: Float[Tensor, "batch bins neurons"],
        weights: Float[Tensor, "batch neurons neurons"] | None,
        mask: Bool[Tensor, "bins bins"] | None = None,
    ) -> Float[Tensor, "batch bins neurons"]:
        """The temporal state after this layer; its transpose is the next spatial state.

        Without weights no neuron is mixed with another, as if they were the identity.
        """
        state = self.temporal(state, mask)
        if self.pre_norm:
            features = self.mix_norm(state)
            mixed = features if weights is None else mix_neurons(weights, features)
            state = state + self.drop(mixed)
            inner = _feed_forward(self.out_norm(state), self.linear3, self.linear4, self.drop)
            return state + self.drop(inner)
        mixed = state if weights is None else mix_neurons(weights, state)
        state = self.mix_norm(state + self.drop(mixed))
        inner = _feed_forward(state, self.linear3, self.linear4, self.drop)
        return self.out_norm(state + self.drop(inner))
