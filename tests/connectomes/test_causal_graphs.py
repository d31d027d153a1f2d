"""Graphs: d-separation, equivalence classes, Meek's rules. Entry [i, j] true means i -> j."""

import itertools

import networkx as nx
import numpy as np
import pytest

from neurotutor.connectomes import causal_connectome as cc
from neurotutor.connectomes.causal_connectome import graphs, orientation
from tests.harness import planted

RNG = np.random.default_rng


def undirected(n, *edges):
    graph = np.zeros((n, n), dtype=bool)
    for i, j in edges:
        graph[i, j] = graph[j, i] = True
    return graph


def random_queries(n, seed):
    rng = RNG(seed)
    for _ in range(n):
        size = int(rng.integers(3, 9))
        dag = cc.random_dag(size, rng.uniform(0.15, 0.6), rng)
        x, y, *rest = rng.permutation(size).tolist()
        yield dag, x, y, rest[: rng.integers(0, len(rest) + 1)]


def test_d_separation_agrees_with_networkx():
    for dag, x, y, given in random_queries(400, 0):
        network = nx.DiGraph(dag.astype(int))
        right = nx.is_d_separator(network, {x}, {y}, set(given))
        assert cc.d_separated(dag, x, y, given) == right
        assert cc.DSeparationOracle(dag)(x, y, given) == float(right)


def test_d_separation_of_sets_is_that_of_all_pairs():
    for dag, x, y, given in random_queries(100, 1):
        others = [i for i in range(len(dag)) if i not in (x, y, *given)]
        ends = [y, *others[:1]]
        right = all(cc.d_separated(dag, x, end, given) for end in ends)
        assert cc.d_separated(dag, [x], ends, given) == right


def test_one_open_path_connects():
    for dag, x, y, given in random_queries(200, 2):
        any_open = any(cc.blocker(dag, path, given) is None for path in cc.paths(dag, x, y))
        assert any_open != cc.d_separated(dag, x, y, given)


def test_paths_are_those_of_networkx():
    for dag, x, y, _ in random_queries(40, 3):
        right = nx.all_simple_paths(nx.Graph(dag | dag.T), x, y)
        assert set(cc.paths(dag, x, y)) == {tuple(path) for path in right}


@pytest.mark.parametrize(
    ("dag", "arrows"),
    [(cc.CHAIN, 0), (cc.FORK, 0), (cc.COLLIDER, 2), (cc.FOUR_NODES != 0, 3)],
)
def test_cpdag_of_the_small_networks(dag, arrows):
    graph = cc.cpdag(dag)
    assert (graph & ~graph.T).sum() == arrows
    assert ((graph | graph.T) == (dag | dag.T)).all()
    if arrows:
        assert (graph == dag).all()


def all_dags(n):
    """Every directed acyclic graph on n nodes, by brute force."""
    pairs = list(itertools.combinations(range(n), 2))
    for kinds in itertools.product(range(3), repeat=len(pairs)):
        dag = np.zeros((n, n), dtype=bool)
        for (i, j), kind in zip(pairs, kinds, strict=True):
            if kind:
                dag[(i, j) if kind == 1 else (j, i)] = True
        if nx.is_directed_acyclic_graph(nx.DiGraph(dag.astype(int))):
            yield dag


def independences(dag):
    n, separated = len(dag), cc.DSeparationOracle(dag)
    return tuple(
        separated(x, y, given)
        for x, y in itertools.combinations(range(n), 2)
        for size in range(n - 1)
        for given in itertools.combinations([k for k in range(n) if k not in (x, y)], size)
    )


def test_classes_are_those_that_independence_makes(unchecked):
    # All 25 graphs of three nodes and 543 of four, grouped by the independences that they imply.
    groups = {}
    for dag in [*all_dags(3), *all_dags(4)]:
        groups.setdefault((len(dag), independences(dag)), []).append(dag)
    assert sum(len(group) for group in groups.values()) == 25 + 543
    assert len(groups) == 11 + 185
    for group in groups.values():
        members = cc.equivalence_class(group[0])
        assert {m.tobytes() for m in members} == {dag.tobytes() for dag in group}
        # The CPDAG holds exactly the arrows on which the members agree.
        assert (cc.cpdag(group[-1]) == np.any(group, axis=0)).all()


