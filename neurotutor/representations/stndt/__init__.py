"""NDT and STNDT: firing rates of single trials from attention over time and over neurons.

A transformer hides some spike counts of a trial and guesses them from the rest: from the same
neurons at other times (temporal attention, NDT), and from other neurons (spatial attention, STNDT).
"""

from .config import MODES, StndtConfig, learning_rate, span_probability
from .experiments import (
    Chosen,
    Tried,
    ablation,
    agreement,
    candidates,
    choose_ensemble,
    co_bps,
    ensemble,
    glm_rates,
    held_out_bps,
    importance,
    leave_one_out,
    mean_rates,
    search,
    silenced_bps,
    spatial_attention,
    train,
)
from .layers import (
    SelfAttention,
    SpatialAttention,
    SpatiotemporalLayer,
    TemporalLayer,
    context_mask,
    mix_neurons,
    sinusoids,
    spatial_weights,
    temporal_attention,
)
from .losses import contrastive_loss, masked_poisson_loss, total_loss
from .masking import IGNORED, Layout, Masked, choose, hide, mask_batch
from .model import NDT, STNDT, Attended, count_parameters
from .tasks import Score, Task, dynamical_task, reach_task, score
from .training import Training, predict

__all__ = [
    "IGNORED",
    "MODES",
    "NDT",
    "STNDT",
    "Attended",
    "Chosen",
    "Layout",
    "Masked",
    "Score",
    "SelfAttention",
    "SpatialAttention",
    "SpatiotemporalLayer",
    "StndtConfig",
    "Task",
    "TemporalLayer",
    "Training",
    "Tried",
    "ablation",
    "agreement",
    "candidates",
    "choose",
    "choose_ensemble",
    "co_bps",
    "context_mask",
    "contrastive_loss",
    "count_parameters",
    "dynamical_task",
    "ensemble",
    "glm_rates",
    "held_out_bps",
    "hide",
    "importance",
    "learning_rate",
    "leave_one_out",
    "mask_batch",
    "masked_poisson_loss",
    "mean_rates",
    "mix_neurons",
    "predict",
    "reach_task",
    "score",
    "search",
    "silenced_bps",
    "sinusoids",
    "span_probability",
    "spatial_attention",
    "spatial_weights",
    "temporal_attention",
    "total_loss",
    "train",
]
