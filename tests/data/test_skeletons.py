"""Moving skeletons: the generator's known truths, and loaders that refuse what is none."""

import numpy as np
import pytest

from neurotutor import data
from neurotutor.data import registry, skeletons
from tests.harness import planted, recording

STILL = {"angle_offset": 0.0, "yaw": 0.0, "noise": 0.0}
MIRROR = [0, 1, 2, 3, 7, 8, 9, 4, 5, 6, 13, 14, 15, 10, 11, 12]


def bones(made):
    moved = made.positions.reshape(made.n_sequences, -1, 16, 3)
    parents = np.array(skeletons.PARENTS[1:])
    return np.linalg.norm(moved[:, :, 1:] - moved[:, :, parents], axis=-1)


def test_bones_keep_their_length():
    lengths = bones(skeletons.simulate(40, noise=0.0, seed=3))
    assert np.abs(lengths - lengths[:, :1]).max() < 1e-5
    exact = bones(skeletons.simulate(3, noise=0.0, size_spread=0.0, length_spread=0.0, seed=1))
    named = [skeletons.LENGTHS[joint.split("_")[-1]] for joint in skeletons.JOINTS[1:]]
    assert np.allclose(exact, named, atol=1e-5)


def test_a_bug_in_a_limb_shows_in_the_bones():
    with planted(skeletons, "-np.cos(out) * np.cos(flexion)", "-np.cos(flexion)") as wrong:
        lengths = bones(wrong.simulate(40, noise=0.0, seed=3))
    assert np.abs(lengths - lengths[:, :1]).max() > 0.01


def test_waving_left_mirrors_waving_right():
    left = skeletons.simulate(labels=np.array([2, 2]), seed=5, **STILL)
    right = skeletons.simulate(labels=np.array([3, 3]), seed=5, **STILL)
    assert np.abs(left.positions[:, MIRROR] * [-1, 1, 1] - right.positions).max() < 1e-6
    assert np.abs(left.positions - right.positions).max() > 0.1


def test_angles_of_a_walk():
    made = skeletons.simulate(
        labels=np.array([0]),
        n_frames=30,
        speed_spread=0.0,
        amplitude_spread=0.0,
        phase=0.0,
        warp=0.0,
        size_spread=0.0,
        length_spread=0.0,
        **STILL,
    )
    thigh = made.positions[:, 11] - made.positions[:, 10]
    flexion = np.rad2deg(np.arctan2(thigh[:, 2], -thigh[:, 1]))
    time = np.arange(30) / 30
    assert np.allclose(flexion, 25 * np.sin(2 * np.pi * time), atol=1e-3)
    height = 0.84 + 0.02 * np.sin(4 * np.pi * time)
    assert np.allclose(made.positions[:, 0, 1], height, atol=1e-6)


def test_seed_frequencies_and_freezing():
    one, two = skeletons.simulate(50, seed=4), skeletons.simulate(50, seed=4)
    assert np.array_equal(one.positions, two.positions)
    assert not np.array_equal(one.positions, skeletons.simulate(50, seed=5).positions)
    assert (np.bincount(one.label) == 5).all()
    rare = skeletons.simulate(500, imbalanced=True, seed=2)
    assert np.array_equal(np.bincount(rare.label), np.array(skeletons.IMBALANCED) * 500)
    odd = skeletons.simulate(7, probabilities=(0.5, 0.5, *[0.0] * 8))
    assert sorted(np.bincount(odd.label)) == [3, 4]
    stuck = skeletons.simulate(30, freeze=0.2, seed=1)
    share = 1 - stuck.valid.reshape(30, 60, 16).all(axis=1).mean()
    assert 0.1 < share < 0.3
    moved = stuck.positions.reshape(30, 60, 16, 3)
    for i, j in zip(*np.nonzero(~stuck.valid.reshape(30, 60, 16).all(axis=1)), strict=True):
        held = moved[i, ~stuck.valid.reshape(30, 60, 16)[i, :, j], j]
        assert np.ptp(held, axis=0).max() == 0
        assert len(held) <= 10
    assert skeletons.simulate(2).valid.all()


