"""Clips to learn from, the training of both stages, and small trained weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from neurotutor.checks import as_count
from neurotutor.data import scores
from neurotutor.data.scores import Score
from neurotutor.perception.audeo.config import AudeoConfig, Preset
from neurotutor.perception.audeo.renderer import Clip, render_clip
from neurotutor.perception.audeo.roll_to_midi import (
    PatchDiscriminator,
    Roll2Midi,
    discriminator_loss,
    generator_loss,
)
from neurotutor.perception.audeo.sampling import BalancedKeySampler, UniformSampler
from neurotutor.perception.audeo.video_to_roll import PlainRoll, Video2Roll, frame_indices, stacks
from neurotutor.training import History, fit

VALIDATION = ("bwv773_invention", "bwv784_invention", "bwv790_sinfonia", "bwv799_sinfonia")


@dataclass(frozen=True)
class Pieces:
    """Pieces by what they are used for; no piece serves two purposes.

    Attributes:
        train: what the nets learn from.
        validation: what thresholds are chosen on.
        test: what everything is measured on.
        simulated: whether they were composed here, for lack of the real ones.
    """

    train: tuple[Score, ...]
    validation: tuple[Score, ...]
    test: tuple[Score, ...]
    simulated: bool

    @property
    def all(self) -> tuple[Score, ...]:
        """Every piece."""
        return self.train + self.validation + self.test


def load_pieces() -> Pieces:
    """Bach, split by piece as the paper does: Book I and more for training, Book II for the test.

    Where the set is absent the pieces are composed here, 53 of them as well; `simulated` says so,
    and a page that uses them must, too.
    """
    folders = ("keyboard_wtc1", "keyboard_other", "keyboard_wtc2")
    found = {folder: scores.names(folder) for folder in folders}
    if all(found.values()):
        names = found["keyboard_wtc1"] + found["keyboard_other"]
        held = [name for name in names if name.rpartition("/")[2] in VALIDATION]
        return Pieces(
            tuple(scores.load(name) for name in names if name not in held),
            tuple(map(scores.load, held)),
            tuple(map(scores.load, found["keyboard_wtc2"])),
            simulated=False,
        )
    made = [scores.compose(60, seed=seed) for seed in range(53)]
    return Pieces(tuple(made[:46]), tuple(made[46:50]), tuple(made[50:]), simulated=True)


def make_clips(
    pieces: Sequence[Score],
    n: int,
    *,
    seconds: float | int = 4.0,
    seed: int = 0,
    preset: str | Preset = "tutorial",
) -> list[Clip]:
    """Render clips from random places of random pieces, each with a camera of its own.

    Args:
        pieces: drawn from in turn, in random order.
        n: how many clips.
        seconds: of each.
        seed: of places, performances and cameras.
        preset: size and range.

    Returns:
        The clips.

    Raises:
        ValueError: for no pieces.
    """
    if not len(pieces):
        raise ValueError("there are no pieces to render: pass one or more")
    rng = np.random.default_rng([as_count("seed", seed, 0), 77])
    order = np.concatenate(
        [rng.permutation(len(pieces)) for _ in range(-(-as_count("n", n) // len(pieces)))]
    )[:n]
    return [
        render_clip(
            pieces[which],
            int(rng.integers(2**31)),
            preset,
            start=float(rng.uniform(0, max(pieces[which].seconds - 1.4 * seconds, 0.01))),
            seconds=seconds,
        )
        for which in order
    ]


class Frames:
    """All stacks of several clips, with their labels.

    Args:
        clips: of one preset.
        n_frames: frames in a stack.
        target: "pseudo" (what a transcriber says) or "keys" (the truth, which real video lacks).

    Raises:
        ValueError: for no clips, or another target.
    """

    def __init__(self, clips: Sequence[Clip], n_frames: int = 5, target: str = "pseudo"):
        if not clips:
            raise ValueError("there are no clips to learn from: pass one or more")
        if target not in ("pseudo", "keys"):
            raise ValueError(f"target must be pseudo or keys, got {target!r}")
        starts = np.cumsum([0] + [len(each) for each in clips])
        self.video = np.concatenate([each.video for each in clips])
        # Stacks never reach into the next clip.
        self.indices = np.concatenate(
            [s + frame_indices(len(c), n_frames) for s, c in zip(starts, clips, strict=False)]
        )
        self.labels = np.concatenate([getattr(each, target) for each in clips])

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Stacks and labels of some rows."""
        labels = torch.from_numpy(self.labels[rows]).float()
        return stacks(self.video, self.indices[rows]), labels


