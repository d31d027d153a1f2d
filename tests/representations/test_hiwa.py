"""What must be true of HiWA: equations, acceptance checks, planted bugs, bad input."""

import warnings
from functools import lru_cache

import numpy as np
import ot
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from benchmarks.hiwa import literal, plain_sinkhorn
from neurotutor.data.low_rank_gaussians import simulate
from neurotutor.representations import hiwa
from neurotutor.representations.hiwa import metrics, preprocess, solver, transport
from tests.harness import oracle, planted, relative_error

quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def uniform(n):
    return np.full(n, 1 / n)


def random_orthogonal(rng, dim, count=None):
    shape = (dim, dim) if count is None else (count, dim, dim)
    return hiwa.polar(rng.standard_normal(shape))


def random_plan(rng, n, m):
    return hiwa.sinkhorn(rng.random((n, m)), uniform(n), uniform(m), 0.3)


def fit(problem, config, rotation0=None, **changes):
    sets = {
        "source": problem.source,
        "source_labels": problem.source_labels,
        "target": problem.target,
        "target_labels": problem.target_labels,
        **changes,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return hiwa.HiWA(config).fit(*sets.values(), rotation0=rotation0)


# --- every numbered equation, transcribed with loops -----------------------------------------


def slow_objective(p, c, epsilon):
    total = 0.0
    for i in range(p.shape[0]):
        for j in range(p.shape[1]):
            total += p[i, j] * c[i, j]
            if p[i, j] > 0:
                total += epsilon * p[i, j] * np.log(p[i, j])
    return total


@oracle("eq-hiwa-objective")
def test_equation_objective():
    rng = np.random.default_rng(0)
    p, c = random_plan(rng, 4, 3), rng.random((4, 3))
    assert relative_error(hiwa.objective(p, c, 0.2), slow_objective(p, c, 0.2)) < 1e-12
    assert relative_error(hiwa.objective(p, c), slow_objective(p, c, 0.0)) < 1e-12


@oracle("eq-hiwa-pair-cost")
def test_equation_pair_cost():
    rng = np.random.default_rng(1)
    x, y, r = rng.standard_normal((5, 3)), rng.standard_normal((7, 3)), random_orthogonal(rng, 3)
    q = random_plan(rng, 5, 7)
    c = np.zeros((5, 7))
    for k in range(5):
        for l in range(7):  # noqa: E741 - the letter of the equation
            difference = r @ x[k] - y[l]
            c[k, l] = sum(d * d for d in difference)
    assert relative_error(hiwa.pair_cost(x, y, r, q, 0.4), slow_objective(q, c, 0.4)) < 1e-12


@oracle("eq-hiwa-sinkhorn")
def test_equation_sinkhorn():
    rng = np.random.default_rng(2)
    c, p, q = 3 * rng.random((6, 9)), rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(9))
    kernel = [[np.exp(-c[k, j] / 0.1) for j in range(9)] for k in range(6)]
    u, v = [0.0] * 6, [1 / 9] * 9
    for _ in range(17):
        for k in range(6):
            u[k] = p[k] / sum(kernel[k][j] * v[j] for j in range(9))
        for j in range(9):
            v[j] = q[j] / sum(kernel[k][j] * u[k] for k in range(6))
    slow = [[u[k] * kernel[k][j] * v[j] for j in range(9)] for k in range(6)]
    for log_domain in (None, True):
        fast = hiwa.sinkhorn(c, p, q, 0.1, max_iter=17, tol=0, log_domain=log_domain)
        assert relative_error(fast, slow) < 1e-12


@oracle("eq-hiwa-polar")
def test_equation_polar():
    """The polar factor by Newton's iteration, which knows no singular values."""
    matrix = np.random.default_rng(3).standard_normal((5, 5))
    slow = matrix
    for _ in range(60):
        slow = (slow + np.linalg.inv(slow).T) / 2
    assert relative_error(hiwa.polar(matrix), slow) < 1e-12


def slow_pairs(xs, ys, weights, pulls, config):
    """Step 2, one pair after the other, with the plan and the cost written out."""
    own = np.zeros_like(pulls)
    costs = np.zeros(weights.shape)
    for i, x in enumerate(xs):
        for j, y in enumerate(ys):
            plan = np.full((len(x), len(y)), 1 / (len(x) * len(y)))
            previous = None
            for _ in range(config.inner_iter):
                moment = np.zeros_like(pulls[i, j])
                for k in range(len(x)):
                    for m in range(len(y)):
                        moment += plan[k, m] * np.outer(y[m], x[k])
                left, _, right = np.linalg.svd(2 * weights[i, j] * moment + pulls[i, j])
                rotation = left @ right
                cost = np.array([[((rotation @ a - b) ** 2).sum() for b in y] for a in x])
                plan = plain_sinkhorn(
                    cost,
                    uniform(len(x)),
                    uniform(len(y)),
                    config.point_entropy / weights[i, j],
                    config.point_sinkhorn_iter,
                )
                if previous is not None:
                    change = np.linalg.svd(rotation - previous, compute_uv=False)[0]
                    if change <= config.inner_tol:
                        break
                previous = rotation
            own[i, j], costs[i, j] = rotation, (plan * cost).sum()
    return own, costs


