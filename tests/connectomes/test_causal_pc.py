"""Fisher's z, the skeleton, PC: acceptance checks of the chapter. [i, j] true means i -> j."""

import itertools

import numpy as np
import pytest
from scipy import stats

from neurotutor.connectomes import causal_connectome as cc
from neurotutor.connectomes.causal_connectome import independence, orientation, pc_algorithm
from tests.harness import planted

RNG = np.random.default_rng


def dense_data(p, seed, n=250):
    """Correlated samples in which many edges survive several levels."""
    rng = RNG(seed)
    return cc.simulate_linear(cc.random_weights(cc.random_dag(p, 0.35, rng), rng), n, rng)


def residual_correlation(data, x, y, given):
    design = np.column_stack([np.ones(len(data)), data[:, list(given)]])
    a, b = (data[:, k] - design @ np.linalg.lstsq(design, data[:, k])[0] for k in (x, y))
    return np.corrcoef(a, b)[0, 1]


def same(a, b):
    return (a.adjacency == b.adjacency).all() and a.sepsets == b.sepsets


def test_partial_correlation_is_that_of_residuals():
    data = dense_data(8, 0)
    fisher = cc.FisherZ(data)
    for size in range(6):
        given = tuple(range(2, 2 + size))
        fast = fisher.partial(np.array([0]), np.array([1]), np.array([given], dtype=int))
        assert abs(fast[0] - residual_correlation(data, 0, 1, given)) < 1e-10
        assert abs(cc.partial_correlation(data, 0, 1, given) - fast[0]) < 1e-10


def test_p_values_of_single_tests():
    data = dense_data(5, 1)
    fisher = cc.FisherZ(data)
    for given in ((), (2,), (2, 4)):
        r = residual_correlation(data, 0, 1, given)
        z = np.sqrt(len(data) - len(given) - 3) * 0.5 * np.log((1 + r) / (1 - r))
        assert abs(fisher(0, 1, given) - 2 * stats.norm.sf(abs(z))) < 1e-10


def test_threshold_and_p_value_decide_alike():
    fisher = cc.FisherZ(dense_data(6, 2, n=60))
    for alpha, size in itertools.product((0.01, 0.05, 0.3), (0, 1, 2)):
        limit = fisher.critical(size, alpha)
        for x, y in itertools.combinations(range(6), 2):
            given = [k for k in range(6) if k not in (x, y)][:size]
            r = fisher.partial(np.array(x), np.array(y), np.array(given, dtype=int))
            assert (abs(r) < limit) == (fisher(x, y, given) > alpha)


def test_false_positive_rate_of_a_single_test():
    data = RNG(3).standard_normal((1000, 65))
    p_values = cc.pearson(data).p_values[np.triu_indices(65, 1)]
    assert len(p_values) >= 2000
    for alpha in (0.01, 0.05, 0.1):
        assert abs((p_values <= alpha).mean() - alpha) < 0.015


@pytest.mark.parametrize(("p", "alpha"), [(5, 0.05), (8, 0.3), (12, 0.01)])
def test_batched_skeleton_is_the_plain_one(p, alpha):
    for seed in range(3):
        fisher = cc.FisherZ(dense_data(p, seed))
        fast = cc.skeleton(test=fisher, alpha=alpha)
        slow = cc.skeleton_one_by_one(fisher, p, alpha, p - 2)
        assert same(fast, slow)
        assert fast.n_tests == slow.n_tests


def test_batches_do_not_matter(monkeypatch):
    fisher = cc.FisherZ(dense_data(12, 5))
    whole = cc.skeleton(test=fisher, alpha=0.2)
    monkeypatch.setattr(pc_algorithm, "BATCH", 7)
    assert same(cc.skeleton(test=fisher, alpha=0.2), whole)


def test_depth_limit():
    fisher = cc.FisherZ(dense_data(10, 6))
    for depth in (0, 1, 2):
        fast = cc.skeleton(test=fisher, max_depth=depth)
        assert same(fast, cc.skeleton_one_by_one(fisher, 10, 0.05, depth))
        assert max(len(given) for given in fast.sepsets.values()) <= depth


def test_input_routes_agree():
    data = dense_data(6, 7)
    by_data = cc.skeleton(data, 0.05)
    by_matrix = cc.skeleton(alpha=0.05, correlation=np.corrcoef(data.T), n_samples=len(data))
    own = cc.skeleton(data, 0.05, test=lambda x, y, s: cc.FisherZ(data)(x, y, s))
    assert same(by_data, by_matrix)
    assert same(by_data, own)


