"""How much of a true graph was found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True)
class Score:
    """Rates over the pairs of neurons that were compared.

    Attributes:
        tpr: share of the true edges that were found (NaN if there are none).
        fpr: share of the absent edges that were claimed (NaN if none is absent).
    """

    tpr: float
    fpr: float

    @property
    def combined(self) -> float:
        """Combined score: TPR - FPR. 1 is perfect, 0 is no better than guessing."""
        return self.tpr - self.fpr

    @property
    def ifpr(self) -> float:
        """Inverted false positive rate, 1 - FPR."""
        return 1 - self.fpr


def score(
    estimate: Bool[np.ndarray, "neurons neurons"],
    truth: Bool[np.ndarray, "neurons neurons"],
    *,
    self_loops: bool = True,
    directed: bool = True,
) -> Score:
    """Compare an estimated graph with the true one.

    Args:
        estimate: entry [i, j] true: i -> j.
        truth: the same of the true graph.
        self_loops: compare the diagonal too. The paper does; leave it out where the truth of
            self-loops is not known.
        directed: compare ordered pairs; otherwise unordered ones, connected or not.

    Raises:
        ValueError: if the two are not square and of one shape, or not boolean.

    Source: Biswas & Shlizerman (2022), combined score.
    """
    for name, graph in (("estimate", estimate), ("truth", truth)):
        if graph.ndim != 2 or graph.shape[0] != graph.shape[1] or graph.dtype != bool:
            raise ValueError(
                f"{name} must be a square matrix of booleans, got {graph.dtype} {graph.shape}"
            )
    if estimate.shape != truth.shape:
        raise ValueError(f"the graphs have {len(estimate)} and {len(truth)} neurons; expected one")
    compared = np.ones(truth.shape, bool)
    if not directed:
        estimate, truth = estimate | estimate.T, truth | truth.T
        compared = np.triu(compared)
    if not self_loops:
        compared &= ~np.eye(len(truth), dtype=bool)
    true, absent = truth & compared, ~truth & compared
    return Score(
        tpr=_share(estimate[true]),
        fpr=_share(estimate[absent]),
    )


def mean_score(scores: list[Score]) -> Score:
    """Mean rates over repetitions.

    Raises:
        ValueError: if there is none.
    """
    if not scores:
        raise ValueError("expected at least one score, got none")
    return Score(
        tpr=float(np.mean([each.tpr for each in scores])),
        fpr=float(np.mean([each.fpr for each in scores])),
    )


def _share(hits: np.ndarray) -> float:
    return float(hits.mean()) if hits.size else float("nan")
