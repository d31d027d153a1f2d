"""What every recording of spike counts in equal time bins can tell."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


class Binned:
    """Base of recordings that hold `spikes` (time, neurons) and `bin_size` (s)."""

    spikes: Int[np.ndarray, "time neurons"]
    bin_size: float

    @property
    def rates(self) -> Float[np.ndarray, "time neurons"]:
        """Firing rates in Hz: spikes divided by the width of a bin."""
        return self.spikes / self.bin_size

    @property
    def n_neurons(self) -> int:
        """Number of neurons, silent ones included."""
        return self.spikes.shape[1]

    @property
    def n_bins(self) -> int:
        """Number of time bins, over all trials."""
        return self.spikes.shape[0]
