"""The loaders of the HiWA and DAD sets: the real files, and files that are wrong."""

import numpy as np
import pytest

from neurotutor.data import CorruptData, DataNotFound, UnknownData
from neurotutor.data import hiwa as sets
from tests.harness import recording


def monkey(**changes):
    arrays = {
        "counts_train": np.ones((5, 3), np.uint8),
        "counts_test": np.ones((4, 2), np.uint8),
        "velocity_train": np.ones((5, 2), np.float32),
        "velocity_test": np.ones((4, 2), np.float32),
        "direction_train": np.full(5, 3, np.int16),
        "direction_test": np.full(4, 7, np.int16),
        "bin_s": np.float32(0.2),
        **changes,
    }
    return {key: value for key, value in arrays.items() if value is not None}


def gaussians(**changes):
    return {
        "x_source": np.ones((4, 3), np.float32),
        "label_source": np.zeros(4, np.int16),
        "x_target": np.ones((5, 3), np.float32),
        "label_target": np.zeros(5, np.int16),
        **changes,
    }


def saved(tmp_path, arrays):
    path = tmp_path / "set.npz"
    np.savez(path, **arrays)
    return path


def test_monkey_of_any_path(tmp_path):
    loaded = sets.load_monkey(saved(tmp_path, monkey()))
    assert loaded.counts_train.dtype == np.int64
    assert loaded.velocity_test.dtype == np.float64
    assert loaded.bin_size == 0.2
    assert loaded.name == "set"
    np.testing.assert_allclose(loaded.movement_train[0], [1, 1, np.sqrt(2)])
    np.testing.assert_allclose(loaded.movement_test.shape, (4, 3))
    without = sets.load_monkey(saved(tmp_path, monkey(bin_s=None)))
    assert np.isnan(without.bin_size)


def test_gaussians_of_any_path(tmp_path):
    loaded = sets.load_gaussians(str(saved(tmp_path, gaussians())))
    assert loaded.source.shape == (4, 3)
    assert loaded.target_labels.shape == (5,)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"counts_train": None}, CorruptData, "counts_train"),
        ({"counts_train": np.ones(5)}, ValueError, "counts_train must be"),
        ({"counts_test": np.zeros((0, 2))}, ValueError, "not empty"),
        ({"counts_test": np.full((4, 2), 0.5)}, ValueError, "fractions"),
        ({"counts_test": np.full((4, 2), -1)}, ValueError, "negative"),
        ({"velocity_test": np.ones((3, 2))}, ValueError, "velocity_test"),
        ({"velocity_test": np.full((4, 2), np.nan)}, ValueError, "NaN"),
        ({"velocity_train": np.full((5, 2), "a")}, ValueError, "real numbers"),
        ({"direction_train": np.zeros(4)}, ValueError, "direction_train"),
        ({"bin_s": np.float32(-1)}, ValueError, "positive number of seconds"),
    ],
)
def test_monkey_refuses(tmp_path, unchecked, changes, error, message):
    with pytest.raises(error, match=message):
        sets.load_monkey(saved(tmp_path, monkey(**changes)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_source": np.ones((4, 2))}, "x_source must be"),
        ({"x_target": np.full((5, 3), np.inf)}, "infinite"),
        ({"label_source": np.zeros(3)}, "label_source must be"),
    ],
)
def test_gaussians_refuse(tmp_path, unchecked, changes, message):
    with pytest.raises(ValueError, match=message):
        sets.load_gaussians(saved(tmp_path, gaussians(**changes)))


def test_other_names_and_files_are_refused(tmp_path):
    with pytest.raises(UnknownData):
        sets.load_monkey("hiwa/nobody")
    with pytest.raises(DataNotFound):
        sets.load_gaussians(tmp_path / "nothing.npz")
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"no archive")
    with pytest.raises(CorruptData):
        sets.load_gaussians(broken)


def test_speed_needs_a_plane(unchecked):
    with pytest.raises(ValueError, match="time, 2"):
        sets.with_speed(np.ones((4, 3)))


def test_mihi_is_as_described():
    recording("hiwa/mihi_demo")
    loaded = sets.load_monkey("hiwa/mihi_demo")
    assert loaded.counts_train.shape == (623, 174)
    assert loaded.counts_test.shape == (803, 187)
    assert loaded.bin_size == 0.2
    assert loaded.name == "hiwa/mihi_demo"
    for velocity, direction in (
        (loaded.velocity_train, loaded.direction_train),
        (loaded.velocity_test, loaded.direction_test),
    ):
        for code, angle in sets.MIHI_ANGLES.items():
            x, y = velocity[direction == code].mean(0)
            measured = np.rad2deg(np.arctan2(y, x))
            assert abs((measured - angle + 180) % 360 - 180) < 3


def test_chewie_and_gaussians_are_as_described():
    recording("hiwa/chewie_demo")
    assert sets.load_monkey("hiwa/chewie_demo").counts_test.shape == (1818, 71)
    recording("hiwa/sg_demo")
    loaded = sets.load_gaussians("hiwa/sg_demo")
    assert loaded.source.shape == loaded.target.shape == (400, 3)
    assert np.bincount(loaded.source_labels).tolist() == [100] * 4
