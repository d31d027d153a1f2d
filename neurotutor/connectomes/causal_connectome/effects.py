"""What happens downstream if a neuron is pushed: effects of interventions in linear models.

Convention of every function here: entry [i, j] of a matrix is about i -> j; in a CPDAG, [i, j] and
[j, i] both true mean i - j.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from neurotutor.connectomes.causal_connectome.checks import (
    as_dag,
    as_data,
    as_graph,
    as_node,
    as_nodes,
    topological_order,
)


def regression_slope(data: Any, effect: int, cause: int, adjust: Iterable[int] = ()) -> float:
    """Coefficient of one neuron in the least-squares prediction of another.

    Args:
        data: samples, shape (rows, nodes).
        effect: the neuron that is predicted.
        cause: the neuron whose coefficient is returned.
        adjust: further predictors; an intercept is always among them.

    Raises:
        ValueError: for unusable data, or predictors that determine each other.
    """
    array = as_data(data)
    p = array.shape[1]
    effect, cause = as_node(effect, p, "effect"), as_node(cause, p, "cause")
    chosen = sorted(as_nodes(adjust, p, "adjust") - {cause})
    if effect == cause or effect in chosen:
        raise ValueError(f"effect {effect} cannot be its own predictor: choose other neurons")
    scale = array.std(axis=0)
    centred = (array - array.mean(axis=0)) / scale
    weights, _, rank, _ = np.linalg.lstsq(centred[:, [cause, *chosen]], centred[:, effect])
    if rank < 1 + len(chosen):
        raise ValueError(
            f"neurons {[cause, *chosen]} determine each other, so no single "
            "coefficient exists: drop one of them"
        )
    return float(weights[0] * scale[effect] / scale[cause])


def causal_effect(
    data: Any, graph: Shaped[np.ndarray, "nodes nodes"], cause: int, effect: int
) -> float:
    """Change of the mean of `effect` when an experimenter pushes `cause` up by one unit.

    It is the coefficient of the cause in the regression of the effect on the cause and its parents:
    holding the parents still closes every back door. It is 0 if the effect is such a parent.

    Args:
        data: samples, shape (rows, nodes).
        graph: entry [i, j] true means i -> j. Edges elsewhere may be undirected ([i, j] and [j, i]
            both true), not those of the cause.
        cause: the neuron that is pushed.
        effect: the neuron that is watched.

    Raises:
        ValueError: for unusable data, a directed cycle, or an undirected edge at the cause.

    Source: Pearl (2009), theorem 3.2.2.
    """
    array, matrix, cause, effect = _as_question(data, graph, cause, effect)
    open_edges = np.flatnonzero(matrix[cause] & matrix[:, cause])
    if len(open_edges):
        raise ValueError(
            f"edges of neuron {cause} to {open_edges.tolist()} have no direction, so "
            "its parents are not known: use ida for the list of possible effects"
        )
    return _adjusted(array, np.flatnonzero(matrix[:, cause]).tolist(), cause, effect)


def ida(
    data: Any, graph: Shaped[np.ndarray, "nodes nodes"], cause: int, effect: int
) -> Float[np.ndarray, "parent_sets"]:
    """All effects that the members of an equivalence class allow (the IDA multiset).

    Args:
        data: samples, shape (rows, nodes).
        graph: CPDAG; [i, j] alone true means i -> j, [i, j] and [j, i] both true i - j.
        cause: the neuron that is pushed.
        effect: the neuron that is watched.

    Returns:
        One effect for every set of parents of `cause` that some member of the class has.

    Raises:
        ValueError: for unusable data or a graph with a directed cycle.

    Source: Maathuis, Kalisch & Buehlmann (2009), algorithm 3.
    """
    array, matrix, cause, effect = _as_question(data, graph, cause, effect)
    return np.array([_adjusted(array, each, cause, effect) for each in parent_sets(matrix, cause)])


def parent_sets(graph: Shaped[np.ndarray, "nodes nodes"], node: int) -> list[list[int]]:
    """Sets of parents that a node can have without a new collider at it.

    Args:
        graph: CPDAG; [i, j] alone true means i -> j, [i, j] and [j, i] both true i - j.
        node: whose parents.
    """
    matrix = as_graph(graph)
    node = as_node(node, len(matrix), "node")
    joined = matrix | matrix.T
    certain = np.flatnonzero(matrix[:, node] & ~matrix[node]).tolist()
    possible = np.flatnonzero(matrix[:, node] & matrix[node]).tolist()
    allowed = []
    for size in range(len(possible) + 1):
        for extra in combinations(possible, size):
            pairs = [*combinations(extra, 2), *((a, b) for a in extra for b in certain)]
            if all(joined[a, b] for a, b in pairs):
                allowed.append(sorted([*certain, *extra]))
    return allowed


def _as_question(
    data: Any, graph: Any, cause: Any, effect: Any
) -> tuple[Float[np.ndarray, "rows nodes"], Shaped[np.ndarray, "nodes nodes"], int, int]:
    """Read data, a graph over the same neurons without a directed cycle, and two neurons."""
    array, matrix = as_data(data), as_graph(graph)
    if array.shape[1] != len(matrix):
        raise ValueError(
            f"the graph has {len(matrix)} nodes and the data {array.shape[1]} "
            "neurons: pass the columns that the graph is about"
        )
    if topological_order(matrix & ~matrix.T) is None:
        raise ValueError("the graph has a directed cycle: unroll feedback over time first")
    n = len(matrix)
    cause, effect = as_node(cause, n, "cause"), as_node(effect, n, "effect")
    if cause == effect:
        raise ValueError(f"cause and effect must be two neurons, got {cause} twice")
    return array, matrix, cause, effect


def _adjusted(
    array: Float[np.ndarray, "rows nodes"], parents: Sequence[int], cause: int, effect: int
) -> float:
    """Back-door adjustment with the parents of the cause; 0 if the effect is one of them."""
    return 0.0 if effect in parents else regression_slope(array, effect, cause, parents)


def total_effects(weights: Float[np.ndarray, "nodes nodes"]) -> Float[np.ndarray, "nodes nodes"]:
    """True effects of pushing each neuron in a linear model X_j = sum_i w_ij X_i + noise.

    Args:
        weights: entry [i, j] is the weight of i -> j, 0 where there is no arrow.

    Returns:
        Entry [i, j]: change of j when i is pushed by one unit, ones on the diagonal.

    Raises:
        ValueError: if the arrows form a cycle.
    """
    as_dag(weights != 0, "weights")
    return np.linalg.inv(np.eye(len(weights)) - weights)
