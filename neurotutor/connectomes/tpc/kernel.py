"""A test of conditional independence that needs no straight lines: HSIC of residuals.

`hsic_test` is the test of two columns; `KernelTest` holds the caches that make many tests on the
same samples cheap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

RIDGES = np.logspace(-3, 3, 25)
_MOST_ROWS = 4000  # beyond, one Gram matrix takes more than 128 MB


class HsicResult(NamedTuple):
    """A statistic and its p-value under independence."""

    statistic: float
    p_value: float


def gram(x: Float[np.ndarray, "samples"], scale: float) -> Float[np.ndarray, "samples samples"]:
    """Gaussian kernel matrix, exp(-(x_i - x_j)^2 / scale)."""
    return np.exp(-(np.subtract.outer(x, x) ** 2) / scale)


def centred(
    kernel: Float[np.ndarray, "samples samples"],
) -> Float[np.ndarray, "samples samples"]:
    """H K H with the centring matrix H: rows and columns sum to zero."""
    rows = kernel.mean(axis=0)
    return kernel - rows[:, None] - rows[None, :] + rows.mean()


def hsic(x: Float[np.ndarray, "samples"], y: Float[np.ndarray, "samples"]) -> float:
    """Hilbert-Schmidt independence criterion, tr(K H L H) / n^2, of standardised columns.

    Args:
        x: one sample an entry; standardised here.
        y: the same.

    Returns:
        0 in the limit of many samples if and only if x and y are independent.

    Raises:
        ValueError: if shapes disagree, a number is not finite, or a column is constant.

    Source: Gretton et al. (2005); Gaussian kernels exp(-d^2).
    """
    x, y = _column(x, "x"), _column(y, "y")
    if x.shape != y.shape:
        raise ValueError(f"x and y must have one length, got {len(x)} and {len(y)}")
    return float((centred(gram(x, 1.0)) * gram(y, 1.0)).sum() / len(x) ** 2)


def gamma_p_value(
    statistic: float,
    kernel_x: Float[np.ndarray, "samples samples"],
    kernel_y: Float[np.ndarray, "samples samples"],
    centred_x: Float[np.ndarray, "samples samples"],
    centred_y: Float[np.ndarray, "samples samples"],
) -> float:
    """Probability of a greater HSIC under independence, by a gamma distribution.

    The distribution has the mean and the variance that HSIC has under independence.

    Args:
        statistic: HSIC.
        kernel_x: Gram matrix of x, with ones on the diagonal.
        kernel_y: the same of y.
        centred_x: H K H.
        centred_y: H L H.

    Source: Gretton et al. (2008), section 4.
    """
    moments = [_moments(k, c) for k, c in ((kernel_x, centred_x), (kernel_y, centred_y))]
    return _gamma_tail(statistic, len(kernel_x), *moments)


def _moments(
    kernel: Float[np.ndarray, "samples samples"], centre: Float[np.ndarray, "samples samples"]
) -> tuple[float, float]:
    """Mean off-diagonal kernel value, and squared norm of the centred kernel."""
    n = len(kernel)
    return float((kernel.sum() - n) / (n * (n - 1))), float((centre**2).sum())


def _gamma_tail(
    statistic: float, n: int, of_x: tuple[float, float], of_y: tuple[float, float]
) -> float:
    (mean_x, norm_x), (mean_y, norm_y) = of_x, of_y
    mean = (1 + mean_x * mean_y - mean_x - mean_y) / n
    factor = 2 * (n - 4) * (n - 5) / (n * (n - 1) * (n - 2) * (n - 3))
    variance = factor * norm_x * norm_y / n**4
    return float(stats.gamma.sf(statistic, mean**2 / variance, scale=variance / mean))


def smooth_residuals(
    target: Float[np.ndarray, "samples"], given: Float[np.ndarray, "samples conditions"]
) -> Float[np.ndarray, "samples"]:
    """What is left of a column after a smooth, additive regression on others.

    Kernel ridge regression with the sum of one Gaussian kernel exp(-d^2 / 2) a condition; the
    ridge parameter has the smallest generalised cross-validation score.

    Args:
        target: standardised here.
        given: standardised here; no columns leave the target as it is.

    Returns:
        Residuals, rescaled to unit variance.

    Raises:
        ValueError: if shapes disagree, a number is not finite, or a column is constant.
    """
    given = np.asarray(given, float)
    if given.ndim != 2 or len(given) != len(target):
        raise ValueError(f"given must be ({len(target)}, conditions), got {given.shape}")
    samples = np.column_stack([target, given])
    return KernelTest(samples).residuals(0, tuple(range(1, samples.shape[1])))


def hsic_test(
    x: Float[np.ndarray, "samples"],
    y: Float[np.ndarray, "samples"],
    given: Float[np.ndarray, "samples conditions"] | Float[np.ndarray, "samples"] | None = None,
) -> HsicResult:
    """Test whether two columns are independent, given others.

    Args:
        x: one sample an entry; at least 6.
        y: the same.
        given: one condition or several; their smooth, additive effects are regressed out of both.

    Returns:
        HSIC of the residuals, and its p-value by the gamma approximation.

    Raises:
        ValueError: if shapes disagree, a number is not finite, or a column is constant.

    Source: Biswas & Shlizerman (2022), non-Gaussian test; kernels and ridge are ours.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x and y must be columns of one length, got {x.shape} and {y.shape}")
    given = np.empty((len(x), 0)) if given is None else np.asarray(given, float)
    given = given[:, None] if given.ndim == 1 else given
    if len(given) != len(x):
        raise ValueError(f"given must have {len(x)} rows, got {given.shape}")
    samples = np.column_stack([x, y, given])
    return KernelTest(samples).test(0, 1, tuple(range(2, samples.shape[1])))


