"""Training, of one network or of several independent ones that share each operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

from neurotutor.checks import as_count, as_positive
from neurotutor.training import RandomState, fit

from .config import SesarConfig
from .losses import UNLABELLED, classification_loss, joint_loss, reconstruction_loss
from .model import SESAR, FeatureAutoencoder


class _Objective(nn.Module):
    """A network together with what it is paid for; returns both losses and their sum."""

    def __init__(self, model: SESAR, alpha: float):
        super().__init__()
        self.model, self.alpha = model, alpha

    def forward(self, x, labels):
        if self.alpha == 1:  # no decoder is needed where nothing is redrawn
            latent = self.model.encoder(x)
            named = classification_loss(self.model.classifier(latent), labels)
            return named, torch.zeros_like(named), named
        out = self.model.run(x)
        redrawn = reconstruction_loss(out.reconstruction, x)
        named = classification_loss(out.logits, labels)
        return joint_loss(redrawn, named, self.alpha), redrawn, named


@dataclass(frozen=True)
class Losses:
    """What training cost, epoch by epoch: means over the batches."""

    reconstruction: Float[np.ndarray, "epochs"]
    classification: Float[np.ndarray, "epochs"]


def train_side_by_side(
    models: Sequence[SESAR],
    pools: Sequence[Float[Tensor, "n time features"]],
    labels: Sequence[Int[Tensor, "n"]],
    *,
    alpha: float,
    epochs: int,
    config: SesarConfig,
    seeds: Sequence[int],
    repeats: int = 1,
    checkpoint: Path | None = None,
) -> list[Losses]:
    """Train independent networks of one shape in lockstep; the models are changed in place.

    Each run has its own data, labels, order of batches, optimiser state and clipping: what comes
    out is what training one after another gives, up to rounding.

    Args:
        models: the networks.
        pools: what each reads, of one shape; sequences without padding.
        labels: the action of each sequence, -1 where it is unknown.
        alpha: weight of classification; 0 trains without labels, 1 without reconstruction.
        epochs: passes over each pool.
        config: batch size, learning rate, clipping.
        seeds: of the order of the batches of each run.
        repeats: how often a labelled sequence stands in an epoch; 1 is the official code.
        checkpoint: file to save to, and to go on from; `None` saves nothing.

    Returns:
        The losses of each run.

    Raises:
        ValueError: if numbers of runs or shapes disagree, if `alpha` is outside 0..1, or if
            labelled ones are repeated and not as many in each run.
        KeyboardInterrupt: if Ctrl-C stopped the training; the models are as they were.
    """
    if not len(models) == len(pools) == len(labels) == len(seeds) > 0:
        raise ValueError("models, pools, labels and seeds must be as many as there are runs")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in 0..1, got {alpha}")
    as_count("epochs", epochs)
    as_count("repeats", repeats)
    shapes = {(*pool.shape, *label.shape) for pool, label in zip(pools, labels, strict=True)}
    n = len(labels[0])
    if len(shapes) != 1 or pools[0].ndim != 3 or len(pools[0]) != n:
        raise ValueError(f"pools and labels must have one shape in all runs, got {shapes}")
    objectives = [_Objective(model, alpha) for model in models]
    values, _ = stack_module_state(objectives)
    stack = nn.ParameterList(values.values())
    values = dict(zip(values, stack, strict=True))
    frozen = {name for name, value in objectives[0].named_parameters() if not value.requires_grad}
    free = [value for name, value in values.items() if name not in frozen]
    for name, value in values.items():
        value.requires_grad_(name not in frozen)
    optimiser = torch.optim.Adam(free, lr=config.learning_rate)
    whole, known = torch.stack(list(pools)), torch.stack(list(labels))
    runs = torch.arange(len(models))[:, None]
    rows_of = [_epoch_rows(label, repeats) for label in labels]
    if len({len(rows) for rows in rows_of}) != 1:
        raise ValueError("to repeat labelled sequences, each run must have as many of them")
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    cost = vmap(lambda state, x, y: functional_call(objectives[0], state, (x, y)))

    def step(_: int) -> dict[str, float]:
        orders = torch.stack(
            [
                rows[torch.randperm(len(rows), generator=each)]
                for rows, each in zip(rows_of, generators, strict=True)
            ]
        )
        batches = orders.split(config.batch, dim=1)
        means = torch.zeros(2, len(models))
        for rows in batches:
            loss, redrawn, named = cost(values, whole[runs, rows], known[runs, rows])
            optimiser.zero_grad()
            loss.sum().backward()
            _clip(free, config.clip)
            optimiser.step()
            means += torch.stack([redrawn, named]).detach().cpu() / len(batches)
        return {
            f"{name} {run}": value
            for name, row in zip(("reconstruction", "classification"), means, strict=True)
            for run, value in enumerate(row.tolist())
        }

    orders_from = {f"order {run}": RandomState(each) for run, each in enumerate(generators)}
    history = fit(
        step,
        epochs,
        state={"networks": stack, "optimiser": optimiser, **orders_from},
        checkpoint=checkpoint,
        checkpoint_every=5,
        progress=False,
    )
    if history.interrupted:
        raise KeyboardInterrupt(f"stopped after {len(history.steps)} of {epochs} epochs")
    with torch.no_grad():
        for run, objective in enumerate(objectives):
            for name, value in objective.named_parameters():
                value.copy_(values[name][run])
    return [
        Losses(history.metrics[f"reconstruction {run}"], history.metrics[f"classification {run}"])
        for run in range(len(models))
    ]


def _epoch_rows(labels: Int[Tensor, "n"], repeats: int) -> Int[Tensor, "rows"]:
    """Every sequence once, and the labelled ones as often again as they are to be repeated."""
    known = torch.nonzero(labels.cpu() != UNLABELLED)[:, 0]
    return torch.cat([torch.arange(len(labels)), known.repeat(repeats - 1)])


def _clip(values: Sequence[Tensor], largest: float) -> None:
    """Shrink the gradient of each run, first axis, to a norm of `largest` at most."""
    gradients = [value.grad.flatten(1) for value in values if value.grad is not None]
    norm = torch.stack([each.pow(2).sum(dim=1) for each in gradients]).sum(dim=0).sqrt()
    factor = (largest / (norm + 1e-6)).clamp(max=1)
    for each in gradients:
        each.mul_(factor[:, None])


def pretrain(
    pools: Sequence[Float[Tensor, "n time features"]],
    n_actions: int,
    config: SesarConfig,
    seeds: Sequence[int],
    checkpoint: Path | None = None,
) -> list[tuple[SESAR, Losses]]:
    """New networks that have learned to redraw their pool; no label is used.

    Args:
        pools: what each reads, of one shape.
        n_actions: classes of the classifier, which stays as it is drawn.
        config: everything else.
        seeds: of the weights and the batches of each.
        checkpoint: file to save to, and to go on from; `None` saves nothing.

    Returns:
        For each pool the network and its losses.
    """
    models = [
        SESAR(pool.shape[2], n_actions, config, seed=seed).to(pool.device)
        for pool, seed in zip(pools, seeds, strict=True)
    ]
    losses = train_side_by_side(
        models,
        pools,
        [torch.full((len(pool),), UNLABELLED, device=pool.device) for pool in pools],
        alpha=0.0,
        epochs=config.unsupervised_epochs,
        config=config,
        seeds=seeds,
        checkpoint=checkpoint,
    )
    return list(zip(models, losses, strict=True))


def supervise(
    pools: Sequence[Float[Tensor, "n time features"]],
    labels: Sequence[Int[np.ndarray, "n"]],
    n_actions: int,
    config: SesarConfig,
    seeds: Sequence[int],
) -> list[SESAR]:
    """New networks that see the labelled sequences and nothing else: what a sceptic asks for.

    Args:
        pools: the labelled sequences of each run, as many in each.
        labels: their actions.
        n_actions: number of classes.
        config: `supervised_epochs` and everything else.
        seeds: of the weights and the batches of each.

    Returns:
        The trained networks.
    """
    models = [
        SESAR(pool.shape[2], n_actions, config, seed=seed).to(pool.device)
        for pool, seed in zip(pools, seeds, strict=True)
    ]
    train_side_by_side(
        models,
        pools,
        [torch.as_tensor(each, device=pools[0].device) for each in labels],
        alpha=1.0,
        epochs=config.supervised_epochs,
        config=config,
        seeds=seeds,
    )
    return models


def squeeze(
    latents: Float[Tensor, "n latent"],
    sizes: tuple[int, ...] = (1024, 512, 256),
    *,
    epochs: int = 30,
    batch: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> FeatureAutoencoder:
    """Train the feature autoencoder on the latents of a pool.

    Args:
        latents: what it squeezes.
        sizes: of its layers down to the middle.
        epochs: passes over the latents.
        batch: latents in a batch.
        learning_rate: of Adam.
        seed: of the weights and the batches.

    Returns:
        The trained network; its `squeeze` gives the middle.

    Source: Su, Liu & Shlizerman (2020), the option AEC.
    """
    as_count("epochs", epochs)
    as_positive("learning_rate", learning_rate)
    model = FeatureAutoencoder(latents.shape[1], sizes, seed=seed).to(latents.device)
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for rows in torch.randperm(len(latents), generator=generator).split(batch):
            optimiser.zero_grad()
            functional.mse_loss(model(latents[rows]), latents[rows]).backward()
            optimiser.step()
    return model
