"""Metrics of the Neural Latents Benchmark: closed forms, other libraries, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

from neurotutor import decoding
from tests.harness import oracle, planted, relative_error


@pytest.fixture
def population():
    generator = np.random.default_rng(0)
    rates = generator.gamma(2.0, 0.3, (6, 10, 5))
    return rates, generator.poisson(rates)


@oracle("eq-stndt-bps")
def test_equation_bps(module=decoding):
    generator = np.random.default_rng(0)
    rates = generator.gamma(2.0, 0.3, (3, 4, 2))
    spikes = generator.poisson(rates)
    null = model = 0.0
    for n in range(2):
        mean = spikes[:, :, n].mean()
        for trial in range(3):
            for t in range(4):
                x = int(spikes[trial, t, n])
                null += mean - x * math.log(mean) + math.lgamma(x + 1)
                rate = rates[trial, t, n]
                model += rate - x * math.log(rate) + math.lgamma(x + 1)
    slow = (null - model) / (math.log(2) * spikes.sum())
    assert relative_error(module.bits_per_spike(rates, spikes), slow) < 1e-12


def test_likelihood_is_that_of_other_libraries(population):
    rates, spikes = population
    ours = decoding.poisson_nll(rates, spikes)
    assert relative_error(ours, -stats.poisson.logpmf(spikes, rates)) < 1e-12
    theirs = torch.nn.PoissonNLLLoss(log_input=False, full=False, reduction="none", eps=0.0)
    plain = theirs(torch.as_tensor(rates), torch.as_tensor(spikes, dtype=torch.float64))
    constant = np.vectorize(math.lgamma)(spikes + 1.0)
    assert relative_error(ours - constant, plain) < 1e-9


def test_null_rates_score_exactly_zero(population):
    _, spikes = population
    mean = np.broadcast_to(spikes.mean(axis=(0, 1)), spikes.shape)
    assert decoding.bits_per_spike(mean, spikes) == 0.0


def test_one_neuron_closed_form():
    spikes = np.array([[[0], [3], [1], [0]]])
    mean, rate = spikes.mean(), 1.7
    expected = ((mean - rate) + mean * math.log(rate / mean)) / (mean * math.log(2))
    found = decoding.bits_per_spike(np.full(spikes.shape, rate), spikes)
    assert found == pytest.approx(expected, rel=1e-12)


def test_scaling_is_best_at_the_mean_count(population):
    _, spikes = population
    mean = np.broadcast_to(spikes.mean(axis=(0, 1)), spikes.shape)
    scores = [decoding.bits_per_spike(c * mean, spikes) for c in (0.8, 0.95, 1.05, 1.3)]
    assert max(scores) < 0


def test_batches_add_up_only_with_a_pooled_null(population):
    rates, spikes = population
    whole = decoding.bits_per_spike(rates, spikes)
    parts = [(rates[i::2], spikes[i::2]) for i in (0, 1)]
    shares = [x.sum() / spikes.sum() for _, x in parts]
    own_null = sum(
        share * decoding.bits_per_spike(*part) for share, part in zip(shares, parts, strict=True)
    )
    assert own_null != pytest.approx(whole, abs=1e-6)
    mean = np.broadcast_to(spikes.mean(axis=(0, 1)), spikes.shape)
    pooled = sum(
        (decoding.poisson_nll(mean[i::2], x) - decoding.poisson_nll(r, x)).sum()
        for i, (r, x) in enumerate(parts)
    )
    assert pooled / (math.log(2) * spikes.sum()) == pytest.approx(whole)


def test_missing_spikes_are_left_out(population):
    rates, spikes = population
    holes = spikes.astype(float)
    holes[2, 3:] = np.nan
    rest = np.r_[0, 1, 3, 4, 5]
    halves = np.concatenate([holes[rest].reshape(-1, 5), holes[2, :3]])
    kept = np.concatenate([rates[rest].reshape(-1, 5), rates[2, :3]])
    assert decoding.bits_per_spike(rates, holes) == pytest.approx(
        decoding.bits_per_spike(kept, halves)
    )


def test_zero_rates_are_floored_and_left_as_they_were():
    rates, spikes = np.array([[0.0], [1.0]]), np.array([[1], [1]])
    before = rates.copy()
    assert math.isfinite(decoding.bits_per_spike(rates, spikes))
    assert np.array_equal(rates, before)
    assert decoding.poisson_nll(rates, spikes)[0, 0] == pytest.approx(-math.log(1e-9))


def test_parts_of_the_benchmark(population):
    rates, spikes = population
    assert decoding.co_bps(rates, spikes, 3, 7) == decoding.bits_per_spike(
        rates[:, :7, 3:], spikes[:, :7, 3:]
    )
    assert decoding.co_bps(rates, spikes, 3) == decoding.bits_per_spike(
        rates[:, :, 3:], spikes[:, :, 3:]
    )
    assert decoding.fp_bps(rates, spikes, 7) == decoding.bits_per_spike(rates[:, 7:], spikes[:, 7:])


def test_velocity_is_a_grid_search_over_ridge():
    generator = np.random.default_rng(1)
    x, other = generator.standard_normal((80, 6)), generator.standard_normal((40, 6))
    weights = generator.standard_normal((6, 2))
    y = x @ weights + generator.standard_normal((80, 2))
    truth = other @ weights + generator.standard_normal((40, 2))
    search = GridSearchCV(Ridge(), {"alpha": np.logspace(-4, 4, 9)}, cv=5).fit(x, y)
    assert decoding.velocity_r2(x, y, other, truth) == pytest.approx(
        search.score(other, truth), abs=1e-6
    )
    y[3] = np.nan
    search = GridSearchCV(Ridge(), {"alpha": np.logspace(-4, 4, 9)}, cv=5)
    search.fit(np.delete(x, 3, 0), np.delete(y, 3, 0))
    assert decoding.velocity_r2(x, y, other, truth) == pytest.approx(
        search.score(other, truth), abs=1e-6
    )


def test_psth():
    generator = np.random.default_rng(2)
    spikes = generator.poisson(0.4, (8, 12, 3))
    condition = np.repeat([0, 1], 4)
    mean = decoding.psth(spikes, condition, sd=0.0, per_bin=3)
    slow = np.stack([spikes[4 * c : 4 * c + 4].mean(0).reshape(4, 3, 3).sum(1) for c in (0, 1)])
    assert relative_error(mean, slow) < 1e-12
    assert decoding.psth_r2(mean[condition], condition, mean) == pytest.approx(1.0)
    flat = np.broadcast_to(np.concatenate(list(mean)).mean(0), (8, 4, 3)).copy()
    assert decoding.psth_r2(flat, condition, mean) == pytest.approx(0.0)
    # A lone spike becomes a Gaussian that ends at 3 sd and keeps its sum.
    lone = np.zeros((1, 41, 1))
    lone[0, 20] = 1
    smooth = decoding.psth(lone, np.array([0]), sd=2.0)[0, :, 0]
    assert smooth.sum() == pytest.approx(1)
    assert np.flatnonzero(smooth).tolist() == list(range(14, 27))
    ratio = smooth[21] / smooth[20]
    assert ratio == pytest.approx(math.exp(-1 / 8))


def test_a_dropped_term_is_found():
    with (
        planted(decoding, "floor - counts * np.log(floor)", "-counts * np.log(floor)") as bad,
        pytest.raises(AssertionError),
    ):
        test_equation_bps(bad)


ONES = np.ones((2, 3, 4))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: decoding.bits_per_spike(-ONES, ONES), "not their logarithms"),
        (lambda: decoding.bits_per_spike(ONES * np.nan, ONES), "finite"),
        (lambda: decoding.bits_per_spike(ONES, ONES[:1]), "one shape"),
        (lambda: decoding.bits_per_spike(ONES, -ONES), "0 or greater"),
        (lambda: decoding.bits_per_spike(ONES, 0 * ONES), "not one spike"),
        (lambda: decoding.bits_per_spike(ONES, ONES * [1, 1, 1, np.nan]), "no recorded bin"),
        (lambda: decoding.co_bps(ONES, ONES, 4), "n_held_in must lie in 0..3"),
        (lambda: decoding.co_bps(ONES, ONES, 2, 9), "n_observed must lie in 1..3"),
        (lambda: decoding.fp_bps(ONES, ONES, 3), "n_observed must lie in 0..2"),
        (lambda: decoding.velocity_r2(ONES[0], ONES[0], ONES[0], ONES[0]), "velocity"),
        (
            lambda: decoding.velocity_r2(ONES[0], *[ONES[0, :, :2]] * 2, ONES[0, :, :2]),
            "5 are needed",
        ),
        (lambda: decoding.psth(ONES, np.array([0, 1]), sd=-1.0), "sd must be"),
        (lambda: decoding.psth(ONES, np.array([0, 1]), sd=0.0, per_bin=4), "per_bin"),
        (lambda: decoding.psth_r2(ONES, np.array([0, 1]), ONES), "constant"),
        (lambda: decoding.psth_r2(ONES, np.array([0, 2]), ONES), "must lie in 0..1"),
        (lambda: decoding.psth_r2(ONES[:, :2], np.array([0, 1]), ONES), "agree in bins"),
    ],
)
def test_bad_input_is_refused(call, words, unchecked):
    with pytest.raises(ValueError, match=words):
        call()
