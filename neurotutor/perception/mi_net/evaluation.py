"""How good is it: notes, instruments, clusters, and distributions of generated sound."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Real
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from neurotutor.checks import as_count
from neurotutor.perception.mi_net.performance import LOWEST_PITCH

PITCHES = np.arange(36, 97)  # that the comb search considers


# --- notes ----------------------------------------------------------------------------------------


def comb_templates(bins: int, sample_rate: int) -> Float[np.ndarray, "pitches bins"]:
    """What the root of a spectrum should look like for each pitch: five harmonics of unit norm.

    Args:
        bins: of a spectrum without its constant bin.
        sample_rate: Hz.

    Returns:
        One row for each pitch of 36..96; harmonic h has weight 0.8^h and width 14 Hz.
    """
    frequency = np.arange(1, bins + 1) * sample_rate / (2 * bins)
    fundamental = 440 * 2 ** ((PITCHES - 69) / 12)
    combs = np.zeros((len(PITCHES), bins))
    for h in range(1, 6):
        distance = frequency - h * fundamental[:, None]
        combs += 0.8**h * np.exp(-0.5 * (distance / 14) ** 2)
    return combs / np.linalg.norm(combs, axis=1, keepdims=True)


def detect_pitches(
    magnitudes: Float[Tensor, "clips bins frames"], sample_rate: int = 8000
) -> Int[np.ndarray, "clips frames"]:
    """The pitch whose comb fits each frame best, MIDI numbers.

    Args:
        magnitudes: spectra without the logarithm, shape (clips, bins, frames).
        sample_rate: Hz.
    """
    combs = torch.from_numpy(comb_templates(magnitudes.shape[1], sample_rate)).to(magnitudes)
    fits = torch.einsum("pb,cbt->cpt", combs, magnitudes.clamp(min=0).sqrt())
    return PITCHES[fits.argmax(dim=1).cpu().numpy()]


def steady_frames(rolls: Float[Tensor, "clips pitches frames"]) -> Bool[np.ndarray, "clips frames"]:
    """Frames in which one note sounds that also sounded two frames ago and will in two frames."""
    roll = rolls.numpy() > 0
    alone = roll.sum(axis=1) == 1
    note = np.where(alone, roll.argmax(axis=1), -1)
    steady = alone.copy()
    steady[:, :2] = steady[:, -2:] = False
    for shift in (-2, -1, 1, 2):
        steady &= np.roll(note, shift, axis=1) == note
    return steady


def chroma_accuracy(
    magnitudes: Float[Tensor, "clips bins frames"],
    rolls: Float[Tensor, "clips pitches frames"],
    sample_rate: int = 8000,
) -> float:
    """Share of steady frames whose detected pitch is the played one, give or take octaves.

    Args:
        magnitudes: spectra without the logarithm.
        rolls: what should be heard.
        sample_rate: Hz.

    Raises:
        ValueError: if shapes disagree, or no frame has one steady note.
    """
    if magnitudes.shape[0] != rolls.shape[0] or magnitudes.shape[2] != rolls.shape[2]:
        raise ValueError(
            f"spectra and rolls must have the same clips and frames, got {tuple(magnitudes.shape)} "
            f"and {tuple(rolls.shape)}"
        )
    steady = steady_frames(rolls)
    if not steady.any():
        raise ValueError("no frame has one steady note, so there is no chroma to compare")
    played = rolls.argmax(dim=1).numpy() + LOWEST_PITCH
    found = detect_pitches(magnitudes, sample_rate)
    return float(((found - played) % 12 == 0)[steady].mean())


# --- instruments ----------------------------------------------------------------------------------


def spectrum_features(
    spectra: Float[Tensor, "clips bins frames"],
) -> Float[np.ndarray, "clips features"]:
    """Mean and standard deviation over time of each bin, after bringing all clips to one level.

    Args:
        spectra: natural logarithms of magnitudes. A generated clip may be louder than a played
            one; a classifier must not hear that.
    """
    power = spectra.double().mul(2).exp().mean(dim=(1, 2))
    level = (power.log() / 2)[:, None, None]
    even = (spectra - level).clamp(min=-6.0)
    return torch.cat([even.mean(dim=2), even.std(dim=2)], dim=1).double().numpy()


class InstrumentClassifier:
    """Logistic regression on mean and spread of every bin: an ear that knows real clips only.

    Args:
        penalty: C of scikit-learn's LogisticRegression; smaller is stricter.
    """

    def __init__(self, penalty: float = 0.1):
        self.model_ = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1000))

    def fit(
        self, spectra: Float[Tensor, "clips bins frames"], instrument: Int[np.ndarray, " clips"]
    ) -> InstrumentClassifier:
        """Learn from played clips."""
        self.model_.fit(spectrum_features(spectra), instrument)
        return self

    def probabilities(
        self, spectra: Float[Tensor, "clips bins frames"]
    ) -> Float[np.ndarray, "clips instruments"]:
        """Probability of each instrument, for each clip."""
        return self.model_.predict_proba(spectrum_features(spectra))

    def predict(self, spectra: Float[Tensor, "clips bins frames"]) -> Int[np.ndarray, " clips"]:
        """The most likely instrument of each clip."""
        return self.probabilities(spectra).argmax(axis=1)


def inception_score(probabilities: Float[np.ndarray, "clips classes"]) -> float:
    """Exponential of the mean divergence of p(y | x) from p(y): 1 to the number of classes.

    Args:
        probabilities: rows that sum to 1.

    Raises:
        ValueError: if they do not.

    Source: Salimans et al. (2016).
    """
    if not np.allclose(probabilities.sum(axis=1), 1) or (probabilities < 0).any():
        raise ValueError("probabilities must be rows that sum to 1")
    p = np.maximum(probabilities, 1e-12)
    return float(np.exp((p * (np.log(p) - np.log(p.mean(axis=0)))).sum(axis=1).mean()))


# --- clusters -------------------------------------------------------------------------------------


class Clusters(NamedTuple):
    """How well instruments are apart.

    `neighbours`: share of clips whose five nearest neighbours of other pieces vote for the right
    instrument. `silhouette`: mean silhouette by instrument, -1 to 1.
    """

    neighbours: float
    silhouette: float


def cluster_scores(
    features: Real[np.ndarray, "clips features"],
    instrument: Int[np.ndarray, " clips"],
    piece: Int[np.ndarray, " clips"],
    k: int = 5,
) -> Clusters:
    """Neighbours of other pieces, and silhouette, of features standardised together.

    Args:
        features: one row for each clip.
        instrument: labels.
        piece: clips of one piece share notes, so neighbours are looked for in other pieces.
        k: voting neighbours.

    Raises:
        ValueError: with fewer than two pieces or instruments.
    """
    if len(np.unique(piece)) < 2 or len(np.unique(instrument)) < 2:
        raise ValueError("clusters need two pieces and two instruments or more")
    right = np.zeros(len(features), bool)
    for each in np.unique(piece):
        inside = piece == each
        near = NearestNeighbors(n_neighbors=k).fit(features[~inside])
        votes = instrument[~inside][near.kneighbors(features[inside], return_distance=False)]
        counts = np.stack([(votes == c).sum(axis=1) for c in range(instrument.max() + 1)], axis=1)
        right[inside] = counts.argmax(axis=1) == instrument[inside]
    return Clusters(float(right.mean()), float(silhouette_score(features, instrument)))


# --- distributions --------------------------------------------------------------------------------


class Ndb(NamedTuple):
    """Number of statistically different bins.

    `different`: bins whose shares differ by more than 1.96 standard errors. `share`: the same over
    the number of bins. `divergence`: Jensen-Shannon divergence of the shares, nats, 0 to log 2.
    """

    different: int
    share: float
    divergence: float


def ndb_of_counts(first: Int[np.ndarray, " bins"], second: Int[np.ndarray, " bins"]) -> Ndb:
    """Compare two histograms, bin by bin, with a two-sample test of proportions.

    Args:
        first: samples of one set in each bin.
        second: samples of the other.

    Raises:
        ValueError: if a set is empty or a count is negative.

    Source: Richardson & Weiss (2018), section 3.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    n, m = first.sum(), second.sum()
    if first.shape != second.shape or min(n, m) <= 0 or min(first.min(), second.min()) < 0:
        raise ValueError("both histograms must have the same bins, and a sample each")
    p, q = first / n, second / m
    pooled = (first + second) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    z = np.divide(np.abs(p - q), error, out=np.zeros_like(p), where=error > 0)
    different = int((z > 1.96).sum())
    middle = (p + q) / 2
    halves = [
        np.sum(x * np.log(np.divide(x, middle, out=np.ones_like(x), where=x > 0))) for x in (p, q)
    ]
    return Ndb(different, different / len(first), float(max(0.0, sum(halves) / 2)))


