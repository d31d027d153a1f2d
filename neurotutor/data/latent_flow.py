"""Counts from a two-dimensional latent variable through an untrained flow: both causes are known.

Four directions stand on a circle, each an arc of an eighth of a turn; a trial walks along
its arc in four steps. A random invertible map, the flow, bends the plane into the rates of many
neurons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from neurotutor.checks import as_count

N_DIRECTIONS = 4
N_STEPS = 4  # of a trial
LARGEST_LOG_RATE = 2.2


@dataclass(frozen=True)
class LatentFlow:
    """Trials of four steps along one of four arcs, as spike counts.

    Attributes:
        spikes: counts; the bins of a trial one after another, in order of their step.
        direction: arc of the bin's trial, 0 to 3.
        step: place of the bin along its arc, 0 to 3.
        trial: number of the bin's trial, from 0.
        train: whether the bin's trial was drawn for training.
        latent: point of the plane that the bin was made from.
        rates: expected counts, between exp(-2.2) and exp(2.2).
    """

    spikes: Int[np.ndarray, "bins neurons"]
    direction: Int[np.ndarray, " bins"]
    step: Int[np.ndarray, " bins"]
    trial: Int[np.ndarray, " bins"]
    train: Bool[np.ndarray, " bins"]
    latent: Float[np.ndarray, "bins 2"]
    rates: Float[np.ndarray, "bins neurons"]

    @property
    def n_trials(self) -> int:
        """Number of trials, training and test together."""
        return int(self.trial[-1]) + 1


class Coupling(NamedTuple):
    """Weights of one coupling layer's network: three dense layers without bias."""

    first: Float[np.ndarray, "half hidden"]
    second: Float[np.ndarray, "hidden hidden"]
    third: Float[np.ndarray, "hidden dim"]


def scale_and_shift(
    layer: Coupling, kept: Float[np.ndarray, "points half"]
) -> tuple[Float[np.ndarray, "points half"], Float[np.ndarray, "points half"]]:
    """What one half of the coordinates says about the other: logarithm of a scale, and a shift."""
    hidden = np.maximum(np.maximum(kept @ layer.first, 0) @ layer.second, 0)
    log_scale, shift = np.split(hidden @ layer.third, 2, axis=1)
    return 0.1 * np.tanh(log_scale), shift


def couple(
    layer: Coupling, points: Float[np.ndarray, "points dim"]
) -> Float[np.ndarray, "points dim"]:
    """One coupling layer: scale and shift one half by a function of the other, then exchange them.

    Source: Dinh et al. (2017), real NVP; sizes as in Zhou & Wei (2020).
    """
    kept, changed = np.split(points, 2, axis=1)
    log_scale, shift = scale_and_shift(layer, kept)
    return np.concatenate([changed * np.exp(log_scale) + shift, kept], axis=1)


def uncouple(
    layer: Coupling, points: Float[np.ndarray, "points dim"]
) -> Float[np.ndarray, "points dim"]:
    """Inverse of `couple`."""
    changed, kept = np.split(points, 2, axis=1)
    log_scale, shift = scale_and_shift(layer, kept)
    return np.concatenate([kept, (changed - shift) * np.exp(-log_scale)], axis=1)


