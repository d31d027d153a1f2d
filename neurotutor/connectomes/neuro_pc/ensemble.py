"""Neuro-PC: PC on lagged windows of many excerpts of a recording, rolled up to one node a neuron.

In every graph entry [i, j] true means i -> j.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from neurotutor.checks import as_count
from neurotutor.connectomes.causal_connectome import pc
from neurotutor.connectomes.tpc.unrolling import roll, slices, windows
from neurotutor.connectomes.tpc.weights import effects, pruned, rolled_weights

# A conditional-independence test, (x, y, set) -> p-value, made from windows.
MakeTest = Callable[[np.ndarray], Callable[[int, int, tuple[int, ...]], float]]

MOST_ROWS = 500


@dataclass(frozen=True)
class NeuroPcConfig:
    """Settings of `NeuroPC`.

    The paper's own choices could not be established. The defaults are the book's; `published()`
    holds what routines of the authors' later package use.
    """

    lag: int = 1  # d, largest delay in bins
    # L, windows in one excerpt; None: 500, or all of them if there are fewer
    rows: int | Literal["all"] | None = None
    runs: int = 25  # m, excerpts
    alpha: float = 0.05  # level of each independence test
    frequency: float = 0.5  # share of the runs in which an edge must appear
    prune: float = 0.1  # edges of at most this share of the largest |weight| are dropped
    edges: Literal["all", "last"] = "all"  # "last" (ours): only edges that end in the last slice
    weights: Literal["total", "direct"] = "total"  # "direct" (ours): see `direct_effects`
    stride: int | None = None  # bins from window to window; None: 2 (lag + 1)
    ablation: bool = False  # look once more with each neuron left out

    def __post_init__(self) -> None:
        as_count("lag", self.lag)
        as_count("runs", self.runs)
        if self.rows not in (None, "all"):
            as_count("rows", self.rows)
        if self.stride is not None:
            as_count("stride", self.stride)
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha is a test level between 0 and 1, got {self.alpha}")
        if not 0 <= self.frequency <= 1:
            raise ValueError(f"frequency is a share of the runs, 0 to 1, got {self.frequency}")
        if not 0 <= self.prune < 1:
            raise ValueError(f"prune is a share of the largest weight, 0 to 1, got {self.prune}")
        if self.edges not in ("all", "last"):
            raise ValueError(f"edges must be 'all' or 'last', got {self.edges!r}")
        if self.weights not in ("total", "direct"):
            raise ValueError(f"weights must be 'total' or 'direct', got {self.weights!r}")

    @classmethod
    def published(cls) -> NeuroPcConfig:
        """The values that the authors' later package calls its routines with."""
        return cls(rows=50, runs=25, alpha=0.1, frequency=0.25)

    @classmethod
    def single(cls) -> NeuroPcConfig:
        """One run on all windows: no ensemble."""
        return cls(rows="all", runs=1, frequency=1.0)

    @classmethod
    def tutorial(cls) -> NeuroPcConfig:
        """What the chapter runs: one run on all windows, edges into the last slice alone."""
        return replace(cls.single(), edges="last")


def excerpt_starts(
    n_rows: int, excerpt: int, runs: int, rng: np.random.Generator
) -> Int[np.ndarray, "runs"]:
    """First row of each excerpt, uniform over all places where the excerpt fits.

    Args:
        n_rows: windows of the recording, K.
        excerpt: windows of an excerpt, L.
        runs: excerpts to draw.
        rng: source of chance.

    Raises:
        ValueError: if the recording is shorter than an excerpt.
    """
    as_count("rows", excerpt)
    as_count("runs", runs)
    if excerpt > n_rows:
        raise ValueError(
            f"the recording has {n_rows} windows, fewer than the {excerpt} of an excerpt; take a "
            "smaller `rows`, a smaller `stride` or a longer recording"
        )
    return rng.integers(0, n_rows - excerpt + 1, runs)


def window_graph(
    rows: Float[np.ndarray, "rows nodes"],
    lag: int,
    alpha: float,
    make_test: MakeTest | None = None,
) -> Bool[np.ndarray, "nodes nodes"]:
    """PC on windows, where no arrow may point back in time.

    Args:
        rows: windows, in the form of `windows`.
        lag: largest delay of a window.
        alpha: level of each test.
        make_test: makes another test than Fisher's z from the rows, such as a kernel test.

    Returns:
        Entry [i, j] true means i -> j; both [i, j] and [j, i]: undirected, within one slice.

    Raises:
        ValueError: if there are too few rows to test anything, or a column is constant.
    """
    tiers = slices(rows.shape[1], lag)
    silent = np.flatnonzero(np.ptp(rows, axis=0) == 0)
    if len(silent):
        raise ValueError(
            f"neuron {silent[0] // (lag + 1)} never changes in slice {silent[0] % (lag + 1)} of "
            f"{len(rows)} windows; take longer excerpts, or leave the neuron out"
        )
    test = "fisherz" if make_test is None else make_test(rows)
    return pc(
        rows if make_test is None else None, alpha, test=test, n_nodes=rows.shape[1], tiers=tiers
    ).graph


