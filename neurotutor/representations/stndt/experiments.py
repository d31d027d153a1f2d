"""What the chapter compares: baselines, ensembles, a search, and the neurons that matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter1d
from sklearn.linear_model import PoissonRegressor
from torch import Tensor

from neurotutor import decoding

from .config import StndtConfig
from .masking import hide
from .model import NDT, STNDT, Mixing
from .tasks import Task
from .training import Training, predict

Kind = Literal["ndt", "stndt", "identity", "uniform"]
KINDS: tuple[str, ...] = ("ndt", "stndt", "identity", "uniform")


def train(
    task: Task,
    config: StndtConfig,
    kind: Kind = "stndt",
    *,
    seed: int = 0,
    cache: Path | None = None,
    patience: int | None = None,
    validate_every: int = 0,
) -> Training:
    """Train one model on a task.

    Args:
        task: its device is the model's.
        config: sizes, masks and schedule; contrast is left out for "ndt".
        kind: "ndt", "stndt", or STNDT with the "identity" or the "uniform" matrix for attention.
        seed: of weights, batches and masks.
        cache: folder for a checkpoint, from which an interrupted run goes on; `None` keeps none.
        patience: see `Training.fit`.
        validate_every: see `Training`.

    Raises:
        ValueError: if the kind is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    sizes = task.layout.n_neurons, task.layout.n_bins
    if kind == "ndt":
        config = replace(config, contrast_weight=0.0)
        model: NDT | STNDT = NDT(*sizes, config, seed=seed)
    else:
        mixing: Mixing = "attention" if kind == "stndt" else kind
        model = STNDT(*sizes, config, mixing=mixing, seed=seed)
    model = model.to(task.train.device)
    run = Training(task, model, config, seed=seed, validate_every=validate_every)
    checkpoint = None
    if cache is not None:
        contrast = " contrast" if config.contrast_weight else ""
        words = f"{task.name} {kind}{contrast} seed {seed}"
        checkpoint = cache / f"{''.join(c if c.isalnum() else '-' for c in words)}.pt"
    run.fit(checkpoint=checkpoint, patience=patience)
    return run


# --- baselines ------------------------------------------------------------------------------


def glm_rates(
    task: Task, *, sd: float, alpha: float, offset: float = 1e-4
) -> Float[np.ndarray, "others bins neurons"]:
    """Poisson regression of each held-out neuron on the held-in ones, bin by bin.

    Args:
        task: only observed bins are used.
        sd: standard deviation of the Gaussian that smooths the held-in counts, in bins.
        alpha: ridge penalty on the weights.
        offset: added before the logarithm is taken.

    Returns:
        Rates of held-out neurons in the observed bins of validation trials, in spikes per bin.
    """
    layout = task.layout

    def features(spikes: Tensor) -> np.ndarray:
        shown = spikes[:, : layout.n_observed, : layout.n_held_in].double().cpu().numpy()
        return np.log(gaussian_filter1d(shown, sd, axis=1) + offset).reshape(-1, layout.n_held_in)

    inputs, others = features(task.train), features(task.validation)
    wanted = task.train[:, : layout.n_observed, layout.n_held_in :].double().cpu().numpy()
    rates = [
        PoissonRegressor(alpha=alpha, max_iter=500).fit(inputs, counts).predict(others)
        for counts in wanted.reshape(-1, layout.n_held_out).T
    ]
    return np.stack(rates, axis=1).reshape(-1, layout.n_observed, layout.n_held_out)


def mean_rates(
    task: Task, *, by_condition: bool = False, pseudo_trials: float = 5.0
) -> Float[np.ndarray, "others bins neurons"]:
    """Mean count of each neuron and bin over training trials, the same for every trial.

    Args:
        task: trials to average.
        by_condition: average over trials of the same condition; this uses the validation trial's
            label, which no other method here may see.
        pseudo_trials: weight of the mean over all conditions in that of one, in trials.
    """
    counts = task.train.double().cpu().numpy()
    overall = counts.mean(axis=0)
    if not by_condition:
        return np.broadcast_to(overall, task.validation.shape).copy()
    means = {}
    for label in np.unique(task.condition):
        mine = counts[task.train_condition == label]
        means[label] = (mine.sum(axis=0) + pseudo_trials * overall) / (len(mine) + pseudo_trials)
    return np.stack([means[label] for label in task.condition])


