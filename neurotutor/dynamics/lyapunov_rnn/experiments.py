"""The two training experiments of the chapter: digits row by row, and the next character."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurotutor.data.mnist import Images
from neurotutor.data.text import Text, split, windows
from neurotutor.dynamics.lyapunov_rnn.config import CharacterConfig, DigitsConfig
from neurotutor.dynamics.lyapunov_rnn.population import (
    Population,
    Trainer,
    digit_rows,
    digit_streams,
    draw_population,
    evaluate,
    one_hot,
)
from neurotutor.dynamics.lyapunov_rnn.spectrum import lyapunov_spectrum
from neurotutor.training import RandomState, Stateful, fit

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Run:
    """What was seen while a population was trained.

    Attributes:
        scales: p of each network.
        steps: numbers of the training steps before which was looked.
        losses: test or validation loss there, nats.
        spectra: Lyapunov exponents there, nats per step.
        first: the networks before training.
        last: the networks after it.
        streams: the inputs that the exponents were measured on.
    """

    scales: Float[Tensor, "nets"]
    steps: tuple[int, ...]
    losses: Float[Tensor, "looks nets"]
    spectra: Float[Tensor, "looks nets k"]
    first: Population
    last: Population
    streams: Float[Tensor, "sequences time in"]

    @property
    def largest(self) -> Float[Tensor, "looks nets"]:
        """The largest exponent at each look."""
        return self.spectra.max(dim=-1).values


class _Looks:
    """What was seen so far, in a form that a checkpoint keeps."""

    def __init__(self):
        self.losses: list[Tensor] = []
        self.spectra: list[Tensor] = []

    def state_dict(self) -> dict[str, list[Tensor]]:
        return {"losses": self.losses, "spectra": self.spectra}

    def load_state_dict(self, state: Mapping[str, list[Tensor]]) -> None:
        self.losses, self.spectra = list(state["losses"]), list(state["spectra"])


def train_and_watch(
    trainer: Trainer,
    batch: Callable[[int], Batch],
    *,
    n_steps: int,
    watch: Sequence[int],
    test: Batch,
    streams: Float[Tensor, "sequences time in"],
    scales: Float[Tensor, "nets"],
    warmup: int,
    k: int | None = None,
    schedule: Callable[[int], float] | None = None,
    state: Mapping[str, Stateful] | None = None,
    checkpoint: Path | None = None,
) -> Run:
    """Train a population, and look at losses and spectra on the way.

    Args:
        trainer: holds the networks.
        batch: gives inputs and targets of a step.
        n_steps: steps of training.
        watch: steps before which to look; `n_steps` itself looks at the end.
        test: inputs and targets that losses are measured on.
        streams: inputs that exponents are measured on, in float64.
        scales: p of each network, kept for the record.
        warmup: steps of the state alone on each stream.
        k: number of exponents; `None` means all.
        schedule: learning rate of each step, if it changes.
        state: what `batch` draws from, for the checkpoint.
        checkpoint: file to save to, and to go on from; `None` saves nothing.

    Raises:
        ValueError: if `watch` is empty, not increasing, or beyond `n_steps`; or for a checkpoint of
            another run.
        KeyboardInterrupt: if Ctrl-C ended the training; the checkpoint is saved.
    """
    watch = tuple(watch)
    if not watch or any(np.diff(watch) <= 0) or not 0 <= watch[0] <= watch[-1] <= n_steps:
        raise ValueError(f"watch must increase within 0..{n_steps}, got {watch}")
    first = trainer.population
    looks = _Looks()

    def look(step: int) -> None:
        if step in watch:
            now = trainer.population
            looks.losses.append(evaluate(now, *test).double().cpu())
            # Spectra are measured in float64, which not every device has.
            cell = now.cell.to("cpu").to(torch.float64)
            found = lyapunov_spectrum(cell, inputs=streams, warmup=warmup, k=k, keep_history=False)
            looks.spectra.append(found.exponents)

    def step(i: int) -> dict[str, float]:
        look(i)
        if schedule is not None:
            for group in trainer.optimiser.param_groups:
                group["lr"] = schedule(i)
        return {"loss": float(trainer.step(*batch(i)).mean())}

    history = fit(
        step,
        n_steps,
        state={"networks": trainer, "looks": looks, **(state or {})},
        checkpoint=checkpoint,
        checkpoint_every=200,
        progress=False,
    )
    if history.interrupted:
        raise KeyboardInterrupt(f"stopped after {len(history.steps)} of {n_steps} steps")
    look(n_steps)
    return Run(
        scales=scales,
        steps=watch,
        losses=torch.stack(looks.losses),
        spectra=torch.stack(looks.spectra),
        first=first,
        last=trainer.population,
        streams=streams,
    )


def run_digits(
    config: DigitsConfig,
    images: Images,
    *,
    kind: str = "tanh",
    watch_epochs: Sequence[int] = (0, 10),
    k: int | None = None,
    seed: int = 0,
) -> Run:
    """Train networks to name a digit that they read row by row.

    Exponents are measured on three streams of 20 test digits, after 32 steps of warm-up.

    Args:
        config: sizes and rates.
        images: what to learn and what to test on.
        kind: of the cell.
        watch_epochs: epochs before which to look; `config.epochs` looks at the end.
        k: number of exponents; `None` means all.
        seed: of weights and batches.
    """
    rows = digit_rows(images.train, images.brightest)
    test_rows = digit_rows(images.test, images.brightest)
    labels = torch.as_tensor(images.train_labels)
    population = draw_population(
        kind, rows.shape[-1], config.hidden_size, 10, config.scales(), seed=seed
    )
    generator = torch.Generator().manual_seed(seed)
    per_epoch = len(rows) // config.batch_size
    n_steps = per_epoch * config.epochs
    order = torch.stack(
        [
            torch.randperm(len(rows), generator=generator)[: per_epoch * config.batch_size]
            for _ in range(config.epochs)
        ]
    ).reshape(n_steps, config.batch_size)
    return train_and_watch(
        Trainer(population, config.learning_rate),
        lambda i: (rows[order[i]], labels[order[i]]),
        n_steps=n_steps,
        watch=[per_epoch * epoch for epoch in watch_epochs],
        test=(test_rows, torch.as_tensor(images.test_labels)),
        streams=digit_streams(test_rows, 3, 20, seed=seed).double(),
        scales=config.scales(),
        warmup=32,
        k=k,
    )


def run_characters(
    config: CharacterConfig,
    text: Text,
    *,
    kind: str,
    watch: Sequence[int],
    k: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
) -> Run:
    """Train networks to predict the next character.

    Nine tenths of the text are learned from; losses and exponents are measured on the last tenth
    (64 windows of 100 characters; four of them for exponents, after 20 steps of warm-up).

    Args:
        config: sizes and rates.
        text: the text.
        kind: of the cell.
        watch: training steps before which to look.
        k: number of exponents; `None` means all.
        seed: of weights and batches.
        device: that the networks are trained on.
        checkpoint: file to save to, and to go on from; `None` saves nothing.
    """
    learned, held = split(text, 0.9)
    rng = np.random.default_rng(seed)
    n_symbols = text.n_symbols

    def pair(rows: np.ndarray) -> Batch:
        inputs = one_hot(rows[:, :-1], n_symbols)
        return inputs.to(device), torch.as_tensor(rows[:, 1:]).to(device)

    test = pair(windows(held, 64, 100, rng=np.random.default_rng(seed + 1)))
    population = draw_population(
        kind, n_symbols, config.hidden_size, n_symbols, config.scales(), seed=seed
    )

    def rate(i: int) -> float:
        late = max(0, i - config.decay_from + config.steps_per_epoch) // config.steps_per_epoch
        return config.learning_rate * config.decay**late

    return train_and_watch(
        Trainer(
            population.to(device),
            config.learning_rate,
            clip=config.clip,
            dropout=config.dropout,
            seed=seed,
        ),
        lambda _: pair(windows(learned, config.batch_size, config.sequence_length, rng=rng)),
        n_steps=config.n_steps,
        watch=watch,
        test=test,
        streams=test[0][:4].cpu().double(),
        scales=config.scales(),
        warmup=20,
        k=k,
        schedule=rate,
        state={"windows": RandomState(rng)},
        checkpoint=checkpoint,
    )
