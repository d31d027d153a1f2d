"""One area that learns classes from a few samples shown in blocks, and what theory says of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from neurotutor.plasticity.assemblies.caps import cap, cap_rows


@dataclass(frozen=True)
class AreaConfig:
    """Sizes and rates of an area that learns classes; the defaults are the paper's.

    Raises:
        ValueError: if a number is out of range.
    """

    n_neurons: int = 1000  # n, section on experiments
    cap_size: int = 100  # k
    p: float = 0.1  # p: probability of a synapse, of both graphs
    plasticity: float = 0.1  # beta: 0.1 for classes, 1.0 for half-spaces and MNIST
    normalise: bool = True  # homeostasis: columns sum to 1 at the start and after each class
    fatigue: float = 0.0  # subtracted from later inputs of neurons that hold a class (MNIST: 1)

    def __post_init__(self) -> None:
        if not 1 <= self.cap_size <= self.n_neurons:
            raise ValueError(
                f"cap_size must lie between 1 and n_neurons = {self.n_neurons}, got {self.cap_size}"
            )
        if not 0 <= self.p <= 1:
            raise ValueError(f"p must be a probability in [0, 1], got {self.p}")
        for label in ("plasticity", "fatigue"):
            value = getattr(self, label)
            if not 0 <= value < math.inf:
                raise ValueError(f"{label} must be a finite number, 0 or greater, got {value}")


def strengthen(
    weights: Float[np.ndarray, "sources targets"],
    firing: Int[np.ndarray, "a"],
    winners: Int[np.ndarray, "b"],
    plasticity: float,
) -> None:
    """Multiply the synapses from `firing` to `winners` by 1 + plasticity, in place.

    Source: Dabagia et al. (2022), Algorithm 1.
    """
    weights[np.ix_(firing, winners)] *= 1 + plasticity


def normalise_columns(weights: Float[np.ndarray, "sources targets"]) -> None:
    """Homeostasis: divide every neuron's incoming weights by their sum, in place.

    A neuron without synapses keeps its zeros.

    Source: Dabagia et al. (2022), Algorithm 1.
    """
    total = weights.sum(axis=0)
    weights /= np.where(total > 0, total, 1.0)


class LearningArea:
    """An area with the full matrices of its incoming and recurrent synapses.

    Homeostasis needs every synapse of a neuron, so nothing can be left undrawn here.

    Attributes:
        incoming: (inputs, neurons) weights from the sensory area.
        recurrent: (neurons, neurons) weights; entry [j, i] is the synapse from j to i.
        bias: (neurons,) added to the input while learning.
        firing: numbers of the neurons that fire now.
    """

    def __init__(self, n_inputs: int, config: AreaConfig, *, seed: int):
        self.config = config
        self._rng = np.random.default_rng(seed)
        n = config.n_neurons
        self.incoming = (self._rng.random((n_inputs, n)) < config.p).astype(np.float64)
        self.recurrent = (self._rng.random((n, n)) < config.p).astype(np.float64)
        np.fill_diagonal(self.recurrent, 0.0)
        self.bias = np.zeros(n)
        self.firing = np.empty(0, np.int64)
        if config.normalise:
            self.normalise()

    def reset(self) -> None:
        """Silence the area."""
        self.firing = np.empty(0, np.int64)

    def normalise(self) -> None:
        """Apply homeostasis to both matrices, separately."""
        normalise_columns(self.incoming)
        normalise_columns(self.recurrent)

    def present(self, sample: Shaped[np.ndarray, "inputs"]) -> Int[np.ndarray, "k"]:
        """Show one sample for one round, and learn from it.

        Args:
            sample: 0 or 1 for each input.

        Returns:
            The neurons that fire.

        Source: Dabagia et al. (2022), Algorithm 1, the inner loop.
        """
        active = np.flatnonzero(sample)
        total = self.incoming[active].sum(axis=0) + self.recurrent[self.firing].sum(axis=0)
        winners = cap(total + self.bias, self.config.cap_size, self._rng)
        strengthen(self.incoming, active, winners, self.config.plasticity)
        strengthen(self.recurrent, self.firing, winners, self.config.plasticity)
        self.firing = winners
        return winners

    def learn_class(self, samples: Shaped[np.ndarray, "samples inputs"]) -> Int[np.ndarray, "k"]:
        """Show the samples of one class, one after another, and keep what fires last.

        Returns:
            The class's assembly.

        Source: Dabagia et al. (2022), Algorithm 1.
        """
        self.reset()
        for sample in samples:
            self.present(sample)
        assembly = self.firing
        self.bias[assembly] -= self.config.fatigue
        if self.config.normalise:
            self.normalise()
        self.reset()
        return assembly

    def respond(
        self, samples: Shaped[np.ndarray, "samples inputs"], rounds: int = 1
    ) -> Bool[np.ndarray, "samples neurons"]:
        """Which neurons fire to each sample, without learning.

        Args:
            samples: 0 or 1 for each input.
            rounds: 1 is one feed-forward round; in further rounds the recurrent synapses help, with
                the same sample.

        Returns:
            True where a neuron fires.
        """
        drive = samples.astype(np.float32) @ self.incoming.astype(np.float32)
        fires = cap_rows(drive, self.config.cap_size, np.random.default_rng(0))
        recurrent = self.recurrent.astype(np.float32) if rounds > 1 else None
        for _ in range(rounds - 1):
            total = drive + fires.astype(np.float32) @ recurrent
            fires = cap_rows(total, self.config.cap_size, np.random.default_rng(0))
        return fires


class AssemblyClassifier:
    """Classifies by the assembly that fires most: one block of samples a class, one assembly each.

    Args:
        config: of the area; default: the paper's for stimulus classes.
        seed: of the graphs and the ties.

    Attributes:
        classes_: labels, in the order in which they were shown.
        assemblies_: (classes, neurons) True for the neurons of each class's assembly.
        area_: the trained area.
        caps_: class -> winners of each training round.

    Raises:
        TypeError: if `seed` is not a whole number.

    Source: Dabagia et al. (2022), Algorithm 1 and section on experiments.
    """

    def __init__(self, config: AreaConfig | None = None, *, seed: int):
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise TypeError(f"seed must be a whole number, got {type(seed).__name__}; pass an int")
        self.config = AreaConfig() if config is None else config
        self.seed = int(seed)

    def fit(
        self, samples: Shaped[np.ndarray, "samples inputs"], labels: Int[np.ndarray, "samples"]
    ) -> AssemblyClassifier:
        """Show the classes one after another, in increasing order of the label.

        The order of presentation is the only supervision.

        Args:
            samples: 0 or 1 for each input; within a class they are shown in the given order.
            labels: class of each sample.

        Raises:
            ValueError: if shapes disagree or a sample holds anything but 0 and 1.
        """
        samples = _samples(samples)
        labels = np.asarray(labels)
        if labels.shape != (len(samples),):
            raise ValueError(f"labels must have shape ({len(samples)},), got {labels.shape}")
        self.classes_ = np.unique(labels)
        self.area_ = LearningArea(samples.shape[1], self.config, seed=self.seed)
        self.assemblies_ = np.zeros((len(self.classes_), self.config.n_neurons), bool)
        for row, label in enumerate(self.classes_):
            self.assemblies_[row, self.area_.learn_class(samples[labels == label])] = True
        return self

    def fit_readout(
        self, samples: Shaped[np.ndarray, "samples inputs"], labels: Int[np.ndarray, "samples"]
    ) -> AssemblyClassifier:
        """Redefine each assembly as the k neurons that fire most often to labelled samples.

        No synapse changes. Use samples that are not tested on.

        Raises:
            ValueError: if the classifier is not fitted, or a class has no sample.
        """
        fires = self.respond(samples)
        for row, label in enumerate(self.classes_):
            if not (labels == label).any():
                raise ValueError(f"class {label} has no sample; give some of every class")
            often = fires[labels == label].sum(axis=0).astype(float)
            self.assemblies_[row] = False
            self.assemblies_[row, cap(often, self.config.cap_size)] = True
        return self

    def respond(
        self, samples: Shaped[np.ndarray, "samples inputs"], rounds: int = 1
    ) -> Bool[np.ndarray, "samples neurons"]:
        """Which neurons fire to each sample.

        Raises:
            ValueError: if the classifier is not fitted, or the number of inputs differs.
        """
        if not hasattr(self, "area_"):
            raise ValueError("this classifier has learned nothing yet; call fit first")
        samples = _samples(samples)
        if samples.shape[1] != len(self.area_.incoming):
            raise ValueError(f"expected {len(self.area_.incoming)} inputs, got {samples.shape[1]}")
        return self.area_.respond(samples, rounds)

    def overlaps(
        self, samples: Shaped[np.ndarray, "samples inputs"], rounds: int = 1
    ) -> Int[np.ndarray, "samples classes"]:
        """Number of firing neurons in each class's assembly."""
        fires = self.respond(samples, rounds).astype(np.float32)
        return (fires @ self.assemblies_.T.astype(np.float32)).astype(np.int64)

    def predict(
        self, samples: Shaped[np.ndarray, "samples inputs"], rounds: int = 1
    ) -> Int[np.ndarray, "samples"]:
        """Class whose assembly has most firing neurons; the first one of several.

        Args:
            samples: 0 or 1 for each input.
            rounds: rounds of firing before the count.
        """
        overlaps = self.overlaps(samples, rounds)
        return self.classes_[overlaps.argmax(axis=1)]

    def score(
        self,
        samples: Shaped[np.ndarray, "samples inputs"],
        labels: Int[np.ndarray, "samples"],
        rounds: int = 1,
    ) -> float:
        """Share of samples that are classified correctly."""
        return float((self.predict(samples, rounds) == labels).mean())


