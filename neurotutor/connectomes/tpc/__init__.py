"""Time-Aware PC: causal functional connectomes of time series (Biswas & Shlizerman, 2022).

Read in this order: `unrolling` (windows, and the way back to neurons), `model` (the algorithm and
the estimator `TPC`), `weights`, `kernel` (the test for what is not linear), `baselines`, `scores`.
Adjacency everywhere: entry [i, j] is true if i -> j.
"""

from neurotutor.connectomes.tpc.baselines import above_percentile, static_pc
from neurotutor.connectomes.tpc.config import TpcConfig
from neurotutor.connectomes.tpc.kernel import (
    HsicResult,
    KernelTest,
    gamma_p_value,
    hsic,
    hsic_test,
    smooth_residuals,
)
from neurotutor.connectomes.tpc.model import TPC, Unrolled, subsample_starts, unrolled_graph
from neurotutor.connectomes.tpc.scores import Score, mean_score, score
from neurotutor.connectomes.tpc.unrolling import orient_in_time, roll, slices, windows
from neurotutor.connectomes.tpc.weights import effects, pruned, rolled_weights

__all__ = [
    "TPC",
    "HsicResult",
    "KernelTest",
    "Score",
    "TpcConfig",
    "Unrolled",
    "above_percentile",
    "effects",
    "gamma_p_value",
    "hsic",
    "hsic_test",
    "mean_score",
    "orient_in_time",
    "pruned",
    "roll",
    "rolled_weights",
    "score",
    "slices",
    "smooth_residuals",
    "static_pc",
    "subsample_starts",
    "unrolled_graph",
    "windows",
]
