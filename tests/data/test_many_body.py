"""Bodies under gravity: exact orbits, what is conserved, an independent integrator, labels."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from neurotutor.data import many_body
from tests.harness import planted

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def pairs():
    return many_body.simulate_two_body(12, seed=1)


@pytest.fixture(scope="module")
def triples():
    return many_body.simulate_three_body(6, seed=1)


def circle(module=many_body):
    p = np.array([[0.6, 0.8], [1.2, 0.5]])
    v = module.circular_velocity(p)
    radius = np.linalg.norm(p, axis=1)
    orbits = []
    for k in range(2):
        times = np.linspace(0, 4 * math.pi * radius[k] ** 1.5, 41)
        place, motion = np.stack([p, -p], 1)[k : k + 1], np.stack([v, -v], 1)[k : k + 1]
        orbits.append(module.integrate(place, motion, np.ones((1, 2)), times)[0][0])
    return p, radius, orbits


def test_unit_masses_stay_on_a_circle_of_known_period():
    places, radius, orbits = circle()
    for p, r, orbit in zip(places, radius, orbits, strict=True):
        assert np.abs(np.linalg.norm(orbit, axis=-1) - r).max() < 1e-6
        assert np.abs(orbit[-1] - np.array([p, -p])).max() < 1e-5


def test_planted_force_law_breaks_the_circle():
    with planted(many_body, "squared * np.sqrt(squared)", "squared") as wrong:
        _, radius, orbits = circle(wrong)
        assert np.abs(np.linalg.norm(orbits[1], axis=-1) - radius[1]).max() > 1e-2


def slow_acceleration(q, m):
    found = np.zeros_like(q)
    for i in range(len(q)):
        for j in range(len(q)):
            if i != j:
                gap = q[j] - q[i]
                found[i] += m[j] * gap / math.sqrt(gap @ gap) ** 3
    return found


def test_acceleration_is_newtons():
    q, m = RNG.normal(size=(5, 3, 2)), RNG.uniform(0.5, 2, (5, 3))
    slow = np.array([slow_acceleration(*each) for each in zip(q, m, strict=True)])
    assert np.allclose(many_body.acceleration(q, m), slow, rtol=1e-12)


@pytest.mark.parametrize("name", ["pairs", "triples"])
def test_momentum_and_energy_are_conserved(name, request):
    data = request.getfixturevalue(name)
    for system in np.unique(data.connection):
        mine = data.connection == system
        q, v, m = data.orbits[:, :, mine], data.velocities[:, :, mine], data.masses[:, mine]
        momentum = (m[:, None, :, None] * v).sum(2)
        assert np.abs(momentum - momentum[:, :1]).max() < 1e-9
        energy = many_body.energy(q, v, np.broadcast_to(m[:, None], q.shape[:-1]))
        assert np.abs(energy / energy[:, :1] - 1).max() < 1e-3


def test_energy_counts_every_pair_once():
    q, v, m = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 2)), np.array([1.0, 2.0, 3.0])
    slow = sum(0.5 * m[i] * v[i] @ v[i] for i in range(3))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        slow -= m[i] * m[j] / np.linalg.norm(q[i] - q[j])
    assert many_body.energy(q, v, m) == pytest.approx(slow)


@pytest.mark.parametrize(
    ("name", "until", "error"), [("pairs", 10.0, 1e-5), ("triples", 5.0, 1e-3)]
)
def test_orbits_agree_with_an_independent_integrator(name, until, error, request):
    data = request.getfixturevalue(name)
    times = data.times[data.times <= until]
    for trial in range(3):
        mine = np.flatnonzero(data.connection == 0)
        m, n = data.masses[trial, mine], len(mine)

        def slope(_, state, m=m, n=n):
            q, v = state.reshape(2, n, 2)
            return np.concatenate([v.ravel(), slow_acceleration(q, m).ravel()])

        start = np.concatenate(
            [data.orbits[trial, 0, mine].ravel(), data.velocities[trial, 0, mine].ravel()]
        )
        found = solve_ivp(slope, (0, until), start, "RK45", t_eval=times, rtol=1e-9, atol=1e-10)
        there = found.y.T.reshape(len(times), 2, n, 2)[:, 0]
        assert np.abs(data.orbits[trial, : len(times)][:, mine] - there).max() < error


def test_close_encounters_are_integrated_again():
    place = np.array([[[1.0, 0.0], [-1.0, 0.0]]])
    motion = np.array([[[0.0, 0.03], [0.0, -0.03]]])
    times = np.linspace(0, 3, 31)
    q, v = many_body.integrate(place, motion, np.ones((1, 2)), times)
    energy = many_body.energy(q[0], v[0], np.ones((31, 2)))
    assert np.abs(energy / energy[0] - 1).max() < 1e-5


def test_undisturbed_triple_keeps_its_radius():
    data = many_body.simulate_three_body(4, velocity_noise=0.0, duration=5.0, seed=2)
    radius = np.linalg.norm(data.orbits, axis=-1)
    assert np.abs(radius - radius[:, :1]).max() < 1e-4
    first = data.orbits[:, 0, :3] - data.orbits[:, 0, [1, 2, 0]]
    sides = np.linalg.norm(first, axis=-1)
    assert np.allclose(sides, sides[:, :1])


def test_draws_are_those_of_the_published_system(pairs, triples):
    light, heavy = pairs.masses[:, ::2], pairs.masses[:, 1::2]
    assert 0.8 <= light.min() <= light.max() <= 1.2 <= heavy.min() <= heavy.max() <= 1.6
    start = pairs.orbits[:, 0]
    assert np.array_equal(start[:, 0], -start[:, 1])
    assert 0.5 <= start[:, 0].min() <= start[:, 0].max() <= 1.5
    assert pairs.positions.shape == (12, 10, 4, 2)
    assert triples.positions.shape == (6, 50, 6, 2)
    assert (triples.masses == 1).all()
    assert np.array_equal(many_body.simulate_two_body(12, seed=1).positions, pairs.positions)
    assert pairs.start.min() >= 0
    assert pairs.start.max() < 40


def test_windows_start_where_they_say(pairs):
    for trial in range(3):
        for body in range(4):
            begin = pairs.start[trial, pairs.connection[body]]
            slow = pairs.orbits[trial, begin : begin + 10, body]
            assert np.array_equal(pairs.positions[trial, :, body], slow)


@pytest.mark.parametrize(
    ("groups", "types", "counts"),
    [
        ((0, 0, 1, 1), (0, 1, 0, 1), {"connection": 3, "type": 6, "both": 12}),
        ((0, 0, 0, 1, 1, 1), (0, 1, 2, 0, 1, 2), {"connection": 10, "type": 90, "both": 360}),
    ],
)
def test_classes_are_as_many_as_published_and_uniform(groups, types, counts):
    found = {task: many_body.relabel(groups, types, task) for task in many_body.TASKS}
    for task, labels in found.items():
        sizes = Counter(labels.classes.tolist())
        assert labels.n_classes == counts[task] == len(sizes)
        assert len(set(sizes.values())) == 1
        assert len(labels.orders) == math.factorial(len(groups))
    for task in ("connection", "type"):
        pairs = set(zip(found["both"].classes, found[task].classes, strict=True))
        assert len(pairs) == counts["both"]


def test_connection_does_not_care_what_a_system_is_called():
    a = many_body.relabel((0, 0, 1, 1), (0, 1, 0, 1), "connection")
    for order, k in zip(a.orders, a.classes, strict=True):
        groups = np.array((0, 0, 1, 1))[order]
        together = groups[:, None] == groups[None, :]
        pattern = np.array(a.patterns[k])
        assert np.array_equal(together, pattern[:, None] == pattern[None, :])


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: many_body.simulate_two_body(0), "n_trials"),
        (lambda: many_body.simulate_two_body(5, window=50), "shorter than n_samples"),
        (lambda: many_body.simulate_three_body(5, masses=(1.0, -1.0, 1.0)), "three positive"),
        (lambda: many_body.simulate_two_body(5, velocity_noise=-1.0), "velocity_noise"),
        (lambda: many_body.relabel((0, 1), (0, 1), "colour"), "task must be one of"),
        (lambda: many_body.relabel(tuple(range(8)), tuple(range(8)), "type"), "1 to 7 bodies"),
        (lambda: many_body.relabel((0, 0), (0,), "type"), "one entry a body"),
        (
            lambda: many_body.integrate(
                np.zeros((1, 2, 3)), np.zeros((1, 2, 3)), np.ones((1, 2)), np.arange(3.0)
            ),
            "shape",
        ),
        (
            lambda: many_body.integrate(
                np.full((1, 2, 2), np.nan), np.zeros((1, 2, 2)), np.ones((1, 2)), np.arange(3.0)
            ),
            "NaN",
        ),
        (
            lambda: many_body.integrate(
                np.ones((1, 2, 2)), np.zeros((1, 2, 2)), np.ones((1, 3)), np.arange(3.0)
            ),
            "masses",
        ),
        (
            lambda: many_body.integrate(
                np.ones((1, 2, 2)), np.zeros((1, 2, 2)), np.ones((1, 2)), np.zeros(3)
            ),
            "increasing",
        ),
    ],
)
def test_bad_input(call, error, unchecked):
    with pytest.raises((ValueError, TypeError), match=error):
        call()