def pair_problem(seed=4, sizes=((4, 6, 5), (7, 3))):
    rng = np.random.default_rng(seed)
    clusters = []
    for side in sizes:
        points = rng.standard_normal((sum(side), 3)) * [2, 1, 0.5]
        index = np.repeat(np.arange(len(side)), side)
        order = rng.permutation(len(points))
        clusters.append((points[order], index[order]))
    groups = [preprocess.Clusters.of(points, np.unique(index), index) for points, index in clusters]
    lists = [[points[index == k] for k in np.unique(index)] for points, index in clusters]
    weights = rng.dirichlet(np.ones(6)).reshape(3, 2)
    pulls = 0.01 * rng.standard_normal((3, 2, 3, 3))
    return groups, lists, weights, pulls


def check_pairs(module, config):
    groups, lists, weights, pulls = pair_problem()
    own, costs, _ = module.align_pairs(*groups, weights, pulls, config)
    slow_own, slow_costs = slow_pairs(*lists, weights, pulls, config)
    assert relative_error(own, slow_own) < 1e-9
    assert relative_error(costs, slow_costs) < 1e-9


@oracle("eq-hiwa-pair-step")
def test_equation_pair_step():
    """Unequal clusters, a = 3 against b = 2: padding and orientation are checked with it."""
    check_pairs(solver, hiwa.HiwaConfig(sinkhorn_tol=0.0))


def check_consensus(module):
    rng = np.random.default_rng(5)
    own = random_orthogonal(rng, 4, 6).reshape(3, 2, 4, 4)
    duals = 0.1 * rng.standard_normal((3, 2, 4, 4))
    total = np.zeros((4, 4))
    for i in range(3):
        for j in range(2):
            total += (own[i, j] + duals[i, j]) / 6
    left, _, right = np.linalg.svd(total)
    agreed, new = module.consensus(own, duals)
    assert relative_error(agreed, left @ right) < 1e-12
    for i in range(3):
        for j in range(2):
            assert relative_error(new[i, j], duals[i, j] + own[i, j] - left @ right) < 1e-12
    pulls = module.anchors(agreed, duals, 0.02)
    assert relative_error(pulls[2, 1], 0.02 / 4 * (left @ right - duals[2, 1])) < 1e-12


@oracle("eq-hiwa-consensus")
def test_equation_consensus():
    check_consensus(solver)


@oracle("eq-hiwa-whiten")
def test_equation_whiten():
    rng = np.random.default_rng(6)
    points = rng.standard_normal((40, 3)) @ rng.standard_normal((3, 3)) + 5
    mean = [sum(column) / 40 for column in points.T]
    covariance = np.zeros((3, 3))
    for x in points:
        covariance += np.outer(x - mean, x - mean) / 39
    root = np.eye(3)  # Newton's square root of the covariance, then inverted
    inverse = np.eye(3)
    current = covariance.copy()
    for _ in range(40):
        current, inverse = (
            (current + np.linalg.inv(inverse)) / 2,
            (inverse + np.linalg.inv(current)) / 2,
        )
    root = np.linalg.inv(current)
    slow = np.array([root @ (x - mean) for x in points])
    white = hiwa.whiten(points)
    assert relative_error(white, slow) < 1e-9
    assert relative_error(np.cov(white, rowvar=False), np.eye(3)) < 1e-9


@oracle("eq-hiwa-low-rank-map")
def test_equation_low_rank_map():
    """The map by the normal equations, its action point by point."""
    rng = np.random.default_rng(7)
    points, embedding = rng.standard_normal((30, 4)), rng.standard_normal((30, 2))
    gram = sum(np.outer(x, x) for x in points)
    slow_map = np.linalg.inv(gram) @ sum(
        np.outer(x, z) for x, z in zip(points, embedding, strict=True)
    )
    fast_map = hiwa.embedding_map(points, embedding)
    assert relative_error(fast_map, slow_map) < 1e-9
    slow = np.array([slow_map @ slow_map.T @ x for x in points])
    assert relative_error(hiwa.apply_map(points, fast_map), slow) < 1e-9


def check_alignment_error(module):
    rng = np.random.default_rng(8)
    r, truth, x = random_orthogonal(rng, 4), random_orthogonal(rng, 4), rng.random((9, 4))
    above = sum(((truth @ point - r @ point) ** 2).sum() for point in x)
    below = sum(((truth @ point) ** 2).sum() for point in x)
    assert relative_error(module.alignment_error(r, truth, x), above / below) < 1e-12


@oracle("eq-hiwa-rmse")
def test_equation_alignment_error():
    check_alignment_error(metrics)


@oracle("eq-hiwa-correspondence-error")
def test_equation_correspondence_error():
    p = random_plan(np.random.default_rng(9), 5, 5)
    slow = sum(abs(p[i, j] - (0.2 if i == j else 0)) for i in range(5) for j in range(5))
    assert relative_error(hiwa.correspondence_error(p), slow) < 1e-12
    assert hiwa.correspondence_error(np.eye(5) / 5) == 0


@oracle("eq-hiwa-margin")
def test_equation_margin():
    c = np.random.default_rng(10).random((5, 5))
    slow = min(
        c[i, j] + c[j, i] - (c[i, i] + c[j, j]) for i in range(5) for j in range(5) if i != j
    )
    assert relative_error(hiwa.correspondence_margin(c), slow) < 1e-12


