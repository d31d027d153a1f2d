"""The generator of low-rank Gaussian mixtures: shapes, geometry, statistics, bad input."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurotutor.data.low_rank_gaussians import simulate

quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quick
@given(
    clusters=st.integers(1, 5),
    low=st.integers(1, 4),
    extra=st.integers(0, 4),
    points=st.integers(1, 20),
    spread=st.floats(0, 1.9),
    seed=st.integers(0, 10**6),
)
def test_geometry(clusters, low, extra, points, spread, seed):
    drawn = simulate(clusters, low + extra, low, points, size_spread=spread, seed=seed)
    identity = np.eye(low + extra)
    np.testing.assert_allclose(drawn.rotation @ drawn.rotation.T, identity, atol=1e-12)
    assert np.linalg.det(drawn.rotation) == pytest.approx(1)
    for bases in (drawn.bases_source, drawn.bases_target):
        gram = bases.swapaxes(1, 2) @ bases
        np.testing.assert_allclose(gram, np.broadcast_to(np.eye(low), gram.shape), atol=1e-12)
    np.testing.assert_allclose(drawn.bases_target, drawn.rotation @ drawn.bases_source)
    for part, labels, bases in (
        (drawn.source, drawn.source_labels, drawn.bases_source),
        (drawn.target, drawn.target_labels, drawn.bases_target),
    ):
        assert set(labels) == set(range(clusters))
        for k in range(clusters):
            cluster = part[labels == k]
            np.testing.assert_allclose(cluster @ bases[k] @ bases[k].T, cluster, atol=1e-9)
            assert points * (1 - spread / 2) <= len(cluster) <= points * (1 + spread / 2) + 1


def test_target_is_the_rotated_mixture_drawn_anew():
    drawn = simulate(3, 5, 2, 20_000, seed=1)
    for k in range(3):
        x = drawn.source[drawn.source_labels == k] @ drawn.rotation.T
        y = drawn.target[drawn.target_labels == k]
        np.testing.assert_allclose(x.mean(0), y.mean(0), atol=0.06)
        np.testing.assert_allclose(np.cov(x, rowvar=False), np.cov(y, rowvar=False), atol=0.15)
        assert np.abs(x - y).max() > 1  # independent draws, not a copy


def test_equally_spaced_neighbours_share_all_directions_but_one():
    drawn = simulate(4, 6, 3, 10, spacing="equal", seed=2)
    for i in range(4):
        for j in range(i, 4):
            angles = np.linalg.svd(
                drawn.bases_source[i].T @ drawn.bases_source[j], compute_uv=False
            )
            shared = max(3 - (j - i), 0)
            np.testing.assert_allclose(angles, [1] * shared + [0] * (3 - shared), atol=1e-12)
    assert np.linalg.matrix_rank(np.concatenate(drawn.bases_source, axis=1)) == 6


def test_noise_leaves_the_subspaces():
    clean, noisy = (simulate(1, 6, 2, 5000, noise=noise, seed=3) for noise in (0.0, 0.5))
    outside = noisy.source - noisy.source @ noisy.bases_source[0] @ noisy.bases_source[0].T
    assert outside.std() == pytest.approx(0.5 * np.sqrt(4 / 6), rel=0.03)
    assert np.linalg.matrix_rank(clean.source) == 2


def test_seed_draws_everything():
    once, again, other = (simulate(2, 4, 2, 5, noise=0.1, seed=s) for s in (0, 0, 1))
    for field in dataclasses.fields(once):
        assert (getattr(once, field.name) == getattr(again, field.name)).all()
    assert (once.source != other.source).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_clusters": 0}, "n_clusters"),
        ({"n_points": 0}, "n_points"),
        ({"intrinsic_dim": 7}, "intrinsic_dim"),
        ({"size_spread": 2.0}, "size_spread"),
        ({"noise": np.nan}, "noise"),
        ({"spacing": "even"}, "spacing"),
        ({"spacing": "equal"}, "equal spacing needs"),
    ],
)
def test_refuses(changes, message):
    arguments = {
        "n_clusters": 3, "ambient_dim": 6, "intrinsic_dim": 2, "n_points": 5, "seed": 0, **changes,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        simulate(**arguments)