def direct_effects(
    rows: Float[np.ndarray, "rows nodes"], graph: Bool[np.ndarray, "nodes nodes"]
) -> Float[np.ndarray, "nodes nodes"]:
    """Effect of each cause with the other causes held still.

    The back-door weight adjusts for the parents of the cause. In slice 0 these lie before the
    window, and what they do by other ways is then counted as the work of the cause. Adjusting for
    the other parents of the effect needs no such look back if the effect is in the last slice.

    Args:
        rows: samples of the nodes, one window a row.
        graph: entry [i, j] true means i -> j; an undirected neighbour counts as a cause.

    Returns:
        Entry [x, y]: coefficient of x in the least-squares regression, with intercept, of y on all
        x' with x' -> y; 0 where there is no edge.

    Source: ours.
    """
    centred = rows - rows.mean(axis=0)
    found = np.zeros(graph.shape)
    for y in np.flatnonzero(graph.any(axis=0)):
        causes = np.flatnonzero(graph[:, y])
        found[causes, y] = np.linalg.lstsq(centred[:, causes], centred[:, y], rcond=None)[0]
    return found


def link_frequency(
    graphs: Bool[np.ndarray, "runs neurons neurons"],
) -> Float[np.ndarray, "neurons neurons"]:
    """Share of the runs in which each link was found; entry [i, j] is that of i -> j."""
    return np.asarray(graphs, float).mean(axis=0)


def mean_nonzero(
    weights: Float[np.ndarray, "runs neurons neurons"],
) -> Float[np.ndarray, "neurons neurons"]:
    """Mean of the weights over the runs that have one; 0 where no run has."""
    weights = np.asarray(weights, float)
    return weights.sum(axis=0) / np.maximum((weights != 0).sum(axis=0), 1)


