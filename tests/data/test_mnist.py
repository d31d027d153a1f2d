"""Loading pictures: both fetched sets, the bundled digits, the IDX files, and what is refused."""

import gzip
import struct

import numpy as np
import pytest

from neurotutor.data import CorruptData, DataNotFound, UnknownData, mnist
from tests.harness import recording


def write(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (20, 5, 4)).astype(np.uint8),
        "y_train": (np.arange(20) % 10).astype(np.uint8),
        "x_test": rng.integers(0, 256, (10, 5, 4)).astype(np.uint8),
        "y_test": np.arange(10).astype(np.uint8),
    } | changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("name", "counts", "first"),
    [
        (mnist.MNIST, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949], "5041921314"),
        (mnist.FASHION_MNIST, [6000] * 10, None),
    ],
)
def test_the_fetched_sets_are_the_original_ones(name, counts, first):
    recording(name)
    images = mnist.load(name)
    assert images.train.shape == (60000, 28, 28)
    assert images.test.shape == (10000, 28, 28)
    assert np.bincount(images.train_labels).tolist() == counts
    assert len(images.class_names) == 10
    if first:
        assert "".join(map(str, images.train_labels[:10])) == first


def test_the_bundled_digits_are_split_by_class():
    images = mnist.digits(seed=3)
    assert images.train.shape[1:] == images.test.shape[1:] == (8, 8)
    assert len(images.train) + len(images.test) == 1797
    assert images.train.max() == images.brightest == 16
    share = np.bincount(images.test_labels) / (
        np.bincount(images.test_labels) + np.bincount(images.train_labels)
    )
    assert np.abs(share - 0.4).max() < 0.01
    assert np.array_equal(mnist.digits(seed=3).train, images.train)
    assert not np.array_equal(mnist.digits(seed=4).train, images.train)
    with pytest.raises(ValueError, match="test_share"):
        mnist.digits(test_share=0.0)


def test_a_cut_of_the_same_form_loads_from_its_path(tmp_path):
    images = mnist.load(write(tmp_path / "cut.npz"))
    assert images.name == "cut"
    assert images.train.shape == (20, 5, 4)
    assert images.train_labels.dtype == np.int64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": np.zeros((20, 20), np.uint8)}, "images, height, width"),
        ({"x_test": np.zeros((10, 5, 4))}, "uint8"),
        ({"y_train": np.zeros(19, np.uint8)}, "whole numbers"),
        ({"y_test": np.full(10, 11, np.uint8)}, "0..9"),
        ({"x_test": np.zeros((10, 4, 4), np.uint8)}, "pictures of"),
        ({"y_test": None}, "lacks"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, changes, message):
    with pytest.raises((ValueError, CorruptData), match=message):
        mnist.load(write(tmp_path / "bad.npz", **changes))


def test_unknown_names_and_absent_files_are_refused(tmp_path):
    with pytest.raises(UnknownData):
        mnist.load("mnist/nonsense")
    with pytest.raises(DataNotFound):
        mnist.load(tmp_path / "absent.npz")


def test_a_few_pictures_of_every_class():
    labels = np.array([2, 0, 1, 0, 1, 2, 0])
    assert mnist.first_per_class(labels, 2).tolist() == [[1, 3], [2, 4], [0, 5]]
    drawn = mnist.first_per_class(labels, 2, seed=1)
    assert np.array_equal(labels[drawn], [[0, 0], [1, 1], [2, 2]])
    with pytest.raises(ValueError, match="class 1 has 2"):
        mnist.first_per_class(labels, 3)
    with pytest.raises(ValueError, match="per_class"):
        mnist.first_per_class(labels, 0)


def idx(path, kind, array):
    head = struct.pack(f">{1 + array.ndim}I", kind, *array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))
    return path


def test_idx_files_convert_and_damaged_ones_are_refused(tmp_path):
    rng = np.random.default_rng(1)
    pictures = rng.integers(0, 256, (6, 3, 2)).astype(np.uint8)
    labels = np.arange(6).astype(np.uint8)
    images = idx(tmp_path / "images.gz", 2051, pictures)
    names = idx(tmp_path / "labels.gz", 2049, labels)
    arrays = mnist.from_idx(images, names, images, names)
    assert np.array_equal(arrays["x_train"], pictures)
    assert np.array_equal(arrays["y_test"], labels)
    with pytest.raises(CorruptData, match="kind"):
        mnist.from_idx(images, images, images, names)
    cut = tmp_path / "cut.gz"
    cut.write_bytes(images.read_bytes()[:-12])
    with pytest.raises(CorruptData, match="gzipped IDX"):
        mnist.from_idx(cut, names, images, names)
