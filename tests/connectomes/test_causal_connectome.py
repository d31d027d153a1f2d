"""Each numbered equation of the chapter, written out slowly. [i, j] is about i -> j."""

import math

import numpy as np
import pytest
from scipy import stats

from neurotutor.connectomes import causal_connectome as cc
from neurotutor.connectomes.causal_connectome import dcm, effects, granger_causality
from tests.harness import oracle, planted, relative_error

RNG = np.random.default_rng


@pytest.fixture
def series():
    """Four neurons that influence each other with a delay."""
    return cc.autoregressive(4, 300, seed=3)[0]


def least_squares(target, *columns):
    """Residual sum of squares and coefficients, intercept first."""
    design = np.column_stack([np.ones(len(target)), *columns])
    coefficients = np.linalg.lstsq(design, target)[0]
    return float(((target - design @ coefficients) ** 2).sum()), coefficients


@oracle("eq-causal-connectome-partial")
def test_equation_partial():
    data = cc.simulate_linear(cc.random_weights(cc.random_dag(6, 0.5, RNG(0)), RNG(1)), 400, RNG(2))
    theta = np.linalg.inv(np.cov(data.T))
    slow = np.eye(6)
    for i in range(6):
        for j in range(6):
            if i != j:
                slow[i, j] = -theta[i, j] / math.sqrt(theta[i, i] * theta[j, j])
    assert relative_error(cc.partial_correlation(data), slow) < 1e-10
    # The same number from residuals.
    others = [data[:, k] for k in range(6) if k not in (0, 4)]
    residuals = []
    for k in (0, 4):
        coefficients = least_squares(data[:, k], *others)[1]
        residuals.append(data[:, k] - np.column_stack([np.ones(400), *others]) @ coefficients)
    assert abs(np.corrcoef(residuals)[0, 1] - slow[0, 4]) < 1e-10


@oracle("eq-causal-connectome-markov")
def test_equation_markov():
    weights = cc.random_weights(cc.random_dag(6, 0.5, RNG(3)), RNG(4))
    fast = cc.simulate_linear(weights, 20, RNG(5))
    noise = RNG(5).standard_normal((20, 6))
    slow = np.full((20, 6), np.nan)
    while np.isnan(slow).any():
        for i in range(6):
            parents = np.flatnonzero(weights[:, i])
            if not np.isnan(slow[:, parents]).any():
                slow[:, i] = noise[:, i] + sum(weights[j, i] * slow[:, j] for j in parents)
    assert relative_error(fast, slow) < 1e-12
    # A push cuts the arrows into the neuron that is pushed, and no others.
    cut = weights.copy()
    cut[:, 2] = 0
    pushed = cc.simulate_linear(weights, 20, RNG(5), push={2: 0.0})
    noise[:, 2] = 0
    assert relative_error(pushed, noise @ np.linalg.inv(np.eye(6) - cut)) < 1e-12


@oracle("eq-causal-connectome-fisher")
def test_equation_fisher():
    for n, size, alpha in ((20, 0, 0.05), (100, 3, 0.01), (8, 4, 0.5)):
        limit = cc.FisherZ(RNG(0).standard_normal((n, 3))).critical(size, alpha)
        for rho in np.linspace(-0.99, 0.99, 199):
            z = 0.5 * math.log((1 + rho) / (1 - rho))
            slow = math.sqrt(n - size - 3) * abs(z) < stats.norm.ppf(1 - alpha / 2)
            assert (abs(rho) < limit) == slow


@oracle("eq-causal-connectome-backdoor")
def test_equation_backdoor():
    dag = cc.random_dag(6, 0.5, RNG(6))
    data = cc.simulate_linear(cc.random_weights(dag, RNG(7)), 300, RNG(8)) * 3 + 5
    for j in range(6):
        for i in range(6):
            if i == j:
                continue
            parents = np.flatnonzero(dag[:, j])
            slow = 0.0
            if i not in parents:
                columns = [data[:, j], *(data[:, k] for k in parents)]
                slow = least_squares(data[:, i], *columns)[1][1]
            assert abs(cc.causal_effect(data, dag, j, i) - slow) < 1e-10


