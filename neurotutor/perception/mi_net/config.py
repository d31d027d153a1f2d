"""Every number of the chapter in one place: the paper-sized system and the tutorial's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from neurotutor.checks import as_count, as_positive


@dataclass(frozen=True)
class MiNetConfig:
    """Sizes of all parts. Defaults: paper scale; `tutorial()`: what the page runs.

    The abstract fixes the parts (VQ-VAE with multi-band residual blocks, recurrent movement
    encoder, autoregressive prior, MIDI condition) and no number, so all numbers are ours.

    Raises:
        ValueError: if a value is out of range, or sizes do not fit together.
        TypeError: if a whole number is expected and something else comes.
    """

    # spectrogram
    sample_rate: int = 16_000  # Hz
    n_fft: int = 1024  # samples of a window
    hop: int = 320  # samples; 20 ms, so that two frames of sound make one of video
    floor: float = 1e-5  # epsilon: smaller magnitudes count as this
    clip_seconds: float = 2.56
    # alphabet of sounds
    channels: int = 512  # C
    bands: tuple[int, ...] = (2, 4, 8, 16)  # B of each multi-band block of a side
    code_dim: int = 64  # D
    n_codes: int = 1024  # K
    commitment: float = 0.25  # beta
    decay: float = 0.99  # gamma
    revive_below: float | None = 1.0  # a code used less than this (N_j) moves; None: never
    # prior and movement
    core: str = "transformer"  # or "gru"
    movement_units: int = 256  # of the movement encoder, a direction
    embedding: int = 256  # of a code
    width: int = 256  # of the prior
    layers: int = 6
    heads: int = 4  # of the transformer
    midi_units: int = 96  # of the two convolutions over the piano roll
    # training
    batch_size: int = 16  # clips
    vqvae_rate: float = 1e-3  # Adam
    prior_rate: float = 3e-4  # Adam; 2e-3 with a GRU
    keypoint_noise: float = 0.01  # shoulder widths, in training

    def __post_init__(self):
        """Refuse what cannot run, at the place where it is written down."""
        for name in (
            "sample_rate", "n_fft", "hop", "channels", "code_dim", "n_codes", "movement_units",
            "embedding", "width", "layers", "heads", "midi_units", "batch_size",
        ):  # fmt: skip
            as_count(name, getattr(self, name))
        for name in ("floor", "clip_seconds", "commitment", "vqvae_rate", "prior_rate"):
            as_positive(name, getattr(self, name))
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {self.decay}")
        if self.core not in ("gru", "transformer"):
            raise ValueError(f"core must be 'gru' or 'transformer', got {self.core!r}")
        if self.core == "transformer" and self.width % self.heads:
            raise ValueError(f"heads must divide width, got {self.heads} and {self.width}")
        if self.n_fft % 2 or self.hop > self.n_fft:
            raise ValueError(f"n_fft must be even and hop at most n_fft, got {self.n_fft}")
        if self.sample_rate != 50 * self.hop:
            raise ValueError(
                "hop must be a 50th of sample_rate, so that two frames of sound make one of video "
                f"at 25 a second; got {self.hop} and {self.sample_rate}"
            )
        if abs(self.clip_seconds * 25 - round(self.clip_seconds * 25)) > 1e-9:
            raise ValueError(
                "clip_seconds must be a whole number of video frames of 0.04 s, got "
                f"{self.clip_seconds}"
            )
        for bands in self.bands:
            if self.channels % as_count("bands", bands):
                raise ValueError(f"bands must divide channels, got {bands} and {self.channels}")

    @property
    def bins(self) -> int:
        """F, frequency bins of a spectrogram, without the constant one."""
        return self.n_fft // 2

    @property
    def frames(self) -> int:
        """Video frames, and codes, of a clip; the spectrogram has twice as many."""
        return round(self.clip_seconds * 25)

    @property
    def samples(self) -> int:
        """Samples of a clip."""
        return self.frames * 2 * self.hop

    @classmethod
    def tutorial(cls, **changes: object) -> MiNetConfig:
        """Return the small one: 8 kHz, 256 codes, one block of 4 bands a side, a GRU."""
        small = {
            "sample_rate": 8000,
            "n_fft": 512,
            "hop": 160,
            "floor": 1e-2,
            "channels": 192,
            "bands": (4,),
            "n_codes": 256,
            "core": "gru",
            "movement_units": 64,
            "embedding": 64,
            "width": 224,
            "layers": 2,
            "prior_rate": 2e-3,
        }
        return replace(cls(), **{**small, **changes})
