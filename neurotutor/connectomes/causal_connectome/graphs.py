"""Directed graphs and what they say about independence.

Convention of every function here: entry [i, j] of a matrix true means i -> j. In a CPDAG, [i, j]
and [j, i] both true mean i - j: the edge is there, its direction is not identified.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Shaped

from neurotutor.connectomes.causal_connectome.checks import (
    as_dag,
    as_graph,
    as_nodes,
    as_query,
    neighbours,
)
from neurotutor.connectomes.causal_connectome.orientation import meek


def ancestors(dag: Shaped[np.ndarray, "nodes nodes"], nodes: int | Iterable[int]) -> frozenset[int]:
    """The nodes themselves and everything upstream of them.

    Args:
        dag: entry [i, j] true means i -> j.
        nodes: one node or several.
    """
    graph = as_graph(dag)
    seen = set(as_nodes(nodes, len(graph), "nodes"))
    waiting = list(seen)
    while waiting:
        for parent in np.flatnonzero(graph[:, waiting.pop()]):
            if int(parent) not in seen:
                seen.add(int(parent))
                waiting.append(int(parent))
    return frozenset(seen)


def d_separated(
    dag: Shaped[np.ndarray, "nodes nodes"],
    x: int | Iterable[int],
    y: int | Iterable[int],
    given: int | Iterable[int] = (),
) -> bool:
    """Whether every path between x and y is blocked by the nodes that are held fixed.

    A message starts at x and walks along edges. It passes a chain or a fork whose middle is not
    held fixed, and a collider that is held fixed or has a descendant that is. What it cannot reach
    is d-separated from x.

    Args:
        dag: entry [i, j] true means i -> j.
        x: a node, or several.
        y: a node, or several.
        given: the nodes held fixed, possibly none.

    Raises:
        TypeError: if a node is no whole number.
        ValueError: if `dag` has a cycle, or the three sets overlap.

    Source: Pearl (2009), definition 1.2.3; the walk is Koller & Friedman (2009), algorithm 3.1.
    """
    graph = as_dag(dag)
    n = len(graph)
    starts, ends = as_nodes(x, n, "x"), as_nodes(y, n, "y")
    fixed = as_nodes(given, n, "given")
    if starts & ends or starts & fixed or ends & fixed:
        raise ValueError(
            f"x, y and given must not share a node, got {sorted(starts)}, "
            f"{sorted(ends)} and {sorted(fixed)}"
        )
    parents = [np.flatnonzero(graph[:, node]).tolist() for node in range(n)]
    children = [np.flatnonzero(graph[node]).tolist() for node in range(n)]
    opens = ancestors(graph, fixed) if fixed else frozenset()
    return not _reached(starts, ends, fixed, opens, parents, children)


def _reached(
    starts: frozenset[int],
    ends: frozenset[int],
    fixed: frozenset[int],
    opens: frozenset[int],
    parents: list[list[int]],
    children: list[list[int]],
) -> bool:
    """Whether a message from `starts` arrives; `opens` are the colliders that let it pass."""
    # True: the message came up from a child (or starts here); False: down from a parent.
    waiting = [(node, True) for node in starts]
    seen = set(waiting)
    while waiting:
        node, upwards = waiting.pop()
        if node in ends:
            return True
        steps = []
        if upwards and node not in fixed:
            steps = [(p, True) for p in parents[node]] + [(c, False) for c in children[node]]
        elif not upwards:
            if node not in fixed:
                steps = [(c, False) for c in children[node]]
            if node in opens:
                steps += [(p, True) for p in parents[node]]
        for step in steps:
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    return False


class DSeparationOracle:
    """A perfect test of independence: it knows the graph, and answers with p = 1 or p = 0.

    Args:
        dag: entry [i, j] true means i -> j.

    Raises:
        ValueError: if `dag` has a cycle.
    """

    def __init__(self, dag: Shaped[np.ndarray, "nodes nodes"]) -> None:
        graph = as_dag(dag)
        self.n_nodes = len(graph)
        self._parents = [np.flatnonzero(graph[:, node]).tolist() for node in range(len(graph))]
        self._children = [np.flatnonzero(graph[node]).tolist() for node in range(len(graph))]
        self._upstream = [ancestors(graph, node) for node in range(len(graph))]

    def __call__(self, x: int, y: int, given: Iterable[int] = ()) -> float:
        """1.0 if x and y are d-separated given the set, else 0.0.

        Raises:
            TypeError: if a node is no whole number.
            ValueError: if the set holds x or y.
        """
        x, y, chosen = as_query(x, y, given, self.n_nodes)
        opens = frozenset().union(*(self._upstream[node] for node in chosen))
        fixed = frozenset(chosen)
        arrived = _reached(
            frozenset((x,)), frozenset((y,)), fixed, opens, self._parents, self._children
        )
        return 0.0 if arrived else 1.0


def paths(dag: Shaped[np.ndarray, "nodes nodes"], x: int, y: int) -> Iterator[tuple[int, ...]]:
    """All paths between two nodes that visit no node twice, arrows in any direction.

    Args:
        dag: entry [i, j] true means i -> j.
        x: where a path starts.
        y: where it ends.
    """
    graph = as_graph(dag)
    x, y, _ = as_query(x, y, (), len(graph))

    def extend(path: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        for node in neighbours(graph, path[-1]):
            if node == y:
                yield (*path, node)
            elif node not in path:
                yield from extend((*path, node))

    return extend((x,))


def blocker(
    dag: Shaped[np.ndarray, "nodes nodes"], path: tuple[int, ...], given: Iterable[int] = ()
) -> int | None:
    """The first node that blocks a path, or None if the path is open.

    Args:
        dag: entry [i, j] true means i -> j.
        path: nodes in order, neighbours joined by an edge.
        given: the nodes held fixed.

    Raises:
        ValueError: if two neighbours of the path are not joined.
    """
    graph = as_dag(dag)
    fixed = as_nodes(given, len(graph), "given")
    opens = ancestors(graph, fixed) if fixed else frozenset()
    for before, after in zip(path, path[1:], strict=False):
        if not (graph[before, after] or graph[after, before]):
            raise ValueError(f"no edge joins nodes {before} and {after} of the path {path}")
    for before, node, after in zip(path, path[1:], path[2:], strict=False):
        collider = graph[before, node] and graph[after, node]
        if (collider and node not in opens) or (not collider and node in fixed):
            return node
    return None


def moral_graph(dag: Shaped[np.ndarray, "nodes nodes"]) -> Bool[np.ndarray, "nodes nodes"]:
    """Join the parents of every common child, then forget the arrows.

    Args:
        dag: entry [i, j] true means i -> j.

    Returns:
        Symmetric matrix: i - j where i and j are dependent given all other nodes.

    Raises:
        ValueError: if `dag` has a cycle.
    """
    graph = as_dag(dag)
    married = (graph.astype(int) @ graph.T.astype(int)) > 0
    joined = graph | graph.T | married
    np.fill_diagonal(joined, False)
    return joined


def v_structures(graph: Shaped[np.ndarray, "nodes nodes"]) -> set[tuple[int, int, int]]:
    """Triples (i, k, j), i < j, with i -> k <- j and no edge between i and j.

    Args:
        graph: entry [i, j] true means i -> j; both directions mean an undirected edge.
    """
    matrix = as_graph(graph)
    arrows = matrix & ~matrix.T
    joined = matrix | matrix.T
    return {
        (int(i), k, int(j))
        for k in range(len(matrix))
        for i, j in combinations(np.flatnonzero(arrows[:, k]), 2)
        if not joined[i, j]
    }


def cpdag(dag: Shaped[np.ndarray, "nodes nodes"]) -> Bool[np.ndarray, "nodes nodes"]:
    """The Markov equivalence class of a directed graph, as one partially directed graph.

    Args:
        dag: entry [i, j] true means i -> j.

    Returns:
        CPDAG: [i, j] alone true means that every member of the class has i -> j, [i, j] and [j, i]
        both true that members disagree about the direction.

    Raises:
        ValueError: if `dag` has a cycle.

    Source: Verma & Pearl (1990); Meek (1995).
    """
    graph = as_dag(dag)
    pattern = graph | graph.T
    for i, k, j in v_structures(graph):
        pattern[k, i] = pattern[k, j] = False
    return meek(pattern).graph


def equivalence_class(
    graph: Shaped[np.ndarray, "nodes nodes"], limit: int = 10_000
) -> Bool[np.ndarray, "members nodes nodes"]:
    """All directed acyclic graphs that imply the same independences.

    Args:
        graph: a DAG, or the CPDAG of the class; [i, j] true means i -> j, both ways undirected.
        limit: refuse classes with more members.

    Returns:
        One DAG after the other, shape (members, nodes, nodes).

    Raises:
        ValueError: if the graph is neither a DAG nor a CPDAG, or the class is too large.
    """
    matrix = as_graph(graph)
    undirected = (matrix & matrix.T).any()
    found: list[np.ndarray] = []
    waiting = [matrix if undirected else cpdag(matrix)]
    while waiting:
        current = waiting.pop()
        open_edges = np.argwhere(np.triu(current & current.T))
        if len(open_edges) == 0:
            found.append(current)
            if len(found) > limit:
                raise ValueError(
                    f"the class has more than {limit} members: raise limit if you "
                    "have the memory for them"
                )
            continue
        i, j = open_edges[0]
        # Once an edge is chosen, the rules (with R4) complete what follows from the choice, so
        # no branch runs into a cycle or a new v-structure.
        for head, tail in ((i, j), (j, i)):
            chosen = current.copy()
            chosen[head, tail] = False
            waiting.append(meek(chosen, background=True).graph)
    members = np.stack(found)
    if undirected:
        try:
            valid = all((cpdag(each) == matrix).all() for each in (members[0], members[-1]))
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(
                "the graph has undirected edges but is not the CPDAG of any DAG: "
                "pass a DAG, or resolve the conflicts first"
            )
    return members


def structural_hamming_distance(
    first: Shaped[np.ndarray, "nodes nodes"], second: Shaped[np.ndarray, "nodes nodes"]
) -> int:
    """Number of node pairs whose edge differs: missing, extra, or marked in another way.

    Args:
        first: entry [i, j] true means i -> j, both ways undirected.
        second: the same for the other graph.

    Raises:
        ValueError: if the graphs differ in size.
    """
    a, b = as_graph(first, "first"), as_graph(second, "second")
    if a.shape != b.shape:
        raise ValueError(f"the graphs must have the same nodes, got {len(a)} and {len(b)}")
    return int(np.triu((a != b) | (a.T != b.T), 1).sum())
