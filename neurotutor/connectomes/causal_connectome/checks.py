"""What every public door of the connectome modules refuses, in one place.

Graphs are square matrices everywhere: entry [i, j] true means i -> j, and [i, j] and [j, i] both
true mean i - j, an edge without a direction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

# Two columns whose squared correlation differs from 1 by less carry the same signal.
COPY = 1e-10


def as_graph(graph: Any, name: str = "graph") -> Bool[np.ndarray, "nodes nodes"]:
    """Read an adjacency matrix; entry [i, j] true means i -> j, both [i, j] and [j, i] i - j.

    Args:
        graph: square array of booleans, or of zeros and ones; shape (nodes, nodes).
        name: what the caller calls it; appears in the error.

    Returns:
        A fresh boolean matrix.

    Raises:
        ValueError: if it is not square, holds other values, or joins a node with itself.
    """
    matrix = np.asarray(graph)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) == 0:
        raise ValueError(
            f"{name} must be a square matrix with [i, j] for i -> j, got shape {matrix.shape}"
        )
    if matrix.dtype != bool and not np.isin(matrix, (0, 1)).all():
        raise ValueError(f"{name} must hold only 0 and 1 (or booleans): threshold weights first")
    matrix = matrix.astype(bool)
    if matrix.diagonal().any():
        node = int(matrix.diagonal().argmax())
        raise ValueError(f"{name} joins node {node} with itself: clear the diagonal")
    return matrix


def topological_order(dag: Bool[np.ndarray, "nodes nodes"]) -> list[int] | None:
    """Nodes so that every arrow points forward, or None if the graph has a cycle.

    Args:
        dag: entry [i, j] true means i -> j.
    """
    waiting = dag.sum(axis=0)
    ready = [int(node) for node in np.flatnonzero(waiting == 0)]
    order = []
    while ready:
        node = ready.pop(0)
        order.append(node)
        for child in np.flatnonzero(dag[node]):
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(int(child))
    return order if len(order) == len(dag) else None


def as_dag(dag: Any, name: str = "dag") -> Bool[np.ndarray, "nodes nodes"]:
    """Read a directed acyclic graph; entry [i, j] true means i -> j.

    Raises:
        ValueError: if it is no graph, or has a cycle (an undirected edge counts as one).
    """
    matrix = as_graph(dag, name)
    if topological_order(matrix) is None:
        raise ValueError(
            f"{name} must be a directed graph without cycles, and this one has a "
            "cycle: unroll feedback over time, or orient undirected edges first"
        )
    return matrix


def as_node(node: Any, n_nodes: int, name: str) -> int:
    """Read the number of one node.

    Raises:
        TypeError: if it is no whole number.
        ValueError: if there is no such node.
    """
    if isinstance(node, bool) or not isinstance(node, int | np.integer):
        raise TypeError(f"{name} must be the number of a node, got {node!r}")
    if not 0 <= node < n_nodes:
        raise ValueError(f"{name} must lie in 0..{n_nodes - 1}, got {node}")
    return int(node)


def as_nodes(nodes: Any, n_nodes: int, name: str) -> frozenset[int]:
    """Read one node or several.

    Raises:
        TypeError: if something in it is no whole number.
        ValueError: if there is no such node.
    """
    if isinstance(nodes, int | np.integer):
        nodes = (nodes,)
    if not isinstance(nodes, Iterable):
        raise TypeError(f"{name} must be a node or several nodes, got {nodes!r}")
    return frozenset(as_node(node, n_nodes, name) for node in nodes)


def as_query(x: Any, y: Any, given: Any, n_nodes: int) -> tuple[int, int, tuple[int, ...]]:
    """Read a question 'x independent of y given S' about single nodes.

    Raises:
        TypeError: if something in it is no whole number.
        ValueError: if x and y are one node, or the set holds x or y.
    """
    x, y = as_node(x, n_nodes, "x"), as_node(y, n_nodes, "y")
    chosen = as_nodes(given, n_nodes, "given")
    if x == y:
        raise ValueError(f"x and y must be two nodes, got {x} twice")
    if chosen & {x, y}:
        raise ValueError(f"given must not hold x or y, got x={x}, y={y}, given={sorted(chosen)}")
    return x, y, tuple(sorted(chosen))


def as_alpha(alpha: Any) -> float:
    """Read the level of a test.

    Raises:
        ValueError: if it does not lie strictly between 0 and 1.
    """
    if not isinstance(alpha, float | int | np.floating) or not 0 < alpha < 1:
        raise ValueError(f"alpha, the level of each test, must lie between 0 and 1, got {alpha!r}")
    return float(alpha)


def as_data(data: Any, *, smallest: int = 4, name: str = "data") -> Float[np.ndarray, "rows nodes"]:
    """Read samples (rows) of neurons (columns) that can be correlated.

    Args:
        data: numbers, shape (rows, nodes).
        smallest: number of rows below which the caller can do nothing.
        name: what the caller calls it.

    Raises:
        TypeError: if it holds something else than numbers.
        ValueError: for a wrong shape, too few rows, NaN or infinity, or a constant neuron.
    """
    array = np.asarray(data)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold numbers, got {array.dtype}")
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"{name} must have shape (samples, neurons), got {array.shape}")
    if len(array) < smallest:
        raise ValueError(f"{name} has {len(array)} samples, and {smallest} or more are needed")
    array = array.astype(float)
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(
            f"{name} must be finite, got {array[row, column]} in row {row}, neuron "
            f"{column}: drop or impute it first"
        )
    spread = array.std(axis=0)
    # A constant column keeps a spread of a few rounding errors of its level.
    silent = np.flatnonzero(spread <= 1e-13 * np.abs(array).max(axis=0))
    if len(silent):
        raise ValueError(
            f"neuron {silent[0]} of {name} is constant ({len(silent)} such neurons): "
            "it correlates with nothing, drop it"
        )
    return array


def as_correlation(
    correlation: Any, n_samples: Any
) -> tuple[Float[np.ndarray, "nodes nodes"], int]:
    """Read a correlation matrix and the number of samples that it was computed from.

    Raises:
        TypeError: if `n_samples` is no whole number.
        ValueError: if the matrix is not symmetric with unit diagonal and entries in -1..1, two
            neurons are copies of each other, or there are fewer than 4 samples.
    """
    if isinstance(n_samples, bool) or not isinstance(n_samples, int | np.integer):
        raise TypeError(f"n_samples must be a whole number beside a correlation, got {n_samples!r}")
    if n_samples <= 3:
        raise ValueError(f"Fisher's z needs 4 samples or more, got {n_samples}")
    matrix = np.asarray(correlation, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"a correlation matrix is square, got shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("the correlation matrix holds NaN or infinity")
    if (
        np.abs(matrix - matrix.T).max() > 1e-8
        or np.abs(matrix.diagonal() - 1).max() > 1e-8
        or np.abs(matrix).max() > 1 + 1e-8
    ):
        raise ValueError(
            "a correlation matrix is symmetric, has ones on its diagonal and entries "
            "between -1 and 1: divide a covariance by the standard deviations first"
        )
    same = np.triu(matrix**2 > 1 - COPY, 1)
    if same.any():
        first, second = np.argwhere(same)[0]
        raise ValueError(
            f"neurons {first} and {second} are copies of each other up to scale "
            f"({int(same.sum())} such pairs): drop one of each pair"
        )
    return matrix, int(n_samples)


def as_tiers(tiers: Any, n_nodes: int) -> Int[np.ndarray, "nodes"] | None:
    """Read background knowledge about time: one whole number for each node, earlier is smaller.

    Raises:
        ValueError: if there is not one whole number for each node.
    """
    if tiers is None:
        return None
    array = np.asarray(tiers)
    if array.shape != (n_nodes,) or array.dtype.kind not in "iu":
        raise ValueError(
            f"tiers must be {n_nodes} whole numbers, one time for each node, "
            f"got {array.dtype} of shape {array.shape}"
        )
    return array.astype(int)


def as_choice(value: Any, allowed: Collection[str], name: str) -> str:
    """Read a named option.

    Raises:
        ValueError: if there is no such option.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(sorted(allowed))}, got {value!r}")
    return value


def neighbours(graph: Shaped[np.ndarray, "nodes nodes"], node: int) -> list[int]:
    """Nodes joined with `node` by an edge of any kind, ascending; [i, j] true means i -> j."""
    return [int(other) for other in np.flatnonzero(graph[node] | graph[:, node])]
