"""The losses of Swap-VAE, each on given tensors, and their weighted sum."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from neurotutor.representations.myow.views import require_finite

# Softplus can underflow to 0, and 0 log 0 would be NaN.
EPSILON = 1e-7


class Latents(NamedTuple):
    """What the encoder says of a batch: content, and mean and log-variance of the style."""

    content: Tensor
    mean: Tensor
    log_variance: Tensor


class Weights(NamedTuple):
    """How often each term counts in the total, before gamma and eta."""

    reconstruction: float = 1.0
    swap: float = 1.0
    kl: float = 1.0
    alignment: float = 1.0


class Losses(NamedTuple):
    """The four terms without their weights, and the weighted total."""

    reconstruction: Tensor
    swap: Tensor
    kl: Tensor
    alignment: Tensor
    total: Tensor


# What the code calls ablation types 0 to 7, in its order.
ABLATIONS: dict[str, Weights] = {
    "full": Weights(),
    "like a beta-VAE": Weights(reconstruction=2, swap=0, alignment=0),
    "like a VAE": Weights(reconstruction=2, swap=0, kl=0.2, alignment=0),
    "no alignment": Weights(alignment=0),
    "no swap": Weights(reconstruction=2, swap=0),
    "swap only": Weights(reconstruction=0, swap=2, alignment=0),
    "no decoder": Weights(reconstruction=0, swap=0),
    "alignment only": Weights(reconstruction=0, swap=0, kl=0),
}


def poisson_loss(
    rates: Float[Tensor, "samples neurons"], predicted: Float[Tensor, "samples neurons"]
) -> Float[Tensor, ""]:
    """Negative log-likelihood of Poisson rates, without the part that no prediction changes.

    Args:
        rates: what was seen, Hz (or counts), shape (samples, neurons).
        predicted: what the decoder says, same unit and shape, >= 0.

    Returns:
        Sum over neurons of `predicted - rates log predicted`, mean over samples. It may be
        negative.

    Raises:
        ValueError: if shapes differ, or a rate is negative or not finite.

    Source: Liu et al. (2021), reconstruction loss of the code, with 1e-7 inside the logarithm.
    """
    _require_alike(rates=rates, predicted=predicted)
    _require_rates(rates=rates, predicted=predicted)
    return _poisson(rates, predicted)


def _poisson(rates: Tensor, predicted: Tensor) -> Tensor:
    return (predicted - rates * torch.log(predicted + EPSILON)).sum() / len(rates)


def kl_divergence(
    mean: Float[Tensor, "samples style"], log_variance: Float[Tensor, "samples style"]
) -> Float[Tensor, ""]:
    """KL divergence from N(0, I) of the style's Gaussian: how many nats the style may carry.

    Args:
        mean: mu, shape (samples, style).
        log_variance: logarithm of the variance, same shape.

    Returns:
        Sum over dimensions, mean over samples; nats, >= 0.

    Raises:
        ValueError: if shapes differ or a value is not finite.

    Source: Liu et al. (2021); Kingma & Welling (2014), appendix B.
    """
    _require_alike(mean=mean, log_variance=log_variance)
    return _kl(mean, log_variance)


def _kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum() / len(mean)


def alignment_loss(
    content_1: Float[Tensor, "samples content"], content_2: Float[Tensor, "samples content"]
) -> Float[Tensor, ""]:
    """Mean squared distance of the paired contents, each scaled to unit length: 2 - 2 cos.

    Raises:
        ValueError: if shapes differ or a value is not finite.

    Source: Liu et al. (2021), alignment loss of the code.
    """
    _require_alike(content_1=content_1, content_2=content_2)
    return _alignment(content_1, content_2)


def _alignment(content_1: Tensor, content_2: Tensor) -> Tensor:
    return (F.normalize(content_1, dim=1) - F.normalize(content_2, dim=1)).square().sum(1).mean()


def swap_vae_loss(
    views: tuple[Tensor, Tensor],
    reconstructed: tuple[Tensor, Tensor],
    swapped: tuple[Tensor, Tensor],
    latents: tuple[Latents, Latents],
    *,
    kl_weight: float = 10.0,
    alignment_weight: float = 1.0,
    weights: Weights = ABLATIONS["full"],
) -> Losses:
    """All terms of Swap-VAE for one batch of paired views, and their weighted sum.

    Args:
        views: x_1 and x_2, Hz, each (samples, neurons).
        reconstructed: each view decoded from its own content and style, same shapes.
        swapped: each view decoded from the *other* view's content and its own style.
        latents: what the encoder says of each view.
        kl_weight: gamma (the code's alpha).
        alignment_weight: eta (the code's beta).
        weights: which terms count, and how often; one of `ABLATIONS`.

    Returns:
        `reconstruction`, `swap`, `kl`: means over the two views. `alignment`: of the contents.
        `total`: their sum with `weights`, gamma and eta.

    Raises:
        ValueError: if shapes differ, a value is not finite, a rate is negative, or a weight is.

    Source: Liu et al. (2021), total loss of the code.
    """
    for name, value in (("kl_weight", kl_weight), ("alignment_weight", alignment_weight)):
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} must be a finite number >= 0, got {value}")
    (x_1, x_2), (first, second) = views, latents
    for rates, *predictions in zip(views, reconstructed, swapped, strict=True):
        for predicted in predictions:
            _require_one_shape(rates=rates, predicted=predicted)
    for each in latents:
        _require_one_shape(mean=each.mean, log_variance=each.log_variance)
    _require_one_shape(content_1=first.content, content_2=second.content)

    reconstruction = (_poisson(x_1, reconstructed[0]) + _poisson(x_2, reconstructed[1])) / 2
    swap = (_poisson(x_1, swapped[0]) + _poisson(x_2, swapped[1])) / 2
    kl = (_kl(*first[1:]) + _kl(*second[1:])) / 2
    alignment = _alignment(first.content, second.content)
    terms = (
        (weights.swap, swap),
        (weights.reconstruction, reconstruction),
        (weights.kl * kl_weight, kl),
        (weights.alignment * alignment_weight, alignment),
    )
    # A term that does not count gets no gradient, rather than one of zeros that costs as much.
    total = sum((weight * term for weight, term in terms if weight), start=torch.zeros_like(kl))
    losses = Losses(reconstruction, swap, kl, alignment, total)
    if not torch.stack(losses).detach().isfinite().all() or min(x_1.min(), x_2.min()) < 0:
        # Looked at once for the whole sum: this runs in every training step.
        for rates, *predictions in zip(views, reconstructed, swapped, strict=True):
            for predicted in predictions:
                poisson_loss(rates, predicted)
        for each in latents:
            kl_divergence(each.mean, each.log_variance)
        alignment_loss(first.content, second.content)
        raise ValueError("the loss is infinite although its inputs are not; lower learning_rate")
    return losses


def _require_one_shape(**pair: Tensor) -> None:
    (name, first), (other, second) = pair.items()
    if first.shape != second.shape:
        raise ValueError(
            f"{name} and {other} must have one shape, got {tuple(first.shape)} and "
            f"{tuple(second.shape)}"
        )


def _require_alike(**pair: Tensor) -> None:
    for name, values in pair.items():
        require_finite(name, values)
    _require_one_shape(**pair)


def _require_rates(**tensors: Tensor) -> None:
    for name, values in tensors.items():
        if values.detach().min() < 0:
            raise ValueError(f"{name} must not be negative; pass rates in Hz, not standardised")
