"""The kernel test: equations as oracles, power, calibration, caches, errors."""

import math

import numpy as np
import pytest
from scipy import stats

from neurotutor.connectomes import tpc
from neurotutor.connectomes.tpc import TPC, KernelTest, TpcConfig, kernel
from neurotutor.data import causal_series
from tests.harness import oracle, planted, relative_error


def standard(x):
    return (x - x.mean()) / x.std()


def loops(x, width):
    return np.array([[math.exp(-((a - b) ** 2) / width) for b in x] for a in x])


@oracle("eq-tpc-hsic")
def test_equation_hsic():
    rng = np.random.default_rng(0)
    for n in (10, 31):
        x, y = 3 * rng.standard_normal(n) + 1, rng.exponential(size=n)
        k, l_ = loops(standard(x), 1.0), loops(standard(y), 1.0)
        h = np.eye(n) - np.ones((n, n)) / n
        slow = np.trace(k @ h @ l_ @ h) / n**2
        assert relative_error(tpc.hsic(x, y), slow) < 1e-12
        assert relative_error(tpc.hsic_test(x, y).statistic, slow) < 1e-12


@oracle("eq-tpc-gamma")
def test_equation_gamma():
    rng = np.random.default_rng(1)
    n = 25
    x, y = standard(rng.standard_normal(n)), standard(rng.uniform(size=n))
    k, l_ = loops(x, 1.0), loops(y, 1.0)
    h = np.eye(n) - np.ones((n, n)) / n
    kc, lc = h @ k @ h, h @ l_ @ h
    off = [(i, j) for i in range(n) for j in range(n) if i != j]
    mu_x, mu_y = (np.mean([m[i, j] for i, j in off]) for m in (k, l_))
    mean = (1 + mu_x * mu_y - mu_x - mu_y) / n
    variance = 2 * (n - 4) * (n - 5) / (n * (n - 1) * (n - 2) * (n - 3))
    variance *= np.linalg.norm(kc) ** 2 * np.linalg.norm(lc) ** 2 / n**4
    statistic = np.trace(kc @ lc) / n**2
    slow = stats.gamma(mean**2 / variance, scale=variance / mean).sf(statistic)
    assert relative_error(tpc.gamma_p_value(statistic, k, l_, kc, lc), slow) < 1e-9
    assert relative_error(tpc.hsic_test(x, y).p_value, slow) < 1e-9


def test_the_gamma_has_the_mean_and_spread_of_hsic_under_independence():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 80))
    null = [tpc.hsic(x, rng.permutation(y)) for _ in range(400)]
    test = KernelTest(np.column_stack([x, y]))
    (mean_x, norm_x), (mean_y, norm_y) = (test._gram(node, ())[1] for node in (0, 1))
    mean = (1 + mean_x * mean_y - mean_x - mean_y) / 80
    assert np.mean(null) == pytest.approx(mean, rel=0.1)
    spread = math.sqrt(2 * 76 * 75 / (80 * 79 * 78 * 77) * norm_x * norm_y) / 80**2
    assert np.std(null) == pytest.approx(spread, rel=0.3)


@oracle("eq-tpc-residual")
@pytest.mark.parametrize("conditions", [1, 3])
def test_equation_residual(conditions):
    rng = np.random.default_rng(3)
    n = 40
    given = rng.standard_normal((n, conditions))
    target = np.sin(2 * given[:, 0]) + 0.3 * rng.standard_normal(n)
    y = standard(target)
    gram = sum(loops(standard(column), 2.0) for column in given.T)
    best = (math.inf, None)
    for ridge in kernel.RIDGES:
        smoother = gram @ np.linalg.inv(gram + ridge * np.eye(n))
        left = y - smoother @ y
        gcv = (left @ left) / np.trace(np.eye(n) - smoother) ** 2
        best = min(best, (gcv, ridge))
    left = y - gram @ np.linalg.solve(gram + best[1] * np.eye(n), y)
    slow = (left - left.mean()) / left.std()
    assert relative_error(tpc.smooth_residuals(target, given), slow) < 1e-8


