"""What Time-Aware PC is compared with: static PC, and Granger causality thresholded as published.

The Granger F tests are those of the chapter on causal connectomes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Real

from neurotutor.connectomes.tpc.config import TpcConfig
from neurotutor.connectomes.tpc.model import TPC


def static_pc(
    series: Real[np.ndarray, "time neurons"], *, alpha: float = 0.05, prune: float = 0.1
) -> TPC:
    """PC on the bins of a series, as if they were independent samples without an order.

    Args:
        series: activity of each neuron.
        alpha: level of the tests.
        prune: as in `TpcConfig`.

    Returns:
        A fitted `TPC` of one slice; `adjacency_` [u, v] and [v, u] are both true for an edge that
        PC leaves undirected.

    Source: Biswas & Shlizerman (2022), baseline DPGM.
    """
    return TPC(TpcConfig.tutorial(max_delay=0, stride=1, alpha=alpha, prune=prune)).fit(series)


def above_percentile(
    strength: Float[np.ndarray, "neurons neurons"], alpha: float
) -> Bool[np.ndarray, "neurons neurons"]:
    """Keep the strongest share alpha of all pairs: the published threshold on Granger strengths.

    This is no test: a fixed number of edges passes, whatever the data.

    Args:
        strength: entry [i, j]: of i on j; the diagonal counts as 0.
        alpha: share of the squared number of neurons to keep.

    Returns:
        Entry [i, j] true: i -> j.

    Raises:
        ValueError: if `strength` is not square, or `alpha` is not between 0 and 1.

    Source: published code of Biswas & Shlizerman (2022).
    """
    strength = np.array(strength, float)
    if strength.ndim != 2 or strength.shape[0] != strength.shape[1]:
        raise ValueError(f"strength must be (neurons, neurons), got {strength.shape}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie strictly between 0 and 1, got {alpha}")
    np.fill_diagonal(strength, 0.0)
    return strength > np.percentile(strength, 100 * (1 - alpha))
