"""Train EIT and its baseline, on bodies or on neurons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from neurotutor.checks import as_count, as_positive
from neurotutor.training import History, RandomState, fit

from .model import bin_cross_entropy
from .tasks import Samples


@torch.no_grad()
def accuracy(model: nn.Module, samples: Samples, *, individual: bool = False) -> float:
    """Share of bins whose most likely class is the right one, in eval mode.

    Args:
        model: EIT or the population transformer.
        samples: to test on.
        individual: take the individual module's own logits.
    """
    was_training = model.training
    model.eval()
    right, count = 0, 0
    for start in range(0, len(samples), 512):
        out = model(samples.x[start : start + 512])
        logits = out.individual_logits if individual else out.logits
        hits = logits.argmax(-1) == samples.y[start : start + 512, None]
        right, count = right + int(hits.sum()), count + hits.numel()
    model.train(was_training)
    return right / count


def train(
    model: nn.Module,
    draw: Callable[[int, torch.Generator], Samples],
    n_steps: int,
    *,
    learning_rate: float | int,
    batch_size: int,
    individual_weight: float | int = 0.0,
    test: Samples | None = None,
    test_every: int = 0,
    seed: int = 0,
    checkpoint: Path | None = None,
    description: str = "",
) -> History:
    """Adam at a constant rate on the cross-entropy of every bin.

    Args:
        model: its output has `logits` (and `individual_logits`, where they are weighted).
        draw: (batch size, generator) -> a batch.
        n_steps: number of steps.
        learning_rate: of Adam.
        batch_size: samples a step.
        individual_weight: weight of the individual module's own cross-entropy.
        test: samples to follow the accuracy on; nothing is chosen by it.
        test_every: steps between two looks at the test accuracy; 0 for none.
        seed: of batches and dropout.
        checkpoint: file to go on from, and to save to.
        description: beside the progress bar.

    Returns:
        History with `loss` (NaN between looks) and `accuracy`.

    Raises:
        ValueError: if a number is out of range.

    Source: Liu et al. (2022), loss and optimiser.
    """
    as_positive("learning_rate", learning_rate)
    as_count("batch_size", batch_size)
    optimiser = torch.optim.Adam(
        [each for each in model.parameters() if each.requires_grad], learning_rate, fused=True
    )
    generator = torch.Generator().manual_seed(seed)
    model.train()

    def step(i: int) -> dict[str, float]:
        batch = draw(batch_size, generator)
        out = model(batch.x)
        loss = bin_cross_entropy(out.logits, batch.y)
        if individual_weight:
            loss = loss + individual_weight * bin_cross_entropy(out.individual_logits, batch.y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        report = {}
        if i % 20 == 0 or i == n_steps - 1:
            report["loss"] = loss.item()
        if test is not None and test_every and ((i + 1) % test_every == 0 or i == n_steps - 1):
            report["accuracy"] = accuracy(model, test)
        return report

    # Dropout draws from the global generator: seed it for this run alone.
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        history = fit(
            step,
            n_steps,
            state={"model": model, "optimiser": optimiser, "random": RandomState(generator)},
            checkpoint=checkpoint,
            checkpoint_every=max(100, n_steps // 50),
            description=description,
            progress=bool(description),
        )
    model.eval()
    return history


def epochs(samples: Samples) -> Callable[[int, torch.Generator], Samples]:
    """A `draw` that takes every sample at random, with replacement between batches."""

    def draw(n: int, generator: torch.Generator) -> Samples:
        rows = torch.randint(len(samples), (n,), generator=generator).to(samples.x.device)
        return Samples(samples.x[rows], samples.y[rows])

    return draw
