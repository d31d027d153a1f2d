"""What the chapter measures: networks on tasks over seeds, clouds of channels, other animals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from .alignment import channel_distances
from .config import EitConfig
from .model import EIT, IndividualModule
from .population import PopulationConfig, PopulationTransformer
from .tasks import BodyTask, Samples, Windows
from .training import accuracy, epochs, train
from .transfer import channel_scalars, folds_accuracy


@dataclass(frozen=True)
class Run:
    """One trained network: accuracy per bin on the test trials, and how it came about.

    Attributes:
        model: in eval mode.
        accuracy: at the last step.
        steps: when the accuracy was looked at.
        curve: what it was then.
    """

    model: nn.Module
    accuracy: float
    steps: np.ndarray
    curve: np.ndarray


@dataclass(frozen=True)
class NeuralRun:
    """One EIT on a recording: accuracy per bin of both of its heads on the test trials."""

    model: EIT
    interaction: float
    individual: float


def train_bodies(
    config: EitConfig | PopulationConfig,
    task: BodyTask,
    n_steps: int,
    *,
    batch_size: int,
    seed: int = 0,
    test_every: int = 50,
    device: torch.device | None = None,
    checkpoint: Path | None = None,
) -> Run:
    """Train EIT, or the population transformer, by the kind of `config`, on a task about bodies."""
    device = torch.device("cpu") if device is None else device
    _, n_bins, n_bodies, n_features = task.train.shape
    model: nn.Module
    if isinstance(config, EitConfig):
        model = EIT(n_bodies, n_features, task.n_classes, config, seed=seed)
    else:
        model = PopulationTransformer(
            n_bodies, n_features, task.n_classes, n_bins, config, seed=seed
        )
    model, task = model.to(device), task.to(device)
    history = train(
        model,
        task.draw,
        n_steps,
        learning_rate=config.learning_rate,
        batch_size=batch_size,
        test=task.test,
        test_every=test_every,
        seed=seed,
        checkpoint=checkpoint,
    )
    curve = history.metrics["accuracy"]
    seen = np.flatnonzero(np.isfinite(curve))
    return Run(model.cpu(), float(curve[seen[-1]]), seen + 1, curve[seen])


def study(
    networks: Mapping[str, EitConfig | PopulationConfig],
    task: BodyTask,
    n_steps: int,
    *,
    seeds: Iterable[int],
    batch_size: int,
    device: torch.device | None = None,
    folder: Path | None = None,
    test_every: int = 50,
) -> dict[str, list[Run]]:
    """Every network with every seed on one task, all with as many steps.

    Args:
        networks: name -> configuration.
        task: about bodies.
        n_steps: for each run.
        seeds: of weights, batches and dropout.
        batch_size: samples a step.
        device: to train on.
        folder: for checkpoints; an interrupted study goes on from them.
        test_every: steps between two looks at the test accuracy.
    """
    seeds = list(seeds)
    return {
        name: [
            train_bodies(
                config,
                task,
                n_steps,
                batch_size=batch_size,
                seed=seed,
                test_every=test_every,
                device=device,
                checkpoint=None if folder is None else folder / f"{name} {seed}.pt",
            )
            for seed in seeds
        ]
        for name, config in networks.items()
    }


def accuracies(runs: Iterable[Run]) -> Float[np.ndarray, " runs"]:
    """Last accuracy of every run."""
    return np.array([each.accuracy for each in runs])


def train_neurons(
    config: EitConfig,
    windows: Windows,
    n_steps: int,
    *,
    n_classes: int = 8,
    seed: int = 0,
    device: torch.device | None = None,
    checkpoint: Path | None = None,
) -> NeuralRun:
    """Train EIT on the windows of a recording; the accuracy is that of the last step."""
    device = torch.device("cpu") if device is None else device
    model = EIT(windows.n_neurons, 1, n_classes, config, seed=seed).to(device)
    train(
        model,
        epochs(windows.train.to(device)),
        n_steps,
        learning_rate=config.learning_rate,
        batch_size=config.batch_size,
        individual_weight=float(config.individual_weight),
        seed=seed,
        checkpoint=checkpoint,
    )
    test = windows.test.to(device)
    found = accuracy(model, test), accuracy(model, test, individual=True)
    return NeuralRun(model.cpu(), *found)


@torch.no_grad()
def channel_clouds(
    module: IndividualModule,
    x: Float[Tensor, "trials time channels features"],
    *,
    n_points: int = 200,
    seed: int = 0,
) -> Float[np.ndarray, "channels points dim"]:
    """Embeddings of every channel over trials and bins, `n_points` of them drawn at random."""
    z = module(x).flatten(0, 1).transpose(0, 1).cpu().numpy()
    rows = np.random.default_rng(seed).permutation(z.shape[1])[:n_points]
    return z[:, rows]


def type_ratio(
    module: IndividualModule, task: BodyTask, types: np.ndarray
) -> tuple[Float[np.ndarray, "channels channels"], float]:
    """Distances between the clouds of all bodies, and how well they tell the types apart.

    Returns:
        The matrix, and the smallest distance between two types over the largest within a type.
    """
    distances = channel_distances(channel_clouds(module, task.held_out))
    same = types[:, None] == types[None, :]
    within = distances[same & ~np.eye(len(types), dtype=bool)]
    return distances, float(distances[~same].min() / within.max())


def across_animals(
    module: IndividualModule | None,
    windows: Windows,
    *,
    shares: Sequence[float | int] = (1.0,),
    seed: int = 0,
) -> Float[np.ndarray, "shares folds"]:
    """Linear decoding of another animal from a frozen module's scalars, or from its plain rates.

    Args:
        module: frozen; None takes the rates.
        windows: of the other animal; its two parts are joined and cut into folds by trial.
        shares: of the training trials of a fold that are used, one row of the result for each.
        seed: of their draw.

    Returns:
        Accuracy per bin on each fold. The module reads the recording once for all shares.
    """
    x = torch.cat([windows.train.x, windows.test.x])
    y = torch.cat([windows.train.y, windows.test.y])
    trial = np.concatenate([windows.train_trial, windows.test_trial])
    scalars = x if module is None else channel_scalars(module, Samples(x, y))
    features, labels = scalars.flatten(2).numpy(), y.numpy()
    return np.stack(
        [folds_accuracy(features, labels, trial, share=share, seed=seed) for share in shares]
    )
