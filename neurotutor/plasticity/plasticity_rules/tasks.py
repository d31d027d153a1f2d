"""Small tasks with a known truth, and images in the same form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurotutor.checks import as_count
from neurotutor.data.mnist import Images
from neurotutor.plasticity.plasticity_rules.config import RuleConfig
from neurotutor.plasticity.plasticity_rules.network import RuleNetwork, State


@dataclass(frozen=True)
class Task:
    """Inputs and labels to train on and to test on.

    Attributes:
        name: how figures call it.
        x, labels: training examples.
        x_test, labels_test: test examples.
        n_classes: how many classes there are.
        simulated: whether the truth behind the labels is known.
    """

    name: str
    x: Float[Tensor, "train inputs"]
    labels: Int[Tensor, "train"]
    x_test: Float[Tensor, "test inputs"]
    labels_test: Int[Tensor, "test"]
    n_classes: int
    simulated: bool = True

    def first(self, n_examples: int) -> Task:
        """Return the same task with only the first training examples.

        Raises:
            ValueError: if there are fewer.
        """
        if not 1 <= n_examples <= len(self.x):
            raise ValueError(f"n_examples must lie in 1..{len(self.x)}, got {n_examples}")
        return Task(
            self.name,
            self.x[:n_examples],
            self.labels[:n_examples],
            self.x_test,
            self.labels_test,
            self.n_classes,
            self.simulated,
        )


def _points(n_train: int, n_test: int, dimension: int, generator: torch.Generator) -> Tensor:
    for name, value in (("n_train", n_train), ("n_test", n_test), ("dimension", dimension)):
        as_count(name, value)
    return torch.randn(n_train + n_test, dimension, generator=generator, dtype=torch.float64)


def _split(name: str, points: Tensor, labels: Tensor, n_train: int) -> Task:
    points = points.float()
    return Task(
        name, points[:n_train], labels[:n_train], points[n_train:], labels[n_train:], n_classes=2
    )


def halfspace(
    n_train: int = 10_000, n_test: int = 10_000, dimension: int = 10, *, seed: int
) -> Task:
    """Label standard normal points by the side of a random plane through the origin.

    Args:
        n_train: training points.
        n_test: test points.
        dimension: d.
        seed: of points and plane.

    Source: Cristian et al. (2020), section 4; the authors' code draws points from a cube instead.
    """
    generator = torch.Generator().manual_seed(seed)
    points = _points(n_train, n_test, dimension, generator)
    normal = torch.randn(dimension, generator=generator, dtype=torch.float64)
    return _split("half-space", points, (points @ normal > 0).long(), n_train)


def relu_network(
    n_train: int = 10_000,
    n_test: int = 10_000,
    dimension: int = 10,
    *,
    width: int = 1000,
    seed: int,
) -> Task:
    """Label standard normal points by which of two outputs of a random ReLU network is larger.

    The weights are uniform in [-1, 1]. With the plain comparison one label may have four fifths of
    the points, so the difference is compared with its median (ours): both labels are as frequent.

    Args:
        n_train: training points.
        n_test: test points.
        dimension: d.
        width: hidden neurons of the labelling network.
        seed: of points and weights; two seeds give the paper's ReLU1 and ReLU2.

    Source: Cristian et al. (2020), section 4.
    """
    generator = torch.Generator().manual_seed(seed)
    points = _points(n_train, n_test, dimension, generator)
    as_count("width", width)

    def uniform(*shape: int) -> Tensor:
        return 2 * torch.rand(*shape, generator=generator, dtype=torch.float64) - 1

    inner, outer = uniform(dimension, width), uniform(width, 2)
    scores = (points @ inner).relu() @ outer
    difference = scores[:, 1] - scores[:, 0]
    return _split("ReLU network", points, (difference > difference.median()).long(), n_train)


def random_recurrent(
    n_train: int = 10_000, n_test: int = 10_000, dimension: int = 10, *, seed: int
) -> Task:
    """Label standard normal points by a random network of the kind that is to learn them.

    V = 100, k = 50, T = 3, p = 1/2; synapses are N(0, 1) / sqrt(V), and the difference of the two
    scores is compared with its median (both ours).

    Args:
        n_train: training points.
        n_test: test points.
        dimension: d.
        seed: of points and weights.

    Source: Cristian et al. (2020), section 4.
    """
    generator = torch.Generator().manual_seed(seed)
    points = _points(n_train, n_test, dimension, generator)
    config = RuleConfig.learning(rounds=3)
    network = RuleNetwork(dimension, 2, config, seed=seed + 1, dtype=torch.float64)
    hidden = config.n_hidden
    drawn = torch.randn(hidden + 2, hidden, generator=generator, dtype=torch.float64)
    scores = network(points, State(drawn[:hidden] / hidden**0.5, drawn[hidden:]))
    difference = scores[:, 1] - scores[:, 0]
    return _split("recurrent network", points, (difference > difference.median()).long(), n_train)


def from_images(
    images: Images, *, n_train: int | None = None, n_test: int | None = None, seed: int
) -> Task:
    """Turn pictures into a task: pixels in [0, 1], a random part of both sets.

    Args:
        images: from `neurotutor.data.mnist`.
        n_train: how many training pictures to draw; default: all. The paper takes 10,000.
        n_test: how many test pictures to draw; default: all.
        seed: of the draw.

    Raises:
        ValueError: if there are fewer pictures than asked for.

    Source: Cristian et al. (2020), section 4.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for kind, pictures, classes, wanted in (
        ("training", images.train, images.train_labels, n_train),
        ("test", images.test, images.test_labels, n_test),
    ):
        wanted = len(pictures) if wanted is None else wanted
        if not 1 <= wanted <= len(pictures):
            raise ValueError(f"asked for {wanted} {kind} pictures, there are {len(pictures)}")
        chosen = rng.permutation(len(pictures))[:wanted]
        grey = pictures[chosen].reshape(wanted, -1).astype(np.float32) / images.brightest
        parts += [torch.from_numpy(grey), torch.from_numpy(classes[chosen].astype(np.int64))]
    return Task(images.name, *parts, n_classes=len(images.class_names), simulated=False)