def test_oracle_pc_returns_the_cpdag(unchecked):
    rng = RNG(8)
    for number in range(100):
        n = int(rng.integers(4, 10))
        dag = cc.random_dag(n, rng.uniform(0.15, 0.4), rng)
        oracle = cc.DSeparationOracle(dag)
        for rule in ("sepset", "conservative", "majority")[: 3 if number < 20 and n < 8 else 1]:
            result = cc.pc(test=oracle, rule=rule)
            assert (result.graph == cc.cpdag(dag)).all()
            assert result.conflicts == 0
            assert result.ambiguous == ()


def test_oracle_pc_with_known_times():
    # Time order adds arrows to the CPDAG, never removes or turns one.
    rng = RNG(9)
    for _ in range(30):
        dag = cc.random_dag(7, 0.35, rng)
        depth = np.linalg.matrix_power(np.eye(7) + dag, 7) > 0
        tiers = (depth.sum(axis=0) > rng.integers(2, 6)).astype(int)
        graph = cc.pc(test=cc.DSeparationOracle(dag), tiers=tiers).graph
        assert not (graph & (tiers[:, None] > tiers)).any()
        assert not (graph & ~graph.T & ~dag).any()
        assert (cc.cpdag(dag) | ~graph).all()


def causal_learn(data, alpha):
    """Skeleton, CPDAG and separating sets of the peer, in this book's convention."""
    from causallearn.search.ConstraintBased.PC import pc

    result = pc(data, alpha, show_progress=False)
    marks = result.G.graph
    # The edge i -> j has the marks [i, j] = -1 (tail) and [j, i] = 1 (arrowhead).
    tails = marks == -1
    graph = (tails & (marks.T == 1)) | (tails & tails.T)
    p = data.shape[1]
    sets = {
        (x, y): set().union(*map(set, result.sepset[x, y]))
        for x, y in itertools.combinations(range(p), 2)
        if marks[x, y] == 0
    }
    return marks != 0, graph, sets


def test_equal_to_causal_learn():
    compared = 0
    for seed in range(20):
        rng = RNG(100 + seed)
        dag = cc.random_dag(8, 0.25, rng)
        data = cc.simulate_linear(cc.random_weights(dag, rng), 2000, rng)
        ours = cc.pc(data, 0.01)
        skeleton, graph, sets = causal_learn(data, 0.01)
        assert (ours.skeleton.adjacency == skeleton).all()
        # causal-learn unites all separating sets of a level. Where a middle of a triple is in a
        # later one alone, the definitions differ, and so may the arrows.
        agree = all(
            (y in sets[x, z]) == (y in ours.skeleton.sepsets[x, z])
            for x, y, z in cc.unshielded_triples(skeleton)
        )
        if ours.conflicts == 0 and agree:
            compared += 1
            assert (ours.graph == graph).all()
    assert compared >= 8


def test_skeleton_equal_to_causal_learn_on_series():
    for p in (10, 15):
        data, _ = cc.autoregressive(p, 400)
        skeleton, _, _ = causal_learn(data, 0.05)
        assert (cc.skeleton(data, 0.05).adjacency == skeleton).all()


def test_order_of_the_neurons_does_not_matter():
    rng = RNG(10)
    clean = 0
    for _ in range(12):
        dag = cc.random_dag(7, 0.25, rng)
        data = cc.simulate_linear(cc.random_weights(dag, rng), 3000, rng)
        order = rng.permutation(7)
        one, other = cc.pc(data, 0.01), cc.pc(data[:, order], 0.01)
        again = np.ix_(order, order)
        assert (other.skeleton.adjacency == one.skeleton.adjacency[again]).all()
        if one.conflicts == other.conflicts == 0:
            clean += 1
            assert (other.graph == one.graph[again]).all()
    assert clean >= 4


def test_units_do_not_matter():
    data = dense_data(7, 11)
    scaled = data * np.array([1e-8, -3, 1, 1e6, -1, 20, 0.5]) + np.array([0, 5, -1, 1e6, 0, 0, 9])
    assert (cc.pc(scaled, 0.05).graph == cc.pc(data, 0.05).graph).all()


def test_extreme_levels():
    data = dense_data(6, 12)
    assert cc.skeleton(data, 1e-300, max_depth=0).adjacency.sum() < 30
    noise = RNG(0).standard_normal((200, 6))
    assert not cc.pc(noise, 1e-9).graph.any()
    assert cc.pc(noise, 1 - 1e-9).graph.sum() == 30


def test_four_nodes():
    right = cc.FOUR_NODES != 0
    exact = [
        (cc.pc(cc.simulate_linear(cc.FOUR_NODES, 1000, RNG(s)), 0.01).graph == right).all()
        for s in range(20)
    ]
    assert np.mean(exact) >= 0.85


