"""Simulated dynamics: the update by hand, the known totals, and what must hold of the truth."""

from __future__ import annotations

import numpy as np
import pytest

from neurotutor import decoding
from neurotutor.data import dynamical_spikes
from tests.harness import oracle, planted, relative_error


@oracle("eq-stndt-lorenz")
def test_equation_lorenz(module=dynamical_spikes):
    state = np.random.default_rng(0).standard_normal((4, 3))
    slow = []
    for x, y, z in state:
        slow.append(
            [
                x + 0.01 * 10 * (y - x),
                y + 0.01 * (x * (28 - z) - y),
                z + 0.01 * (x * y - 8 / 3 * z),
            ]
        )
    assert relative_error(module.lorenz_step(state, 0.01), slow) < 1e-12


def test_a_wrong_sign_in_the_dynamics_is_found():
    with (
        planted(dynamical_spikes, "(RHO - z)", "(RHO + z)") as bad,
        pytest.raises(AssertionError),
    ):
        test_equation_lorenz(bad)


def test_seed_0_has_the_known_spikes():
    made = dynamical_spikes.lorenz()
    assert made.spikes.sum() == 97_407
    valid = ~made.train
    rates, spikes = made.rates[valid], made.spikes[valid]
    assert decoding.co_bps(rates, spikes, 22, 40) == pytest.approx(0.8900, abs=5e-5)
    assert decoding.fp_bps(rates, spikes, 40) == pytest.approx(0.777, abs=5e-4)
    assert made.rates.mean() / made.bin_size == pytest.approx(8.1, abs=0.05)


def test_trials_of_a_condition_share_rates_and_not_spikes():
    made = dynamical_spikes.lorenz(n_conditions=3, n_repeats=4, n_train=2, n_bins=10)
    assert made.train.sum() == 6
    first, second = np.flatnonzero(made.condition == 1)[:2]
    assert np.array_equal(made.rates[first], made.rates[second])
    assert not np.array_equal(made.spikes[first], made.spikes[second])
    assert np.abs(made.latent.mean(axis=(0, 1))).max() < 1e-9


def test_log_rates_are_nearly_linear_in_the_state():
    made = dynamical_spikes.lorenz(n_bins=20)
    latent = made.latent[made.condition].reshape(-1, 3)
    design = np.column_stack([latent, np.ones(len(latent))])
    wanted = np.log(made.rates.reshape(len(latent), -1))
    weights, *_ = np.linalg.lstsq(design, wanted, rcond=None)
    assert np.abs(design @ weights - wanted).max() < 0.1
    assert weights[3] == pytest.approx(np.log(0.1), abs=0.02)


def test_chaotic_network():
    made = dynamical_spikes.chaotic_network(n_conditions=4, n_repeats=3, n_train=2, n_bins=60)
    assert made.spikes.shape == (12, 60, 50)
    assert made.rates.min() == pytest.approx(0)
    assert made.rates.max() == pytest.approx(0.3)
    assert np.allclose(made.rates.max(axis=1), 0.3)
    again = dynamical_spikes.chaotic_network(n_conditions=4, n_repeats=3, n_train=2, n_bins=60)
    assert np.array_equal(made.spikes, again.spikes)
    # With a gain below 1 activity dies out; above 1 it goes on.
    ends = [
        np.abs(
            dynamical_spikes.chaotic_network(
                n_conditions=4, n_repeats=2, n_train=1, n_bins=200, gain=gain
            ).latent[:, -1]
        ).mean()
        for gain in (0.5, 1.5)
    ]
    assert ends[0] < 0.01 < 0.2 < ends[1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dynamical_spikes.lorenz(n_conditions=0), "n_conditions"),
        (lambda: dynamical_spikes.lorenz(n_repeats=4, n_train=4), "one for validation"),
        (lambda: dynamical_spikes.lorenz(base_rate=0), "base_rate"),
        (lambda: dynamical_spikes.chaotic_network(n_bins=1), "n_bins"),
        (lambda: dynamical_spikes.chaotic_network(gain=-1.0), "gain"),
    ],
)
def test_bad_sizes_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
