"""Distribution alignment decoding (DAD): match densities by trying rotations, without clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from neurotutor.representations.hiwa.checks import as_points
from neurotutor.representations.hiwa.preprocess import whiten


@dataclass(frozen=True)
class DadConfig:
    """Every constant of DAD. Defaults: the small setting that a tutorial can afford."""

    grid: int = 8
    """Directions tried: a cube of this many points per side (published)."""
    n_probes: int = 3000
    """Places where 3-D densities are compared; published: a full 50^3 grid."""
    extent: float | int = 4.0
    """Half width of the region where densities are compared, standard deviations (published)."""
    neighbours: int = 5
    """k of the 3-D density estimate (published)."""
    n_shifts: int = 1000
    """Random translations tried (published)."""
    shift_scale: float | int = 0.5
    """Their standard deviation (published)."""
    n_angles: int = 120
    """Angles of the full circle tried in the plane, each with and without reflection. Published:
    90 in the half circle, which cannot reach every rotation; ours is the stronger opponent."""
    plane_grid: int = 30
    """Cells per side of the plane's grid; published: 50."""
    plane_neighbours: int = 3
    """k of the 2-D density estimate (published)."""
    centre: float | int = 0.5
    """Cells nearer to the origin than this are left out; the published radius is not known."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        for name in ("grid", "n_probes", "neighbours", "n_angles", "plane_grid"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.extent > self.centre >= 0:
            raise ValueError(f"need extent > centre >= 0, got {self.extent} and {self.centre}")


def knn_density(
    points: Float[np.ndarray, "points dim"], probes: Float[np.ndarray, "probes dim"], k: int
) -> Float[np.ndarray, "probes"]:
    """Estimate a density by the distance to the k-th nearest point, p ~ 1 / rho_k^D.

    Args:
        points: (points, D) sample.
        probes: (probes, D) where the density is wanted.
        k: which neighbour, at most the number of points.

    Returns:
        (probes,) positive, normalised to sum 1 over the probes.

    Raises:
        ValueError: if k is out of range.

    Source: Dyer et al. (2017).
    """
    points, probes = as_points("points", points), as_points("probes", probes)
    if not 1 <= k <= len(points):
        raise ValueError(f"k must be between 1 and {len(points)}, got {k}")
    radius = cKDTree(points).query(probes, k=[k])[0][:, 0]
    density = np.maximum(radius, 1e-9) ** -float(points.shape[1])
    return density / density.sum()


def candidate_rotations(grid: int = 8) -> Float[np.ndarray, "candidates 3 3"]:
    """Return rotations that take the z axis towards every point of a cube of directions.

    Args:
        grid: points per side of the cube [-1, 1]^3; those nearer than 0.1 to 0 are left out.

    Returns:
        (candidates, 3, 3) rotations, the identity first.

    Source: Dyer et al. (2017).
    """
    side = np.linspace(-1, 1, grid)
    cube = np.stack(np.meshgrid(side, side, side, indexing="ij"), -1).reshape(-1, 3)
    length = np.linalg.norm(cube, axis=1)
    towards = cube[length >= 0.1] / length[length >= 0.1, None]
    z = np.array([0.0, 0.0, 1.0])
    # Rodrigues' formula without angles; -z has no unique rotation and gets a half turn about x.
    axis = np.cross(z, towards)
    cross = np.zeros((len(towards), 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    cross -= cross.swapaxes(1, 2)
    opposite = towards @ z < -1 + 1e-12
    share = np.where(opposite, 1.0, 1 + towards @ z)[:, None, None]
    rotations = np.eye(3) + cross + cross @ cross / share
    rotations[opposite] = np.diag([1.0, -1.0, -1.0])
    return np.concatenate([np.eye(3)[None], rotations])


def decode(
    neural: Float[np.ndarray, "bins 3"],
    movement: Float[np.ndarray, "samples 3"],
    config: DadConfig | None = None,
    *,
    seed: int = 0,
) -> Float[np.ndarray, "bins 2"]:
    """Decode 2-D velocity from neural factors by matching them to a movement prior.

    Args:
        neural: (bins, 3) factors of the recording.
        movement: (samples, 3) velocity x, velocity y, speed, of other sessions.
        config: all constants.
        seed: draws the probes and the translations.

    Returns:
        (bins, 2) decoded velocity, whitened units.

    Raises:
        ValueError: if a set is not three-dimensional, cannot be whitened, or holds NaN.

    Source: Dyer et al. (2017), as used for comparison by Lee et al. (2019).
    """
    config = DadConfig() if config is None else config
    neural, movement = as_points("neural", neural), as_points("movement", movement)
    if neural.shape[1] != 3 or movement.shape[1] != 3:
        raise ValueError(f"DAD works in 3-D, got {neural.shape[1]} and {movement.shape[1]}")
    rng = np.random.default_rng(seed)
    neural, movement = whiten(neural), whiten(movement)
    turned = neural @ _best_rotation(neural, movement, config, rng).T
    moved = turned + _best_shift(turned, movement, config, rng)
    return _best_plane(moved[:, :2], movement[:, :2], config)


def _best_rotation(
    neural: np.ndarray, movement: np.ndarray, config: DadConfig, rng: np.random.Generator
) -> np.ndarray:
    probes = rng.uniform(-config.extent, config.extent, (config.n_probes, 3))
    wanted = knn_density(movement, probes, config.neighbours)
    candidates = candidate_rotations(config.grid)
    divergences = []
    for rotation in candidates:
        # Turning the probes back is turning the data: the tree's shape does not matter.
        found = knn_density(neural, probes @ rotation, config.neighbours)
        divergences.append((found * np.log(found / wanted)).sum())
    return candidates[int(np.argmin(divergences))]


def _best_shift(
    turned: np.ndarray, movement: np.ndarray, config: DadConfig, rng: np.random.Generator
) -> np.ndarray:
    shifts = config.shift_scale * rng.standard_normal((config.n_shifts, 3))
    tree = cKDTree(movement)
    distances = [tree.query(turned + shift)[0].mean() for shift in shifts]
    return shifts[int(np.argmin(distances))]


def _best_plane(flat: np.ndarray, movement: np.ndarray, config: DadConfig) -> np.ndarray:
    side = np.linspace(-config.extent, config.extent, config.plane_grid)
    cells = np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)
    cells = cells[np.linalg.norm(cells, axis=1) >= config.centre]
    wanted = np.log(knn_density(whiten(movement), cells, config.plane_neighbours))
    best, least = flat, np.inf
    for angle in np.linspace(0, 2 * np.pi, config.n_angles, endpoint=False):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for mirror in (np.eye(2), np.diag([1.0, -1.0])):
            candidate = whiten(flat @ (turn @ mirror).T)
            found = np.log(knn_density(candidate, cells, config.plane_neighbours))
            distance = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
            if distance < least:
                best, least = candidate, distance
    return best