@oracle("eq-causal-connectome-granger")
def test_equation_granger(series):
    lags, p = 2, 4
    rows = len(series) - lags

    def past(neurons):
        return [series[lags - lag : lags - lag + rows, k] for k in neurons for lag in (1, 2)]

    everybody = range(p)
    for conditional in (True, False):
        fast = cc.granger(series, lags, conditional=conditional)
        f, p_value, strength = (np.zeros((p, p)) for _ in range(3))
        for i in range(p):
            for j in range(p):
                full = sorted(everybody if conditional else {i, j})
                rss_1 = least_squares(series[lags:, j], *past(full))[0]
                rss_0 = least_squares(series[lags:, j], *past([k for k in full if k != i]))[0]
                freedom = rows - 1 - len(full) * lags
                f[i, j] = (rss_0 - rss_1) / lags / (rss_1 / freedom)
                p_value[i, j] = stats.f.sf(f[i, j], lags, freedom)
                strength[i, j] = math.log(rss_0 / rss_1)
        assert relative_error(fast.statistic, f) < 1e-9
        assert relative_error(fast.p_values, p_value) < 1e-9
        assert relative_error(fast.strength, strength) < 1e-9


@oracle("eq-causal-connectome-neural")
def test_equation_neural():
    rng = RNG(9)
    a, b, c = rng.normal(size=(3, 3)), rng.normal(size=(2, 3, 3)), rng.normal(size=(2, 3))
    x, u = rng.normal(size=3), rng.normal(size=2)
    slow = np.zeros(3)
    for j in range(3):
        for i in range(3):
            slow[j] += (a[i, j] + u[0] * b[0, i, j] + u[1] * b[1, i, j]) * x[i]
        slow[j] += u[0] * c[0, j] + u[1] * c[1, j]
    fast = cc.neural_flow(x, a + np.tensordot(u, b, 1), u @ c)
    assert relative_error(fast, slow) < 1e-12


def literal_blood(x, s, f, v, q):
    eta, kappa, gamma, tau, a, e0 = 1.0, 0.65, 0.41, 0.98, 0.32, 0.34
    return (
        eta * x - kappa * s - gamma * (f - 1),
        s,
        (f - v ** (1 / a)) / tau,
        (f * (1 - (1 - e0) ** (1 / f)) / e0 - v ** (1 / a) * q / v) / tau,
    )


@oracle("eq-causal-connectome-blood")
def test_equation_blood():
    rng = RNG(10)
    states = rng.uniform(0.7, 1.4, size=(5, 30))
    slow = np.array([literal_blood(*column) for column in states.T]).T
    fast = np.stack(cc.haemodynamic_flow(*states, cc.Balloon()))
    assert relative_error(fast, slow) < 1e-12
    at_rest = cc.haemodynamic_flow(*np.array([[0.0], [0.0], [1.0], [1.0], [1.0]]), cc.Balloon())
    assert np.abs(at_rest).max() < 1e-12


@oracle("eq-causal-connectome-bold")
def test_equation_bold():
    rng = RNG(11)
    v, q = rng.uniform(0.7, 1.4, size=(2, 30))
    slow = [
        0.02 * (7 * 0.34 * (1 - b) + 2 * (1 - b / a) + (2 * 0.34 - 0.2) * (1 - a))
        for a, b in zip(v, q, strict=True)
    ]
    assert relative_error(cc.bold_signal(v, q, cc.Balloon()), np.array(slow)) < 1e-12


def test_closed_forms_of_the_motifs():
    root = math.sqrt
    closed = {
        "CHAIN": [root(1 / 2), root(1 / 3), root(2 / 3), 0.5, 0, root(1 / 2)],
        "FORK": [root(1 / 2), 0.5, root(1 / 2), root(1 / 3), 0, root(1 / 3)],
        "COLLIDER": [0, root(1 / 3), root(1 / 3), -0.5, root(1 / 2), root(1 / 2)],
    }
    pairs = np.triu_indices(3, 1)
    for name, numbers in closed.items():
        data = cc.simulate_linear(getattr(cc, name), 200_000, RNG(12))
        found = np.r_[cc.pearson(data).strength[pairs], cc.partial_correlation(data)[pairs]]
        assert np.abs(found - numbers).max() < 0.01


def test_granger_with_one_lag_is_a_squared_t(series):
    result = cc.granger(series, 1)
    design = np.column_stack([np.ones(len(series) - 1), series[:-1]])
    inverse = np.linalg.inv(design.T @ design)
    for j in range(4):
        rss, coefficients = least_squares(series[1:, j], series[:-1])
        error = np.sqrt(rss / (len(design) - 5) * inverse.diagonal())
        assert relative_error(result.statistic[:, j], (coefficients / error)[1:] ** 2) < 1e-9


