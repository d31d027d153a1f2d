"""The networks: an autoencoder whose latent vector has two blocks, and a plain VAE beside it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from neurotutor.representations.myow import evaluating
from neurotutor.representations.myow.views import require_finite

from .config import SwapVaeConfig
from .losses import (
    ABLATIONS,
    Latents,
    Losses,
    Weights,
    kl_divergence,
    poisson_loss,
    swap_vae_loss,
)


def make_encoder(n_neurons: int, n_outputs: int, config: SwapVaeConfig) -> nn.Sequential:
    """Rates to latents: two hidden layers of N and `hidden` units, batch-normalised, ReLU."""
    return nn.Sequential(
        *_layer(n_neurons, n_neurons, config),
        *_layer(n_neurons, config.hidden, config),
        nn.Linear(config.hidden, n_outputs),
    )


def make_decoder(n_neurons: int, config: SwapVaeConfig) -> nn.Sequential:
    """Latents to rates: the encoder's layers in reverse; a softplus keeps rates positive."""
    return nn.Sequential(
        *_layer(config.latent, config.hidden, config),
        *_layer(config.hidden, n_neurons, config),
        nn.Linear(n_neurons, n_neurons),
        nn.Softplus(),
    )


def _layer(n_inputs: int, n_outputs: int, config: SwapVaeConfig) -> tuple[nn.Module, ...]:
    return (
        nn.Linear(n_inputs, n_outputs),
        CallwiseBatchNorm(n_outputs, momentum=config.batchnorm_momentum),
        nn.ReLU(inplace=True),
    )


class CallwiseBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of several calls at once, each normalised by itself.

    Swap-VAE sends two batches through the encoder and four through the decoder in every step, and
    in training each call has its own mean and variance. Stacked as (samples, calls, features),
    the calls share every matrix product and are still normalised one by one; the running
    statistics take them in, in their order. On (samples, features) this is `nn.BatchNorm1d`.
    """

    def forward(self, x: Float[Tensor, "samples *calls features"]) -> Tensor:
        """Normalise over samples, for each call and feature; same shape as `x`."""
        if x.ndim == 2 or not self.training:
            return super().forward(x.flatten(0, -2)).view_as(x)
        samples, calls, features = x.shape
        mean, variance = x.new_zeros(calls * features), x.new_ones(calls * features)
        normalised = F.batch_norm(
            x.reshape(samples, calls * features),
            mean,
            variance,
            self.weight.repeat(calls),
            self.bias.repeat(calls),
            training=True,
            momentum=1.0,  # so that `mean` and `variance` come back as those of this batch
            eps=self.eps,
        )
        for each in mean.view(calls, features):
            self.running_mean.lerp_(each, self.momentum)
        for each in variance.view(calls, features):
            self.running_var.lerp_(each, self.momentum)
        self.num_batches_tracked += calls
        return normalised.view_as(x)


def sample_style(
    mean: Float[Tensor, "samples style"],
    log_variance: Float[Tensor, "samples style"],
    noise: Float[Tensor, "samples style"],
) -> Float[Tensor, "samples style"]:
    """Draw a style: mean plus standard deviation times standard normal `noise`.

    Raises:
        ValueError: if shapes differ.

    Source: Kingma & Welling (2014), reparametrisation.
    """
    if not mean.shape == log_variance.shape == noise.shape:
        raise ValueError(
            "mean, log_variance and noise must have one shape, got "
            f"{tuple(mean.shape)}, {tuple(log_variance.shape)} and {tuple(noise.shape)}"
        )
    return mean + (log_variance / 2).exp() * noise


def block_swap(
    latent_1: Float[Tensor, "samples latent"],
    latent_2: Float[Tensor, "samples latent"],
    n_content: int,
) -> tuple[Float[Tensor, "samples latent"], Float[Tensor, "samples latent"]]:
    """Exchange the first `n_content` entries of two latent vectors; styles stay where they are.

    Returns:
        (content 2, style 1) and (content 1, style 2). Swapping twice gives back what came in.

    Raises:
        ValueError: if shapes differ, or there are not more than `n_content` entries.

    Source: Liu et al. (2021), BlockSwap.
    """
    if latent_1.shape != latent_2.shape or latent_1.ndim != 2:
        raise ValueError(
            "latents must be two batches of one shape, got "
            f"{tuple(latent_1.shape)} and {tuple(latent_2.shape)}"
        )
    if not 0 < n_content < latent_1.shape[1]:
        raise ValueError(f"n_content must lie in 1..{latent_1.shape[1] - 1}, got {n_content}")
    content_1, style_1 = latent_1[:, :n_content], latent_1[:, n_content:]
    content_2, style_2 = latent_2[:, :n_content], latent_2[:, n_content:]
    return torch.cat([content_2, style_1], 1), torch.cat([content_1, style_2], 1)


class Outputs(NamedTuple):
    """What one pass over two views makes."""

    latents: tuple[Latents, Latents]
    reconstructed: tuple[Tensor, Tensor]
    swapped: tuple[Tensor, Tensor]


class _Autoencoder(nn.Module):
    """Encoder, decoder, and the checks that both models share."""

    def __init__(self, n_neurons: int, config: SwapVaeConfig | None = None, *, seed: int = 0):
        super().__init__()
        if n_neurons < 1:
            raise ValueError(f"n_neurons must be at least 1, got {n_neurons}")
        self.n_neurons = n_neurons
        self.config = config = SwapVaeConfig() if config is None else config
        # Layers draw from PyTorch's global generator; fork it so that the caller's is untouched.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = make_encoder(n_neurons, self.n_outputs_of(config), config)
            self.decoder = make_decoder(n_neurons, config)
            for layer in self.modules():
                if isinstance(layer, nn.Linear):
                    nn.init.kaiming_normal_(layer.weight)
                    nn.init.zeros_(layer.bias)

    def decode(self, latent: Float[Tensor, "samples latent"]) -> Float[Tensor, "samples neurons"]:
        """Rates in Hz from latent vectors, shape (samples, L) to (samples, neurons).

        Raises:
            ValueError: if the width is wrong or a value is not finite.
        """
        require_finite("latent", latent)
        if latent.shape[1] != self.config.latent:
            raise ValueError(
                f"latent must have {self.config.latent} columns, got {latent.shape[1]}"
            )
        return self.decoder(latent)

    def _encoded(self, rates: Tensor) -> Tensor:
        require_finite("rates", rates.flatten(0, -2))
        if rates.shape[-1] != self.n_neurons:
            raise ValueError(f"rates must have {self.n_neurons} neurons, got {rates.shape[-1]}")
        if rates.min() < 0:
            raise ValueError("rates must not be negative; pass spike counts / bin size")
        if self.training and len(rates) < 2:
            raise ValueError("rates has 1 sample; BatchNorm needs at least 2 in training")
        return self.encoder(rates)


class SwapVAE(_Autoencoder):
    """Autoencoder with a deterministic content block and a random style block.

    Args:
        n_neurons: N.
        config: sizes and weights; the authors' where left out.
        seed: of the initial weights.

    Raises:
        ValueError: if `n_neurons` is smaller than 1.

    Source: Liu et al. (2021), modules of SwapVAE.
    """

    @staticmethod
    def n_outputs_of(config: SwapVaeConfig) -> int:
        """L + S: content, mean and log-variance of the style."""
        return config.latent + config.style

    def encode(self, rates: Float[Tensor, "samples neurons"]) -> Latents:
        """Content, and mean and log-variance of the style; rates in Hz, shape (samples, neurons).

        Raises:
            ValueError: if the number of neurons differs, a rate is negative or not finite, or
                there is a single sample in training mode.
        """
        content, style = self.config.content, self.config.style
        return Latents(*self._encoded(rates).split([content, style, style], dim=1))

    def forward(
        self,
        view_1: Float[Tensor, "samples neurons"],
        view_2: Float[Tensor, "samples neurons"],
        noise: tuple[Tensor, Tensor],
    ) -> Outputs:
        """Encode two views, and decode both with their own and with the other's content.

        Two calls of the encoder and four of the decoder, as in the authors' code. They are stacked,
        and batch normalisation still sees one view, or one combination, at a time.

        Args:
            view_1: Hz, shape (samples, neurons).
            view_2: the paired views, same shape.
            noise: standard normal draws for the two styles, each (samples, style).

        Raises:
            ValueError: as `encode` does, or if the views are not paired.
        """
        if view_1.shape != view_2.shape:
            raise ValueError(
                f"views must be paired, got {tuple(view_1.shape)} and {tuple(view_2.shape)}"
            )
        content, style = self.config.content, self.config.style
        encoded = self._encoded(torch.stack([view_1, view_2], 1)).unbind(1)
        latents = tuple(Latents(*each.split([content, style, style], 1)) for each in encoded)
        own_1, own_2 = (
            torch.cat([each.content, sample_style(each.mean, each.log_variance, draw)], 1)
            for each, draw in zip(latents, noise, strict=True)
        )
        mixed = block_swap(own_1, own_2, content)
        decoded = self.decoder(torch.stack([*mixed, own_1, own_2], 1)).unbind(1)
        return Outputs(latents, reconstructed=decoded[2:], swapped=decoded[:2])

    def loss(
        self,
        view_1: Float[Tensor, "samples neurons"],
        view_2: Float[Tensor, "samples neurons"],
        noise: tuple[Tensor, Tensor],
        *,
        weights: Weights = ABLATIONS["full"],
    ) -> Losses:
        """`swap_vae_loss` of one batch with the configured weights."""
        out = self(view_1, view_2, noise)
        return swap_vae_loss(
            (view_1, view_2),
            out.reconstructed,
            out.swapped,
            out.latents,
            kl_weight=self.config.kl_weight,
            alignment_weight=self.config.alignment_weight,
            weights=weights,
        )

    @torch.no_grad()
    def represent(self, rates: Float[Tensor, "samples neurons"]) -> Float[Tensor, "samples latent"]:
        """Content and mean of the style, side by side, in eval mode; the mode is given back.

        Raises:
            ValueError: as `encode` does.
        """
        with evaluating(self):
            latents = self.encode(rates)
        return torch.cat([latents.content, latents.mean], 1)

    @torch.no_grad()
    def generate(
        self,
        content: Float[Tensor, "samples content"],
        style: Float[Tensor, "samples style"],
    ) -> Float[Tensor, "samples neurons"]:
        """Rates in Hz from any content and any style, in eval mode; the mode is given back.

        Raises:
            ValueError: if widths are wrong or a value is not finite.
        """
        with evaluating(self):
            return self.decode(torch.cat([content, style], 1))


class VAE(_Autoencoder):
    """The same layers with all L latents random and no pairs: VAE and beta-VAE on rates.

    The authors' own baseline is written for binary inputs and 163 neurons and cannot take rates;
    this one is ours.

    Args:
        n_neurons: N.
        config: sizes; `style`, `max_jitter` and the weights are not used.
        seed: of the initial weights.

    Source: Kingma & Welling (2014); Higgins et al. (2017).
    """

    @staticmethod
    def n_outputs_of(config: SwapVaeConfig) -> int:
        """2 L: mean and log-variance of every latent."""
        return 2 * config.latent

    def encode(
        self, rates: Float[Tensor, "samples neurons"]
    ) -> tuple[Float[Tensor, "samples latent"], Float[Tensor, "samples latent"]]:
        """Mean and log-variance of all latents.

        Raises:
            ValueError: as `SwapVAE.encode` does.
        """
        mean, log_variance = self._encoded(rates).chunk(2, dim=1)
        return mean, log_variance

    def loss(
        self,
        rates: Float[Tensor, "samples neurons"],
        noise: Float[Tensor, "samples latent"],
        *,
        kl_weight: float,
    ) -> Losses:
        """Poisson loss plus `kl_weight` times KL; swap and alignment are 0."""
        mean, log_variance = self.encode(rates)
        predicted = self.decode(sample_style(mean, log_variance, noise))
        reconstruction, kl = poisson_loss(rates, predicted), kl_divergence(mean, log_variance)
        nothing = torch.zeros_like(kl)
        return Losses(reconstruction, nothing, kl, nothing, reconstruction + kl_weight * kl)

    @torch.no_grad()
    def represent(self, rates: Float[Tensor, "samples neurons"]) -> Float[Tensor, "samples latent"]:
        """Means of all latents in eval mode; the mode is given back."""
        with evaluating(self):
            return self.encode(rates)[0]
