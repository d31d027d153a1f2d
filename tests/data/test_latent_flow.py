"""The synthetic flow: a literal transcription, its inverse, and what the set must look like."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurotutor.data import latent_flow
from neurotutor.data.latent_flow import Flow
from neurotutor.representations import swap_vae
from tests.harness import oracle, planted, relative_error


@pytest.fixture(scope="module")
def full():
    return latent_flow.simulate()


@oracle("eq-swap-vae-coupling")
def test_equation_coupling(module=latent_flow):
    flow = module.Flow(8, 1, seed=3)
    points = np.random.default_rng(0).standard_normal((5, 8))
    layer = flow.layers[0]
    slow = []
    for point in points:
        a, b = point[:4], point[4:]
        values = a
        for weights in (layer.first, layer.second):
            values = [
                max(0.0, sum(values[i] * weights[i, j] for i in range(len(values))))
                for j in range(weights.shape[1])
            ]
        out = [sum(values[i] * layer.third[i, j] for i in range(len(values))) for j in range(8)]
        changed = [b[j] * math.exp(0.1 * math.tanh(out[j])) + out[4 + j] for j in range(4)]
        slow.append([*changed, *a])
    assert relative_error(module.couple(layer, points), slow) < 1e-12


def test_the_flow_is_blocks_and_permutations():
    flow = Flow(12, 3, seed=1)
    points = np.random.default_rng(0).standard_normal((4, 12))
    expected = points
    for block in range(3):
        for layer in flow.layers[2 * block : 2 * block + 2]:
            expected = latent_flow.couple(layer, expected)
        if block < 2:
            order = np.random.RandomState(block).permutation(12)
            expected = np.stack([expected[:, i] for i in order], axis=1)
    np.testing.assert_allclose(flow.forward(points), expected)


def test_the_inverse_recovers_the_input():
    flow = Flow(100, 4, seed=777)
    points = 5 * np.random.default_rng(0).standard_normal((50, 100))
    for layer in flow.layers:
        back = latent_flow.uncouple(layer, latent_flow.couple(layer, points))
        assert np.abs(back - points).max() < 1e-6
    assert np.abs(flow.inverse(flow.forward(points)) - points).max() < 1e-6
    assert [len(p) for p in flow.permutations] == [100] * 3


def test_weights_are_glorot_uniform():
    layer = Flow(100, 1, seed=0).layers[0]
    for weights, shape in zip(layer, ((50, 25), (25, 25), (25, 100)), strict=True):
        assert weights.shape == shape
        limit = math.sqrt(6 / sum(shape))
        assert 0.9 * limit < np.abs(weights).max() <= limit


def test_the_set_has_the_known_shape(full):
    assert (full.trial[full.train].max() + 1, full.n_trials) == (3908, 3908 + 941)
    assert full.spikes.shape == (4 * full.n_trials, 100)
    assert full.rates.min() >= math.exp(-2.2)
    assert full.rates.max() <= math.exp(2.2)
    np.testing.assert_array_equal(full.step.reshape(-1, 4), np.tile(np.arange(4), (4849, 1)))
    assert (full.direction.reshape(-1, 4) == full.direction[::4, None]).all()
    assert (full.train.reshape(-1, 4) == full.train[::4, None]).all()
    chi = (full.spikes - full.rates) / np.sqrt(full.rates)
    assert chi.std() == pytest.approx(1, abs=0.01)


def test_points_lie_on_their_arcs(full):
    """Angles grow with the step, and the noise has the stated variances."""
    x, y = full.latent.T
    assert np.hypot(x, y).mean() == pytest.approx(5, abs=0.2)
    for direction in range(4):
        inside = full.direction == direction
        start = 2 * math.pi * 2 * direction / 8
        for step in range(4):
            chosen = inside & (full.step == step)
            middle = start + (step + 0.5) * math.pi / 16
            angle = np.arctan2(x[chosen].mean(), y[chosen].mean())
            assert abs(np.angle(np.exp(1j * (angle - middle)))) < 0.03
            second = 0.5 * abs(math.cos(middle))
            # Along a sixteenth of a turn's quarter, the mean itself moves a little.
            assert x[chosen].var() == pytest.approx(0.6 - second, abs=0.13)
            assert y[chosen].var() == pytest.approx(second, abs=0.13)


def test_direction_is_easy_and_the_step_is_hard(full):
    found = swap_vae.read_flow(full.spikes.astype(float), full)
    assert found.direction > 0.95
    assert 0.3 < found.step < 0.5


def test_same_seed_same_set(full):
    small = latent_flow.simulate(64, 32, 20, seed=5)
    again = latent_flow.simulate(64, 32, 20, seed=5)
    np.testing.assert_array_equal(small.spikes, again.spikes)
    assert (
        small.spikes.shape != latent_flow.simulate(64, 32, 20, seed=6).spikes.shape
        or (small.spikes != latent_flow.simulate(64, 32, 20, seed=6).spikes).any()
    )


def test_planted_bugs_are_found():
    for old, new in (
        ("return np.concatenate([changed * np.exp(log_scale) + shift, kept]", None),
        ("return 0.1 * np.tanh(log_scale), shift", "return np.tanh(log_scale), shift"),
    ):
        new = new or old.replace("+ shift", "- shift")
        with planted(latent_flow, old, new) as broken, pytest.raises(AssertionError):
            test_equation_coupling(broken)


def test_bad_input(unchecked):
    with pytest.raises(ValueError, match="even"):
        Flow(11)
    with pytest.raises(ValueError, match="n_blocks"):
        Flow(12, 0)
    with pytest.raises(ValueError, match="n_train"):
        latent_flow.simulate(3)
    with pytest.raises(TypeError, match="n_test"):
        latent_flow.simulate(64, 2.5)
    with pytest.raises(ValueError, match="rows"):
        swap_vae.read_flow(np.ones((3, 2)), latent_flow.simulate(64, 32, 20))
