"""Benchmarks with a known causal graph: loading, converting, refusing, and fetching."""

import hashlib

import numpy as np
import pytest

from neurotutor import data
from neurotutor.data import CorruptData, DataNotFound, FetchError, causal, convert
from tests.harness import recording

STATIONS = {
    "discharge": np.random.default_rng(0).uniform(1, 9, (20, 3)),
    "date": (np.datetime64("2000-02-20") + np.arange(20)).astype("U10"),
    "adjacency": np.eye(3, k=1, dtype=np.int8),
    "station": np.array(["a", "b", "c"]),
}
SUBJECTS = {
    "bold": np.random.default_rng(0).standard_normal((2, 30, 4)).astype(np.float32),
    "adjacency": np.eye(4, k=1, dtype=np.int8),
}


def write(path, arrays, **changes):
    arrays = arrays | changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_three_stations():
    recording(causal.RIVER_RUNOFF)
    rivers = causal.load_rivers()
    assert rivers.discharge.shape == (1095, 3)
    assert np.argwhere(rivers.adjacency).tolist() == [[0, 1]]
    assert rivers.station[0] == "Kempten (Iller)"
    assert rivers.log_change.shape == (1094, 3)
    assert np.allclose(
        np.exp(rivers.log_change.sum(axis=0)) * rivers.discharge[0], rivers.discharge[-1]
    )
    assert "Landesamt" in causal.RIVER_SOURCE


def test_thirty_one_stations_form_a_tree():
    recording(causal.DANUBE)
    rivers = causal.load_rivers(causal.DANUBE)
    assert rivers.discharge.shape == (18689, 31)
    downstream = rivers.adjacency.sum(axis=1)
    assert downstream[0] == 0  # the root
    assert (downstream[1:] == 1).all()
    reached = np.linalg.matrix_power(np.eye(31) + rivers.adjacency, 31)[:, 0]
    assert (reached > 0).all()
    assert ((rivers.position[:, 0] > 9) & (rivers.position[:, 0] < 14)).all()


def test_netsim_subjects():
    recording(causal.NETSIM)
    subjects = causal.load_netsim()
    assert subjects.bold.shape == (50, 200, 15)
    assert subjects.adjacency.sum() == 18
    assert not subjects.adjacency.diagonal().any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"discharge": np.zeros((20, 3))}, "positive"),
        ({"discharge": np.ones(20)}, "2 axes"),
        ({"discharge": np.full((20, 3), np.nan)}, "NaN"),
        ({"date": np.array(["2000-01-01"] * 20)}, "days in a row"),
        ({"date": np.array(["soon"] * 20)}, "ISO dates"),
        ({"adjacency": np.zeros((2, 2))}, "adjacency must be"),
        ({"adjacency": np.full((3, 3), 7)}, "0 and 1"),
        ({"adjacency": np.eye(3)}, "diagonal"),
        ({"station": None}, "names neither"),
        ({"station": np.array(["a"])}, "1 names for 3"),
        ({"lon": np.zeros(3), "lat": np.zeros(2)}, "lat must be"),
        ({"date": None}, "lacks"),
    ],
)
def test_stations_of_a_wrong_form_are_refused(tmp_path, changes, message):
    with pytest.raises((ValueError, CorruptData), match=message):
        causal.load_rivers(write(tmp_path / "bad.npz", STATIONS, **changes))


def test_files_of_the_same_form_load_from_their_path(tmp_path):
    rivers = causal.load_rivers(write(tmp_path / "own.npz", STATIONS))
    assert rivers.name == "own"
    assert np.isnan(rivers.position).all()
    subjects = causal.load_netsim(write(tmp_path / "own2.npz", SUBJECTS))
    assert subjects.bold.dtype == np.float64
    with pytest.raises(ValueError, match="3 axes"):
        causal.load_netsim(write(tmp_path / "bad.npz", SUBJECTS, bold=np.zeros((3, 4))))
    with pytest.raises(DataNotFound):
        causal.load_netsim(tmp_path / "nothing.npz")


def test_tables_that_lack_a_day_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("Datum;Mittelwert\n2017-01-01;1,5\n2017-01-02;\n")
    with pytest.raises(CorruptData, match="lacks the daily mean of 1094 of 1095 days"):
        convert.CONVERTERS["runoff-tables"](path, path, path)


def test_subjects_with_different_networks_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for i in range(50):
        paths.append(tmp_path / f"{i}.npz")
        network = np.eye(15)
        network[3, 4] = i == 7
        np.savez(paths[-1], X_np=rng.standard_normal((15, 200)), Gref=network)
    with pytest.raises(CorruptData, match="one network"):
        convert.CONVERTERS["netsim-subjects"](*paths)
    with pytest.raises(CorruptData, match="got 1 archives"):
        convert.CONVERTERS["netsim-subjects"](paths[0])
    np.savez(paths[0], X_np=np.zeros((200, 15)), Gref=np.eye(15))
    with pytest.raises(CorruptData, match="must be"):
        convert.CONVERTERS["netsim-subjects"](*paths)


def test_a_recording_without_a_converter_comes_from_a_mirror_only(shelf, server, tmp_path):
    file = b"converted elsewhere"
    shelf.add("set/one", file, converter="", origin={f"{server.address}/one.rda": b"original"})
    with pytest.raises(FetchError, match="cannot be made from its original .* --from"):
        data.fetch("set/one", progress=False)
    assert server.asked == []
    folder = tmp_path / "mirror" / "set"
    folder.mkdir(parents=True)
    (folder / "one.npz").write_bytes(file)
    path = data.fetch("set/one", source=tmp_path / "mirror", progress=False)
    assert path.read_bytes() == file


@pytest.mark.parametrize("intact", [True, False])
def test_one_checksum_for_many_originals(shelf, server, monkeypatch, intact):
    originals = [bytes([i]) * 5000 for i in range(3)]
    arrays = {"sizes": np.array([5000] * 3)}
    monkeypatch.setitem(
        convert.CONVERTERS,
        "sizes",
        lambda *paths: {"sizes": np.array([path.stat().st_size for path in paths])},
    )
    addresses = {f"{server.address}/{i}": each for i, each in enumerate(originals)}
    shelf.add("set/many", b"of a mirror", converter="sizes", origin=addresses, arrays=arrays)
    joint = hashlib.sha256(b"".join(originals)).hexdigest()
    text = shelf.path.read_text()
    start = text.index("origin_sha256")
    shelf.path.write_text(text[:start] + f'origin_sha256 = ["{joint}"]\n')
    server.files = {str(i): each for i, each in enumerate(originals)}
    if intact:
        assert data.fetch("set/many", progress=False).is_file()
    else:
        server.files["1"] = b"x" * 5000
        with pytest.raises(FetchError, match="3 originals .* are not those"):
            data.fetch("set/many", progress=False)
        assert not (shelf.cache / "originals" / "set" / "many").exists()