@oracle("eq-hiwa-gaussian")
def test_equation_gaussian():
    """Eigenvalues as roots of the characteristic polynomial; and every pairing is no cheaper."""
    rng = np.random.default_rng(11)
    a, b = (m @ m.T for m in rng.standard_normal((2, 3, 3)))
    first, second = (np.sort(np.roots(np.poly(m)).real) for m in (a, b))
    slow = sum((np.sqrt(s) - np.sqrt(t)) ** 2 for s, t in zip(first, second, strict=True))
    assert relative_error(hiwa.gaussian_distance(a, b), slow) < 1e-9
    crossed = sum((np.sqrt(s) - np.sqrt(t)) ** 2 for s, t in zip(first, second[::-1], strict=True))
    assert hiwa.gaussian_distance(a, b) < crossed


# --- Sinkhorn ----------------------------------------------------------------------------------


@quick
@given(
    n=st.integers(1, 12),
    m=st.integers(1, 12),
    seed=st.integers(0, 10**6),
    epsilon=st.floats(0.05, 100.0),
)
def test_sinkhorn_meets_its_marginals(n, m, seed, epsilon):
    rng = np.random.default_rng(seed)
    cost, a, b = rng.random((n, m)), rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    plan = hiwa.sinkhorn(cost, a, b, epsilon, max_iter=20_000)
    assert (plan >= 0).all()
    np.testing.assert_allclose(plan.sum(1), a, atol=1e-8)
    np.testing.assert_allclose(plan.sum(0), b, atol=1e-12)


@pytest.mark.parametrize("epsilon", [0.02, 0.1, 1.0])
def test_sinkhorn_equals_pot(epsilon):
    rng = np.random.default_rng(0)
    cost, a, b = rng.random((20, 30)), rng.dirichlet(np.ones(20)), rng.dirichlet(np.ones(30))
    peer = ot.sinkhorn(a, b, cost, epsilon, method="sinkhorn_log", numItermax=20_000, stopThr=1e-13)
    ours = hiwa.sinkhorn(cost, a, b, epsilon, max_iter=20_000, tol=1e-12)
    assert np.abs(ours - peer).max() < 1e-7
    logs = hiwa.sinkhorn(cost, a, b, epsilon, max_iter=20_000, tol=1e-12, log_domain=True)
    assert np.abs(logs - peer).max() < 1e-7


def test_sinkhorn_approaches_exact_transport_from_above():
    rng = np.random.default_rng(1)
    cost = ot.dist(rng.random((15, 2)), rng.random((15, 2)))
    exact = ot.emd2(uniform(15), uniform(15), cost)
    costs = []
    for epsilon in (0.3, 0.03, 0.005):
        plan = hiwa.sinkhorn(cost, uniform(15), uniform(15), epsilon, max_iter=20_000, tol=1e-4)
        costs.append((plan * cost).sum())
    assert costs[0] > costs[1] > costs[2] > exact - 1e-6
    assert costs[2] - exact < 0.05 * exact


def test_infinite_entropy_gives_the_independent_coupling():
    rng = np.random.default_rng(2)
    a, b = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(6))
    for epsilon, tolerance in ((np.inf, 1e-15), (1e9, 1e-9)):
        plan = hiwa.sinkhorn(rng.random((4, 6)), a, b, epsilon)
        np.testing.assert_allclose(plan, np.outer(a, b), atol=tolerance)


def test_batched_sinkhorn_equals_one_by_one():
    rng = np.random.default_rng(3)
    cost, epsilon = rng.random((2, 3, 5, 4)), 0.1 + rng.random((2, 3))
    a = rng.dirichlet(np.ones(5), size=(2, 3))
    plans = hiwa.sinkhorn(cost, a, uniform(4), epsilon, max_iter=300, tol=0)
    for i in range(2):
        for j in range(3):
            one = hiwa.sinkhorn(cost[i, j], a[i, j], uniform(4), epsilon[i, j], max_iter=300, tol=0)
            np.testing.assert_allclose(plans[i, j], one, atol=1e-14)


def test_sinkhorn_falls_back_to_logarithms_for_the_problems_that_need_it():
    rng = np.random.default_rng(4)
    cost = ot.dist(rng.random((10, 2)), rng.random((10, 2)))
    scaled = np.stack([cost, 2000 * cost])
    plans = hiwa.sinkhorn(scaled, uniform(10), uniform(10), np.array([0.5, 100.0]), max_iter=10_000)
    peer = ot.sinkhorn(
        uniform(10),
        uniform(10),
        2000 * cost,
        100.0,
        method="sinkhorn_log",
        numItermax=20_000,
        stopThr=1e-13,
    )
    np.testing.assert_allclose(plans[1], peer, atol=1e-7)
    with pytest.raises(ValueError, match="underflows"):
        hiwa.sinkhorn(2e6 * cost + 2e6, uniform(10), uniform(10), 1.0, log_domain=False)
    sharp = hiwa.sinkhorn(1000 * cost, uniform(10), uniform(10), 1.0, max_iter=5000, tol=1e-3)
    exact = ot.emd(uniform(10), uniform(10), cost)
    assert np.abs(sharp - exact).max() < 0.02


