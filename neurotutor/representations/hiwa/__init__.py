"""Hierarchical optimal transport for aligning multimodal distributions (Lee et al., NeurIPS 2019).

Read in this order: `transport` (Sinkhorn and the polar rotation), `preprocess`, `solver` (the
algorithm and the estimator `HiWA`), `metrics`, `baselines`, `dad`, `clustering`.
Points are rows everywhere; a rotation R acts as `points @ R.T`.
"""

from neurotutor.representations.hiwa import baselines, clustering, dad
from neurotutor.representations.hiwa.metrics import (
    alignment_error,
    best_assignment_is_identity,
    correspondence_error,
    correspondence_margin,
    gaussian_distance,
    nearest_accuracy,
)
from neurotutor.representations.hiwa.preprocess import (
    Clusters,
    Whitening,
    apply_map,
    embedding_map,
    whiten,
)
from neurotutor.representations.hiwa.solver import (
    History,
    HiWA,
    HiwaConfig,
    admm,
    align_pairs,
    anchors,
    consensus,
    objective,
    pair_cost,
    pair_rotation,
    random_rotation,
)
from neurotutor.representations.hiwa.transport import (
    entropy,
    polar,
    sinkhorn,
    squared_distances,
)

__all__ = [
    "admm",
    "align_pairs",
    "alignment_error",
    "anchors",
    "apply_map",
    "baselines",
    "best_assignment_is_identity",
    "clustering",
    "Clusters",
    "consensus",
    "correspondence_error",
    "correspondence_margin",
    "dad",
    "embedding_map",
    "entropy",
    "gaussian_distance",
    "History",
    "HiWA",
    "HiwaConfig",
    "nearest_accuracy",
    "objective",
    "pair_cost",
    "pair_rotation",
    "polar",
    "random_rotation",
    "sinkhorn",
    "squared_distances",
    "whiten",
    "Whitening",
]
