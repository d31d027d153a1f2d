"""Neuro-PC: equations as oracles, acceptance checks, planted bugs, bad input."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from neurotutor.connectomes import neuro_pc
from neurotutor.connectomes.neuro_pc import (
    NeuroPC,
    NeuroPcConfig,
    SummedPastConfig,
    ensemble,
    motif,
    simulate_ctrnn,
    stimulus_blocks,
)
from neurotutor.data.causal_series import simulate
from tests.harness import oracle, planted, relative_error

E10 = math.e / 10
LAST = NeuroPcConfig.tutorial()


def white(seed, p=4, n_steps=1000):
    noise = np.random.default_rng(seed).standard_normal((n_steps + 200, p))
    return simulate_ctrnn(np.zeros((p, p)), noise)[200:]


def random_window_graph(rng, p, lag):
    """Arrows forward in time, and some undirected edges within a slice."""
    n = p * (lag + 1)
    graph = np.zeros((n, n), bool)
    for a, b in itertools.permutations(range(n), 2):
        ta, tb = a % (lag + 1), b % (lag + 1)
        if (ta < tb and rng.random() < 0.3) or (ta == tb and a < b and rng.random() < 0.3):
            graph[a, b] = True
            graph[b, a] = ta == tb and rng.random() < 0.5
    return graph


# --- networks -----------------------------------------------------------------------------------


@oracle("eq-npc-ctrnn")
def test_equation_ctrnn():
    rng = np.random.default_rng(0)
    weights, inputs = rng.normal(size=(4, 4)), rng.normal(size=(50, 4))
    u = [[0.0] * 4]
    for t in range(49):
        u.append(
            [
                u[t][j]
                + E10
                * (
                    -u[t][j]
                    + sum(weights[i, j] * math.tanh(u[t][i]) for i in range(4))
                    + inputs[t, j]
                )
                for j in range(4)
            ]
        )
    assert relative_error(simulate_ctrnn(weights, inputs), u) < 1e-12


def test_a_neuron_alone_relaxes_to_its_input():
    level = np.array([1.5, -0.3])
    u = simulate_ctrnn(np.zeros((2, 2)), np.tile(level, (40, 1)))
    t = np.arange(40)[:, None]
    assert np.abs(u - level * (1 - (1 - E10) ** t)).max() < 1e-12


def test_the_network_settles_in_its_fixed_point():
    weights = np.array([[0.0, 1.2, -0.7], [0.4, 0.0, 0.9], [0.0, -0.5, 0.0]])
    level = np.array([0.5, -0.2, 0.1])
    u = simulate_ctrnn(weights, np.tile(level, (600, 1)))[-1]
    assert np.abs(u - (weights.T @ np.tanh(u) + level)).max() < 1e-12


@pytest.mark.parametrize(
    ("name", "links"),
    {
        "chain": {(0, 1): 2, (1, 2): 2},
        "fork": {(0, 1): 2, (0, 2): 2},
        "collider": {(0, 2): 2, (1, 2): 2},
        "feed-forward": {(0, 1): 2, (1, 2): 2, (0, 2): 2},
        "inhibition": {(0, 2): 2, (1, 2): -2, (2, 3): 2},
        "E-I loop": {(0, 1): 2, (1, 2): 2, (2, 0): -2},
        "positive loop": {(0, 1): 2, (1, 2): 2, (2, 0): 2},
        "code4": {(0, 2): 10, (1, 2): 10, (2, 3): 10},
    }.items(),
)
def test_motifs_are_wired_as_named(name, links):
    found = motif(name)
    assert {tuple(ij): found.weights[tuple(ij)] for ij in np.argwhere(found.weights)} == links
    assert found.truth.diagonal().all()
    assert found.truth.sum() == len(links) + len(found.weights)
    assert np.array_equal(found.simulate(3), found.simulate(3))
    assert found.simulate(3, 70).shape == (70, len(found.weights))


@oracle("eq-npc-slope")
def test_equation_slope():
    rng = np.random.default_rng(1)
    weights, states = rng.normal(size=(3, 3)), rng.normal(size=(200, 3))
    slow = np.zeros((3, 3))
    for i in range(3):
        slope = sum(1 - math.tanh(u) ** 2 for u in states[:, i]) / 200
        for j in range(3):
            slow[i, j] = E10 * weights[i, j] * slope + (1 - E10) * (i == j)
    assert relative_error(neuro_pc.expected_effects(weights, states), slow) < 1e-12


def test_expected_effects_are_what_long_recordings_show():
    network = motif("E-I loop")
    states = network.simulate(0, 40_000)
    # A plain regression of the next bin on this one; u is close to Gaussian here.
    centred = states - states.mean(axis=0)
    fit = np.linalg.lstsq(centred[:-1], centred[1:], rcond=None)[0]
    assert np.abs(fit - neuro_pc.expected_effects(network.weights, states)).max() < 0.03


def test_stimuli_silence_the_neurons_that_they_drive():
    blocks = stimulus_blocks(0, n_blocks=2, n_steps=300)
    assert blocks.series.shape == (4, 300, 12)
    assert blocks.labels.tolist() == [0, 0, 1, 1]
    assert (blocks.driven.sum(axis=1) == 4).all()
    assert not (blocks.driven[0] & blocks.driven[1]).any()
    assert ((blocks.weights != 0).sum(axis=0) == 2).all()
    assert set(np.unique(blocks.weights)) == {-1.0, 0.0, 1.0}
    slope = neuro_pc.mean_slope(blocks.series[0])
    assert slope[blocks.driven[0]].max() < 0.05 < slope[~blocks.driven[0]].min()


# --- windows, rolling, weights ------------------------------------------------------------------


@oracle("eq-npc-window")
@pytest.mark.parametrize(("n_steps", "lag", "rows"), [(1000, 1, 249), (12, 2, 1), (97, 3, 11)])
def test_equation_window(n_steps, lag, rows):
    x = np.random.default_rng(0).normal(size=(n_steps, 3))
    fast = neuro_pc.windows(x, lag)
    slow = np.zeros((rows, 3 * (lag + 1)))
    for k in range(rows):
        for v in range(3):
            for t in range(lag + 1):
                slow[k, v * (lag + 1) + t] = x[2 * (lag + 1) * k + t, v]
    assert relative_error(fast, slow) == 0


@oracle("eq-npc-roll")
@pytest.mark.parametrize("lag", [1, 2])
def test_equation_roll(lag):
    rng = np.random.default_rng(lag)
    graph = random_window_graph(rng, 3, lag)
    wide = lag + 1
    for edges, heads in (("all", range(wide)), ("last", [lag])):
        slow = np.zeros((3, 3), bool)
        for u, v, t1, t2 in itertools.product(range(3), range(3), range(wide), heads):
            if t1 <= t2 and graph[u * wide + t1, v * wide + t2]:
                slow[u, v] = True
        assert np.array_equal(neuro_pc.roll(graph, lag, edges), slow)


@oracle("eq-npc-effect")
def test_equation_effect():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(80, 6)) @ rng.normal(size=(6, 6))
    graph = random_window_graph(rng, 3, 1)
    fast = neuro_pc.effects(rows, graph)
    slow = np.zeros((6, 6))
    for x, y in np.argwhere(graph):
        parents = [z for z in range(6) if graph[z, x] and not graph[x, z]]
        design = np.column_stack([np.ones(80), rows[:, x], rows[:, parents]])
        slow[x, y] = np.linalg.lstsq(design, rows[:, y], rcond=None)[0][1]
    assert relative_error(fast, slow) < 1e-9


@oracle("eq-npc-weight")
def test_equation_weight():
    rng = np.random.default_rng(6)
    graph, effect = random_window_graph(rng, 3, 2), rng.normal(size=(9, 9))
    fast = neuro_pc.rolled_weights(np.where(graph, effect, 0.0), graph, 2)
    slow = np.zeros((3, 3))
    for u, v in itertools.product(range(3), range(3)):
        terms = [
            effect[u * 3 + t1, v * 3 + t2]
            for t1, t2 in itertools.product(range(3), range(3))
            if t1 <= t2 and graph[u * 3 + t1, v * 3 + t2]
        ]
        slow[u, v] = sum(terms) / len(terms) if terms else 0.0
    assert relative_error(fast, slow) < 1e-12


def test_no_arrow_points_back_in_time():
    for seed in range(5):
        rows = neuro_pc.windows(motif("inhibition").simulate(seed), 2)
        graph = neuro_pc.window_graph(rows, 2, 0.1)
        at = np.arange(len(graph)) % 3
        assert not graph[at[:, None] > at].any()
        assert graph[at[:, None] < at].any()


# --- the ensemble -------------------------------------------------------------------------------


@oracle("eq-npc-ensemble")
def test_equation_ensemble():
    series = motif("fork").simulate(1)
    config = NeuroPcConfig(rows=60, runs=7, frequency=3 / 7, prune=0.1)
    fitted = NeuroPC(config, seed=4).fit(series)
    every = neuro_pc.windows(series, 1)
    counts, sums, nonzero = (np.zeros((3, 3)) for _ in range(3))
    for start in fitted.starts_:
        graph = neuro_pc.window_graph(every[start : start + 60], 1, 0.05)
        weights = neuro_pc.rolled_weights(neuro_pc.effects(every, graph), graph, 1)
        counts += neuro_pc.roll(graph, 1)
        sums += weights
        nonzero += weights != 0
    frequency = counts / 7
    kept, weights = np.zeros((3, 3), bool), np.zeros((3, 3))
    for i, j in itertools.product(range(3), range(3)):
        if counts[i, j] >= 3:
            weights[i, j] = sums[i, j] / nonzero[i, j]
    for i, j in itertools.product(range(3), range(3)):
        kept[i, j] = abs(weights[i, j]) > 0.1 * np.abs(weights).max()
    assert relative_error(fitted.edge_frequency_, frequency) < 1e-12
    assert np.array_equal(fitted.adjacency_, kept)
    assert relative_error(fitted.weights_, np.where(kept, weights, 0.0)) < 1e-12


def test_identical_starts_agree_with_themselves():
    series = motif("chain").simulate(0)
    fitted = NeuroPC().fit(series)
    assert fitted.rows_ == fitted.n_windows_ == 249
    assert (fitted.starts_ == 0).all()
    assert set(np.unique(fitted.edge_frequency_)) <= {0.0, 1.0}
    once = NeuroPC(replace(NeuroPcConfig(), runs=1, frequency=1.0)).fit(series)
    assert np.array_equal(fitted.adjacency_, once.adjacency_)
    assert relative_error(fitted.weights_, once.weights_) < 1e-12


def test_rows_of_an_excerpt():
    series = motif("chain").simulate(0, 4000)
    for rows, expected in ((None, 500), ("all", 999), (20, 20)):
        fitted = NeuroPC(NeuroPcConfig(rows=rows, runs=1)).fit(series)
        assert (fitted.rows_, fitted.n_windows_) == (expected, 999)
    assert NeuroPcConfig.single().rows == "all"


def test_threshold_0_is_the_union_and_1_the_intersection():
    series = motif("fork").simulate(2)
    config = NeuroPcConfig(rows=40, alpha=0.1, prune=0.0)
    union = NeuroPC(replace(config, frequency=0.0), seed=1).fit(series)
    both = NeuroPC(replace(config, frequency=1.0), seed=1).fit(series)
    assert np.array_equal(union.adjacency_, union.graphs_.any(axis=0))
    assert np.array_equal(both.adjacency_, both.graphs_.all(axis=0))
    assert union.adjacency_.sum() > both.adjacency_.sum()


def test_thresholds_survive_rounding():
    frequency = np.full((2, 2), np.mean(np.arange(25) < 5))
    assert neuro_pc.frequent(frequency, 0.2).all()
    assert not neuro_pc.frequent(frequency, 0.21).any()
    assert not neuro_pc.frequent(np.zeros((2, 2)), 0.0).any()


def test_the_same_seed_gives_the_same_bits():
    series = motif("collider").simulate(0)
    config = NeuroPcConfig.published()
    first, again, other = (NeuroPC(config, seed=s).fit(series) for s in (3, 3, 4))
    assert np.array_equal(first.weights_, again.weights_)
    assert np.array_equal(first.graphs_, again.graphs_)
    assert not np.array_equal(first.starts_, other.starts_)


def test_relabelling_neurons_relabels_everything():
    series = motif("inhibition").simulate(0)
    order = np.array([2, 0, 3, 1])
    config = NeuroPcConfig(rows=100, frequency=0.25)
    first, turned = (NeuroPC(config, seed=1).fit(x) for x in (series, series[:, order]))
    places = np.ix_(order, order)
    assert np.array_equal(turned.adjacency_, first.adjacency_[places])
    assert np.array_equal(turned.edge_frequency_, first.edge_frequency_[places])
    assert np.abs(turned.weights_ - first.weights_[places]).max() < 1e-10


def test_units_and_offsets_leave_the_graph():
    series = motif("chain").simulate(0)
    scale, offset = np.array([3.0, 0.5, 20.0]), np.array([-4.0, 100.0, 0.1])
    config = replace(LAST, prune=0.0)
    first, other = (NeuroPC(config).fit(x) for x in (series, series * scale + offset))
    assert np.array_equal(first.adjacency_, other.adjacency_)
    assert relative_error(other.weights_, first.weights_ * scale / scale[:, None]) < 1e-8


def test_silence_gives_few_links_and_all_self_loops():
    cross = ~np.eye(4, dtype=bool)
    graphs = [
        NeuroPC(NeuroPcConfig(prune=0.0), seed=seed).fit(white(seed)).adjacency_
        for seed in range(50)
    ]
    assert np.mean([graph[cross].mean() for graph in graphs]) <= 0.05
    assert np.mean([graph[~cross].mean() for graph in graphs]) >= 0.99


def test_a_self_weight_is_the_leak():
    weights = NeuroPC(LAST).fit(white(0, p=3, n_steps=20_000)).weights_
    assert np.abs(weights.diagonal() - (1 - E10)).max() < 0.05


def test_direct_weights_are_those_of_the_network():
    network = motif("chain")
    series = network.simulate(1, 20_000)
    expected = neuro_pc.expected_effects(network.weights, series)
    direct = NeuroPC(replace(LAST, weights="direct")).fit(series)
    assert np.array_equal(direct.adjacency_, network.truth)
    assert np.abs(direct.weights_ - expected).max() < 0.05
    # Slice 0 hides the past, so the back-door weight of 0 -> 1 is too large, with the right sign.
    total = NeuroPC(LAST).fit(series)
    assert np.array_equal(total.adjacency_, network.truth)
    assert total.weights_[0, 1] > 1.5 * expected[0, 1]


def test_direct_effects_are_least_squares():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(80, 6)) @ rng.normal(size=(6, 6))
    graph = random_window_graph(rng, 3, 1)
    slow = np.zeros((6, 6))
    for y in range(6):
        causes = [x for x in range(6) if graph[x, y]]
        design = np.column_stack([np.ones(80), rows[:, causes]])
        slow[causes, y] = np.linalg.lstsq(design, rows[:, y], rcond=None)[0][1:]
    assert relative_error(neuro_pc.direct_effects(rows, graph), slow) < 1e-9


def test_feedback_is_found_where_single_bins_show_none():
    network = motif("E-I loop")
    for seed in range(3):
        series = network.simulate(seed)
        assert np.array_equal(NeuroPC(LAST).fit(series).adjacency_, network.truth)
        assert not np.array_equal(
            neuro_pc.static_graph(series) | np.eye(3, dtype=bool), network.truth
        )


def test_another_test_can_take_the_place_of_fishers():
    series = motif("chain").simulate(0)
    asked = []

    def never_independent(rows):
        assert rows.shape == (249, 6)

        def test(x, y, given):
            asked.append((x, y, given))
            return 0.0

        return test

    fitted = NeuroPC(LAST, make_test=never_independent).fit(series)
    assert len(asked) > 15
    assert fitted.graphs_.all()


def test_leaving_out_a_neuron_may_only_add_links_from_it(monkeypatch):
    """A stand-in for PC: 0 -> 1 is seen directly once neuron 2, which relays it, is gone."""
    full = np.zeros((6, 6), bool)
    full[[0, 2, 4], [1, 3, 5]] = True  # self-loops
    full[0, 5] = True  # 0 -> 2; 2 -> 1 is missed
    without = np.zeros((4, 4), bool)
    without[[0, 2], [1, 3]] = True
    relayed = without.copy()
    relayed[0, 3] = True  # 0 -> 1 appears
    series = np.random.default_rng(0).normal(size=(400, 3))

    def stand_in(rows, lag, alpha, make_test=None):
        if rows.shape[1] == 6:
            return full
        gone = next(
            k
            for k in range(3)
            if np.array_equal(rows, neuro_pc.windows(np.delete(series, k, axis=1), 1))
        )
        return relayed if gone == 2 else without

    monkeypatch.setattr(ensemble, "window_graph", stand_in)
    config = replace(LAST, prune=0.0)
    assert not NeuroPC(config).fit(series).ablation_.any()
    fitted = NeuroPC(replace(config, ablation=True)).fit(series)
    assert np.argwhere(fitted.ablation_).tolist() == [[2, 1]]
    assert fitted.adjacency_[2, 1]
    rows = neuro_pc.windows(series, 1)
    design = np.column_stack([np.ones(len(rows)), rows[:, 4]])
    expected = np.linalg.lstsq(design, rows[:, 3], rcond=None)[0][1]
    assert fitted.weights_[2, 1] == pytest.approx(expected, abs=1e-10)


def test_reachable_follows_cycles():
    graph = np.zeros((4, 4), bool)
    graph[[0, 1, 2], [1, 2, 1]] = True
    found = neuro_pc.reachable(graph)
    assert np.argwhere(found).tolist() == [[0, 1], [0, 2], [1, 1], [1, 2], [2, 1], [2, 2]]


# --- the summed past ----------------------------------------------------------------------------


def test_summed_past_sums():
    x = np.random.default_rng(0).normal(size=(50, 2))
    past, present = neuro_pc.past_and_present(x, 3)
    for k in range(len(past)):
        assert np.allclose(past[k], x[8 * k] + x[8 * k + 1] + x[8 * k + 2])
        assert np.array_equal(present[k], x[8 * k + 3])


def test_summed_past_finds_what_the_windows_find():
    for seed in range(3):
        simulated = simulate("selfvar", 20_000, seed=seed)
        config = SummedPastConfig(rows=2000, alpha=0.01)
        summed = neuro_pc.summed_past(simulated.values, config, seed=0)
        lagged = NeuroPC(replace(LAST, alpha=0.01, prune=0.0)).fit(simulated.values)
        assert summed.adjacency[simulated.adjacency].all()
        assert lagged.adjacency_[simulated.adjacency].all()
        assert summed.edge_frequency[~simulated.adjacency].mean() < 0.1


# --- planted bugs -------------------------------------------------------------------------------


def test_reversed_time_is_noticed():
    series, truth = motif("chain").simulate(0), motif("chain").truth
    with planted(
        ensemble,
        "tiers = slices(rows.shape[1], lag)",
        "tiers = lag - slices(rows.shape[1], lag)",
    ) as bad:
        found = bad.NeuroPC(LAST).fit(series).adjacency_
    assert not (found & truth).any()


def test_weights_from_the_excerpt_alone_are_noticed():
    series = motif("chain").simulate(0)
    config = NeuroPcConfig(rows=50, frequency=0.25)
    with planted(
        ensemble, "measure(every, graph), graph, lag", "measure(excerpt, graph), graph, lag"
    ) as bad:
        other = bad.NeuroPC(config).fit(series).weights_
    assert np.abs(other - NeuroPC(config).fit(series).weights_).max() > 0.01


def test_counting_all_runs_for_a_weight_is_noticed():
    weights = np.zeros((4, 1, 1))
    weights[:2] = 1.0
    assert neuro_pc.mean_nonzero(weights) == 1.0
    with planted(ensemble, "(weights != 0).sum(axis=0)", "len(weights)") as bad:
        assert bad.mean_nonzero(weights) == 0.5


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lag": 0}, "lag must be at least 1"),
        ({"runs": 0}, "runs must be at least 1"),
        ({"rows": 0}, "rows must be at least 1"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"frequency": 1.5}, "frequency is a share"),
        ({"frequency": -0.1}, "frequency is a share"),
        ({"alpha": 0.0}, "alpha is a test level"),
        ({"alpha": float("nan")}, "alpha is a test level"),
        ({"prune": 1.0}, "prune is a share"),
        ({"edges": "first"}, "edges must be 'all' or 'last'"),
        ({"weights": "strong"}, "weights must be 'total' or 'direct'"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_settings_out_of_range(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(NeuroPcConfig(), **changes)


@pytest.mark.parametrize("wrong", [2.5, "3", True, None])
@pytest.mark.usefixtures("unchecked")
def test_settings_of_a_wrong_type(wrong):
    with pytest.raises(TypeError, match="whole number"):
        NeuroPcConfig(runs=wrong)


@pytest.mark.usefixtures("unchecked")
def test_series_that_cannot_be_used():
    good = motif("chain").simulate(0, 400)
    holes = good.copy()
    holes[7, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        NeuroPC().fit(holes)
    with pytest.raises(ValueError, match="99 windows, fewer than the 200"):
        NeuroPC(NeuroPcConfig(rows=200)).fit(good)
    with pytest.raises(ValueError, match="too short"):
        NeuroPC().fit(good[:3])
    with pytest.raises(ValueError, match="time, neurons"):
        NeuroPC().fit(good[:, 0])
    silent = good.copy()
    silent[:, 2] = 1.0
    with pytest.raises(ValueError, match="never change"):
        NeuroPC().fit(silent)
    late = good.copy()
    late[:200, 1] = 0.0
    with pytest.raises(ValueError, match="neuron 1 never changes in slice 0 of 20 windows"):
        NeuroPC(NeuroPcConfig(rows=20)).fit(late)
    double = np.column_stack([good, good[:, 0]])
    with pytest.raises(ValueError, match="copies"):
        NeuroPC().fit(double)
    with pytest.raises(ValueError, match="2 columns for each neuron"):
        NeuroPC().fit_windows(good)
    with pytest.raises(ValueError, match="seed"):
        NeuroPC(seed=-1)
    with pytest.raises(ValueError, match="fewer than the 500"):
        neuro_pc.summed_past(good, SummedPastConfig(rows=500))
    with pytest.raises(ValueError, match="NaN"):
        neuro_pc.static_graph(holes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 0}, "rows"),
        ({"runs": 0}, "runs"),
        ({"alpha": 1.0}, "alpha"),
        ({"frequency": 2.0}, "frequency"),
        ({"lag": 0}, "lag"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_summed_settings_out_of_range(changes, message):
    with pytest.raises(ValueError, match=message):
        SummedPastConfig(**changes)


@pytest.mark.usefixtures("unchecked")
def test_networks_that_cannot_be():
    with pytest.raises(ValueError, match="square"):
        simulate_ctrnn(np.zeros((2, 3)), np.zeros((10, 3)))
    with pytest.raises(ValueError, match="inputs must be"):
        simulate_ctrnn(np.zeros((2, 2)), np.zeros((10, 3)))
    with pytest.raises(ValueError, match="finite"):
        simulate_ctrnn(np.full((2, 2), np.nan), np.zeros((10, 2)))
    with pytest.raises(ValueError, match="no motif 'ring'; choose one of chain"):
        motif("ring")
    with pytest.raises(ValueError, match="weight"):
        motif("chain", 0)
    with pytest.raises(ValueError, match="n_steps"):
        motif("chain").simulate(0, 0)
    with pytest.raises(ValueError, match="take more neurons"):
        stimulus_blocks(0, n_neurons=6, n_driven=4)
    with pytest.raises(ValueError, match="states must be finite"):
        neuro_pc.mean_slope(np.full((3, 2), np.inf))
    with pytest.raises(ValueError, match="2 by 2"):
        neuro_pc.expected_effects(np.zeros((3, 3)), np.zeros((5, 2)))
    with pytest.raises(ValueError, match="share of the runs"):
        neuro_pc.frequent(np.zeros((2, 2)), 2.0)