def rate_factor(step: int, total: int) -> float:
    """Full learning rate for the first half, then a straight line down to 5 %."""
    return 1.0 if step < total / 2 else 1 - 0.95 * (step - total / 2) / (total / 2)


def train_video2roll(
    model: Video2Roll | PlainRoll,
    frames: Frames,
    config: AudeoConfig,
    *,
    seed: int = 0,
    progress: bool = True,
) -> History:
    """Train the first stage: binary cross entropy, Adam, frames drawn by key or uniformly.

    Args:
        model: changed in place; left in evaluation mode.
        frames: to learn from.
        config: batch, iterations, rate and sampling.
        seed: of the draws.
        progress: whether to show a bar.

    Returns:
        The loss of each step.

    Raises:
        ValueError: for another sampling.
    """
    if config.sampling == "balanced":
        sampler = BalancedKeySampler(frames.labels, seed=seed)
    elif config.sampling == "uniform":
        sampler = UniformSampler(len(frames), seed=seed)
    else:
        raise ValueError(f"sampling must be balanced or uniform, got {config.sampling!r}")
    device = next(model.parameters()).device
    optimiser = torch.optim.Adam(model.parameters(), lr=config.rate)
    model.train()

    def step(i: int) -> dict[str, float]:
        for group in optimiser.param_groups:
            group["lr"] = config.rate * rate_factor(i, config.iterations)
        x, y = (each.to(device) for each in frames.batch(sampler.draw(config.batch)))
        loss = F.binary_cross_entropy_with_logits(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return {"loss": float(loss.detach())}

    history = fit(step, config.iterations, description="Video2Roll", progress=progress)
    model.eval()
    return history


def train_roll2midi(
    model: Roll2Midi,
    rolls: Sequence[Float[np.ndarray, "frames keys"]],
    targets: Sequence[Bool[np.ndarray, "frames keys"]],
    config: AudeoConfig,
    *,
    seed: int = 0,
    progress: bool = True,
) -> History:
    """Train the second stage: one step of the generator, one of the critic, in turn.

    Args:
        model: the generator; changed in place, left in evaluation mode.
        rolls: probabilities from a first stage that has not seen these clips.
        targets: what a transcriber hears in them.
        config: window, batch, iterations, rate and the critic's weight; 0 leaves it out.
        seed: of the draws and of the critic.
        progress: whether to show a bar.

    Returns:
        Mean squared error to the target, and the critic's loss, of each step.

    Raises:
        ValueError: for rolls shorter than a window, or without targets of their shape.
    """
    window = config.midi_window
    if [r.shape for r in rolls] != [t.shape for t in targets] or not len(rolls):
        raise ValueError("rolls and targets must be as many, one or more, and of the same shapes")
    if min(map(len, rolls)) < window:
        raise ValueError(f"every roll must have {window} frames or more")
    rng = np.random.default_rng([seed, 78])
    critic = PatchDiscriminator(config.midi_width, seed=seed) if config.adversarial else None
    make = torch.optim.Adam(model.parameters(), lr=config.midi_rate)
    judge = torch.optim.Adam(critic.parameters(), lr=config.midi_rate) if critic else None
    model.train()

    def batch() -> tuple[Tensor, Tensor]:
        pairs = []
        for which in rng.integers(len(rolls), size=config.midi_batch):
            start = rng.integers(len(rolls[which]) - window + 1)
            part = slice(start, start + window)
            pairs.append((rolls[which][part].T, targets[which][part].T))
        return tuple(
            torch.from_numpy(np.stack(each).astype(np.float32))[:, None]
            for each in zip(*pairs, strict=True)
        )

    def step(i: int) -> dict[str, float]:
        for optimiser in (make, judge):
            for group in optimiser.param_groups if optimiser else ():
                group["lr"] = config.midi_rate * rate_factor(i, config.midi_iterations)
        roll, target = batch()
        made = model(roll)
        opinion = critic(made) if critic else torch.ones(1)
        loss = generator_loss(opinion, made, target, config.adversarial)
        make.zero_grad()
        loss.backward()
        make.step()
        report = {"error": float(F.mse_loss(made.detach(), target))}
        if critic:
            verdict = discriminator_loss(critic(target), critic(made.detach()))
            judge.zero_grad()
            verdict.backward()
            judge.step()
            report["critic"] = float(verdict.detach())
        return report

    history = fit(step, config.midi_iterations, description="Roll2Midi", progress=progress)
    model.eval()
    return history
