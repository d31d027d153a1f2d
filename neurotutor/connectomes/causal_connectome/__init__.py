"""Associative and causal functional connectomes (Biswas and Shlizerman, 2022).

Read in this order: `association` (who moves with whom), `granger_causality` (whose past predicts
whom), `graphs` (what a causal graph says about independence), `independence` and `pc_algorithm`
and `orientation` (learning the graph), `effects` (what a push does), `dcm` (a
mechanism with hypotheses about it); `networks` makes the data.
"""

from neurotutor.connectomes.causal_connectome.association import (
    Association,
    SparsePrecision,
    graphical_lasso,
    partial_association,
    partial_correlation,
    pearson,
)
from neurotutor.connectomes.causal_connectome.dcm import (
    Balloon,
    DcmFit,
    DcmSignals,
    add_noise,
    bold_signal,
    boxcar,
    dcm_fit,
    dcm_simulate,
    haemodynamic_flow,
    neural_flow,
)
from neurotutor.connectomes.causal_connectome.drawing import circle, draw_graph
from neurotutor.connectomes.causal_connectome.effects import (
    causal_effect,
    ida,
    parent_sets,
    regression_slope,
    total_effects,
)
from neurotutor.connectomes.causal_connectome.granger_causality import (
    Granger,
    choose_order,
    granger,
    lagged,
)
from neurotutor.connectomes.causal_connectome.graphs import (
    DSeparationOracle,
    ancestors,
    blocker,
    cpdag,
    d_separated,
    equivalence_class,
    moral_graph,
    paths,
    structural_hamming_distance,
    v_structures,
)
from neurotutor.connectomes.causal_connectome.independence import (
    BinnedTest,
    FisherZ,
    correlation_matrix,
    fisher_z_p_value,
)
from neurotutor.connectomes.causal_connectome.networks import (
    CANCELLING,
    CHAIN,
    COLLIDER,
    FORK,
    FOUR_NODES,
    autoregressive,
    graph_of,
    lagged_common_cause,
    random_dag,
    random_weights,
    simulate_linear,
)
from neurotutor.connectomes.causal_connectome.orientation import (
    Oriented,
    Step,
    meek,
    orient_colliders,
    unshielded_triples,
)
from neurotutor.connectomes.causal_connectome.pc_algorithm import (
    PcResult,
    Skeleton,
    pc,
    skeleton,
    skeleton_one_by_one,
)

__all__ = [
    "add_noise",
    "ancestors",
    "Association",
    "autoregressive",
    "Balloon",
    "BinnedTest",
    "blocker",
    "bold_signal",
    "boxcar",
    "CANCELLING",
    "causal_effect",
    "CHAIN",
    "choose_order",
    "circle",
    "COLLIDER",
    "correlation_matrix",
    "cpdag",
    "d_separated",
    "dcm_fit",
    "dcm_simulate",
    "DcmFit",
    "DcmSignals",
    "draw_graph",
    "DSeparationOracle",
    "equivalence_class",
    "fisher_z_p_value",
    "FisherZ",
    "FORK",
    "FOUR_NODES",
    "Granger",
    "granger",
    "graph_of",
    "graphical_lasso",
    "haemodynamic_flow",
    "ida",
    "lagged",
    "lagged_common_cause",
    "meek",
    "moral_graph",
    "neural_flow",
    "orient_colliders",
    "Oriented",
    "parent_sets",
    "partial_association",
    "partial_correlation",
    "paths",
    "pc",
    "PcResult",
    "pearson",
    "random_dag",
    "random_weights",
    "regression_slope",
    "simulate_linear",
    "Skeleton",
    "skeleton",
    "skeleton_one_by_one",
    "SparsePrecision",
    "Step",
    "structural_hamming_distance",
    "total_effects",
    "unshielded_triples",
    "v_structures",
]
