"""From fabricated originals of the form that the authors published to the known arrays.

The originals themselves are not at hand. Where the recordings are, originals that would hold them
are made here, and must come back as exactly the arrays of the registry.
"""

from __future__ import annotations

import collections
import functools
import gzip
import io
import os
import pickle
import struct
import sys
import types

import numpy as np
import pytest
import scipy.io
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurotutor import data
from neurotutor.data import convert, reach, registry
from tests.data.test_nlb import maze_table
from tests.harness import recording

STEM = "full-animal-bin0.10-vel_thresh5.00.pkl"


@pytest.fixture
def geometric(monkeypatch):
    """The classes of PyTorch Geometric that a pickle names, without the library."""

    class GlobalStorage:
        def __init__(self, parent, **fields):
            self._mapping, self._parent = fields, parent

    class Data:
        def __init__(self, **fields):
            self.__dict__["_store"] = GlobalStorage(self, **fields)

    for name, module, kind in (
        ("Data", "torch_geometric.data.data", Data),
        ("GlobalStorage", "torch_geometric.data.storage", GlobalStorage),
    ):
        kind.__module__, kind.__qualname__ = module, name
        made = types.ModuleType(module)
        setattr(made, name, kind)
        monkeypatch.setitem(sys.modules, module, made)
    for name in ("torch_geometric", "torch_geometric.data"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    return Data


def fields_of(arrays, as_array=torch.from_numpy):
    """The fields of one graph that holds a whole session, rates in Hz."""
    rates = arrays["spike_counts"] / np.float64(arrays["bin_width_s"])
    kinematics = {
        key: np.nan_to_num(arrays[old])
        for key, old in (
            ("position", "hand_pos"),
            ("velocity", "hand_vel"),
            ("acceleration", "hand_acc"),
            ("force", "hand_force"),
        )
    }
    return {
        key: as_array(np.ascontiguousarray(value))
        for key, value in {
            "x": rates.astype(np.float32),
            "y": arrays["direction"].astype(np.int64),
            "trial": arrays["trial"].astype(np.int64),
            "timestep": arrays["bin_in_trial"].astype(np.int64),
            **kinematics,
        }.items()
    }


@pytest.fixture
def session():
    """Arrays of a small simulated session, in the stored form."""
    made = reach.simulate(12, 9, speed_threshold=5.0)
    return {
        "spike_counts": made.spikes.astype(np.int16),
        "direction": made.direction.astype(np.int8),
        "trial": made.trial.astype(np.int16),
        "bin_in_trial": made.bin_in_trial.astype(np.int16),
        "hand_pos": np.full((made.n_bins, 2), np.nan, np.float32),
        "hand_vel": made.velocity.astype(np.float32),
        "hand_acc": made.acceleration.astype(np.float32),
        "hand_force": made.velocity.astype(np.float32) / 9,
        "trial_direction": made.trial_direction.astype(np.int8),
        "bin_width_s": np.array(np.float32(0.1)),
        "speed_threshold": np.array(np.float32(5)),
    }


def assert_same(made, expected):
    assert made.keys() == expected.keys()
    for key in expected:
        assert made[key].dtype == expected[key].dtype, key
        assert np.array_equal(made[key], expected[key], equal_nan=True), key
    assert registry.content_digest(made) == registry.content_digest(expected)


def per_trial(Data, fields):
    parts = [
        {key: value[fields["trial"] == k] for key, value in fields.items() if key != "trial"}
        for k in range(int(fields["trial"].max()) + 1)
    ]
    return [Data(**{**part, "y": part["y"][0]}) for part in parts]


FORMS = {
    "one graph": lambda Data, fields: Data(**fields),
    "one graph in a list": lambda Data, fields: [Data(**fields)],
    "in a dict": lambda Data, fields: {"data": Data(**fields), "note": "of the authors"},
    "a plain dict": lambda Data, fields: dict(fields),
    "ordered": lambda Data, fields: collections.OrderedDict(fields),
    "a graph a trial": per_trial,
    "renamed": lambda Data, fields: Data(
        **{"Firing_Rates": fields["x"], **{k: v for k, v in fields.items() if k != "x"}}
    ),
    "with edges": lambda Data, fields: Data(
        edge_index=torch.zeros(2, 4, dtype=torch.int64), num_nodes=3, **fields
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("as_array", [torch.from_numpy, np.asarray], ids=["tensors", "arrays"])
def test_reach_from_a_pickle_of_graphs(form, as_array, geometric, session, tmp_path):
    original = tmp_path / STEM
    original.write_bytes(pickle.dumps(FORMS[form](geometric, fields_of(session, as_array))))
    assert_same(convert.reach(original), session)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_reach_whatever_the_protocol(protocol, geometric, session, tmp_path):
    original = tmp_path / STEM
    original.write_bytes(pickle.dumps(geometric(**fields_of(session)), protocol))
    assert_same(convert.reach(original), session)


def test_converted_reaches_load(geometric, session, tmp_path):
    original = tmp_path / STEM
    original.write_bytes(pickle.dumps(geometric(**fields_of(session))))
    np.savez(tmp_path / "made.npz", **convert.reach(original))
    loaded = reach.load(tmp_path / "made.npz")
    assert loaded.bin_size == 0.1
    assert np.isnan(loaded.position).all()


def test_all_bins_need_no_index_of_the_bin(geometric, tmp_path):
    made = reach.simulate(4, 3)
    fields = {
        "x": torch.from_numpy(made.rates),
        "y": torch.from_numpy(made.direction),
        "trial": torch.from_numpy(made.trial),
        "pos": torch.from_numpy(made.position),
        "vel": torch.from_numpy(made.velocity),
        "acc": torch.from_numpy(made.acceleration),
        "force": torch.zeros(made.n_bins, 2),
    }
    original = tmp_path / "all-bin0.10-vel_thresh0.00.pkl"
    original.write_bytes(pickle.dumps(geometric(**fields)))
    assert np.array_equal(convert.reach(original)["bin_in_trial"], made.bin_in_trial)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.pop("x"), r"holds no firing rates \(expected one of .*; found y \(\d+,\)"),
        (lambda f: f.pop("timestep"), "holds no index of the bin in its trial"),
        (lambda f: f.pop("velocity"), "holds no hand_vel"),
        (lambda f: f.update(velocity=f["velocity"][:, :1]), "hand_vel must have 2 columns; found"),
        (lambda f: f.update(x=f["x"] + 0.3), "spike counts are not whole numbers"),
        (lambda f: f.update(x=f["x"] * np.nan), "spike counts are not whole numbers"),
        (lambda f: f.clear(), "holds no"),
    ],
)
def test_reach_of_another_layout_says_what_was_found(change, message, geometric, session, tmp_path):
    fields = fields_of(session)
    change(fields)
    original = tmp_path / STEM
    original.write_bytes(pickle.dumps(geometric(**fields)))
    with pytest.raises(data.CorruptData, match=message) as caught:
        convert.reach(original)
    assert "\n" not in str(caught.value)


