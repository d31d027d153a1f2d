"""EIT (Liu et al., 2022): describe each channel by itself first, and the channels together second.

Read in this order: `config` (every number), `layers`, `model` (the two modules), `population` (the
baseline), `tasks` (data), `training`, `transfer` (other neurons), `alignment` (comparing channels),
`experiments` (what the chapter measures). The bodies under gravity come from
`neurotutor.data.many_body`.
"""

from neurotutor.data.many_body import (
    ManyBody,
    Relabelling,
    relabel,
    simulate_three_body,
    simulate_two_body,
)

from .alignment import channel_distances, mean_discrepancy, transport_cost
from .config import EitConfig
from .experiments import (
    NeuralRun,
    Run,
    accuracies,
    across_animals,
    channel_clouds,
    study,
    train_bodies,
    train_neurons,
    type_ratio,
)
from .layers import Attention, IndividualLayer, InteractionLayer, attend
from .model import (
    EIT,
    ChannelHead,
    IndividualModule,
    Output,
    bin_cross_entropy,
    count_parameters,
    eit_loss,
    individual_layer_parameters,
)
from .population import (
    PopulationConfig,
    PopulationOutput,
    PopulationTransformer,
    hide_bins,
    masked_poisson_loss,
)
from .tasks import BodyTask, Samples, Windows, reach_windows
from .training import accuracy, epochs, train
from .transfer import channel_scalars, folds_accuracy, transfer
from .triples import Triples, load_triples, save_triples, train_triples, triples_task

__all__ = [
    "Attention",
    "BodyTask",
    "ChannelHead",
    "EIT",
    "EitConfig",
    "IndividualLayer",
    "IndividualModule",
    "InteractionLayer",
    "ManyBody",
    "NeuralRun",
    "Output",
    "PopulationConfig",
    "PopulationOutput",
    "PopulationTransformer",
    "Relabelling",
    "Run",
    "Samples",
    "Triples",
    "Windows",
    "accuracies",
    "accuracy",
    "across_animals",
    "attend",
    "bin_cross_entropy",
    "channel_clouds",
    "channel_distances",
    "channel_scalars",
    "count_parameters",
    "eit_loss",
    "epochs",
    "folds_accuracy",
    "hide_bins",
    "individual_layer_parameters",
    "load_triples",
    "masked_poisson_loss",
    "mean_discrepancy",
    "reach_windows",
    "relabel",
    "save_triples",
    "simulate_three_body",
    "simulate_two_body",
    "study",
    "train",
    "train_bodies",
    "train_neurons",
    "train_triples",
    "transfer",
    "transport_cost",
    "triples_task",
    "type_ratio",
]
