"""Hierarchical Wasserstein alignment: two nested transport problems under one rotation."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped
from sklearn.exceptions import ConvergenceWarning

from neurotutor.representations.hiwa.checks import (
    as_labels,
    as_orthogonal,
    as_points,
    as_real,
    same_dimension,
)
from neurotutor.representations.hiwa.preprocess import Clusters, Whitening, apply_map
from neurotutor.representations.hiwa.transport import (
    SAFE_EXPONENT,
    entropy,
    polar,
    scale,
    sinkhorn,
    squared_distances,
)

# Largest stack of kernels that is worked on at once: it should stay in a core's own cache.
CHUNK_BYTES = 1 << 20
# A reflection pair shows as a residual of 2 in every iteration; three in a row are no accident.
FLIP_RUN = 3


@dataclass(frozen=True)
class HiwaConfig:
    """Every constant of HiWA. Defaults: the paper's figures and the published Python class.

    "Symbol" is the paper's; "ours" marks what the paper does not have.
    """

    max_iter: int = 300
    """ADMM iterations at most (figures and Python class)."""
    tol: float | int = 0.1
    """Stop when ||R - R_prev||_F is at most this; 0 runs all iterations (figures)."""
    min_iter: int = 6
    """Iterations before the stopping rule is asked (Python class)."""
    penalty: float | int = 5e-3
    """Symbol mu: pull of every pair's rotation towards the consensus (figures)."""
    cluster_entropy: float | int = 0.2
    """Symbol epsilon_1: entropy of the cluster correspondence P (figures)."""
    cluster_sinkhorn_iter: int = 1000
    """Sinkhorn iterations for P (figures)."""
    point_entropy: float | int = 0.1
    """Symbol epsilon_2: entropy of the point couplings Q_ij, divided by P_ij (figures)."""
    point_sinkhorn_iter: int = 150
    """Sinkhorn iterations for Q_ij (figures)."""
    inner_iter: int = 100
    """Alternations of rotation and coupling per pair at most (figures)."""
    inner_tol: float | int = 1e-2
    """Stop a pair when the spectral norm of the change of R_ij is at most this (figures)."""
    whiten: bool = False
    """Whiten each set first: preprocessing (a)."""
    scale_by_dimension: bool = True
    """Divide all points by sqrt(D): preprocessing (c). The entropies are in these units."""
    sinkhorn_tol: float | int = 1e-6
    """Ours: stop Sinkhorn at this marginal error; 0 runs the published fixed counts."""
    n_starts: int = 1
    """Ours: random first rotations; the start of least final sum(P * C) is kept."""
    reflections: bool = True
    """Ours: False allows proper rotations only (determinant +1), for every R_ij and for R."""
    dtype: str = "float64"
    """Ours: precision of the point couplings, float64 or float32."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        for name in ("penalty", "cluster_entropy", "point_entropy"):
            value = getattr(self, name)
            if not 0 < value < np.inf:
                raise ValueError(f"{name} must be a finite number > 0, got {value}")
        for name in ("tol", "inner_tol", "sinkhorn_tol"):
            value = getattr(self, name)
            if not 0 <= value < np.inf:
                raise ValueError(f"{name} must be a finite number >= 0, got {value}")
        for name in (
            "max_iter",
            "min_iter",
            "cluster_sinkhorn_iter",
            "point_sinkhorn_iter",
            "inner_iter",
            "n_starts",
        ):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.dtype not in ("float64", "float32"):
            raise ValueError(f"dtype must be 'float64' or 'float32', got {self.dtype!r}")

    @classmethod
    def tutorial(cls, **changes: object) -> HiwaConfig:
        """Return the setting of the chapter: at most 120 iterations, in single precision."""
        small = {"max_iter": 120, "dtype": "float32", "sinkhorn_tol": 1e-5}
        return cls(**{**small, **changes})


@dataclass(frozen=True)
class History:
    """What one start did, one entry per ADMM iteration.

    Attributes:
        residual: (iterations,) ||R - R_prev||_F.
        objective: (iterations,) sum(P * C), squared distance after division by sqrt(D).
        alternations: (iterations,) most alternations that any pair needed.
        rotations: (iterations + 1, D, D), the first rotation included.
        correspondences: (iterations + 1, a, b), the uniform first one included.
        converged: whether the residual reached `tol`.
        flips: whether R ended in a flip between a reflection pair.
    """

    residual: Float[np.ndarray, "iterations"]
    objective: Float[np.ndarray, "iterations"]
    alternations: Int[np.ndarray, "iterations"]
    rotations: Float[np.ndarray, "iterations+1 dim dim"]
    correspondences: Float[np.ndarray, "iterations+1 a b"]
    converged: bool
    flips: bool

    def __len__(self) -> int:
        """Return the number of ADMM iterations."""
        return len(self.residual)


def objective(
    correspondence: Float[np.ndarray, "a b"],
    costs: Float[np.ndarray, "a b"],
    cluster_entropy: float | int = 0.0,
) -> float:
    """Return sum(P * C) - epsilon_1 H(P), what the outer problem minimises.

    Args:
        correspondence: (a, b) coupling P of the clusters.
        costs: (a, b) transport cost C of every pair of clusters.
        cluster_entropy: epsilon_1; 0 gives the value by which restarts are compared.

    Raises:
        ValueError: if the shapes differ, or entries are not finite.

    Source: Lee et al. (2019), objective.
    """
    correspondence, costs = as_real("correspondence", correspondence), as_real("costs", costs)
    if correspondence.shape != costs.shape:
        raise ValueError(
            f"correspondence and costs must have one shape, got {correspondence.shape} and "
            f"{costs.shape}"
        )
    linear = float((correspondence * costs).sum())
    return linear - cluster_entropy * entropy(correspondence) if cluster_entropy else linear


def pair_cost(
    x: Float[np.ndarray, "n dim"],
    y: Float[np.ndarray, "m dim"],
    rotation: Float[np.ndarray, "dim dim"],
    plan: Float[np.ndarray, "n m"],
    entropy_weight: float | int = 0.0,
) -> float:
    """Return the cost of one pair of clusters: sum(Q * ||R x - y||^2) - weight * H(Q).

    Args:
        x: (n, D) source cluster.
        y: (m, D) target cluster.
        rotation: (D, D) R.
        plan: (n, m) coupling Q.
        entropy_weight: epsilon_2 / P_ij; 0 gives the C_ij that the outer problem sees.

    Raises:
        ValueError: if the shapes do not fit.

    Source: Lee et al. (2019), inner objective.
    """
    distances = squared_distances(as_points("x", x) @ as_real("rotation", rotation).T, y)
    return objective(plan, distances, entropy_weight)


def pair_rotation(
    moment: Float[np.ndarray, "*batch dim dim"],
    weight: Float[np.ndarray, "*batch"] | float | int,
    anchor: Float[np.ndarray, "*batch dim dim"],
    determinant: int | None = None,
) -> Float[np.ndarray, "*batch dim dim"]:
    """Rotate one cluster onto another, given who goes where: polar(2 P_ij Y Q' X' + T_ij).

    Args:
        moment: (..., D, D) Y Q' X', the sum over k, l of Q_kl y_l x_k'.
        weight: (...) P_ij, how much this pair counts.
        anchor: (..., D, D) T_ij, the pull towards the consensus; see `anchors`.
        determinant: None allows reflections; +1 or -1 does not.

    Returns:
        (..., D, D) rotations R_ij.

    Source: Lee et al. (2019), step 2a of the algorithm as the chapter numbers it.
    """
    return polar(2 * np.asarray(weight)[..., None, None] * moment + anchor, determinant)


def anchors(
    rotation: Float[np.ndarray, "dim dim"],
    duals: Float[np.ndarray, "a b dim dim"],
    penalty: float | int,
) -> Float[np.ndarray, "a b dim dim"]:
    """Return T_ij = (mu / D)(R - Lambda_ij), what pulls pair (i, j) to the consensus.

    Args:
        rotation: (D, D) consensus R.
        duals: (a, b, D, D) scaled duals Lambda_ij.
        penalty: mu.

    Source: Lee et al. (2019), step 2 of the algorithm.
    """
    return penalty / len(rotation) * (rotation - duals)


def consensus(
    rotations: Float[np.ndarray, "a b dim dim"],
    duals: Float[np.ndarray, "a b dim dim"],
    determinant: int | None = None,
) -> tuple[Float[np.ndarray, "dim dim"], Float[np.ndarray, "a b dim dim"]]:
    """Agree on one rotation and charge every pair for its disagreement.

    Args:
        rotations: (a, b, D, D) the pairs' own R_ij.
        duals: (a, b, D, D) scaled duals Lambda_ij.
        determinant: None allows both signs; +1 or -1 holds the sign (ours).

    Returns:
        R = polar(mean(R_ij + Lambda_ij)) and the new duals Lambda_ij + R_ij - R.

    Source: Lee et al. (2019), step 4 of the algorithm.
    """
    agreed = polar((rotations + duals).mean(axis=(0, 1)), determinant)
    return agreed, duals + rotations - agreed


def align_pairs(
    source: Clusters,
    target: Clusters,
    correspondence: Float[np.ndarray, "a b"],
    anchor: Float[np.ndarray, "a b dim dim"],
    config: HiwaConfig,
) -> tuple[Float[np.ndarray, "a b dim dim"], Float[np.ndarray, "a b"], Int[np.ndarray, "a b"]]:
    """Align every source cluster with every target cluster, all pairs side by side.

    Args:
        source: a clusters X_i.
        target: b clusters Y_j.
        correspondence: (a, b) P.
        anchor: (a, b, D, D) T_ij.
        config: `point_entropy`, `point_sinkhorn_iter`, `sinkhorn_tol`, `inner_iter`, `inner_tol`.

    Returns:
        Rotations R_ij (a, b, D, D), costs C_ij (a, b) without the entropy term, and the number of
        alternations (a, b).

    Source: Lee et al. (2019), step 2 of the algorithm.
    """
    a, b = correspondence.shape
    dim = anchor.shape[-1]
    rows, columns = (index.ravel() for index in np.indices((a, b)))
    pair_bytes = source.weights.shape[1] * target.weights.shape[1] * source.points.itemsize
    n_chunks = -(-a * b * pair_bytes // CHUNK_BYTES)
    rotations = np.empty((a * b, dim, dim))
    costs = np.empty(a * b)
    alternations = np.empty(a * b, dtype=np.int64)
    for pairs in np.array_split(np.arange(a * b), min(n_chunks, a * b)):
        i, j = rows[pairs], columns[pairs]
        rotations[pairs], costs[pairs], alternations[pairs] = _align_chunk(
            source.points[i],
            target.points[j],
            source.weights[i],
            target.weights[j],
            correspondence[i, j],
            anchor[i, j],
            config,
        )
    return rotations.reshape(a, b, dim, dim), costs.reshape(a, b), alternations.reshape(a, b)


def _align_chunk(
    x: np.ndarray,
    y: np.ndarray,
    p: np.ndarray,
    q: np.ndarray,
    weight: np.ndarray,
    anchor: np.ndarray,
    config: HiwaConfig,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Alternate rotation and coupling for a stack of pairs until each has settled.

    The kernel is exp(-cost P_ij / epsilon_2): a product, so that P_ij = 0 is no division by zero.
    Neither the plan nor the cost matrix is ever formed: with Q = diag(u) K diag(v),
    Y Q' X' = (v y)' K' (u x), and <cost, Q> follows from its marginals and from that moment.
    """
    n_pairs = len(x)
    rate = (weight / config.point_entropy).astype(x.dtype)
    x_square, y_square = (x**2).sum(-1), (y**2).sum(-1)
    reach = (np.sqrt(x_square.max(-1)) + np.sqrt(y_square.max(-1))) ** 2 * rate
    determinant = None if config.reflections else 1
    couple = _couple_log if (reach > SAFE_EXPONENT[x.dtype]).any() else _couple_kernel

    settled = np.empty((n_pairs, *anchor.shape[1:]))
    costs = np.empty(n_pairs)
    alternations = np.empty(n_pairs, dtype=np.int64)
    live = np.arange(n_pairs)
    v = q
    moment = _means(y, q)[:, :, None] * _means(x, p)[:, None, :]
    previous = None
    for alternation in range(1, config.inner_iter + 1):
        rotation = pair_rotation(moment, weight, anchor, determinant)
        moved = np.matmul(x, rotation.swapaxes(1, 2).astype(x.dtype))
        exponent = np.matmul((2 * rate)[:, None, None] * moved, y.swapaxes(1, 2))
        exponent -= (rate[:, None] * x_square)[:, :, None]
        exponent -= (rate[:, None] * y_square)[:, None, :]
        # With the fixed published count every coupling starts afresh, as published.
        kernel, u, v = couple(exponent, p, q, v if config.sinkhorn_tol else q, config)
        moment = np.matmul(
            (v[:, :, None] * y).swapaxes(1, 2),
            np.matmul(kernel.swapaxes(1, 2), u[:, :, None] * x),
        ).astype(np.float64)
        if alternation == config.inner_iter:
            done = np.ones(len(live), dtype=bool)
        elif previous is None:
            done = np.zeros(len(live), dtype=bool)
        else:
            done = _spectral_norm_at_most(rotation - previous, config.inner_tol)
        if done.any():
            ended = live[done]
            settled[ended] = rotation[done]
            alternations[ended] = alternation
            row_sums = u[done] * np.matmul(kernel[done], v[done][..., None])[..., 0]
            column_sums = v[done] * np.matmul(u[done][:, None, :], kernel[done])[:, 0, :]
            costs[ended] = (
                (row_sums * x_square[done]).sum(-1)
                + (column_sums * y_square[done]).sum(-1)
                - 2 * (rotation[done] * moment[done]).sum((1, 2))
            )
            if done.all():
                break
            keep = ~done
            live, previous, moment = live[keep], rotation[keep], moment[keep]
            x, y, p, q, v = x[keep], y[keep], p[keep], q[keep], v[keep]
            x_square, y_square = x_square[keep], y_square[keep]
            weight, rate, anchor = weight[keep], rate[keep], anchor[keep]
        else:
            previous = rotation
    return settled, costs, alternations