def test_cpdag_is_the_same_for_every_member(unchecked):
    rng = RNG(4)
    for _ in range(20):
        dag = cc.random_dag(7, 0.35, rng)
        graph = cc.cpdag(dag)
        members = cc.equivalence_class(dag)
        assert any((member == dag).all() for member in members)
        assert all((cc.cpdag(member) == graph).all() for member in members)
        assert (cc.equivalence_class(graph).sum(axis=0) == members.sum(axis=0)).all()


def test_sizes_of_classes():
    assert len(cc.equivalence_class(cc.CHAIN)) == 3
    assert len(cc.equivalence_class(cc.COLLIDER)) == 1
    for n, size in ((2, 2), (3, 6), (4, 24), (5, 120)):
        assert len(cc.equivalence_class(np.triu(np.ones((n, n), bool), 1))) == size


def test_moral_graph_marries_parents():
    assert (cc.moral_graph(cc.COLLIDER) == ~np.eye(3, dtype=bool)).all()
    for dag, *_ in random_queries(50, 5):
        right = nx.to_numpy_array(nx.moral_graph(nx.DiGraph(dag.astype(int))), weight=None) > 0
        assert (cc.moral_graph(dag) == right).all()


def test_each_rule_of_meek():
    # R1: 0 -> 1 - 2 without 0 - 2.
    graph = undirected(3, (0, 1), (1, 2))
    graph[1, 0] = False
    assert cc.meek(graph).steps == ((1, 2, "R1"),)
    # R2: 0 -> 1 -> 2 and 0 - 2.
    graph = undirected(3, (0, 1), (1, 2), (0, 2))
    graph[1, 0] = graph[2, 1] = False
    assert cc.meek(graph).steps == ((0, 2, "R2"),)
    # R3: 0 - 1, 0 - 2, 0 - 3, 1 -> 3 <- 2.
    graph = undirected(4, (0, 1), (0, 2), (0, 3), (1, 3), (2, 3))
    graph[3, 1] = graph[3, 2] = False
    assert cc.meek(graph).steps == ((0, 3, "R3"),)
    # R4: 0 - 1, 1 -> 2 -> 3, 0 - 2, 0 - 3 and no edge 1 - 3.
    graph = undirected(4, (0, 1), (1, 2), (2, 3), (0, 2), (0, 3))
    graph[2, 1] = graph[3, 2] = False
    assert cc.meek(graph).steps == ()
    assert cc.meek(graph, background=True).steps[0] == (0, 3, "R4")


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_rules_do_not_depend_on_the_numbering(order):
    graph = undirected(4, (0, 1), (1, 2), (2, 3), (0, 2), (0, 3))
    graph[2, 1] = graph[3, 2] = False
    again = np.ix_(order, order)
    right = cc.meek(graph, background=True).graph[again]
    assert (cc.meek(graph[again], background=True).graph == right).all()


def test_conflicting_colliders():
    # 0 -> 1 <- 2 and 1 -> 2 <- 3 cannot both hold.
    path = undirected(4, (0, 1), (1, 2), (2, 3))
    sepsets = {(0, 2): (), (1, 3): (), (0, 3): ()}
    first = cc.orient_colliders(path, sepsets)
    assert first.conflicts == 1
    assert first.graph[2, 1]
    assert not first.graph[1, 2]
    assert first.graph[2, 3]
    assert first.graph[3, 2]
    last = cc.orient_colliders(path, sepsets, conflict="overwrite")
    assert last.conflicts == 1
    assert last.graph[1, 2]
    assert last.graph[3, 2]
    assert not last.graph[2, 1]
    both = cc.orient_colliders(path, sepsets, conflict="bidirect")
    assert both.conflicts == 1
    assert both.bidirected[1, 2]
    assert both.bidirected[2, 1]
    assert both.graph[0, 1]
    assert both.graph[3, 2]
    assert cc.meek(both.graph, bidirected=both.bidirected).graph[2, 1]


