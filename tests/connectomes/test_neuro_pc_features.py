"""Graph features of stimuli: equations, invariances, the permutation test, bad input."""

import itertools

import networkx as nx
import numpy as np
import pytest

from neurotutor.connectomes import neuro_pc
from neurotutor.connectomes.neuro_pc import features, graph_features
from tests.harness import oracle, planted, relative_error


def random_weights(seed, p=6, density=0.4):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(p, p)) * (rng.random((p, p)) < density)
    np.fill_diagonal(weights, 0.7)
    return weights


def test_features_against_loops():
    weights = random_weights(0)
    found = graph_features(weights)
    p = len(weights)
    pairs = [(i, j) for i in range(p) for j in range(p) if i != j]
    links = [(i, j) for i, j in pairs if weights[i, j] != 0]
    assert np.array_equal(found.weights, [weights[i, j] for i, j in pairs])
    assert found.density == pytest.approx(len(links) / 30)
    assert found.reciprocity == pytest.approx(sum((j, i) in links for i, j in links) / len(links))
    assert found.mean_weight == pytest.approx(np.mean([abs(weights[ij]) for ij in links]))
    assert found.excitatory == pytest.approx(np.mean([weights[ij] > 0 for ij in links]))
    triples = itertools.permutations(range(p), 3)
    assert found.feed_forward == sum(
        (i, j) in links and (j, k) in links and (i, k) in links for i, j, k in triples
    )
    graph = nx.DiGraph(links)
    graph.add_nodes_from(range(p))
    lengths = dict(nx.all_pairs_shortest_path_length(graph))
    assert found.efficiency == pytest.approx(
        sum(1 / lengths[i][j] for i, j in pairs if j in lengths[i]) / 30
    )
    for i in range(p):
        assert found.out_strength[i] == pytest.approx(
            sum(abs(weights[i, j]) for j in range(p) if j != i)
        )
        assert found.in_strength[i] == pytest.approx(
            sum(abs(weights[j, i]) for j in range(p) if j != i)
        )
    assert len(found.summary) == 2 * p + 7


def test_features_follow_the_neurons():
    weights, order = random_weights(1), np.array([3, 1, 5, 0, 2, 4])
    first, turned = graph_features(weights), graph_features(weights[np.ix_(order, order)])
    assert np.allclose(turned.out_strength, first.out_strength[order])
    assert np.allclose(turned.in_strength, first.in_strength[order])
    for name in (
        "density",
        "reciprocity",
        "mean_weight",
        "excitatory",
        "clustering",
        "efficiency",
        "feed_forward",
    ):
        assert getattr(turned, name) == pytest.approx(getattr(first, name)), name


def test_reciprocity_and_the_empty_graph():
    weights = random_weights(2)
    assert graph_features(weights + weights.T).reciprocity == 1.0
    assert graph_features(np.triu(weights)).reciprocity == 0.0
    empty = graph_features(np.eye(4))
    assert empty.density == empty.reciprocity == empty.mean_weight == empty.efficiency == 0.0
    full = graph_features(np.ones((4, 4)))
    assert full.density == full.clustering == full.efficiency == 1.0
    assert full.feed_forward == 24


@oracle("eq-npc-similarity")
def test_equation_similarity():
    stack = np.stack([random_weights(seed) for seed in range(4)])
    off = ~np.eye(6, dtype=bool)
    slow = np.zeros((4, 4))
    for a, b in itertools.product(range(4), range(4)):
        x, y = stack[a][off], stack[b][off]
        x, y = x - x.mean(), y - y.mean()
        slow[a, b] = (x @ y) / np.sqrt((x @ x) * (y @ y))
    assert relative_error(neuro_pc.weight_similarity(stack), slow) < 1e-12


@pytest.mark.parametrize("similarity", [neuro_pc.weight_similarity, neuro_pc.summary_similarity])
def test_similarity_is_symmetric_and_one_to_itself(similarity):
    stack = np.stack([random_weights(seed) for seed in (0, 1, 0, 2)])
    found = similarity(stack)
    assert np.array_equal(found, found.T)
    assert np.array_equal(np.diag(found), np.ones(4))
    assert found[0, 2] == pytest.approx(1.0)
    assert np.abs(found).max() <= 1.0
    assert found[0, 1] < 0.99