def test_residuals_keep_nothing_of_a_smooth_effect():
    rng = np.random.default_rng(0)
    given = rng.standard_normal((300, 1))
    noise = 0.3 * rng.standard_normal(300)
    left = tpc.smooth_residuals(given[:, 0] ** 2 + noise, given)
    assert abs(np.corrcoef(left, noise)[0, 1]) > 0.9
    assert left.std() == pytest.approx(1)


def test_dependence_is_seen_and_independence_is_not_claimed():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(150)
    same, mixed = tpc.hsic(x, x), tpc.hsic(x, rng.permutation(x))
    assert same > 20 * mixed
    curved = x**2 + 0.3 * rng.standard_normal(150)
    assert abs(np.corrcoef(x, curved)[0, 1]) < 0.3
    assert tpc.hsic_test(x, curved).p_value < 1e-6


def test_a_common_driver_is_explained_away_only_by_itself():
    rng = np.random.default_rng(1)
    driver, other = rng.standard_normal((2, 250))
    x = np.tanh(2 * driver) + 0.3 * rng.standard_normal(250)
    y = driver**2 + driver + 0.3 * rng.standard_normal(250)
    assert tpc.hsic_test(x, y).p_value < 1e-6
    assert tpc.hsic_test(x, y, driver).p_value > 0.05
    assert tpc.hsic_test(x, y, other).p_value < 1e-6


def test_p_values_are_uniform_under_independence():
    p = [
        tpc.hsic_test(*np.random.default_rng(seed).standard_normal((2, 100))).p_value
        for seed in range(200)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_units_do_not_matter():
    rng = np.random.default_rng(0)
    x, y, z = rng.standard_normal((3, 60))
    first = tpc.hsic_test(x, y, z[:, None])
    second = tpc.hsic_test(1e3 * x + 5, -0.01 * y, 7 * z[:, None] - 1)
    assert first == pytest.approx(second, rel=1e-8)


def test_caches_change_nothing():
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((60, 5))
    test = KernelTest(samples)
    first = [test(0, 1, given) for given in ((), (2,), (2, 4), (4, 2))]
    assert first[2] == first[3]
    again = [test(1, 0, given) for given in ((), (2,), (4, 2))]
    assert first[:3] == pytest.approx(again, rel=1e-12)
    fresh = tpc.hsic_test(samples[:, 0], samples[:, 1], samples[:, [2, 4]])
    assert first[2] == pytest.approx(fresh.p_value, rel=1e-9)


def test_curved_effects_need_the_kernel_test():
    kernel_tpr, straight_tpr = [], []
    for seed in range(3):
        made = causal_series.simulate("nonlinear", noise=np.pi, seed=1000 + seed)
        for found, name in ((kernel_tpr, "hsic"), (straight_tpr, "fisherz")):
            config = TpcConfig.tutorial(test=name, prune=0.0)
            graph = TPC(config).fit(made.values).adjacency_
            found.append(tpc.score(graph, made.adjacency).tpr)
    assert np.mean(kernel_tpr) >= 0.9
    assert np.mean(straight_tpr) <= 0.6


def test_a_kernel_that_is_not_centred_calls_everything_dependent():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 80))
    with planted(
        kernel, "return kernel - rows[:, None] - rows[None, :] + rows.mean()", "return kernel"
    ) as bad:
        assert bad.hsic_test(x, y).p_value < 1e-3
    assert tpc.hsic_test(x, y).p_value > 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: tpc.hsic_test(x, x[:-1]), "one length"),
        (lambda x: tpc.hsic(x, x[:-1]), "one length"),
        (lambda x: tpc.hsic_test(x[:4], x[:4]), "6 to 4000 samples"),
        (lambda x: tpc.hsic_test(x, np.ones(20)), "does not vary"),
        (lambda x: tpc.hsic_test(x, np.full(20, np.nan)), "finite"),
        (lambda x: tpc.hsic_test(x, x**2, np.zeros((19, 1))), "20 rows"),
        (lambda x: tpc.smooth_residuals(x, np.zeros((19, 1))), "conditions"),
        (lambda x: KernelTest(np.zeros((5000, 2))), "4000"),
    ],
)
def test_bad_input(unchecked, call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0).standard_normal(20))
