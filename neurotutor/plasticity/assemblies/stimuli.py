"""What the area is shown: noisy classes, two sides of a half-space, and pictures as spikes."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy.ndimage import uniform_filter

from neurotutor.plasticity.assemblies.caps import cap_rows


def class_probabilities(
    cores: Int[np.ndarray, "classes k"], n_inputs: int, r: float, outside: float
) -> Float[np.ndarray, "classes inputs"]:
    """Firing probability of every input for every class: r in the class's core, little outside.

    Args:
        cores: numbers of the core inputs of each class.
        n_inputs: number of inputs.
        r: firing probability in the core.
        outside: firing probability elsewhere, q k / n in the paper.

    Raises:
        ValueError: if a probability or a number is out of range.

    Source: Dabagia et al. (2022), definition of a stimulus class.
    """
    if not (0 <= outside <= 1 and 0 <= r <= 1):
        raise ValueError(f"r and outside must be probabilities, got {r} and {outside}")
    if cores.min() < 0 or cores.max() >= n_inputs:
        raise ValueError(f"cores hold inputs outside 0..{n_inputs - 1}")
    probability = np.full((len(cores), n_inputs), float(outside))
    np.put_along_axis(probability, cores, r, axis=1)
    return probability


def random_cores(
    n_classes: int, k: int, n_inputs: int, rng: np.random.Generator, *, shared: float = 0.0
) -> Int[np.ndarray, "classes k"]:
    """Random core sets of k inputs.

    Args:
        n_classes: number of classes.
        k: size of a core.
        n_inputs: number of inputs.
        rng: draws them.
        shared: with 0 the cores are independent draws; otherwise every class shares this part of
            its core with the first class, exactly, and nothing else with it.

    Raises:
        ValueError: if there are too few inputs.
    """
    if not 0 <= shared <= 1:
        raise ValueError(f"shared must lie in [0, 1], got {shared}")
    if k > n_inputs or (shared > 0 and 2 * k > n_inputs):
        raise ValueError(f"{n_inputs} inputs are too few for cores of {k}; use more inputs")
    cores = np.stack([rng.choice(n_inputs, k, replace=False) for _ in range(n_classes)])
    if shared > 0:
        common = round(shared * k)
        others = np.setdiff1d(np.arange(n_inputs), cores[0])
        for row in range(1, n_classes):
            inside = rng.choice(cores[0], common, replace=False)
            cores[row] = np.concatenate([inside, rng.choice(others, k - common, replace=False)])
    return np.sort(cores, axis=1)


def sample_classes(
    probability: Float[np.ndarray, "classes inputs"], per_class: int, rng: np.random.Generator
) -> tuple[Bool[np.ndarray, "samples inputs"], Int[np.ndarray, "samples"]]:
    """Fresh samples of every class, class after class: each input fires independently.

    Returns:
        Samples (True where an input fires) and their classes.

    Raises:
        ValueError: if `per_class` is below 1.
    """
    if per_class < 1:
        raise ValueError(f"per_class must be 1 or greater, got {per_class}")
    labels = np.repeat(np.arange(len(probability)), per_class)
    return rng.random((len(labels), probability.shape[1])) < probability[labels], labels


def sample_half_space(
    positive: bool, margin: float, n_samples: int, k: int, n_inputs: int, rng: np.random.Generator
) -> Bool[np.ndarray, "samples inputs"]:
    """Samples on one side of a linear threshold with a margin.

    The normal vector has equal weights 1 / sqrt(k) on the first k inputs; if every input fired with
    probability k / n, the mean along it would be (k / n) sqrt(k), and there the threshold lies. The
    number of those k inputs that fire is exact; all others fire with probability k / n.

    Args:
        positive: on which side.
        margin: Delta, distance of the samples from the threshold along the normal vector.
        n_samples: how many.
        k: number of inputs that matter.
        n_inputs: number of inputs.
        rng: draws them.

    Raises:
        ValueError: if the margin is negative, or asks for more than k firing inputs.

    Source: Dabagia et al. (2022), experiment on half-spaces.
    """
    middle = k / n_inputs * math.sqrt(k)
    count = math.ceil((middle + margin) * math.sqrt(k) - 1e-9)
    if not positive:
        count = max(0, math.floor((middle - margin) * math.sqrt(k) + 1e-9))
    if margin < 0 or count > k:
        raise ValueError(f"a margin of {margin} asks for {count} of {k} inputs; lower it")
    samples = rng.random((n_samples, n_inputs)) < k / n_inputs
    # The ranks of random numbers choose exactly `count` of the first k inputs in every row.
    samples[:, :k] = rng.random((n_samples, k)).argsort(axis=1).argsort(axis=1) < count
    return samples


def picture_spikes(
    pictures: Real[np.ndarray, "pictures height width"], active: int = 100
) -> Bool[np.ndarray, "pictures pixels"]:
    """Turn grey pictures into firing inputs: sum over 3 by 3 windows, keep the largest sums.

    Args:
        pictures: grey levels, 0 is background.
        active: number of inputs that fire, the same for every picture.

    Returns:
        True where an input fires; ties go to the lower number.

    Raises:
        ValueError: if `active` exceeds the number of pixels.

    Source: Dabagia et al. (2022), experiment on MNIST.
    """
    sums = 9 * uniform_filter(pictures.astype(np.float64), size=(1, 3, 3), mode="constant")
    # Rounded: the filter's running sums leave differences of 1e-13 between equal windows.
    return cap_rows(np.rint(sums).reshape(len(pictures), -1), active)
