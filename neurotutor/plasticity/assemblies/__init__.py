"""Assemblies of neurons that learn to classify (Dabagia, Papadimitriou & Vempala, COLT 2022).

Read in this order: `caps` (who fires), `synapses` (drawn when needed), `brain` (a round of firing),
`operations` (the assembly calculus), `learning` (classes and theory), `stimuli`, `features`.
Entry [j, i] of a weight matrix is the synapse from neuron j to neuron i.
"""

from neurotutor.plasticity.assemblies.brain import Brain
from neurotutor.plasticity.assemblies.caps import cap, cap_rows, overlap
from neurotutor.plasticity.assemblies.features import AreaFeatures, LinearReadout
from neurotutor.plasticity.assemblies.learning import (
    AreaConfig,
    AssemblyClassifier,
    LearningArea,
    creation_threshold,
    normalise_columns,
    strengthen,
    support_bound,
)
from neurotutor.plasticity.assemblies.operations import (
    Association,
    associate,
    complete,
    merge,
    reciprocal_project,
    separate,
)
from neurotutor.plasticity.assemblies.stimuli import (
    class_probabilities,
    picture_spikes,
    random_cores,
    sample_classes,
    sample_half_space,
)
from neurotutor.plasticity.assemblies.synapses import Area, Stimulus, draw_row

__all__ = [
    "Area",
    "AreaConfig",
    "AreaFeatures",
    "AssemblyClassifier",
    "Association",
    "Brain",
    "LearningArea",
    "LinearReadout",
    "Stimulus",
    "associate",
    "cap",
    "cap_rows",
    "class_probabilities",
    "complete",
    "creation_threshold",
    "draw_row",
    "merge",
    "normalise_columns",
    "overlap",
    "picture_spikes",
    "random_cores",
    "reciprocal_project",
    "sample_classes",
    "sample_half_space",
    "separate",
    "strengthen",
    "support_bound",
]
