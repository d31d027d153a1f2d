"""How good a representation is for naming: nearest neighbours, few labels, confusions."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from sklearn.neighbors import KNeighborsClassifier

from neurotutor.checks import as_count

from .selection import unit


def nearest_neighbours(
    known: Float[np.ndarray, "known d"],
    labels: Int[np.ndarray, "known"],
    queries: Float[np.ndarray, "n d"],
    k: int = 1,
) -> Int[np.ndarray, "n"]:
    """Name each query as its nearest neighbours by cosine are named.

    Args:
        known: features of sequences with a label.
        labels: their actions.
        queries: features to name.
        k: neighbours that vote (1, or 9 for NTU cross-subject in the paper's code).

    Returns:
        An action for each query.

    Raises:
        ValueError: if there are fewer than `k` known sequences.

    Source: Su, Liu & Shlizerman (2020), evaluation of the official code.
    """
    if as_count("k", k) > len(known):
        raise ValueError(f"{k} neighbours were asked for, {len(known)} sequences are known")
    # On rows of length 1 the Euclidean distance orders as the cosine does.
    model = KNeighborsClassifier(k).fit(unit(np.asarray(known, float)), labels)
    return model.predict(unit(np.asarray(queries, float)))


def few_label_accuracy(
    pool: Float[np.ndarray, "pool d"],
    pool_labels: Int[np.ndarray, "pool"],
    test: Float[np.ndarray, "test d"],
    test_labels: Int[np.ndarray, "test"],
    *,
    n_labels: int = 30,
    draws: int = 10,
    seed: int = 0,
) -> float:
    """Accuracy of the nearest neighbour with a few random labels, mean over several draws.

    Args:
        pool: features of the pool.
        pool_labels: its actions.
        test: features of the test set.
        test_labels: its actions.
        n_labels: sequences that get a label.
        draws: how often they are drawn anew.
        seed: of the draws; the same seed draws the same sequences for every representation.

    Returns:
        The mean share of test sequences that are named rightly.
    """
    rng = np.random.default_rng(seed)
    hits = []
    for _ in range(as_count("draws", draws)):
        rows = rng.choice(len(pool), as_count("n_labels", n_labels), replace=False)
        hits.append((nearest_neighbours(pool[rows], pool_labels[rows], test) == test_labels).mean())
    return float(np.mean(hits))


def confusion(
    labels: Int[np.ndarray, "n"], predicted: Int[np.ndarray, "n"], n_actions: int
) -> Float[np.ndarray, "n_actions n_actions"]:
    """Share of each action (row) that was named as each action (column)."""
    counts = np.zeros((n_actions, n_actions))
    np.add.at(counts, (labels, predicted), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def actions_reached(
    labels: Int[np.ndarray, "pool"], rounds: list[Int[np.ndarray, "_"]]
) -> Int[np.ndarray, "rounds"]:
    """How many actions the questions have met after each round."""
    met = [labels[np.concatenate(rounds[: i + 1])] for i in range(len(rounds))]
    return np.array([len(np.unique(each)) for each in met])
