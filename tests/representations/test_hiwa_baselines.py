"""What HiWA is compared with: baselines, density matching, and clusters found by themselves."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from neurotutor.data.low_rank_gaussians import simulate
from neurotutor.representations import hiwa
from neurotutor.representations.hiwa import baselines, clustering, dad
from tests.harness import planted, relative_error


def rotation(seed, dim=3):
    return hiwa.polar(np.random.default_rng(seed).standard_normal((dim, dim)), 1)


def small_turn(angle, dim=3):
    turn = np.eye(dim)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn


@pytest.fixture
def cloud():
    rng = np.random.default_rng(0)
    return rng.standard_normal((60, 3)) * [3.0, 1.5, 0.5] + rng.exponential(1, (60, 3))


def test_procrustes_undoes_a_rotation(cloud):
    truth = rotation(1)
    assert relative_error(baselines.procrustes(cloud, cloud @ truth.T), truth) < 1e-12


def test_wasserstein_alignment_from_a_good_start(cloud):
    turn = small_turn(0.5)
    found = baselines.wasserstein_alignment(
        cloud, cloud @ turn.T, rotation0=np.eye(3), first_entropy=0.1
    )
    assert hiwa.alignment_error(found, turn, cloud) < 0.02


def test_icp_from_a_good_start_and_with_a_shift(cloud):
    turn, shift = small_turn(0.2), np.array([0.3, -0.2, 0.1])
    found, moved = baselines.icp(cloud, cloud @ turn.T + shift)
    assert relative_error(found, turn) < 1e-6
    np.testing.assert_allclose(moved, shift, atol=1e-6)
    stopped, _ = baselines.icp(cloud, cloud @ turn.T + shift, max_iter=1)
    assert relative_error(stopped, turn) > 1e-3


def test_coral_carries_one_covariance_into_the_other(cloud):
    other = cloud @ np.random.default_rng(2).standard_normal((3, 3))
    mapped = cloud @ baselines.coral(cloud, other).T
    first, second = (np.cov(points, rowvar=False) for points in (cloud, other))
    expected = second + np.eye(3)
    # What it matches exactly are the covariances with the identity added.
    matrix = baselines.coral(cloud, other)
    assert relative_error(matrix @ (first + np.eye(3)) @ matrix.T, expected) < 1e-9
    assert mapped.shape == cloud.shape


def test_subspace_alignment_matches_axes_up_to_sign(cloud):
    truth = rotation(3)
    same = baselines.subspace_alignment(cloud, cloud)
    np.testing.assert_allclose(same, np.eye(3), atol=1e-12)
    found = baselines.subspace_alignment(cloud, cloud @ truth.T)
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)


def test_a_transposed_coral_is_found(cloud):
    def check(module):
        test = np.random.default_rng(2).standard_normal((40, 3)) * [1, 2, 4]
        matrix = module.coral(cloud, test @ rotation(5).T)
        before = np.cov(cloud, rowvar=False) + np.eye(3)
        after = np.cov(test @ rotation(5).T, rowvar=False) + np.eye(3)
        assert relative_error(matrix @ before @ matrix.T, after) < 1e-9

    check(baselines)
    bug = planted(baselines, "(powers[0] @ powers[1]).T", "powers[0] @ powers[1]")
    with bug as broken, pytest.raises(AssertionError):
        check(broken)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: baselines.icp(np.ones((3, 2)), np.ones((3, 3))), "dimensions"),
        (lambda: baselines.coral(np.ones((1, 2)), np.ones((3, 2))), "two points"),
        (lambda: baselines.subspace_alignment(np.ones((3, 2)), np.ones((3, 2))), "constant"),
        (lambda: baselines.procrustes(np.ones((3, 2)), np.ones((4, 2))), "one shape"),
        (
            lambda: baselines.wasserstein_alignment(np.ones((3, 2)), np.ones((3, 2)), decay=2.0),
            "decay",
        ),
        (
            lambda: baselines.wasserstein_alignment(np.full((3, 2), np.nan), np.ones((3, 2))),
            "finite",
        ),
        (lambda: clustering.sparse_subspace_clusters(np.ones((3, 2)), 4), "n_clusters"),
        (lambda: clustering.mixture_clusters(np.ones((3, 2)), 0), "n_clusters"),
        (lambda: clustering.sparse_coefficients(np.zeros((3, 2))), "orthogonal"),
        (lambda: clustering.sparse_coefficients(np.ones((1, 2))), "two points"),
        (lambda: clustering.keep_largest(np.ones((2, 2)), 0.0), "share"),
        (lambda: dad.decode(np.ones((9, 2)), np.ones((9, 3))), "3-D"),
        (lambda: dad.knn_density(np.ones((3, 2)), np.ones((3, 2)), 4), "k must be"),
        (lambda: dad.DadConfig(grid=0), "grid"),
        (lambda: dad.DadConfig(extent=0.1), "extent"),
    ],
)
def test_refuses(unchecked, call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- clusters ----------------------------------------------------------------------------------


def test_sparse_coefficients_solve_the_lasso():
    """No coordinate of the answer can be changed to lower the objective."""
    points = np.random.default_rng(0).standard_normal((12, 4))
    alpha = 50.0
    found = clustering.sparse_coefficients(points, alpha=alpha, max_iter=20_000, tol=1e-10)
    gram = points @ points.T
    weight = alpha / np.abs(gram - np.diag(np.diag(gram))).max(axis=1).min()
    np.testing.assert_allclose(np.diag(found), 0)

    def value(coefficients):
        rest = points - coefficients @ points
        return np.abs(coefficients).sum() + weight / 2 * (rest**2).sum()

    least = value(found)
    rng = np.random.default_rng(1)
    for _ in range(200):
        step = 1e-3 * rng.standard_normal(found.shape) * (rng.random(found.shape) < 0.2)
        np.fill_diagonal(step, 0)
        assert value(found + step) >= least - 1e-6


def test_keep_largest_keeps_the_share():
    kept = clustering.keep_largest(np.array([[5.0, -3.0, 1.0, 1.0], [0.0, 0.0, 2.0, 0.0]]), 0.8)
    np.testing.assert_allclose(kept, [[5, -3, 0, 0], [0, 0, 2, 0]])


def test_both_clusterings_find_the_clusters():
    planes = simulate(3, 6, 2, 25, seed=4)
    found = clustering.sparse_subspace_clusters(planes.source, 3)
    assert adjusted_rand_score(planes.source_labels, found) > 0.95
    rng = np.random.default_rng(5)
    blobs = np.repeat(np.eye(3) * 8, 20, axis=0) + rng.standard_normal((60, 3))
    labels = np.repeat([0, 1, 2], 20)
    assert adjusted_rand_score(labels, clustering.mixture_clusters(blobs, 3)) == 1


# --- density matching --------------------------------------------------------------------------


def test_candidate_rotations_reach_every_direction():
    rotations = dad.candidate_rotations(4)
    np.testing.assert_allclose(rotations[0], np.eye(3))
    identity = rotations @ rotations.swapaxes(1, 2)
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), identity.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotations), 1)
    side = np.linspace(-1, 1, 4)
    wanted = [np.array([x, y, z]) for x in side for y in side for z in side]
    for towards in wanted:
        gap = np.abs(rotations[:, :, 2] - towards / np.linalg.norm(towards)).max(1)
        assert gap.min() < 1e-12


def test_the_half_turn_is_a_rotation():
    rotations = dad.candidate_rotations(3)
    down = rotations[np.isclose(rotations[:, 2, 2], -1)]
    np.testing.assert_allclose(down[0], np.diag([1.0, -1.0, -1.0]))


def test_knn_density_is_high_where_points_are():
    points = np.random.default_rng(6).standard_normal((500, 2))
    density = dad.knn_density(points, np.array([[0.0, 0.0], [3.0, 3.0]]), 5)
    assert density.sum() == pytest.approx(1)
    assert density[0] > 10 * density[1]


@pytest.mark.parametrize("candidate", [60, 300])
def test_dad_undoes_a_tilt_that_it_tries(candidate):
    """Reaches towards three unevenly used targets, tilted by one of the rotations of the grid."""
    rng = np.random.default_rng(7)

    def movement(n):
        angle = rng.choice(np.deg2rad([0.0, 80.0, 200.0]), n, p=[0.55, 0.3, 0.15])
        speed = 1 + 3 * rng.beta(2, 3, n)
        velocity = speed[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        velocity += 0.15 * rng.standard_normal((n, 2))
        return np.column_stack([velocity, np.linalg.norm(velocity, axis=1)])

    prior, hidden = movement(300), movement(300)
    config = dad.DadConfig(n_probes=1000, n_shifts=50, plane_grid=20)
    tilt = dad.candidate_rotations(config.grid)[candidate].T
    decoded = dad.decode(hidden @ tilt.T, prior, config)
    truth = hiwa.whiten(hidden[:, :2])
    error = ((decoded - truth) ** 2).sum() / (truth**2).sum()
    assert decoded.shape == (300, 2)
    assert error < 0.5
