"""Neuro-PC: causal functional connectivity from neural dynamics (Biswas & Shlizerman, 2020).

Read in this order: `networks` (what is simulated), `ensemble` (the method and the estimator
`NeuroPC`), `summed` (another summary of the past), `features` (comparing graphs of stimuli).
In every matrix entry [i, j] stands for i -> j.

The full text of the paper could not be read for this book; the steps follow routines of the
authors' later package, and what could not be established is said where it matters.
"""

from neurotutor.connectomes.neuro_pc.ensemble import (
    NeuroPC,
    NeuroPcConfig,
    direct_effects,
    excerpt_starts,
    frequent,
    link_frequency,
    mean_nonzero,
    reachable,
    static_graph,
    window_graph,
)
from neurotutor.connectomes.neuro_pc.features import (
    GraphFeatures,
    graph_features,
    permutation_test,
    summary_similarity,
    tree,
    weight_similarity,
    within_minus_between,
)
from neurotutor.connectomes.neuro_pc.networks import (
    EASY_MOTIFS,
    MOTIFS,
    Motif,
    StimulusBlocks,
    expected_effects,
    mean_slope,
    motif,
    stimulus_blocks,
)
from neurotutor.connectomes.neuro_pc.summed import (
    SummedPast,
    SummedPastConfig,
    past_and_present,
    summed_past,
)
from neurotutor.connectomes.tpc.unrolling import roll, windows
from neurotutor.connectomes.tpc.weights import effects, rolled_weights
from neurotutor.data.causal_series import ctrnn as simulate_ctrnn

__all__ = [
    "EASY_MOTIFS",
    "MOTIFS",
    "GraphFeatures",
    "Motif",
    "NeuroPC",
    "NeuroPcConfig",
    "StimulusBlocks",
    "SummedPast",
    "SummedPastConfig",
    "direct_effects",
    "effects",
    "excerpt_starts",
    "expected_effects",
    "frequent",
    "graph_features",
    "link_frequency",
    "mean_nonzero",
    "mean_slope",
    "motif",
    "past_and_present",
    "permutation_test",
    "reachable",
    "roll",
    "rolled_weights",
    "simulate_ctrnn",
    "static_graph",
    "stimulus_blocks",
    "summary_similarity",
    "summed_past",
    "tree",
    "weight_similarity",
    "window_graph",
    "windows",
    "within_minus_between",
]