def test_graphs_without_links_resemble_only_each_other():
    stack = np.stack([np.eye(3), random_weights(0, 3, 1.0), 0.5 * np.eye(3)])
    assert neuro_pc.weight_similarity(stack).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    alike = np.stack([random_weights(0)] * 3)
    assert np.allclose(neuro_pc.summary_similarity(alike), 1.0)


def test_within_minus_between():
    similarity = np.array([[1, 0.9, 0.2], [0.9, 1, 0.4], [0.2, 0.4, 1.0]])
    assert neuro_pc.within_minus_between(similarity, np.array([0, 0, 1])) == pytest.approx(0.6)


def test_permutation_test_counts_the_splits():
    labels = np.repeat([0, 1], 5)
    similarity = np.where(labels[:, None] == labels, 0.8, 0.1)
    np.fill_diagonal(similarity, 1.0)
    p = neuro_pc.permutation_test(similarity, labels, n_permutations=2000, seed=0)
    # Of the 126 ways to split ten blocks in halves, one is as good: the true one.
    assert p == pytest.approx(1 / 126, abs=0.006)
    assert p == neuro_pc.permutation_test(similarity, labels, n_permutations=2000, seed=0)
    assert neuro_pc.permutation_test(np.full((10, 10), 0.5), labels, n_permutations=50) == 1.0


def test_p_values_are_honest_without_a_difference():
    labels = np.repeat([0, 1], 4)
    rng = np.random.default_rng(0)
    found = []
    for seed in range(40):
        vectors = rng.normal(size=(8, 20))
        found.append(
            neuro_pc.permutation_test(np.corrcoef(vectors), labels, n_permutations=60, seed=seed)
        )
    assert np.mean(np.array(found) <= 0.1) < 0.25
    assert 0.35 < np.mean(found) < 0.7


def test_the_tree_joins_stimuli_first():
    labels = np.array([0, 1, 0, 1])
    similarity = np.where(labels[:, None] == labels, 0.8, 0.1)
    np.fill_diagonal(similarity, 1.0)
    merges = neuro_pc.tree(similarity)
    assert {tuple(sorted(map(int, row[:2]))) for row in merges[:2]} == {(0, 2), (1, 3)}
    assert merges[:, 2] == pytest.approx([0.2, 0.2, 0.9])


def test_a_transposed_count_of_triangles_is_noticed():
    chain = np.triu(np.ones((3, 3)))
    assert graph_features(chain).feed_forward == 1
    cycle = np.zeros((3, 3))
    cycle[[0, 1, 2], [1, 2, 0]] = 1.0
    assert graph_features(cycle).feed_forward == 0
    with planted(features, "count @ count * count", "count @ count * count.T") as bad:
        assert bad.graph_features(cycle).feed_forward == 3


def test_self_loops_do_not_count():
    weights = random_weights(3)
    other = weights.copy()
    np.fill_diagonal(other, -9.0)
    assert np.array_equal(graph_features(weights).summary, graph_features(other).summary)
    assert weights[0, 0] == 0.7


@pytest.mark.usefixtures("unchecked")
def test_bad_input():
    with pytest.raises(ValueError, match="square"):
        graph_features(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="put 0 where there is no link"):
        graph_features(np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="two graphs or more"):
        neuro_pc.weight_similarity(np.zeros((1, 3, 3)))
    with pytest.raises(ValueError, match="one row a label"):
        neuro_pc.within_minus_between(np.eye(3), np.array([0, 1]))
    with pytest.raises(ValueError, match="two different stimuli"):
        neuro_pc.within_minus_between(np.eye(3), np.array([0, 0, 0]))
    with pytest.raises(ValueError, match="two blocks of one stimulus"):
        neuro_pc.within_minus_between(np.eye(3), np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="n_permutations"):
        neuro_pc.permutation_test(np.eye(4), np.array([0, 0, 1, 1]), n_permutations=0)
    with pytest.raises(ValueError, match="ones on its diagonal"):
        neuro_pc.tree(np.zeros((3, 3)))
