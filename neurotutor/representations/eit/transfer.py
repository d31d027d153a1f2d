"""Carry a trained individual module to other neurons, and read its scalars linearly."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from neurotutor.checks import as_count, as_positive
from neurotutor.training import History

from .model import IndividualModule
from .tasks import Samples, Windows
from .training import accuracy, epochs, train


class _Read(nn.Module):
    """Dropout and one linear layer on numbers that do not change: all that a transfer trains."""

    def __init__(self, n_inputs: int, n_classes: int, dropout: float | int):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(n_inputs, n_classes)

    def forward(self, x: Tensor) -> _Logits:
        return _Logits(self.project(self.dropout(x.flatten(2))))


class _Logits:
    def __init__(self, logits: Tensor):
        self.logits = logits


@torch.no_grad()
def channel_scalars(
    module: IndividualModule, samples: Samples
) -> Float[Tensor, "samples time channels bottleneck"]:
    """What a frozen individual module says about each channel of new data; its weights stay.

    Args:
        module: from a trained EIT, with its head.
        samples: of any animal, with any number of neurons.
    """
    was_training = module.training
    module.eval()
    parts = [
        module.scalars(samples.x[start : start + 256]) for start in range(0, len(samples), 256)
    ]
    module.train(was_training)
    return torch.cat(parts)


def transfer(
    module: IndividualModule,
    windows: Windows,
    n_classes: int = 8,
    *,
    n_steps: int,
    learning_rate: float | int = 1e-4,
    dropout: float | int = 0.5,
    batch_size: int = 16,
    seed: int = 0,
) -> tuple[float, History]:
    """Train dropout and a linear layer on another animal's scalars; the module itself is frozen.

    Args:
        module: individual module that was trained on another animal.
        windows: of the new animal.
        n_classes: of the new task.
        n_steps: of Adam; 600 epochs as published.
        learning_rate: as published.
        dropout: on the scalars.
        batch_size: windows a step.
        seed: of the new layer and the batches.

    Returns:
        Accuracy per bin on the new animal's test trials, and the history.

    Source: Liu et al. (2022), transfer across animals.
    """
    parts = [
        Samples(channel_scalars(module, each), each.y) for each in (windows.train, windows.test)
    ]
    n_inputs = parts[0].x.shape[2] * parts[0].x.shape[3]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        read = _Read(n_inputs, as_count("n_classes", n_classes, 2), dropout).to(parts[0].x.device)
    history = train(
        read,
        epochs(parts[0]),
        n_steps,
        learning_rate=learning_rate,
        batch_size=batch_size,
        seed=seed,
    )
    return accuracy(read, parts[1]), history


def folds_accuracy(
    features: Float[np.ndarray, "windows time channels"],
    labels: Int[np.ndarray, " windows"],
    trial: Int[np.ndarray, " windows"],
    *,
    n_folds: int = 5,
    penalty: float | int = 0.03,
    share: float | int = 1.0,
    seed: int = 0,
) -> Float[np.ndarray, " folds"]:
    """Logistic regression on standardised features of single bins, whole trials left out.

    Args:
        features: one number a channel and bin.
        labels: class of each window.
        trial: trial of each window; no trial is in two folds.
        n_folds: number of folds.
        penalty: scikit-learn's C, the inverse of the ridge penalty.
        share: of the training trials that are used, drawn at random.
        seed: of that draw.

    Returns:
        Accuracy per bin on each left-out fold.

    Raises:
        ValueError: if shapes disagree or a number is out of range.
    """
    if not len(features) == len(labels) == len(trial):
        raise ValueError(
            f"features, labels and trial need one entry a window, got {len(features)}, "
            f"{len(labels)} and {len(trial)}"
        )
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], got {share}")
    as_positive("penalty", penalty)
    n_bins = features.shape[1]
    flat = features.reshape(len(features) * n_bins, -1)
    labels, trial = np.repeat(labels, n_bins), np.repeat(trial, n_bins)
    rng = np.random.default_rng(seed)
    found = []
    for rows, left_out in GroupKFold(as_count("n_folds", n_folds, 2)).split(flat, groups=trial):
        if share < 1:
            names = np.unique(trial[rows])
            few = rng.choice(names, max(1, round(share * len(names))), replace=False)
            rows = rows[np.isin(trial[rows], few)]
        decoder = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=300))
        decoder.fit(flat[rows], labels[rows])
        found.append(decoder.score(flat[left_out], labels[left_out]))
    return np.array(found)