def ndb(
    reference: Real[np.ndarray, "samples features"],
    generated: Real[np.ndarray, "others features"],
    n_bins: int = 20,
    *,
    seed: int = 0,
) -> Ndb:
    """Cut the reference into k-means bins and count those that generated samples fill otherwise.

    Args:
        reference: features of real samples.
        generated: features of generated ones.
        n_bins: K.
        seed: of k-means.

    Raises:
        ValueError: for more bins than reference samples, or another number of features.

    Source: Richardson & Weiss (2018).
    """
    if not 1 <= as_count("n_bins", n_bins) <= len(reference):
        raise ValueError(f"n_bins must be 1..{len(reference)}, the reference samples, got {n_bins}")
    if reference.shape[1] != generated.shape[1]:
        raise ValueError(
            f"both must have the same features, got {reference.shape[1]} and {generated.shape[1]}"
        )
    bins = KMeans(n_bins, n_init=3, random_state=seed).fit(reference)
    counts = [np.bincount(bins.predict(each), minlength=n_bins) for each in (reference, generated)]
    return ndb_of_counts(*counts)


def other_player(
    instrument: Int[np.ndarray, " clips"], *, seed: int = 0
) -> Int[np.ndarray, " clips"]:
    """For each clip a clip of another instrument, drawn at random: whose movement it gets.

    Args:
        instrument: labels of the clips.
        seed: of the draws.

    Raises:
        ValueError: if there is one instrument only.
    """
    if len(np.unique(instrument)) < 2:
        raise ValueError("a wrong movement needs two instruments or more")
    rng = np.random.default_rng([seed, 3])
    return np.array([rng.choice(np.flatnonzero(instrument != each)) for each in instrument])
