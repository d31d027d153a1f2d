"""Assemblies as features: what a linear read-out makes of areas that saw five pictures a digit."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import nn

from neurotutor.plasticity.assemblies.caps import cap_rows
from neurotutor.plasticity.assemblies.learning import AreaConfig, LearningArea

Kind = Literal["linear", "nonlinear", "one area", "random", "split"]


class AreaFeatures:
    """Five ways to turn firing inputs into features, three of them with assemblies.

    `"linear"`: random Gaussian weights. `"nonlinear"`: random binary neurons with a threshold.
    `"one area"`: one area that holds one assembly for each class. `"random"`: many areas of a
    hundred neurons, each shown the classes in an order of its own. `"split"`: one area for each
    class, which sees that class alone.

    Args:
        kind: one of the five.
        n_features: m, number of features in all.
        seed: of graphs, weights and orders.

    Raises:
        ValueError: if `kind` is unknown, or `n_features` is no multiple of 100.

    Source: Dabagia (2025), chapter 3, comparison of features.
    """

    def __init__(self, kind: Kind, n_features: int, *, seed: int):
        if kind not in get_args(Kind):
            raise ValueError(
                f"kind must be one of {', '.join(map(repr, get_args(Kind)))}, got {kind!r}"
            )
        if n_features < 100 or n_features % 100:
            raise ValueError(f"n_features must be a positive multiple of 100, got {n_features}")
        self.kind, self.n_features, self.seed = kind, n_features, seed

    def fit(
        self, samples: Bool[np.ndarray, "samples inputs"], labels: Int[np.ndarray, "samples"]
    ) -> AreaFeatures:
        """Let the areas learn from a few samples of every class (the random kinds only draw)."""
        rng = np.random.default_rng(self.seed)
        n_inputs, m = samples.shape[1], self.n_features
        classes = np.unique(labels)
        self._cap, self._threshold = 0, 0.0
        if self.kind == "linear":
            self._weights = 0.1 * rng.standard_normal((n_inputs, m))
        elif self.kind == "nonlinear":
            self._weights = (rng.random((n_inputs, m)) < 0.2).astype(float)
            self._threshold = 0.2 * samples.sum(axis=1).mean()
        elif self.kind == "one area":
            self._learn([(m, classes)], samples, labels)
        elif self.kind == "random":
            self._learn([(100, rng.permutation(classes)) for _ in range(m // 100)], samples, labels)
        else:
            self._learn(
                [(m // len(classes), classes[[i]]) for i in range(len(classes))], samples, labels
            )
        return self

    def transform(
        self, samples: Bool[np.ndarray, "samples inputs"]
    ) -> Float[np.ndarray, "samples features"]:
        """Features of each sample: 0 or 1, except for `"linear"`."""
        drive = samples.astype(np.float32) @ self._weights.astype(np.float32)
        if self.kind == "linear":
            return drive
        if self.kind == "nonlinear":
            return (drive > self._threshold).astype(np.float32)
        areas = drive.reshape(-1, self._size)
        fires = cap_rows(areas, self._cap, np.random.default_rng(self.seed))
        return fires.reshape(len(samples), -1).astype(np.float32)

    def _learn(
        self, plan: list[tuple[int, np.ndarray]], samples: np.ndarray, labels: np.ndarray
    ) -> None:
        weights = []
        for number, (size, order) in enumerate(plan):
            config = AreaConfig(size, size // 10, plasticity=1.0, fatigue=1.0)
            area = LearningArea(samples.shape[1], config, seed=1000 * self.seed + number)
            for label in order:
                area.learn_class(samples[labels == label])
            weights.append(area.incoming)
        self._size, self._cap = plan[0][0], plan[0][0] // 10
        self._weights = np.concatenate(weights, axis=1)


class LinearReadout:
    """A linear classifier, trained with cross-entropy by Adam on mini-batches.

    Args:
        seed: of the order of the samples.
        epochs: passes through them.
        batch: samples in a mini-batch.
        rate: step size.
    """

    def __init__(self, *, seed: int, epochs: int = 15, batch: int = 250, rate: float = 1e-2):
        self.seed, self.epochs, self.batch, self.rate = seed, epochs, batch, rate

    def fit(
        self, features: Float[np.ndarray, "samples features"], labels: Int[np.ndarray, "samples"]
    ) -> LinearReadout:
        """Train from zero weights.

        Raises:
            ValueError: if shapes disagree.
        """
        if labels.shape != (len(features),):
            raise ValueError(f"labels must have shape ({len(features)},), got {labels.shape}")
        generator = torch.Generator().manual_seed(self.seed)
        inputs, target = torch.from_numpy(features), torch.from_numpy(labels)
        self._layer = nn.Linear(features.shape[1], int(labels.max()) + 1)
        with torch.no_grad():
            self._layer.weight.zero_()
            self._layer.bias.zero_()
        optimiser = torch.optim.Adam(self._layer.parameters(), lr=self.rate)
        for _ in range(self.epochs):
            order = torch.randperm(len(inputs), generator=generator)
            for rows in order.split(self.batch):
                optimiser.zero_grad()
                loss = nn.functional.cross_entropy(self._layer(inputs[rows]), target[rows])
                loss.backward()
                optimiser.step()
        return self

    def predict(
        self, features: Float[np.ndarray, "samples features"]
    ) -> Int[np.ndarray, "samples"]:
        """Most likely class of each sample."""
        with torch.no_grad():
            return self._layer(torch.from_numpy(features)).argmax(dim=1).numpy()

    def score(
        self, features: Float[np.ndarray, "samples features"], labels: Int[np.ndarray, "samples"]
    ) -> float:
        """Share of samples that are classified correctly."""
        return float((self.predict(features) == labels).mean())
