"""A class for every pixel: scenes with known truth, and a network whose front-end is linear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from neurotutor.checks import as_count
from neurotutor.data.mnist import Images
from neurotutor.perception.sclc.spectral import SpectralConv2d, SpectralPool2d

CANVAS = 48
FASHION_GROUPS = (1, 2, 1, 1, 1, 3, 1, 3, 4, 3)
FASHION_GROUP_NAMES = ("background", "tops", "trousers", "shoes", "bag")
DIGIT_GROUPS = (1, 2, 3, 3, 4, 3, 1, 2, 1, 4)
DIGIT_GROUP_NAMES = ("background", "0 6 8", "1 7", "2 3 5", "4 9")


@dataclass(frozen=True)
class Scenes:
    """Small pictures with objects in front of a blocky background, and the truth.

    Attributes:
        images: grey, about 0 to 1, shape (scenes, 1, 48, 48).
        labels: group of each pixel, 0 is the background.
        names: of the groups.
    """

    images: Float[Tensor, "scenes 1 side side"]
    labels: Int[Tensor, "scenes side side"]
    names: tuple[str, ...]


def simulate_scenes(
    pictures: UInt8[np.ndarray, "pictures height width"],
    classes: Int[np.ndarray, "pictures"],
    n_scenes: int,
    *,
    brightest: int = 255,
    groups: Sequence[int] = FASHION_GROUPS,
    names: Sequence[str] = FASHION_GROUP_NAMES,
    seed: int = 0,
) -> Scenes:
    """Draw scenes of one to three objects; later objects hide earlier ones.

    The background is 6 x 6 uniform blocks times 0.35 with noise of standard deviation 0.05. An
    object is a picture, mirrored with probability one half, scaled by 0.7 to 1; its mask is where
    it is brighter than 0.15. Shapes are realistic, textures are not.

    Args:
        pictures: grey levels; resampled to 28 pixels a side before scaling.
        classes: class of each picture.
        n_scenes: how many to draw.
        brightest: grey level of full ink.
        groups: label of the pixels of each class, 1 or more.
        names: of the labels, the background first.
        seed: of all draws.

    Raises:
        ValueError: if a class has no group, or numbers of pictures and classes disagree.

    Source: the brief of Xiang et al. (2022), section 4; a generator of this book.
    """
    as_count("n_scenes", n_scenes)
    if len(pictures) != len(classes) or len(pictures) == 0:
        raise ValueError(f"{len(pictures)} pictures and {len(classes)} classes; they must agree")
    if int(classes.max()) >= len(groups) or min(groups) < 1 or max(groups) >= len(names):
        raise ValueError("every class needs a group of 1 or more, and every group a name")
    rng = np.random.default_rng(seed)
    images = np.empty((n_scenes, CANVAS, CANVAS), np.float32)
    labels = np.zeros((n_scenes, CANVAS, CANVAS), np.int64)
    for image, label in zip(images, labels, strict=True):
        image[:] = np.kron(0.35 * rng.uniform(size=(6, 6)), np.ones((8, 8)))
        image += rng.normal(0, 0.05, image.shape)
        for _ in range(rng.integers(1, 4)):
            number = rng.integers(len(pictures))
            object_ = pictures[number].astype(np.float32) / brightest
            if rng.random() < 0.5:
                object_ = object_[:, ::-1]
            side = round(28 * rng.uniform(0.7, 1))
            object_ = _resample(object_, side)
            top, left = rng.integers(0, CANVAS - side + 1, size=2)
            inside = object_ > 0.15
            window = (slice(top, top + side), slice(left, left + side))
            image[window][inside] = object_[inside]
            label[window][inside] = groups[classes[number]]
    return Scenes(torch.from_numpy(images)[:, None], torch.from_numpy(labels), tuple(names))


def scenes_of(images: Images, n_train: int, n_test: int, *, seed: int = 0) -> tuple[Scenes, Scenes]:
    """Scenes to learn from and to test on, of pictures of the two parts of a set.

    Args:
        images: Fashion-MNIST, or digits, whose groups then are those of look-alikes.
        n_train: scenes from the training part.
        n_test: scenes from the test part.
        seed: of the draws.
    """
    fashion = "T-shirt" in images.class_names
    groups, names = (
        (FASHION_GROUPS, FASHION_GROUP_NAMES) if fashion else (DIGIT_GROUPS, DIGIT_GROUP_NAMES)
    )
    parts = (
        (images.train, images.train_labels, n_train, seed),
        (images.test, images.test_labels, n_test, seed + 10_000),
    )
    return tuple(
        simulate_scenes(
            pictures,
            labels,
            count,
            brightest=images.brightest,
            groups=groups,
            names=names,
            seed=own,
        )
        for pictures, labels, count, own in parts
    )


class Segmenter(nn.Module):
    """Linear convolutions, then a small network on the channels of each pixel.

    The paper's network for segmentation is not known to us; this one is the book's. With `pooled`
    the network works on a smaller grid, and its logits are enlarged to the pixels of the scene.

    Args:
        size: pixels of a side of the scenes.
        pooled: pixels of a side on which the network works, odd; `None` keeps all.
        channels: of every convolution.
        kernel_size: of every convolution.
        layers: number of convolutions.
        hidden: units of the network of each pixel.
        n_classes: labels.
        nonlinear: put a ReLU behind every convolution: the twin to compare with.
        seed: of the initial numbers.
    """

    def __init__(
        self,
        *,
        size: int = CANVAS,
        pooled: int | None = None,
        channels: int = 12,
        kernel_size: int = 7,
        layers: int = 3,
        hidden: int = 24,
        n_classes: int = 5,
        nonlinear: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        as_count("layers", layers)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            stack: list[nn.Module] = [] if pooled is None else [SpectralPool2d(size, pooled)]
            for number in range(layers):
                inputs = 1 if number == 0 else channels
                stack.append(SpectralConv2d(inputs, channels, kernel_size, spatial=True))
                if nonlinear:
                    stack.append(nn.ReLU())
            self.frontend = nn.Sequential(*stack)
            self.norm = nn.BatchNorm2d(channels)
            self.head = nn.Sequential(
                nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, n_classes, 1)
            )

    def forward(
        self, x: Float[Tensor, "batch 1 height width"]
    ) -> Float[Tensor, "batch classes height width"]:
        """Logits of every pixel."""
        y = self.head(self.norm(self.frontend(x)))
        if y.shape[-2:] != x.shape[-2:]:
            y = nn.functional.interpolate(y, x.shape[-2:], mode="bilinear", align_corners=False)
        return y


def mean_iou(
    predicted: Int[Tensor, "*shape"], labels: Int[Tensor, "*shape"], n_classes: int
) -> float:
    """Intersection over union of each class, averaged over the classes that occur.

    Args:
        predicted: class of each pixel.
        labels: the truth.
        n_classes: number of classes.

    Returns:
        A number between 0 and 1. Pixels of all pictures are counted together.

    Raises:
        ValueError: if shapes disagree.
    """
    if predicted.shape != labels.shape:
        raise ValueError(f"shapes differ: {tuple(predicted.shape)} and {tuple(labels.shape)}")
    pairs = torch.bincount((labels * n_classes + predicted).flatten(), minlength=n_classes**2)
    table = pairs.reshape(n_classes, n_classes).double()
    both = table.diagonal()
    either = table.sum(0) + table.sum(1) - both
    return float((both[either > 0] / either[either > 0]).mean())


def _resample(picture: Float[np.ndarray, "height width"], side: int) -> np.ndarray:
    """Bilinear, to `side` pixels a side."""
    tensor = torch.from_numpy(np.ascontiguousarray(picture))[None, None]
    return nn.functional.interpolate(tensor, (side, side), mode="bilinear", align_corners=False)[
        0, 0
    ].numpy()
