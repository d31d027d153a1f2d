"""From sound to log-spectrograms and back."""

from __future__ import annotations

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional

from neurotutor.checks import as_count, as_positive


def stft(
    audio: Float[Tensor, "*batch samples"], n_fft: int, hop: int
) -> Complex[Tensor, "*batch bins frames"]:
    """Short-time Fourier transform: periodic Hann window, centred frames, reflected ends.

    Args:
        audio: sound, shape (..., samples), longer than half a window.
        n_fft: samples of a window, an even number.
        hop: samples from one window to the next.

    Returns:
        Shape (..., n_fft / 2 + 1, 1 + floor(samples / hop)).

    Raises:
        ValueError: if the sound is too short, or holds NaN or infinity.
    """
    n_fft, hop = as_count("n_fft", n_fft, 2), as_count("hop", hop)
    if audio.shape[-1] <= n_fft // 2:
        raise ValueError(
            f"audio must be longer than half a window ({n_fft // 2}), got {audio.shape[-1]} samples"
        )
    if not torch.isfinite(audio).all():
        raise ValueError("audio must be finite, got NaN or infinity; look for the cause first")
    flat = audio.reshape(-1, audio.shape[-1])
    padded = functional.pad(flat, (n_fft // 2, n_fft // 2), mode="reflect")
    windowed = padded.unfold(-1, n_fft, hop) * _window(n_fft, audio)
    bins = torch.fft.rfft(windowed).transpose(-1, -2)
    return bins.reshape(*audio.shape[:-1], *bins.shape[-2:])


def istft(
    spectrum: Complex[Tensor, "*batch bins frames"], hop: int, samples: int
) -> Float[Tensor, "*batch samples"]:
    """The sound whose transform is nearest: overlap, add, divide by the sum of squared windows.

    Args:
        spectrum: shape (..., n_fft / 2 + 1, frames).
        hop: samples from one window to the next.
        samples: length wanted.
    """
    n_fft = 2 * (spectrum.shape[-2] - 1)
    flat = spectrum.reshape(-1, *spectrum.shape[-2:])
    window = _window(n_fft, flat.real)
    pieces = torch.fft.irfft(flat.transpose(-1, -2), n=n_fft) * window
    n_frames = flat.shape[-1]
    length = n_fft + hop * (n_frames - 1)

    def overlap_add(x: Tensor) -> Tensor:
        return functional.fold(
            x.transpose(-1, -2), (1, length), kernel_size=(1, n_fft), stride=(1, hop)
        ).reshape(len(x), length)

    weight = overlap_add((window**2).expand(1, n_frames, n_fft))
    audio = overlap_add(pieces) / weight.clamp(min=1e-8)
    audio = audio[:, n_fft // 2 :][:, :samples]
    audio = functional.pad(audio, (0, samples - audio.shape[-1]))
    return audio.reshape(*spectrum.shape[:-2], samples)


def _window(n_fft: int, like: Tensor) -> Tensor:
    return torch.hann_window(n_fft, dtype=like.dtype, device=like.device)


def log_spectrogram(
    audio: Float[Tensor, "*batch samples"], n_fft: int = 512, hop: int = 160, floor: float = 1e-2
) -> Float[Tensor, "*batch bins frames"]:
    """Logarithm of the magnitudes of the short-time Fourier transform, without the constant bin.

    Args:
        audio: sound, shape (..., samples).
        n_fft: samples of a window.
        hop: samples from one window to the next.
        floor: epsilon; smaller magnitudes count as this, so that silence is not the loudest part
            of the picture.

    Returns:
        Natural logarithms, shape (..., n_fft / 2, 1 + floor(samples / hop)).

    Raises:
        ValueError: as `stft` does; if `floor` is not positive.
    """
    as_positive("floor", floor)
    return stft(audio, n_fft, hop)[..., 1:, :].abs().clamp(min=floor).log()


def griffin_lim(
    magnitude: Float[Tensor, "*batch bins frames"],
    hop: int = 160,
    *,
    n_iterations: int = 60,
    momentum: float = 0.99,
    samples: int | None = None,
    seed: int = 0,
) -> Float[Tensor, "*batch samples"]:
    """Find a sound whose spectrogram has these magnitudes: guess phases, transform, keep, repeat.

    Args:
        magnitude: without the constant bin, shape (..., n_fft / 2, frames), not negative.
        hop: samples from one window to the next.
        n_iterations: transforms there and back.
        momentum: how far each step overshoots in the direction of the last; 0 is the plain form.
        samples: length of the sound; default: hop * frames.
        seed: of the first phases.

    Returns:
        Sound, shape (..., samples).

    Raises:
        ValueError: for negative or not finite magnitudes.

    Source: Griffin & Lim (1984); with momentum: Perraudin, Balazs & Sondergaard (2013).
    """
    if not torch.isfinite(magnitude).all() or (magnitude < 0).any():
        raise ValueError("magnitude must be finite and not negative; pass exp() of a log-spectrum")
    as_count("n_iterations", n_iterations)
    target = functional.pad(magnitude, (0, 0, 1, 0))  # nothing at frequency zero
    samples = hop * target.shape[-1] if samples is None else samples
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.rand(target.shape, generator=generator, dtype=target.dtype)
    phase = torch.polar(torch.ones_like(target), angle.to(target.device))
    n_fft = 2 * magnitude.shape[-2]
    before = torch.zeros_like(phase)
    for _ in range(n_iterations):
        found = stft(istft(target * phase, hop, samples), n_fft, hop)[..., : target.shape[-1]]
        phase = found - momentum / (1 + momentum) * before
        phase = phase / phase.abs().clamp(min=1e-12)
        before = found
    return istft(target * phase, hop, samples)


def spectral_convergence(
    found: Float[Tensor, "*batch bins frames"], wanted: Float[Tensor, "*batch bins frames"]
) -> float:
    """Distance of two magnitude spectrograms over the norm of the wanted one; 0 is perfect."""
    return float((found - wanted).norm() / wanted.norm())


def log_spectral_distance(
    found: Float[Tensor, "*batch bins frames"], wanted: Float[Tensor, "*batch bins frames"]
) -> float:
    """Root mean square over the bins of a frame, then mean over frames, in dB.

    Args:
        found: natural logarithms of magnitudes.
        wanted: the same, of the original.
    """
    decibels = (found - wanted) * (20 / math.log(10))
    return float(decibels.square().mean(dim=-2).sqrt().mean())
