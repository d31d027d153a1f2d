"""What the chapter measures with BYOL and MYOW, at the small scale and at the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neurotutor import decoding
from neurotutor.data.reach import Reach
from neurotutor.decoding import DirectionProbe, TrialSplit

from .config import MyowConfig
from .model import BYOL, Spread, embedding_spread
from .pretraining import Bins, Pretraining
from .views import Normaliser

PENALTIES = tuple(10.0 ** np.arange(0, 5))  # ridge penalties to choose from on validation trials
METHODS = ("raw", "byol", "myow", "byol, no jitter")


class Reading(NamedTuple):
    """What a linear read-out and the neighbours say about one representation on one split."""

    few: float  # Acc on test bins from one labelled trial a direction, mean of the draws
    full: float  # Acc on test bins from all training trials, penalty chosen on validation
    full_delta: float  # delta-Acc of the same probe
    purity: float  # share of nearest other-trial neighbours with the bin's direction
    within_one: float  # ... with the bin's direction or one beside it


def few_label_accuracy(
    features: Float[np.ndarray, "bins features"],
    direction: Int[np.ndarray, " bins"],
    trial: Int[np.ndarray, " bins"],
    split: TrialSplit,
    *,
    per_direction: int = 1,
    n_draws: int = 10,
    seed: int = 0,
) -> float:
    """Test accuracy of the linear probe from a few labelled trials, averaged over their draws.

    Args:
        features: one row a bin; learned without labels, or raw rates.
        direction: label of each bin.
        trial: trial of each bin.
        split: labelled trials are drawn from its training part, bins are decoded in its test part.
        per_direction: labelled trials for each direction.
        n_draws: number of draws.
        seed: of the first draw; the same draws for every representation with the same seed.

    Returns:
        Mean Acc, between 0 and 1; chance is 0.125 for eight directions.

    Raises:
        ValueError: if shapes disagree, or a direction has too few trials.
    """
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws}")
    scores = []
    for draw in range(n_draws):
        labelled = decoding.few_trials(
            trial, direction, split.train, per_direction, seed=1000 * seed + draw
        )
        probe = DirectionProbe().fit(features[labelled], direction[labelled])
        scores.append(probe.score(features[split.test], direction[split.test]).acc)
    return float(np.mean(scores))


def tuned_probe(
    features: Float[np.ndarray, "bins features"],
    direction: Int[np.ndarray, " bins"],
    split: TrialSplit,
    *,
    penalties: Sequence[float] = PENALTIES,
) -> DirectionProbe:
    """Linear probe from all training trials, with the penalty that decodes validation trials best.

    Args:
        features: one row a bin.
        direction: label of each bin.
        split: masks over bins.
        penalties: ridge penalties to try; the first of the best wins.

    Raises:
        ValueError: if there is no penalty, or shapes disagree.
    """
    if not len(penalties):
        raise ValueError("penalties is empty; pass at least one ridge penalty")
    probes = [
        DirectionProbe(penalty).fit(features[split.train], direction[split.train])
        for penalty in penalties
    ]
    validation = features[split.validation], direction[split.validation]
    return max(probes, key=lambda probe: probe.score(*validation).acc)


def read_out(
    features: Float[np.ndarray, "bins features"],
    direction: Int[np.ndarray, " bins"],
    trial: Int[np.ndarray, " bins"],
    split: TrialSplit,
    *,
    seed: int = 0,
) -> Reading:
    """All numbers of the chapter about one representation on one split.

    Raises:
        ValueError: if shapes disagree or a value is not finite.
    """
    probe = tuned_probe(features, direction, split)
    full = probe.score(features[split.test], direction[split.test])
    purity = decoding.neighbour_purity(features, direction, trial)
    few = few_label_accuracy(features, direction, trial, split, seed=seed)
    return Reading(few, full.acc, full.delta_acc, purity.same, purity.within_one)


@dataclass(frozen=True)
class Study:
    """Readings of several methods on several splits, all from the same trials and draws.

    Attributes:
        methods: names of the rows.
        runs: (split seed, training seed) of the columns.
        values: shape (methods, runs, numbers of a `Reading`).
        correct: for each method and run, whether each test bin is decoded within half a direction
            by the probe with all labels; in the order of `test_trial`.
        test_trial: for each run, the trial of each test bin.
    """

    methods: tuple[str, ...]
    runs: tuple[tuple[int, int], ...]
    values: Float[np.ndarray, "methods runs numbers"]
    correct: tuple[tuple[Bool[np.ndarray, " bins"], ...], ...]
    test_trial: tuple[Int[np.ndarray, " bins"], ...]

    def of(self, method: str, number: str) -> Float[np.ndarray, " runs"]:
        """One number of `Reading` for one method, run by run.

        Raises:
            ValueError: if the method or the number is unknown.
        """
        if method not in self.methods:
            raise ValueError(f"no method {method!r} in this study; known: {self.methods}")
        if number not in Reading._fields:
            raise ValueError(f"no number {number!r}; known: {Reading._fields}")
        return self.values[self.methods.index(method), :, Reading._fields.index(number)]

    def difference(self, method: str, other: str, number: str) -> Float[np.ndarray, " runs"]:
        """`method` minus `other`, run by run: splits and draws are the same, so they cancel."""
        return self.of(method, number) - self.of(other, number)


def study(
    reach: Reach,
    config: MyowConfig,
    *,
    splits: Iterable[int],
    seeds: Iterable[int] = (0,),
    methods: Sequence[str] = METHODS,
    device: torch.device | str = "cpu",
    cache: Path | None = None,
    snapshot_every: int = 0,
) -> tuple[Study, dict[tuple[str, int, int], Pretraining]]:
    """Pretrain on every split with every seed, and read out every method.

    Pretraining sees the training and validation trials of a split, never its test trials, and no
    labels. The method "raw" is the encoder's own input: standardised rates.

    Args:
        reach: recorded or simulated reaches.
        config: for all runs.
        splits: seeds of the random splits of trials (80/10/10).
        seeds: of weights, batches and views.
        methods: out of `METHODS`.
        device: where to train.
        cache: folder for checkpoints; an interrupted study goes on where it stopped. `None` keeps
            nothing.
        snapshot_every: see `Pretraining`.

    Returns:
        The study, and the trained runs by (method, split, seed).

    Raises:
        ValueError: if a method is unknown, or there are fewer training bins than a batch needs.
    """
    unknown = set(methods) - set(METHODS)
    if unknown:
        raise ValueError(f"unknown methods {sorted(unknown)}; known: {METHODS}")
    pairs = tuple((split, seed) for split in splits for seed in seeds)
    trained: dict[tuple[str, int, int], Pretraining] = {}
    values = np.empty((len(methods), len(pairs), len(Reading._fields)))
    correct: list[list[np.ndarray]] = [[] for _ in methods]
    test_trial = []
    for column, (split_seed, seed) in enumerate(pairs):
        split = decoding.split_trials(reach.trial, seed=split_seed)
        bins = Bins.of(
            reach.rates, trial=reach.trial, mask=split.train | split.validation, device=device
        )
        test_trial.append(reach.trial[split.test])
        for row, method in enumerate(methods):
            if method == "raw":
                features = _standardised(bins, reach)
            else:
                run = Pretraining(
                    bins,
                    replace(config, max_jitter=0) if method.endswith("no jitter") else config,
                    method="myow" if method == "myow" else "byol",
                    seed=seed,
                    snapshot_every=snapshot_every,
                )
                name = f"{reach.name} {method} split {split_seed} seed {seed}"
                run.fit(checkpoint=None if cache is None else cache / f"{_file_name(name)}.pt")
                trained[method, split_seed, seed] = run
                features = run.embed(reach.rates)
            reading = read_out(features, reach.direction, reach.trial, split, seed=split_seed)
            values[row, column] = reading
            predicted = tuned_probe(features, reach.direction, split).predict(features[split.test])
            correct[row].append(_within(predicted, reach.direction[split.test]))
    result = Study(tuple(methods), pairs, values, tuple(map(tuple, correct)), tuple(test_trial))
    return result, trained


def _standardised(bins: Bins, reach: Reach) -> Float[np.ndarray, "bins kept"]:
    """The rates as the encoder gets them: what a representation must improve on."""
    rates = torch.as_tensor(reach.rates, dtype=torch.float32)
    return Normaliser().fit(bins.rates.cpu()).transform(rates).numpy()


def _within(
    predicted: Float[np.ndarray, "bins 2"], direction: Int[np.ndarray, " bins"]
) -> Bool[np.ndarray, " bins"]:
    error = np.arctan2(predicted[:, 1], predicted[:, 0]) - 2 * np.pi * direction / 8
    return np.abs(np.angle(np.exp(1j * error))) < np.pi / 8


def _file_name(words: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in words)


# --- collapse -------------------------------------------------------------------------------

# What is taken away, and what of the method is left: (predictor, stop-gradient, tau).
ABLATIONS: dict[str, tuple[bool, bool, float | None]] = {
    "BYOL": (True, True, None),
    "no slow teacher": (True, True, 0.0),
    "no predictor": (False, True, None),
    "no predictor, no stop-gradient": (False, False, None),
}


class Collapse(NamedTuple):
    """How an ablated BYOL ends: room its embeddings use, and the loss it is content with."""

    spread: Spread
    loss: float


def ablate(bins: Bins, config: MyowConfig, name: str, *, seed: int = 0) -> Collapse:
    """Train BYOL with a part taken away, and see whether its embeddings collapse.

    Args:
        bins: pretraining bins.
        config: of the intact method.
        name: out of `ABLATIONS`.
        seed: of weights, batches and views.

    Returns:
        Spread of the embeddings of all `bins` after training, and the mean loss of the last ten
        steps.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in ABLATIONS:
        raise ValueError(f"no ablation {name!r}; known: {', '.join(ABLATIONS)}")
    predictor, stop_gradient, decay = ABLATIONS[name]
    if decay is not None:
        config = replace(config, ema_decay=decay)
    n_inputs = int((bins.rates != bins.rates[0]).any(dim=0).sum())
    model = BYOL(n_inputs, config, seed=seed, predictor=predictor, stop_gradient=stop_gradient).to(
        bins.rates.device
    )
    run = Pretraining(bins, config, method="byol", seed=seed, model=model)
    run.fit()
    return collapse_of(run)