def test_no_new_collider_and_no_cycle():
    for seed in range(20):
        result = cc.pc(dense_data(9, seed, n=3000), 0.01)
        if result.conflicts:
            continue
        pattern = cc.orient_colliders(result.skeleton.adjacency, result.skeleton.sepsets)
        assert cc.v_structures(result.graph) == cc.v_structures(pattern.graph)


def test_too_few_samples_keep_the_edge():
    # With 5 samples, one neuron at most can be held still: no separating set has two.
    result = cc.skeleton(RNG(1).standard_normal((5, 6)), 0.9)
    assert max((len(given) for given in result.sepsets.values()), default=0) <= 1
    assert len(result.n_tests) <= 2
    assert cc.FisherZ(RNG(1).standard_normal((5, 6)))(0, 1, (2, 3)) == 0.0


def test_a_determined_neuron_is_kept_not_crashed():
    # Neuron 3 is the sum of 1 and 2, so holding both still leaves nothing to correlate with.
    data = RNG(2).standard_normal((300, 3))
    data[:, 0] += data[:, 1] + data[:, 2]
    data = np.column_stack([data, data[:, 1] + data[:, 2]])
    result = cc.skeleton(data, 0.05)
    assert result.untestable > 0
    assert result.adjacency[1:3, 3].all()
    assert cc.FisherZ(data)(0, 3, (1, 2)) == 0.0
    assert np.isnan(cc.FisherZ(data).partial(np.array(0), np.array(3), np.array([1, 2])))


def test_bad_data(unchecked):
    data = dense_data(4, 13)
    for column, value, words in ((1, np.nan, "nan in row 0, neuron 1"), (2, np.inf, "inf in row")):
        broken = data.copy()
        broken[0, column] = value
        with pytest.raises(ValueError, match=words):
            cc.pc(broken, 0.05)
    constant = data.copy()
    constant[:, 3] = 7.1
    with pytest.raises(ValueError, match="neuron 3 of data is constant"):
        cc.pc(constant, 0.05)
    double = data.copy()
    double[:, 2] = 1 - 2 * double[:, 0]
    with pytest.raises(ValueError, match="neurons 0 and 2 are copies"):
        cc.pc(double, 0.05)
    with pytest.raises(ValueError, match="3 samples"):
        cc.pc(data[:3], 0.05)
    for alpha in (0, 1, -0.1, 1.5, np.nan, "high"):
        with pytest.raises(ValueError, match="alpha"):
            cc.pc(data, alpha)
    with pytest.raises(ValueError, match=r"shape \(samples, neurons\)"):
        cc.pc(data[:, 0], 0.05)
    with pytest.raises(TypeError, match="must hold numbers"):
        cc.pc(np.array([["a", "b"]] * 9), 0.05)
    with pytest.raises(TypeError, match="one of the two"):
        cc.pc(alpha=0.05)
    with pytest.raises(TypeError, match="whole number"):
        cc.pc(alpha=0.05, correlation=np.eye(3))
    with pytest.raises(ValueError, match="symmetric, has ones"):
        cc.pc(alpha=0.05, correlation=np.cov(data.T), n_samples=100)
    with pytest.raises(ValueError, match="conflict must be one of"):
        cc.pc(data, 0.05, conflict="first")
    with pytest.raises(ValueError, match="rule must be one of"):
        cc.pc(data, 0.05, rule="vote")
    with pytest.raises(ValueError, match="test must be one of"):
        cc.pc(data, 0.05, test="hsic")
    with pytest.raises(ValueError, match="max_depth"):
        cc.skeleton(data, 0.05, max_depth=-1)
    with pytest.raises(TypeError, match="how many nodes"):
        cc.skeleton(test=lambda x, y, s: 0.5)
    with pytest.raises(ValueError, match="p-value in 0..1, got nan"):
        cc.skeleton(data, test=lambda x, y, s: float("nan"))


def test_planted_bugs_are_found():
    data = dense_data(9, 14)
    right = cc.skeleton(data, 0.2)
    with planted(pc_algorithm, "hit = np.abs(r) < limit", "hit = r < limit") as broken:
        assert not same(broken.skeleton(data, 0.2), right)
    with planted(independence, "m[i, j] - factor *", "m[i, j] + factor *") as broken:
        assert not same(cc.skeleton(test=broken.FisherZ(data), alpha=0.2), right)
    with planted(orientation, "or y in sepsets[x, z]", "or y not in sepsets[x, z]") as broken:
        found = cc.skeleton(test=cc.DSeparationOracle(cc.COLLIDER))
        assert not broken.orient_colliders(found.adjacency, found.sepsets).steps
        assert cc.orient_colliders(found.adjacency, found.sepsets).steps
