"""SESAR: recognise actions from skeletons with few labels, and choose which to ask for.

A recurrent network learns to redraw movements from one vector each. The vectors say which
sequences to ask a label for; redrawing all and naming the few are then trained together.
"""

from .config import CRITERIA, DECODERS, SesarConfig
from .drawing import draw_body, draw_strip
from .evaluation import actions_reached, confusion, few_label_accuracy, nearest_neighbours
from .loop import (
    Job,
    Oracle,
    Run,
    active_learning,
    learn_actively,
    predict,
    supervised_accuracy,
)
from .losses import UNLABELLED, classification_loss, joint_loss, reconstruction_loss
from .model import SESAR, Encoder, FeatureAutoencoder, FixedState, FixedZero, Output, reverse
from .preprocessing import (
    UNSEEN_STYLES,
    Task,
    min_max,
    official_length,
    recorded_task,
    resample,
    simulated_task,
    view_transform,
    yaw_align,
)
from .recurrent import GruLayer
from .selection import (
    clusters,
    farthest_first,
    jensen_shannon,
    margin,
    neighbour_labels,
    select,
    unit,
)
from .training import Losses, pretrain, squeeze, supervise, train_side_by_side

__all__ = [
    "CRITERIA",
    "DECODERS",
    "SESAR",
    "UNLABELLED",
    "UNSEEN_STYLES",
    "Encoder",
    "FeatureAutoencoder",
    "FixedState",
    "FixedZero",
    "GruLayer",
    "Job",
    "Losses",
    "Oracle",
    "Output",
    "Run",
    "SesarConfig",
    "Task",
    "active_learning",
    "actions_reached",
    "classification_loss",
    "clusters",
    "confusion",
    "draw_body",
    "draw_strip",
    "farthest_first",
    "few_label_accuracy",
    "jensen_shannon",
    "joint_loss",
    "learn_actively",
    "margin",
    "min_max",
    "nearest_neighbours",
    "neighbour_labels",
    "official_length",
    "predict",
    "pretrain",
    "reconstruction_loss",
    "recorded_task",
    "resample",
    "reverse",
    "select",
    "simulated_task",
    "squeeze",
    "supervise",
    "supervised_accuracy",
    "train_side_by_side",
    "unit",
    "view_transform",
    "yaw_align",
]
