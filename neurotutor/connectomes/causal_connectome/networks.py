"""Small networks with a known causal graph, and data from them.

Convention of every function here: entry [i, j] of a matrix is about i -> j. Neurons count from 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from neurotutor.connectomes.causal_connectome.checks import as_dag, topological_order


def graph_of(n_nodes: int, *arrows: tuple[int, int]) -> Bool[np.ndarray, "nodes nodes"]:
    """A directed graph from a list of arrows; entry [i, j] true means i -> j.

    Args:
        n_nodes: number of nodes.
        arrows: pairs (i, j) for i -> j.

    Raises:
        ValueError: if there is a cycle, or an arrow names no node.
    """
    graph = np.zeros((n_nodes, n_nodes), dtype=bool)
    for i, j in arrows:
        if not (0 <= i < n_nodes and 0 <= j < n_nodes):
            raise ValueError(f"arrow {i} -> {j} needs nodes in 0..{n_nodes - 1}")
        graph[i, j] = True
    return as_dag(graph)


CHAIN = graph_of(3, (0, 1), (1, 2))
FORK = graph_of(3, (1, 0), (1, 2))
COLLIDER = graph_of(3, (0, 2), (1, 2))

# X3 = X1 + X2 + e, X4 = 0.7 X3 + e.
FOUR_NODES = np.array([[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0.7], [0, 0, 0, 0]], dtype=float)
# X2 = X1 + e, X3 = X2 - X1 + e: the two paths from 1 to 3 cancel.
CANCELLING = np.array([[0, 1, -1], [0, 0, 1], [0, 0, 0]], dtype=float)


def random_dag(
    n_nodes: int, edge_probability: float, rng: np.random.Generator
) -> Bool[np.ndarray, "nodes nodes"]:
    """A random directed acyclic graph whose nodes are in random order; [i, j] true means i -> j.

    Args:
        n_nodes: number of nodes.
        edge_probability: of each pair of nodes.
        rng: source of randomness.
    """
    upper = np.triu(rng.random((n_nodes, n_nodes)) < edge_probability, 1)
    order = rng.permutation(n_nodes)
    graph = np.zeros_like(upper)
    graph[np.ix_(order, order)] = upper
    return graph


def random_weights(
    dag: Bool[np.ndarray, "nodes nodes"],
    rng: np.random.Generator,
    low: float = 0.5,
    high: float = 1.0,
) -> Float[np.ndarray, "nodes nodes"]:
    """Weights of random sign and size for the arrows of a graph; [i, j] is the weight of i -> j.

    Args:
        dag: entry [i, j] true means i -> j.
        rng: source of randomness.
        low: smallest absolute weight.
        high: largest absolute weight.
    """
    size = rng.uniform(low, high, dag.shape) * rng.choice([-1.0, 1.0], dag.shape)
    return np.where(dag, size, 0.0)


def simulate_linear(
    weights: Any, n_samples: int, rng: np.random.Generator, *, push: dict[int, float] | None = None
) -> Float[np.ndarray, "samples nodes"]:
    """Samples of X_j = sum_i w_ij X_i + e_j with independent standard normal noise.

    Args:
        weights: entry [i, j] is the weight of i -> j; a boolean graph has weights of 1.
        n_samples: number of independent samples.
        rng: source of randomness.
        push: neurons that an experimenter sets to a value, whatever their parents say.

    Raises:
        ValueError: if the arrows form a cycle.

    Source: Biswas & Shlizerman (2022), section on directed graphical models.
    """
    w = np.asarray(weights, dtype=float)
    order = topological_order(as_dag(w != 0, "weights"))
    x = rng.standard_normal((n_samples, len(w)))
    for node in order:
        if push and node in push:
            x[:, node] = push[node]
        else:
            x[:, node] += x @ w[:, node]
    return x


def lagged_common_cause(
    n_steps: int, rng: np.random.Generator, strength: float = 0.8
) -> Float[np.ndarray, "time 3"]:
    """Neuron 0 drives neuron 1 after one bin and neuron 2 after two; 1 and 2 are not connected.

    Args:
        n_steps: length of the series in bins.
        rng: source of randomness.
        strength: weight of both arrows.
    """
    noise = rng.standard_normal((n_steps + 2, 3))
    x = noise.copy()
    x[1:, 1] += strength * noise[:-1, 0]
    x[2:, 2] += strength * noise[:-2, 0]
    return x[2:]


def autoregressive(
    n_nodes: int, n_steps: int, *, seed: int = 7
) -> tuple[Float[np.ndarray, "time nodes"], Bool[np.ndarray, "nodes nodes"]]:
    """The series that speed is measured on: VAR(1), self weight 0.3, two inputs of +-0.25 each.

    Args:
        n_nodes: number of neurons, 3 or more.
        n_steps: length of the series in bins.
        seed: of `numpy.random.default_rng`.

    Returns:
        The series and its graph of delayed arrows; [i, j] true means i -> j, self-loops left out.
    """
    rng = np.random.default_rng(seed)
    incoming = 0.3 * np.eye(n_nodes)
    for target in range(n_nodes):
        others = np.delete(np.arange(n_nodes), target)
        sources = rng.choice(others, 2, replace=False)
        incoming[target, sources] = 0.25 * rng.choice([-1, 1], 2)
    x = np.zeros((n_steps, n_nodes))
    for t in range(1, n_steps):
        x[t] = incoming @ x[t - 1] + rng.standard_normal(n_nodes)
    graph = incoming.T != 0
    np.fill_diagonal(graph, False)
    return x, graph
