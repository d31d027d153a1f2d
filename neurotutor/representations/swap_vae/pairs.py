"""Which two bins make a pair, and what dropout does to them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurotutor.representations.myow.views import block_ends, drop_neurons

from .config import SwapVaeConfig


def list_pairs(block: Int[Tensor, " bins"], max_jitter: int) -> Int[Tensor, "pairs 2"]:
    """All ordered pairs of bins of one trial that lie at most `max_jitter` bins apart.

    A bin is paired with itself, too. Longer trials have more pairs, and bins in the middle of a
    trial are in more of them than those at its ends.

    Args:
        block: trial of each bin; the bins of a trial must be neighbours.
        max_jitter: K >= 0.

    Returns:
        Rows of the first and of the second bin, sorted.

    Raises:
        ValueError: if `max_jitter` is negative, or a trial occurs in two places.

    Source: Liu et al. (2021), pair sampler of the code.
    """
    if max_jitter < 0:
        raise ValueError(f"max_jitter must be at least 0 bins, got {max_jitter}")
    block_ends(block)
    rows = torch.arange(len(block), device=block.device)
    steps = torch.arange(-max_jitter, max_jitter + 1, device=block.device)
    partner = rows[:, None] + steps
    inside = (partner >= 0) & (partner < len(block))
    inside &= block[partner.clamp(0, len(block) - 1)] == block[:, None]
    return torch.stack([rows[:, None].expand_as(partner)[inside], partner[inside]], dim=1)


def draw_pairs(
    pairs: Int[Tensor, "pairs 2"], size: int, *, generator: torch.Generator | None = None
) -> tuple[Int[Tensor, " size"], Int[Tensor, " size"]]:
    """Rows of the two bins of `size` different pairs, all pairs equally likely.

    Raises:
        ValueError: if there are fewer pairs than asked for.
    """
    if not 0 < size <= len(pairs):
        raise ValueError(f"size must lie in 1..{len(pairs)} (the number of pairs), got {size}")
    chosen = pairs[torch.randperm(len(pairs), generator=generator, device=pairs.device)[:size]]
    return chosen[:, 0], chosen[:, 1]


def make_views(
    bins_1: Float[Tensor, "samples neurons"],
    bins_2: Float[Tensor, "samples neurons"],
    config: SwapVaeConfig,
    *,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "samples neurons"], Float[Tensor, "samples neurons"]]:
    """Randomised dropout of paired bins, if the configuration asks for it. Nothing is scaled.

    Args:
        bins_1: Hz, shape (samples, neurons).
        bins_2: the second bin of each pair, same shape.
        config: `dropout_max`, and whether both views share a mask.
        generator: source of randomness.

    Raises:
        ValueError: if a rate is not finite, or the bins are not paired.

    Source: Liu et al. (2021), transforms of the code; there, they are built and not applied.
    """
    if bins_1.shape != bins_2.shape:
        raise ValueError(
            f"bins must be paired, got {tuple(bins_1.shape)} and {tuple(bins_2.shape)}"
        )
    if config.dropout_max == 0:
        return bins_1, bins_2
    if config.dropout_shared:
        mask = drop_neurons(torch.ones_like(bins_1), config.dropout_max, generator=generator)
        return bins_1 * mask, bins_2 * mask
    first, second = (
        drop_neurons(bins, config.dropout_max, generator=generator) for bins in (bins_1, bins_2)
    )
    return first, second