class Flow:
    """An untrained real NVP: blocks of two coupling layers, with a permutation between blocks.

    Args:
        n_dims: number of coordinates, even.
        n_blocks: number of blocks.
        seed: of the weights, Glorot-uniform; the permutations are those of seeds 0, 1, 2, ...

    Attributes:
        layers: the coupling layers, two a block.
        permutations: coordinates taken after each block but the last.

    Raises:
        ValueError: if a size is too small, or `n_dims` is odd.

    Source: Zhou & Wei (2020), generator of pi-VAE, as Liu et al. (2021) use it.
    """

    def __init__(self, n_dims: int = 100, n_blocks: int = 4, *, seed: int = 0):
        as_count("n_dims", n_dims, 4)
        as_count("n_blocks", n_blocks)
        as_count("seed", seed, 0)
        if n_dims % 2:
            raise ValueError(f"n_dims must be even, a layer cuts it in half; got {n_dims}")
        rng = np.random.default_rng(seed)
        half, hidden = n_dims // 2, n_dims // 4
        sizes = (half, hidden), (hidden, hidden), (hidden, n_dims)
        self.layers = [Coupling(*(_glorot(rng, *s) for s in sizes)) for _ in range(2 * n_blocks)]
        self.permutations = [
            np.random.RandomState(j).permutation(n_dims) for j in range(n_blocks - 1)
        ]

    def forward(self, points: Float[np.ndarray, "points dim"]) -> Float[np.ndarray, "points dim"]:
        """Bend points; shape (points, n_dims)."""
        for number, layer in enumerate(self.layers):
            if number % 2 == 0 and number:
                points = points[:, self.permutations[number // 2 - 1]]
            points = couple(layer, points)
        return points

    def inverse(self, points: Float[np.ndarray, "points dim"]) -> Float[np.ndarray, "points dim"]:
        """Where bent points came from; shape (points, n_dims)."""
        for number, layer in reversed(list(enumerate(self.layers))):
            points = uncouple(layer, points)
            if number % 2 == 0 and number:
                points = points[:, np.argsort(self.permutations[number // 2 - 1])]
        return points


def simulate(
    n_train: int = 4000, n_test: int = 1000, n_neurons: int = 100, *, seed: int = 777
) -> LatentFlow:
    """Draw the synthetic set: points on four noisy arcs, bent into rates, Poisson counts.

    The authors' files could not be rebuilt to the bit, since their script makes a new random flow
    at each call. Here one flow serves all directions, and training and test trials.

    Args:
        n_train: points drawn for each direction's training trials.
        n_test: points drawn for each direction's test trials.
        n_neurons: an even number.
        seed: of the arcs' points (`seed` + 0, 2, 4, 6), of the counts and of the flow.

    Returns:
        Trials of all directions one after another, training trials first. A direction has a
        little less than `n_train / 4` training trials: as many as its rarest step has points.

    Raises:
        ValueError: if a size is too small.

    Source: Liu et al. (2021), `synthetic_data.py`; Zhou & Wei (2020).
    """
    as_count("n_train", n_train, 4 * N_STEPS)
    as_count("n_test", n_test, 4 * N_STEPS)
    as_count("seed", seed, 0)
    flow = Flow(n_neurons, seed=seed)
    latent, direction, step, train = [], [], [], []
    arcs = [_arc(k, n_train + n_test, seed) for k in range(0, 8, 2)]
    for is_train, part in ((True, slice(n_train)), (False, slice(n_train, None))):
        for label, (position, points) in enumerate(arcs):
            rows = _trials(position[part])
            latent.append(points[part][rows.ravel()])
            direction.append(np.full(rows.size, label))
            step.append(np.tile(np.arange(N_STEPS), len(rows)))
            train.append(np.full(rows.size, is_train))
    plane = np.concatenate(latent)
    padded = np.pad(plane, ((0, 0), (0, n_neurons - 2)))
    rates = np.exp(LARGEST_LOG_RATE * np.tanh(flow.forward(padded)))
    return LatentFlow(
        spikes=np.random.RandomState(seed).poisson(rates),
        direction=np.concatenate(direction),
        step=np.concatenate(step),
        trial=np.repeat(np.arange(len(plane) // N_STEPS), N_STEPS),
        train=np.concatenate(train),
        latent=plane,
        rates=rates,
    )


def _arc(
    k: int, n_points: int, seed: int
) -> tuple[Int[np.ndarray, " points"], Float[np.ndarray, "points 2"]]:
    """Noisy points of the arc that starts at angle 2 pi k / 8, and in which quarter each lies."""
    draw = np.random.RandomState(seed + k)
    start, stop = 2 * np.pi * k / 8, 2 * np.pi * (k + 1) / 8
    angle = draw.uniform(start, stop, (n_points, 1))
    mean = np.hstack([5 * np.sin(angle), 5 * np.cos(angle)])
    second = 0.1 * np.abs(mean[:, 1:])
    sd = np.sqrt(np.hstack([0.6 - second, second]))
    points = mean + sd * draw.standard_normal((n_points, 2))
    quarter = np.floor((angle[:, 0] - start) / (stop - start) * N_STEPS).astype(int)
    return quarter.clip(0, N_STEPS - 1), points


def _trials(quarter: Int[np.ndarray, " points"]) -> Int[np.ndarray, "trials steps"]:
    """Rows of the i-th point of every quarter, for as many i as the rarest quarter has points."""
    groups = [np.flatnonzero(quarter == number) for number in range(N_STEPS)]
    shortest = min(len(group) for group in groups)
    return np.stack([group[:shortest] for group in groups], axis=1)


def _glorot(rng: np.random.Generator, n_in: int, n_out: int) -> Float[np.ndarray, "n_in n_out"]:
    limit = np.sqrt(6 / (n_in + n_out))
    return rng.uniform(-limit, limit, (n_in, n_out))
