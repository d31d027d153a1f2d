"""The PC algorithm: which edges survive every test, and which of them get an arrow.

Convention of every function here: entry [i, j] of a matrix true means i -> j; [i, j] and [j, i]
both true mean i - j, an edge without a direction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations, islice
from math import comb
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from neurotutor.connectomes.causal_connectome.checks import as_alpha, as_choice
from neurotutor.connectomes.causal_connectome.independence import FisherZ
from neurotutor.connectomes.causal_connectome.orientation import (
    Oriented,
    Step,
    meek,
    orient_colliders,
    unshielded_triples,
)

# A conditional-independence test: (x, y, set) -> p-value.
Test = Callable[[int, int, tuple[int, ...]], float]

# Tests in one batch: enough to hide Python's overhead, few enough to stay in the cache.
BATCH = 1 << 14
RULES = ("sepset", "conservative", "majority")


@dataclass(frozen=True)
class Skeleton:
    """What is left of the complete graph when every edge has been tested.

    Attributes:
        adjacency: symmetric (nodes, nodes); [i, j] and [j, i] true where i and j stay joined.
        sepsets: for every removed pair (x, y), x < y, the first set that separated it.
        n_tests: tests that the plain algorithm needs at each level.
        untestable: tests without an answer (a singular set), which therefore kept their edge.
    """

    adjacency: Bool[np.ndarray, "nodes nodes"]
    sepsets: dict[tuple[int, int], tuple[int, ...]]
    n_tests: tuple[int, ...]
    untestable: int = 0


@dataclass(frozen=True)
class PcResult:
    """The graph that PC returns, and how it came about.

    Attributes:
        graph: (nodes, nodes); [i, j] alone true means i -> j, [i, j] and [j, i] both true i - j.
        skeleton: edges before they had directions, and the separating sets.
        conflicts: number of collider triples that contradicted an earlier one, and of arrows that
            Meek's rules wanted in both directions; if it is not 0, no directed acyclic graph fits
            all answers of the tests, and the arrows depend on the order of the nodes.
        bidirected: symmetric mask of the edges drawn both ways by the policy "bidirect".
        refused: triples that wanted an arrow back in time.
        ambiguous: triples left without an answer by the conservative or the majority rule.
        steps: every arrow with the rule that drew it, in order.
    """

    graph: Bool[np.ndarray, "nodes nodes"]
    skeleton: Skeleton
    conflicts: int
    bidirected: Bool[np.ndarray, "nodes nodes"]
    refused: int
    ambiguous: tuple[tuple[int, int, int], ...]
    steps: tuple[Step, ...]


def skeleton(
    data: Any = None,
    alpha: float = 0.05,
    *,
    test: str | Test = "fisherz",
    correlation: Any = None,
    n_samples: int | None = None,
    n_nodes: int | None = None,
    max_depth: int | None = None,
) -> Skeleton:
    """Remove every edge whose ends some set of neighbours makes independent (stable version).

    Args:
        data: samples, shape (rows, nodes); not needed with a correlation matrix or an own test.
        alpha: level of each test; x and y count as independent where p > alpha.
        test: "fisherz", or any function (x, y, set) -> p-value, such as `DSeparationOracle(dag)`.
        correlation: instead of data, shape (nodes, nodes), with `n_samples`.
        n_samples: number of independent samples behind `correlation`.
        n_nodes: with an own test that has no attribute `n_nodes`, and no data.
        max_depth: largest conditioning set to try; None tries all.

    Returns:
        Symmetric adjacency ([i, j] and [j, i] true where joined) and separating sets.

    Raises:
        TypeError: if it is not clear what to test.
        ValueError: for unusable data (see `FisherZ`), an alpha outside (0, 1), a negative depth,
            or a test that returns no p-value.

    Source: Colombo & Maathuis (2014), algorithm 4.1.
    """
    asked, n = _as_test(data, test, correlation, n_samples, n_nodes)
    level = as_alpha(alpha)
    if max_depth is not None and (isinstance(max_depth, bool) or max_depth < 0):
        raise ValueError(f"max_depth must be a whole number >= 0, or None, got {max_depth!r}")
    deepest = n - 2 if max_depth is None else min(int(max_depth), n - 2)
    if isinstance(asked, FisherZ):
        return _skeleton_batched(asked, level, deepest)
    return skeleton_one_by_one(asked, n, level, deepest)


def _as_test(
    data: Any, test: str | Test, correlation: Any, n_samples: int | None, n_nodes: int | None
) -> tuple[Test, int]:
    """The test and the number of nodes that the arguments of `skeleton` ask for."""
    if not callable(test):
        as_choice(test, ("fisherz",), "test")
        fisher = FisherZ(data, correlation=correlation, n_samples=n_samples)
        return fisher, fisher.n_nodes
    if correlation is not None or n_samples is not None:
        raise TypeError("correlation and n_samples belong to test='fisherz', not to an own test")
    if n_nodes is None:
        n_nodes = getattr(test, "n_nodes", None)
    if n_nodes is None and data is not None:
        n_nodes = np.shape(data)[1]
    if n_nodes is None:
        raise TypeError("the test does not say how many nodes there are: pass n_nodes or data")
    return test, int(n_nodes)


def skeleton_one_by_one(test: Test, n_nodes: int, alpha: float, deepest: int) -> Skeleton:
    """The algorithm as it is written down: one test after the other, for any test.

    Args:
        test: (x, y, set) -> p-value.
        n_nodes: number of nodes.
        alpha: level of each test.
        deepest: largest conditioning set to try.

    Raises:
        ValueError: if the test returns something that is no p-value.
    """
    adjacent = ~np.eye(n_nodes, dtype=bool)
    sepsets: dict[tuple[int, int], tuple[int, ...]] = {}
    counts = []
    for depth in range(deepest + 1):
        # Frozen for the whole level: what is removed meanwhile must not change who is asked.
        frozen = [np.flatnonzero(row).tolist() for row in adjacent]
        if all(len(near) - 1 < depth for near in frozen):
            break
        counts.append(0)
        for x in range(n_nodes):
            for y in frozen[x]:
                if not adjacent[x, y]:
                    continue
                for given in combinations([node for node in frozen[x] if node != y], depth):
                    counts[-1] += 1
                    p = float(test(x, y, given))
                    if not 0 <= p <= 1 + 1e-9:
                        raise ValueError(
                            f"the test must return a p-value in 0..1, got {p} for "
                            f"x={x}, y={y}, given={given}"
                        )
                    if p > alpha:
                        adjacent[x, y] = adjacent[y, x] = False
                        sepsets[min(x, y), max(x, y)] = given
                        break
    return Skeleton(adjacent, sepsets, tuple(counts))


def _skeleton_batched(fisher: FisherZ, alpha: float, deepest: int) -> Skeleton:
    """The same answer as `skeleton_one_by_one`, thousands of tests at a time.

    Neighbours are frozen within a level, so no test of a level depends on another. The order only
    decides which separating set is reported: the first subset of the neighbours of the smaller
    node, else the first of those of the larger one.
    """
    n = fisher.n_nodes
    adjacent = ~np.eye(n, dtype=bool)
    sepsets: dict[tuple[int, int], tuple[int, ...]] = {}
    counts, untestable = [], 0
    for depth in range(deepest + 1):
        frozen = adjacent.copy()
        if frozen.sum(axis=1).max() - 1 < depth:
            break
        limit = fisher.critical(depth, alpha)
        if limit < 0:
            # Too few samples for sets of this size, and for larger ones all the more.
            break
        left = np.argwhere(np.triu(frozen))
        counts.append(0)
        if depth == 0:
            gone = np.abs(fisher.correlation[left[:, 0], left[:, 1]]) < limit
            counts[-1] = len(left) + int((~gone).sum())
            sepsets |= {(x, y): () for x, y in left[gone].tolist()}
            adjacent[tuple(left[gone].T)] = adjacent[tuple(left[gone, ::-1].T)] = False
            continue
        for turned in (False, True):
            ordered = left[:, ::-1] if turned else left
            stays = np.ones(len(left), dtype=bool)
            for rows, sets, tried, blank in _separate(fisher, frozen, ordered, depth, limit):
                counts[-1] += tried
                untestable += blank
                stays[rows] = False
                for (x, y), given in zip(left[rows].tolist(), sets.tolist(), strict=True):
                    sepsets[x, y] = tuple(given)
            adjacent[tuple(left[~stays].T)] = adjacent[tuple(left[~stays, ::-1].T)] = False
            left = left[stays]
    return Skeleton(adjacent, sepsets, tuple(counts), untestable)


def _separate(
    fisher: FisherZ,
    frozen: Bool[np.ndarray, "nodes nodes"],
    pairs: Int[np.ndarray, "pairs 2"],
    depth: int,
    limit: float,
) -> Iterator[tuple[Int[np.ndarray, "found"], Int[np.ndarray, "found depth"], int, int]]:
    """Look for the first subset of the neighbours of x that separates each pair (x, y).

    Args:
        fisher: the test.
        frozen: adjacency at the start of the level, symmetric.
        pairs: x and y of each pair.
        depth: size of the subsets.
        limit: |r| below which a pair is independent.

    Yields:
        Rows of pairs that were separated, their sets, tests made, tests without an answer.
    """
    near = frozen.sum(axis=1)[pairs[:, 0]] - 1
    # Pairs whose first node has the same number of other neighbours share a table of subsets.
    for size in np.unique(near[near >= depth]).tolist():
        for rows in _pieces(np.flatnonzero(near == size), max(1, BATCH // min(size, BATCH))):
            x, y = pairs[rows].T
            others = frozen[x]
            others[np.arange(len(rows)), y] = False
            others = np.nonzero(others)[1].reshape(len(rows), size)
            for subsets in _subsets(size, depth, max(1, BATCH // len(rows))):
                sets = others[:, subsets]
                wide = sets.shape[:2]
                r = fisher.partial(
                    np.broadcast_to(x[:, None], wide), np.broadcast_to(y[:, None], wide), sets
                )
                hit = np.abs(r) < limit
                found, first = hit.any(axis=1), hit.argmax(axis=1)
                reached = np.where(found, first + 1, wide[1])
                blank = 0
                if np.isnan(r).any():
                    blank = int((np.isnan(r) & (np.arange(wide[1]) < reached[:, None])).sum())
                yield rows[found], sets[found, first[found]], int(reached.sum()), blank
                rows, x, y, others = rows[~found], x[~found], y[~found], others[~found]
                if len(rows) == 0:
                    break


def _pieces(
    rows: Int[np.ndarray, "rows *rest"], longest: int
) -> Iterator[Int[np.ndarray, "piece *rest"]]:
    """Cut an array into pieces of limited length."""
    for start in range(0, len(rows), longest):
        yield rows[start : start + longest]


def _subsets(n: int, size: int, longest: int) -> Iterator[Int[np.ndarray, "piece size"]]:
    """All subsets of 0..n-1 of one size in lexicographic order, in pieces of limited length."""
    if comb(n, size) * size <= BATCH:
        yield from _pieces(_small_subsets(n, size), longest)
        return
    numbers = combinations(range(n), size)
    while block := list(islice(numbers, longest)):
        yield np.array(block)


@lru_cache(maxsize=512)
def _small_subsets(n: int, size: int) -> Int[np.ndarray, "subsets size"]:
    """The table of all subsets, kept for the next call."""
    table = np.fromiter(chain.from_iterable(combinations(range(n), size)), dtype=int)
    return table.reshape(-1, size)


def pc(
    data: Any = None,
    alpha: float = 0.05,
    *,
    test: str | Test = "fisherz",
    correlation: Any = None,
    n_samples: int | None = None,
    n_nodes: int | None = None,
    max_depth: int | None = None,
    conflict: str = "priority",
    rule: str = "sepset",
    tiers: Int[np.ndarray, "nodes"] | None = None,
) -> PcResult:
    """Learn the equivalence class of a causal graph: skeleton, colliders, Meek's rules.

    Args:
        data: samples, shape (rows, nodes); not needed with a correlation matrix or an own test.
        alpha: level of each test of independence.
        test: "fisherz", or any function (x, y, set) -> p-value, such as `DSeparationOracle(dag)`.
        correlation: instead of data, shape (nodes, nodes), with `n_samples`.
        n_samples: number of independent samples behind `correlation`.
        n_nodes: with an own test that has no attribute `n_nodes`, and no data.
        max_depth: largest conditioning set to try; None tries all.
        conflict: "priority", "overwrite" or "bidirect", see `orient_colliders`.
        rule: when a triple is a collider. "sepset": its middle is not in the set that separated
            its ends; "conservative": the middle is in none of the separating subsets of the
            neighbours of either end, and the triple stays ambiguous if it is in some of them;
            "majority": it is in fewer than half of them (ambiguous at half).
        tiers: time of every node, earlier is smaller: edges between times point forward.

    Returns:
        The graph ([i, j] true means i -> j, both ways i - j), the skeleton, and a count of
        contradictions among colliders.

    Raises:
        TypeError: if it is not clear what to test.
        ValueError: for unusable data, options or levels.

    Source: Spirtes, Glymour & Scheines (2000); Colombo & Maathuis (2014).
    """
    as_choice(rule, RULES, "rule")
    asked, n = _as_test(data, test, correlation, n_samples, n_nodes)
    found = skeleton(test=asked, n_nodes=n, alpha=alpha, max_depth=max_depth)
    sepsets, ambiguous = found.sepsets, ()
    if rule != "sepset":
        sepsets, ambiguous = _vote(found, asked, alpha, rule, max_depth)
    pattern = orient_colliders(
        found.adjacency, sepsets, conflict=conflict, tiers=tiers, ambiguous=ambiguous
    )
    done: Oriented = meek(
        pattern.graph, background=tiers is not None, bidirected=pattern.bidirected
    )
    return PcResult(
        graph=done.graph,
        skeleton=found,
        conflicts=pattern.conflicts + done.conflicts,
        bidirected=pattern.bidirected,
        refused=pattern.refused,
        ambiguous=ambiguous,
        steps=pattern.steps + done.steps,
    )


def _vote(
    found: Skeleton, test: Test, alpha: float, rule: str, max_depth: int | None
) -> tuple[dict[tuple[int, int], tuple[int, ...]], tuple[tuple[int, int, int], ...]]:
    """Ask all subsets of the neighbours, not only the first separating one, about each triple.

    Returns:
        Separating sets that hold exactly the middles that are no colliders, and the triples
        (x, y, z), x < z, that stay ambiguous.
    """
    sets = {pair: set(given) for pair, given in found.sepsets.items()}
    ambiguous = []
    votes: dict[tuple[int, int], list[tuple[int, ...]]] = {}
    for x, y, z in unshielded_triples(found.adjacency):
        if (x, z) not in votes:
            votes[x, z] = _separating_subsets(found.adjacency, x, z, test, alpha, max_depth)
        separating = votes[x, z] or [found.sepsets[x, z]]
        share = sum(y in given for given in separating) / len(separating)
        no_collider = share == 1 if rule == "conservative" else share > 0.5
        collider = share == 0 if rule == "conservative" else share < 0.5
        if no_collider:
            sets[x, z].add(y)
        else:
            sets[x, z].discard(y)
        if not (collider or no_collider):
            ambiguous.append((x, y, z))
    return {pair: tuple(sorted(given)) for pair, given in sets.items()}, tuple(ambiguous)


def _separating_subsets(
    adjacent: Bool[np.ndarray, "nodes nodes"],
    x: int,
    z: int,
    test: Test,
    alpha: float,
    max_depth: int | None,
) -> list[tuple[int, ...]]:
    """All subsets of the neighbours of x, or of z, given which x and z are independent."""
    tried: set[tuple[int, ...]] = set()
    for end, other in ((x, z), (z, x)):
        near = [node for node in np.flatnonzero(adjacent[end]).tolist() if node != other]
        deepest = len(near) if max_depth is None else min(max_depth, len(near))
        tried |= {s for size in range(deepest + 1) for s in combinations(near, size)}
    return [given for given in sorted(tried) if test(x, z, given) > alpha]
