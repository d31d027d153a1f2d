"""From a skeleton to arrows: colliders first, then what follows from them.

Convention of every function here: entry [i, j] of a matrix true means i -> j; [i, j] and [j, i]
both true mean i - j, an edge without a direction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Shaped

from neurotutor.connectomes.causal_connectome.checks import as_choice, as_graph, as_tiers

CONFLICTS = ("overwrite", "priority", "bidirect")


class Step(NamedTuple):
    """One arrow and why it was drawn."""

    tail: int
    head: int
    # "collider", "time", "R1" ... "R4"
    rule: str


class Oriented(NamedTuple):
    """A partially directed graph and how it came about."""

    # (nodes, nodes); [i, j] true means i -> j, both ways i - j.
    graph: Bool[np.ndarray, "nodes nodes"]
    # (nodes, nodes) symmetric; edges that two colliders want in opposite directions (policy
    # "bidirect" only). They are true both ways in `graph`, too, and no rule touches them.
    bidirected: Bool[np.ndarray, "nodes nodes"]
    # Colliders: triples that wanted an edge against an earlier triple. Meek's rules: arrows that
    # some rule wanted the other way, too (they close a cycle or make a new collider).
    conflicts: int
    # Triples that wanted an arrow back in time.
    refused: int
    steps: tuple[Step, ...]


def unshielded_triples(
    adjacent: Shaped[np.ndarray, "nodes nodes"],
) -> list[tuple[int, int, int]]:
    """Triples (x, y, z), x < z, with edges x - y and y - z but none between x and z, ascending.

    Args:
        adjacent: entry [i, j] true means an edge from i to j of any kind.
    """
    graph = as_graph(adjacent, "adjacent")
    joined = graph | graph.T
    return sorted(
        (int(x), y, int(z))
        for y in range(len(joined))
        for x, z in combinations(np.flatnonzero(joined[y]), 2)
        if not joined[x, z]
    )


def orient_colliders(
    adjacent: Shaped[np.ndarray, "nodes nodes"],
    sepsets: Mapping[tuple[int, int], Iterable[int]],
    *,
    conflict: str = "priority",
    tiers: Int[np.ndarray, "nodes"] | None = None,
    ambiguous: Iterable[tuple[int, int, int]] = (),
) -> Oriented:
    """Draw x -> y <- z wherever y was not needed to separate its neighbours x and z.

    Args:
        adjacent: skeleton; a symmetric matrix, [i, j] and [j, i] true where i and j are joined.
        sepsets: the set that separated x and z, under the key (x, z) with x < z.
        conflict: what happens when two triples want one edge in opposite directions.
            "priority": the later triple is skipped; "overwrite": the later triple wins;
            "bidirect": the edge is marked as bidirected.
        tiers: time of every node, earlier is smaller, or None. Edges between times are drawn
            forward before anything else, and no collider is drawn into a node that is earlier
            than one of its parents.
        ambiguous: triples (x, y, z), x < z, to leave as they are.

    Returns:
        The graph ([i, j] true means i -> j, both ways undirected) with the number of conflicts.

    Raises:
        ValueError: for an unknown policy, tiers of a wrong shape, or a pair without an edge and
            without a separating set.

    Source: Spirtes, Glymour & Scheines (2000), section 5.4.2, step C.
    """
    as_choice(conflict, CONFLICTS, "conflict")
    graph = as_graph(adjacent, "adjacent")
    graph |= graph.T
    times = as_tiers(tiers, len(graph))
    bidirected = np.zeros_like(graph)
    steps: list[Step] = []
    if times is not None:
        backwards = graph & (times[:, None] > times[None, :])
        graph &= ~backwards
        steps += [Step(int(i), int(j), "time") for j, i in np.argwhere(backwards)]
    skipped = set(ambiguous)
    conflicts = refused = 0
    for x, y, z in unshielded_triples(graph):
        if (x, z) not in sepsets:
            raise ValueError(f"nodes {x} and {z} have no edge, so sepsets needs the key ({x}, {z})")
        if (x, y, z) in skipped or y in sepsets[x, z]:
            continue
        if times is not None and times[y] < max(times[x], times[z]):
            refused += 1
            continue
        against = [end for end in (x, z) if not graph[end, y] or bidirected[end, y]]
        conflicts += bool(against)
        if against and conflict == "priority":
            continue
        for end in (x, z):
            if end in against and conflict == "bidirect":
                graph[end, y] = graph[y, end] = True
                bidirected[end, y] = bidirected[y, end] = True
                continue
            if graph[y, end]:
                steps.append(Step(end, y, "collider"))
            graph[end, y], graph[y, end] = True, False
    return Oriented(graph, bidirected, conflicts, refused, tuple(steps))


def meek(
    graph: Shaped[np.ndarray, "nodes nodes"],
    *,
    background: bool = False,
    bidirected: Shaped[np.ndarray, "nodes nodes"] | None = None,
) -> Oriented:
    """Draw every arrow that follows from those that are drawn: no cycle, no new collider.

    Each undirected edge is tried in both directions, until nothing changes.

    Args:
        graph: entry [i, j] true means i -> j, both ways i - j.
        background: also apply rule 4, which only knowledge from outside (such as time) calls for.
        bidirected: symmetric mask of edges to leave as they are.

    Returns:
        The completed graph, in the same convention, the steps with the rule of each, and the number
        of conflicts: 0 whenever some directed acyclic graph has this pattern of colliders.

    Source: Meek (1995), rules R1 to R4.
    """
    result = as_graph(graph)
    frozen = np.zeros_like(result) if bidirected is None else as_graph(bidirected, "bidirected")
    free = result & result.T & ~frozen
    arrows = result & ~result.T
    nodes = range(len(result))
    adjacent = [set(np.flatnonzero(result[i] | result[:, i]).tolist()) for i in nodes]
    parents = [set(np.flatnonzero(arrows[:, i]).tolist()) for i in nodes]
    children = [set(np.flatnonzero(arrows[i]).tolist()) for i in nodes]
    undirected = [set(np.flatnonzero(free[i]).tolist()) for i in nodes]

    def rule(a: int, b: int) -> str | None:
        if parents[a] - adjacent[b]:
            return "R1"
        if children[a] & parents[b]:
            return "R2"
        between = undirected[a] & parents[b]
        if any(between - adjacent[c] - {c} for c in between):
            return "R3"
        if background and any(
            children[c] & parents[b] & adjacent[a] for c in undirected[a] - adjacent[b] - {b}
        ):
            return "R4"
        return None

    steps: list[Step] = []
    changed = True
    while changed:
        changed = False
        for i in nodes:
            for j in sorted(undirected[i]):
                for a, b in ((i, j), (j, i)):
                    name = rule(a, b) if b in undirected[a] else None
                    if name is None:
                        continue
                    undirected[a].remove(b)
                    undirected[b].remove(a)
                    children[a].add(b)
                    parents[b].add(a)
                    result[b, a] = False
                    steps.append(Step(a, b, name))
                    changed = True
    # Every drawn arrow is asked once more: would a rule have turned it round?
    conflicts = sum(
        bool(parents[step.head] - adjacent[step.tail] - {step.tail})
        or bool(children[step.head] & parents[step.tail])
        for step in steps
    )
    return Oriented(result, frozen, conflicts, 0, tuple(steps))
