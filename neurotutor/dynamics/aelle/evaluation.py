"""Splits by network, the latent axis and its F1, and the baselines a sceptic asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from neurotutor.checks import as_count
from neurotutor.dynamics.aelle.checks import as_spectra, as_targets

PENALTIES = np.logspace(-2, 5, 15)  # ridge chooses among them by leave-one-out


@dataclass(frozen=True)
class NetworkSplit:
    """Numbers of the networks on each side; all epochs of a network go with it."""

    train: Int[np.ndarray, "train"]
    validation: Int[np.ndarray, "validation"]
    test: Int[np.ndarray, "test"]


def split_networks(
    n_networks: int, *, fractions: tuple[float, float] = (0.7, 0.1), seed: int
) -> NetworkSplit:
    """Divide networks at random. Spectra of one network at several epochs stay together.

    Args:
        n_networks: how many there are, ten or more.
        fractions: for training and for validation; the rest is for testing.
        seed: of the permutation.

    Raises:
        ValueError: for fewer than ten networks, or fractions that leave a side empty.
        TypeError: if `n_networks` is not a whole number.

    Source: Vogt et al. (2024), 70/10/20.
    """
    as_count("n_networks", n_networks)
    if n_networks < 10:
        raise ValueError(f"a split needs 10 networks or more, got {n_networks}")
    train, held = (round(n_networks * share) for share in fractions)
    if min(train, held, n_networks - train - held) < 1:
        raise ValueError(f"fractions {fractions} of {n_networks} networks leave a side empty")
    order = np.random.default_rng(seed).permutation(n_networks)
    return NetworkSplit(*np.split(order, [train, train + held]))


def f1_score(predicted: Bool[np.ndarray, "networks"], good: Bool[np.ndarray, "networks"]) -> float:
    """Harmonic mean of precision and recall.

    Args:
        predicted: networks said to be good.
        good: networks that are.

    Returns:
        A number from 0 to 1; 0 where there is no network that was rightly said to be good, which
        covers the cases in which precision or recall are undefined.
    """
    hits = int((predicted & good).sum())
    return 2 * hits / int(predicted.sum() + good.sum()) if hits else 0.0


def best_threshold(
    score: Float[np.ndarray, "networks"], good: Bool[np.ndarray, "networks"]
) -> float:
    """The threshold with the best F1 for the rule "good if the score is below it".

    Args:
        score: a number for each network, smaller is better.
        good: networks that are good.

    Returns:
        The middle between two scores; infinity, if calling all good is best.

    Raises:
        ValueError: if shapes disagree, or a score is not finite.
    """
    score = as_targets(score, len(good), name="score")
    levels = np.unique(score)
    thresholds = np.r_[(levels[:-1] + levels[1:]) / 2, np.inf]
    below = score[:, None] < thresholds
    hits = (below & good[:, None]).sum(axis=0)
    # Twice the hits over both sums is F1; no hits give 0, as the rule for undefined cases asks.
    scores = 2 * hits / np.maximum(below.sum(axis=0) + good.sum(), 1)
    return float(thresholds[scores.argmax()])


class LatentAxis:
    """First principal component of features, turned so that it grows with the loss, and a cut.

    Attributes:
        pca_: two components, fitted on training networks.
        sign_: 1 or -1 for each component.
        threshold_: networks below it on the first component are called good.
        median_: training networks with a loss below it are good.

    Source: Vogt et al. (2024), classification by a threshold on the first component.
    """

    def fit(
        self, features: Float[np.ndarray, "networks features"], loss: Float[np.ndarray, "networks"]
    ) -> LatentAxis:
        """Find components, signs and threshold, from training networks alone.

        Args:
            features: latent codes or spectra.
            loss: final losses, or anything that grows with them.

        Returns:
            Itself.

        Raises:
            ValueError: for shapes that disagree, or values that are not finite.
        """
        features = as_spectra(features, name="features")
        loss = as_targets(loss, len(features), name="loss")
        self.pca_ = PCA(n_components=2, svd_solver="full").fit(features)
        points = self.pca_.transform(features)
        with_loss = points.T @ (loss - loss.mean())
        self.sign_ = np.where(with_loss < 0, -1.0, 1.0)
        self.median_ = float(np.median(loss))
        self.threshold_ = best_threshold(points[:, 0] * self.sign_[0], loss < self.median_)
        return self

    def project(
        self, features: Float[np.ndarray, "networks features"]
    ) -> Float[np.ndarray, "networks 2"]:
        """Both components of other networks, in the frame of the training networks."""
        return self.pca_.transform(as_spectra(features, name="features")) * self.sign_

    def says_good(
        self, features: Float[np.ndarray, "networks features"]
    ) -> Bool[np.ndarray, "networks"]:
        """Networks on the good side of the threshold."""
        return self.project(features)[:, 0] < self.threshold_

    def f1(
        self, features: Float[np.ndarray, "networks features"], loss: Float[np.ndarray, "networks"]
    ) -> float:
        """F1 of other networks, with threshold and median of the training networks."""
        return f1_score(self.says_good(features), np.asarray(loss) < self.median_)


def early_loss_f1(
    early: Float[np.ndarray, "networks"],
    final: Float[np.ndarray, "networks"],
    train: Int[np.ndarray, "train"],
    test: Int[np.ndarray, "test"],
) -> float:
    """F1 of the rule "good if the loss so far is below its median", medians of the training side.

    Source: Vogt et al. (2024), released code; there the medians are those of all networks.
    """
    said = early[test] < np.median(early[train])
    return f1_score(said, final[test] < np.median(final[train]))


def ridge() -> Pipeline:
    """Standardise, then ridge regression whose penalty is chosen by leave-one-out."""
    return make_pipeline(StandardScaler(), RidgeCV(alphas=PENALTIES))


def forest(seed: int, *, share: float = 0.3) -> RandomForestRegressor:
    """A random forest of 100 trees, each split choosing among a share of the features."""
    return RandomForestRegressor(max_features=share, random_state=seed, n_jobs=1)


def components(n: int = 2) -> Pipeline:
    """Linear regression on the first principal components of standardised spectra."""
    return make_pipeline(
        StandardScaler(), PCA(n_components=n, svd_solver="full"), LinearRegression()
    )


# What a sceptic tries first: name -> (features of a spectrum, regressor of a seed).
Features = Callable[[np.ndarray], np.ndarray]
BASELINES: dict[str, tuple[Features, Callable[[int], BaseEstimator]]] = {
    "ridge": (lambda spectra: spectra, lambda seed: ridge()),
    "forest": (lambda spectra: spectra, forest),
    "two PCs": (lambda spectra: spectra, lambda seed: components(2)),
    "mean": (lambda spectra: spectra.mean(axis=1, keepdims=True), lambda seed: LinearRegression()),
    "largest": (lambda spectra: spectra[:, :1], lambda seed: LinearRegression()),
}


def predict_baseline(
    regressor: BaseEstimator,
    features: Float[np.ndarray, "networks features"],
    target: Float[np.ndarray, "networks"],
    split: NetworkSplit,
) -> Float[np.ndarray, "test"]:
    """Fit on the training networks and predict the test networks.

    Args:
        regressor: any scikit-learn regressor; scalers and components belong inside it.
        features: of all networks.
        target: of all networks.
        split: who is on which side.
    """
    features = as_spectra(features, name="features")
    target = as_targets(target, len(features))
    return regressor.fit(features[split.train], target[split.train]).predict(features[split.test])


def explained(
    target: Float[np.ndarray, "networks"], predicted: Float[np.ndarray, "networks"]
) -> float:
    """Share of the variance of the targets that predictions explain: R squared.

    Args:
        target: what was true.
        predicted: what was said.

    Returns:
        1 for perfect, 0 for as good as the mean, negative for worse.

    Raises:
        ValueError: if shapes disagree, values are not finite, or the target does not vary.
    """
    target = np.asarray(target, dtype=float)
    predicted = as_targets(predicted, len(target), name="predicted")
    spread = ((target - target.mean()) ** 2).sum()
    if not spread > 0:
        raise ValueError("the target does not vary, pass more networks")
    return float(1 - ((target - predicted) ** 2).sum() / spread)


def baseline_scores(
    spectra: Float[np.ndarray, "networks exponents"],
    target: Float[np.ndarray, "networks"],
    split: NetworkSplit,
    *,
    seed: int,
    only: tuple[str, ...] = tuple(BASELINES),
) -> Mapping[str, float]:
    """R squared on test networks of every baseline that sees the spectrum.

    Args:
        spectra: resampled, of all networks.
        target: log final losses.
        split: who is on which side.
        seed: of the forest.
        only: names of `BASELINES`.
    """
    return {
        name: explained(
            target[split.test],
            predict_baseline(BASELINES[name][1](seed), BASELINES[name][0](spectra), target, split),
        )
        for name in only
    }
