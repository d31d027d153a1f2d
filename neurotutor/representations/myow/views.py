"""Views of a moment: what may change in a population vector without changing what it says.

All functions act on firing rates in Hz, before normalisation, and return new tensors. Randomness
comes from a `torch.Generator` on the device of the rates.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .config import MyowConfig


def require_finite(name: str, values: Tensor) -> None:
    """Refuse anything but a floating-point tensor (rows, features) without NaN or infinity."""
    if not torch.is_tensor(values) or not values.is_floating_point():
        kind = values.dtype if torch.is_tensor(values) else type(values).__name__
        raise TypeError(f"{name} must be a floating-point tensor, got {kind}; use torch.as_tensor")
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(
            f"{name} must have shape (rows, features), neither empty, got {tuple(values.shape)}"
        )
    # A sum is finite unless an entry is not (or it overflows), and ten times cheaper to look at.
    if not math.isfinite(values.detach().sum().item()) and not torch.isfinite(values).all():
        raise ValueError(f"{name} holds NaN or infinite values; drop or fill those rows first")


def require_share(name: str, value: float) -> None:
    """Refuse a probability outside [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got {value}")


class Normaliser:
    """Standardise every neuron with the mean and the sd of the pretraining bins.

    Neurons that never change in those bins are removed: they have no scale and say nothing.

    Attributes:
        kept_: mask of the neurons that vary, shape (neurons,).
        mean_, sd_: mean m and unbiased standard deviation s of the kept neurons, Hz.

    Source: Azabou et al. (2021), myow-neuro: x <- (x - m) / s on train and validation bins.
    """

    kept_: Bool[Tensor, " neurons"]
    mean_: Float[Tensor, " kept"]
    sd_: Float[Tensor, " kept"]

    def fit(self, rates: Float[Tensor, "bins neurons"]) -> Normaliser:
        """Learn mean and sd from rates in Hz, shape (bins, neurons); returns itself.

        Raises:
            ValueError: if there are fewer than 2 bins, a value is not finite, or nothing varies.
        """
        require_finite("rates", rates)
        if len(rates) < 2:
            raise ValueError("rates must have at least 2 bins for a standard deviation, got 1")
        self.kept_ = (rates != rates[0]).any(dim=0)
        if not self.kept_.any():
            raise ValueError("no neuron varies over these bins; pass bins in which neurons fire")
        self.mean_ = rates[:, self.kept_].mean(dim=0)
        self.sd_ = rates[:, self.kept_].std(dim=0, unbiased=True)
        return self

    def keep(self, rates: Float[Tensor, "bins neurons"]) -> Float[Tensor, "bins kept"]:
        """Rates of the neurons that vary, in Hz, shape (bins, kept)."""
        if not hasattr(self, "kept_"):
            raise ValueError("this normaliser is not fitted; call fit(rates) first")
        require_finite("rates", rates)
        if rates.shape[1] != len(self.kept_):
            raise ValueError(f"rates must have {len(self.kept_)} neurons, got {rates.shape[1]}")
        return rates[:, self.kept_]

    def scale(self, rates: Float[Tensor, "bins kept"]) -> Float[Tensor, "bins kept"]:
        """Standardise rates of the kept neurons only (Hz in, no unit out)."""
        return (rates - self.mean_) / self.sd_

    def transform(self, rates: Float[Tensor, "bins neurons"]) -> Float[Tensor, "bins kept"]:
        """Drop the constant neurons and standardise the others, shape (bins, kept), no unit.

        Raises:
            ValueError: if not fitted, or the number of neurons differs.
        """
        return self.scale(self.keep(rates))


def drop_neurons(
    rates: Float[Tensor, "bins neurons"],
    maximum: float,
    *,
    probability: float = 1.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "bins neurons"]:
    """Silence a random share of neurons, a new share and new neurons for every sample.

    Args:
        rates: any unit, shape (bins, neurons).
        maximum: largest share p_max; each sample draws p ~ U(0, p_max).
        probability: share of samples that are touched at all.
        generator: source of randomness.

    Returns:
        Rates with each neuron set to 0 with its sample's probability p, same shape and unit.

    Raises:
        ValueError: if a share lies outside [0, 1] or a rate is not finite.

    Source: Azabou et al. (2021), randomised dropout of myow-neuro.
    """
    require_finite("rates", rates)
    require_share("maximum", maximum)
    require_share("probability", probability)
    share = maximum * _uniform(rates, 1, generator)
    if probability < 1:
        share = share * (_uniform(rates, 1, generator) < probability)
    return rates * (_uniform(rates, rates.shape[1], generator) >= share)


def add_pepper(
    rates: Float[Tensor, "bins neurons"],
    height: float,
    share: float,
    *,
    probability: float = 0.5,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "bins neurons"]:
    """Add a constant to a random share of neurons, in a random part of the samples.

    Args:
        rates: Hz, shape (bins, neurons).
        height: what is added, Hz, >= 0.
        share: probability of each neuron in a touched sample.
        probability: share of samples that are touched.
        generator: source of randomness.

    Returns:
        Rates in Hz, same shape.

    Raises:
        ValueError: if an argument is out of range or a rate is not finite.

    Source: Azabou et al. (2021), pepper of myow-neuro.
    """
    require_finite("rates", rates)
    require_share("share", share)
    require_share("probability", probability)
    if not 0 <= height < math.inf:
        raise ValueError(f"height must be a finite number >= 0 Hz, got {height}")
    rows = _touched(rates, probability, generator)
    hit = _uniform(rates[rows], rates.shape[1], generator) < share
    return rates.index_add(0, rows, hit.to(rates.dtype), alpha=height)


def add_noise(
    rates: Float[Tensor, "bins neurons"],
    sd: float,
    *,
    probability: float = 0.5,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "bins neurons"]:
    """Add Gaussian noise to all neurons, in a random part of the samples.

    Args:
        rates: Hz, shape (bins, neurons).
        sd: standard deviation, Hz, >= 0.
        probability: share of samples that are touched.
        generator: source of randomness.

    Returns:
        Rates in Hz, same shape; they may be negative.

    Raises:
        ValueError: if an argument is out of range or a rate is not finite.

    Source: Azabou et al. (2021), noise of myow-neuro.
    """
    require_finite("rates", rates)
    require_share("probability", probability)
    if not 0 <= sd < math.inf:
        raise ValueError(f"sd must be a finite number >= 0 Hz, got {sd}")
    rows = _touched(rates, probability, generator)
    shape = len(rows), rates.shape[1]
    noise = torch.randn(shape, generator=generator, device=rates.device, dtype=rates.dtype)
    return rates.index_add(0, rows, noise, alpha=sd)


def make_views(
    rates: Float[Tensor, "bins kept"],
    normaliser: Normaliser,
    config: MyowConfig,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "bins kept"]:
    """One random view of every bin: dropout, pepper and noise in Hz, then normalisation.

    The order matters. A noise of 1.5 Hz is small beside one spike in 100 ms (10 Hz); after
    normalisation the same number would be one and a half standard deviations of every neuron.

    Args:
        rates: Hz, only the neurons that `normaliser` keeps, shape (bins, kept).
        normaliser: fitted on the pretraining bins.
        config: strengths of the three augmentations.
        generator: source of randomness.

    Returns:
        Normalised views without unit, same shape.

    Raises:
        ValueError: if a rate is not finite.

    Source: Azabou et al. (2021), order of the transforms of myow-neuro.
    """
    views = drop_neurons(
        rates, config.dropout_max, probability=config.dropout_probability, generator=generator
    )
    if config.pepper_probability * config.pepper_share * config.pepper_height > 0:
        views = add_pepper(
            views,
            config.pepper_height,
            config.pepper_share,
            probability=config.pepper_probability,
            generator=generator,
        )
    if config.noise_probability * config.noise_sd > 0:
        views = add_noise(
            views, config.noise_sd, probability=config.noise_probability, generator=generator
        )
    return normaliser.scale(views)


def block_ends(block: Int[Tensor, " bins"]) -> Int[Tensor, " bins"]:
    """Row of the last bin of each bin's own trial (or block of recording).

    Args:
        block: trial or block number of each bin; the bins of one number must be neighbours.

    Returns:
        Row numbers, shape (bins,).

    Raises:
        ValueError: if a number occurs in two places.
    """
    if block.ndim != 1 or block.numel() == 0:
        raise ValueError(f"trial must have shape (bins,), not empty, got {tuple(block.shape)}")
    names, run, length = torch.unique_consecutive(block, return_inverse=True, return_counts=True)
    if len(names) > len(torch.unique(names)):
        raise ValueError(
            "trial numbers are not contiguous: a trial occurs in two places; sort bins by trial"
        )
    return (length.cumsum(0) - 1)[run]


def jitter(
    rows: Int[Tensor, " anchors"],
    last: Int[Tensor, " bins"],
    maximum: int,
    *,
    generator: torch.Generator | None = None,
) -> Int[Tensor, " anchors"]:
    """Rows of the positives: 0 to `maximum` bins later, but never beyond the trial.

    Args:
        rows: rows of the anchors.
        last: row of the last bin of each bin's trial, from `block_ends`.
        maximum: largest jitter in bins, >= 0; all steps 0 .. maximum are equally likely.
        generator: source of randomness.

    Returns:
        One row for each anchor; clipping makes the trial's last bin more likely.

    Raises:
        ValueError: if `maximum` is negative, or an anchor lies outside the bins.

    Source: Azabou et al. (2021), pair sampling of myow-neuro.
    """
    if maximum < 0:
        raise ValueError(f"maximum must be at least 0 bins, got {maximum}")
    if rows.numel() == 0 or rows.min() < 0 or rows.max() >= len(last):
        raise ValueError(f"rows must be row numbers 0..{len(last) - 1}, at least one")
    delta = torch.randint(maximum + 1, rows.shape, generator=generator, device=rows.device)
    return torch.minimum(rows + delta, last[rows])


def _uniform(like: Tensor, columns: int, generator: torch.Generator | None) -> Tensor:
    return torch.rand(len(like), columns, generator=generator, device=like.device, dtype=like.dtype)


def _touched(rates: Tensor, probability: float, generator: torch.Generator | None) -> Tensor:
    """Rows that an augmentation touches; only for these are further numbers drawn."""
    return (_uniform(rates, 1, generator) < probability).nonzero()[:, 0]