def test_points_without_mass_take_no_part():
    cost = np.random.default_rng(5).random((4, 3))
    a = np.array([0.5, 0.0, 0.3, 0.2])
    for log_domain in (False, True):
        plan = hiwa.sinkhorn(cost, a, uniform(3), 0.1, log_domain=log_domain)
        alone = hiwa.sinkhorn(cost[a > 0], a[a > 0], uniform(3), 0.1)
        assert (plan[1] == 0).all()
        np.testing.assert_allclose(plan[a > 0], alone, atol=1e-8)


def test_sinkhorn_in_single_precision():
    rng = np.random.default_rng(6)
    cost = rng.random((30, 30))
    single = hiwa.sinkhorn(cost.astype(np.float32), *[uniform(30).astype(np.float32)] * 2, 0.1)
    assert single.dtype == np.float32
    assert np.abs(single - hiwa.sinkhorn(cost, uniform(30), uniform(30), 0.1)).max() < 1e-5


def test_sinkhorn_warns_unless_converged():
    cost = np.random.default_rng(7).random((10, 10))
    for log_domain in (False, True):
        with pytest.warns(ConvergenceWarning, match="marginal error"):
            hiwa.sinkhorn(cost, uniform(10), uniform(10), 0.01, max_iter=5, log_domain=log_domain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hiwa.sinkhorn(cost, uniform(10), uniform(10), 0.01, max_iter=5, tol=0)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"cost": np.ones(3)}, ValueError, "cost must be"),
        ({"cost": np.full((3, 3), np.nan)}, ValueError, "cost must be finite"),
        ({"cost": np.zeros((0, 3))}, ValueError, "empty"),
        ({"cost": torch.ones(3, 3)}, TypeError, "detach"),
        ({"cost": np.full((3, 3), "x")}, TypeError, "real numbers"),
        ({"a": uniform(4)}, ValueError, "a must be"),
        ({"a": np.array([1.2, -0.1, -0.1])}, ValueError, "non-negative"),
        ({"b": 2 * uniform(3)}, ValueError, "same positive total"),
        ({"a": np.zeros(3), "b": np.zeros(3)}, ValueError, "positive total"),
        ({"epsilon": 0.0}, ValueError, "epsilon must be positive"),
        ({"epsilon": np.nan}, ValueError, "epsilon must be positive"),
        ({"epsilon": np.ones(2)}, ValueError, "epsilon must be a number"),
        ({"max_iter": 0}, ValueError, "max_iter"),
        ({"tol": -1.0}, ValueError, "tol"),
    ],
)
def test_sinkhorn_refuses(unchecked, changes, error, message):
    arguments = {
        "cost": np.ones((3, 3)),
        "a": uniform(3),
        "b": uniform(3),
        "epsilon": 0.1,
        **changes,
    }
    with pytest.raises(error, match=message):
        hiwa.sinkhorn(**arguments)


# --- polar -------------------------------------------------------------------------------------


@quick
@given(dim=st.integers(1, 8), seed=st.integers(0, 10**6))
def test_polar_is_orthogonal_and_optimal(dim, seed):
    rng = np.random.default_rng(seed)
    matrices = rng.standard_normal((3, dim, dim))
    rotations = hiwa.polar(matrices)
    identity = np.einsum("bij,bik->bjk", rotations, rotations)
    assert np.abs(identity - np.eye(dim)).max() < 1e-12
    best = np.einsum("bij,bij->b", rotations, matrices)
    others = random_orthogonal(rng, dim, 1000)
    assert (np.einsum("nij,bij->nb", others, matrices) <= best + 1e-9).all()


def test_polar_with_a_determinant_is_the_best_of_that_determinant():
    rng = np.random.default_rng(0)
    matrices = rng.standard_normal((20, 3, 3))
    others = random_orthogonal(rng, 3, 4000)
    for determinant in (1, -1):
        rotations = hiwa.polar(matrices, determinant)
        np.testing.assert_allclose(np.linalg.det(rotations), determinant)
        same = others[np.sign(np.linalg.det(others)) == determinant]
        best = np.einsum("bij,bij->b", rotations, matrices)
        assert (np.einsum("nij,bij->nb", same, matrices) <= best + 1e-9).all()


