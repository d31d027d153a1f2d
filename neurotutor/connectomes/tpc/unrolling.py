"""From a series to windows, and from the graph over windows back to one node a neuron.

An unrolled node is a neuron v at a slice t of the window, 0 <= t <= tau. Its number is
v (tau + 1) + t: the column of `windows`, the row and the column of an unrolled graph.
Entry [i, j] of a graph is true if i -> j; an edge that could not be oriented is true both ways.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from neurotutor.checks import as_count


def windows(
    series: Real[np.ndarray, "time neurons"], max_delay: int, stride: int | None = None
) -> Float[np.ndarray, "windows nodes"]:
    """Cut a series into short windows, one a row.

    Args:
        series: activity of each neuron.
        max_delay: tau; a window holds tau + 1 bins.
        stride: bins from start to start; default 2 (tau + 1), which leaves a gap of tau + 1 bins.

    Returns:
        Entry [k, v (tau + 1) + t] is neuron v at bin k * stride + t; there are
        floor((T - tau) / stride) rows.

    Raises:
        ValueError: if the series is too short, or is not a matrix of finite numbers, or holds a
            neuron that never changes.
        TypeError: if it does not hold numbers.

    Source: Biswas & Shlizerman (2022), algorithm 1, step 1.
    """
    series = checked(series)
    as_count("max_delay", max_delay, 0)
    stride = 2 * (max_delay + 1) if stride is None else stride
    as_count("stride", stride)
    n_bins, n_neurons = series.shape
    n_windows = (n_bins - max_delay) // stride
    if n_windows < 1:
        raise ValueError(
            f"a series of {n_bins} bins is too short for windows of {max_delay + 1} bins every "
            f"{stride}: expected at least {stride + max_delay}; record longer or lower max_delay"
        )
    bins = stride * np.arange(n_windows)[:, None] + np.arange(max_delay + 1)
    return series[bins].transpose(0, 2, 1).reshape(n_windows, n_neurons * (max_delay + 1))


def checked(series: Real[np.ndarray, "time neurons"]) -> Float[np.ndarray, "time neurons"]:
    """The series as float64, if a graph can be learned from it.

    Raises:
        ValueError: if it is not (time, neurons), not finite, or a neuron is constant.
        TypeError: if it does not hold numbers.
    """
    series = np.asarray(series)
    if series.dtype.kind not in "fiub":
        raise TypeError(f"series must hold real numbers, got {series.dtype}")
    if series.ndim != 2 or 0 in series.shape:
        raise ValueError(f"series must be (time, neurons) and not empty, got {series.shape}")
    series = series.astype(np.float64)
    if not np.isfinite(series).all():
        where = np.flatnonzero(~np.isfinite(series).all(axis=0))
        raise ValueError(
            f"series holds NaN or infinite values (neurons {where.tolist()}): fill or cut them"
        )
    constant = np.flatnonzero(np.ptp(series, axis=0) == 0)
    if len(series) > 1 and len(constant):
        raise ValueError(
            f"neurons {constant.tolist()} never change, so nothing can depend on them: drop them"
        )
    return series


def slices(n_nodes: int, max_delay: int) -> Int[np.ndarray, "nodes"]:
    """Slice t of each unrolled node: what comes before what.

    Raises:
        ValueError: if the nodes are no whole number of neurons.
    """
    if n_nodes % (max_delay + 1):
        raise ValueError(
            f"{n_nodes} nodes are no whole number of neurons with {max_delay + 1} slices each"
        )
    return np.arange(n_nodes) % (max_delay + 1)


def orient_in_time(
    graph: Bool[np.ndarray, "nodes nodes"], max_delay: int
) -> Bool[np.ndarray, "nodes nodes"]:
    """Point every edge between different slices forward; leave those within a slice alone.

    Args:
        graph: unrolled graph; entry [a, b] true: a -> b, or undirected if [b, a] is true too.
        max_delay: tau.

    Returns:
        The same edges; none points from a later slice to an earlier one.

    Source: Biswas & Shlizerman (2022), algorithm 1, step 4.
    """
    t = slices(len(graph), max_delay)
    forward = t[:, None] < t[None, :]
    same = t[:, None] == t[None, :]
    return ((graph | graph.T) & forward) | (graph & same)


def counted(
    graph: Bool[np.ndarray, "*runs nodes nodes"], max_delay: int, edges: str = "all"
) -> Bool[np.ndarray, "*runs nodes nodes"]:
    """The unrolled edges that rolling counts.

    Args:
        graph: unrolled graph; entry [a, b] true: a -> b.
        max_delay: tau.
        edges: `"all"`, or `"last"` for those only whose head is in the last slice. Of an earlier
            head the window does not show the whole past, and what is missing acts as a hidden
            common cause.

    Raises:
        ValueError: for another `edges`.
    """
    if edges not in ("all", "last"):
        raise ValueError(f"edges must be 'all' or 'last', got {edges!r}")
    t = slices(graph.shape[-1], max_delay)
    keep = t[:, None] <= t[None, :]
    if edges == "last":
        keep &= t[None, :] == max_delay
    return graph & keep


def roll(
    graph: Bool[np.ndarray, "*runs nodes nodes"], max_delay: int, edges: str = "all"
) -> Bool[np.ndarray, "*runs neurons neurons"]:
    """Fold an unrolled graph to one node a neuron.

    Args:
        graph: unrolled graph; entry [a, b] true: a -> b. Axes before are independent graphs.
        max_delay: tau.
        edges: `"all"` or `"last"`, see `counted`.

    Returns:
        Entry [u, v] is true if some (u, t1) -> (v, t2) with t1 <= t2 is counted. A self-loop needs
        t1 < t2, since no node has an edge to itself.

    Raises:
        ValueError: if an unrolled node has an edge to itself.

    Source: Biswas & Shlizerman (2022), rolled causal functional connectivity.
    """
    if np.einsum("...aa->...a", graph).any():
        raise ValueError("an unrolled node cannot drive itself at the same instant: clear [a, a]")
    return by_neuron(counted(graph, max_delay, edges), max_delay).any(axis=(-3, -1))


def by_neuron(graph: np.ndarray, max_delay: int) -> np.ndarray:
    """A matrix over unrolled nodes as (..., neuron, slice, neuron, slice)."""
    width = max_delay + 1
    n_neurons = graph.shape[-1] // width
    return graph.reshape(*graph.shape[:-2], n_neurons, width, n_neurons, width)
