"""The published spectra: what they hold, what is known of them, and what is refused."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from neurotutor import data
from neurotutor.data import CorruptData, lstm_grid
from tests.harness import recording


def test_the_grid_is_the_published_one():
    recording(lstm_grid.GRID)
    grid = lstm_grid.load()
    assert grid.late.shape == (110, 512)
    assert sorted(set(np.round(grid.learning_rate, 6))) == pytest.approx(np.arange(1, 11) / 1000)
    assert sorted(set(np.round(grid.dropout, 6))) == pytest.approx(np.arange(11) / 50)
    assert int((~grid.converged).sum()) == 2
    assert grid.final_loss[grid.converged].min() == pytest.approx(1.338, abs=1e-3)
    assert grid.final_loss[grid.converged].max() == pytest.approx(1.590, abs=1e-3)
    largest = grid.late.max(axis=1)
    assert int((largest > 0).sum()) == 8
    assert spearmanr(largest, grid.learning_rate).statistic == pytest.approx(0.91, abs=0.01)
    assert spearmanr(largest, grid.final_loss).statistic == pytest.approx(-0.57, abs=0.01)


def small(**changes):
    rng = np.random.default_rng(0)
    arrays = {
        "dropout": np.zeros(3, np.float32),
        "lr": np.full(3, 0.002, np.float32),
        "val_loss": (1 + rng.random((3, 15))).astype(np.float32),
    }
    arrays |= {
        name: rng.normal(size=(3, 6)).astype(np.float32)
        for name in ("le_mean_e4", "le_std_e4", "le_mean_e15", "le_std_e15")
    }
    return {key: value for key, value in (arrays | changes).items() if value is not None}


def test_bits_become_nats(tmp_path):
    arrays = small()
    np.savez(tmp_path / "cut.npz", **arrays)
    grid = lstm_grid.load(tmp_path / "cut.npz")
    assert grid.early == pytest.approx(arrays["le_mean_e4"] * np.log(2))
    assert grid.late_spread == pytest.approx(arrays["le_std_e15"] * np.log(2))
    assert grid.final_loss == pytest.approx(arrays["val_loss"][:, -1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": np.zeros(4, np.float32)}, "lr must be"),
        ({"val_loss": np.zeros((3, 14), np.float32)}, "val_loss"),
        ({"le_std_e4": np.zeros((3, 5), np.float32)}, "le_std_e4"),
        ({"le_mean_e15": np.full((3, 6), np.nan, np.float32)}, "finite"),
        ({"dropout": np.zeros(3, np.int64)}, "dropout"),
        ({"le_std_e15": None}, "lacks"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, changes, message):
    np.savez(tmp_path / "bad.npz", **small(**changes))
    with pytest.raises((ValueError, CorruptData), match=message):
        lstm_grid.load(tmp_path / "bad.npz")


def test_it_comes_from_a_mirror_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("NEUROTUTOR_MIRROR", raising=False)
    monkeypatch.setenv("NEUROTUTOR_DATA", str(tmp_path))
    if (data.registry.cache_folder() / f"{lstm_grid.GRID}.npz").is_file():
        assert data.fetch(lstm_grid.GRID).is_file()
    else:
        with pytest.raises(data.FetchError, match="from a mirror with --from"):
            data.fetch(lstm_grid.GRID)
