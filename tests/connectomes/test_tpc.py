"""Time-Aware PC: equations as oracles, the acceptance checks, limits, errors, planted bugs."""

import math
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from neurotutor.connectomes import causal_connectome, tpc
from neurotutor.connectomes.tpc import TPC, TpcConfig, model, unrolling, weights
from neurotutor.data import causal_series
from tests.harness import oracle, planted, relative_error

ONCE = TpcConfig.tutorial()


def fit(values, **changes):
    return TPC(replace(ONCE, **changes)).fit(values)


def random_unrolled(rng, n_neurons, max_delay, density=0.4):
    """A random unrolled graph: lagged edges forward, contemporaneous ones in a random order."""
    n = n_neurons * (max_delay + 1)
    t = np.arange(n) % (max_delay + 1)
    rank = rng.permutation(n)
    allowed = (t[:, None] < t) | ((t[:, None] == t) & (rank[:, None] < rank))
    return allowed & (rng.random((n, n)) < density)


# --- windows ------------------------------------------------------------------------------------


@oracle("eq-tpc-windows")
@pytest.mark.parametrize(
    ("n_bins", "max_delay", "stride"), [(1000, 1, None), (40, 2, None), (30, 0, None), (40, 2, 1)]
)
def test_equation_windows(n_bins, max_delay, stride):
    x = np.random.default_rng(0).standard_normal((n_bins, 3))
    step = 2 * (max_delay + 1) if stride is None else stride
    rows = math.floor((n_bins - max_delay) / step)
    slow = np.empty((rows, 3 * (max_delay + 1)))
    for k in range(rows):
        for v in range(3):
            for t in range(max_delay + 1):
                slow[k, v * (max_delay + 1) + t] = x[step * k + t, v]
    fast = tpc.windows(x, max_delay, stride)
    assert relative_error(fast, slow) == 0


def test_numbers_of_windows():
    x = np.random.default_rng(0).standard_normal((1000, 4))
    assert tpc.windows(x, 1).shape == (249, 8)
    assert tpc.windows(x[:12], 2).shape == (1, 12)
    assert tpc.windows(x, 0).shape == (500, 4)
    assert np.array_equal(tpc.windows(x, 0), x[::2])
    assert tpc.windows(x, 1, stride=1).shape == (999, 8)


def test_windows_do_not_touch():
    bins = tpc.windows(np.arange(100.0)[:, None], 2)
    starts, ends = bins[:, 0], bins[:, -1]
    assert (starts[1:] - ends[:-1] == 2 + 2).all()  # tau + 1 = 3 bins lie between two windows


# --- rolling ------------------------------------------------------------------------------------


@oracle("eq-tpc-rolled")
@pytest.mark.parametrize("edges", ["all", "last"])
@pytest.mark.parametrize("max_delay", [0, 1, 2])
def test_equation_rolled(edges, max_delay):
    rng = np.random.default_rng(max_delay)
    width = max_delay + 1
    for _ in range(20):
        graph = random_unrolled(rng, 4, max_delay, 0.15)
        slow = np.zeros((4, 4))
        for u in range(4):
            for v in range(4):
                for t1 in range(width):
                    for t2 in range(t1, width):
                        if edges == "last" and t2 != max_delay:
                            continue
                        if graph[u * width + t1, v * width + t2]:
                            slow[u, v] = 1
        assert relative_error(tpc.roll(graph, max_delay, edges), slow) == 0


def test_rolling_many_graphs_at_once():
    rng = np.random.default_rng(0)
    graphs = np.stack([random_unrolled(rng, 3, 1) for _ in range(5)])
    single = np.stack([tpc.roll(graph, 1) for graph in graphs])
    assert np.array_equal(tpc.roll(graphs, 1), single)


def test_edges_back_in_time_are_turned_and_others_are_left():
    rng = np.random.default_rng(0)
    graph = rng.random((9, 9)) < 0.3
    np.fill_diagonal(graph, False)
    turned = tpc.orient_in_time(graph, 2)
    t = np.arange(9) % 3
    assert not turned[t[:, None] > t].any()
    same = t[:, None] == t
    assert np.array_equal(turned[same], graph[same])
    assert np.array_equal(turned | turned.T, graph | graph.T)


def test_dropping_backward_edges_instead_of_turning_them_loses_links():
    """The difference between the paper and its published code."""
    made = causal_series.random_var(20, seed=7)
    right = fit(made.values)
    samples = tpc.windows(made.values, 1)
    plain = causal_connectome.pc(samples, alpha=0.05).graph
    forward_only = plain & (tpc.slices(40, 1)[:, None] <= tpc.slices(40, 1))
    dropped = tpc.score(tpc.roll(forward_only, 1), made.adjacency)
    assert tpc.score(right.adjacency_, made.adjacency).tpr >= 0.9
    assert dropped.tpr <= 0.75


