"""What training minimises: the likelihood of hidden counts, and agreement of two corruptions."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def masked_poisson_loss(
    log_rates: Float[Tensor, "*axes"], labels: Float[Tensor, "*axes"]
) -> Float[Tensor, ""]:
    """Mean Poisson loss e^l - x l over the labelled entries (labels of 0 or more).

    Args:
        log_rates: logarithm of expected spikes per bin.
        labels: true counts, and -100 where nothing is asked; these get a gradient of exactly 0.

    Raises:
        ValueError: if shapes differ or nothing is labelled.

    Source: Ye & Pandarinath (2021), masked loss; without the constant log x!.
    """
    if log_rates.shape != labels.shape:
        raise ValueError(
            "log_rates and labels must have one shape, got "
            f"{tuple(log_rates.shape)} and {tuple(labels.shape)}"
        )
    asked = labels >= 0
    count = asked.sum()
    if count == 0:
        raise ValueError("no entry is labelled; raise the mask ratio or hold neurons out")
    each = log_rates.exp() - labels * log_rates
    return (each * asked).sum() / count


def contrastive_loss(
    first: Float[Tensor, "pairs features"],
    second: Float[Tensor, "pairs features"],
    temperature: float = 0.07,
) -> Float[Tensor, ""]:
    """NT-Xent: each of the 2B feature vectors must find its partner among all others.

    Args:
        first: features of one corruption of each trial; lengths do not matter.
        second: features of the other corruption, in the same order.
        temperature: tau; small values make the loss look at the nearest rivals only.

    Returns:
        Mean cross-entropy over 2B vectors, in nats.

    Raises:
        ValueError: if shapes differ, there is no pair, or the temperature is not positive.

    Source: Chen et al. (2020), eq. 1; used by Le & Shlizerman (2022).
    """
    if first.shape != second.shape or len(first) < 1:
        raise ValueError(
            "first and second must hold the same pairs, at least 1, got "
            f"{tuple(first.shape)} and {tuple(second.shape)}"
        )
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    both = F.normalize(torch.cat([first, second]), dim=1)
    likeness = both @ both.T / temperature
    likeness.fill_diagonal_(-torch.inf)
    partner = torch.arange(len(both), device=both.device).roll(len(first))
    return F.cross_entropy(likeness, partner)


def total_loss(
    masked: Float[Tensor, ""],
    temporal: Float[Tensor, ""],
    spatial: Float[Tensor, ""],
    weight: float,
) -> Float[Tensor, ""]:
    """L = L_mask + lambda (L_c temporal + L_c spatial).

    Raises:
        ValueError: if the weight lambda is negative.

    Source: Le & Shlizerman (2022), code of the loss.
    """
    if weight < 0:
        raise ValueError(f"weight must be 0 or greater, got {weight}")
    return masked + weight * (temporal + spatial)
