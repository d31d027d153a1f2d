"""Swap-VAE (Liu et al., 2021): split a moment into what stays and what changes, and mix the two.

Read in this order: `config` (every number), `pairs` (two bins of one trial), `losses` (the four
terms), `model` (the networks and BlockSwap), `pretraining` (one step), `experiments` (what the
chapter measures).
"""

from .config import SwapVaeConfig
from .experiments import (
    FAST,
    SPLIT,
    FlowReading,
    Partners,
    Reading,
    Study,
    deviance_explained,
    find_partners,
    mixed_rates,
    moving,
    progress_r2,
    rate_probe,
    read,
    read_flow,
    read_raw,
    study,
    trial_progress,
    with_ramps,
)
from .losses import (
    ABLATIONS,
    Latents,
    Losses,
    Weights,
    alignment_loss,
    kl_divergence,
    poisson_loss,
    swap_vae_loss,
)
from .model import (
    VAE,
    CallwiseBatchNorm,
    Outputs,
    SwapVAE,
    block_swap,
    make_decoder,
    make_encoder,
    sample_style,
)
from .pairs import draw_pairs, list_pairs, make_views
from .pretraining import METHODS, VAE_KL_WEIGHTS, Training, train

__all__ = [
    "ABLATIONS",
    "FAST",
    "METHODS",
    "SPLIT",
    "VAE",
    "VAE_KL_WEIGHTS",
    "CallwiseBatchNorm",
    "FlowReading",
    "Latents",
    "Losses",
    "Outputs",
    "Partners",
    "Reading",
    "Study",
    "SwapVAE",
    "SwapVaeConfig",
    "Training",
    "Weights",
    "alignment_loss",
    "block_swap",
    "deviance_explained",
    "draw_pairs",
    "find_partners",
    "kl_divergence",
    "list_pairs",
    "make_decoder",
    "make_encoder",
    "make_views",
    "mixed_rates",
    "moving",
    "poisson_loss",
    "progress_r2",
    "rate_probe",
    "read",
    "read_flow",
    "read_raw",
    "sample_style",
    "study",
    "swap_vae_loss",
    "train",
    "trial_progress",
    "with_ramps",
]
