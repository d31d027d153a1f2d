"""How strong an edge is: interventional effects by back-door regression, and pruning."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from neurotutor.connectomes.tpc.unrolling import by_neuron, counted


def parents(graph: Bool[np.ndarray, "nodes nodes"]) -> Bool[np.ndarray, "nodes nodes"]:
    """Entry [a, b]: a is surely a parent of b, i.e. a -> b and not also b -> a (undirected)."""
    return graph & ~graph.T


def effects(
    samples: Float[np.ndarray, "windows nodes"], graph: Bool[np.ndarray, "nodes nodes"]
) -> Float[np.ndarray, "nodes nodes"]:
    """Effect of a unit change of each tail on the head of its edge, by back-door adjustment.

    Args:
        samples: one window a row.
        graph: unrolled graph; entry [a, b] true: a -> b. Neighbours by undirected edges are not
            adjusted for.

    Returns:
        Entry [a, b]: coefficient of column a in the least-squares regression, with intercept, of
        column b on column a and the parents of a; 0 where there is no edge.

    Raises:
        ValueError: if shapes disagree.

    Source: Biswas & Shlizerman (2022), connectivity weight; Maathuis et al. (2009).
    """
    if samples.ndim != 2 or graph.shape != (samples.shape[1],) * 2:
        raise ValueError(
            f"graph must be square with a row for each column of samples, got {graph.shape} for "
            f"{samples.shape}"
        )
    centred = samples - samples.mean(axis=0)
    sure = parents(graph)
    found = np.zeros(graph.shape)
    for tail in np.flatnonzero(graph.any(axis=1)):
        heads = np.flatnonzero(graph[tail])
        regressors = np.r_[tail, np.flatnonzero(sure[:, tail])]
        # All heads of one tail share the regressors. lstsq takes the shortest solution where
        # columns are collinear.
        solution = np.linalg.lstsq(centred[:, regressors], centred[:, heads], rcond=None)[0]
        found[tail, heads] = solution[0]
    return found


def rolled_weights(
    effect: Float[np.ndarray, "nodes nodes"],
    graph: Bool[np.ndarray, "nodes nodes"],
    max_delay: int,
    edges: str = "all",
) -> Float[np.ndarray, "neurons neurons"]:
    """Mean effect over the unrolled edges that make one rolled edge.

    Args:
        effect: of each unrolled edge.
        graph: unrolled graph; entry [a, b] true: a -> b.
        max_delay: tau.
        edges: `"all"` or `"last"`.

    Returns:
        Entry [u, v]: weight of u -> v, 0 where there is no edge. Positive is excitatory.

    Source: Biswas & Shlizerman (2022), connectivity weight.
    """
    keep = counted(graph, max_delay, edges)
    total = by_neuron(np.where(keep, effect, 0.0), max_delay).sum(axis=(1, 3))
    number = by_neuron(keep, max_delay).sum(axis=(1, 3))
    return total / np.maximum(number, 1)


def pruned(
    adjacency: Bool[np.ndarray, "neurons neurons"],
    weights: Float[np.ndarray, "neurons neurons"],
    share: float,
) -> Bool[np.ndarray, "neurons neurons"]:
    """Drop edges that are weak beside the strongest one.

    Args:
        adjacency: entry [u, v] true: u -> v.
        weights: of the edges.
        share: edges with |w| <= share * max |w| are dropped; 0 drops none.

    Source: Biswas & Shlizerman (2022), algorithm 1, step 7, and the published code.
    """
    if share == 0:
        return adjacency.copy()
    size = np.where(adjacency, np.abs(weights), 0.0)
    return adjacency & (size > share * size.max())