def test_time_forces_arrows_forward():
    path = undirected(3, (0, 1), (1, 2))
    sepsets = {(0, 2): ()}
    # Node 1 is earlier than its would-be parent 2: no collider there.
    result = cc.orient_colliders(path, sepsets, tiers=np.array([0, 0, 1]))
    assert result.refused == 1
    assert result.conflicts == 0
    assert result.graph[1, 2]
    assert not result.graph[2, 1]
    assert result.graph[0, 1]
    assert result.graph[1, 0]
    done = cc.orient_colliders(path, sepsets, tiers=np.array([0, 1, 1]))
    assert [tuple(step) for step in done.steps] == [(0, 1, "time"), (2, 1, "collider")]


def test_structural_hamming_distance():
    chain = cc.CHAIN
    assert cc.structural_hamming_distance(chain, chain) == 0
    assert cc.structural_hamming_distance(chain, chain.T) == 2
    assert cc.structural_hamming_distance(chain, cc.cpdag(chain)) == 2
    assert cc.structural_hamming_distance(chain, np.zeros((3, 3), bool)) == 2


def test_bad_graphs(unchecked):
    cycle = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    for refuse in (cc.cpdag, cc.equivalence_class, cc.moral_graph, cc.DSeparationOracle):
        with pytest.raises(ValueError, match="cycle"):
            refuse(cycle)
    with pytest.raises(ValueError, match="cycle"):
        cc.d_separated(cycle, 0, 1)
    with pytest.raises(ValueError, match="square"):
        cc.cpdag(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="itself"):
        cc.cpdag(np.eye(2))
    with pytest.raises(ValueError, match="0 and 1"):
        cc.cpdag(np.array([[0, 0.5], [0, 0]]))
    with pytest.raises(ValueError, match="must not share"):
        cc.d_separated(cc.CHAIN, 0, 1, [1])
    with pytest.raises(ValueError, match="must not hold x or y"):
        cc.DSeparationOracle(cc.CHAIN)(0, 1, (1,))
    with pytest.raises(ValueError, match="0..2"):
        cc.d_separated(cc.CHAIN, 0, 3)
    with pytest.raises(TypeError, match="a node or several nodes"):
        cc.d_separated(cc.CHAIN, 0, 1.5)
    with pytest.raises(ValueError, match="more than 100"):
        cc.equivalence_class(np.triu(np.ones((6, 6)), 1), limit=100)
    square = undirected(4, (0, 1), (1, 2), (2, 3), (3, 0))
    with pytest.raises(ValueError, match="not the CPDAG"):
        cc.equivalence_class(square)
    with pytest.raises(ValueError, match="conflict must be one of"):
        cc.orient_colliders(square, {}, conflict="last")
    with pytest.raises(ValueError, match="sepsets needs the key"):
        cc.orient_colliders(square, {})
    with pytest.raises(ValueError, match="tiers"):
        cc.orient_colliders(square, {(0, 2): (), (1, 3): ()}, tiers=np.zeros(3, int))
    with pytest.raises(ValueError, match="no edge joins"):
        cc.blocker(cc.CHAIN, (0, 2))


def test_planted_bugs_are_found():
    dag = cc.FOUR_NODES != 0
    with planted(orientation, "if parents[a] - adjacent[b]:", "if parents[a]:") as broken:
        # 0 -> 1, 0 - 2, 1 - 2: nothing follows, since 0 and 2 are joined.
        graph = undirected(3, (0, 1), (0, 2), (1, 2))
        graph[1, 0] = False
        assert broken.meek(graph).steps
        assert not cc.meek(graph).steps
    with planted(graphs, "if node in opens:", "if node not in opens:") as broken:
        assert broken.d_separated(dag, 0, 1, [3])
        assert not cc.d_separated(dag, 0, 1, [3])
    with planted(graphs, "if upwards and node not in fixed:", "if upwards:") as broken:
        assert not broken.d_separated(cc.FORK, 0, 2, [1])
        assert cc.d_separated(cc.FORK, 0, 2, [1])