# --- weights ------------------------------------------------------------------------------------


@oracle("eq-tpc-effect")
def test_equation_effect():
    rng = np.random.default_rng(1)
    samples = rng.standard_normal((200, 8)) @ rng.standard_normal((8, 8))
    graph = random_unrolled(rng, 4, 1)
    graph[3, 1] = graph[1, 3] = True  # one undirected edge
    fast = tpc.effects(samples, graph)
    slow = np.zeros((8, 8))
    for a in range(8):
        for b in range(8):
            if graph[a, b]:
                parents = [c for c in range(8) if graph[c, a] and not graph[a, c]]
                design = np.column_stack([np.ones(200), samples[:, [a, *parents]]])
                solved = np.linalg.solve(design.T @ design, design.T @ samples[:, b])
                slow[a, b] = solved[1]
    assert relative_error(fast, slow) < 1e-10


@oracle("eq-tpc-weight")
@pytest.mark.parametrize("edges", ["all", "last"])
def test_equation_weight(edges):
    rng = np.random.default_rng(2)
    graph = random_unrolled(rng, 3, 2, 0.2)
    effect = rng.standard_normal((9, 9))
    slow = np.zeros((3, 3))
    for u in range(3):
        for v in range(3):
            found = [
                effect[3 * u + t1, 3 * v + t2]
                for t1 in range(3)
                for t2 in range(t1, 3)
                if graph[3 * u + t1, 3 * v + t2] and (edges == "all" or t2 == 2)
            ]
            slow[u, v] = sum(found) / len(found) if found else 0
    assert relative_error(tpc.rolled_weights(effect, graph, 2, edges), slow) < 1e-12


@oracle("eq-tpc-prune")
def test_equation_prune():
    rng = np.random.default_rng(3)
    for share in (0.1, 0.5):
        adjacency = rng.random((6, 6)) < 0.5
        w = rng.standard_normal((6, 6))
        strongest = max(abs(w[i, j]) for i in range(6) for j in range(6) if adjacency[i, j])
        slow = [
            [float(adjacency[i, j] and abs(w[i, j]) > share * strongest) for j in range(6)]
            for i in range(6)
        ]
        assert relative_error(tpc.pruned(adjacency, w, share), slow) == 0
    assert np.array_equal(tpc.pruned(adjacency, np.zeros((6, 6)), 0.0), adjacency)


def test_a_chain_gives_its_own_coefficients():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20_000, 3))
    x[1:, 1] += 0.8 * x[:-1, 0]
    x[1:, 2] -= 0.6 * x[:-1, 1]
    found = fit(x, edges="last", alpha=0.001)
    truth = np.array([[0, 0.8, 0], [0, 0, -0.6], [0, 0, 0]])
    assert np.array_equal(found.adjacency_, truth != 0)
    assert np.abs(found.weights_ - truth).max() < 0.05


