"""The two closed-form steps that HiWA alternates: Sinkhorn's coupling and the polar rotation."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning

from neurotutor.representations.hiwa.checks import as_real, same_dimension

# exp(-x) is a normal double up to x = 708 (a normal float32 up to 87); the slack keeps products
# of the kernel with the scalings away from denormals.
SAFE_EXPONENT = {np.dtype(np.float64): 600.0, np.dtype(np.float32): 70.0}
# The marginal error costs as much as a third of an iteration on small problems.
CHECK_EVERY = 3
CHECK_EVERY_ONE = 10
# Plain iterations between two on logarithms, where the kernel would underflow.
LOG_BLOCK = 20


def polar(
    matrix: Float[np.ndarray, "*batch dim dim"], determinant: int | None = None
) -> Float[np.ndarray, "*batch dim dim"]:
    """Return the orthogonal matrix closest to `matrix`, for every matrix in the batch.

    For the singular value decomposition M = U S V', the answer is U V'. It is also the orthogonal
    R that maximises trace(R' M). Reflections (determinant -1) are allowed unless you say otherwise.

    Args:
        matrix: (..., D, D) real matrices.
        determinant: None allows both signs; +1 or -1 asks for the closest matrix of that
            determinant, by turning the singular direction that counts least.

    Returns:
        (..., D, D) orthogonal matrices.

    Raises:
        ValueError: if the last two axes differ, entries are not finite, or `determinant` is
            neither None nor +1 nor -1.
        TypeError: for torch tensors or non-numeric input.

    Source: Lee et al. (2019), rotation steps; Schoenemann (1966).
    """
    matrix = as_real("matrix", matrix)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(f"matrix must be square in its last two axes, got shape {matrix.shape}")
    if determinant not in (None, 1, -1):
        raise ValueError(f"determinant must be None, 1 or -1, got {determinant}")
    left, _, right = np.linalg.svd(matrix)
    if determinant is not None:
        wrong = np.linalg.det(left @ right) * determinant < 0
        left[..., -1] = np.where(wrong[..., None], -left[..., -1], left[..., -1])
    return left @ right


def squared_distances(
    x: Float[np.ndarray, "*batch n dim"], y: Float[np.ndarray, "*batch m dim"]
) -> Float[np.ndarray, "*batch n m"]:
    """Return all squared Euclidean distances between two point sets.

    Args:
        x: (..., n, D) points.
        y: (..., m, D) points.

    Returns:
        (..., n, m), entry (k, l) is ||x_k - y_l||^2, never negative.

    Raises:
        ValueError: if the dimensions differ, or entries are not finite.
    """
    x, y = as_real("x", x), as_real("y", y)
    same_dimension("x", x, "y", y)
    squares = (x**2).sum(-1)[..., :, None] + (y**2).sum(-1)[..., None, :]
    return np.maximum(squares - 2 * x @ y.swapaxes(-1, -2), 0)


def entropy(plan: Float[np.ndarray, "*shape"]) -> float:
    """Return H(Q) = -sum Q log Q in nats, with 0 log 0 = 0.

    Args:
        plan: non-negative entries, usually a coupling of total mass 1.

    Raises:
        ValueError: if an entry is negative or not finite.
    """
    plan = as_real("plan", plan)
    if (plan < 0).any():
        raise ValueError(f"plan must be non-negative, got a smallest entry of {plan.min()}")
    return float(-np.sum(plan * np.log(np.where(plan > 0, plan, 1))))


def sinkhorn(
    cost: Float[np.ndarray, "*batch n m"],
    a: Float[np.ndarray, "*batch_a n"],
    b: Float[np.ndarray, "*batch_b m"],
    epsilon: float | int | Float[np.ndarray, "*batch_e"],
    *,
    max_iter: int = 1000,
    tol: float | int = 1e-9,
    log_domain: bool | None = None,
) -> Float[np.ndarray, "*batch n m"]:
    """Solve entropic optimal transport, for every problem in the batch at once.

    Minimises sum(Q * cost) - epsilon * H(Q) over couplings Q with row sums `a` and column sums
    `b`, by rescaling the rows and the columns of exp(-cost / epsilon) in turn. A problem whose
    kernel would underflow is solved with logarithms instead.

    Args:
        cost: (..., n, m) cost of moving a unit of mass.
        a: (n,) or (..., n) mass of every source point, non-negative.
        b: (m,) or (..., m) mass of every target point, same total as `a`.
        epsilon: strength of the entropy, in units of `cost`; a number or one per problem;
            infinity gives the independent coupling.
        max_iter: most iterations; one iteration updates the rows and then the columns.
        tol: stop when sum |row sums - a| is at most this in every problem; 0 runs all
            `max_iter` iterations. Raised to 50 machine epsilons for float32 input.
        log_domain: force logarithms (True) or the plain kernel (False); None decides per problem.

    Returns:
        (..., n, m) couplings. Column sums are exact, row sums to `tol`.

    Raises:
        ValueError: for shapes that do not fit, negative or unequal masses, `epsilon` <= 0, NaN,
            or a plain kernel (`log_domain=False`) that underflows.
        TypeError: for torch tensors or non-numeric input.

    Warns:
        ConvergenceWarning: if `tol` > 0 is not reached within `max_iter` iterations.

    Source: Cuturi (2013); Lee et al. (2019), both transport steps.
    """
    cost, a, b, epsilon = _check_transport(cost, a, b, epsilon, max_iter, tol)
    batch, (n, m) = cost.shape[:-2], cost.shape[-2:]
    # The lowest cost of a row moves into its scaling: same iterations, later underflow.
    exponent = cost.min(axis=-1, keepdims=True) - cost
    exponent /= epsilon[..., None, None]
    exponent = exponent.reshape(-1, n, m)
    a, b = (np.broadcast_to(w, (*batch, w.shape[-1])).reshape(-1, w.shape[-1]) for w in (a, b))
    if log_domain is None:
        use_log = -exponent.min(axis=(1, 2)) > SAFE_EXPONENT[cost.dtype]
    else:
        use_log = np.full(len(exponent), log_domain)

    plan = np.empty_like(exponent)
    worst = 0.0
    for chosen, solve in ((~use_log, _sinkhorn_kernel), (use_log, _sinkhorn_log)):
        if chosen.any():
            # Without a copy for the usual case: everything on one path.
            part = slice(None) if chosen.all() else chosen
            plan[part], error = solve(exponent[part], a[part], b[part], max_iter, tol)
            worst = max(worst, error)
    if not np.isfinite(plan).all():
        raise ValueError("the kernel underflows: leave log_domain=None, or increase epsilon")
    if tol > 0 and worst > tol:
        warnings.warn(
            f"Sinkhorn stopped after {max_iter} iterations with a marginal error of {worst:.1e} "
            f"(tol {tol:.1e}): raise max_iter or epsilon",
            ConvergenceWarning,
            stacklevel=2,
        )
    return plan.reshape(cost.shape)


def _check_transport(
    cost: np.ndarray, a: np.ndarray, b: np.ndarray, epsilon: object, max_iter: int, tol: float | int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    cost, a, b = as_real("cost", cost), as_real("a", a), as_real("b", b)
    if cost.ndim < 2:
        raise ValueError(f"cost must be (..., n, m), got shape {cost.shape}")
    batch = cost.shape[:-2]
    for name, weights, size in (("a", a, cost.shape[-2]), ("b", b, cost.shape[-1])):
        if weights.shape not in ((size,), (*batch, size)):
            raise ValueError(
                f"{name} must be ({size},) or {(*batch, size)} for cost {cost.shape}, "
                f"got {weights.shape}"
            )
        if (weights < 0).any():
            raise ValueError(f"{name} must be non-negative, got {weights.min()}")
    totals = np.broadcast_arrays(a.sum(-1), b.sum(-1))
    if (totals[0] <= 0).any() or not np.allclose(*totals, rtol=1e-5):
        raise ValueError("a and b must have the same positive total: normalise both to sum to 1")
    epsilon = np.asarray(epsilon, dtype=cost.dtype)
    if not (epsilon > 0).all():
        raise ValueError(f"epsilon must be positive, got {epsilon}: infinity is allowed")
    if epsilon.shape not in ((), batch):
        raise ValueError(f"epsilon must be a number or {batch}, got shape {epsilon.shape}")
    if max_iter < 1 or not tol >= 0:
        raise ValueError(f"max_iter must be >= 1 and tol >= 0, got {max_iter} and {tol}")
    return cost, a.astype(cost.dtype), b.astype(cost.dtype), epsilon


def _sinkhorn_kernel(
    exponent: np.ndarray, a: np.ndarray, b: np.ndarray, max_iter: int, tol: float | int
) -> tuple[np.ndarray, float]:
    kernel = np.exp(exponent)
    v = np.full(b.shape, 1 / b.shape[-1], dtype=kernel.dtype)
    u, v, error = scale(kernel, a, b, v, max_iter, tol)
    kernel *= u[:, :, None]
    kernel *= v[:, None, :]
    return kernel, error


def scale(
    kernel: np.ndarray, a: np.ndarray, b: np.ndarray, v: np.ndarray, max_iter: int, tol: float | int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Run the scaling iterations u = a / (K v), v = b / (K' u) on a stack of kernels.

    This is the innermost loop of the whole chapter, so it checks nothing.

    Args:
        kernel: (problems, n, m) positive kernels.
        a: (problems, n) row sums wanted.
        b: (problems, m) column sums wanted.
        v: (problems, m) first column scaling.
        max_iter: most iterations.
        tol: stop when sum |row sums - a| is at most this in every problem; 0 never stops early.

    Returns:
        Row scalings (problems, n), column scalings (problems, m), and the largest marginal error
        measured last (0 when `tol` is 0).

    Source: Sinkhorn (1967); Lee et al. (2019), both transport steps.
    """
    tol = max(tol, 50 * float(np.finfo(kernel.dtype).eps)) if tol > 0 else 0.0
    if len(kernel) == 1:
        u, v, error = _scale_one(kernel[0], a[0], b[0], v[0].copy(), max_iter, tol)
        return u[None], v[None], error
    times, times_transposed = _products(kernel)
    error = 0.0
    u = a
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for iteration in range(max_iter + 1):
            row_sums = times(v)
            last = iteration == max_iter
            if tol and iteration and (last or iteration % CHECK_EVERY == 0):
                error = float(np.abs(u * row_sums - a).sum(-1).max())
                if error <= tol:
                    return u, v, 0.0
            if last:
                break
            u = a / row_sums
            v = b / times_transposed(u)
    return u, v, error


def _scale_one(
    kernel: np.ndarray, a: np.ndarray, b: np.ndarray, v: np.ndarray, max_iter: int, tol: float | int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Do the same for one kernel (n, m), where calls cost more than arithmetic."""
    u, row_sums, column_sums = np.empty_like(a), np.empty_like(a), np.empty_like(b)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for iteration in range(1, max_iter + 1):
            np.dot(kernel, v, out=row_sums)
            np.divide(a, row_sums, out=u)
            np.dot(u, kernel, out=column_sums)
            np.divide(b, column_sums, out=v)
            if tol and (iteration == max_iter or iteration % CHECK_EVERY_ONE == 0):
                error = float(np.abs(u * (kernel @ v) - a).sum())
                if error <= tol:
                    return u, v, 0.0
    return u, v, error if tol else 0.0


def _products(kernel: np.ndarray) -> tuple[Callable, Callable]:
    """Return v -> K v and u -> K' u for a stack of kernels."""
    return (
        lambda v: np.matmul(kernel, v[:, :, None])[:, :, 0],
        lambda u: np.matmul(u[:, None, :], kernel)[:, 0, :],
    )


def _sinkhorn_log(
    exponent: np.ndarray, a: np.ndarray, b: np.ndarray, max_iter: int, tol: float | int
) -> tuple[np.ndarray, float]:
    """Run the same iterations with logarithms of the scalings, which cannot underflow.

    Every round takes one iteration on logarithms, absorbs the scalings into the kernel, and then
    runs a block of plain iterations on it; a block that leaves the range of doubles is discarded.
    """
    tol = max(tol, 50 * float(np.finfo(exponent.dtype).eps)) if tol > 0 else 0.0
    error = 0.0
    has_a, has_b = a > 0, b > 0
    log_a, log_b = (np.log(np.where(w > 0, w, 1)) for w in (a, b))
    log_v = np.full_like(log_b, -np.log(b.shape[-1]))
    done = 0
    while True:
        log_u = np.where(has_a, log_a - _logsumexp(exponent + log_v[:, None, :], 2), -np.inf)
        log_v = np.where(has_b, log_b - _logsumexp(exponent + log_u[:, :, None], 1), -np.inf)
        kernel = np.exp(log_u[:, :, None] + exponent + log_v[:, None, :])
        done += 1
        if tol:
            error = float(np.abs(kernel.sum(-1) - a).sum(-1).max())
            if error <= tol:
                return kernel, 0.0
        if done >= max_iter:
            return kernel, error
        block = min(LOG_BLOCK, max_iter - done)
        u, v = _absorbed_block(kernel, a, b, block)
        with np.errstate(divide="ignore"):
            log_ratio = np.log(v)
        if np.isfinite(u).all() and np.isfinite(log_ratio[has_b]).all():
            # The next round starts from v alone, so u need not be kept.
            log_v = log_v + np.where(has_b, log_ratio, 0)
            done += block
            if done >= max_iter:
                return u[:, :, None] * kernel * v[:, None, :], error


def _absorbed_block(
    kernel: np.ndarray, a: np.ndarray, b: np.ndarray, n_iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    times, times_transposed = _products(kernel)
    v = np.ones_like(b)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for _ in range(n_iterations):
            # A point without mass has an empty row or column: 0/0, and its scaling is 0.
            u = np.where(a > 0, a / times(v), 0)
            v = np.where(b > 0, b / times_transposed(u), 0)
    return u, v


def _logsumexp(values: np.ndarray, axis: int) -> np.ndarray:
    top = values.max(axis=axis, keepdims=True)
    return np.log(np.exp(values - top).sum(axis=axis)) + top.squeeze(axis)