def test_reach_that_is_no_graph_or_has_no_name(session, tmp_path):
    original = tmp_path / STEM
    original.write_bytes(pickle.dumps(["nothing", 3]))
    with pytest.raises(data.CorruptData, match="holds no graph, but a list"):
        convert.reach(original)
    with pytest.raises(data.CorruptData, match="does not name its bin and threshold"):
        convert.reach(tmp_path / "other.pkl")


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def by_storage(path):
    """The way through PyTorch: its storages are bytes, which it would unpickle in turn."""
    buffer = io.BytesIO()
    torch.save({"a": Call(os.mkdir, path)}, buffer)
    return Call(torch.storage._load_from_bytes, buffer.getvalue())


def by_legacy_storage(path):
    return Call(torch.storage._load_from_bytes, pickle.dumps(Call(os.mkdir, path), protocol=2))


ATTACKS = {
    "a call": lambda path: Call(os.mkdir, path),
    "in a graph": lambda path: {"x": np.zeros(3), "y": Call(os.mkdir, path)},
    "eval": lambda path: Call(eval, f"__import__('os').mkdir({path!r})"),
    "a module": lambda path: Call(__import__, "antigravity"),
    "a partial": lambda path: Call(functools.partial, os.mkdir, path),
    "numpy's loader": lambda path: Call(np.load, path),
    "a storage": by_storage,
    "an old storage": by_legacy_storage,
    "an array of objects": lambda path: np.array([Call(os.mkdir, path)], dtype=object),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_malicious_pickle_is_refused_and_runs_nothing(attack, tmp_path):
    target = tmp_path / "exploded"
    content = pickle.dumps(ATTACKS[attack](str(target)))
    original = tmp_path / STEM
    original.write_bytes(content)
    with pytest.raises(data.CorruptData, match=rf"{STEM} is refused .*could run code") as caught:
        convert.reach(original)
    assert "\n" not in str(caught.value)
    assert not target.exists()
    assert "antigravity" not in sys.modules


def test_malicious_pickles_would_run_elsewhere(tmp_path):
    """The attacks above are real: an ordinary unpickler runs them."""
    for attack in ("a call", "in a graph", "eval", "an array of objects"):
        target = tmp_path / attack
        pickle.loads(pickle.dumps(ATTACKS[attack](str(target))))
        assert target.exists(), attack


@settings(deadline=None, max_examples=300, derandomize=True)
@given(content=st.binary(max_size=60))
def test_made_up_pickles_only_ever_fail_in_one_way(content):
    try:
        convert.restricted_load(content, "it")
    except data.CorruptData as error:
        assert "\n" not in str(error)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(at=st.integers(0, 10**6), value=st.integers(1, 255))
def test_bent_pickles_only_ever_fail_in_one_way(at, value):
    content = bytearray(BENT)
    content[at % len(content)] ^= value
    try:
        convert.restricted_load(bytes(content), "it")
    except data.CorruptData as error:
        assert "\n" not in str(error)


BENT = pickle.dumps({"x": np.arange(6.0).reshape(2, 3), "y": np.int16(3), "z": [1, {"w": 2.5}]})


def two_sessions(arrays, unit):
    return {
        f"{letter}{short}": value
        for short, name in (("tr", "train"), ("te", "test"))
        for letter, value in (
            ("X", arrays[f"velocity_{name}"].astype(float)),
            ("Y", arrays[f"counts_{name}"] * unit),
            ("T", arrays[f"direction_{name}"].astype(float)[:, None]),
        )
    }


@pytest.fixture
def sessions():
    draw = np.random.default_rng(0)
    return {
        f"{kind}_{part}": values
        for part, n in (("train", 20), ("test", 30))
        for kind, values in (
            ("counts", draw.poisson(2, (n, 5)).astype(np.uint8)),
            ("velocity", draw.normal(size=(n, 2)).astype(np.float32)),
            ("direction", draw.integers(0, 8, n).astype(np.int16)),
        )
    }


def test_hiwa_monkeys(sessions, tmp_path):
    scipy.io.savemat(tmp_path / "counts.mat", two_sessions(sessions, 1.0))
    assert_same(convert.hiwa_monkey_counts(tmp_path / "counts.mat"), sessions)
    scipy.io.savemat(tmp_path / "rates.mat", two_sessions(sessions, 5.0 + 1e-12))
    expected = {**sessions, "bin_s": np.array(np.float32(0.2))}
    assert_same(convert.hiwa_monkey_rates(tmp_path / "rates.mat"), expected)


def test_hiwa_monkey_of_another_layout(sessions, tmp_path):
    variables = two_sessions(sessions, 1.0)
    path = tmp_path / "odd.mat"
    scipy.io.savemat(path, {k: v for k, v in variables.items() if k != "Yte"})
    with pytest.raises(data.CorruptData, match=r"odd.mat lacks yte; found xtr \(20, 2\), ytr"):
        convert.hiwa_monkey_counts(path)
    scipy.io.savemat(path, variables | {"Xte": np.zeros((7, 2))})
    with pytest.raises(data.CorruptData, match=r"Xte must be \(30, 2\) like Yte, got \(7, 2\)"):
        convert.hiwa_monkey_counts(path)
    scipy.io.savemat(path, variables | {"Ttr": "text"})
    with pytest.raises(data.CorruptData, match="ttr must hold numbers"):
        convert.hiwa_monkey_counts(path)
    scipy.io.savemat(path, variables)
    with pytest.raises(data.CorruptData, match=r"spike counts \(Ytr\) are not whole numbers"):
        convert.hiwa_monkey_rates(path)
    path.write_bytes(b"no MATLAB file")
    with pytest.raises(data.CorruptData, match="not a readable MATLAB 5 file"):
        convert.hiwa_monkey_counts(path)


def test_hiwa_gaussians(tmp_path):
    draw = np.random.default_rng(0)
    expected = {
        "x_source": draw.normal(size=(8, 3)).astype(np.float32),
        "label_source": np.arange(8).astype(np.int16),
        "x_target": draw.normal(size=(8, 3)).astype(np.float32),
        "label_target": np.arange(8).astype(np.int16),
    }
    original = gaussian_original(expected)
    np.savez(tmp_path / "sg.npz", **original)
    assert_same(convert.hiwa_gaussians(tmp_path / "sg.npz"), expected)
    np.savez(tmp_path / "sg.npz", X_te=original["X_te"])
    with pytest.raises(data.CorruptData, match=r"lacks t_te, x_tr, t_tr; found x_te \(8, 3\)"):
        convert.hiwa_gaussians(tmp_path / "sg.npz")


def gaussian_original(arrays):
    return {
        "X_te": arrays["x_source"].astype(float),
        "T_te": arrays["label_source"].astype(float)[:, None],
        "X_tr": arrays["x_target"].astype(float),
        "T_tr": arrays["label_target"].astype(float)[:, None],
    }


@pytest.mark.parametrize("turned", [False, True])
def test_rodent_sleep(turned, tmp_path):
    expected = {
        "spike_counts": np.arange(30, dtype=np.int16).reshape(10, 3),
        "state": np.array([0, 0, 1, 1, 1, 2, 2, 0, 0, 0], np.int8),
        "bin_width_s": np.array(np.float32(4.0)),
    }
    counts, states = tmp_path / "counts.npy", tmp_path / "states.npy"
    spikes = expected["spike_counts"].astype(np.float32)
    np.save(counts, spikes.T if turned else spikes)
    np.save(states, expected["state"].astype(float)[None])
    assert_same(convert.rodent_sleep(counts, states), expected)
    np.save(counts, np.zeros((4, 3)))
    with pytest.raises(data.CorruptData, match=r"for the 10 bins of states.npy, got \(4, 3\)"):
        convert.rodent_sleep(counts, states)
    np.save(counts, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(data.CorruptData, match=r"counts.npy is not a readable .npy array"):
        convert.rodent_sleep(counts, states)


CONVERTED = [name for name in data.names() if registry.entry(name).origin]


@pytest.mark.parametrize("name", CONVERTED)
def test_originals_that_would_hold_the_recordings(name, geometric, tmp_path):
    """The recordings, put back into the described form of the originals, come out as registered."""
    arrays = registry.read_arrays(recording(name))
    entry = registry.entry(name)
    if not entry.converter:
        assert name == "causal/danube31"  # the one recording that only mirrors serve
        return
    paths = [tmp_path / address.rpartition("/")[2] for address in entry.origin]
    if entry.converter == "reach":
        paths[0].write_bytes(pickle.dumps(geometric(**fields_of(arrays))))
    elif entry.converter == "hiwa-gaussians":
        np.savez(paths[0], **gaussian_original(arrays))
    elif entry.converter == "rodent-sleep":
        np.save(paths[0], arrays["spike_counts"].astype(np.float32).T)
        np.save(paths[1], arrays["state"].astype(float))
    elif entry.converter == "runoff-tables":
        for path, column in zip(paths, arrays["discharge"].T, strict=True):
            path.write_text(runoff_table(arrays["date"], column), encoding="latin-1")
    elif entry.converter == "netsim-subjects":
        network = arrays["adjacency"].T + np.eye(15)
        for path, bold in zip(paths, arrays["bold"], strict=True):
            np.savez(path, X_np=bold.T, Gref=network)
    elif entry.converter == "idx":
        for path, key in zip(paths, ("x_train", "y_train", "x_test", "y_test"), strict=True):
            head = struct.pack(f">{1 + arrays[key].ndim}I", *idx_head(arrays[key]))
            path.write_bytes(gzip.compress(head + arrays[key].tobytes(), compresslevel=1))
    elif entry.converter == "maze-csv":
        for path in paths:
            number = "".join(filter(str.isdigit, path.stem))
            path.write_text(maze_table(arrays, number, arrays[f"time_s_{number}"]))
    elif entry.converter.startswith("text"):
        points = arrays["vocab"][arrays["codes"]]
        paths[0].write_bytes("".join(map(chr, points)).encode())
    else:
        unit = 5.0 if entry.converter == "hiwa-monkey-rates" else 1.0
        scipy.io.savemat(paths[0], two_sessions(arrays, unit))
    made = convert.CONVERTERS[entry.converter](*paths)
    assert registry.content_digest(made) == entry.content_sha256


def runoff_table(dates, values):
    """A table as the agency publishes it: a head, a line of names, one day a line."""
    head = ["Quelle:;Bayerisches Landesamt f\u00fcr Umwelt", "Messstelle:;eine", ""]
    rows = [
        f"{day};{str(value).replace('.', ',')};0;0;Rohdaten"
        for day, value in zip(dates, values, strict=True)
    ]
    before = ["2016-12-31;1,0;0;0;Rohdaten"]
    return "\n".join([*head, '"Datum";"Mittelwert";"Maximum";"Minimum"', *before, *rows, ""])


def idx_head(array):
    """Kind and shape, as the first words of an IDX file."""
    return (2051 if array.ndim == 3 else 2049, *array.shape)