def test_turning_keeps_distances_and_height():
    seen = skeletons.simulate(5, noise=0.0, yaw=90.0, seed=8)
    ahead = skeletons.simulate(5, noise=0.0, yaw=0.0, seed=8)
    assert np.allclose(seen.positions[..., 1], ahead.positions[..., 1], atol=1e-6)
    far = np.linalg.norm(seen.positions[:, 6] - seen.positions[:, 9], axis=1)
    assert np.allclose(far, np.linalg.norm(ahead.positions[:, 6] - ahead.positions[:, 9], axis=1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_sequences": 0}, "n_sequences"),
        ({"noise": -1.0}, "noise"),
        ({"freeze": 2.0}, "probability"),
        ({"probabilities": (0.5, 0.5)}, "10 numbers"),
        ({"imbalanced": True, "labels": np.array([1])}, "give one of"),
        ({"labels": np.array([10])}, "0..9"),
        ({"labels": np.array([0.5])}, "whole number"),
    ],
)
def test_bad_input_of_the_generator(unchecked, wrong, message):
    with pytest.raises(ValueError, match=message):
        skeletons.simulate(**wrong)


def test_take_pad_and_sequence():
    made = skeletons.simulate(4, n_frames=12, seed=0)
    some = made.take(np.array([3, 1]))
    assert np.array_equal(some.sequence(0), made.sequence(3))
    assert np.array_equal(some.label, made.label[[3, 1]])
    whole, mask = made.padded()
    assert whole.shape == (4, 12, 16, 3)
    assert mask.all()
    with pytest.raises(ValueError, match="sequences 0..3"):
        made.sequence(4)


def styled(**changes):
    arrays = {
        "pos": np.arange(7 * 2 * 3).reshape(7, 2, 3).astype(np.int16),
        "offsets": np.array([0, 3, 7]),
        "label": np.array([1, 0], np.int8),
        "style": np.array([0, 1], np.int8),
        "action_names": np.array(["a", "b"]),
        "style_names": np.array(["x", "y"]),
        "joint_names": np.array(["Hips", "Head"]),
        "parents": np.array([-1, 0]),
    }
    return {key: value for key, value in (arrays | changes).items() if value is not None}


def test_load_a_file(tmp_path):
    path = tmp_path / "made.npz"
    np.savez(path, **styled())
    made = skeletons.load(path)
    assert list(made.lengths) == [3, 4]
    assert made.positions[1, 1, 2] == np.float32(0.011)
    whole, mask = made.padded()
    assert list(mask.sum(axis=1)) == [3, 4]
    assert (whole[0, 3] == 0).all()
    assert not made.simulated


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pos": np.zeros((7, 2), np.int16)}, "frames, joints, 3"),
        ({"pos": np.full((7, 2, 3), np.nan)}, "NaN"),
        ({"offsets": np.array([0, 7])}, "offsets"),
        ({"offsets": np.array([0, 8, 7])}, "must rise"),
        ({"label": np.array([0, 2])}, "0..1"),
        ({"style": None}, "neither styles"),
        ({"parents": np.array([-1])}, "do not fit"),
    ],
)
def test_bad_files(tmp_path, changes, message):
    path = tmp_path / "made.npz"
    np.savez(path, **styled(**changes))
    with pytest.raises(ValueError, match=message):
        skeletons.load(path)


def test_missing_and_unknown():
    with pytest.raises(data.UnknownData):
        skeletons.load("skeleton-actions/bnr3")
    with pytest.raises(data.DataNotFound):
        skeletons.load("nowhere.npz")
    assert {skeletons.BANDAI, skeletons.VICON} <= set(data.names())
    assert registry.entry(skeletons.BANDAI).converter == ""


def test_bandai_recording():
    made = skeletons.load(recording(skeletons.BANDAI))
    assert (made.n_sequences, len(made.joint_names)) == (2902, 21)
    assert list(np.bincount(made.label)) == [175, 236, 234, 317, 208, 209, 208, 434, 444, 437]
    assert (made.lengths.min(), made.lengths.max()) == (10, 233)
    heights = made.positions[:, made.joint_names.index("Head"), 1]
    assert 1.0 < np.median(heights) < 2.0


def test_vicon_windows():
    made = skeletons.load(recording(skeletons.VICON))
    assert made.n_sequences == 199
    assert set(made.group) == set(range(10))
    cut = skeletons.windows(made)
    assert cut.n_sequences == 945
    assert np.bincount(cut.label).min() == 5
    assert cut.valid.all()
    up = made.positions[made.valid[:, 0], 0, 1]
    assert np.median(up) > np.median(made.positions[made.valid[:, 6], 6, 1])
    with pytest.raises(ValueError, match="no window"):
        skeletons.windows(made, 10**5)
