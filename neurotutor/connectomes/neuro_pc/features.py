"""What a rolled graph looks like in numbers, and whether stimuli can be told apart by it.

In every matrix entry [i, j] stands for i -> j. Self-loops are left out: every neuron has one.
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
from jaxtyping import Float, Int, Real
from scipy.cluster.hierarchy import linkage
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import squareform

from neurotutor.checks import as_count


@dataclass(frozen=True)
class GraphFeatures:
    """Numbers that describe a weighted directed graph without its self-loops.

    Attributes:
        weights: the p (p - 1) weights, row by row, zeros where there is no link.
        out_strength: sum of |weight| over what each neuron drives.
        in_strength: sum of |weight| over what drives each neuron.
        density: share of the ordered pairs that are linked.
        reciprocity: share of the links whose reverse exists; 0 for a graph without links.
        mean_weight: mean |weight| of the links.
        excitatory: share of the links with a positive weight.
        clustering: mean directed clustering coefficient (Fagiolo's).
        efficiency: mean inverse number of steps from one neuron to another.
        feed_forward: number of triples i -> j -> k with i -> k; other links may exist beside.
    """

    weights: Float[np.ndarray, "pairs"]
    out_strength: Float[np.ndarray, "neurons"]
    in_strength: Float[np.ndarray, "neurons"]
    density: float
    reciprocity: float
    mean_weight: float
    excitatory: float
    clustering: float
    efficiency: float
    feed_forward: int

    @property
    def summary(self) -> Float[np.ndarray, "features"]:
        """Strengths and the seven graph numbers in one vector, without the single weights."""
        numbers = (
            self.density,
            self.reciprocity,
            self.mean_weight,
            self.excitatory,
            self.clustering,
            self.efficiency,
            self.feed_forward,
        )
        return np.concatenate([self.out_strength, self.in_strength, numbers])


def graph_features(weights: Real[np.ndarray, "neurons neurons"]) -> GraphFeatures:
    """Describe a rolled graph.

    Args:
        weights: entry [i, j] is the weight of i -> j, 0 where there is no link; the diagonal is
            ignored.

    Raises:
        ValueError: if the matrix is not square, has fewer than two rows, or holds NaN.

    Source: ours. Which features the paper uses could not be established.
    """
    weights = np.array(weights, float)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1] or len(weights) < 2:
        raise ValueError(f"weights must be square, two neurons or more, got {weights.shape}")
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite; put 0 where there is no link")
    p = len(weights)
    np.fill_diagonal(weights, 0.0)
    linked = weights != 0
    n_links = int(linked.sum())
    steps = shortest_path(linked.astype(float), unweighted=True)
    np.fill_diagonal(steps, np.inf)
    directed = nx.from_numpy_array(linked.astype(int), create_using=nx.DiGraph)
    count = linked.astype(int)
    return GraphFeatures(
        weights=weights[~np.eye(p, dtype=bool)],
        out_strength=np.abs(weights).sum(axis=1),
        in_strength=np.abs(weights).sum(axis=0),
        density=n_links / (p * (p - 1)),
        reciprocity=float((linked & linked.T).sum() / max(n_links, 1)),
        mean_weight=float(np.abs(weights).sum() / max(n_links, 1)),
        excitatory=float((weights > 0).sum() / max(n_links, 1)),
        clustering=float(nx.average_clustering(directed)),
        efficiency=float((1 / steps).sum() / (p * (p - 1))),
        feed_forward=int((count @ count * count).sum()),
    )


def weight_similarity(
    weights: Real[np.ndarray, "blocks neurons neurons"],
) -> Float[np.ndarray, "blocks blocks"]:
    """Pearson correlation between the weight vectors of graphs.

    A graph whose weights are all equal, such as one without links, has no correlation: it counts
    as similar to itself (1) and to nothing else (0), except to a graph that is the same.

    Args:
        weights: one weighted graph a block; entry [b, i, j] is the weight of i -> j in block b.

    Returns:
        Symmetric, with ones on the diagonal.

    Raises:
        ValueError: if there are fewer than two graphs, or one is not a graph.
    """
    return _cosine(_centred(np.stack([each.weights for each in _describe(weights)])))


def summary_similarity(
    weights: Real[np.ndarray, "blocks neurons neurons"],
) -> Float[np.ndarray, "blocks blocks"]:
    """Cosine between the z-scored summaries of graphs (strengths, density, motifs, ...).

    Features that are the same in all blocks say nothing and are left out.

    Args:
        weights: one weighted graph a block; entry [b, i, j] is the weight of i -> j in block b.

    Returns:
        Symmetric, with ones on the diagonal.

    Raises:
        ValueError: if there are fewer than two graphs, or one is not a graph.
    """
    table = np.stack([each.summary for each in _describe(weights)])
    spread = table.std(axis=0)
    told = spread > 1e-12
    return _cosine((table[:, told] - table[:, told].mean(axis=0)) / spread[told])


def _describe(weights: np.ndarray) -> list[GraphFeatures]:
    weights = np.asarray(weights, float)
    if weights.ndim != 3 or len(weights) < 2:
        raise ValueError(f"two graphs or more, shape (blocks, p, p), got {weights.shape}")
    return [graph_features(each) for each in weights]


def _centred(rows: np.ndarray) -> np.ndarray:
    return rows - rows.mean(axis=1, keepdims=True)


def _cosine(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1)
    flat = lengths < 1e-12
    units = rows / np.where(flat, 1.0, lengths)[:, None]
    similarity = np.clip(units @ units.T, -1.0, 1.0)
    similarity[np.ix_(flat, flat)] = 1.0
    np.fill_diagonal(similarity, 1.0)
    return (similarity + similarity.T) / 2


def within_minus_between(
    similarity: Float[np.ndarray, "blocks blocks"], labels: Int[np.ndarray, "blocks"]
) -> float:
    """Mean similarity of two blocks of one stimulus minus that of blocks of different ones.

    Args:
        similarity: between blocks, symmetric.
        labels: stimulus of each block.

    Raises:
        ValueError: if shapes disagree, or there is no pair of one kind.
    """
    similarity, labels = np.asarray(similarity, float), np.asarray(labels)
    if labels.ndim != 1 or similarity.shape != (len(labels), len(labels)):
        raise ValueError(
            f"similarity must be square with one row a label, got {similarity.shape} and "
            f"{labels.shape}"
        )
    same = labels[:, None] == labels
    upper = np.triu(np.ones_like(same), 1)
    if not (same & upper).any() or not (~same & upper).any():
        raise ValueError("labels need two blocks of one stimulus and two different stimuli")
    return float(similarity[same & upper].mean() - similarity[~same & upper].mean())


def permutation_test(
    similarity: Float[np.ndarray, "blocks blocks"],
    labels: Int[np.ndarray, "blocks"],
    *,
    n_permutations: int = 1000,
    seed: int = 0,
) -> float:
    """How often shuffled labels separate the blocks as well as the true ones: a p-value.

    Args:
        similarity: between blocks, symmetric.
        labels: stimulus of each block.
        n_permutations: shuffles of the labels over blocks.
        seed: of the shuffles.

    Returns:
        Share of `n_permutations` shuffles and the true labels whose within-minus-between
        similarity is at least the true one. It is never 0.

    Raises:
        ValueError: as `within_minus_between`, or without a permutation.
    """
    as_count("n_permutations", n_permutations)
    found = within_minus_between(similarity, labels)
    rng = np.random.default_rng(seed)
    # A shuffle that only renames the stimuli must not count as worse by a rounding error.
    as_good = sum(
        within_minus_between(similarity, rng.permutation(labels)) >= found - 1e-12
        for _ in range(n_permutations)
    )
    return (1 + as_good) / (1 + n_permutations)


def tree(similarity: Float[np.ndarray, "blocks blocks"]) -> Float[np.ndarray, "merges 4"]:
    """Average-linkage tree of blocks at distance 1 - similarity, in SciPy's form.

    Args:
        similarity: between blocks, symmetric, ones on the diagonal.

    Raises:
        ValueError: if the matrix is not of this kind.
    """
    similarity = np.asarray(similarity, float)
    if (
        similarity.ndim != 2
        or similarity.shape[0] != similarity.shape[1]
        or not np.allclose(similarity, similarity.T)
        or not np.allclose(np.diag(similarity), 1)
    ):
        raise ValueError("similarity must be symmetric with ones on its diagonal")
    return linkage(squareform(1 - similarity, checks=False), method="average")
