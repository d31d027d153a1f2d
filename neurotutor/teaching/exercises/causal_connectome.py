"""Checkers of the exercises of the chapter *Associative and causal connectomes*.

Entry [i, j] of every matrix true means i -> j.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from neurotutor.connectomes import causal_connectome as cc
from neurotutor.teaching.exercise import Hint, call, call_array


def same_class(answer: Any) -> str:
    """Check a function (first, second) -> whether two DAGs imply the same independences."""
    chain, fork, collider = cc.CHAIN, cc.FORK, cc.COLLIDER
    back = cc.graph_of(3, (2, 1), (1, 0))
    middle = cc.graph_of(3, (0, 1), (2, 1))
    shielded = cc.graph_of(3, (1, 0), (2, 0), (2, 1))
    full = cc.graph_of(3, (0, 1), (0, 2), (1, 2))
    cases = [
        (chain, fork, True), (chain, back, True), (chain, middle, False), (collider, middle, False),
        (shielded, full, True), (chain, chain, True), (chain, full, False),
        (cc.graph_of(4, (0, 2), (1, 2), (2, 3)), cc.graph_of(4, (0, 2), (1, 2), (3, 2)), False),
    ]
    found = [bool(call(answer, first, second)) for first, second, _ in cases]
    right = [expected for *_, expected in cases]
    if found == right:
        return "Same edges, same colliders whose parents are not joined: that is all that matters."
    if found == [(first == second).all() for first, second, _ in cases]:
        raise Hint("You ask whether the graphs are equal. Different graphs can be in one class.")
    if found == [((a | a.T) == (b | b.T)).all() for a, b, _ in cases]:
        raise Hint("Equal skeletons are not enough: compare the colliders, too.")

    def all_colliders(dag: np.ndarray) -> set:
        pairs = combinations(range(len(dag)), 2)
        return {(i, k, j) for i, j in pairs for k in range(len(dag)) if dag[i, k] and dag[j, k]}

    shielded_too = [
        ((a | a.T) == (b | b.T)).all() and all_colliders(a) == all_colliders(b)
        for a, b, _ in cases
    ]
    if found == shielded_too:
        raise Hint("You count colliders whose parents are joined, too. Those leave no trace in the "
                   "independences.")
    wrong = next(number for number, pair in enumerate(zip(found, right, strict=True))
                 if pair[0] != pair[1])
    first, second, expected = cases[wrong]
    raise Hint(f"For the arrows {np.argwhere(first).tolist()} and {np.argwhere(second).tolist()} "
               f"(from 0) the answer is {expected}.")


def minimal_separating_sets(answer: Any) -> str:
    """Check a function (dag, x, y) -> all separating sets of which no proper subset separates."""
    diamond = cc.graph_of(4, (0, 1), (0, 2), (1, 3), (2, 3))
    long_chain = cc.graph_of(4, (0, 1), (1, 2), (2, 3))
    cases = [(diamond, 0, 3), (long_chain, 0, 3), (cc.COLLIDER, 0, 1), (cc.CHAIN, 0, 1)]
    right = []
    for dag, x, y in cases:
        others = [node for node in range(len(dag)) if node not in (x, y)]
        sets = [
            frozenset(each)
            for size in range(len(others) + 1)
            for each in combinations(others, size)
            if cc.d_separated(dag, x, y, each)
        ]
        right.append((sets, {each for each in sets if not any(other < each for other in sets)}))
    found = [{frozenset(each) for each in call(answer, *case)} for case in cases]
    if found == [minimal for _, minimal in right]:
        return "The chain has two sets of one node, the collider the empty set, neighbours none."
    if found == [set(sets) for sets, _ in right]:
        raise Hint("You list all separating sets. Leave out those that contain a smaller one.")
    if found[2] != right[2][1] and frozenset() not in found[2]:
        raise Hint("The two causes of a collider are separated by the empty set: start at size 0.")
    smallest = [
        {each for each in sets if len(each) == min(map(len, sets))} for sets, _ in right if sets
    ]
    if found[3]:
        raise Hint("Nodes that are joined by an edge cannot be separated: the list must be empty.")
    if found[1] != right[1][1] and found[1] < right[1][1] and found[0] == smallest[0]:
        raise Hint("You stop at the first set. A chain of four nodes has two minimal ones.")
    wrong = next(k for k in range(len(cases)) if found[k] != right[k][1])
    dag, x, y = cases[wrong]
    expected = sorted(sorted(each) for each in right[wrong][1])
    raise Hint(f"For the arrows {np.argwhere(dag).tolist()} (from 0), nodes {x} and {y}, the "
               f"minimal sets are {expected}.")


def moral_twins(answer: Any) -> str:
    """Check two DAGs with the same moral graph and different equivalence classes."""
    if callable(answer):
        answer = call(answer)
    try:
        first, second = (np.asarray(each) for each in answer)
    except (TypeError, ValueError) as error:
        raise Hint("Return two matrices, one for each graph.") from error
    try:
        twins = [cc.moral_graph(each) for each in (first, second)]
    except ValueError as error:
        raise Hint(f"One of them is no directed acyclic graph: {error}.") from error
    if twins[0].shape != twins[1].shape:
        raise Hint("The two graphs must have the same nodes.")
    if (twins[0] != twins[1]).any():
        raise Hint("Their moral graphs differ: join the parents of every common child and compare.")
    if (cc.cpdag(first) == cc.cpdag(second)).all():
        raise Hint("They are in one equivalence class, so nothing can tell them apart. One of them "
                   "needs a collider that the other does not have.")
    return "Partial correlations join the same pairs in both; PC tells them apart."


def best_alpha(answer: Any) -> str:
    """Check a function (truth, samples, alphas) -> alpha of the smallest mean distance of PC."""
    rng = np.random.default_rng(5)
    dags = [cc.random_dag(6, 0.4, rng) for _ in range(6)]
    samples = [cc.simulate_linear(cc.random_weights(dag, rng), 200, rng) for dag in dags]
    alphas = [1e-12, 0.01, 0.3, 0.9]
    distance = np.array([
        [cc.structural_hamming_distance(cc.pc(x, alpha).graph, cc.cpdag(dag)) for alpha in alphas]
        for dag, x in zip(dags, samples, strict=True)
    ])
    mean = distance.mean(axis=0)
    found = call(answer, dags, samples, alphas)
    if np.ndim(found) != 0:
        raise Hint("Return one alpha, not a list.")
    if float(found) not in alphas:
        raise Hint(f"Return one of the alphas {alphas}, not its index or its distance: "
                   f"{found} came.")
    if float(found) == alphas[int(mean.argmin())]:
        return "You could do this because you knew the truth. With recordings you do not."
    if float(found) == alphas[int(mean.argmax())]:
        raise Hint("That alpha has the largest distance. You want the smallest.")
    raw = np.mean([
        [cc.structural_hamming_distance(cc.pc(x, alpha).graph, dag) for alpha in alphas]
        for dag, x in zip(dags, samples, strict=True)
    ], axis=0)
    if float(found) == alphas[int(raw.argmin())]:
        raise Hint("You compare with the graph itself. PC can return its class at best: compare "
                   "with the CPDAG of the truth.")
    raise Hint(f"The mean distances are {mean.round(2).tolist()} for the alphas {alphas}.")


def possible_effects(answer: Any) -> str:
    """Check a function (data, graph, cause, effect) -> effect of a push in each class member."""
    rng = np.random.default_rng(3)
    weights = np.diag([0.8, 0.9, 0.7], 1)
    data = cc.simulate_linear(weights, 400, rng)
    graph = cc.cpdag(weights != 0)
    members = cc.equivalence_class(graph)
    right = np.sort([cc.causal_effect(data, member, 1, 2) for member in members])
    found = np.sort(np.atleast_1d(call_array(answer, data, graph, 1, 2)))
    if found.shape == right.shape and np.allclose(found, right, atol=1e-8):
        return "A list, not a number: what the data leave open, the list leaves open."
    slope = cc.regression_slope(data, 2, 1)
    if len(found) == len(right) and np.allclose(found, slope):
        raise Hint("Every number is the plain regression slope. Adjust for the parents that the "
                   "cause has in each member.")
    if len(found) == 1:
        raise Hint(f"One number came, and the class has {len(members)} members: return one effect "
                   "for each.")
    zeros = int((right == 0).sum())
    if len(found) == len(right) - zeros:
        raise Hint("You left out the members in which the effect is a parent of the cause. Pushing "
                   "a child does nothing to its parent: count a 0 for each.")
    distinct, theirs = np.unique(right.round(6)), np.unique(found.round(6))
    if theirs.shape == distinct.shape and np.allclose(theirs, distinct, atol=2e-6):
        raise Hint("The values are right, but each member of the class should count once.")
    raise Hint(f"The effects over the {len(members)} members are {right.round(3).tolist()}.")
