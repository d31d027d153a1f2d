"""Every number of Swap-VAE in one place: the authors' values, and a small setting beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class SwapVaeConfig:
    """Hyperparameters of Swap-VAE on firing rates in Hz.

    Defaults are those of the authors' code for reaching monkeys.

    Raises:
        ValueError: if a value is out of range.
        TypeError: if a whole number is expected and something else comes.

    Source: Liu et al. (2021); repository nerdslab/SwapVAE, training script and modules.
    """

    # Networks (modules of SwapVAE)
    hidden: int = 128  # width of the layer next to the latents; the outer one has N units
    latent: int = 128  # L, size of the latent vector (`l_size`)
    style: int = 64  # S, size of its random part (`s_size`); content takes L - S
    batchnorm_momentum: float = 0.1  # PyTorch's default, as in the code
    # Views (pair sampler and transforms of SwapVAE)
    max_jitter: int = 5  # K: the two bins of a pair lie at most K bins apart (500 ms)
    dropout_max: float = 0.0  # p_max; the code builds dropout with 0.6 and never applies it
    dropout_shared: bool = False  # one mask for both views of a pair ("structured" dropout)
    # Loss (training script)
    kl_weight: float = 10.0  # gamma here, `alpha` in the code; for rates in Hz
    alignment_weight: float = 1.0  # eta here, `beta` in the code
    # Optimisation (training script)
    batch_size: int = 256  # pairs a step
    n_epochs: int = 225  # an epoch is floor(bins / batch) steps
    learning_rate: float = 5e-4  # Adam, constant, no weight decay

    def __post_init__(self):
        """Refuse what cannot be trained, at the place where it is written down."""
        for name, smallest in _COUNTS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be a whole number, got {value!r}")
            if value < smallest:
                raise ValueError(f"{name} must be at least {smallest}, got {value}")
        if self.style >= self.latent:
            raise ValueError(
                f"style must be smaller than latent ({self.latent}), got {self.style}; "
                "the content needs at least one dimension"
            )
        if not 0 <= self.dropout_max <= 1:
            raise ValueError(f"dropout_max must lie in [0, 1], got {self.dropout_max}")
        for name in ("kl_weight", "alignment_weight"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be a finite number >= 0, got {value}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be finite and > 0, got {self.learning_rate}")
        if not 0 < self.batchnorm_momentum <= 1:
            raise ValueError(
                f"batchnorm_momentum must lie in (0, 1], got {self.batchnorm_momentum}"
            )

    @property
    def content(self) -> int:
        """C = L - S, size of the content block."""
        return self.latent - self.style

    def n_steps(self, n_bins: int) -> int:
        """Training steps for this many training bins.

        Raises:
            ValueError: if the bins do not fill a batch.
        """
        if n_bins < self.batch_size:
            raise ValueError(
                f"a batch of {self.batch_size} is larger than the data ({n_bins} bins); "
                "lower batch_size"
            )
        return self.n_epochs * (n_bins // self.batch_size)

    @classmethod
    def tutorial(cls) -> SwapVaeConfig:
        """Reaching monkeys with half the batch, 40 epochs and three times the rate (ours)."""
        return replace(cls(), batch_size=128, n_epochs=40, learning_rate=1.5e-3)

    @classmethod
    def synthetic(cls) -> SwapVaeConfig:
        """The authors' setting for the synthetic set: trials of 4 bins, each paired with each."""
        return cls(hidden=32, latent=32, style=16, max_jitter=3, n_epochs=7)


_COUNTS = {
    "hidden": 1,
    "latent": 2,
    "style": 1,
    "max_jitter": 0,
    "batch_size": 2,
    "n_epochs": 1,
}
