"""Training of both networks, and the weights that come with the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from neurotutor import training, weights
from neurotutor.checks import as_count
from neurotutor.data import scores
from neurotutor.data.scores import Score
from neurotutor.perception.mi_net.config import MiNetConfig
from neurotutor.perception.mi_net.performance import Clips
from neurotutor.perception.mi_net.prior import MovementPrior
from neurotutor.perception.mi_net.quantiser import perplexity
from neurotutor.perception.mi_net.vqvae import VQVAE

WEIGHTS = Path(__file__).parent
# Shares of the training clips that see: nothing, the movement, movement and notes.
SEEN = (0.25, 0.4, 0.35)


def train_pieces(n_composed: int = 40) -> list[Score]:
    """The music of training: Bach where the set is on this machine, and pieces of our own.

    Args:
        n_composed: how many of our own; their seeds start at 0.
    """
    solo = [name for n, name in enumerate(scores.names("solo")) if n % 5 != 2]
    bach = [scores.load(name) for name in solo + scores.names("keyboard_other")]
    return bach + [scores.compose(48, n_voices=1, seed=seed) for seed in range(n_composed)]


def test_pieces(n_composed: int = 8, *, bach: bool | None = None) -> list[Score]:
    """Other pieces than those of training: Bach where the set is here, else pieces of our own.

    Args:
        n_composed: how many of our own, where they are used; their seeds start at 10,000.
        bach: whether to use Bach; default: whether the set is on this machine.
    """
    names = [name for n, name in enumerate(scores.names("solo")) if n % 5 == 2]
    if names if bach is None else bach:
        return [scores.load(name) for name in names]
    return [scores.compose(48, n_voices=1, seed=10_000 + seed) for seed in range(n_composed)]


test_pieces.__test__ = False  # pytest must not take it for a test


def learning_rate(step: int, n_steps: int, rate: float) -> float:
    """Constant in the first half, then falling in a line to a twentieth."""
    late = max(0.0, 2 * step / n_steps - 1)
    return rate * (1 - 0.95 * late)


def train_vqvae(
    model: VQVAE,
    clips: Clips,
    n_steps: int,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: bool = False,
) -> training.History:
    """Train the alphabet on spectra, in place.

    Args:
        model: a fresh one; mean and spread are set from the clips.
        clips: of the training pieces.
        n_steps: batches.
        seed: of their order.
        checkpoint: file to save to, and to go on from; `None` saves nothing.
        progress: whether to show a bar.

    Returns:
        Loss, error and perplexity (of the batch) at each step.
    """
    config = model.config
    device = model.mean.device
    model.set_scale(clips.spectra)
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), config.vqvae_rate)
    batches = _batches(clips, config, seed)

    def step(i: int) -> Mapping[str, float]:
        rows = batches.draw()
        optimiser.param_groups[0]["lr"] = learning_rate(i, n_steps, config.vqvae_rate)
        found = model(clips.spectra[rows].to(device))
        optimiser.zero_grad()
        found.loss.backward()
        optimiser.step()
        used = perplexity(found.codes, config.n_codes)
        return {"loss": found.loss.item(), "error": found.error.item(), "perplexity": used}

    history = training.fit(
        step,
        as_count("n_steps", n_steps),
        state={
            "model": model,
            "optimiser": optimiser,
            "batches": batches,
            "revivals": training.RandomState(model.quantiser.generator),
        },
        checkpoint=checkpoint,
        checkpoint_every=1000,
        progress=progress,
    )
    model.eval()
    return history


def train_prior(
    model: MovementPrior,
    codes: torch.Tensor,
    clips: Clips,
    n_steps: int,
    *,
    seed: int = 0,
    seen: tuple[float, float, float] = SEEN,
    checkpoint: Path | None = None,
    progress: bool = False,
) -> training.History:
    """Train movement encoder and prior on codes, in place, by one loss.

    Args:
        model: a fresh one.
        codes: of the clips, shape (clips, frames).
        clips: of the training pieces.
        n_steps: batches.
        seed: of their order, of the noise, and of what each clip sees.
        seen: shares of clips that see nothing, the movement, and movement and notes.
        checkpoint: file to save to, and to go on from; `None` saves nothing.
        progress: whether to show a bar.

    Returns:
        Bits a code at each step.
    """
    config = model.config
    device = model.embed.weight.device
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), config.prior_rate)
    batches = _batches(clips, config, seed)
    generator = torch.Generator().manual_seed(seed)
    shares = torch.tensor(seen)

    def step(i: int) -> Mapping[str, float]:
        rows = batches.draw()
        optimiser.param_groups[0]["lr"] = learning_rate(i, n_steps, config.prior_rate)
        kind = torch.multinomial(shares, len(rows), replacement=True, generator=generator)
        keypoints = clips.keypoints[rows]
        noise = torch.randn(keypoints.shape, generator=generator)
        loss = model.loss(
            codes[rows].to(device),
            (keypoints + config.keypoint_noise * noise).to(device),
            clips.rolls[rows].to(device),
            keep_movement=kind >= 1,
            keep_midi=kind == 2,
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        return {"bits": loss.item() / np.log(2)}

    history = training.fit(
        step,
        as_count("n_steps", n_steps),
        state={
            "model": model,
            "optimiser": optimiser,
            "batches": batches,
            "random": training.RandomState(generator),
        },
        checkpoint=checkpoint,
        checkpoint_every=1000,
        progress=progress,
    )
    model.eval()
    return history


def _batches(clips: Clips, config: MiNetConfig, seed: int) -> training.Batches:
    size = min(config.batch_size, len(clips))
    return training.Batches(len(clips), size, np.random.default_rng([seed, 11]))


def save_weights(model: nn.Module, name: str, made: Mapping[str, object], folder: Path = WEIGHTS):
    """Write the weights of a model, a byte each, with what they were made from.

    Args:
        model: a VQVAE or MovementPrior.
        name: of the file, without its ending.
        made: facts such as seed, steps and data.
        folder: where to.

    Returns:
        The path.
    """
    facts = {**made, "config": asdict(model.config)}
    # The codebook and its counts stay as they are: the update adds small numbers to them.
    return weights.save(
        folder / f"{name}.npz", {name: model}, facts, one_byte=True, exact=("quantiser",)
    )


def load_weights(model: nn.Module, name: str, folder: Path = WEIGHTS) -> dict[str, object]:
    """Put weights that came with the package into a model, and say how they were made.

    Args:
        model: of the configuration that the weights were made with.
        name: "alphabet" for a VQVAE, "prior" for a MovementPrior.
        folder: where from.

    Returns:
        What was recorded: seed, steps, data, seconds, date and environment.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the model has other sizes.
    """
    kept = weights.load(folder / f"{name}.npz", "python -m neurotutor.perception.mi_net")
    kept.restore(name, model)
    return kept.made