def test_polar_refuses(unchecked):
    with pytest.raises(ValueError, match="square"):
        hiwa.polar(np.ones((2, 3)))
    with pytest.raises(ValueError, match="finite"):
        hiwa.polar(np.full((2, 2), np.inf))
    with pytest.raises(TypeError, match="detach"):
        hiwa.polar(torch.eye(2))
    with pytest.raises(ValueError, match="determinant"):
        hiwa.polar(np.eye(2), 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hiwa.squared_distances(np.ones((2, 3)), np.ones((2, 2))), "dimensions"),
        (lambda: hiwa.entropy(np.array([0.5, -0.1])), "non-negative"),
        (lambda: hiwa.objective(np.ones((2, 2)), np.ones((2, 3))), "one shape"),
        (lambda: hiwa.pair_cost(np.ones(3), np.ones((2, 3)), np.eye(3), np.ones((3, 2))), "axes"),
        (lambda: hiwa.whiten(np.ones((2, 3))), "more points"),
        (lambda: hiwa.whiten(np.ones((9, 3))), "singular"),
        (lambda: hiwa.embedding_map(np.ones((4, 3)), np.ones((5, 2))), "one row per point"),
        (lambda: hiwa.apply_map(np.ones((4, 3)), np.ones((2, 2))), "basis"),
        (lambda: hiwa.random_rotation(0, 0), "dimension"),
        (lambda: hiwa.alignment_error(np.eye(2), np.eye(3), np.ones((4, 3))), "truth"),
        (lambda: hiwa.alignment_error(np.eye(3), np.eye(3), np.zeros((4, 3))), "zero"),
        (lambda: hiwa.correspondence_error(np.ones((2, 3))), "square"),
        (lambda: hiwa.correspondence_margin(np.ones((1, 1))), "at least 2"),
        (lambda: hiwa.best_assignment_is_identity(np.ones((9, 9))), "at most 8"),
        (lambda: hiwa.gaussian_distance(np.triu(np.ones((2, 2))), np.eye(2)), "symmetric"),
        (lambda: hiwa.gaussian_distance(-np.eye(2), np.eye(2)), "semi-definite"),
        (lambda: hiwa.gaussian_distance(np.eye(2), np.eye(3)), "one shape"),
        (
            lambda: hiwa.nearest_accuracy(np.ones((4, 2)), np.ones(3), np.ones((4, 2)), np.ones(4)),
            "one label per point",
        ),
        (
            lambda: hiwa.nearest_accuracy(
                np.ones((4, 2)), np.ones(4), np.ones((4, 2)), np.ones(4), k=5
            ),
            "k must be",
        ),
    ],
)
def test_small_doors_refuse(unchecked, call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- the solver --------------------------------------------------------------------------------

SMALL = hiwa.HiwaConfig(max_iter=6, tol=0.0)


@pytest.fixture(scope="module")
def problem():
    return simulate(4, 4, 2, 15, size_spread=0.4, seed=3)


@lru_cache
def literal_trajectory(iterations):
    problem = simulate(3, 4, 2, 8, seed=1)
    config = hiwa.HiwaConfig(max_iter=iterations, tol=0.0, sinkhorn_tol=0.0)
    return problem, literal(problem, hiwa.random_rotation(4, 5), config, plain_sinkhorn)


def check_trajectory(module, iterations=4):
    """Fixed iterations follow the literal implementation from the same first rotation."""
    problem, expected = literal_trajectory(iterations)
    config = module.HiwaConfig(max_iter=iterations, tol=0.0, sinkhorn_tol=0.0)
    sets = (problem.source, problem.source_labels, problem.target, problem.target_labels)
    model = module.HiWA(config).fit(*sets, rotation0=hiwa.random_rotation(4, 5))
    assert len(model.history_) == iterations
    assert np.abs(model.rotation_ - expected).max() < 1e-5
    return model


def test_fixed_iterations_follow_the_literal_trajectory():
    model = check_trajectory(solver, 60)
    again = check_trajectory(solver, 60)
    assert (model.history_.rotations == again.history_.rotations).all()
    assert (model.history_.correspondences == again.history_.correspondences).all()


def test_early_stopping_changes_little(problem):
    first = hiwa.random_rotation(4, 0)
    fixed = fit(problem, hiwa.HiwaConfig(max_iter=10, tol=0.0, sinkhorn_tol=0.0), first)
    early = fit(problem, hiwa.HiwaConfig(max_iter=10, tol=0.0), first)
    single = fit(
        problem,
        hiwa.HiwaConfig(max_iter=10, tol=0.0, sinkhorn_tol=1e-5, dtype="float32"),
        first,
    )
    assert np.abs(early.rotation_ - fixed.rotation_).max() < 1e-5
    assert np.abs(single.rotation_ - fixed.rotation_).max() < 1e-3


def test_working_in_pieces_changes_nothing(problem, monkeypatch):
    first = hiwa.random_rotation(4, 0)
    config = hiwa.HiwaConfig(max_iter=6, tol=0.0, sinkhorn_tol=0.0)
    whole = fit(problem, config, first)
    monkeypatch.setattr(solver, "CHUNK_BYTES", 1)
    pieces = fit(problem, config, first)
    assert np.abs(whole.rotation_ - pieces.rotation_).max() < 1e-9


def test_the_logarithmic_path_agrees(problem, monkeypatch):
    first = hiwa.random_rotation(4, 0)
    config = hiwa.HiwaConfig(max_iter=3, tol=0.0, sinkhorn_tol=0.0)
    plain = fit(problem, config, first)
    monkeypatch.setattr(
        solver, "SAFE_EXPONENT", {np.dtype(np.float64): -1.0, np.dtype(np.float32): -1.0}
    )
    logs = fit(problem, config, first)
    assert np.abs(plain.rotation_ - logs.rotation_).max() < 1e-9


def test_large_costs_do_not_underflow(problem):
    """Blown up a hundred times, every kernel would underflow without the logarithms."""
    model = fit(
        problem,
        hiwa.HiwaConfig(max_iter=2, tol=0.0),
        source=100 * problem.source,
        target=100 * problem.target,
    )
    assert np.isfinite(model.costs_).all()
    assert np.isfinite(model.rotation_).all()


def test_rotating_the_targets_rotates_the_result(problem):
    rng = np.random.default_rng(0)
    turn, first = random_orthogonal(rng, 4), hiwa.random_rotation(4, 1)
    plain = fit(problem, SMALL, first)
    turned = fit(problem, SMALL, turn @ first, target=problem.target @ turn.T)
    np.testing.assert_allclose(turned.rotation_, turn @ plain.rotation_, atol=1e-6)
    np.testing.assert_allclose(turned.correspondence_, plain.correspondence_, atol=1e-6)


def test_renaming_clusters_permutes_the_correspondence(problem):
    first = hiwa.random_rotation(4, 1)
    plain = fit(problem, SMALL, first)
    names = np.array(["d", "a", "c", "b"])
    renamed = fit(problem, SMALL, first, target_labels=names[problem.target_labels])
    np.testing.assert_allclose(renamed.rotation_, plain.rotation_, atol=1e-6)
    assert list(renamed.target_classes_) == ["a", "b", "c", "d"]
    np.testing.assert_allclose(
        renamed.correspondence_, plain.correspondence_[:, np.argsort(names)], atol=1e-6
    )


def test_the_order_of_points_does_not_matter(problem):
    first = hiwa.random_rotation(4, 1)
    order = np.random.default_rng(1).permutation(len(problem.source))
    plain = fit(problem, SMALL, first)
    mixed = fit(
        problem,
        SMALL,
        first,
        source=problem.source[order],
        source_labels=problem.source_labels[order],
    )
    np.testing.assert_allclose(mixed.rotation_, plain.rotation_, atol=1e-6)


def separated_clusters(seed):
    """Three anisotropic clusters in 3-D, far apart, and an exact rotated copy."""
    rng = np.random.default_rng(seed)
    centres = np.array([[6.0, 0, 0], [0, 4.0, 0], [0, 0, 2.5]])
    points = np.concatenate(
        [c + rng.standard_normal((30, 3)) * rng.permutation([1.0, 0.5, 0.2]) for c in centres]
    )
    labels = np.repeat([0, 1, 2], 30)
    rotation = random_orthogonal(rng, 3)
    return points, labels, rotation


@pytest.mark.parametrize("seed", [0, 1])
def test_recovers_an_exact_copy(seed):
    points, labels, truth = separated_clusters(seed)
    model = hiwa.HiWA(hiwa.HiwaConfig.tutorial(n_starts=10)).fit(
        points, labels, points @ truth.T, labels, seed=seed
    )
    assert hiwa.alignment_error(model.rotation_, truth, points) < 0.02
    assert (model.correspondence_.argmax(1) == [0, 1, 2]).all()
    assert len(model.starts_) == 10
    assert model.objective_ == min(history.objective[-1] for history in model.starts_)
    aligned = model.transform(points)
    assert relative_error(aligned, points @ model.rotation_.T) < 1e-12


def test_zero_mean_gaussians_cost_what_the_formula_says():
    rng = np.random.default_rng(3)
    roots = [np.diag([6.0, 3.0, 1.0]), np.diag([2.0, 1.0, 0.4])]
    x, y = (rng.standard_normal((800, 3)) @ root @ random_orthogonal(rng, 3) for root in roots)
    x, y = x - x.mean(0), y - y.mean(0)
    expected = hiwa.gaussian_distance(np.cov(x, rowvar=False), np.cov(y, rowvar=False))
    # The best rotation sends the axes of one onto the axes of the other, in order of length.
    axes = [np.linalg.eigh(np.cov(z, rowvar=False))[1] for z in (x, y)]
    rotation = axes[1] @ axes[0].T
    exact = ot.emd2([], [], hiwa.squared_distances(x @ rotation.T, y), numItermax=10**6)
    assert abs(exact - expected) < 0.05 * expected
    # One cluster on each side is the plain problem: its C_11, back in the points' own units.
    x, y, one = x[:300], y[:300], np.zeros(300, dtype=int)
    expected = hiwa.gaussian_distance(np.cov(x, rowvar=False), np.cov(y, rowvar=False))
    model = hiwa.HiWA(hiwa.HiwaConfig(max_iter=2, tol=0.0)).fit(x, one, y, one)
    assert abs(3 * model.costs_[0, 0] - expected) < 0.05 * expected


def test_more_source_clusters_than_target_clusters():
    rng = np.random.default_rng(4)
    points, labels, truth = separated_clusters(4)
    extra = np.concatenate([points, rng.standard_normal((20, 3)) - 5])
    model = fit(
        simulate(2, 3, 1, 5, seed=0),
        SMALL,
        source=extra,
        source_labels=np.concatenate([labels, np.full(20, 3)]),
        target=points @ truth.T,
        target_labels=labels,
    )
    assert model.correspondence_.shape == model.costs_.shape == (4, 3)
    np.testing.assert_allclose(model.correspondence_.sum(0), uniform(3), atol=1e-12)
    np.testing.assert_allclose(model.correspondence_.sum(1), uniform(4), atol=1e-6)


def test_a_cluster_of_one_point_works(problem):
    labels = problem.source_labels.copy()
    labels[0] = 9
    model = fit(problem, SMALL, source_labels=labels)
    assert model.correspondence_.shape == (5, 4)
    assert np.isfinite(model.rotation_).all()


def test_per_cluster_maps_project_each_cluster():
    noisy = simulate(3, 5, 2, 12, noise=0.3, seed=2)
    first = hiwa.random_rotation(5, 0)
    mapped = hiwa.HiWA(SMALL).fit(
        noisy.source,
        noisy.source_labels,
        noisy.target,
        noisy.target_labels,
        rotation0=first,
        source_map=noisy.bases_source,
        target_map=noisy.bases_target,
    )
    by_hand = [
        np.array([frames[k] @ frames[k].T @ x for x, k in zip(points, labels, strict=True)])
        for points, labels, frames in (
            (noisy.source, noisy.source_labels, noisy.bases_source),
            (noisy.target, noisy.target_labels, noisy.bases_target),
        )
    ]
    expected = fit(noisy, SMALL, first, source=by_hand[0], target=by_hand[1])
    np.testing.assert_allclose(mapped.rotation_, expected.rotation_, atol=1e-9)


def test_whitening_is_consistent_between_fit_and_transform():
    points, labels, truth = separated_clusters(5)
    target = 3 * points @ truth.T + [1.0, -2.0, 4.0]
    model = hiwa.HiWA(hiwa.HiwaConfig.tutorial(whiten=True, n_starts=4)).fit(
        points, labels, target, labels
    )
    # The same points were rotated and scaled, so they must meet in the whitened coordinates.
    gap = model.transform(points) - model.target_coordinates(target)
    assert (gap**2).mean() < 0.05


def test_proper_rotations_only(problem):
    for seed in range(4):
        model = fit(problem, hiwa.HiwaConfig(max_iter=8, tol=0.0, reflections=False))
        np.testing.assert_allclose(np.linalg.det(model.history_.rotations[1:]), 1)
        assert model.history_.rotations.shape[0] == 9, seed


def test_flips_are_seen():
    assert solver._flips([0.4, 2.0, 2.0, 2.0])
    assert not solver._flips([2.0, 2.0])
    assert not solver._flips([2.0, 2.0, 2.0, 1.9])


def plane_clusters():
    """Three flat clusters in a plane, far apart, and a turned draw of them."""
    rng = np.random.default_rng(0)
    centres = np.array([[2.6, 0.4], [-1.0, 2.0], [-0.8, -1.6]])
    sizes, tilts = ([0.9, 0.25], [0.5, 0.15], [0.35, 0.3]), np.deg2rad([20, 100, 0])
    truth = np.array([[-0.64, -0.77], [0.77, -0.64]]) / np.hypot(0.64, 0.77)
    sets = []
    for turn in (np.eye(2), truth):
        for centre, size, t in zip(centres, sizes, tilts, strict=True):
            tilt = np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
            sets.append((centre + rng.standard_normal((40, 2)) * size @ tilt) @ turn.T)
    labels = np.repeat([0, 1, 2], 40)
    return np.concatenate(sets[:3]), labels, np.concatenate(sets[3:]), labels, truth


def test_a_flipping_run_warns_and_a_stronger_penalty_settles_it():
    *sets, truth = plane_clusters()
    flipping = []
    for seed in range(8):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            model = hiwa.HiWA(hiwa.HiwaConfig.tutorial(max_iter=40)).fit(*sets, seed=seed)
        if model.history_.flips:
            flipping.append(seed)
            assert any("reflection pair" in str(each.message) for each in caught)
    assert flipping
    for seed in flipping:
        model = hiwa.HiWA(hiwa.HiwaConfig.tutorial(penalty=0.1)).fit(*sets, seed=seed)
        assert model.history_.converged
        assert hiwa.alignment_error(model.rotation_, truth, sets[0]) < 0.02


def test_stops_when_settled_but_not_before_the_sixth_iteration():
    points, labels, truth = separated_clusters(6)
    model = hiwa.HiWA().fit(points, labels, points @ truth.T, labels, rotation0=truth)
    assert model.history_.converged
    assert len(model.history_) == 6
    with pytest.warns(ConvergenceWarning, match="HiWA stopped after 2 iterations"):
        hiwa.HiWA(hiwa.HiwaConfig(max_iter=2)).fit(points, labels, points @ truth.T, labels)


def test_history_is_complete(problem):
    model = fit(problem, SMALL)
    history = model.history_
    assert history.rotations.shape == (7, 4, 4)
    assert (history.rotations[-1] == model.rotation_).all()
    np.testing.assert_allclose(history.correspondences[0], 1 / 16)
    steps = np.linalg.norm(np.diff(history.rotations, axis=0), axis=(1, 2))
    np.testing.assert_allclose(history.residual, steps)
    assert model.objective_ == hiwa.objective(model.correspondence_, model.costs_)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"target": np.ones((60, 3))}, ValueError, "same number of dimensions"),
        ({"source": np.ones(60)}, ValueError, "2 axes"),
        ({"source": np.zeros((0, 4))}, ValueError, "empty"),
        ({"source": np.full((60, 4), np.nan)}, ValueError, "finite"),
        ({"source": torch.ones(60, 4)}, TypeError, "detach"),
        ({"source_labels": np.zeros(7)}, ValueError, "one label per point"),
        ({"target_labels": np.full(60, np.nan)}, ValueError, "NaN"),
        ({"rotation0": np.eye(3)}, ValueError, "rotation0 must be"),
        ({"rotation0": 2 * np.eye(4)}, ValueError, "orthogonal"),
        ({"source_map": np.ones((3, 2))}, ValueError, "source_map must be"),
        ({"target_map": np.ones((2, 4, 2))}, ValueError, "target_map must be"),
    ],
)
def test_fit_refuses(unchecked, changes, error, message):
    even = simulate(4, 4, 2, 15, seed=3)
    sets = {
        "source": even.source,
        "source_labels": even.source_labels,
        "target": even.target,
        "target_labels": even.target_labels,
        **changes,
    }
    with pytest.raises(error, match=message):
        hiwa.HiWA(SMALL).fit(**sets)


