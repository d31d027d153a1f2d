"""Time-Aware PC: windows, PC with time order, rolling, weights, robust edges, pruning."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Real

from neurotutor.connectomes import causal_connectome
from neurotutor.connectomes.tpc import unrolling
from neurotutor.connectomes.tpc.config import TpcConfig
from neurotutor.connectomes.tpc.kernel import KernelTest
from neurotutor.connectomes.tpc.weights import effects, pruned, rolled_weights

_COPY = 1e-10  # distance of a squared correlation from 1 below which two columns are copies


class Unrolled(NamedTuple):
    """A graph over the windows, and how contradictory the evidence for its arrows was."""

    # (nodes, nodes); [a, b] true: a -> b, and undirected if [b, a] is true too.
    graph: Bool[np.ndarray, "nodes nodes"]
    # Colliders that wanted an arrow against an earlier one. Only if there are none do the arrows
    # within a slice not depend on the order of the neurons.
    conflicts: int


def unrolled_graph(
    samples: Float[np.ndarray, "windows nodes"],
    config: TpcConfig,
) -> Unrolled:
    """Learn the graph over the nodes of a window, every lagged edge pointing forward.

    PC's skeleton is found without regard to time. Then edges between slices are pointed forward,
    colliders and Meek's rules orient what they can within a slice.

    Args:
        samples: one window a row, columns as `windows` makes them.
        config: its `max_delay`, `alpha`, `test` and `max_conditioning` are used.

    Returns:
        The graph; entry [a, b] true: a -> b, undirected if [b, a] is true too.

    Raises:
        ValueError: if a column is constant or two are copies of each other, or there are too few
            windows to test anything.

    Source: Biswas & Shlizerman (2022), algorithm 1, steps 3 and 4.
    """
    _testable(samples, config.max_delay)
    if config.test == "hsic":
        test = {"test": KernelTest(samples), "n_nodes": samples.shape[1]}
    else:
        test = {"data": samples}
    result = causal_connectome.pc(
        **test,
        alpha=config.alpha,
        max_depth=config.max_conditioning,
        tiers=unrolling.slices(samples.shape[1], config.max_delay),
    )
    # With tiers nothing points backward; said once more, since everything after relies on it.
    return Unrolled(unrolling.orient_in_time(result.graph, config.max_delay), result.conflicts)


def subsample_starts(n_windows: int, config: TpcConfig) -> list[int]:
    """First rows of the subsamples: m draws from 0, ..., K - L.

    Args:
        n_windows: K.
        config: its `subsample_length` L, `n_subsamples` m and `seed`.

    Raises:
        ValueError: if a subsample is longer than all windows together.

    Source: Biswas & Shlizerman (2022), algorithm 1, step 2.
    """
    longest = n_windows - config.subsample_length
    if longest < 0:
        raise ValueError(
            f"subsample_length is {config.subsample_length}, but the series gives only "
            f"{n_windows} windows: record longer, or lower subsample_length"
        )
    rng = np.random.default_rng(config.seed)
    return rng.integers(0, longest + 1, config.n_subsamples).tolist()


class TPC:
    """Time-Aware PC: a directed graph of neurons, with delays, feedback and self-influence.

    Args:
        config: settings; `TpcConfig.tutorial()` runs once on all windows.

    Attributes:
        adjacency_: (neurons, neurons) bool; entry [u, v] true: u -> v. Where the test could not
            orient an edge within a slice, both directions are true.
        weights_: (neurons, neurons) mean interventional effect of u on v; positive is excitatory,
            0 where there is no edge.
        edge_frequency_: (neurons, neurons) share of the subsamples in which u -> v was found,
            before pruning; 0 or 1 without subsamples.
        unrolled_: (nodes, nodes) bool over v (tau + 1) + t; entry [a, b] true: a -> b in at least
            the share gamma of the subsamples; no edge points backward in time.
        n_windows_: number of windows K.
        conflicts_: contradictions among colliders, summed over the subsamples.
    """

    def __init__(self, config: TpcConfig | None = None):
        self.config = TpcConfig() if config is None else config
        if not isinstance(self.config, TpcConfig):
            raise TypeError(
                f"config must be a TpcConfig, got {type(config).__name__}: "
                "TPC(TpcConfig.tutorial(alpha=0.01)), say"
            )

    def fit(self, series: Real[np.ndarray, "time neurons"]) -> TPC:
        """Learn the graph of a series.

        Args:
            series: activity of each neuron, one column a neuron.

        Returns:
            This object, with its learned attributes set.

        Raises:
            ValueError: if the series is too short for a window or a subsample, holds NaN, or a
                neuron that never changes or repeats another one exactly.
            TypeError: if it does not hold numbers.

        Source: Biswas & Shlizerman (2022), algorithm 1.
        """
        config = self.config
        samples = unrolling.windows(series, config.max_delay, config.stride)
        self.n_windows_ = len(samples)
        if config.subsample_length is None:
            rows = [slice(None)]
        else:
            starts = subsample_starts(len(samples), config)
            rows = [slice(start, start + config.subsample_length) for start in starts]
        found = [unrolled_graph(samples[each], config) for each in rows]
        graphs = np.stack([each.graph for each in found])
        self.conflicts_ = sum(each.conflicts for each in found)
        rolled = unrolling.roll(graphs, config.max_delay, config.edges)
        # Graphs come from the subsamples, effects from all windows, as in the published code.
        weights = np.stack([self._weights(samples, graph) for graph in graphs])
        self.edge_frequency_ = rolled.mean(axis=0)
        robust = rolled.any(axis=0) & (self.edge_frequency_ >= config.frequency)
        mean = np.where(robust, weights.sum(axis=0) / np.maximum(rolled.sum(axis=0), 1), 0.0)
        self.adjacency_ = pruned(robust, mean, config.prune)
        self.weights_ = np.where(self.adjacency_, mean, 0.0)
        self.unrolled_ = graphs.any(axis=0) & (graphs.mean(axis=0) >= config.frequency)
        return self

    def _weights(self, samples: np.ndarray, graph: np.ndarray) -> np.ndarray:
        delay, edges = self.config.max_delay, self.config.edges
        return rolled_weights(effects(samples, graph), graph, delay, edges)


def _testable(samples: np.ndarray, max_delay: int) -> None:
    """Refuse samples of which a correlation would be undefined or exactly one."""
    if len(samples) < 5:
        raise ValueError(
            f"{len(samples)} windows are too few to test anything (expected 5 or more): record "
            "longer, or lower max_delay or stride"
        )
    low, high = samples.min(axis=0), samples.max(axis=0)
    constant = np.flatnonzero(low == high)
    if len(constant):
        neuron, slice_ = divmod(int(constant[0]), max_delay + 1)
        raise ValueError(
            f"neuron {neuron} never changes in slice {slice_} of the {len(samples)} windows: take "
            "longer subsamples, or drop it"
        )
    correlation = causal_connectome.correlation_matrix(samples)
    copies = np.argwhere(np.triu(correlation**2 > 1 - _COPY, 1))
    if len(copies):
        (u, t1), (v, t2) = (divmod(int(node), max_delay + 1) for node in copies[0])
        raise ValueError(
            f"neuron {v} at slice {t2} repeats neuron {u} at slice {t1} exactly (up to scale), so "
            "no test can tell them apart: drop one, or add the noise that the recording lacks"
        )
