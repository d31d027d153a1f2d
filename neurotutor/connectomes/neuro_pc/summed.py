"""The other summary of the past: one column a neuron that sums its last bins.

Entry [i, j] true means i -> j.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Real

from neurotutor.checks import as_count
from neurotutor.connectomes.causal_connectome import skeleton
from neurotutor.connectomes.neuro_pc.ensemble import frequent, link_frequency
from neurotutor.connectomes.tpc.unrolling import windows


@dataclass(frozen=True)
class SummedPastConfig:
    """Settings of `summed_past`; those of the routine in the authors' later package."""

    lag: int = 1  # d, bins of the past that are summed
    rows: int = 100  # rows of a random subset
    runs: int = 25  # subsets
    alpha: float = 0.1  # level of each test
    frequency: float = 0.25  # share of the runs in which an edge must appear
    stride: int | None = None  # bins from row to row; None: 2 (lag + 1), as for windows

    def __post_init__(self) -> None:
        as_count("lag", self.lag)
        as_count("rows", self.rows)
        as_count("runs", self.runs)
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha is a test level between 0 and 1, got {self.alpha}")
        if not 0 <= self.frequency <= 1:
            raise ValueError(f"frequency is a share of the runs, 0 to 1, got {self.frequency}")


@dataclass(frozen=True)
class SummedPast:
    """What `summed_past` found.

    Attributes:
        adjacency: entry [i, j] true means i -> j.
        edge_frequency: share of the runs that have the edge.
    """

    adjacency: Bool[np.ndarray, "neurons neurons"]
    edge_frequency: Float[np.ndarray, "neurons neurons"]


def past_and_present(
    series: Real[np.ndarray, "time neurons"], lag: int = 1, stride: int | None = None
) -> tuple[Float[np.ndarray, "rows neurons"], Float[np.ndarray, "rows neurons"]]:
    """Sums over the `lag` bins before each present bin, and the present bins.

    Args:
        series: activity, one column a neuron.
        lag: bins that are summed.
        stride: from row to row, as in `windows`.

    Returns:
        Summed past and present of each neuron, row by row.

    Raises:
        ValueError: as `windows`.
    """
    as_count("lag", lag)
    cut = windows(series, lag, stride)
    cut = cut.reshape(len(cut), -1, lag + 1)
    return cut[:, :, :-1].sum(axis=2), cut[:, :, -1]


def summed_past(
    series: Real[np.ndarray, "time neurons"],
    config: SummedPastConfig | None = None,
    *,
    seed: int = 0,
) -> SummedPast:
    """Find who drives whom from summed pasts: p + 1 nodes for each of p targets.

    For each target neuron, PC sees its present and the summed pasts of all. An edge between a past
    and the present points forward, since nothing else is possible. Edges between pasts are thrown
    away, and edges within one bin do not exist.

    Args:
        series: activity, one column a neuron.
        config: settings.
        seed: of the random subsets of rows.

    Raises:
        ValueError: if the recording is too short, has NaN, or a neuron is constant.

    Source: a variant in the authors' later package; whether the paper uses it is not established.
    """
    config = config or SummedPastConfig()
    past, present = past_and_present(series, config.lag, config.stride)
    n_rows, p = past.shape
    if config.rows > n_rows:
        raise ValueError(
            f"the recording has {n_rows} rows, fewer than the {config.rows} of a subset; take "
            "fewer rows, a smaller stride or a longer recording"
        )
    rng = np.random.default_rng(seed)
    found = np.zeros((config.runs, p, p), bool)
    for run in range(config.runs):
        chosen = rng.permutation(n_rows)[: config.rows]
        for j in range(p):
            rows = np.column_stack([past[chosen], present[chosen, j]])
            found[run, :, j] = skeleton(rows, config.alpha).adjacency[:p, p]
    frequency = link_frequency(found)
    return SummedPast(frequent(frequency, config.frequency), frequency)
