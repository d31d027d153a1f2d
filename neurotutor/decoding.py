"""Linear read-outs and the field's metrics: what a representation says about behaviour."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Real, Shaped
from scipy.ndimage import gaussian_filter1d
from scipy.special import gammaln
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


class DirectionAccuracy(NamedTuple):
    """Share of time bins decoded within half a direction (`acc`), and within 3/4 (`delta_acc`)."""

    acc: float
    delta_acc: float


class TrialSplit(NamedTuple):
    """Boolean masks over time bins; every trial lies in exactly one of the three parts."""

    train: Bool[np.ndarray, "time"]
    validation: Bool[np.ndarray, "time"]
    test: Bool[np.ndarray, "time"]


class Purity(NamedTuple):
    """Share of nearest neighbours of the same direction, and of the same or an adjacent one."""

    same: float
    within_one: float


def _require_finite(name: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype.kind not in "iufb":
        raise TypeError(f"{name} must hold real numbers, got dtype {values.dtype}; convert it")
    if values.size == 0:
        raise ValueError(f"{name} is empty (shape {values.shape}); pass at least one row")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds NaN or infinite values; drop or fill those rows first")
    return values


def _require_labels(name: str, labels: np.ndarray, n_rows: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got dtype {labels.dtype}; use .astype(int)")
    if labels.shape != (n_rows,):
        raise ValueError(f"{name} must have shape ({n_rows},), one entry a row, got {labels.shape}")
    return labels


def direction_accuracy(
    predicted: Shaped[np.ndarray, "time *vector"],
    direction: Int[np.ndarray, "time"],
    n_directions: int = 8,
) -> DirectionAccuracy:
    """Share of bins whose decoded angle lies near the angle of their direction label.

    Class k stands at angle 2 pi k / n. With n = 8 the two tolerances are pi/8 and 3 pi/16, so
    that chance is 12.5 % and 18.75 %.

    Args:
        predicted: angles in radians, shape (time,), or vectors (cos, sin), shape (time, 2);
            vectors need not have unit length.
        direction: labels 0 .. n_directions - 1, shape (time,).
        n_directions: number n of equally spaced directions.

    Returns:
        `acc`: share with |error| < pi / n; `delta_acc`: share with |error| < 1.5 pi / n.

    Raises:
        ValueError: if shapes disagree, labels are out of range, or a value is not finite.
        TypeError: if labels are not integers.

    Source: Azabou et al. (2021), evaluation of the reach recordings.
    """
    predicted = _require_finite("predicted", predicted)
    if predicted.ndim not in (1, 2) or (predicted.ndim == 2 and predicted.shape[1] != 2):
        raise ValueError(
            f"predicted must be angles (time,) or vectors (time, 2), got shape {predicted.shape}"
        )
    direction = _require_labels("direction", direction, len(predicted))
    if n_directions < 2:
        raise ValueError(f"n_directions must be at least 2, got {n_directions}")
    if direction.min() < 0 or direction.max() >= n_directions:
        raise ValueError(
            f"direction must lie in 0..{n_directions - 1}, got {direction.min()}.."
            f"{direction.max()}; set n_directions to the number of targets"
        )
    angle = predicted if predicted.ndim == 1 else np.arctan2(predicted[:, 1], predicted[:, 0])
    error = angle - 2 * np.pi * direction / n_directions
    error = np.abs(np.angle(np.exp(1j * error)))
    return DirectionAccuracy(
        acc=float(np.mean(error < np.pi / n_directions)),
        delta_acc=float(np.mean(error < 1.5 * np.pi / n_directions)),
    )


def r2(
    y_true: Float[np.ndarray, "time *features"], y_pred: Float[np.ndarray, "time *features"]
) -> float:
    """Coefficient of determination with the variances of all columns pooled.

    Args:
        y_true: measured values, shape (time,) or (time, features).
        y_pred: decoded values, same shape and unit.

    Returns:
        1 - sum_d mean((y_d - yhat_d)^2) / sum_d var(y_d); 1 is perfect, 0 is no better than the
        mean, negative is worse.

    Raises:
        ValueError: if shapes differ, a value is not finite, or `y_true` does not vary.

    Source: Lee et al. (2019), decoding of reaches.
    """
    y_true, y_pred = _require_finite("y_true", y_true), _require_finite("y_pred", y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"y_true and y_pred must have one shape, got {y_true.shape} and {y_pred.shape}"
        )
    variance = y_true.var(axis=0).sum()
    if variance == 0:
        raise ValueError("y_true does not vary, so R2 is undefined; pass more than one value")
    return float(1 - ((y_true - y_pred) ** 2).mean(axis=0).sum() / variance)


def split_trials(
    trial: Int[np.ndarray, "time"],
    *,
    fractions: tuple[float, float] = (0.8, 0.1),
    seed: int | None = None,
) -> TrialSplit:
    """Split whole trials into train, validation and test.

    Args:
        trial: trial number of each bin, shape (time,).
        fractions: shares of trials for train and validation; the test part takes the rest.
        seed: shuffles the trials; `None` keeps the order of recording.

    Returns:
        Masks over bins. With n trials, train takes floor(fractions[0] n) of them, and train and
        validation together floor((fractions[0] + fractions[1]) n).

    Raises:
        ValueError: if fractions leave a part empty or are out of range.
        TypeError: if trial numbers are not integers.

    Source: Azabou et al. (2021), split of the reach recordings.
    """
    trial = _require_finite("trial", trial)
    trial = _require_labels("trial", trial, len(trial))
    first, second = fractions
    if not (0 < first < 1 and second > 0 and first + second < 1):
        raise ValueError(
            f"fractions must be positive and sum to less than 1, got {fractions}; try (0.8, 0.1)"
        )
    names = np.unique(trial)
    # The sum of two decimals can fall just short of a whole number of trials (0.8 + 0.1 times 10).
    ends = [math.floor(len(names) * share + 1e-9) for share in (first, first + second)]
    if not 0 < ends[0] < ends[1] < len(names):
        raise ValueError(
            f"{len(names)} trials leave a part of the split empty at fractions {fractions}; "
            "pass more trials"
        )
    if seed is not None:
        names = np.random.default_rng(seed).permutation(names)
    parts = np.split(names, ends)
    return TrialSplit(*(np.isin(trial, part) for part in parts))


def few_trials(
    trial: Int[np.ndarray, "time"],
    direction: Int[np.ndarray, "time"],
    mask: Bool[np.ndarray, "time"],
    per_direction: int = 1,
    *,
    seed: int,
) -> Bool[np.ndarray, "time"]:
    """Mask of the bins of `per_direction` randomly drawn trials for each direction.

    Args:
        trial: trial number of each bin, shape (time,).
        direction: direction label of each bin, constant in a trial, shape (time,).
        mask: bins that may be drawn from (the training part of a split), shape (time,).
        per_direction: number of trials to keep for each direction that occurs in `mask`.
        seed: of the draw.

    Returns:
        Mask over bins, a part of `mask`.

    Raises:
        ValueError: if shapes disagree or a direction has too few trials in `mask`.
    """
    trial = _require_labels("trial", trial, len(trial))
    direction = _require_labels("direction", direction, len(trial))
    if mask.shape != trial.shape or mask.dtype != bool:
        raise ValueError(f"mask must be booleans of shape {trial.shape}, got {mask.shape}")
    if per_direction < 1:
        raise ValueError(f"per_direction must be at least 1, got {per_direction}")
    rng = np.random.default_rng(seed)
    kept = []
    for label in np.unique(direction[mask]):
        candidates = np.unique(trial[mask & (direction == label)])
        if len(candidates) < per_direction:
            raise ValueError(
                f"direction {label} has {len(candidates)} trials in mask, {per_direction} needed; "
                "widen the mask or lower per_direction"
            )
        kept.append(rng.choice(candidates, per_direction, replace=False))
    if not kept:
        raise ValueError("mask selects no bin; pass the training part of a split")
    return mask & np.isin(trial, np.concatenate(kept))


class DirectionProbe:
    """Linear read-out of a direction: ridge regression on standardised features to (cos, sin).

    Args:
        penalty: ridge penalty lambda on the squared weights, >= 0 (unit: number of bins).
        n_directions: number n of equally spaced directions; class k stands at 2 pi k / n.

    Attributes:
        model_: the fitted scikit-learn pipeline.
    """

    def __init__(self, penalty: float = 10.0, n_directions: int = 8):
        if not (penalty >= 0 and math.isfinite(penalty)):
            raise ValueError(f"penalty must be a finite number >= 0, got {penalty}")
        if n_directions < 2:
            raise ValueError(f"n_directions must be at least 2, got {n_directions}")
        self.penalty = penalty
        self.n_directions = n_directions

    def fit(
        self, features: Float[np.ndarray, "time features"], direction: Int[np.ndarray, "time"]
    ) -> DirectionProbe:
        """Fit scaler and weights.

        Args:
            features: shape (time, features).
            direction: labels 0 .. n_directions - 1, shape (time,).

        Returns:
            The probe itself.

        Raises:
            ValueError: if shapes disagree, labels are out of range, or a value is not finite.
        """
        features = _require_finite("features", features)
        direction = _require_labels("direction", direction, len(features))
        if direction.min() < 0 or direction.max() >= self.n_directions:
            raise ValueError(
                f"direction must lie in 0..{self.n_directions - 1}, got "
                f"{direction.min()}..{direction.max()}"
            )
        angle = 2 * np.pi * direction / self.n_directions
        self.model_ = make_pipeline(StandardScaler(), Ridge(alpha=self.penalty))
        self.model_.fit(features, np.column_stack([np.cos(angle), np.sin(angle)]))
        return self

    def predict(self, features: Float[np.ndarray, "time features"]) -> Float[np.ndarray, "time 2"]:
        """Decoded vectors (cos, sin), not normalised, shape (time, 2).

        Raises:
            ValueError: if the probe is not fitted, or features have the wrong width.
        """
        if not hasattr(self, "model_"):
            raise ValueError("this probe is not fitted; call fit(features, direction) first")
        return self.model_.predict(_require_finite("features", features))

    def score(
        self, features: Float[np.ndarray, "time features"], direction: Int[np.ndarray, "time"]
    ) -> DirectionAccuracy:
        """`direction_accuracy` of the predictions for `features`."""
        return direction_accuracy(self.predict(features), direction, self.n_directions)


def neighbour_purity(
    features: Float[np.ndarray, "time features"],
    labels: Int[np.ndarray, "time"],
    trial: Int[np.ndarray, "time"],
    k: int = 5,
    n_directions: int = 8,
) -> Purity:
    """How often the nearest neighbours of a bin, taken from other trials, share its direction.

    Args:
        features: shape (time, features); neighbours are those of largest cosine.
        labels: direction labels 0 .. n_directions - 1, shape (time,).
        trial: trial number of each bin; a bin's own trial is never searched, shape (time,).
        k: number of neighbours.
        n_directions: number of directions on the circle; 0 and n - 1 are adjacent.

    Returns:
        Mean over bins and neighbours of "same direction" and of "same or adjacent direction".

    Raises:
        ValueError: if shapes disagree, or a bin has fewer than k bins in other trials.

    Source: our measure of whether mined views are behaviourally alike.
    """
    features = _require_finite("features", features)
    labels = _require_labels("labels", labels, len(features))
    trial = _require_labels("trial", trial, len(features))
    _, sizes = np.unique(trial, return_counts=True)
    if not 1 <= k <= len(features) - sizes.max():
        raise ValueError(
            f"k must lie in 1..{len(features) - sizes.max()} (bins outside the longest trial), "
            f"got {k}"
        )
    search = NearestNeighbors(n_neighbors=min(k + sizes.max(), len(features)), metric="cosine")
    candidates = search.fit(features).kneighbors(features, return_distance=False)
    other = trial[candidates] != trial[:, None]
    # A stable sort moves the bin's own trial to the back and keeps the order of distance.
    order = np.argsort(~other, axis=1, kind="stable")[:, :k]
    neighbours = np.take_along_axis(candidates, order, axis=1)
    apart = np.abs(labels[neighbours] - labels[:, None])
    apart = np.minimum(apart, n_directions - apart)
    return Purity(float(np.mean(apart == 0)), float(np.mean(apart <= 1)))


def principal_components(
    train: Float[np.ndarray, "time features"], *others: Float[np.ndarray, "_ features"], n: int
) -> tuple[Float[np.ndarray, "_ n"], ...]:
    """Scores on the first `n` principal components of `train`, for `train` and for each other.

    Args:
        train: shape (time, features); only this set is used to fit mean and axes.
        *others: further sets with the same features.
        n: number of components.

    Returns:
        One array (rows, n) for each set, `train` first.

    Raises:
        ValueError: if n is larger than the data allow, or a value is not finite.
    """
    train = _require_finite("train", train)
    if not 1 <= n <= min(train.shape):
        raise ValueError(f"n must lie in 1..{min(train.shape)} for shape {train.shape}, got {n}")
    model = PCA(n_components=n, svd_solver="full").fit(train)
    return tuple(model.transform(_require_finite("data", part)) for part in (train, *others))


# --- rates of single trials: the metrics of the Neural Latents Benchmark -----------------------

# A rate of 0 makes any spike impossible. The benchmark puts this in its place, in spikes per bin.
SMALLEST_RATE = 1e-9


def poisson_nll(
    rates: Float[np.ndarray, "*axes"], spikes: Real[np.ndarray, "*axes"]
) -> Float[np.ndarray, "*axes"]:
    """Negative log-likelihood of spike counts under Poisson rates, entry by entry, in nats.

    Args:
        rates: expected spikes per bin; 0 counts as 1e-9.
        spikes: counts of the same shape; NaN marks what was not recorded.

    Returns:
        lambda - x ln lambda + ln Gamma(x + 1); 0 where the count is NaN.

    Raises:
        ValueError: if shapes differ, a rate is negative or not finite, or a count is negative.

    Source: Pei et al. (2021), Neural Latents Benchmark, eq. of bits per spike.
    """
    rates, spikes = np.asarray(rates, float), np.asarray(spikes, float)
    if rates.shape != spikes.shape:
        raise ValueError(
            f"rates and spikes must have one shape, got {rates.shape} and {spikes.shape}"
        )
    if not np.isfinite(rates).all() or (rates < 0).any():
        raise ValueError("rates must be finite and not negative; pass rates, not their logarithms")
    seen = np.isfinite(spikes)
    if (spikes[seen] < 0).any() or np.isinf(spikes).any():
        raise ValueError("spikes must be finite counts, 0 or greater; NaN marks missing ones")
    counts = np.where(seen, spikes, 0.0)
    floor = np.where(rates == 0, SMALLEST_RATE, rates)
    return np.where(seen, floor - counts * np.log(floor) + gammaln(counts + 1), 0.0)


def bits_per_spike(
    rates: Float[np.ndarray, "*axes neurons"], spikes: Real[np.ndarray, "*axes neurons"]
) -> float:
    """How many bits per spike the rates tell beyond the mean count of each neuron.

    The mean is that over the very spikes that are scored, and all neurons are pooled: a neuron
    that fires much counts much.

    Args:
        rates: expected spikes per bin, neurons last.
        spikes: counts of the same shape; NaN marks what was not recorded.

    Returns:
        (NLL(mean counts) - NLL(rates)) / (ln 2 sum x). 0 is no better than the means; the value
        has no upper bound of 1.

    Raises:
        ValueError: as `poisson_nll`; if there is no spike, or a neuron was never recorded.

    Source: Pei et al. (2021), Neural Latents Benchmark.
    """
    counts = np.asarray(spikes, float)
    loss = poisson_nll(rates, counts).sum()
    axes = tuple(range(counts.ndim - 1))
    recorded = np.isfinite(counts).sum(axis=axes)
    if not recorded.all():
        raise ValueError("a neuron has no recorded bin; leave it out of rates and spikes")
    total = np.nansum(counts)
    if total == 0:
        raise ValueError("there is not one spike, so bits per spike are undefined; pass more bins")
    mean = np.nansum(counts, axis=axes) / recorded
    null = poisson_nll(np.broadcast_to(mean, counts.shape), counts).sum()
    return float((null - loss) / (np.log(2) * total))


def co_bps(
    rates: Float[np.ndarray, "trials bins neurons"],
    spikes: Real[np.ndarray, "trials bins neurons"],
    n_held_in: int,
    n_observed: int | None = None,
) -> float:
    """Co-smoothing: bits per spike of the held-out neurons in the observed bins.

    Args:
        rates: expected spikes per bin of all neurons, held-in ones first.
        spikes: counts of the same shape.
        n_held_in: number of neurons that the model saw.
        n_observed: number of bins that it saw; `None` for all.

    Raises:
        ValueError: if no neuron is held out, or as `bits_per_spike`.

    Source: Pei et al. (2021), Neural Latents Benchmark.
    """
    n_observed = _part("n_observed", n_observed, np.shape(rates)[1])
    if not 0 <= n_held_in < np.shape(rates)[2]:
        raise ValueError(
            f"n_held_in must lie in 0..{np.shape(rates)[2] - 1} so that a neuron is held out, "
            f"got {n_held_in}"
        )
    part = np.s_[:, :n_observed, n_held_in:]
    return bits_per_spike(np.asarray(rates)[part], np.asarray(spikes)[part])


def fp_bps(
    rates: Float[np.ndarray, "trials bins neurons"],
    spikes: Real[np.ndarray, "trials bins neurons"],
    n_observed: int,
) -> float:
    """Forward prediction: bits per spike of all neurons in the bins after the observed ones.

    Raises:
        ValueError: if there is no such bin, or as `bits_per_spike`.

    Source: Pei et al. (2021), Neural Latents Benchmark.
    """
    if not 0 <= n_observed < np.shape(rates)[1]:
        raise ValueError(
            f"n_observed must lie in 0..{np.shape(rates)[1] - 1} so that a bin is left, "
            f"got {n_observed}"
        )
    return bits_per_spike(np.asarray(rates)[:, n_observed:], np.asarray(spikes)[:, n_observed:])


def _part(name: str, value: int | None, whole: int) -> int:
    if value is None:
        return whole
    if not 1 <= value <= whole:
        raise ValueError(f"{name} must lie in 1..{whole}, got {value}")
    return value


def velocity_r2(
    train_rates: Float[np.ndarray, "train_rows neurons"],
    train_velocity: Float[np.ndarray, "train_rows 2"],
    rates: Float[np.ndarray, "rows neurons"],
    velocity: Float[np.ndarray, "rows 2"],
) -> float:
    """How well hand velocity is read from rates of the same bin: ridge regression, no history.

    The penalty is the best of nine from 1e-4 to 1e4, by 5-fold cross-validation of the training
    rows in their order.

    Args:
        train_rates: rates of the training bins; trials one after another.
        train_velocity: x and y of the same bins; rows with NaN are dropped.
        rates: rates of the bins to score.
        velocity: x and y of these; rows with NaN are dropped.

    Returns:
        Mean of the R2 of x and that of y.

    Raises:
        ValueError: if shapes disagree, a rate is not finite, or too few rows are left.

    Source: Pei et al. (2021), Neural Latents Benchmark.
    """
    sets = []
    for name, x, y in (("train", train_rates, train_velocity), ("test", rates, velocity)):
        x = _require_finite(f"{name} rates", x)
        y = np.asarray(y, float)
        if x.ndim != 2 or y.shape != (len(x), 2):
            raise ValueError(
                f"{name} rates must be (rows, neurons) and velocity (rows, 2), "
                f"got {x.shape} and {y.shape}"
            )
        kept = np.isfinite(y).all(axis=1)
        if kept.sum() < 5:
            raise ValueError(f"{name}: {kept.sum()} rows with a velocity are left, 5 are needed")
        sets.append((x[kept], y[kept]))
    (x, y), (x_test, y_test) = sets
    scores = [
        cross_val_score(Ridge(alpha=alpha), x, y, cv=KFold(5)).mean()
        for alpha in np.logspace(-4, 4, 9)
    ]
    best = Ridge(alpha=np.logspace(-4, 4, 9)[int(np.argmax(scores))]).fit(x, y)
    return float(best.score(x_test, y_test))


def psth(
    spikes: Real[np.ndarray, "trials time neurons"],
    condition: Int[np.ndarray, " trials"],
    *,
    sd: float,
    per_bin: int = 1,
) -> Float[np.ndarray, "conditions bins neurons"]:
    """Mean response to each condition: counts smoothed in time, summed to bins, averaged.

    Args:
        spikes: counts in fine steps (1 ms in the benchmark).
        condition: label of each trial.
        sd: standard deviation of the Gaussian, in steps; its window ends at 3 sd. 0: no smoothing.
        per_bin: steps in a bin; steps beyond the last whole bin are dropped.

    Returns:
        Expected spikes per bin; conditions in the order of their labels.

    Raises:
        ValueError: if a value is not finite, or sizes leave no bin.

    Source: Pei et al. (2021), Neural Latents Benchmark (sd 40 to 70 ms).
    """
    spikes = _require_finite("spikes", spikes).astype(float)
    condition = _require_labels("condition", condition, len(spikes))
    if sd < 0 or not 1 <= per_bin <= spikes.shape[1]:
        raise ValueError(
            f"sd must be 0 or greater and per_bin in 1..{spikes.shape[1]}, got {sd} and {per_bin}"
        )
    if sd > 0:
        spikes = gaussian_filter1d(spikes, sd, axis=1, radius=int(3 * sd), mode="constant")
    n_bins = spikes.shape[1] // per_bin
    binned = spikes[:, : n_bins * per_bin].reshape(len(spikes), n_bins, per_bin, -1).sum(axis=2)
    return np.stack([binned[condition == label].mean(axis=0) for label in np.unique(condition)])


def psth_r2(
    rates: Float[np.ndarray, "trials bins neurons"],
    condition: Int[np.ndarray, " trials"],
    true_psth: Float[np.ndarray, "conditions bins neurons"],
) -> float:
    """How well rates, averaged over the trials of a condition, follow the true mean response.

    Args:
        rates: expected spikes per bin of single trials.
        condition: index into `true_psth` for each trial.
        true_psth: mean response to each condition, in spikes per bin.

    Returns:
        R2 of each neuron over all bins of all conditions that occur, averaged over neurons.

    Raises:
        ValueError: if shapes disagree, a value is not finite, or a neuron's mean response is
            constant.

    Source: Pei et al. (2021), Neural Latents Benchmark.
    """
    rates, true_psth = _require_finite("rates", rates), _require_finite("true_psth", true_psth)
    condition = _require_labels("condition", condition, len(rates))
    if rates.ndim != 3 or rates.shape[1:] != true_psth.shape[1:]:
        raise ValueError(
            "rates and true_psth must agree in bins and neurons, got "
            f"{rates.shape} and {true_psth.shape}"
        )
    if condition.min() < 0 or condition.max() >= len(true_psth):
        raise ValueError(f"condition must lie in 0..{len(true_psth) - 1}, the rows of true_psth")
    labels = np.unique(condition)
    predicted = np.concatenate([rates[condition == label].mean(axis=0) for label in labels])
    truth = np.concatenate(list(true_psth[labels]))
    variance = truth.var(axis=0)
    if (variance == 0).any():
        raise ValueError("a neuron's mean response is constant, so R2 is undefined; leave it out")
    return float(np.mean(1 - ((truth - predicted) ** 2).mean(axis=0) / variance))