class KernelTest:
    """Kernel tests of conditional independence between the columns of one set of samples.

    One eigendecomposition a conditioning set and one centred Gram matrix a column and set are kept.

    Args:
        samples: (samples, nodes); at least 6 rows.

    Raises:
        ValueError: if a number is not finite, a column is constant, or there are too few or too
            many rows.
    """

    def __init__(self, samples: Float[np.ndarray, "samples nodes"]):
        samples = np.asarray(samples, float)
        if samples.ndim != 2 or not 6 <= len(samples) <= _MOST_ROWS:
            raise ValueError(
                f"a kernel test needs (samples, nodes) with 6 to {_MOST_ROWS} samples, "
                f"got {samples.shape}"
            )
        self.columns = [
            _column(samples[:, node], f"column {node}") for node in range(samples.shape[1])
        ]
        self._bases: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray]] = {}
        self._grams: dict[tuple[int, tuple[int, ...]], tuple[np.ndarray, tuple]] = {}

    def residuals(self, node: int, given: Sequence[int]) -> Float[np.ndarray, "samples"]:
        """Column `node` without the smooth, additive effects of the columns `given`."""
        given = tuple(sorted(given))
        if not given:
            return self.columns[node]
        values, vectors = self._basis(given)
        rotated = vectors.T @ self.columns[node]
        # shrink[r, e]: what ridge r leaves of eigenvector e.
        shrink = RIDGES[:, None] / (values + RIDGES[:, None])
        gcv = ((shrink * rotated) ** 2).sum(axis=1) / shrink.sum(axis=1) ** 2
        left = vectors @ (shrink[gcv.argmin()] * rotated)
        return _column(left, f"residuals of column {node}")

    def test(self, x: int, y: int, given: Sequence[int]) -> HsicResult:
        """HSIC of columns x and y given others, and its p-value."""
        given = tuple(sorted(given))
        centre_x, moments_x = self._gram(x, given)
        centre_y, moments_y = self._gram(y, given)
        n = len(centre_x)
        statistic = float(np.vdot(centre_x, centre_y) / n**2)
        return HsicResult(statistic, _gamma_tail(statistic, n, moments_x, moments_y))

    def __call__(self, x: int, y: int, given: Sequence[int]) -> float:
        """P-value of independence of columns x and y given others."""
        return self.test(x, y, given).p_value

    def _basis(self, given: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        if given not in self._bases:
            kernel = sum(gram(self.columns[node], 2.0) for node in given)
            values, vectors = np.linalg.eigh(kernel)
            self._bases[given] = np.maximum(values, 0), vectors
        return self._bases[given]

    def _gram(self, node: int, given: tuple[int, ...]) -> tuple[np.ndarray, tuple]:
        key = node, given
        if key not in self._grams:
            kernel = gram(self.residuals(node, given), 1.0)
            centre = centred(kernel)
            self._grams[key] = centre, _moments(kernel, centre)
        return self._grams[key]


def _column(values: Float[np.ndarray, "samples"], name: str) -> Float[np.ndarray, "samples"]:
    """The column with mean 0 and standard deviation 1."""
    values = np.asarray(values, float)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"{name} must be one column of finite numbers, got {values.shape}")
    spread = values.std()
    if not spread > 1e-12 * max(1.0, float(np.abs(values).max())):
        raise ValueError(f"{name} does not vary, so its independence cannot be tested: drop it")
    return (values - values.mean()) / spread
