"""Co-smoothing tasks: trials to learn from, trials to be judged on, what may be seen of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from neurotutor import decoding
from neurotutor.data.dynamical_spikes import DynamicalSpikes
from neurotutor.data.reach import Reach

from .masking import Layout


@dataclass(frozen=True)
class Task:
    """Trials of equal length, split into training and validation.

    Attributes:
        train: counts to learn from; all neurons, since training may ask for any of them.
        validation: counts to be judged on.
        layout: which neurons and bins are shown.
        rates: true rates of the validation trials in spikes per bin; `None` if unknown.
        train_velocity: hand velocity of the training trials; `None` if not recorded.
        velocity: hand velocity of the validation trials.
        train_condition: condition of each training trial.
        condition: condition of each validation trial.
        bin_size: width of a bin, in seconds.
        name: of the recording or simulation.
    """

    train: Float[Tensor, "trials bins neurons"]
    validation: Float[Tensor, "others bins neurons"]
    layout: Layout
    rates: Float[np.ndarray, "others bins neurons"] | None
    train_velocity: Float[np.ndarray, "trials bins 2"] | None
    velocity: Float[np.ndarray, "others bins 2"] | None
    train_condition: Int[np.ndarray, " trials"]
    condition: Int[np.ndarray, " others"]
    bin_size: float
    name: str

    def to(self, device: torch.device | str) -> Task:
        """The same task with its counts on another device."""
        return replace(self, train=self.train.to(device), validation=self.validation.to(device))

    def halves(self) -> tuple[Bool[np.ndarray, " others"], Bool[np.ndarray, " others"]]:
        """Two masks over validation trials, every second one: to select on, and to report."""
        first = np.arange(len(self.validation)) % 2 == 0
        return first, ~first


def dynamical_task(
    made: DynamicalSpikes, n_held_out: int = 8, n_forward: int = 10, *, by_condition: bool = False
) -> Task:
    """Co-smoothing and forward prediction on simulated dynamics: the last neurons, the last bins.

    Args:
        made: simulated trials.
        n_held_out: neurons to predict from the others.
        n_forward: bins to predict at the end of a trial.
        by_condition: validate on every fifth condition, never seen in training, instead of on
            further repeats of the same conditions.

    Raises:
        ValueError: if no neuron or no bin is left to be shown.
    """
    n_bins, n_neurons = made.spikes.shape[1:]
    layout = Layout(n_neurons - n_held_out, n_held_out, n_bins - n_forward, n_forward)
    train = made.condition % 5 != 4 if by_condition else made.train
    if train.all() or not train.any():
        raise ValueError("the split leaves no trial on one side; simulate more conditions")
    spikes = torch.as_tensor(made.spikes, dtype=torch.float32)
    return Task(
        train=spikes[torch.as_tensor(train)],
        # Counts beyond those of training mean nothing to a table of counts.
        validation=spikes[torch.as_tensor(~train)].clamp(max=float(made.spikes[train].max())),
        layout=layout,
        rates=made.rates[~train],
        train_velocity=None,
        velocity=None,
        train_condition=made.condition[train],
        condition=made.condition[~train],
        bin_size=made.bin_size,
        name=made.name,
    )


def reach_task(reach: Reach, n_bins: int = 8, smallest_rate: float = 0.05) -> Task:
    """Co-smoothing on reaches: every fourth neuron held out, every fifth trial for validation.

    Args:
        reach: recorded or simulated reaches, all bins kept.
        n_bins: the first bins of each trial that are used.
        smallest_rate: neurons with fewer spikes per bin on average are left out, and the last one
            if their number is odd, so that two heads divide it.

    Raises:
        ValueError: if a trial is shorter, or too few neurons are left.

    Source: ours; the recordings of the Neural Latents Benchmark have a fixed split.
    """
    lengths = np.bincount(reach.trial)
    if lengths.min() < n_bins:
        raise ValueError(
            f"the shortest trial has {lengths.min()} bins, {n_bins} were asked for; lower n_bins"
        )
    starts = np.flatnonzero(np.diff(reach.trial, prepend=-1))
    rows = starts[:, None] + np.arange(n_bins)
    spikes = reach.spikes[rows]
    kept = np.flatnonzero(spikes.mean(axis=(0, 1)) >= smallest_rate)
    kept = kept[: len(kept) - len(kept) % 2]
    if len(kept) < 8:
        raise ValueError(f"{len(kept)} neurons fire enough; at least 8 are needed")
    out = kept[3::4]
    order = np.concatenate([np.setdiff1d(kept, out), out])
    train = np.arange(len(spikes)) % 5 != 4
    counts = torch.as_tensor(spikes[:, :, order], dtype=torch.float32)
    return Task(
        train=counts[torch.as_tensor(train)],
        validation=counts[torch.as_tensor(~train)].clamp(max=float(counts[train].max())),
        layout=Layout(len(kept) - len(out), len(out), n_bins),
        rates=None,
        train_velocity=reach.velocity[rows][train],
        velocity=reach.velocity[rows][~train],
        train_condition=reach.trial_direction[train],
        condition=reach.trial_direction[~train],
        bin_size=reach.bin_size,
        name=reach.name,
    )


@dataclass(frozen=True)
class Score:
    """What rates are worth on validation trials; `None` where a task has no such part.

    Attributes:
        co_bps: bits per spike of held-out neurons.
        fp_bps: bits per spike of all neurons in the forward bins.
        velocity_r2: of hand velocity, read linearly from the rates.
        rate_r2: of the true rates of held-out neurons, observed bins; columns pooled.
    """

    co_bps: float
    fp_bps: float | None
    velocity_r2: float | None
    rate_r2: float | None


def score(
    rates: Float[np.ndarray, "others bins neurons"],
    task: Task,
    train_rates: Float[np.ndarray, "trials bins neurons"] | None = None,
) -> Score:
    """Every metric of the chapter for rates of the validation trials.

    Args:
        rates: expected spikes per bin.
        task: what was to be predicted.
        train_rates: rates of the training trials, for the read-out of velocity; `None` leaves it
            out.

    Raises:
        ValueError: if shapes disagree or rates are negative or not finite.
    """
    layout, spikes = task.layout, task.validation.cpu().numpy()
    forward = decoding.fp_bps(rates, spikes, layout.n_observed) if layout.n_forward else None
    velocity = None
    if train_rates is not None and task.velocity is not None:
        velocity = decoding.velocity_r2(
            train_rates.reshape(-1, layout.n_neurons),
            task.train_velocity.reshape(-1, 2),
            rates.reshape(-1, layout.n_neurons),
            task.velocity.reshape(-1, 2),
        )
    truth = None
    if task.rates is not None:
        part = np.s_[:, : layout.n_observed, layout.n_held_in :]
        shape = (-1, layout.n_held_out)
        truth = decoding.r2(task.rates[part].reshape(shape), rates[part].reshape(shape))
    return Score(
        decoding.co_bps(rates, spikes, layout.n_held_in, layout.n_observed),
        forward,
        velocity,
        truth,
    )
