"""The registry: names, places, and reading files that nobody vouches for."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from neurotutor import data
from neurotutor.data import convert, registry
from tests.harness import recording

ALL = data.names()
MNIST_MIRROR = "ossci-datasets.s3.amazonaws.com/mnist"


def test_registry_of_the_repository_is_complete():
    assert len(ALL) == len(set(ALL))
    for name in ALL:
        entry = registry.entry(name)
        assert re.fullmatch(r"[a-z0-9-]+/[A-Za-z0-9_-]+", name)
        assert min(map(len, (entry.about, entry.licence, entry.cite))) > 10
        assert entry.size > 0
        assert entry.converter in ((*convert.CONVERTERS, "") if entry.origin else ("",))
        # Many small originals share one checksum, that of all of them.
        assert len(entry.origin_sha256) in (min(1, len(entry.origin)), len(entry.origin))
        # An address with a commit in it does not change under the reader. MNIST has none: its
        # original site is closed, and PyTorch's mirror of its files carries no version.
        steady = rf"https://(\S+/[0-9a-f]{{40}}|{re.escape(MNIST_MIRROR)})/\S+$"
        assert all(re.match(steady, each) for each in entry.origin)
        sums = (entry.sha256, entry.content_sha256, *entry.origin_sha256, *entry.members.values())
        assert all(re.fullmatch("[0-9a-f]{64}", each) for each in sums)


@pytest.mark.parametrize("name", ALL)
def test_recordings_are_those_of_the_registry(name):
    path = recording(name)
    entry = registry.entry(name)
    assert registry.intact(name, path)
    if entry.members:
        found = [(path / member).read_bytes() for member in entry.members]
        assert sum(map(len, found)) == entry.size
        assert hashlib.sha256(b"".join(found)).hexdigest() == entry.sha256
        return
    assert path.stat().st_size == entry.size
    assert registry.file_digest(path) == entry.sha256
    assert registry.content_digest(registry.read_arrays(path)) == entry.content_sha256


def test_search_order(shelf, tmp_path, monkeypatch):
    shelf.add("set/one", b"x")
    assert data.names() == ["set/one"]
    assert not data.available("set/one")
    assert data.locate("set/one") is None
    with pytest.raises(data.DataNotFound, match="python -m neurotutor data fetch set/one"):
        data.require("set/one")
    cached = shelf.cache / "set" / "one.npz"
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert data.require("set/one") == cached
    own = tmp_path / "own" / "set" / "one.npz"
    monkeypatch.setenv("NEUROTUTOR_DATA", str(tmp_path / "own"))
    assert data.locate("set/one") == cached
    own.parent.mkdir(parents=True)
    own.touch()
    assert data.available("set/one")
    assert data.locate("set/one") == own


@pytest.mark.parametrize("function", [data.available, data.locate, data.require, registry.resolve])
def test_unknown_name_lists_near_ones(function, shelf):
    shelf.add("reach/chewie-day1", b"x")
    shelf.add("reach/mihi-day1", b"x")
    for wrong in ("reach/chewie-day2", "chewie-day1", "reach/chewie"):
        with pytest.raises(data.UnknownData, match=r"did you mean 'reach/chewie-day1'") as caught:
            function(wrong)
        assert "\n" not in str(caught.value)
    with pytest.raises(data.UnknownData, match=r"no recording is named 'zzz'; see `python -m"):
        function("zzz")


@settings(deadline=None, max_examples=30)
@given(name=st.text(max_size=30))
def test_any_unknown_name_is_refused_in_one_line(name):
    if name in ALL:
        return
    with pytest.raises(data.UnknownData) as caught:
        data.locate(name)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.usefixtures("unchecked")
def test_wrong_types_are_refused():
    with pytest.raises(TypeError, match="must be a string, got int"):
        data.locate(3)
    with pytest.raises(TypeError, match="name of a recording or the path of an .npz file, got int"):
        registry.resolve(3)


def test_missing_registry(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROTUTOR_REGISTRY", str(tmp_path / "none.toml"))
    with pytest.raises(data.DataNotFound, match=r"none.toml: run from a checkout"):
        data.names()


def test_registry_is_found_from_below_a_checkout(tmp_path, monkeypatch):
    """As for a package that was installed without its checkout around it."""
    monkeypatch.delenv("NEUROTUTOR_REGISTRY", raising=False)
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "lib" / "a" / "b" / "registry.py"))
    checkout = tmp_path / "checkout"
    (checkout / "book").mkdir(parents=True)
    monkeypatch.chdir(checkout / "book")
    with pytest.raises(data.DataNotFound, match="pip install -e"):
        registry.registry_path()
    (checkout / "neurotutor").mkdir()
    (checkout / "data").mkdir()
    (checkout / "data" / "registry.toml").touch()
    assert registry.registry_path() == checkout / "data" / "registry.toml"


@pytest.mark.parametrize(
    "text", ["[[file]", "", "file = 3", '[[file]]\nname = "a/b"', "[[file]]\nname = 3\n[set.a]"]
)
def test_damaged_registry(shelf, text):
    shelf.path.write_text(text)
    with pytest.raises(data.CorruptData, match="not a registry of recordings.*restore it") as found:
        data.names()
    assert "\n" not in str(found.value)


def test_edited_registry_is_read_again(shelf):
    shelf.add("set/one", b"x")
    assert data.names() == ["set/one"]
    shelf.add("set/two", b"x")
    os.utime(shelf.path, ns=(1, 1))
    assert data.names() == ["set/one", "set/two"]


def test_resolve_takes_paths_and_names(shelf, tmp_path):
    shelf.add("set/one", b"x")
    path = tmp_path / "mine.npz"
    with pytest.raises(data.DataNotFound, match=r"there is no file .*mine.npz"):
        registry.resolve(path)
    with pytest.raises(data.DataNotFound, match="there is no file"):
        registry.resolve("a\0b.npz")
    path.touch()
    assert registry.resolve(path) == path
    assert registry.resolve(str(path)) == path
    odd = tmp_path / "no-suffix"
    odd.touch()
    assert registry.resolve(odd) == odd
    with pytest.raises(data.DataNotFound, match="data fetch set/one"):
        registry.resolve("set/one")


def test_paths_need_no_registry(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROTUTOR_REGISTRY", str(tmp_path / "none.toml"))
    (tmp_path / "mine.npz").touch()
    assert registry.resolve(str(tmp_path / "mine.npz")) == tmp_path / "mine.npz"


def archive(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


WHOLE = archive(counts=np.arange(60).reshape(6, 10), width=np.float32(0.1))


def test_read_arrays(tmp_path):
    path = tmp_path / "whole.npz"
    path.write_bytes(WHOLE)
    arrays = registry.read_arrays(path, ["counts"])
    assert sorted(arrays) == ["counts", "width"]
    assert arrays["counts"].shape == (6, 10)
    assert arrays["width"].shape == ()
    with pytest.raises(data.CorruptData, match=r"lacks 'trial', 'speed' \(it holds counts, width"):
        registry.read_arrays(path, ["counts", "trial", "speed"])
    with pytest.raises(data.DataNotFound, match="there is no file"):
        registry.read_arrays(tmp_path / "none.npz")


@settings(deadline=None)
@given(cut=st.integers(0, len(WHOLE) - 1))
def test_cut_archive_is_refused_in_one_line(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "x.npz"
    path.write_bytes(WHOLE[:cut])
    with pytest.raises(data.CorruptData, match="not a readable .npz archive") as caught:
        registry.read_arrays(path)
    assert "\n" not in str(caught.value)


@settings(deadline=None, max_examples=300)
@given(at=st.integers(0, len(WHOLE) - 1), value=st.integers(1, 255))
def test_changed_byte_never_gives_other_numbers_or_another_error(tmp_path_factory, at, value):
    path = tmp_path_factory.mktemp("bent") / "x.npz"
    path.write_bytes(WHOLE[:at] + bytes([WHOLE[at] ^ value]) + WHOLE[at + 1 :])
    try:
        arrays = registry.read_arrays(path, ["counts", "width"])
    except data.CorruptData as error:
        assert "\n" not in str(error)
        return
    assert np.array_equal(arrays["counts"], np.arange(60).reshape(6, 10))
    assert arrays["width"] == np.float32(0.1)


def test_pickles_are_never_read(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    objects = np.array([Bomb()], dtype=object)
    np.savez(tmp_path / "objects.npz", counts=objects)
    (tmp_path / "bare.npz").write_bytes(pickle.dumps(Bomb()))
    with zipfile.ZipFile(tmp_path / "member.npz", "w") as made:
        made.writestr("counts", pickle.dumps(Bomb()))
    for name in ("objects", "bare", "member"):
        with pytest.raises(data.CorruptData, match="not a readable|not arrays"):
            registry.read_arrays(tmp_path / f"{name}.npz")
    np.save(tmp_path / "single.npy", np.arange(3))
    with pytest.raises(data.CorruptData, match="not a readable .npz"):
        registry.read_arrays(tmp_path / "single.npy")
    assert not (tmp_path / "exploded").exists()


def test_unreadable_file_names_the_permission(tmp_path, monkeypatch):
    path = tmp_path / "locked.npz"
    path.write_bytes(WHOLE)

    def locked(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(zipfile, "ZipFile", locked)
    with pytest.raises(PermissionError, match="no permission to read .*locked.npz: change"):
        registry.read_arrays(path)


ARRAYS = npst.arrays(
    st.sampled_from(["<i2", "|u1", "<f4", "<f8"]),
    npst.array_shapes(min_dims=0, max_dims=3, max_side=4),
)


@settings(deadline=None, max_examples=50)
@given(arrays=st.dictionaries(st.sampled_from("abc"), ARRAYS, min_size=1), data=st.data())
def test_content_digest_sees_every_change_and_nothing_else(arrays, data):
    digest = registry.content_digest(arrays)
    turned = {key: np.array(arrays[key], order="F") for key in sorted(arrays, reverse=True)}
    assert registry.content_digest(turned) == digest
    key = data.draw(st.sampled_from(sorted(arrays)))
    array = arrays[key]
    changes = [
        {**arrays, key: array[None]},
        {**arrays, key: array.astype("<c16")},
        {**arrays, "d": array},
    ]
    raw = bytearray(array.tobytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    changes.append({**arrays, key: np.frombuffer(raw, array.dtype).reshape(array.shape)})
    for changed in changes:
        assert registry.content_digest(changed) != digest


def test_content_digest_refuses_objects():
    with pytest.raises(TypeError, match="'a' holds Python objects"):
        registry.content_digest({"a": np.array([None])})


def test_intact_whatever_the_compression(shelf, tmp_path):
    arrays = {"a": np.arange(100)}
    packed = archive(**arrays)
    shelf.add("set/one", packed, arrays=arrays)
    path = tmp_path / "x.npz"
    path.write_bytes(packed)
    assert registry.intact("set/one", path)
    np.savez(path, **arrays)
    assert registry.intact("set/one", path)
    np.savez(path, a=np.arange(101))
    assert not registry.intact("set/one", path)
    path.write_bytes(packed[:-1])
    assert not registry.intact("set/one", path)


def test_no_recording_is_in_the_repository():
    root = Path(data.__file__).parents[2]
    assert [path.name for path in (root / "data").iterdir() if path.name != "cache"] == [
        "registry.toml"
    ]