def test_transform_refuses(unchecked, problem):
    with pytest.raises(ValueError, match="not fitted"):
        hiwa.HiWA().transform(problem.source)
    with pytest.raises(ValueError, match="not fitted"):
        hiwa.HiWA().target_coordinates(problem.source)
    with pytest.raises(ValueError, match="dimensions"):
        fit(problem, SMALL).transform(np.ones((3, 2)))
    with pytest.raises(TypeError, match="HiwaConfig"):
        hiwa.HiWA({"max_iter": 3})


@pytest.mark.parametrize(
    "changes",
    [
        {"penalty": 0.0},
        {"point_entropy": np.nan},
        {"cluster_entropy": -1.0},
        {"tol": -0.1},
        {"max_iter": 0},
        {"n_starts": 0},
        {"dtype": "float16"},
    ],
)
def test_config_refuses(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        hiwa.HiwaConfig(**changes)


def test_config_defaults_are_the_papers():
    config = hiwa.HiwaConfig()
    assert (config.max_iter, config.tol, config.penalty) == (300, 0.1, 5e-3)
    assert (config.cluster_entropy, config.cluster_sinkhorn_iter) == (0.2, 1000)
    assert (config.point_entropy, config.point_sinkhorn_iter) == (0.1, 150)
    assert (config.inner_iter, config.inner_tol, config.min_iter) == (100, 1e-2, 6)
    tutorial = hiwa.HiwaConfig.tutorial(tol=0.5)
    assert (tutorial.max_iter, tutorial.tol, tutorial.dtype) == (120, 0.5, "float32")
    assert (tutorial.penalty, tutorial.point_entropy) == (config.penalty, config.point_entropy)


# --- theory ------------------------------------------------------------------------------------


@quick
@given(size=st.integers(2, 6), seed=st.integers(0, 10**6))
def test_a_symmetric_cost_with_a_positive_margin_has_the_identity_as_best_assignment(size, seed):
    cost = np.random.default_rng(seed).random((size, size))
    cost = cost + cost.T
    if hiwa.correspondence_margin(cost) > 0:
        assert hiwa.best_assignment_is_identity(cost)


def test_a_non_symmetric_cost_may_hide_a_cheaper_cycle():
    cost = np.array([[1.0, 0.5, 2.0], [2.0, 1.0, 0.5], [0.5, 2.0, 1.0]])
    assert hiwa.correspondence_margin(cost) > 0
    assert not hiwa.best_assignment_is_identity(cost)


# --- small deliberate bugs ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "old", "new", "check"),
    [
        # a sign
        (solver, "duals + rotations - agreed", "duals - rotations + agreed", check_consensus),
        (metrics, "(truth - rotation).T", "(truth + rotation).T", check_alignment_error),
        # a transposition
        (
            solver,
            "moved = np.matmul(x, rotation.swapaxes(1, 2)",
            "moved = np.matmul(x, rotation",
            check_trajectory,
        ),
        (
            solver,
            "np.matmul(kernel.swapaxes(1, 2), u[:, :, None] * x)",
            "np.matmul(kernel, v[:, :, None] * x)",
            check_trajectory,
        ),
        # a dropped term
        (solver, "* moment + anchor", "* moment", check_trajectory),
        (
            solver,
            "        exponent -= (rate[:, None] * y_square)[:, None, :]\n",
            "",
            lambda module: check_pairs(
                module, hiwa.HiwaConfig(sinkhorn_tol=0.0, point_sinkhorn_iter=3)
            ),
        ),
        # a dropped factor
        (solver, "2 * np.asarray(weight)", "np.asarray(weight)", check_trajectory),
    ],
)
def test_planted_bugs_are_found(module, old, new, check):
    check(module)
    with planted(module, old, new) as broken, pytest.raises(AssertionError):
        check(broken)


@pytest.mark.parametrize(
    ("problems", "old", "new"),
    [
        (2, "u = a / row_sums", "u = a * row_sums"),
        (1, "np.divide(b, column_sums, out=v)", "np.multiply(b, column_sums, out=v)"),
    ],
)
def test_a_planted_bug_in_sinkhorn_is_found(problems, old, new):
    """One problem and a stack of them take different loops; a bug in either is found."""

    def check(module):
        rng = np.random.default_rng(0)
        a, b = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(4))
        plan = module.sinkhorn(rng.random((problems, 5, 4)), a, b, 0.1)
        np.testing.assert_allclose(plan.sum(2), np.tile(a, (problems, 1)), atol=1e-8)
        np.testing.assert_allclose(plan.sum(1), np.tile(b, (problems, 1)), atol=1e-8)

    check(transport)
    with planted(transport, old, new) as broken, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((AssertionError, ValueError)):
            check(broken)