def test_conditional_is_pairwise_for_two_neurons(series):
    one, other = (cc.granger(series[:, :2], 2, conditional=each) for each in (True, False))
    off = ~np.eye(2, dtype=bool)
    assert relative_error(one.p_values[off], other.p_values[off]) < 1e-9


def test_granger_does_not_depend_on_units(series):
    scaled = series * np.array([1e-6, 1, -1e5, 3]) + np.array([0, 1e4, 7, -2])
    for conditional in (True, False):
        one, other = (cc.granger(x, 2, conditional=conditional) for x in (series, scaled))
        assert relative_error(other.p_values, one.p_values) < 1e-5


def test_order_by_bic():
    rng = RNG(13)
    x = rng.standard_normal((1200, 2))
    for t in range(3, len(x)):
        x[t, 0] += 0.4 * x[t - 1, 0]
        x[t, 1] += 0.6 * x[t - 3, 0]
    assert cc.choose_order(x) == 3
    assert cc.granger(x, "bic").order == 3
    assert cc.choose_order(rng.standard_normal((500, 3))) == 1


def test_granger_false_alarms_at_the_level():
    noise = (RNG(s).standard_normal((200, 4)) for s in range(120))
    rates = [(cc.granger(x, 1).p_values <= 0.05).mean() for x in noise]
    assert abs(np.mean(rates) - 0.05) < 0.02


def test_bad_series(unchecked, series):
    broken = series.copy()
    broken[4, 1] = np.nan
    with pytest.raises(ValueError, match="nan in row 4, neuron 1"):
        cc.granger(broken, 1)
    with pytest.raises(ValueError, match="constant"):
        cc.granger(np.column_stack([series, np.ones(300)]), 1)
    with pytest.raises(ValueError, match="linearly dependent"):
        cc.granger(np.column_stack([series, series[:, 0]]), 1)
    with pytest.raises(ValueError, match="linearly dependent|determines"):
        cc.granger(np.column_stack([series[1:, 0], series[:-1, 0]]), 2)
    with pytest.raises(ValueError, match="too few for 20 lags"):
        cc.granger(series[:60], 20)
    for order in (0, 1.5, "aic", True):
        with pytest.raises(ValueError, match="order must be"):
            cc.granger(series, order)


def test_effects_are_those_of_the_model():
    rng = RNG(14)
    for _ in range(10):
        dag = cc.random_dag(6, 0.4, rng)
        weights = cc.random_weights(dag, rng)
        truth = cc.total_effects(weights)
        for i in range(1, 6):
            x = cc.simulate_linear(weights, 5000, rng)
            parents = np.flatnonzero(dag[:, 0])
            if i in parents:
                assert cc.causal_effect(x, dag, 0, i) == 0
                continue
            columns = [x[:, 0], *(x[:, k] for k in parents)]
            rss, _ = least_squares(x[:, i], *columns)
            design = np.column_stack([np.ones(5000), *columns])
            error = math.sqrt(rss / 5000 * np.linalg.inv(design.T @ design)[1, 1])
            # One of 50 beyond 3 standard errors happens; beyond 4 does not.
            assert abs(cc.causal_effect(x, dag, 0, i) - truth[0, i]) < 4 * error


def test_ida_lists_the_effect_of_each_parent_set():
    data = cc.simulate_linear(cc.CHAIN, 500, RNG(15))
    graph = cc.cpdag(cc.CHAIN)
    assert cc.parent_sets(graph, 1) == [[], [0], [2]]
    effects_found = cc.ida(data, graph, 1, 2)
    by_hand = [cc.regression_slope(data, 2, 1), cc.regression_slope(data, 2, 1, [0]), 0.0]
    assert relative_error(effects_found, np.array(by_hand)) < 1e-10
    # Over random classes the values are those of the members.
    rng = RNG(16)
    for _ in range(15):
        dag = cc.random_dag(5, 0.45, rng)
        x = cc.simulate_linear(cc.random_weights(dag, rng), 200, rng)
        members = cc.equivalence_class(dag)
        whole = {round(cc.causal_effect(x, member, 0, 1), 8) for member in members}
        assert {round(float(b), 8) for b in cc.ida(x, cc.cpdag(dag), 0, 1)} == whole