def collapse_of(run: Pretraining) -> Collapse:
    """Spread of the representations of all pretraining bins, and the mean of the last ten losses.

    Args:
        run: a run that has been trained.

    Raises:
        ValueError: if it has not.
    """
    if run.history is None:
        raise ValueError("this run is not trained yet; call fit() first")
    embeddings = run.model.represent(run.normaliser.transform(run.bins.rates))
    return Collapse(embedding_spread(embeddings), float(run.history.metrics["loss"][-10:].mean()))


# --- sleep ----------------------------------------------------------------------------------


def arousal_f1(
    features: Float[np.ndarray, "bins features"],
    state: Int[np.ndarray, " bins"],
    train: Bool[np.ndarray, " bins"],
    test: Bool[np.ndarray, " bins"],
) -> float:
    """Weighted F1 of a balanced logistic read-out of arousal state on standardised features.

    Args:
        features: one row a bin.
        state: label of each bin.
        train: labelled bins.
        test: bins to decode.

    Raises:
        ValueError: if shapes disagree, or the labelled bins hold a single state.
    """
    if not len(features) == len(state) == len(train) == len(test):
        raise ValueError(
            "features, state, train and test must have one entry a bin, got "
            f"{len(features)}, {len(state)}, {len(train)}, {len(test)}"
        )
    if len(np.unique(state[train])) < 2:
        raise ValueError("the labelled bins hold fewer than 2 states; label more bins")
    model = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
    )
    model.fit(features[train], state[train])
    return float(f1_score(state[test], model.predict(features[test]), average="weighted"))