def held_out_bps(rates: Float[np.ndarray, "others bins out"], task: Task) -> float:
    """Co-smoothing score of rates that were made for the held-out neurons alone."""
    layout = task.layout
    counts = task.validation[:, : layout.n_observed, layout.n_held_in :].cpu().numpy()
    return decoding.bits_per_spike(rates, counts)


def co_bps(
    rates: Float[np.ndarray, "others bins neurons"],
    task: Task,
    trials: Bool[np.ndarray, " others"] | None = None,
) -> float:
    """Co-smoothing score on all validation trials, or on some of them."""
    trials = np.ones(len(rates), bool) if trials is None else trials
    layout, spikes = task.layout, task.validation.cpu().numpy()
    return decoding.co_bps(rates[trials], spikes[trials], layout.n_held_in, layout.n_observed)


# --- ensembles and search -------------------------------------------------------------------


def ensemble(
    members: Sequence[Float[np.ndarray, "trials bins neurons"]],
) -> Float[np.ndarray, "trials bins neurons"]:
    """Mean of the rates (not of their logarithms) of several models.

    Raises:
        ValueError: if there is none, or shapes differ.

    Source: Le & Shlizerman (2022), code of the ensembles.
    """
    if not len(members) or len({each.shape for each in members}) != 1:
        raise ValueError("an ensemble needs members of one shape; pass at least one array of rates")
    return np.mean(np.stack(members), axis=0)


@dataclass(frozen=True)
class Chosen:
    """An ensemble that was chosen on some trials and is reported on others.

    Attributes:
        members: indices of the members, best first.
        selected: its score on the trials that it was chosen on.
        reported: its score on trials that had no say.
        best_single: score of the best single member on the latter, best on the former.
    """

    members: tuple[int, ...]
    selected: float
    reported: float
    best_single: float


def choose_ensemble(
    rates: Sequence[Float[np.ndarray, "others bins neurons"]],
    task: Task,
    select: Bool[np.ndarray, " others"],
) -> Chosen:
    """Rank models by co-smoothing on some trials, and average as many of the best as score best.

    The published pipeline reports the trials that it selects on; this one does not.

    Args:
        rates: of the validation trials, one array for each model.
        task: what was to be predicted.
        select: trials to select on; the others are for the report.

    Raises:
        ValueError: if no trial is on one of the sides.
    """
    if select.all() or not select.any():
        raise ValueError("select must leave trials on both sides; try every second one")
    order = np.argsort([-co_bps(each, task, select) for each in rates])
    means = [ensemble([rates[i] for i in order[:m]]) for m in range(1, len(order) + 1)]
    scores = [co_bps(each, task, select) for each in means]
    best = int(np.argmax(scores))
    return Chosen(
        tuple(int(i) for i in order[: best + 1]),
        scores[best],
        co_bps(means[best], task, ~select),
        co_bps(means[0], task, ~select),
    )


def candidates(base: StndtConfig, n: int, *, seed: int = 0) -> list[StndtConfig]:
    """Random settings for a search: learning rate, dropout, mask ratio and weight decay.

    Args:
        base: everything that is not drawn.
        n: number of candidates.
        seed: of the draws.

    Returns:
        Configs; rates and decay are log-uniform, the others uniform, over the published ranges
        (learning rates from 1e-3 on, since short runs learn little below).

    Source: search spaces of Le & Shlizerman (2022), which they search with Gaussian processes.
    """
    random = np.random.default_rng(seed)
    return [
        replace(
            base,
            learning_rate=float(10 ** random.uniform(-3, -2)),
            dropout=float(random.uniform(0, 0.4)),
            mask_ratio=float(random.uniform(0.1, 0.4)),
            weight_decay=float(10 ** random.uniform(-8, -3)),
        )
        for _ in range(n)
    ]


@dataclass(frozen=True)
class Tried:
    """One candidate of a search: its config, and its scores where it may and may not be chosen."""

    config: StndtConfig
    selected: float
    reported: float


def search(
    task: Task,
    tries: Sequence[StndtConfig],
    kind: Kind = "stndt",
    *,
    seed: int = 0,
    cache: Path | None = None,
) -> list[Tried]:
    """Train every candidate; score it on half of the validation trials, and on the other half.

    Returns:
        The candidates, best on the first half first.
    """
    select, report = task.halves()
    found = []
    for number, config in enumerate(tries):
        folder = None if cache is None else cache / f"search-{number}"
        run = train(task, config, kind, seed=seed, cache=folder)
        rates = predict(run.model, task.validation, task.layout)
        found.append(Tried(config, co_bps(rates, task, select), co_bps(rates, task, report)))
    return sorted(found, key=lambda each: -each.selected)


