"""The VQ-VAE: spectrogram to letters and back, with multi-band residual blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from neurotutor.checks import as_count
from neurotutor.perception.mi_net.config import MiNetConfig
from neurotutor.perception.mi_net.quantiser import VectorQuantizer, nearest_codes


class MultiBandResidual(nn.Module):
    """Residual convolutions over time, apart for each band of channels.

    Channels are frequencies here, so a band is a range of frequencies. There are two skips: with a
    residual branch of zero the block returns twice its input.

    Args:
        channels: C.
        n_bands: B, which must divide C; the weights shrink by this factor.

    Raises:
        ValueError: if B does not divide C.

    Source: the block of Wang & Yang (2019), PerformanceNet, as described there; that MI Net uses
    this very block is inferred.
    """

    def __init__(self, channels: int, n_bands: int = 4):
        super().__init__()
        channels, n_bands = as_count("channels", channels), as_count("n_bands", n_bands)
        if channels % n_bands:
            raise ValueError(f"n_bands must divide channels, got {n_bands} and {channels}")
        # A convolution in groups is one convolution for each band, side by side.
        self.first = nn.Conv1d(channels, channels, 3, padding=1, groups=n_bands)
        self.second = nn.Conv1d(channels, channels, 3, padding=1, groups=n_bands)

    def forward(
        self, x: Float[Tensor, "batch channels frames"]
    ) -> Float[Tensor, "batch channels frames"]:
        """Apply the block."""
        inner = functional.leaky_relu(_normalise(self.first(x)), 0.01)
        return x + (x + _normalise(self.second(inner)))


def _normalise(x: Float[Tensor, "batch channels frames"]) -> Float[Tensor, "batch channels frames"]:
    """Instance norm: each channel of each clip to mean 0 and variance 1 over time."""
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred * torch.rsqrt(centred.square().mean(dim=-1, keepdim=True) + 1e-5)


class Reconstruction(NamedTuple):
    """What the VQ-VAE makes of a batch.

    `spectra`: X-hat, standardised, shape (batch, bins, frames). `codes`: one for every two frames,
    shape (batch, frames / 2). `loss`: error plus beta times commitment, a scalar. `error`: mean
    squared error of the spectra, a scalar.
    """

    spectra: Tensor
    codes: Tensor
    loss: Tensor
    error: Tensor


class VQVAE(nn.Module):
    """Spectrogram to codes, one a video frame, and back.

    Inputs are log-spectrograms as `log_spectrogram` makes them. The network standardises them with
    two numbers that `set_scale` takes from the training clips and that stay with its weights.

    Args:
        config: sizes; default: paper scale.
        seed: of the first weights and of the codebook.

    Attributes:
        quantiser: the codebook.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, config: MiNetConfig | None = None, *, seed: int = 0):
        super().__init__()
        config = MiNetConfig() if config is None else config
        self.config = config
        c, d = config.channels, config.code_dim
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = nn.Sequential(
                nn.Conv1d(config.bins, c, 3, padding=1),
                *_chain(c, config.bands),
                nn.LeakyReLU(0.01),
                nn.Conv1d(c, c, 4, stride=2, padding=1),
                nn.LeakyReLU(0.01),
                nn.Conv1d(c, d, 3, padding=1),
            )
            self.decoder = nn.Sequential(
                nn.Conv1d(d, c, 3, padding=1),
                nn.LeakyReLU(0.01),
                nn.ConvTranspose1d(c, c, 4, stride=2, padding=1),
                nn.LeakyReLU(0.01),
                *_chain(c, config.bands),
                nn.Conv1d(c, config.bins, 3, padding=1),
            )
        self.quantiser = VectorQuantizer(
            config.n_codes, d, decay=config.decay, revive_below=config.revive_below, seed=seed
        )
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("spread", torch.tensor(1.0))

    @torch.no_grad()
    def set_scale(self, spectra: Float[Tensor, "clips bins frames"]) -> None:
        """Take mean and standard deviation from the training clips, one number each."""
        self.mean.copy_(spectra.mean())
        self.spread.copy_(spectra.std().clamp(min=1e-6))

    def standardise(
        self, spectra: Float[Tensor, "clips bins frames"]
    ) -> Float[Tensor, "clips bins frames"]:
        """Log-spectra in the network's units.

        Raises:
            ValueError: for another number of bins, an odd number of frames, or NaN.
        """
        if spectra.shape[1] != self.config.bins or spectra.shape[2] % 2 or not spectra.shape[2]:
            raise ValueError(
                f"spectra must be (clips, {self.config.bins}, an even number of frames), one code "
                f"for every two frames; got {tuple(spectra.shape)}"
            )
        if not torch.isfinite(spectra).all():
            raise ValueError("spectra must be finite, got NaN or infinity")
        return (spectra - self.mean) / self.spread

    def forward(self, spectra: Float[Tensor, "clips bins frames"]) -> Reconstruction:
        """Encode, quantise, decode; in training mode the codebook moves."""
        x = self.standardise(spectra)
        quantised = self.quantiser(self.encoder(x).transpose(1, 2))
        found = self.decoder(quantised.vectors.transpose(1, 2))
        error = (x - found).square().mean()
        loss = error + self.config.commitment * quantised.commitment
        return Reconstruction(found, quantised.codes, loss, error)

    @torch.no_grad()
    def encode(self, spectra: Float[Tensor, "clips bins frames"]) -> Int[Tensor, "clips codes"]:
        """Codes of log-spectra, without learning."""
        encodings = self.encoder(self.standardise(spectra)).transpose(1, 2)
        return nearest_codes(encodings, self.quantiser.codebook)

    @torch.no_grad()
    def decode(self, codes: Int[Tensor, "clips codes"]) -> Float[Tensor, "clips bins frames"]:
        """Log-spectra of codes, in natural logarithms of magnitudes.

        Raises:
            ValueError: for a code outside 0..K-1.
        """
        found = self.decoder(self.quantiser.lookup(codes).transpose(1, 2))
        return found * self.spread + self.mean


def _chain(channels: int, bands: Sequence[int]) -> list[nn.Module]:
    return [MultiBandResidual(channels, each) for each in bands]
