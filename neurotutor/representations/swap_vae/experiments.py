"""What the chapter measures with Swap-VAE, at the small scale and at the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.special import xlogy
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neurotutor import decoding
from neurotutor.data.latent_flow import LatentFlow
from neurotutor.data.reach import Reach
from neurotutor.decoding import DirectionProbe, TrialSplit
from neurotutor.representations.myow import Bins, tuned_probe

from .config import SwapVaeConfig
from .losses import EPSILON
from .pretraining import METHODS, Training

FAST = 5.0  # cm/s; directions are read from bins in which the hand is faster than this
SPLIT = (0.7, 0.1)  # shares of trials for probe and penalty; the encoder sees both parts


class Reading(NamedTuple):
    """All numbers about one trained network on one split; NaN where a number makes no sense."""

    # Acc of the direction, read from both blocks or from one; bins in which the hand moves
    full: float = np.nan
    content: float = np.nan
    style: float = np.nan
    full_delta: float = np.nan  # delta-Acc of the full vector
    # R2 of the progress within a trial
    progress: float = np.nan
    content_progress: float = np.nan
    style_progress: float = np.nan
    style_kl: float = np.nan  # nats
    # D2 of rates generated from ...
    own: float = np.nan  # ... the bin's own content and style
    same_trial: float = np.nan  # ... content of another bin of the trial, own style
    opposite: float = np.nan  # ... content of a reach to the opposite target, own style
    other_style: float = np.nan  # ... own content, style of a reach to the opposite target
    no_style: float = np.nan  # ... own content, style 0
    # Share of bins whose generated rates (content of an opposite reach, own style) decode to ...
    to_content: float = np.nan  # ... the target of the reach that gave the content
    to_style: float = np.nan  # ... the target of the reach that gave the style
    to_own: float = np.nan  # own content and style: share that decode to the own target


# --- read-outs ------------------------------------------------------------------------------


def trial_progress(
    trial: Int[np.ndarray, " bins"], bin_in_trial: Int[np.ndarray, " bins"]
) -> Float[np.ndarray, " bins"]:
    """How much of its trial has passed at each bin: its index over the number of bins, 0 to 1.

    Raises:
        ValueError: if the two arrays differ in length.
    """
    if len(trial) != len(bin_in_trial):
        raise ValueError(
            f"trial and bin_in_trial must have one length, got {len(trial)} and {len(bin_in_trial)}"
        )
    names, owner = np.unique(trial, return_inverse=True)
    length = np.zeros(len(names))
    np.maximum.at(length, owner, bin_in_trial + 1)
    return bin_in_trial / length[owner]


def moving(reach: Reach, threshold: float = FAST) -> Bool[np.ndarray, " bins"]:
    """Bins in which the hand is faster than `threshold`, cm/s."""
    return np.linalg.norm(reach.velocity, axis=1) > threshold


def progress_r2(
    features: Float[np.ndarray, "bins features"],
    progress: Float[np.ndarray, " bins"],
    split: TrialSplit,
    *,
    penalty: float = 100.0,
) -> float:
    """R2 on test bins of a ridge read-out of progress from standardised features.

    Args:
        features: one row a bin.
        progress: what to read out, one number a bin.
        split: fitted on train and validation, tested on test bins.
        penalty: ridge penalty.
    """
    seen = split.train | split.validation
    model = make_pipeline(StandardScaler(), Ridge(alpha=penalty))
    model.fit(features[seen], progress[seen])
    return decoding.r2(progress[split.test], model.predict(features[split.test]))


def deviance_explained(
    rates: Float[np.ndarray, "bins neurons"],
    predicted: Float[np.ndarray, "bins neurons"],
    mean: Float[np.ndarray, " neurons"],
) -> float:
    """Share of the Poisson deviance that a prediction explains, against constant rates.

    Args:
        rates: what was measured, Hz (or counts).
        predicted: same unit and shape.
        mean: mean rate of each neuron over the training bins: the constant prediction.

    Returns:
        D2: 1 if every rate is predicted exactly, 0 if the prediction is no better than the mean,
        negative if it is worse. The unit cancels.

    Raises:
        ValueError: if shapes differ, a rate is negative or not finite, or nothing is to explain.
    """
    if rates.shape != predicted.shape or mean.shape != rates.shape[1:]:
        raise ValueError(
            "rates and predicted must have one shape and mean one entry a neuron, got "
            f"{rates.shape}, {predicted.shape} and {mean.shape}"
        )
    for name, values in (("rates", rates), ("predicted", predicted), ("mean", mean)):
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise ValueError(f"{name} must be finite and >= 0; pass rates in Hz")
    if (rates == mean).all():
        raise ValueError("rates equal their mean everywhere, so there is nothing to explain")
    return 1 - _deviance(rates, predicted) / _deviance(rates, np.broadcast_to(mean, rates.shape))


def _deviance(rates: np.ndarray, predicted: np.ndarray) -> float:
    # A network's softplus, or a neuron silent in training, may predict exactly 0.
    predicted = predicted + EPSILON
    return float(2 * (xlogy(rates, rates / predicted) - (rates - predicted)).sum())


# --- mixing ---------------------------------------------------------------------------------


class Partners(NamedTuple):
    """For each of some bins, another bin to take a block from; rows of the recording."""

    rows: Int[np.ndarray, " bins"]
    same_trial: Int[np.ndarray, " bins"]
    opposite: Int[np.ndarray, " bins"]


def find_partners(reach: Reach, mask: Bool[np.ndarray, " bins"], *, seed: int = 0) -> Partners:
    """Draw a bin of the same trial, and one of a reach to the opposite target, for each bin.

    Args:
        reach: the recording.
        mask: bins to mix, and to take partners from. A bin without partners is left out.
        seed: of the draws.

    Raises:
        ValueError: if no bin has both partners.
    """
    rng = np.random.default_rng(seed)
    candidates = np.flatnonzero(mask)
    trial, direction = reach.trial[candidates], reach.direction[candidates]
    found = []
    for row, own_trial, own_direction in zip(candidates, trial, direction, strict=True):
        same = candidates[(trial == own_trial) & (candidates != row)]
        opposite = candidates[direction == (own_direction + 4) % 8]
        if len(same) and len(opposite):
            found.append((row, rng.choice(same), rng.choice(opposite)))
    if not found:
        raise ValueError("no bin of mask has both partners; pass more trials")
    return Partners(*np.array(found).T)


def mixed_rates(
    run: Training,
    rates: Float[np.ndarray, "bins neurons"],
    content_from: Int[np.ndarray, " samples"],
    style_from: Int[np.ndarray, " samples"] | None,
) -> Float[np.ndarray, "samples kept"]:
    """Generate rates from the content of some bins and the style means of others.

    Args:
        run: a trained `SwapVAE`.
        rates: of the whole recording, Hz.
        content_from: rows that give the content.
        style_from: rows that give the style; `None` sets the style to 0.

    Returns:
        Rates in Hz of the neurons that the network knows.

    Raises:
        TypeError: for a plain VAE, whose latents have no blocks.
    """
    content, style = run.blocks(rates)
    chosen = torch.zeros_like(style[content_from]) if style_from is None else style[style_from]
    return run.model.generate(content[content_from], chosen).cpu().numpy()


# --- one network, all numbers -----------------------------------------------------------------


def read(run: Training, reach: Reach, split: TrialSplit, *, seed: int = 0) -> Reading:
    """All numbers about a trained network. Labels and hand enter here, never in training.

    Args:
        run: trained on the training and validation trials of `split`.
        reach: the recording.
        split: probes are fitted on its training part and tested on its test part.
        seed: of the draws of partners.
    """
    features = run.embed(reach.rates)
    fast = moving(reach)
    progress = trial_progress(reach.trial, reach.bin_in_trial)
    full = _direction(features, reach, split, fast)
    values = {
        "full": full.acc,
        "full_delta": full.delta_acc,
        "progress": progress_r2(features, progress, split),
    }
    if run.is_vae:
        return Reading(**values)
    cut = run.config.content
    for name, block in (("content", features[:, :cut]), ("style", features[:, cut:])):
        values[name] = _direction(block, reach, split, fast).acc
        values[f"{name}_progress"] = progress_r2(block, progress, split)
    values["style_kl"] = run.style_kl(reach.rates[split.test])
    values |= _generated(run, reach, split, seed) | _decoded_mixes(run, reach, split, fast, seed)
    return Reading(**values)


def read_raw(reach: Reach, split: TrialSplit) -> Reading:
    """The same read-outs from standardised raw rates: what a representation must improve on."""
    progress = trial_progress(reach.trial, reach.bin_in_trial)
    full = _direction(reach.rates, reach, split, moving(reach))
    return Reading(
        full=full.acc,
        full_delta=full.delta_acc,
        progress=progress_r2(reach.rates, progress, split),
    )


def _direction(
    features: np.ndarray, reach: Reach, split: TrialSplit, fast: np.ndarray
) -> decoding.DirectionAccuracy:
    split = TrialSplit(*(part & fast for part in split))
    probe = tuned_probe(features, reach.direction, split)
    return probe.score(features[split.test], reach.direction[split.test])


def _generated(run: Training, reach: Reach, split: TrialSplit, seed: int) -> dict[str, float]:
    """D2 of rates generated from mixed blocks, over the test bins that have all partners."""
    partners = find_partners(reach, split.test, seed=seed)
    rows = partners.rows
    known = run.keep(reach.rates).cpu().numpy().astype(float)
    mean = known[split.train | split.validation].mean(0)
    mixes = {
        "own": (rows, rows),
        "same_trial": (partners.same_trial, rows),
        "opposite": (partners.opposite, rows),
        "other_style": (rows, partners.opposite),
        "no_style": (rows, None),
    }
    return {
        name: deviance_explained(
            known[rows], mixed_rates(run, reach.rates, *mix).astype(float), mean
        )
        for name, mix in mixes.items()
    }


def _decoded_mixes(
    run: Training, reach: Reach, split: TrialSplit, fast: np.ndarray, seed: int
) -> dict[str, float]:
    """Where generated rates point, for a linear decoder that was fitted to measured rates."""
    probe = rate_probe(run, reach, split)
    partners = find_partners(reach, split.test & fast, seed=seed)
    rows, other = partners.rows, partners.opposite
    mixed = probe.predict(mixed_rates(run, reach.rates, other, rows))
    own = probe.predict(mixed_rates(run, reach.rates, rows, rows))
    return {
        "to_content": decoding.direction_accuracy(mixed, reach.direction[other]).acc,
        "to_style": decoding.direction_accuracy(mixed, reach.direction[rows]).acc,
        "to_own": decoding.direction_accuracy(own, reach.direction[rows]).acc,
    }


def rate_probe(run: Training, reach: Reach, split: TrialSplit) -> DirectionProbe:
    """Linear read-out of the direction from measured rates of the neurons that `run` knows."""
    known = run.keep(reach.rates).cpu().numpy()
    split = TrialSplit(*(part & moving(reach) for part in split))
    return tuned_probe(known, reach.direction, split)


# --- many networks ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Study:
    """Readings of several methods on several splits.

    Attributes:
        methods: names of the rows; "raw" are raw rates.
        runs: (split seed, training seed) of the columns; the split seed of the recording's order is
            `None`.
        readings: one for each method and run.
    """

    methods: tuple[str, ...]
    runs: tuple[tuple[int | None, int], ...]
    readings: Mapping[tuple[str, int | None, int], Reading]

    def of(self, method: str, number: str) -> Float[np.ndarray, " runs"]:
        """One number of `Reading` for one method, run by run.

        Raises:
            ValueError: if the method or the number is unknown.
        """
        if method not in self.methods:
            raise ValueError(f"no method {method!r} in this study; known: {self.methods}")
        if number not in Reading._fields:
            raise ValueError(f"no number {number!r}; known: {Reading._fields}")
        return np.array([getattr(self.readings[(method, *run)], number) for run in self.runs])


def study(
    reach: Reach,
    config: SwapVaeConfig,
    *,
    splits: Iterable[int | None],
    seeds: Iterable[int] = (0,),
    methods: Sequence[str] = ("raw", "full", "no swap"),
    device: torch.device | str = "cpu",
    cache: Path | None = None,
) -> tuple[Study, dict[tuple[str, int | None, int], Training]]:
    """Train every method on every split with every seed, and take all numbers.

    Args:
        reach: recorded or simulated reaches.
        config: for all runs.
        splits: seeds of the random splits of trials (70/10/20); `None` is the recording's order.
        seeds: of weights, pairs and styles.
        methods: out of `METHODS`, and "raw".
        device: where to train.
        cache: folder for checkpoints; an interrupted study goes on where it stopped. `None` keeps
            nothing.

    Returns:
        The study, and the trained runs by (method, split, seed).

    Raises:
        ValueError: if a method is unknown, or there are fewer training bins than a batch needs.
    """
    unknown = set(methods) - {"raw", *METHODS}
    if unknown:
        raise ValueError(f"unknown methods {sorted(unknown)}; known: raw, {', '.join(METHODS)}")
    pairs = tuple((split, seed) for split in splits for seed in seeds)
    readings: dict[tuple[str, int | None, int], Reading] = {}
    trained: dict[tuple[str, int | None, int], Training] = {}
    for split_seed, seed in pairs:
        split = decoding.split_trials(reach.trial, fractions=SPLIT, seed=split_seed)
        bins = Bins.of(
            reach.rates, trial=reach.trial, mask=split.train | split.validation, device=device
        )
        for method in methods:
            key = method, split_seed, seed
            if method == "raw":
                readings[key] = read_raw(reach, split)
                continue
            run = Training(bins, config, method=method, seed=seed)
            words = f"{reach.name} {method} split {split_seed} seed {seed}"
            file = "".join(c if c.isalnum() else "-" for c in words) + ".pt"
            run.fit(checkpoint=None if cache is None else cache / file, description=words)
            trained[key] = run
            readings[key] = read(run, reach, split, seed=seed)
    return Study(tuple(methods), pairs, readings), trained


# --- data whose causes are known --------------------------------------------------------------


class FlowReading(NamedTuple):
    """What a linear read-out finds in a block on the synthetic set: direction and step."""

    direction: float  # Acc, chance 0.25
    step: float  # share of bins whose step is right, chance 0.25


def read_flow(features: Float[np.ndarray, "bins features"], flow: LatentFlow) -> FlowReading:
    """Direction and step read from features of all bins: fitted on training, tested on test trials.

    Raises:
        ValueError: if there is not one row a bin.
    """
    if len(features) != len(flow.trial):
        raise ValueError(f"features must have {len(flow.trial)} rows, got {len(features)}")
    train, test = flow.train, ~flow.train
    probe = DirectionProbe(n_directions=4).fit(features[train], flow.direction[train])
    steps = make_pipeline(StandardScaler(), RidgeClassifier(alpha=10.0))
    steps.fit(features[train], flow.step[train])
    return FlowReading(
        probe.score(features[test], flow.direction[test]).acc,
        float(steps.score(features[test], flow.step[test])),
    )


def with_ramps(
    reach: Reach, tuned: Bool[np.ndarray, " neurons"], *, depth: float = 0.8, seed: int = 0
) -> Reach:
    """Let the untuned neurons of simulated reaches tell the time: half fade, half come up.

    Spikes are thinned at random, so that counts stay Poisson: direction is then in the tuned
    neurons alone, and progress in the others.

    Args:
        reach: from `neurotutor.data.reach.simulate`.
        tuned: mask of its tuned neurons.
        depth: share of a neuron's rate that is lost at its quiet end, 0 to 1.
        seed: of the thinning.

    Raises:
        ValueError: if `depth` lies outside [0, 1], or the mask does not fit.
    """
    if not 0 <= depth <= 1:
        raise ValueError(f"depth must lie in [0, 1], got {depth}")
    if tuned.shape != (reach.n_neurons,):
        raise ValueError(f"tuned must have shape ({reach.n_neurons},), got {tuned.shape}")
    progress = trial_progress(reach.trial, reach.bin_in_trial)[:, None]
    keep = np.ones((reach.n_bins, reach.n_neurons))
    untuned = np.flatnonzero(~tuned)
    keep[:, untuned[0::2]] = 1 - depth * progress
    keep[:, untuned[1::2]] = 1 - depth * (1 - progress)
    spikes = np.random.default_rng(seed).binomial(reach.spikes, keep)
    return replace(reach, spikes=spikes, name=f"{reach.name} with ramps")
