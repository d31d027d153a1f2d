"""Which frames a training step sees: every key as often as every other, or every frame."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Shaped

from neurotutor.checks import as_count
from neurotutor.perception.audeo.synthesis import as_roll


class BalancedKeySampler:
    """Draws a key, then a frame in which it is down; silence counts as one more key.

    Keys that are never down are left out, and so is silence if there is none.

    Args:
        labels: true where a key is down, a row for each frame.
        seed: of the draws.

    Raises:
        ValueError: if there is no row, or a label is neither 0 nor 1.

    Source: Su, Liu, Shlizerman (2020), sampling of the released code, without its crash on an
    empty class.
    """

    def __init__(self, labels: Shaped[np.ndarray, "rows keys"], *, seed: int = 0):
        roll = as_roll("labels", labels)
        if not len(roll):
            raise ValueError("labels are empty: one row or more is needed")
        classes = np.concatenate([roll, ~roll.any(axis=1, keepdims=True)], axis=1)
        self.rows = [np.flatnonzero(column) for column in classes.T if column.any()]
        self.n_rows = len(roll)
        self.generator = np.random.default_rng(seed)

    def probabilities(self) -> Float[np.ndarray, "rows"]:
        """p_i: how likely a draw is row i."""
        p = np.zeros(self.n_rows)
        for rows in self.rows:
            p[rows] += 1 / (len(self.rows) * len(rows))
        return p

    def draw(self, n: int) -> Int[np.ndarray, "draws"]:
        """Indices of `n` rows, with replacement."""
        chosen = self.generator.integers(len(self.rows), size=as_count("n", n))
        sizes = np.array([len(rows) for rows in self.rows])[chosen]
        places = (self.generator.random(n) * sizes).astype(int)
        return np.array([self.rows[c][place] for c, place in zip(chosen, places, strict=True)])


class UniformSampler:
    """Draws every row equally often, with replacement.

    Args:
        n_rows: how many there are.
        seed: of the draws.
    """

    def __init__(self, n_rows: int, *, seed: int = 0):
        self.n_rows = as_count("n_rows", n_rows)
        self.generator = np.random.default_rng(seed)

    def draw(self, n: int) -> Int[np.ndarray, "draws"]:
        """Indices of `n` rows."""
        return self.generator.integers(self.n_rows, size=as_count("n", n))