def frequent(
    frequency: Float[np.ndarray, "neurons neurons"], threshold: float | int
) -> Bool[np.ndarray, "neurons neurons"]:
    """Links that appear in at least a share of the runs.

    Args:
        frequency: share of the runs with each link i -> j, entry [i, j].
        threshold: share that a link needs; at 0 one run is enough, at 1 it takes all.

    Returns:
        Entry [i, j] true means i -> j.

    Raises:
        ValueError: if the threshold is no share.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"the frequency is a share of the runs, 0 to 1, got {threshold}")
    # Twenty-fifths are no binary numbers: 5 of 25 runs must pass a threshold of 0.2.
    return (frequency > 0) & (frequency >= threshold - 1e-12)


class NeuroPC:
    """Directed functional connectivity of a recording, by PC on many excerpts of it.

    `fit` sets what follows.

    Attributes:
        adjacency_: entry [i, j] true means i -> j, shape (neurons, neurons).
        weights_: linear effect of i on j; 0 where there is no link.
        edge_frequency_: share of the runs that have the link, before any threshold.
        graphs_: rolled graph of each run, shape (runs, neurons, neurons).
        starts_: first window of each run.
        n_windows_: windows of the whole recording, K.
        rows_: windows in one run, L.
        ablation_: links that leaving a neuron out has added; all False unless asked for.
    """

    def __init__(
        self,
        config: NeuroPcConfig | None = None,
        *,
        seed: int = 0,
        make_test: MakeTest | None = None,
    ):
        as_count("seed", seed, 0)
        self.config = NeuroPcConfig() if config is None else config
        self.seed = seed
        self.make_test = make_test

    def fit(self, series: Real[np.ndarray, "time neurons"]) -> NeuroPC:
        """Infer the graph of a recording.

        Args:
            series: activity, one column a neuron.

        Returns:
            Itself.

        Raises:
            ValueError: if the recording is too short for the excerpts, has NaN, or a neuron is
                constant or a copy of others.

        Source: Biswas & Shlizerman (2020), as routines of their later package have it.
        """
        return self.fit_windows(windows(series, self.config.lag, self.config.stride))

    def fit_windows(self, every: Float[np.ndarray, "rows nodes"]) -> NeuroPC:
        """Infer the graph from windows that are cut already, such as the windows of many trials.

        Args:
            every: one window a row, in the form of `windows` with the lag of the settings.

        Returns:
            Itself.

        Raises:
            ValueError: if there are fewer windows than in an excerpt, or as `fit`.
        """
        config = self.config
        every = np.asarray(every, float)
        if every.ndim != 2 or not every.shape[1] or every.shape[1] % (config.lag + 1):
            raise ValueError(
                f"windows of lag {config.lag} have {config.lag + 1} columns for each neuron, got "
                f"shape {every.shape}"
            )
        self.n_windows_ = len(every)
        whole = {None: min(MOST_ROWS, len(every)), "all": len(every)}
        self.rows_ = whole.get(config.rows, config.rows)
        rng = np.random.default_rng(self.seed)
        self.starts_ = excerpt_starts(len(every), self.rows_, config.runs, rng)
        # Excerpts that start at one place are one excerpt: each is looked at once.
        places, which = np.unique(self.starts_, return_inverse=True)
        runs = [self._run(every, start) for start in places.tolist()]
        self.graphs_ = np.stack([graph for graph, _ in runs])[which]
        mean = mean_nonzero(np.stack([weights for _, weights in runs])[which])
        self.edge_frequency_ = link_frequency(self.graphs_)
        often = frequent(self.edge_frequency_, config.frequency)
        self.adjacency_ = pruned(often, mean, config.prune)
        self.weights_ = np.where(self.adjacency_, mean, 0.0)
        self.ablation_ = np.zeros_like(self.adjacency_)
        if config.ablation:
            self._look_without(every)
        return self

    def _run(self, every: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
        """Folded graph and weights from one excerpt; the regressions use all windows."""
        lag, edges = self.config.lag, self.config.edges
        excerpt = every[start : start + self.rows_]
        graph = window_graph(excerpt, lag, self.config.alpha, self.make_test)
        measure = effects if self.config.weights == "total" else direct_effects
        weights = rolled_weights(measure(every, graph), graph, lag, edges)
        return roll(graph, lag, edges), weights

    def _look_without(self, every: np.ndarray) -> None:
        """Add k -> b where leaving k out uncovers a link a -> b from a neuron upstream of k."""
        lag, p = self.config.lag, len(self.adjacency_)
        owner = np.repeat(np.arange(p), lag + 1)
        plain = replace(self.config, ablation=False)
        upstream = reachable(self.adjacency_)
        for k in range(p):
            rest = np.delete(np.arange(p), k)
            other = NeuroPC(plain, seed=self.seed, make_test=self.make_test)
            without = other.fit_windows(every[:, owner != k]).adjacency_
            new = without & ~self.adjacency_[np.ix_(rest, rest)]
            np.fill_diagonal(new, False)
            self.ablation_[k, rest[new[upstream[rest, k]].any(axis=0)]] = True
        self.ablation_ &= ~self.adjacency_
        graph = window_graph(every, lag, self.config.alpha, self.make_test)
        at = slices(len(graph), lag)
        added = np.repeat(np.repeat(self.ablation_, lag + 1, axis=0), lag + 1, axis=1)
        added &= (at[:, None] < at) & (at == lag)
        measure = effects if self.config.weights == "total" else direct_effects
        weights = rolled_weights(measure(every, graph | added), added, lag)
        self.weights_ = np.where(self.ablation_, weights, self.weights_)
        self.adjacency_ = self.adjacency_ | self.ablation_


def reachable(graph: Bool[np.ndarray, "nodes nodes"]) -> Bool[np.ndarray, "nodes nodes"]:
    """Who can be reached from whom along the arrows of a graph, which may have cycles.

    Args:
        graph: entry [i, j] true means i -> j.

    Returns:
        Entry [i, j] is true if a path of one arrow or more leads from i to j.
    """
    reach = graph.copy()
    for via in range(len(reach)):
        reach |= np.outer(reach[:, via], reach[via])
    return reach


def static_graph(
    series: Real[np.ndarray, "time neurons"], alpha: float = 0.05
) -> Bool[np.ndarray, "neurons neurons"]:
    """PC on the bins as if they were independent samples: what forgetting time costs.

    Args:
        series: activity, one column a neuron.
        alpha: level of each test.

    Returns:
        Entry [i, j] true means i -> j; an undirected edge is true both ways.

    Raises:
        ValueError: as `pc`.
    """
    return pc(windows(series, 0, 1), alpha).graph
