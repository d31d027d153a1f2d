"""The primer: its equations, its functions on odd input, and its exercise checkers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurotutor import decoding, neural_data
from neurotutor.data import reach
from neurotutor.teaching.exercises import neural_data as exercises
from tests.harness import assert_checker, oracle, planted, relative_error


@pytest.fixture(scope="module")
def recording():
    return reach.simulate(n_trials=48, n_neurons=30, seed=3)


# --- equations ----------------------------------------------------------------------------------


@oracle("eq-neural-data-rate")
def test_equation_rate(recording):
    slow = np.zeros(recording.spikes.shape)
    for t in range(recording.n_bins):
        for n in range(recording.n_neurons):
            slow[t, n] = recording.spikes[t, n] / recording.bin_size
    assert relative_error(recording.rates, slow) < 1e-12


@oracle("eq-neural-data-tuning")
def test_equation_tuning(recording):
    fast = neural_data.tuning_curves(recording.rates, recording.direction)
    for n in (0, 7, 29):
        for k in range(8):
            values = [
                recording.rates[t, n]
                for t in range(recording.n_bins)
                if recording.direction[t] == k
            ]
            mean = sum(values) / len(values)
            variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
            assert fast.mean[k, n] == pytest.approx(mean, abs=1e-12)
            assert fast.error[k, n] == pytest.approx(np.sqrt(variance / len(values)), abs=1e-12)


@oracle("eq-neural-data-cosine")
def test_equation_cosine():
    # Rates that obey the equation exactly, at angles of any kind, give its parameters back.
    rng = np.random.default_rng(0)
    angle = rng.uniform(-np.pi, np.pi, 40)
    baseline, depth = rng.uniform(5, 20, 12), rng.uniform(0.5, 5, 12)
    preferred = rng.uniform(-np.pi, np.pi, 12)
    rates = np.zeros((40, 12))
    for t in range(40):
        for n in range(12):
            rates[t, n] = baseline[n] + depth[n] * np.cos(angle[t] - preferred[n])
    fit = neural_data.fit_cosine(rates, angle)
    assert relative_error(fit.baseline, baseline) < 1e-10
    assert relative_error(fit.depth, depth) < 1e-10
    assert relative_error(fit.preferred, preferred) < 1e-10
    spread = [np.sqrt(sum((rates[:, n] - rates[:, n].mean()) ** 2) / 40) for n in range(12)]
    assert relative_error(fit.spread, np.array(spread)) < 1e-10


def test_cosine_fit_has_least_squared_error(recording):
    fit = neural_data.fit_cosine(recording.rates, recording.angle)

    def error(baseline, depth, preferred):
        model = baseline + depth * np.cos(recording.angle[:, None] - preferred)
        return ((recording.rates - model) ** 2).sum(axis=0)

    best = error(fit.baseline, fit.depth, fit.preferred)
    rng = np.random.default_rng(1)
    for _ in range(50):
        shift = 0.1 * rng.standard_normal((3, recording.n_neurons))
        other = error(fit.baseline + shift[0], fit.depth + shift[1], fit.preferred + shift[2])
        assert (best <= other + 1e-9).all()


def vector_by_loops(rates, tuning):
    """The population vector, one neuron after the other."""
    result = np.zeros((len(rates), 2))
    for t in range(len(rates)):
        for n in range(rates.shape[1]):
            weight = (rates[t, n] - tuning.baseline[n]) / tuning.spread[n]
            result[t, 0] += weight * np.cos(tuning.preferred[n]) / rates.shape[1]
            result[t, 1] += weight * np.sin(tuning.preferred[n]) / rates.shape[1]
    return result


@oracle("eq-neural-data-vector")
def test_equation_vector(recording):
    tuning = neural_data.fit_cosine(recording.rates, recording.angle)
    rates = recording.rates[:25]
    slow = vector_by_loops(rates, tuning)
    assert relative_error(neural_data.population_vector(rates, tuning), slow) < 1e-12


@oracle("eq-neural-data-ridge")
def test_equation_ridge(recording):
    alpha, rates = 10.0, recording.rates
    probe = decoding.DirectionProbe(penalty=alpha).fit(rates, recording.direction)
    y = np.stack(
        [[np.cos(2 * np.pi * k / 8), np.sin(2 * np.pi * k / 8)] for k in recording.direction]
    )
    x = np.zeros(rates.shape)
    for n in range(rates.shape[1]):
        x[:, n] = (rates[:, n] - rates[:, n].mean()) / rates[:, n].std()

    def objective(weights, offset):
        total = alpha * (weights**2).sum()
        for t in range(len(x)):
            total += ((y[t] - offset - weights.T @ x[t]) ** 2).sum()
        return total

    # The objective is convex and smooth, so its one minimum is where its gradient is zero. The
    # decoder's own predictions give W and w_0 back: they are linear in the standardised rates.
    predicted = probe.predict(rates)
    offset = predicted.mean(axis=0)
    weights = np.linalg.lstsq(x, predicted - offset, rcond=None)[0]
    assert relative_error(offset + x @ weights, predicted) < 1e-10
    best = objective(weights, offset)
    step = 1e-4
    for place in [(0, 0), (5, 1), (29, 0)]:
        up, down = weights.copy(), weights.copy()
        up[place] += step
        down[place] -= step
        slope = (objective(up, offset) - objective(down, offset)) / (2 * step)
        assert abs(slope) < 1e-6 * best
        assert objective(up, offset) > best
    moved = offset + [step, 0]
    assert objective(weights, moved) > best


@oracle("eq-neural-data-accuracy")
def test_equation_accuracy():
    rng = np.random.default_rng(2)
    angle, direction = rng.uniform(-10, 10, 400), rng.integers(0, 8, 400)
    near = nearer = 0
    for t in range(400):
        true = 2 * np.pi * direction[t] / 8
        error = min(abs(angle[t] - true + turn * 2 * np.pi) for turn in range(-5, 6))
        near += error < np.pi / 8
        nearer += error < 3 * np.pi / 16
    fast = decoding.direction_accuracy(angle, direction)
    assert fast == pytest.approx((near / 400, nearer / 400), abs=1e-12)


@oracle("eq-neural-data-r2")
def test_equation_r2():
    rng = np.random.default_rng(4)
    true = rng.standard_normal((60, 3)) * [1.0, 5.0, 0.2]
    guess = true + rng.standard_normal((60, 3))
    above = below = 0.0
    for d in range(3):
        mean = sum(true[:, d]) / 60
        above += sum((true[t, d] - guess[t, d]) ** 2 for t in range(60)) / 60
        below += sum((true[t, d] - mean) ** 2 for t in range(60)) / 60
    assert decoding.r2(true, guess) == pytest.approx(1 - above / below, rel=1e-12)


# --- what the page relies on --------------------------------------------------------------------


def test_preferred_directions_of_the_simulation_are_found():
    recording = reach.simulate(n_trials=320, n_neurons=60, seed=5)
    truth = reach.tuning(60, seed=5)
    fit = neural_data.fit_cosine(recording.rates, recording.angle)
    sure = truth.tuned & (truth.peak_rate > 10)
    miss = np.angle(np.exp(1j * (fit.preferred - truth.preferred_angle)))[sure]
    assert sure.sum() >= 5
    assert np.rad2deg(np.abs(miss)).max() < 20


def test_population_vector_points_to_the_target():
    recording = reach.simulate(n_trials=160, n_neurons=120, seed=6)
    split = decoding.split_trials(recording.trial)
    fit = neural_data.fit_cosine(recording.rates[split.train], recording.angle[split.train])
    vector = neural_data.population_vector(recording.rates[~split.train], fit)
    trial = recording.trial[~split.train]
    target = reach.target_angle(recording.trial_direction)
    summed = np.array([vector[trial == each].sum(axis=0) for each in np.unique(trial)])
    error = np.arctan2(summed[:, 1], summed[:, 0]) - target[np.unique(trial)]
    assert np.rad2deg(np.abs(np.angle(np.exp(1j * error)))).mean() < 30


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("np.arctan2(across, along)", "np.arctan2(along, across)"),
        ("(rates - tuning.baseline) /", "(tuning.baseline - rates) /"),
        (
            "np.cos(tuning.preferred), np.sin(tuning.preferred)",
            "np.cos(tuning.preferred), np.cos(tuning.preferred)",
        ),
    ],
    ids=["axes swapped", "sign", "sine dropped"],
)
def test_planted_bugs_are_seen(recording, old, new):
    rates = recording.rates[:25]
    tuning = neural_data.fit_cosine(recording.rates, recording.angle)
    right = vector_by_loops(rates, tuning)
    with planted(neural_data, old, new) as wrong:
        fitted = wrong.fit_cosine(recording.rates, recording.angle)
        assert relative_error(wrong.population_vector(rates, fitted), right) > 0.1


def test_a_split_by_bin_decodes_nothing_at_all():
    # The page's warning, in numbers: with shuffled targets only a leak can be far above chance.
    recording = reach.simulate(seed=1, speed_threshold=5.0)
    rng = np.random.default_rng(0)
    smooth = neural_data.smooth(recording.rates, recording.trial, 1)
    shuffled = rng.permutation(recording.trial_direction)[recording.trial]
    by_trial = decoding.split_trials(recording.trial, seed=0).test
    by_bin = rng.permutation(by_trial)

    def nearest(test):
        distance = ((smooth[test][:, None] - smooth[~test]) ** 2).sum(axis=-1)
        return np.mean(shuffled[~test][distance.argmin(axis=1)] == shuffled[test])

    assert nearest(by_bin) > 0.8
    assert nearest(by_trial) < 0.3


# --- counting and smoothing -----------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 1, exclude_max=True, allow_subnormal=False), max_size=40),
    st.integers(1, 50),
)
def test_every_spike_is_counted_once(times, n_bins):
    counts = neural_data.bin_spikes(np.array(times), 1 / n_bins, 1.0)
    assert counts.shape == (n_bins,)
    assert counts.sum() == len(times)


def test_a_spike_on_an_edge_belongs_to_the_bin_that_begins_there():
    counts = neural_data.bin_spikes(np.array([0.0, 0.25, 0.25, 0.74, 0.75]), 0.25, 1.0)
    assert counts.tolist() == [1, 2, 1, 1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(0, 4), st.integers(0, 99))
def test_smoothing_averages_the_neighbours_in_the_trial(lengths, half_width, seed):
    trial = np.repeat(np.arange(len(lengths)), lengths)
    rates = np.random.default_rng(seed).uniform(0, 30, (len(trial), 3))
    slow = np.zeros_like(rates)
    for t in range(len(trial)):
        near = [
            rates[u] for u in range(len(trial)) if trial[u] == trial[t] and abs(u - t) <= half_width
        ]
        slow[t] = np.mean(near, axis=0)
    assert relative_error(neural_data.smooth(rates, trial, half_width), slow) < 1e-12


def test_a_silent_neuron_has_no_strength_and_no_vote():
    angle = np.deg2rad(np.arange(8) * 45.0)
    rates = np.zeros((8, 2))
    rates[:, 1] = 5 + np.cos(angle)
    tuning = neural_data.fit_cosine(rates, angle)
    assert tuning.strength[0] == 0
    assert tuning.strength[1] == pytest.approx(np.sqrt(2))
    assert (neural_data.votes(rates, tuning)[:, 0] == 0).all()


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: neural_data.bin_spikes(np.zeros((2, 2)), 0.1, 1.0), "one axis"),
        (lambda: neural_data.bin_spikes(np.array([0.5]), -0.1, 1.0), "positive"),
        (lambda: neural_data.bin_spikes(np.array([0.5]), 0.3, 1.0), "whole number of bins"),
        (lambda: neural_data.bin_spikes(np.array([1.0]), 0.1, 1.0), r"must lie in \[0"),
        (lambda: neural_data.bin_spikes(np.array([np.nan]), 0.1, 1.0), r"must lie in \[0"),
        (lambda: neural_data.tuning_curves(np.zeros(4), np.zeros(4, int)), "time, neurons"),
        (lambda: neural_data.tuning_curves(np.full((4, 2), np.nan), np.zeros(4, int)), "NaN"),
        (lambda: neural_data.tuning_curves(np.zeros((4, 2)), np.zeros(3, int)), "shape"),
        (lambda: neural_data.tuning_curves(np.zeros((4, 2)), np.full(4, 9)), "must lie in"),
        (lambda: neural_data.tuning_curves(np.zeros((4, 2)), np.zeros(4, int)), "2 are needed"),
        (lambda: neural_data.fit_cosine(np.zeros((4, 2)), np.zeros(3)), "angle"),
        (lambda: neural_data.fit_cosine(np.zeros((4, 2)), np.zeros(4)), "three values"),
        (
            lambda: neural_data.votes(np.zeros((4, 2)), neural_data.CosineTuning(*np.ones((4, 3)))),
            "the tuning has 3",
        ),
        (lambda: neural_data.smooth(np.zeros((4, 2)), np.zeros(3, int), 1), "trial"),
        (lambda: neural_data.smooth(np.zeros((4, 2)), np.zeros(4, int), -1), "half_width"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("unchecked")
def test_wrong_kinds_are_refused():
    with pytest.raises(TypeError, match="real numbers"):
        neural_data.fit_cosine(np.full((4, 2), "a"), np.arange(4.0))
    with pytest.raises(TypeError, match="integers"):
        neural_data.tuning_curves(np.zeros((4, 2)), np.zeros(4))


# --- exercises ------------------------------------------------------------------------------------


def test_checker_angular_error():
    assert_checker(
        exercises.angular_error,
        accept=[
            lambda a, b: np.abs((a - b + np.pi) % (2 * np.pi) - np.pi),
            lambda a, b: np.abs(np.angle(np.exp(1j * (a - b)))),
            lambda a, b: np.arccos(np.clip(np.cos(a - b), -1, 1)),
            lambda a, b: np.minimum(abs(a - b), 2 * np.pi - abs(a - b)),
        ],
        reject={
            "no wrapping": (lambda a, b: np.abs(a - b), "wrap"),
            "signed": (lambda a, b: np.angle(np.exp(1j * (a - b))), "absolute"),
            "not folded": (lambda a, b: (a - b) % (2 * np.pi), "fold"),
            "half a turn": (lambda a, b: np.abs(a - b) % np.pi, "half a turn"),
            "degrees": (lambda a, b: np.rad2deg(np.abs(np.angle(np.exp(1j * (a - b))))), "degrees"),
            "cosine distance": (lambda a, b: 1 - np.cos(a - b), "rad, yours"),
            "no return": (lambda a, b: None, "return"),
            "mean": (lambda a, b: np.abs(np.angle(np.exp(1j * (a - b)))).mean(), "shape"),
        },
    )


def _fano(counts, direction, ratio):
    return np.mean([ratio(counts[direction == k]) for k in np.unique(direction)], axis=0)


def test_checker_fano_factor():
    def by_loop(counts, direction):
        result = []
        for n in range(counts.shape[1]):
            ratios = []
            for k in np.unique(direction):
                values = counts[direction == k, n]
                ratios.append(values.var() / values.mean())
            result.append(np.mean(ratios))
        return np.array(result)

    def in_place(counts, direction):
        counts -= 1
        return _fano(counts, direction, lambda g: g.var(axis=0) / g.mean(axis=0))

    assert_checker(
        exercises.fano_factor,
        accept=[
            lambda c, d: _fano(c, d, lambda g: g.var(axis=0, ddof=1) / g.mean(axis=0)),
            by_loop,
        ],
        reject={
            "pooled": (lambda c, d: c.var(axis=0) / c.mean(axis=0), "pool"),
            "standard deviation": (
                lambda c, d: _fano(c, d, lambda g: g.std(axis=0) / g.mean(axis=0)),
                "standard deviation",
            ),
            "upside down": (
                lambda c, d: _fano(c, d, lambda g: g.mean(axis=0) / g.var(axis=0)),
                "upside down",
            ),
            "ratio of means": (
                lambda c, d: _fano(c, d, lambda g: g.var(axis=0)) / c.mean(axis=0),
                "Divide first",
            ),
            "one number": (lambda c, d: c.var() / c.mean(), "shape"),
            "changes its input": (in_place, "in place"),
            "something else": (lambda c, d: c.mean(axis=0), "expected"),
        },
    )


def test_checker_leaked_share():
    def by_sets(trial, train):
        seen = set(trial[train].tolist())
        test = trial[~train].tolist()
        return sum(each in seen for each in test) / len(test)

    def trials(trial, train):
        return np.mean(np.isin(np.unique(trial[~train]), trial[train]))

    assert_checker(
        exercises.leaked_share,
        accept=[lambda trial, train: np.mean(np.isin(trial[~train], trial[train])), by_sets],
        reject={
            "complement": (
                lambda trial, train: 1 - np.mean(np.isin(trial[~train], trial[train])),
                "complement",
            ),
            "counts trials": (trials, "count trials"),
            "all bins": (
                lambda trial, train: np.mean(
                    np.isin(trial, np.intersect1d(trial[train], trial[~train]))
                ),
                "wrong number of bins",
            ),
            "training bins": (
                lambda trial, train: np.mean(np.isin(trial[train], trial[~train])),
                "wrong number of bins",
            ),
            "compares bins": (lambda trial, train: 0.5, "whole trials"),
            "always zero": (lambda trial, train: 0.0, "four bins"),
            "not a function": (0.0, "function itself"),
        },
    )
