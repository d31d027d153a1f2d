"""Small pictures in ten classes: MNIST, Fashion-MNIST, and the digits that come with scikit-learn.

The first two are fetched; the third needs no download and is what a fresh machine uses.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from neurotutor.data import registry

MNIST = "mnist/mnist"
FASHION_MNIST = "fashion-mnist/fashion_mnist"
N_CLASSES = 10
FASHION_NAMES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
DIGIT_NAMES = tuple(str(digit) for digit in range(N_CLASSES))

_IDX_LABELS, _IDX_IMAGES = 2049, 2051  # first four bytes of the two kinds of file


@dataclass(frozen=True)
class Images:
    """Grey pictures of ten classes, split into a part to learn from and a part to test on.

    Attributes:
        train: grey levels, 0 is background; row-major, y downwards.
        train_labels: class 0..9 of each.
        test: the same of the part to test on.
        test_labels: the same.
        brightest: the grey level of full ink.
        class_names: one for each class.
        name: of the set.
    """

    train: UInt8[np.ndarray, "train_images height width"]
    train_labels: Int[np.ndarray, "train_images"]
    test: UInt8[np.ndarray, "test_images height width"]
    test_labels: Int[np.ndarray, "test_images"]
    brightest: int
    class_names: tuple[str, ...]
    name: str


def load(name_or_path: str | os.PathLike = MNIST) -> Images:
    """Load MNIST or Fashion-MNIST.

    Args:
        name_or_path: `"mnist/mnist"`, `"fashion-mnist/fashion_mnist"`, or the path of an `.npz` of
            the same form (a smaller cut, say).

    Returns:
        Both splits in their original order, labels as int64. Nothing is rescaled.

    Raises:
        neurotutor.data.DataNotFound: if the set or the file is not on this machine.
        neurotutor.data.UnknownData: for a name that the registry does not hold.
        neurotutor.data.CorruptData: if the file is damaged or lacks an array.
        ValueError: if an array has a wrong shape or type, or labels beyond 0..9.

    Source: LeCun et al. (1998); Xiao, Rasul & Vollgraf (2017).
    """
    path = registry.resolve(name_or_path)
    arrays = registry.read_arrays(path, ("x_train", "y_train", "x_test", "y_test"))

    def fail(problem: str) -> ValueError:
        return ValueError(f"{path} is not a set of labelled pictures: {problem}")

    train, train_labels = _part(arrays["x_train"], arrays["y_train"], "train", fail)
    test, test_labels = _part(arrays["x_test"], arrays["y_test"], "test", fail)
    if train.shape[1:] != test.shape[1:]:
        raise fail(f"x_train has pictures of {train.shape[1:]}, x_test of {test.shape[1:]}")
    is_name = isinstance(name_or_path, str) and not name_or_path.endswith(".npz")
    name = name_or_path if is_name else path.stem
    fashion = "fashion" in name
    return Images(
        train=train,
        train_labels=train_labels,
        test=test,
        test_labels=test_labels,
        brightest=255,
        class_names=FASHION_NAMES if fashion else DIGIT_NAMES,
        name=name,
    )


def digits(*, test_share: float = 0.4, seed: int = 0) -> Images:
    """The 1797 digits of 8 by 8 pixels that come with scikit-learn: no download.

    Args:
        test_share: share of the pictures to test on, the same in every class.
        seed: of the split.

    Returns:
        The two parts; grey levels 0..16.

    Raises:
        ValueError: if `test_share` is not between 0.1 and 0.9.

    Source: UCI repository, *Optical recognition of handwritten digits* (test part).
    """
    if not 0.1 <= test_share <= 0.9:
        raise ValueError(f"test_share must lie between 0.1 and 0.9, got {test_share}")
    bundle = load_digits()
    train, test, train_labels, test_labels = train_test_split(
        bundle.images.astype(np.uint8),
        bundle.target.astype(np.int64),
        test_size=test_share,
        stratify=bundle.target,
        random_state=seed,
    )
    return Images(
        train=train,
        train_labels=train_labels,
        test=test,
        test_labels=test_labels,
        brightest=16,
        class_names=DIGIT_NAMES,
        name="scikit-learn digits",
    )


def first_per_class(
    labels: Int[np.ndarray, "images"], per_class: int, *, seed: int | None = None
) -> Int[np.ndarray, "classes per_class"]:
    """Row numbers of a few pictures of every class.

    Args:
        labels: class of each picture.
        per_class: how many of each.
        seed: draw them at random; `None` takes the first ones in order.

    Returns:
        Row numbers, class by class in increasing order of the label.

    Raises:
        ValueError: if a class has fewer pictures, or `per_class` is below 1.
    """
    labels = np.asarray(labels)
    if per_class < 1:
        raise ValueError(f"per_class must be 1 or greater, got {per_class}")
    order = np.arange(len(labels))
    if seed is not None:
        order = np.random.default_rng(seed).permutation(order)
    rows = []
    for label in np.unique(labels):
        found = order[labels[order] == label][:per_class]
        if len(found) < per_class:
            raise ValueError(
                f"class {label} has {len(found)} pictures, {per_class} were asked for; ask for less"
            )
        rows.append(found)
    return np.stack(rows)


def from_idx(
    train_images: Path, train_labels: Path, test_images: Path, test_labels: Path
) -> dict[str, np.ndarray]:
    """Convert the four gzipped IDX files that both sets were published as.

    Args:
        train_images: `train-images-idx3-ubyte.gz`.
        train_labels: `train-labels-idx1-ubyte.gz`.
        test_images: `t10k-images-idx3-ubyte.gz`.
        test_labels: `t10k-labels-idx1-ubyte.gz`.

    Returns:
        `x_train`, `y_train`, `x_test`, `y_test`, all uint8.

    Raises:
        neurotutor.data.CorruptData: if a file is damaged or of another kind.
    """
    return {
        "x_train": _idx(train_images, _IDX_IMAGES),
        "y_train": _idx(train_labels, _IDX_LABELS),
        "x_test": _idx(test_images, _IDX_IMAGES),
        "y_test": _idx(test_labels, _IDX_LABELS),
    }


def _part(
    images: np.ndarray, labels: np.ndarray, part: str, fail: Callable[[str], ValueError]
) -> tuple[np.ndarray, np.ndarray]:
    if images.ndim != 3 or images.size == 0 or images.dtype != np.uint8:
        raise fail(
            f"x_{part} must be (images, height, width) of uint8, "
            f"got {images.shape} of {images.dtype}"
        )
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise fail(
            f"y_{part} must be ({len(images)},) whole numbers, got {labels.shape} of {labels.dtype}"
        )
    if not 0 <= int(labels.min()) <= int(labels.max()) < N_CLASSES:
        raise fail(f"y_{part} must lie in 0..9, got {labels.min()}..{labels.max()}")
    return images, labels.astype(np.int64)


def _idx(path: Path, kind: int) -> np.ndarray:
    """The array of one gzipped IDX file: a big-endian header, then bytes."""
    n_axes = 3 if kind == _IDX_IMAGES else 1
    head = 4 * (1 + n_axes)
    try:
        content = gzip.decompress(Path(path).read_bytes())
        found, *shape = struct.unpack(f">{1 + n_axes}I", content[:head])
    except (gzip.BadGzipFile, EOFError, zlib.error, struct.error) as error:
        raise registry.CorruptData(f"{path} is not a gzipped IDX file ({error})") from error
    if found != kind or len(content) - head != math.prod(shape):
        raise registry.CorruptData(
            f"{path} is not the IDX file that it should be (kind {found}, expected {kind}; "
            f"shape {tuple(shape)}, {len(content) - head} bytes)"
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)
