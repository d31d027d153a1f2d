"""The checkers of the exercises: right answers pass, typical mistakes are named."""

from itertools import combinations

import numpy as np

from neurotutor.connectomes import causal_connectome as cc
from neurotutor.teaching.exercises import causal_connectome as exercises
from tests.harness import assert_checker


def test_same_class():
    def skeletons(a, b):
        return ((a | a.T) == (b | b.T)).all()

    def all_colliders(dag):
        return {
            (i, k, j)
            for k in range(len(dag))
            for i, j in combinations(np.flatnonzero(dag[:, k]), 2)
        }

    def by_structure(a, b):
        return skeletons(a, b) and cc.v_structures(a) == cc.v_structures(b)

    assert_checker(
        exercises.same_class,
        accept=[by_structure, lambda a, b: bool((cc.cpdag(a) == cc.cpdag(b)).all())],
        reject={
            "equal": (lambda a, b: (a == b).all(), "whether the graphs are equal"),
            "skeleton": (skeletons, "skeletons are not enough"),
            "shielded": (
                lambda a, b: skeletons(a, b) and all_colliders(a) == all_colliders(b),
                "parents are joined",
            ),
            "always": (lambda a, b: True, "the answer is False"),
            "nothing": (lambda a, b: None, "return"),
        },
    )


def all_sets(dag, x, y, smallest=0):
    others = [node for node in range(len(dag)) if node not in (x, y)]
    return [
        frozenset(given)
        for size in range(smallest, len(others) + 1)
        for given in combinations(others, size)
        if cc.d_separated(dag, x, y, given)
    ]


def minimal(sets):
    return [each for each in sets if not any(other < each for other in sets)]


def test_minimal_separating_sets():
    def growing(dag, x, y):
        found = []
        for given in all_sets(dag, x, y):
            if not any(known <= given for known in found):
                found.append(given)
        return found

    assert_checker(
        exercises.minimal_separating_sets,
        accept=[lambda dag, x, y: minimal(all_sets(dag, x, y)), growing],
        reject={
            "all sets": (all_sets, "leave out those"),
            "no empty set": (lambda d, x, y: minimal(all_sets(d, x, y, 1)), "empty set"),
            "the first": (lambda d, x, y: minimal(all_sets(d, x, y))[:1], "stop at the first"),
            "neighbours": (
                lambda d, x, y: minimal(all_sets(d, x, y)) or [frozenset()], "cannot be separated"
            ),
            "nothing": (lambda d, x, y: None, "return"),
        },
    )


def test_moral_twins():
    married = cc.graph_of(3, (0, 2), (1, 2))
    full = cc.graph_of(3, (0, 1), (0, 2), (1, 2))
    assert_checker(
        exercises.moral_twins,
        accept=[lambda: (married, full), (full, cc.graph_of(3, (0, 1), (2, 1)).astype(int))],
        reject={
            "one class": ((cc.CHAIN, cc.FORK), "one equivalence class"),
            "other moral graph": ((cc.CHAIN, married), "moral graphs differ"),
            "one graph": (married, "two matrices"),
            "cycle": ((full, full | full.T), "no directed acyclic graph"),
            "sizes": ((full, cc.graph_of(2, (0, 1))), "same nodes"),
        },
    )


def mean_distances(dags, samples, alphas, target=cc.cpdag):
    return [
        np.mean([
            cc.structural_hamming_distance(cc.pc(x, alpha).graph, target(dag))
            for dag, x in zip(dags, samples, strict=True)
        ])
        for alpha in alphas
    ]


def test_best_alpha():
    def best(dags, samples, alphas):
        return alphas[int(np.argmin(mean_distances(dags, samples, alphas)))]

    assert_checker(
        exercises.best_alpha,
        accept=[
            best,
            lambda d, s, a: min(a, key=lambda alpha: mean_distances(d, s, [alpha])[0]),
        ],
        reject={
            "worst": (
                lambda d, s, a: a[int(np.argmax(mean_distances(d, s, a)))], "largest distance"
            ),
            "index": (lambda d, s, a: int(np.argmin(mean_distances(d, s, a))), "not its index"),
            "distances": (mean_distances, "one alpha"),
            "nothing": (lambda d, s, a: None, "return"),
        },
    )


def test_possible_effects():
    def by_member(data, graph, cause, effect):
        return [cc.causal_effect(data, m, cause, effect) for m in cc.equivalence_class(graph)]

    def by_hand(data, graph, cause, effect):
        found = []
        for member in cc.equivalence_class(graph):
            parents = np.flatnonzero(member[:, cause]).tolist()
            known = effect in parents
            found.append(0 if known else cc.regression_slope(data, effect, cause, parents))
        return np.array(found)

    def plain(data, graph, cause, effect):
        return [cc.regression_slope(data, effect, cause)] * len(cc.equivalence_class(graph))

    def no_zeros(data, graph, cause, effect):
        return [value for value in by_member(data, graph, cause, effect) if value]

    assert_checker(
        exercises.possible_effects,
        accept=[by_member, by_hand],
        reject={
            "plain slope": (plain, "plain regression slope"),
            "one member": (lambda *q: by_member(*q)[:1], "one effect for each"),
            "no zeros": (no_zeros, "count a 0"),
            "each value once": (lambda *q: np.unique(np.round(by_member(*q), 9)),
                                "one effect for each|count once"),
            "nothing": (lambda *q: None, "return"),
        },
    )
