"""The read-outs and metrics against literal loops, scikit-learn and cases known by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from neurotutor import decoding


def test_direction_accuracy_counts_angles_within_the_two_tolerances():
    direction = np.array([0, 2, 4, 7])
    offsets = np.array([0.0, 0.9 * np.pi / 8, -1.2 * np.pi / 8, 1.6 * np.pi / 8])
    angles = 2 * np.pi * direction / 8 + offsets
    assert decoding.direction_accuracy(angles, direction) == (0.5, 0.75)
    vectors = 3.0 * np.column_stack([np.cos(angles), np.sin(angles)])
    assert decoding.direction_accuracy(vectors, direction) == (0.5, 0.75)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), turns=st.integers(-3, 3), n=st.integers(2, 12))
def test_direction_accuracy_ignores_whole_turns_and_agrees_with_a_loop(seed, turns, n):
    rng = np.random.default_rng(seed)
    direction, angles = rng.integers(0, n, 40), rng.uniform(-np.pi, np.pi, 40)
    within = [0, 0]
    for k, angle in zip(direction, angles, strict=True):
        gap = min(abs(angle - 2 * np.pi * k / n + 2 * np.pi * m) for m in range(-3, 4))
        within[0] += gap < np.pi / n
        within[1] += gap < 1.5 * np.pi / n
    got = decoding.direction_accuracy(angles + 2 * np.pi * turns, direction, n)
    assert got == (within[0] / 40, within[1] / 40)


def test_random_angles_are_at_chance():
    rng = np.random.default_rng(0)
    got = decoding.direction_accuracy(
        rng.uniform(0, 2 * np.pi, 200_000), rng.integers(0, 8, 200_000)
    )
    assert got.acc == pytest.approx(0.125, abs=0.005)
    assert got.delta_acc == pytest.approx(0.1875, abs=0.005)


def test_r2_pools_the_variance_of_all_columns():
    rng = np.random.default_rng(1)
    y = rng.normal(size=(300, 2)) * [1.0, 5.0]
    guess = y + rng.normal(size=y.shape)
    assert decoding.r2(y, guess) == pytest.approx(
        r2_score(y, guess, multioutput="variance_weighted"), abs=1e-12
    )
    assert decoding.r2(y, y) == 1.0
    assert decoding.r2(y, np.broadcast_to(y.mean(axis=0), y.shape).copy()) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(159, (127, 16, 16)), (180, (144, 18, 18)), (209, (167, 21, 21)), (10, (8, 1, 1))],
)
@pytest.mark.parametrize("seed", [None, 3])
def test_split_keeps_trials_whole_and_has_the_published_sizes(n, sizes, seed):
    trial = np.repeat(np.arange(n), 5)
    split = decoding.split_trials(trial, seed=seed)
    assert tuple(len(np.unique(trial[part])) for part in split) == sizes
    assert (split.train.astype(int) + split.validation + split.test == 1).all()
    if seed is None:
        assert trial[split.train].max() < trial[split.validation].min()
        assert trial[split.validation].max() < trial[split.test].min()
    else:
        assert trial[split.train].max() > trial[split.test].min()


def test_few_trials_draws_whole_trials_of_each_direction_from_the_mask_only():
    trial = np.repeat(np.arange(40), 3)
    direction = trial % 8
    mask = trial < 24
    drawn = decoding.few_trials(trial, direction, mask, 2, seed=5)
    assert not (drawn & ~mask).any()
    for label in range(8):
        names, sizes = np.unique(trial[drawn & (direction == label)], return_counts=True)
        assert len(names) == 2
        assert (sizes == 3).all()
    assert (drawn != decoding.few_trials(trial, direction, mask, 2, seed=6)).any()


def test_probe_solves_the_ridge_equations_on_standardised_features():
    rng = np.random.default_rng(2)
    features, direction = rng.normal(2.0, 3.0, (60, 4)), rng.integers(0, 8, 60)
    probe = decoding.DirectionProbe(penalty=10.0).fit(features, direction)
    z = (features - features.mean(0)) / features.std(0)
    target = np.column_stack([np.cos(2 * np.pi * direction / 8), np.sin(2 * np.pi * direction / 8)])
    weights = np.linalg.solve(z.T @ z + 10.0 * np.eye(4), z.T @ (target - target.mean(0)))
    assert np.allclose(probe.predict(features), z @ weights + target.mean(0), atol=1e-12)
    assert probe.score(features, direction) == decoding.direction_accuracy(
        probe.predict(features), direction
    )


def test_purity_agrees_with_a_literal_search():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(60, 5))
    trial = np.repeat(np.arange(12), 5)
    labels = trial % 8
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    same = near = 0
    for i in range(60):
        others = [j for j in range(60) if trial[j] != trial[i]]
        for j in sorted(others, key=lambda j: -unit[i] @ unit[j])[:5]:
            gap = abs(int(labels[i]) - int(labels[j]))
            same += gap == 0
            near += min(gap, 8 - gap) <= 1
    assert decoding.neighbour_purity(features, labels, trial, 5) == (same / 300, near / 300)


def test_purity_never_looks_into_the_own_trial():
    trial = np.repeat(np.arange(8), 4)
    labels = trial.copy()
    features = np.eye(8)[trial] + 0.01
    assert decoding.neighbour_purity(features, labels, trial, 3).same == 0.0


def test_principal_components_are_fitted_on_the_first_set_only():
    rng = np.random.default_rng(4)
    train, other = rng.normal(size=(50, 6)), rng.normal(5.0, 1.0, (20, 6))
    scores, moved = decoding.principal_components(train, other, n=3)
    axes = np.linalg.svd(train - train.mean(0), full_matrices=False)[2][:3]
    expected = (other - train.mean(0)) @ axes.T
    assert np.allclose(np.abs(moved), np.abs(expected))
    assert np.allclose(scores.mean(0), 0, atol=1e-12)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: decoding.direction_accuracy(np.zeros((3, 3)), np.zeros(3, int)),
            ValueError,
            "3, 3",
        ),
        (
            lambda: decoding.direction_accuracy(np.zeros(3), np.zeros(4, int)),
            ValueError,
            "one entry",
        ),
        (lambda: decoding.direction_accuracy(np.zeros(3), np.zeros(3)), TypeError, "integers"),
        (lambda: decoding.direction_accuracy(np.zeros(1), np.array([8])), ValueError, "0..7"),
        (
            lambda: decoding.direction_accuracy(np.full(2, np.nan), np.zeros(2, int)),
            ValueError,
            "NaN",
        ),
        (lambda: decoding.direction_accuracy(np.zeros(0), np.zeros(0, int)), ValueError, "empty"),
        (
            lambda: decoding.direction_accuracy(np.array(["a"]), np.zeros(1, int)),
            TypeError,
            "dtype",
        ),
        (lambda: decoding.r2(np.zeros(3), np.zeros(4)), ValueError, "one shape"),
        (lambda: decoding.r2(np.ones(3), np.ones(3)), ValueError, "does not vary"),
        (lambda: decoding.split_trials(np.arange(3)), ValueError, "empty"),
        (
            lambda: decoding.split_trials(np.arange(30), fractions=(0.9, 0.1)),
            ValueError,
            "less than 1",
        ),
        (lambda: decoding.split_trials(np.arange(30.0)), TypeError, "integers"),
        (
            lambda: decoding.few_trials(
                np.arange(4), np.zeros(4, int), np.ones(4, bool), 5, seed=0
            ),
            ValueError,
            "5 needed",
        ),
        (
            lambda: decoding.few_trials(np.arange(4), np.zeros(4, int), np.zeros(4, bool), seed=0),
            ValueError,
            "no bin",
        ),
        (lambda: decoding.DirectionProbe(-1.0), ValueError, "penalty"),
        (lambda: decoding.DirectionProbe().predict(np.zeros((2, 2))), ValueError, "not fitted"),
        (
            lambda: decoding.neighbour_purity(np.eye(4), np.arange(4), np.zeros(4, int), 1),
            ValueError,
            "outside the longest trial",
        ),
        (lambda: decoding.principal_components(np.zeros((3, 2)), n=3), ValueError, "1..2"),
    ],
)
def test_bad_input_is_refused_at_the_door(call, error, message):
    with pytest.raises(error, match=message):
        call()