def creation_threshold(n: int, k: int, p: float, r: float) -> float:
    """The plasticity from which on the theorem guarantees an assembly.

    Args:
        n: neurons.
        k: cap size, below n.
        p: probability of a synapse.
        r: firing probability of the class's core; 1 for a fixed stimulus.

    Returns:
        beta_0.

    Raises:
        ValueError: if a number is out of range.

    Source: Dabagia et al. (2022), theorem on creation.
    """
    if not (0 < k < n and 0 < p <= 1 and 0 < r <= 1):
        raise ValueError(
            f"expected 0 < k < n and p, r in (0, 1], got n = {n}, k = {k}, p = {p}, r = {r}"
        )
    log = math.sqrt(2 * math.log(n / k))
    return ((math.sqrt(2) - r**2) * log + math.sqrt(6)) / (r**2 * (math.sqrt(k * p) + log))


def support_bound(k: int, plasticity: float, threshold: float) -> float:
    """Largest support that the theorem allows, in neurons, if `plasticity` is at or above beta_0.

    Raises:
        ValueError: if a number is not positive.

    Source: Dabagia et al. (2022), theorem on creation.
    """
    if not (k > 0 and plasticity > 0 and threshold > 0):
        raise ValueError("k, plasticity and threshold must be positive")
    return k / -math.expm1(-((plasticity / threshold) ** 2))


def _samples(samples: np.ndarray) -> np.ndarray:
    samples = np.asarray(samples)
    if samples.ndim != 2 or samples.size == 0:
        raise ValueError(f"samples must have shape (samples, inputs), got {samples.shape}")
    if not np.isin(samples, (0, 1)).all():
        raise ValueError("samples must hold 0 and 1 alone: an input neuron fires or does not")
    return samples