# --- which neurons matter -------------------------------------------------------------------


def importance(
    weights: Float[Tensor, "layers trials neurons neurons"], n_held_in: int
) -> Float[Tensor, " held_in"]:
    """How much attention each held-in neuron receives, averaged over everything else.

    Args:
        weights: spatial weights, from row to column.
        n_held_in: neurons to report.

    Returns:
        I_j = mean over layers, trials and attending neurons i of A_ij.

    Raises:
        ValueError: if there are fewer neurons.

    Source: ours; the paper's exact reduction is not known to us.
    """
    if not 1 <= n_held_in <= weights.shape[-1]:
        raise ValueError(f"n_held_in must lie in 1..{weights.shape[-1]}, got {n_held_in}")
    return weights.mean(dim=(0, 1, 2))[:n_held_in]


@torch.no_grad()
def spatial_attention(model: STNDT, task: Task) -> Float[Tensor, "layers trials neurons neurons"]:
    """Spatial weights of a trained model on the validation trials."""
    model.eval()
    return model.attend(hide(task.validation, task.layout)).weights.cpu()


def silenced_bps(
    model: NDT | STNDT, task: Task, sets: Sequence[Int[np.ndarray, "_"]]
) -> Float[np.ndarray, " sets"]:
    """Co-smoothing score with sets of held-in neurons set to 0 in the input.

    Args:
        model: a trained model.
        task: its task.
        sets: held-in neurons to silence, one array for each score.

    Raises:
        ValueError: if a neuron is not a held-in one.
    """
    scores = []
    for silenced in sets:
        silenced = np.asarray(silenced, int)
        if len(silenced) and not 0 <= silenced.min() <= silenced.max() < task.layout.n_held_in:
            raise ValueError(f"silenced neurons must be held in: 0..{task.layout.n_held_in - 1}")
        spikes = task.validation.clone()
        spikes[:, :, torch.as_tensor(silenced, device=spikes.device)] = 0
        scores.append(co_bps(predict(model, spikes, task.layout), task))
    return np.array(scores)


def leave_one_out(model: NDT | STNDT, task: Task) -> Float[np.ndarray, " held_in"]:
    """How many bits per spike are lost when one held-in neuron is silenced, for each of them."""
    intact = silenced_bps(model, task, [np.arange(0)])
    alone = silenced_bps(model, task, [np.array([n]) for n in range(task.layout.n_held_in)])
    return intact - alone


def ablation(
    model: NDT | STNDT,
    task: Task,
    attention: Float[np.ndarray, " held_in"],
    counts: Sequence[int],
    *,
    n_random: int = 8,
    seed: int = 0,
) -> dict[str, Float[np.ndarray, " counts"]]:
    """Scores when more and more held-in neurons are silenced, in four orders.

    Args:
        model: a trained model.
        task: its task.
        attention: importance of each held-in neuron.
        counts: how many to silence.
        n_random: random orders to average over.
        seed: of these.

    Returns:
        Scores for the "most attended" first, the "least attended", the "highest rate", and
        "random" ones. The third is the control: a neuron that fires much has much to lose.
    """
    rates = task.train[:, : task.layout.n_observed, : task.layout.n_held_in].mean(dim=(0, 1))
    random = np.random.default_rng(seed)
    orders = {
        "most attended": [np.argsort(-attention)],
        "least attended": [np.argsort(attention)],
        "highest rate": [np.argsort(-rates.cpu().numpy())],
        "random": [random.permutation(task.layout.n_held_in) for _ in range(n_random)],
    }
    return {
        name: np.mean([silenced_bps(model, task, [o[:k] for k in counts]) for o in each], axis=0)
        for name, each in orders.items()
    }


def agreement(values: Sequence[Float[np.ndarray, " neurons"]]) -> float:
    """Mean correlation over all pairs of measurements of the same neurons.

    Raises:
        ValueError: if there are fewer than 2, or one is constant.
    """
    if len(values) < 2:
        raise ValueError(f"agreement needs 2 measurements or more, got {len(values)}")
    table = np.stack(values)
    if (table.std(axis=1) == 0).any():
        raise ValueError("a measurement is the same for all neurons; it agrees with nothing")
    return float(np.corrcoef(table)[np.triu_indices(len(table), 1)].mean())