def test_bad_questions_about_effects(unchecked):
    data = cc.simulate_linear(cc.CHAIN, 50, RNG(17))
    with pytest.raises(ValueError, match="use ida"):
        cc.causal_effect(data, cc.cpdag(cc.CHAIN), 0, 2)
    with pytest.raises(ValueError, match="directed cycle"):
        cc.causal_effect(data, np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]), 0, 1)
    with pytest.raises(ValueError, match="two neurons"):
        cc.causal_effect(data, cc.CHAIN, 1, 1)
    with pytest.raises(ValueError, match="4 nodes and the data 3"):
        cc.causal_effect(data, cc.FOUR_NODES != 0, 0, 1)
    with pytest.raises(ValueError, match="determine each other"):
        cc.regression_slope(np.column_stack([data, data[:, 0]]), 1, 0, [3])
    with pytest.raises(ValueError, match="own predictor"):
        cc.regression_slope(data, 1, 0, [1])
    with pytest.raises(ValueError, match="cycle"):
        cc.total_effects(np.ones((2, 2)) - np.eye(2))


def test_bad_partial_correlations(unchecked):
    data = RNG(18).standard_normal((40, 3))
    with pytest.raises(ValueError, match="singular"):
        cc.partial_correlation(np.column_stack([data, data.sum(axis=1)]))
    with pytest.raises(ValueError, match="too few"):
        cc.partial_correlation(RNG(0).standard_normal((6, 5)))
    with pytest.raises(TypeError, match="both x and y"):
        cc.partial_correlation(data, 0)
    with pytest.raises(TypeError, match="given needs"):
        cc.partial_correlation(data, given=[1])
    with pytest.raises(ValueError, match="must not hold x or y"):
        cc.partial_correlation(data, 0, 1, [1])


def test_graphical_lasso_finds_a_chain():
    weights = np.diag(np.full(7, 0.8), 1)
    result = cc.graphical_lasso(cc.simulate_linear(weights, 600, RNG(19)))
    near = np.abs(np.subtract.outer(range(8), range(8))) == 1
    assert result.edges[near].all()
    assert np.abs(result.strength[near]).min() > 3 * np.abs(
        result.strength[~near & ~np.eye(8, dtype=bool)]
    ).max()
    # A larger likelihood minus penalty than that of its neighbours.
    data = cc.simulate_linear(weights, 600, RNG(19))
    s = np.corrcoef(data.T)

    def objective(theta):
        off = np.abs(theta).sum() - np.abs(theta.diagonal()).sum()
        return np.linalg.slogdet(theta)[1] - np.trace(s @ theta) - result.penalty * off

    best = objective(result.precision)
    for seed in range(20):
        change = 0.02 * RNG(seed).standard_normal((8, 8))
        assert objective(result.precision + change + change.T) < best


def test_a_test_without_a_shape():
    rates = [cc.BinnedTest(RNG(s).standard_normal((400, 3)))(0, 1, (2,)) for s in range(200)]
    assert abs(np.mean(np.array(rates) <= 0.05) - 0.05) < 0.04
    x = RNG(20).standard_normal((1500, 3))
    x[:, 2] = x[:, 0] ** 2 + x[:, 1] ** 2 + 0.5 * x[:, 2]
    assert (cc.pc(x, 0.01, test=cc.BinnedTest(x)).graph == cc.COLLIDER).all()
    assert cc.FisherZ(x)(0, 2) > 0.001


CHAIN_COUPLING = 0.4 * cc.CHAIN - 0.5 * np.eye(3)
INPUT = np.array([[1.0, 0.0, 0.0]])


def test_runge_kutta_has_converged(unchecked):
    fine = cc.dcm_simulate(CHAIN_COUPLING, INPUT, cc.boxcar(60, 0.025), dt=0.025).bold
    for dt, most in ((0.1, 1e-6), (0.05, 1e-7)):
        found = cc.dcm_simulate(CHAIN_COUPLING, INPUT, cc.boxcar(60, dt), dt=dt).bold
        assert np.abs(found - fine).max() < most


def test_neural_activity_against_the_closed_form():
    # One region, stimulus on all the time: x(t) = (1 - exp(-0.5 t)) / 0.5.
    signals = cc.dcm_simulate(np.array([[-0.5]]), np.array([[1.0]]), np.ones((200, 1)))
    assert relative_error(signals.neural[:, 0], 2 * (1 - np.exp(-0.5 * signals.time))) < 1e-6