def few_bins(
    state: Int[np.ndarray, " bins"],
    mask: Bool[np.ndarray, " bins"],
    per_state: int = 5,
    *,
    seed: int,
) -> Bool[np.ndarray, " bins"]:
    """Mask of `per_state` randomly drawn bins of each state out of `mask`.

    Raises:
        ValueError: if a state has too few bins in `mask`.
    """
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(state), bool)
    for label in np.unique(state):
        rows = np.flatnonzero(mask & (state == label))
        if len(rows) < per_state:
            raise ValueError(f"state {label} has {len(rows)} bins in mask, {per_state} needed")
        chosen[rng.choice(rows, per_state, replace=False)] = True
    return chosen


# --- how sure -------------------------------------------------------------------------------


class Interval(NamedTuple):
    """A mean with a 95 % confidence interval."""

    mean: float
    low: float
    high: float


def paired_interval(differences: Float[np.ndarray, " runs"]) -> Interval:
    """95 % t interval of the mean of paired differences, one for each split.

    Raises:
        ValueError: if there are fewer than 2 differences.
    """
    if len(differences) < 2:
        raise ValueError(f"an interval needs at least 2 differences, got {len(differences)}")
    mean = float(np.mean(differences))
    half = stats.t.ppf(0.975, len(differences) - 1) * stats.sem(differences)
    return Interval(mean, float(mean - half), float(mean + half))


def paired_bootstrap(
    correct: Sequence[Bool[np.ndarray, " bins"]],
    other: Sequence[Bool[np.ndarray, " bins"]],
    trial: Sequence[Int[np.ndarray, " bins"]],
    *,
    n_draws: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Difference in accuracy of two methods with a bootstrap over whole trials.

    Bins of a trial, and the runs that tested the same trial, are not independent: all of a trial's
    bins of all runs are drawn together.

    Args:
        correct: for each run, whether the first method decodes each test bin.
        other: the same for the second method.
        trial: for each run, the trial of each test bin.
        n_draws: bootstrap samples.
        seed: of the draws.

    Returns:
        Accuracy of the first minus the second, with the 2.5 % and 97.5 % quantiles.

    Raises:
        ValueError: if the runs do not match, or fewer than 2 trials were tested.
    """
    sizes = [[len(run) for run in runs] for runs in (correct, other, trial)]
    if not sizes[0] or sizes[0] != sizes[1] or sizes[0] != sizes[2]:
        raise ValueError("correct, other and trial must hold the same runs of the same bins")
    gain = np.concatenate([a.astype(float) - b for a, b in zip(correct, other, strict=True)])
    names, owner = np.unique(np.concatenate(list(trial)), return_inverse=True)
    if len(names) < 2:
        raise ValueError("a bootstrap over trials needs at least 2 tested trials, got 1")
    total = np.bincount(owner, weights=gain)
    size = np.bincount(owner)
    picks = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=n_draws
    )
    draws = (picks @ total) / (picks @ size)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(float(gain.mean()), float(low), float(high))
