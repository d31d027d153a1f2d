"""Spikes of the benchmark's kind: loaders that refuse what is none, and a converter of tables."""

from __future__ import annotations

import numpy as np
import pytest

from neurotutor import data, decoding
from neurotutor.data import convert, download, nlb, registry
from tests.harness import recording


def lorenz_arrays() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "spikes": generator.poisson(0.3, (6, 5, 4)).astype(np.uint8),
        "condition": np.repeat([0, 1], 3).astype(np.int8),
        "rates_hz": generator.gamma(2.0, 10.0, (2, 5, 4)).astype(np.float32),
        "latent": generator.standard_normal((2, 5, 3)).astype(np.float32),
        "train_index": np.array([0, 1, 3, 4], np.int16),
        "valid_index": np.array([2, 5], np.int16),
        "bin_width_s": np.float32(0.01),
    }


def maze_arrays() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    arrays = {"unit_id": np.array([1011, 1021, 2961], np.int16)}
    for number, length in zip(nlb.MAZE_TRIALS, (7, 9), strict=True):
        arrays |= {
            f"spikes_{number}": (generator.random((length, 3)) < 0.3).astype(np.uint8),
            f"time_s_{number}": (np.arange(length) / 1000).astype(np.float32),
            **{
                f"{key}_{number}": generator.standard_normal((length, 2)).astype(np.float32)
                for key in ("hand_pos", "hand_vel", "cursor_pos")
            },
        }
    return arrays


@pytest.fixture
def stored(tmp_path):
    def store(arrays):
        path = tmp_path / "made.npz"
        np.savez(path, **arrays)
        return path

    return store


def test_lorenz_recording():
    recording(nlb.LORENZ)
    made = nlb.load_lorenz()
    assert made.spikes.shape == (800, 100, 60)
    assert made.train.sum() == 640
    assert made.rates.mean() / made.bin_size == pytest.approx(1.83, abs=0.01)
    valid = ~made.train
    bits = decoding.bits_per_spike(made.rates[valid], made.spikes[valid])
    assert bits == pytest.approx(0.958, abs=0.001)


def test_maze_recording():
    recording(nlb.MAZE)
    first, second = nlb.load_maze_trials()
    assert (first.spikes.shape, second.spikes.shape) == ((3236, 182), (3566, 182))
    speed = np.linalg.norm(first.hand_velocity, axis=1)
    assert speed.max() == pytest.approx(979, abs=1)
    assert first.time[int(speed.argmax())] == pytest.approx(2.331, abs=0.001)


def test_lorenz_comes_back(stored):
    arrays = lorenz_arrays()
    made = nlb.load_lorenz(stored(arrays))
    assert np.array_equal(made.spikes, arrays["spikes"])
    assert made.rates[4] == pytest.approx(arrays["rates_hz"][1] * 0.01)
    assert made.repeat.tolist() == [0, 1, 2, 0, 1, 2]
    assert made.train.tolist() == [True, True, False, True, True, False]


def test_maze_trials_come_back(stored):
    arrays = maze_arrays()
    first, second = nlb.load_maze_trials(stored(arrays))
    assert np.array_equal(first.spikes, arrays["spikes_748"])
    assert np.array_equal(second.hand_velocity, arrays["hand_vel_1356"].astype(float))
    assert (first.number, second.number) == nlb.MAZE_TRIALS


def maze_table(arrays, number, clock):
    """A table of one trial as its authors publish it; `clock` is the column of times, in s."""
    pairs = ("cursor_pos", "hand_pos", "hand_vel")
    names = ["timestamp", *(f"{key}_{axis}" for key in pairs for axis in "xy")]
    names += [f"unit_{unit}" for unit in arrays["unit_id"]]
    columns = [clock, *(arrays[f"{key}_{number}"][:, i] for key in pairs for i in (0, 1))]
    columns += list(arrays[f"spikes_{number}"].T)
    lines = [",".join(repr(float(x)) for x in row) for row in zip(*columns, strict=True)]
    return "\n".join([",".join(names), *lines]) + "\n"


def test_tables_become_the_arrays(tmp_path, stored):
    arrays, paths = maze_arrays(), []
    for number in nlb.MAZE_TRIALS:
        path = tmp_path / f"trial_{number}_data.csv"
        clock = arrays[f"time_s_{number}"].astype(float).round(3) + 2282.6
        path.write_text(maze_table(arrays, number, clock))
        paths.append(path)
    made = convert.CONVERTERS["maze-csv"](*paths)
    assert made.keys() == arrays.keys()
    for key, value in arrays.items():
        assert made[key].dtype == value.dtype
        assert np.allclose(made[key], value, atol=1e-6)
    assert len(nlb.load_maze_trials(stored(made))) == 2
    for damage in (lambda t: t.replace("unit_", "cell_"), lambda t: t + "1,2\n", lambda t: ""):
        bad = tmp_path / "trial_748_data.csv"
        good = bad.read_text()
        bad.write_text(damage(good))
        with pytest.raises(data.CorruptData, match="trial_748_data.csv is not a table"):
            convert.CONVERTERS["maze-csv"](bad)
        bad.write_text(good)
    paths[1].write_text(paths[1].read_text().replace("unit_2961", "unit_2962"))
    with pytest.raises(data.CorruptData, match="other units"):
        convert.CONVERTERS["maze-csv"](*paths)
    paths[1].write_text(paths[1].read_text().replace("unit_2962", "unit_2961") + "9," * 9 + "9\n")
    with pytest.raises(data.CorruptData, match="0 or 1"):
        convert.CONVERTERS["maze-csv"](*paths)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spikes": np.ones((6, 5), np.uint8)}, r"counts \(trials, bins, neurons\)"),
        ({"rates_hz": np.ones((2, 5, 3), np.float32)}, "do not fit"),
        ({"rates_hz": -np.ones((2, 5, 4), np.float32)}, "not negative"),
        ({"condition": np.full(6, 2, np.int8)}, "one label"),
        ({"train_index": np.array([0, 1, 2, 4], np.int16)}, "every trial once"),
        ({"bin_width_s": np.float32(0)}, "must be positive"),
    ],
)
def test_bad_lorenz_is_refused(stored, change, words):
    with pytest.raises(ValueError, match=words):
        nlb.load_lorenz(stored(lorenz_arrays() | change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spikes_748": np.full((7, 3), 2, np.uint8)}, "0 or 1"),
        ({"hand_vel_1356": np.ones((8, 2), np.float32)}, "must have 9 rows"),
        ({"unit_id": np.ones(3)[:2]}, "0 or 1 for 2 units"),
    ],
)
def test_bad_trials_are_refused(stored, change, words):
    with pytest.raises(ValueError, match=words):
        nlb.load_maze_trials(stored(maze_arrays() | change))


def test_what_has_no_original_says_so(monkeypatch, tmp_path):
    monkeypatch.delenv("NEUROTUTOR_DATA", raising=False)
    monkeypatch.delenv("NEUROTUTOR_MIRROR", raising=False)
    monkeypatch.setattr(registry, "cache_folder", lambda: tmp_path / "cache")
    with pytest.raises(
        download.FetchError, match="fetch the converted file from a mirror with --from"
    ):
        data.fetch(nlb.LORENZ)
