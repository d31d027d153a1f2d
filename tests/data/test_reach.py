"""Reaches: the loader refuses what is no recording, the simulator keeps what it promises."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from neurotutor import data
from neurotutor.data import reach
from tests.harness import recording

# (trials, neurons, silent neurons, bins) as the README of the data set lists them.
RECORDINGS = {
    "reach/chewie-20131003-bin100ms-vel5": (159, 174, 12, 895),
    "reach/chewie-20131003-bin100ms-all": (159, 174, 11, 1640),
    "reach/chewie-20131003-bin50ms-vel5": (159, 174, 13, 1731),
    "reach/mihi-20140303-bin100ms-vel5": (209, 187, 28, 1082),
}


def stored(made: reach.Reach) -> dict[str, np.ndarray]:
    """Arrays of the `.npz` form."""
    return {
        "spike_counts": made.spikes.astype(np.int16),
        "direction": made.direction.astype(np.int8),
        "trial": made.trial.astype(np.int16),
        "bin_in_trial": made.bin_in_trial.astype(np.int16),
        "hand_pos": made.position.astype(np.float32),
        "hand_vel": made.velocity.astype(np.float32),
        "hand_acc": made.acceleration.astype(np.float32),
        "hand_force": made.force.astype(np.float32),
        "trial_direction": made.trial_direction.astype(np.int8),
        "bin_width_s": np.float32(made.bin_size),
        "speed_threshold": np.float32(made.speed_threshold),
    }


SMALL = stored(reach.simulate(9, 5, speed_threshold=4.0, seed=3))


@pytest.fixture
def load(tmp_path):
    def load(**changes):
        path = tmp_path / "session.npz"
        np.savez(path, **{k: v for k, v in (SMALL | changes).items() if v is not None})
        return reach.load(path)

    return load


@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings(name):
    recording(name)
    trials, neurons, silent, bins = RECORDINGS[name]
    loaded = reach.load(name)
    assert (loaded.n_trials, loaded.n_neurons, loaded.n_bins) == (trials, neurons, bins)
    assert int((loaded.spikes.sum(axis=0) == 0).sum()) == silent
    assert loaded.name == name
    assert not loaded.simulated
    assert loaded.bin_size == (0.05 if "50ms" in name else 0.1)
    assert loaded.speed_threshold == (0.0 if name.endswith("all") else 5.0)
    assert np.isnan(loaded.position).all() == ("mihi" in name)
    speed = np.hypot(*loaded.velocity.T)
    assert speed.min() > loaded.speed_threshold


@pytest.mark.parametrize("name", RECORDINGS)
def test_hands_move_towards_their_targets(name):
    recording(name)
    loaded = reach.load(name)
    for k in range(8):
        here = loaded.direction == k
        x, y = loaded.velocity[here].mean(axis=0)
        off = np.angle(np.exp(1j * (np.arctan2(y, x) - loaded.angle[here][0])))
        assert abs(np.rad2deg(off)) < 22.5


def test_a_recording_loads_by_its_path_too():
    path = recording("reach/chewie-20131003-bin100ms-vel5")
    by_name, by_path = reach.load("reach/chewie-20131003-bin100ms-vel5"), reach.load(str(path))
    assert by_path.name == "chewie-20131003-bin100ms-vel5"
    for field in dataclasses.fields(reach.Reach):
        if field.name != "name":
            assert np.array_equal(
                getattr(by_name, field.name), getattr(by_path, field.name), equal_nan=True
            )


def test_stored_simulation_comes_back(load):
    made, loaded = reach.simulate(9, 5, speed_threshold=4.0, seed=3), load()
    for name in ("spikes", "direction", "trial", "bin_in_trial", "trial_direction"):
        assert np.array_equal(getattr(made, name), getattr(loaded, name))
        assert getattr(made, name).dtype == getattr(loaded, name).dtype
    for name in ("position", "velocity", "acceleration", "force"):
        assert np.allclose(getattr(made, name), getattr(loaded, name), 1e-6, equal_nan=True)
        assert getattr(made, name).dtype == getattr(loaded, name).dtype
    assert loaded.bin_size == 0.1, "0.1 in single precision is meant as 0.1"
    assert loaded.speed_threshold == 4.0
    assert np.array_equal(loaded.rates, loaded.spikes / 0.1)
    assert np.array_equal(loaded.angle, np.deg2rad(90 - 45 * loaded.direction))
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded.bin_size = 1.0


def test_session_may_have_targets_that_were_not_visited_and_wide_types(load):
    kept = {key: value.astype(np.int64) for key, value in SMALL.items() if value.dtype.kind == "i"}
    assert load(**kept).n_trials == 9
    assert load(spike_counts=SMALL["spike_counts"].astype(float)).n_neurons == 5
    one = np.zeros_like(SMALL["direction"]), np.zeros_like(SMALL["trial_direction"])
    assert set(load(direction=one[0], trial_direction=one[1]).direction) == {0}


N = len(SMALL["trial"])
COUNTS = SMALL["spike_counts"].astype(float)


def bent(key, at, value):
    array = SMALL[key].astype(float if isinstance(value, float) else SMALL[key].dtype)
    array[at] = value
    return {key: array}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trial": None}, "lacks 'trial'"),
        ({"hand_vel": None, "bin_width_s": None}, "lacks 'hand_vel', 'bin_width_s'"),
        ({"spike_counts": COUNTS[:, :0]}, r"\(time, neurons\) and not empty, got \(\d+, 0\)"),
        ({"spike_counts": COUNTS[:, 0]}, "spike_counts must be .time, neurons."),
        ({"spike_counts": COUNTS[:-1]}, "direction must have one entry per bin"),
        ({"spike_counts": COUNTS / 0.3}, "got fractions .rates instead of counts"),
        ({"spike_counts": COUNTS.astype(str)}, "must hold whole numbers, got <U"),
        (bent("spike_counts", (0, 0), np.nan), "spike_counts holds NaN or infinite"),
        (bent("spike_counts", (2, 1), np.inf), "spike_counts holds NaN or infinite"),
        (bent("spike_counts", (2, 1), -1), "has negative counts .smallest -1"),
        (bent("spike_counts", (2, 1), 1e300), "beyond 2147483648"),
        (bent("direction", 0, 8), r"direction must be labels 0..7, got 0..8"),
        (bent("trial_direction", 0, -1), r"trial_direction must be labels 0..7, got -1..7"),
        ({"direction": SMALL["direction"][::-1]}, "must be trial_direction of the bin's trial"),
        ({"trial_direction": SMALL["trial_direction"][:-1]}, "has 8 entries for 9 trials"),
        ({"trial_direction": np.array(3)}, r"trial_direction must be \(trials,\)"),
        ({"trial": SMALL["trial"] + 1}, "trial must count 0, 1, 2"),
        ({"trial": SMALL["trial"] * 2}, "trial must count 0, 1, 2"),
        ({"trial": SMALL["trial"][::-1]}, "trial must count 0, 1, 2"),
        ({"bin_in_trial": SMALL["bin_in_trial"] * 0}, "grow within each trial"),
        ({"bin_in_trial": SMALL["bin_in_trial"] - 9}, "must be 0 or greater, and grow"),
        ({"hand_vel": SMALL["hand_vel"][:, :1]}, r"x and y per bin, \(\d+, 2\), got \(\d+, 1\)"),
        ({"hand_acc": SMALL["hand_acc"].astype(int)}, "hand_acc must be floating-point, got int"),
        (bent("hand_pos", (0, 0), np.inf), "hand_pos holds infinite values"),
        ({"bin_width_s": np.float32(0)}, "bin_width_s must be a positive number of seconds"),
        ({"bin_width_s": np.float32(-0.1)}, "bin_width_s must be a positive number of seconds"),
        ({"bin_width_s": np.float32(np.nan)}, "bin_width_s must be finite"),
        ({"bin_width_s": np.zeros(2)}, "bin_width_s must be one number, got float64 of shape"),
        ({"speed_threshold": np.float32(-1)}, "speed_threshold must be 0 or greater"),
        ({"speed_threshold": np.array("5")}, "speed_threshold must be one number"),
    ],
)
def test_loader_refuses(changes, message, load):
    with pytest.raises(ValueError, match=message) as caught:
        load(**changes)
    assert "\n" not in str(caught.value)
    assert "session.npz" in str(caught.value)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_loader_never_returns_what_breaks_its_promises(tmp_path_factory, data):
    """Any whole numbers in the place of the labels: refused in one line, or consistent."""
    key = data.draw(st.sampled_from(["direction", "trial", "bin_in_trial", "trial_direction"]))
    array = SMALL[key].copy()
    for _ in range(data.draw(st.integers(1, 3))):
        array[data.draw(st.integers(0, len(array) - 1))] = data.draw(st.integers(-2, 12))
    path = tmp_path_factory.mktemp("bent") / "x.npz"
    np.savez(path, **(SMALL | {key: array}))
    try:
        loaded = reach.load(path)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert np.array_equal(np.unique(loaded.trial), np.arange(loaded.n_trials))
    assert (np.diff(loaded.trial) >= 0).all()
    assert np.array_equal(loaded.direction, loaded.trial_direction[loaded.trial])
    for k in range(loaded.n_trials):
        assert (np.diff(loaded.bin_in_trial[loaded.trial == k]) > 0).all()


def test_loader_of_unknown_names_and_files(tmp_path):
    with pytest.raises(data.UnknownData, match="did you mean 'reach/chewie-20131003-bin100ms-vel5"):
        reach.load("reach/chewie-20131003-bin100ms-vel")
    with pytest.raises(data.DataNotFound, match="there is no file"):
        reach.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(data.CorruptData, match="not a readable .npz archive"):
        reach.load(tmp_path / "text.npz")


def test_simulation_has_the_sizes_of_the_recordings():
    made = reach.simulate()
    assert made.simulated
    assert "simulated" in made.name
    assert (made.n_trials, made.n_neurons, made.bin_size) == (160, 160, 0.1)
    bins = np.bincount(made.trial)
    assert (bins.min(), bins.max()) == (6, 11)
    assert np.bincount(made.trial_direction).tolist() == [20] * 8
    assert np.array_equal(made.direction, made.trial_direction[made.trial])
    assert np.isnan(made.force).all()


@settings(deadline=None, max_examples=25)
@given(
    n_trials=st.integers(1, 30),
    n_neurons=st.integers(1, 12),
    bin_size=st.sampled_from([0.02, 0.05, 0.1, 0.2]),
    seed=st.integers(0, 2**40),
    tuned_share=st.floats(0, 1),
)
def test_any_simulation_is_a_recording(
    tmp_path_factory, n_trials, n_neurons, bin_size, seed, tuned_share
):
    options = {"seed": seed, "tuned_share": tuned_share}
    made = reach.simulate(n_trials, n_neurons, bin_size, **options)
    again = reach.simulate(n_trials, n_neurons, bin_size, **options)
    assert np.array_equal(made.spikes, again.spikes)
    path = tmp_path_factory.mktemp("sim") / "x.npz"
    np.savez(path, **stored(made))
    assert np.array_equal(reach.load(path).spikes, made.spikes)
    tuned = reach.tuning(n_neurons, seed=seed, tuned_share=tuned_share).tuned
    assert tuned.sum() == round(tuned_share * n_neurons)


def test_other_seeds_give_other_populations_and_other_trials():
    one, two = reach.simulate(seed=0), reach.simulate(seed=1)
    assert not np.array_equal(one.trial_direction, two.trial_direction)
    assert not np.array_equal(reach.tuning(seed=0).peak_rate, reach.tuning(seed=1).peak_rate)


def test_movement_is_minimum_jerk():
    """Bin means against numerical integrals of the textbook formulas."""
    made = reach.simulate(3, 1, 0.1, distance=8.0, duration=(0.7, 0.7))
    here = made.trial == 1
    angle = made.angle[here][0]
    heading = np.array([np.cos(angle), np.sin(angle)])
    T = 0.7

    def path(t):
        s = t / T
        return 8.0 * (10 * s**3 - 15 * s**4 + 6 * s**5)

    def speed(t):
        s = t / T
        return 8.0 / T * (30 * s**2 - 60 * s**3 + 30 * s**4)

    def acceleration(t):
        s = t / T
        return 8.0 / T**2 * (60 * s - 180 * s**2 + 120 * s**3)

    for values, formula in (
        (made.position, path),
        (made.velocity, speed),
        (made.acceleration, acceleration),
    ):
        means = [quad(formula, 0.1 * k, 0.1 * (k + 1))[0] / 0.1 for k in range(7)]
        assert np.allclose(values[here], np.outer(means, heading), atol=1e-9)
    assert np.allclose(made.velocity[here].sum(axis=0) * 0.1, 8.0 * heading)
    assert np.linalg.norm(made.velocity[here], axis=1).argmax() == 3, "bell-shaped: fastest midway"


def test_speed_threshold_leaves_out_slow_bins_and_shows_the_gap():
    whole, kept = reach.simulate(20, 4, seed=2), reach.simulate(20, 4, seed=2, speed_threshold=5)
    fast = np.hypot(*whole.velocity.T) > 5
    assert 0 < fast.sum() < len(fast)
    assert np.array_equal(kept.spikes, whole.spikes[fast])
    assert np.array_equal(kept.bin_in_trial, whole.bin_in_trial[fast])
    assert kept.bin_in_trial[0] > 0


def test_spikes_follow_the_tuning():
    """Mean counts against the rate that the docstring states, over many reaches."""
    many = {"n_neurons": 6, "seed": 5, "tuned_share": 0.5}
    made = reach.simulate(6000, **many)
    truth = reach.tuning(**many)
    top = 10.0 * 1.875 / (np.bincount(made.trial)[made.trial] * 0.1)
    relative = np.hypot(*made.velocity.T) / top
    assert relative.max() <= 1
    expected = np.empty_like(made.rates)
    for i in range(6):
        cosine = np.cos(made.angle - truth.preferred_angle[i]) if truth.tuned[i] else 0.0
        expected[:, i] = truth.peak_rate[i] / 2 + truth.peak_rate[i] / 2 * relative * cosine
    for k in range(8):
        here = made.direction == k
        mean, wanted = made.rates[here].mean(axis=0), expected[here].mean(axis=0)
        error = np.sqrt(wanted / 0.1 / here.sum() + (0.2 * wanted) ** 2 / (6000 / 8))
        assert (np.abs(mean - wanted) < 5 * error).all()
    assert truth.tuned.sum() == 3


def test_gain_varies_from_trial_to_trial_by_what_was_asked():
    """Over reaches of an untuned neuron: Fano factor 1 + mean * cv^2."""
    options = {
        "n_neurons": 4,
        "tuned_share": 0.0,
        "peak_rate": 400.0,
        "peak_spread": 0.0,
        "duration": (1.0, 1.0),
    }
    for cv in (0.0, 0.2, 0.5):
        made = reach.simulate(4000, gain_noise=cv, **options)
        counts = made.spikes.reshape(4000, 10, 4).sum(axis=1)
        assert np.allclose(counts.mean(), 200.0, rtol=0.02)
        spread = counts.var(axis=0).mean()
        assert np.isclose(spread, 200.0 + (cv * 200.0) ** 2, rtol=0.1)
        shared = np.corrcoef(counts.T)[np.triu_indices(4, 1)]
        assert np.abs(shared).max() < 0.08, "neurons share no noise"


def test_peak_rates_are_log_normal_around_six():
    rates = reach.tuning(20_000).peak_rate
    assert np.isclose(np.median(rates), 6.0, rtol=0.03)
    assert np.isclose(np.log(rates).std(), 1.0, rtol=0.03)
    angles = reach.tuning(20_000).preferred_angle
    assert abs(np.exp(1j * angles).mean()) < 0.02


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_trials": 0}, ValueError, "n_trials must be at least 1, got 0"),
        ({"n_trials": 2.0}, TypeError, "n_trials must be a whole number, got"),
        ({"n_neurons": -3}, ValueError, "n_neurons must be at least 1"),
        ({"n_neurons": True}, TypeError, "n_neurons must be a whole number, got True"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"bin_size": 0}, ValueError, "bin_size must be a finite number > 0, got 0"),
        ({"bin_size": "0.1"}, TypeError, "bin_size must be a number, got"),
        ({"bin_size": float("nan")}, ValueError, "bin_size must be a finite number"),
        ({"bin_size": 2.0}, ValueError, "a reach of 0.6 s has no bin of 2.0 s"),
        ({"duration": (1.0, 0.5)}, ValueError, "shortest and the longest reach"),
        ({"duration": (1.0,)}, ValueError, "shortest and the longest reach"),
        ({"tuned_share": 1.5}, ValueError, r"tuned_share must lie in \[0, 1\], got 1.5"),
        ({"peak_rate": 0.0}, ValueError, "peak_rate must be a finite number > 0"),
        ({"peak_spread": -1.0}, ValueError, "peak_spread must be a finite number >= 0"),
        ({"gain_noise": float("inf")}, ValueError, "gain_noise must be a finite number"),
        ({"speed_threshold": 40.0}, ValueError, "no bin with a speed above 40.0 cm/s: lower"),
    ],
)
def test_simulator_refuses(options, error, message):
    with pytest.raises(error, match=message) as caught:
        reach.simulate(**options)
    assert "\n" not in str(caught.value)