def _means(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.matmul(weights[:, None, :], points)[:, 0, :].astype(np.float64)


def _couple_kernel(
    exponent: np.ndarray, p: np.ndarray, q: np.ndarray, v: np.ndarray, config: HiwaConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kernel = np.exp(exponent, out=exponent)
    u, v, _ = scale(kernel, p, q, v, config.point_sinkhorn_iter, config.sinkhorn_tol)
    return kernel, u, v


def _couple_log(
    exponent: np.ndarray, p: np.ndarray, q: np.ndarray, v: np.ndarray, config: HiwaConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Couple where the kernel may underflow; the plan stands for the kernel, its scalings are 1."""
    with warnings.catch_warnings():
        # A fixed number of iterations is part of the published algorithm.
        warnings.simplefilter("ignore", ConvergenceWarning)
        plan = sinkhorn(
            -exponent, p, q, 1.0, max_iter=config.point_sinkhorn_iter, tol=config.sinkhorn_tol
        )
    return plan, np.ones_like(p), np.ones_like(q)


def _spectral_norm_at_most(matrices: np.ndarray, bound: float | int) -> np.ndarray:
    """Compare spectral norms with `bound`; only close calls pay for singular values."""
    frobenius = np.sqrt((matrices * matrices).sum((1, 2)))
    answer = frobenius <= bound
    close = ~answer & (frobenius <= bound * np.sqrt(matrices.shape[-1]))
    if close.any():
        answer[close] = np.linalg.norm(matrices[close], ord=2, axis=(1, 2)) <= bound
    return answer


def admm(
    source: Clusters,
    target: Clusters,
    rotation: Float[np.ndarray, "dim dim"],
    config: HiwaConfig,
) -> tuple[Float[np.ndarray, "dim dim"], Float[np.ndarray, "a b"], History]:
    """Run HiWA from one first rotation.

    Args:
        source: a clusters.
        target: b clusters.
        rotation: (D, D) orthogonal first rotation.
        config: all constants.

    Returns:
        The consensus rotation (D, D), the last pair costs C (a, b), and the history.

    Source: Lee et al. (2019), the whole algorithm.
    """
    a, b = len(source.points), len(target.points)
    uniform = np.full(a, 1 / a), np.full(b, 1 / b)
    correspondence = np.outer(*uniform)
    duals = np.zeros((a, b, *rotation.shape))
    rotations, correspondences = [rotation], [correspondence]
    residuals, objectives, most = [], [], []
    determinant, converged = None if config.reflections else 1, False
    for iteration in range(1, config.max_iter + 1):
        pulls = anchors(rotation, duals, config.penalty)
        own, costs, alternations = align_pairs(source, target, correspondence, pulls, config)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a fixed count, as published
            correspondence = sinkhorn(
                costs,
                *uniform,
                config.cluster_entropy,
                max_iter=config.cluster_sinkhorn_iter,
                tol=config.sinkhorn_tol / 1000,  # P decides everything else: be exact
            )
        rotation, duals = consensus(own, duals, determinant)
        residuals.append(float(np.linalg.norm(rotation - rotations[-1])))
        objectives.append(objective(correspondence, costs))
        most.append(int(alternations.max()))
        rotations.append(rotation)
        correspondences.append(correspondence)
        if config.tol and iteration >= config.min_iter and residuals[-1] <= config.tol:
            converged = True
            break
    history = History(
        residual=np.array(residuals),
        objective=np.array(objectives),
        alternations=np.array(most),
        rotations=np.stack(rotations),
        correspondences=np.stack(correspondences),
        converged=converged,
        flips=_flips(residuals),
    )
    return rotation, costs, history


def _flips(residuals: list[float]) -> bool:
    """Tell whether the last iterations each differ from the one before by a plain reflection."""
    recent = np.array(residuals[-FLIP_RUN:])
    return len(recent) == FLIP_RUN and bool((np.abs(recent - 2) < 1e-3).all())


def random_rotation(
    dimension: int, seed: int | np.random.Generator
) -> Float[np.ndarray, "dim dim"]:
    """Draw a first rotation as published: polar(U), U uniform on (0, 1). Reflections included.

    Args:
        dimension: D >= 1.
        seed: an integer or a generator.

    Raises:
        ValueError: if `dimension` is less than 1.

    Source: Lee et al. (2019), step 1 of the algorithm.
    """
    if dimension < 1:
        raise ValueError(f"dimension must be at least 1, got {dimension}")
    return polar(np.random.default_rng(seed).random((dimension, dimension)))


class HiWA:
    """Align a source point set with a target point set whose clusters correspond somehow.

    Attributes:
        config: the constants it was made with.
        rotation_: (D, D) R with target ~ R source; for whitened sets if `config.whiten`.
        correspondence_: (a, b) P; row i is spread over the target clusters of source cluster i.
        costs_: (a, b) C_ij of the last iteration.
        objective_: sum(P * C) of the start that was kept.
        history_: `History` of the start that was kept.
        starts_: `History` of every start, in order.
        source_classes_: (a,) sorted source labels, the rows of P.
        target_classes_: (b,) sorted target labels, the columns of P.

    Source: Lee et al. (2019).
    """

    def __init__(self, config: HiwaConfig | None = None) -> None:
        self.config = HiwaConfig() if config is None else config
        if not isinstance(self.config, HiwaConfig):
            raise TypeError(f"config must be a HiwaConfig, got {type(config).__name__}")

    def fit(
        self,
        source: Float[np.ndarray, "points_s dim"],
        source_labels: Shaped[np.ndarray, "points_s"],
        target: Float[np.ndarray, "points_t dim"],
        target_labels: Shaped[np.ndarray, "points_t"],
        *,
        rotation0: Float[np.ndarray, "dim dim"] | None = None,
        source_map: Float[np.ndarray, "*a dim low_s"] | None = None,
        target_map: Float[np.ndarray, "*b dim low_t"] | None = None,
        seed: int = 0,
    ) -> HiWA:
        """Find the rotation and the correspondence of the clusters.

        Args:
            source: (points, D) points to be rotated.
            source_labels: (points,) their clusters. Names need not agree with the target's.
            target: (points, D) points to rotate onto.
            target_labels: (points,) their clusters.
            rotation0: (D, D) orthogonal first rotation of the first start; drawn when None. The
                result is a deterministic function of it.
            source_map: low-rank map M, (D, low) for the whole set or (a, D, low) per cluster in
                the order of the sorted labels; the fit sees M M' x. None: identity.
            target_map: the same for the target.
            seed: draws the first rotations.

        Returns:
            self.

        Raises:
            ValueError: for mismatched dimensions, labels of wrong length, empty sets, NaN, a
                `rotation0` that is not orthogonal, or maps of wrong shape.
            TypeError: for torch tensors or non-numeric points.

        Warns:
            ConvergenceWarning: if the start that was kept did not reach `tol`.
        """
        source, target = as_points("source", source), as_points("target", target)
        same_dimension("source", source, "target", target)
        source_classes, source_index = as_labels("source_labels", source_labels, len(source))
        target_classes, target_index = as_labels("target_labels", target_labels, len(target))
        dimension = source.shape[1]
        generator = np.random.default_rng(seed)
        first = [random_rotation(dimension, generator) for _ in range(self.config.n_starts)]
        if rotation0 is not None:
            first[0] = as_orthogonal("rotation0", rotation0, dimension)

        if self.config.whiten:
            self._whitening = Whitening.of(source), Whitening.of(target)
        else:
            self._whitening = None
        source, target = self._whitened(source, 0), self._whitened(target, 1)
        source = _mapped("source_map", source, source_map, source_index, len(source_classes))
        target = _mapped("target_map", target, target_map, target_index, len(target_classes))
        unit = np.sqrt(dimension) if self.config.scale_by_dimension else 1.0
        groups = [
            Clusters.of((points / unit).astype(self.config.dtype), classes, index)
            for points, classes, index in (
                (source, source_classes, source_index),
                (target, target_classes, target_index),
            )
        ]
        runs = [admm(*groups, rotation, self.config) for rotation in first]
        best = min(range(len(runs)), key=lambda k: runs[k][2].objective[-1])
        self.rotation_, self.costs_, self.history_ = runs[best]
        self.starts_ = tuple(history for _, _, history in runs)
        self.correspondence_ = self.history_.correspondences[-1]
        self.objective_ = float(self.history_.objective[-1])
        self.source_classes_, self.target_classes_ = source_classes, target_classes
        self._warn_unless_converged()
        return self

    def transform(self, source: Float[np.ndarray, "points dim"]) -> Float[np.ndarray, "points dim"]:
        """Carry source points into the target's coordinates.

        With `config.whiten` these are the target's *whitened* coordinates: compare with
        `target_coordinates(target)`, not with the raw target. The low-rank map is a tool of the
        fit and is not applied here.

        Args:
            source: (points, D), in the units of the source that was fitted.

        Returns:
            (points, D).

        Raises:
            ValueError: if not fitted yet, or the points do not fit.
        """
        if not hasattr(self, "rotation_"):
            raise ValueError("this HiWA is not fitted yet: call fit(...) first")
        source = as_points("source", source)
        same_dimension("source", source, "the fitted rotation", self.rotation_)
        return self._whitened(source, 0) @ self.rotation_.T

    def target_coordinates(
        self, target: Float[np.ndarray, "points dim"]
    ) -> Float[np.ndarray, "points dim"]:
        """Put target points into the coordinates that `transform` ends in.

        Raises:
            ValueError: if not fitted yet, or the points do not fit.
        """
        if not hasattr(self, "rotation_"):
            raise ValueError("this HiWA is not fitted yet: call fit(...) first")
        return self._whitened(as_points("target", target), 1)

    def _whitened(self, points: np.ndarray, side: int) -> np.ndarray:
        return points if self._whitening is None else self._whitening[side](points)

    def _warn_unless_converged(self) -> None:
        history = self.history_
        if self.config.tol == 0 or history.converged:
            return
        reason = (
            "R flips between a reflection pair, so raise penalty or use more n_starts"
            if history.flips
            else "raise max_iter or use more n_starts"
        )
        warnings.warn(
            f"HiWA stopped after {len(history)} iterations with a residual of "
            f"{history.residual[-1]:.2g} (tol {self.config.tol}): {reason}",
            ConvergenceWarning,
            stacklevel=3,
        )


def _mapped(
    name: str, points: np.ndarray, basis: np.ndarray | None, index: np.ndarray, n_clusters: int
) -> np.ndarray:
    if basis is None:
        return points
    basis = as_real(name, basis)
    if basis.ndim == 2 and len(basis) == points.shape[1]:
        return apply_map(points, basis)
    if basis.ndim == 3 and basis.shape[:2] == (n_clusters, points.shape[1]):
        return apply_map(points[:, None, :], basis[index])[:, 0, :]
    raise ValueError(
        f"{name} must be ({points.shape[1]}, low) or ({n_clusters}, {points.shape[1]}, low), "
        f"got shape {basis.shape}"
    )
