"""Sleep: the loader refuses what is no recording, the simulator keeps what it promises."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurotutor import data
from neurotutor.data import sleep
from tests.harness import recording

NAME = "rodent-sleep/mouse-ca1-12h-4s"


def stored(made: sleep.Sleep) -> dict[str, np.ndarray]:
    """Arrays of the `.npz` form."""
    return {
        "spike_counts": made.spikes.astype(np.int16),
        "state": made.state.astype(np.int8),
        "bin_width_s": np.float32(made.bin_size),
    }


SMALL = stored(sleep.simulate(400, 3))


@pytest.fixture
def load(tmp_path):
    def load(**changes):
        path = tmp_path / "night.npz"
        np.savez(path, **{k: v for k, v in (SMALL | changes).items() if v is not None})
        return sleep.load(path)

    return load


def test_recording():
    recording(NAME)
    loaded = sleep.load(NAME)
    assert (loaded.n_bins, loaded.n_neurons, loaded.bin_size) == (10800, 42, 4.0)
    assert np.bincount(loaded.state).tolist() == [3832, 6206, 762]
    assert loaded.name == NAME
    assert not loaded.simulated
    assert loaded.spikes.max() == 419
    means = [loaded.rates[loaded.state == k].mean() for k in range(3)]
    assert int(np.argmin(means)) == sleep.STATES.index("nREM")


def test_stored_simulation_comes_back(load):
    made, loaded = sleep.simulate(400, 3), load()
    assert np.array_equal(made.spikes, loaded.spikes)
    assert np.array_equal(made.state, loaded.state)
    assert made.spikes.dtype == loaded.spikes.dtype
    assert loaded.bin_size == 4.0
    assert np.array_equal(loaded.rates, loaded.spikes / 4.0)
    assert load(spike_counts=np.asfortranarray(SMALL["spike_counts"])).spikes.flags.c_contiguous
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded.name = "other"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": None}, "lacks 'state'"),
        ({"spike_counts": SMALL["spike_counts"][:, :0]}, "and not empty, got"),
        ({"spike_counts": SMALL["spike_counts"][:-1]}, r"one entry per bin, \(399,\), got \(400,"),
        ({"spike_counts": SMALL["spike_counts"] / 4.0}, "fractions .rates instead of counts"),
        ({"spike_counts": SMALL["spike_counts"] * np.nan}, "holds NaN or infinite"),
        ({"spike_counts": SMALL["spike_counts"] - 1000}, "has negative counts"),
        ({"state": SMALL["state"] + 3}, r"state must be 0..2, got 3..\d"),
        ({"state": SMALL["state"].astype(str)}, "must hold whole numbers"),
        ({"bin_width_s": np.float32(0)}, "bin_width_s must be a positive number of seconds"),
        ({"bin_width_s": np.zeros(1)}, "bin_width_s must be one number"),
    ],
)
def test_loader_refuses(changes, message, load):
    with pytest.raises(ValueError, match=message) as caught:
        load(**changes)
    assert "\n" not in str(caught.value)
    assert "night.npz" in str(caught.value)


def test_loader_of_unknown_names():
    with pytest.raises(data.UnknownData, match=f"did you mean '{NAME}'"):
        sleep.load("mouse-ca1-12h")


@settings(deadline=None, max_examples=20)
@given(
    n_bins=st.integers(1, 300),
    n_neurons=st.integers(1, 5),
    bin_size=st.sampled_from([0.5, 4, 30.0]),
    seed=st.integers(0, 2**40),
)
def test_any_simulation_is_a_recording(tmp_path_factory, n_bins, n_neurons, bin_size, seed):
    made = sleep.simulate(n_bins, n_neurons, bin_size, seed=seed)
    assert made.simulated
    assert made.state[0] == sleep.STATES.index("wake")
    again = sleep.simulate(n_bins, n_neurons, bin_size, seed=seed)
    assert np.array_equal(made.spikes, again.spikes)
    path = tmp_path_factory.mktemp("sim") / "x.npz"
    np.savez(path, **stored(made) | {"spike_counts": made.spikes})
    assert np.array_equal(sleep.load(path).spikes, made.spikes)


@pytest.mark.parametrize("bin_size", [4.0, 40.0])
def test_states_follow_the_transition_matrix(bin_size):
    matrix = sleep.transition_matrix(bin_size)
    assert np.allclose(matrix.sum(axis=1), 1.0)
    assert matrix[0, 2] == 0.0, "no REM straight after waking"
    state = sleep.simulate(400_000, 1, bin_size).state
    counts = np.zeros((3, 3))
    np.add.at(counts, (state[:-1], state[1:]), 1)
    visits = counts.sum(axis=1, keepdims=True)
    error = np.sqrt(matrix * (1 - matrix) / visits)
    assert (np.abs(counts / visits - matrix) <= 5 * error).all()


def test_rates_depend_on_the_state_and_drift():
    still = sleep.simulate(100_000, 30, drift=0.0)
    means = np.array([still.rates[still.state == k].mean(axis=0) for k in range(3)])
    for k in range(3):
        # Without drift, counts within a state are Poisson.
        counts = still.spikes[still.state == k]
        assert np.allclose(counts.var(axis=0) / counts.mean(axis=0), 1.0, atol=0.1)
    spread = np.log(means).std(axis=0).mean()
    same = sleep.simulate(100_000, 30, drift=0.0, state_effect=0.0)
    ratios = [
        same.rates[same.state == k].mean() / same.rates[same.state == 0].mean() for k in range(3)
    ]
    assert np.allclose(ratios, [1.0, 0.8 / 1.2, 1.1 / 1.2], rtol=0.02)
    assert spread > 0.15
    assert np.isclose(np.median(np.log(same.rates.mean(axis=0))), np.log(7.0), atol=0.6)


def test_drift_has_the_size_and_the_memory_that_were_asked_for():
    made = sleep.simulate(
        200_000,
        6,
        4.0,
        median_rate=5000.0,
        rate_spread=0.0,
        state_effect=0.0,
        drift=0.3,
        drift_time=400.0,
    )
    log_rate = np.log(made.rates)
    # Take the states out: their factor is the same for all neurons here.
    log_rate -= np.log(np.array([1.2, 0.8, 1.1]))[made.state][:, None] + np.log(5000.0)
    assert np.isclose(log_rate.std(), 0.3, rtol=0.05)
    later = log_rate[100:]
    kept = (later * log_rate[:-100]).mean() / (log_rate**2).mean()
    assert np.isclose(kept, np.exp(-1.0), atol=0.05)
    assert np.isclose(log_rate[:1].std(), 0.3, rtol=0.8), "it starts where it will always be"


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_bins": 0}, ValueError, "n_bins must be at least 1"),
        ({"n_neurons": 1.5}, TypeError, "n_neurons must be a whole number"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"bin_size": 0}, ValueError, "bin_size must be a finite number > 0"),
        ({"median_rate": -1}, ValueError, "median_rate must be a finite number"),
        ({"drift": float("nan")}, ValueError, "drift must be a finite number"),
        ({"drift_time": 0}, ValueError, "drift_time must be a finite number > 0"),
        ({"rate_spread": None}, TypeError, "rate_spread must be a number, got"),
        ({"state_effect": -0.1}, ValueError, "state_effect must be a finite number"),
    ],
)
def test_simulator_refuses(options, error, message):
    with pytest.raises(error, match=message) as caught:
        sleep.simulate(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("unchecked")
def test_transition_matrix_refuses():
    with pytest.raises(ValueError, match="bin_size must be a finite number > 0"):
        sleep.transition_matrix(0)