def test_a_missing_parent_would_bias_the_weight(monkeypatch):
    """Bug planted: without the parents, a common driver inflates the effect."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 4000))
    b = b + 2 * a
    c = 2 * a + 0.5 * b + rng.standard_normal(4000)
    graph = np.array([[0, 1, 1], [0, 0, 1], [0, 0, 0]], bool)
    samples = np.column_stack([a, b, c])
    assert abs(tpc.effects(samples, graph)[1, 2] - 0.5) < 0.05
    with planted(weights, "np.r_[tail, np.flatnonzero(sure[:, tail])]", "np.r_[tail]") as bad:
        assert bad.effects(samples, graph)[1, 2] > 1.0


# --- scores -------------------------------------------------------------------------------------


@oracle("eq-tpc-score")
def test_equation_score():
    rng = np.random.default_rng(4)
    for self_loops in (True, False):
        for directed in (True, False):
            estimate, truth = rng.random((2, 7, 7)) < 0.4
            if not self_loops:
                np.fill_diagonal(truth, False)
            hits = misses = false = right = 0
            for i in range(7):
                for j in range(7):
                    if (i == j and not self_loops) or (j < i and not directed):
                        continue
                    e, t = estimate[i, j], truth[i, j]
                    if not directed:
                        e, t = e or estimate[j, i], t or truth[j, i]
                    hits += e and t
                    misses += t and not e
                    false += e and not t
                    right += not e and not t
            found = tpc.score(estimate, truth, self_loops=self_loops, directed=directed)
            assert found.tpr == pytest.approx(hits / (hits + misses))
            assert found.ifpr == pytest.approx(right / (right + false))
            assert found.combined == pytest.approx(found.tpr - found.fpr)


def test_scores_of_no_edges():
    empty = tpc.score(np.zeros((3, 3), bool), np.zeros((3, 3), bool))
    assert math.isnan(empty.tpr)
    assert empty.fpr == 0


# --- the algorithm ------------------------------------------------------------------------------


def test_linear_paradigm():
    exact = 0
    for seed in range(5):
        made = causal_series.simulate("linear", seed=seed)
        found = fit(made.values)
        exact += np.array_equal(found.adjacency_, made.adjacency)
        assert found.adjacency_[made.adjacency].all()
        assert np.abs(found.weights_ - made.weights)[made.adjacency].max() < 0.3
    assert exact >= 4


def test_many_samples_give_the_truth_and_the_weights():
    exact, gaps = 0, []
    for seed in range(10):
        made = causal_series.simulate("linear", 20_000, seed=seed)
        found = fit(made.values)
        exact += np.array_equal(found.adjacency_, made.adjacency)
        gaps.append(np.abs(found.weights_ - made.weights)[made.adjacency].max())
    assert exact >= 9
    assert max(gaps) < 0.1


def test_no_edge_points_back_and_self_loops_are_lagged():
    for seed in range(20):
        kind = ("contemp", "selfvar", "mixed", "ctrnn")[seed % 4]
        made = causal_series.simulate(kind, 600, seed=seed)
        for max_delay in (1, 2):
            found = fit(made.values, max_delay=max_delay, alpha=0.2)
            t = tpc.slices(len(found.unrolled_), max_delay)
            assert not found.unrolled_[t[:, None] > t].any()
            assert not found.unrolled_.diagonal().any()


@pytest.mark.parametrize("kind", ["linear", "selfvar", "contemp"])
def test_units_do_not_matter(kind):
    made = causal_series.simulate(kind, seed=2)
    scale, shift = np.array([3.0, 0.02, 1000.0, 1.0]), np.array([5.0, -1.0, 100.0, 0.0])
    first = fit(made.values, prune=0.0)
    second = fit(made.values * scale + shift, prune=0.0)
    assert np.array_equal(first.unrolled_, second.unrolled_)
    rescaled = first.weights_ * scale / scale[:, None]
    assert relative_error(second.weights_, rescaled) < 1e-8


def test_numbering_of_neurons_does_not_matter():
    compared = 0
    for seed in range(20):
        made = causal_series.simulate(
            ("contemp", "selfvar", "linear", "mixed")[seed % 4], seed=seed
        )
        order = np.random.default_rng(seed).permutation(4)
        first, second = fit(made.values), fit(made.values[:, order])
        if first.conflicts_ or second.conflicts_:
            continue
        compared += 1
        assert np.array_equal(first.adjacency_[np.ix_(order, order)], second.adjacency_)
        assert np.abs(first.weights_[np.ix_(order, order)] - second.weights_).max() < 1e-10
    assert compared >= 10


def test_white_noise_limit():
    own, cross = [], []
    for seed in range(200):
        x = np.random.default_rng(seed).standard_normal((1000, 5))
        found = fit(x, prune=0.0).adjacency_
        own.append(found.diagonal().mean())
        cross.append(found[~np.eye(5, dtype=bool)].mean())
    assert 0.03 <= np.mean(own) <= 0.06
    assert 0.09 <= np.mean(cross) <= 0.15


def test_skeleton_is_that_of_a_reference_implementation():
    from causallearn.search.ConstraintBased.PC import pc as reference

    for seed in range(4):
        made = causal_series.random_var(5, 600, seed=seed)
        samples = tpc.windows(made.values, 1)
        graph = tpc.unrolled_graph(samples, ONCE).graph
        theirs = reference(samples, 0.05, "fisherz", stable=True, show_progress=False).G.graph
        assert np.array_equal(graph | graph.T, (theirs != 0) | (theirs.T != 0))


def test_without_delay_it_is_plain_pc_on_every_second_row():
    for seed in range(4):
        made = causal_series.simulate("contemp", seed=seed)
        found = fit(made.values, max_delay=0, prune=0.0)
        plain = causal_connectome.pc(made.values[::2][: found.n_windows_], alpha=0.05).graph
        assert np.array_equal(found.unrolled_, plain)
        assert np.array_equal(found.adjacency_, plain)


def test_static_pc_is_pc_on_all_rows():
    made = causal_series.simulate("contemp", seed=0)
    plain = causal_connectome.pc(made.values, alpha=0.05).graph
    assert np.array_equal(tpc.static_pc(made.values, prune=0.0).adjacency_, plain)


def test_counting_edges_into_the_last_slice_only():
    made = causal_series.simulate("selfvar", seed=1)
    wide, narrow = fit(made.values, prune=0.0), fit(made.values, edges="last", prune=0.0)
    assert np.array_equal(wide.unrolled_, narrow.unrolled_)
    assert not (narrow.adjacency_ & ~wide.adjacency_).any()
    heads = narrow.unrolled_[:, tpc.slices(8, 1) == 1]
    assert np.array_equal(narrow.adjacency_, heads.reshape(4, 2, 4).any(axis=1))


def test_a_planted_rolling_of_backward_edges_is_found():
    made = causal_series.simulate("linear", seed=0)
    with planted(
        unrolling, "keep = t[:, None] <= t[None, :]", "keep = t[:, None] < t[None, :]"
    ) as bad:
        contemporaneous = fit(causal_series.simulate("contemp", seed=0).values).unrolled_
        assert not bad.roll(contemporaneous, 1).any()
    with planted(
        unrolling, "forward = t[:, None] < t[None, :]", "forward = t[:, None] > t[None, :]"
    ) as bad:
        assert not bad.roll(bad.orient_in_time(fit(made.values).unrolled_, 1), 1).any()


# --- subsamples ---------------------------------------------------------------------------------


def test_one_subsample_of_all_windows_is_the_single_run():
    made = causal_series.simulate("mixed", seed=3)
    single = fit(made.values)
    boot = fit(made.values, subsample_length=249, n_subsamples=1)
    assert np.array_equal(single.adjacency_, boot.adjacency_)
    assert np.array_equal(single.weights_, boot.weights_)
    assert np.array_equal(boot.edge_frequency_, boot.edge_frequency_.astype(bool))


def test_subsamples_are_reproducible_and_contiguous():
    made = causal_series.simulate("selfvar", seed=3)
    config = TpcConfig(seed=5)
    first, second = TPC(config).fit(made.values), TPC(config).fit(made.values)
    assert np.array_equal(first.weights_, second.weights_)
    assert np.array_equal(first.edge_frequency_, second.edge_frequency_)
    other = TPC(replace(config, seed=6)).fit(made.values)
    assert not np.array_equal(first.edge_frequency_, other.edge_frequency_)
    starts = tpc.subsample_starts(249, config)
    assert len(starts) == 25
    assert 0 <= min(starts) <= max(starts) <= 199


def test_frequencies_and_weights_are_those_of_the_subsamples():
    made = causal_series.simulate("linear", seed=8)
    config = TpcConfig(n_subsamples=7, prune=0.0, frequency=0.3)
    found = TPC(config).fit(made.values)
    samples = tpc.windows(made.values, 1)
    count, total = np.zeros((4, 4)), np.zeros((4, 4))
    for start in tpc.subsample_starts(len(samples), config):
        graph = tpc.unrolled_graph(samples[start : start + 50], config).graph
        rolled = tpc.roll(graph, 1)
        count += rolled
        total += np.where(rolled, tpc.rolled_weights(tpc.effects(samples, graph), graph, 1), 0)
    assert np.allclose(found.edge_frequency_, count / 7)
    keep = (count / 7 >= 0.3) & (count > 0)
    assert np.array_equal(found.adjacency_, keep)
    assert np.allclose(found.weights_[keep], total[keep] / count[keep])


def test_frequency_zero_is_the_union_and_one_the_intersection():
    made = causal_series.simulate("contemp", seed=4)
    config = TpcConfig(n_subsamples=6, prune=0.0)
    union = TPC(replace(config, frequency=0.0)).fit(made.values)
    every = TPC(replace(config, frequency=1.0)).fit(made.values)
    assert np.array_equal(union.adjacency_, union.edge_frequency_ > 0)
    assert np.array_equal(every.adjacency_, every.edge_frequency_ == 1)


# --- baselines ----------------------------------------------------------------------------------


def test_the_percentile_threshold_lets_a_fixed_number_pass():
    rng = np.random.default_rng(0)
    for _ in range(10):
        strength = rng.random((4, 4))
        kept = tpc.above_percentile(strength, 0.05)
        np.fill_diagonal(strength, 0)
        assert kept.sum() == 1
        assert kept.ravel()[strength.argmax()]
    assert tpc.above_percentile(rng.random((10, 10)), 0.1).sum() == 10


# --- errors -------------------------------------------------------------------------------------


def series(n_bins=200, n_neurons=3):
    return np.random.default_rng(0).standard_normal((n_bins, n_neurons))


def constant():
    x = series()
    x[:, 1] = 2.0
    return x


def silent_start():
    x = series(400)
    x[:, 2] = 0
    x[-3:, 2] = 1
    return x


def delayed_copy():
    x = series()
    x[1:, 2] = x[:-1, 0]
    return x


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fit(series(6), max_delay=2), ValueError, "expected at least 8"),
        (lambda: fit(series(12)), ValueError, "too few to test"),
        (lambda: fit(series()[0]), ValueError, r"\(time, neurons\)"),
        (lambda: fit(np.full((50, 2), "a")), TypeError, "real numbers"),
        (lambda: fit(np.where(series() > 2, np.nan, series())), ValueError, "NaN"),
        (lambda: fit(constant()), ValueError, r"neurons \[1\] never change"),
        (
            lambda: fit(delayed_copy()),
            ValueError,
            "neuron 2 at slice 1 repeats neuron 0 at slice 0",
        ),
        (lambda: TPC(TpcConfig()).fit(series()), ValueError, "only 49 windows"),
        (
            lambda: TPC(TpcConfig(n_subsamples=9)).fit(silent_start()),
            ValueError,
            "never changes in",
        ),
        (lambda: TpcConfig(subsample_length=None), ValueError, "belong together"),
        (lambda: TpcConfig(n_subsamples=None), ValueError, "belong together"),
        (lambda: TpcConfig(alpha=0.0), ValueError, "strictly between 0 and 1"),
        (lambda: TpcConfig(alpha=1.0), ValueError, "alpha"),
        (lambda: TpcConfig(alpha="x"), TypeError, "alpha must be a number"),
        (lambda: TpcConfig(max_delay=-1), ValueError, "max_delay must be at least 0"),
        (lambda: TpcConfig(max_delay=1.5), TypeError, "whole number"),
        (lambda: TpcConfig(frequency=1.1), ValueError, "frequency"),
        (lambda: TpcConfig(prune=-0.1), ValueError, "prune"),
        (lambda: TpcConfig(stride=0), ValueError, "stride"),
        (lambda: TpcConfig(test="chi2"), ValueError, "'fisherz', 'hsic'"),
        (lambda: TpcConfig(edges="first"), ValueError, "'all', 'last'"),
        (lambda: TPC("fast"), TypeError, "TpcConfig"),
        (lambda: tpc.roll(np.eye(4, dtype=bool), 1), ValueError, "cannot drive itself"),
        (lambda: tpc.roll(np.zeros((3, 3), bool), 1), ValueError, "whole number of neurons"),
        (lambda: tpc.roll(np.zeros((4, 4), bool), 1, "some"), ValueError, "'all' or 'last'"),
        (lambda: tpc.effects(series(), np.zeros((2, 2), bool)), ValueError, "for each column"),
        (lambda: tpc.score(np.zeros((2, 3), bool), np.zeros((2, 3), bool)), ValueError, "square"),
        (lambda: tpc.score(np.zeros((2, 2)), np.zeros((2, 2), bool)), ValueError, "booleans"),
        (
            lambda: tpc.score(np.zeros((2, 2), bool), np.zeros((3, 3), bool)),
            ValueError,
            "2 and 3 neurons",
        ),
        (lambda: tpc.mean_score([]), ValueError, "at least one"),
        (lambda: tpc.above_percentile(np.zeros((2, 3)), 0.1), ValueError, "strength"),
        (lambda: tpc.above_percentile(np.zeros((2, 2)), 1.0), ValueError, "alpha"),
        (lambda: tpc.windows(series(), 1, 0), ValueError, "stride"),
    ],
)
def test_bad_input(unchecked, call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_settings_cannot_be_changed_by_accident():
    with pytest.raises(FrozenInstanceError):
        TpcConfig().alpha = 0.1
    assert TpcConfig.tutorial(alpha=0.01).alpha == 0.01
    assert TpcConfig().step == 4
    assert TpcConfig(stride=1).step == 1


def test_whole_numbers_are_data_too():
    counts = np.random.default_rng(0).poisson(3, (400, 3))
    assert TPC(ONCE).fit(counts).adjacency_.shape == (3, 3)


def test_pc_core_gets_the_tiers():
    """Planted: without time, PC leaves lagged edges to colliders, and some point nowhere."""
    made = causal_series.random_var(8, 2000, seed=1)
    samples = tpc.windows(made.values, 1)
    with planted(
        model, "tiers=unrolling.slices(samples.shape[1], config.max_delay),", "tiers=None,"
    ) as bad:
        assert (
            bad.unrolled_graph(samples, ONCE).conflicts
            != tpc.unrolled_graph(samples, ONCE).conflicts
        )
