"""Simulated series with a known graph: the recursions as they are written, and what is refused."""

import math

import numpy as np
import pytest

from neurotutor.data import causal_series
from neurotutor.data.causal_series import KINDS, ctrnn, random_var, simulate

STEP = math.e / 10


def test_ctrnn_equals_its_recursion():
    rng = np.random.default_rng(0)
    weights, inputs = rng.standard_normal((3, 3)), rng.standard_normal((2, 40, 3))
    fast = ctrnn(weights, inputs)
    for run in range(2):
        u = np.zeros(3)
        for t in range(40):
            assert np.abs(fast[run, t] - u).max() < 1e-12
            u = np.array(
                [
                    u[j]
                    + STEP
                    * (
                        -u[j]
                        + sum(weights[i, j] * math.tanh(u[i]) for i in range(3))
                        + inputs[run, t, j]
                    )
                    for j in range(3)
                ]
            )


def test_ctrnn_without_synapses_approaches_its_input():
    fast = ctrnn(np.zeros((2, 2)), np.full((30, 2), 1.5))
    expected = 1.5 * (1 - (1 - STEP) ** np.arange(30))
    assert np.abs(fast - expected[:, None]).max() < 1e-12
    weights = np.array([[0.0, 1.0], [0.0, 0.0]])
    end = ctrnn(weights, np.full((400, 2), 0.5))[-1]
    assert end == pytest.approx(np.tanh(end) @ weights + 0.5, abs=1e-9)


def test_ctrnn_from_another_start():
    assert np.array_equal(
        ctrnn(np.zeros((2, 2)), np.zeros((3, 2)), start=np.array([1.0, 2.0]))[0], [1, 2]
    )


def test_linear_residuals_are_the_noise():
    x = simulate("linear", 500, noise=0.5, seed=3).values
    noise = np.stack(
        [
            x[1:, 0] - 1,
            x[1:, 1] + 1,
            x[1:, 2] - 2 * x[:-1, 0] - x[:-1, 1],
            x[1:, 3] - 2 * x[:-1, 2],
        ]
    )
    assert np.abs(noise.std(axis=1) - 0.5).max() < 0.06
    assert np.abs(np.corrcoef(noise) - np.eye(4)).max() < 0.15


def test_nonlinear_noise_stays_in_its_range():
    x = simulate("nonlinear", 500, noise=2.0, seed=3).values
    noise = x[1:, 2] - 4 * np.sin(x[:-1, 0]) - 3 * np.sin(x[:-1, 1])
    assert noise.min() >= 0
    assert noise.max() <= 2
    noise = x[1:, 3] - 3 * np.sin(x[:-1, 2])
    assert noise.min() >= 0
    assert noise.max() <= 2


@pytest.mark.parametrize(
    ("kind", "rest"),
    [
        ("contemp", lambda x: x[1:, 2] - x[1:, 0] - x[1:, 1]),
        ("mixed", lambda x: x[1:, 2] - x[:-1, 0] - x[1:, 1]),
        ("quad", lambda x: x[1:, 2] - x[:-1, 0] ** 2 + 1 - x[:-1, 1]),
        ("quad", lambda x: x[1:, 3] - 2 * np.abs(x[:-1, 2])),
        ("selfvar", lambda x: x[1:, 3] - 0.7 * x[:-1, 3] - 0.5 * x[:-1, 2]),
    ],
)
def test_rest_is_noise_of_unit_strength(kind, rest):
    left = rest(simulate(kind, 2000, seed=5).values)
    assert abs(left.mean()) < 0.1
    assert abs(left.std() - 1) < 0.06
    assert abs(np.corrcoef(left[1:], left[:-1])[0, 1]) < 0.08


def test_graphs_of_all_kinds():
    for kind in KINDS:
        made = simulate(kind, 50, seed=0)
        cross = made.adjacency & ~np.eye(4, dtype=bool)
        assert np.argwhere(cross).tolist() == [[0, 2], [1, 2], [2, 3]]
        own = kind in ("ctrnn", "ctrnn-soft", "selfvar")
        assert (made.adjacency.diagonal() == own).all()
        assert made.values.shape == (50, 4)
        assert (made.weights[~made.adjacency] == 0).all()


def test_strength_of_noise_is_only_a_scale_of_the_linear_paradigm():
    """After the start, that is: the rest differs by an affine change of each neuron."""
    weak, strong = (
        simulate("linear", 300, noise=eta, discard=10, seed=1).values for eta in (0.1, 3.5)
    )
    for v in range(4):
        assert np.corrcoef(weak[:, v], strong[:, v])[0, 1] > 1 - 1e-9


def test_random_network():
    made = random_var(12, 4000, seed=7)
    assert (made.adjacency.sum(axis=0) == 3).all()
    assert made.adjacency.diagonal().all()
    fitted = np.linalg.lstsq(made.values[:-1], made.values[1:], rcond=None)[0]
    assert np.abs(fitted - made.weights).max() < 0.08


def test_seeds():
    first, second = (simulate("ctrnn", 40, seed=4).values for _ in range(2))
    assert np.array_equal(first, second)
    rng = np.random.default_rng(4)
    assert np.array_equal(simulate("ctrnn", 40, seed=rng).values, first)
    assert not np.array_equal(simulate("ctrnn", 40, seed=rng).values, first)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulate("cubic", seed=0), "kind must be one of linear"),
        (lambda: simulate("linear", 1, seed=0), "n_steps"),
        (lambda: simulate("linear", noise=0.0, seed=0), "noise"),
        (lambda: simulate("linear", discard=-1, seed=0), "discard"),
        (lambda: random_var(2, seed=0), "n_neurons"),
        (lambda: random_var(9, own=1.0, seed=0), "unstable"),
        (lambda: ctrnn(np.zeros((2, 3)), np.zeros((5, 2))), "square"),
        (lambda: ctrnn(np.zeros((2, 2)), np.zeros((5, 3))), "inputs must be"),
        (lambda: ctrnn(np.zeros((2, 2)), np.zeros((5, 2)), step=2.5), "diverges"),
        (lambda: ctrnn(np.zeros((2, 2)), np.zeros((5, 2)), start=np.zeros(3)), "start"),
        (lambda: ctrnn(np.zeros((2, 2)), np.full((5, 2), np.nan)), "finite"),
    ],
)
def test_bad_input(unchecked, call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_step_is_the_published_one():
    assert pytest.approx(0.271828, abs=1e-6) == causal_series.STEP