def test_a_batch_of_models_is_each_of_them(unchecked):
    rng = RNG(21)
    couplings = CHAIN_COUPLING + 0.1 * rng.standard_normal((4, 3, 3))
    together = cc.dcm_simulate(couplings, INPUT, cc.boxcar(40)).bold
    alone = np.stack([cc.dcm_simulate(a, INPUT, cc.boxcar(40)).bold for a in couplings])
    assert relative_error(together, alone) < 1e-12


def test_modulation_acts_while_the_stimulus_is_on():
    gate = np.zeros((1, 3, 3))
    gate[0, 0, 1] = -0.4
    blocked = cc.dcm_simulate(
        CHAIN_COUPLING, INPUT, np.ones((200, 1)), modulation=gate
    ).neural
    assert np.abs(blocked[:, 1:]).max() < 1e-12
    assert blocked[-1, 0] > 1


def test_dcm_recovers_a_chain(unchecked):
    hypotheses = np.stack([cc.CHAIN, cc.graph_of(3, (0, 1), (0, 2))])
    clean = cc.dcm_simulate(CHAIN_COUPLING, INPUT).bold
    bold = np.stack([cc.add_noise(clean, 0.1, RNG(s)) for s in range(2)])
    fit = cc.dcm_fit(bold, hypotheses)
    assert (fit.bic.argmin(axis=0) == 0).all()
    assert np.abs(fit.coupling[0] - CHAIN_COUPLING).max() < 0.05
    assert np.abs(fit.input_weight[0] - 1).max() < 0.1
    n = bold[0].size
    literal = n * np.log(fit.residual / n) + 3 * np.log(n)
    assert relative_error(fit.bic, literal) < 1e-12


def test_bad_models(unchecked):
    with pytest.raises(ValueError, match="explodes"):
        cc.dcm_simulate(np.array([[5.0]]), np.array([[1.0]]))
    with pytest.raises(ValueError, match="square"):
        cc.dcm_simulate(np.zeros((2, 3)), INPUT)
    with pytest.raises(ValueError, match=r"input_weights \(inputs, regions\)"):
        cc.dcm_simulate(CHAIN_COUPLING, np.ones((2, 3)))
    with pytest.raises(ValueError, match="finite"):
        cc.dcm_simulate(CHAIN_COUPLING * np.nan, INPUT)
    with pytest.raises(ValueError, match="whole number of steps"):
        cc.dcm_simulate(CHAIN_COUPLING, INPUT, sample_every=0.25)
    with pytest.raises(ValueError, match="positive numbers of seconds"):
        cc.boxcar(-1)
    bold = RNG(0).standard_normal((1, 80, 3))
    with pytest.raises(ValueError, match="same number of arrows"):
        cc.dcm_fit(bold, np.stack([cc.CHAIN, cc.graph_of(3, (0, 1))]))
    with pytest.raises(ValueError, match="as many regions"):
        cc.dcm_fit(bold[:, :, :2], cc.CHAIN[None])
    with pytest.raises(ValueError, match="finite"):
        cc.dcm_fit(bold * np.nan, cc.CHAIN[None])
    with pytest.raises(ValueError, match="stimulus gives 80 samples and bold has 70"):
        cc.dcm_fit(bold[:, :70], cc.CHAIN[None])


def test_planted_bugs_are_found(series):
    x = cc.lagged_common_cause(400, RNG(22))
    with planted(granger_causality, "return with_ + gain, with_", "return with_ + gain.T, with_"
                 ) as broken:
        assert broken.granger(x, 2).p_values[0, 1] > 0.01
        assert cc.granger(x, 2).p_values[0, 1] < 0.01
    data = cc.simulate_linear(cc.FORK, 3000, RNG(23))
    with planted(effects, "np.flatnonzero(matrix[:, cause])", "np.flatnonzero(matrix[cause])"
                 ) as broken:
        assert abs(broken.causal_effect(data, cc.FORK, 0, 2)) > 0.3
        assert abs(cc.causal_effect(data, cc.FORK, 0, 2)) < 0.1
    with planted(dcm, "(x[..., None, :] @ coupling)[..., 0, :]",
                 "(coupling @ x[..., None])[..., 0]") as broken:
        # Turned over, region 1 cannot drive the others.
        turned = broken.dcm_simulate(CHAIN_COUPLING, INPUT).neural
        assert np.abs(turned[:, 1:]).max() == 0
