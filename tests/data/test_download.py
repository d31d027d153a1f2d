"""Fetching: what is resumed, what is verified, and what a kill leaves behind."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from neurotutor import data
from neurotutor.data import convert, download, registry

NAME = "set/one"


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(download, "_PAUSE", 0.0)


@pytest.fixture
def served(shelf, server, archive):
    """A recording on a mirror: its bytes."""
    shelf.add(NAME, archive[0], arrays=archive[1])
    server.files[f"mirror/{NAME}.npz"] = archive[0]
    return archive[0]


def fetch(server, **options):
    return data.fetch(NAME, f"{server.address}/mirror/", **({"progress": False} | options))


def start_of(wanted):
    return int(wanted.removeprefix("bytes=").rstrip("-") or 0)


def left_over(shelf):
    """Files of the cache other than recordings and the lock."""
    return sorted(
        path.name
        for path in shelf.cache.rglob("*")
        if path.is_file() and path.suffix not in (".npz", ".lock") and path.name != ".lock"
    )


def test_fetch_from_a_mirror(shelf, server, served, capfd):
    path = fetch(server)
    assert path == shelf.cache / "set" / "one.npz" == data.require(NAME)
    assert path.read_bytes() == served
    assert left_over(shelf) == []
    assert path.stat().st_mode & 0o044, "others may read a shared cache"
    assert fetch(server) == path
    assert len(server.asked) == 1, "what is there is not fetched again"
    assert capfd.readouterr().err == ""


def test_progress_is_shown(server, served, capfd):
    fetch(server, progress=True)
    shown = capfd.readouterr().err
    assert "one.npz" in shown
    assert "100%" in shown


def test_mirror_of_the_environment(server, served, monkeypatch):
    monkeypatch.setenv("NEUROTUTOR_MIRROR", f"{server.address}/mirror")
    assert data.fetch(NAME, progress=False).read_bytes() == served


def test_fetch_from_a_folder(shelf, archive, tmp_path):
    shelf.add(NAME, archive[0], arrays=archive[1])
    (tmp_path / "disk" / "set").mkdir(parents=True)
    (tmp_path / "disk" / "set" / "one.npz").write_bytes(archive[0])
    path = data.fetch(NAME, tmp_path / "disk", progress=False)
    assert path.read_bytes() == archive[0]
    assert left_over(shelf) == []


def test_fetch_from_a_folder_without_it_or_with_another(shelf, archive, tmp_path):
    shelf.add(NAME, archive[0])
    with pytest.raises(data.FetchError, match=r"there is no file .*set/one.npz: check the folder"):
        data.fetch(NAME, tmp_path)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "one.npz").write_bytes(b"something else")
    with pytest.raises(data.FetchError, match="serves another file than the registry describes"):
        data.fetch(NAME, tmp_path)
    assert not data.available(NAME)


def test_broken_connection_goes_on_where_it_stopped(server, served):
    server.cut = [100_000, 50_000]
    assert fetch(server).read_bytes() == served
    first, second, third = (start_of(wanted) for _, wanted in server.asked)
    assert first == 0
    assert 100_000 - download._CHUNK < second <= 100_000
    assert second + 50_000 - download._CHUNK < third <= second + 50_000


def test_server_that_knows_no_ranges(server, served):
    server.ranges = False
    server.cut = [100_000, 50_000]
    assert fetch(server).read_bytes() == served
    assert len(server.asked) == 3


def test_server_in_trouble_is_asked_again(server, served):
    server.status = [503, 500]
    assert fetch(server).read_bytes() == served


def test_connection_that_keeps_breaking(shelf, server, served):
    server.cut = [40_000] * 5
    with pytest.raises(data.FetchError, match="broke 5 times .*fetch again to go on"):
        fetch(server)
    assert not data.available(NAME)
    assert fetch(server).read_bytes() == served
    assert 5 * (40_000 - download._CHUNK) < start_of(server.asked[-1][1]) <= 200_000


@pytest.mark.parametrize("stale", [b"x" * 1000, b"x" * 10_000_000], ids=["shorter", "longer"])
def test_part_of_another_file_is_thrown_away(shelf, server, served, stale):
    part = shelf.cache / "set" / "one.npz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(stale)
    assert fetch(server).read_bytes() == served
    assert server.asked[-1][1] == ""
    assert left_over(shelf) == []


def test_complete_part_needs_no_network(shelf, server, served):
    part = shelf.cache / "set" / "one.npz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(served)
    assert fetch(server).read_bytes() == served
    assert server.asked == []


def test_damaged_recording_in_the_cache_is_fetched_again(shelf, server, served):
    path = fetch(server)
    path.write_bytes(served[:-5])
    assert fetch(server).read_bytes() == served


def test_damaged_recording_in_the_readers_folder_is_named(server, served, tmp_path, monkeypatch):
    own = tmp_path / "own" / "set" / "one.npz"
    own.parent.mkdir(parents=True)
    own.write_bytes(served[:-5])
    monkeypatch.setenv("NEUROTUTOR_DATA", str(tmp_path / "own"))
    with pytest.raises(data.CorruptData, match="checksum differs.*delete it or unset"):
        fetch(server)
    assert own.read_bytes() == served[:-5]
    own.write_bytes(served)
    assert fetch(server) == own


def test_wrong_bytes_are_never_stored(shelf, server, served):
    server.files[f"mirror/{NAME}.npz"] = bytes([served[0] ^ 1]) + served[1:]
    with pytest.raises(data.FetchError, match=r"sha256 [0-9a-f]{12}, expected .*--from") as caught:
        fetch(server)
    assert "\n" not in str(caught.value)
    assert not data.available(NAME)
    assert left_over(shelf) == []


def test_what_a_server_refuses(server, served):
    server.status = [403]
    with pytest.raises(data.FetchError, match="answers 403 Forbidden: check the address"):
        fetch(server)
    with pytest.raises(data.FetchError, match="answers 404 Not Found"):
        data.fetch(NAME, f"{server.address}/elsewhere", progress=False)


def test_no_network(shelf, archive):
    shelf.add(NAME, archive[0])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(data.FetchError, match=r"cannot reach 127.0.0.1:\d+: check the network"):
        data.fetch(NAME, address, progress=False)


@pytest.mark.parametrize("source", ["ftp://host/x", "file:///x", "http://", "http://[::1"])
def test_what_is_no_source(shelf, archive, source):
    shelf.add(NAME, archive[0])
    with pytest.raises(data.FetchError, match="cannot fetch|is not an address") as caught:
        data.fetch(NAME, source, progress=False)
    assert "\n" not in str(caught.value)


def test_unknown_name(served):
    with pytest.raises(data.UnknownData, match="did you mean 'set/one'"):
        data.fetch("set/on")


def test_no_permission(shelf, server, served, monkeypatch):
    def locked(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(shelf.cache))

    monkeypatch.setattr(download.Path, "mkdir", locked)
    with pytest.raises(PermissionError, match=r"no permission for .*cache: .*NEUROTUTOR_DATA"):
        fetch(server)


def test_full_disk_and_a_file_in_the_way(shelf, server, served, monkeypatch):
    shelf.cache.write_text("in the way")
    with pytest.raises(data.FetchError, match=r"cannot store 'set/one' .*make room or correct"):
        fetch(server)


@pytest.mark.parametrize("made", ["from a mirror", "from the originals"])
def test_two_fetches_at_a_time(made, shelf, server, served):
    """They share one part; the second waits, and finds the work done."""
    source = f"{server.address}/mirror"
    if made == "from the originals":
        arrays = {"spike_counts": np.zeros((2, 3), np.int16), "state": np.array([0, 1], np.int8)}
        address = f"{server.address}/originals"
        for key, values in arrays.items():
            content = io.BytesIO()
            np.save(content, values)
            server.files[f"originals/{key}.npy"] = content.getvalue()
        origin = {f"{address}/{key}.npy": server.files[f"originals/{key}.npy"] for key in arrays}
        arrays["bin_width_s"] = np.array(np.float32(4.0))
        shelf.rows.clear()
        shelf.add(NAME, b"of a mirror", converter="rodent-sleep", origin=origin, arrays=arrays)
        source = ""
    server.pause = 0.002
    code = (
        "import sys; from neurotutor import data; "
        "print(data.fetch(sys.argv[1], sys.argv[2], progress=False))"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, NAME, source],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    paths = {child.communicate()[0].strip() for child in children}
    assert paths == {str(data.require(NAME))}
    assert len(server.asked) == (1 if made == "from a mirror" else 2)


def test_killed_fetch_leaves_nothing_that_is_trusted_and_goes_on(shelf, server, served):
    server.pause = 0.005
    part = shelf.cache / "set" / "one.npz.part"
    code = "import sys; from neurotutor import data; data.fetch(*sys.argv[1:], progress=False)"
    sizes = []
    for goal in (60_000, 150_000):
        child = subprocess.Popen(
            [sys.executable, "-c", code, NAME, f"{server.address}/mirror"],
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while (part.stat().st_size if part.exists() else 0) < goal and child.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        child.kill()
        assert child.wait() == -signal.SIGKILL
        sizes.append(part.stat().st_size)
        assert not data.available(NAME)
        assert served.startswith(part.read_bytes())
    assert len(served) > sizes[1] > sizes[0] >= 60_000
    server.pause = 0.0
    assert fetch(server).read_bytes() == served
    assert [wanted for _, wanted in server.asked] == ["", *(f"bytes={size}-" for size in sizes)]
    assert left_over(shelf) == []


@pytest.mark.parametrize("moment", ["copy", "move"])
def test_kill_between_the_last_byte_and_the_name(shelf, server, served, moment):
    """The download is complete, pooch has it or not, and the machine goes off."""
    where = {"copy": "shutil.copy", "move": "shutil.move"}[moment]
    code = (
        "import os, sys, shutil; from neurotutor import data\n"
        f"{where} = lambda *arguments: os.kill(os.getpid(), 9)\n"
        "data.fetch(*sys.argv[1:], progress=False)"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, NAME, f"{server.address}/mirror"], check=False
    )
    assert child.returncode == -signal.SIGKILL
    assert not data.available(NAME)
    assert fetch(server).read_bytes() == served
    assert len(server.asked) == 1, "the complete part is used"
    assert left_over(shelf) == []


@pytest.fixture
def original(shelf, server, monkeypatch):
    """A recording that is made from two originals: sum and difference of their bytes."""
    first, second = np.arange(50, dtype=np.uint8), np.full(50, 3, np.uint8)
    arrays = {"sum": first + second, "difference": first - second}
    addresses = {
        f"{server.address}/first.bin": first.tobytes(),
        f"{server.address}/second.bin": second.tobytes(),
    }
    for address, content in addresses.items():
        server.files[address.rpartition("/")[2]] = content
    shelf.add(NAME, b"of a mirror", converter="bytes", origin=addresses, arrays=arrays)

    def converter(*paths):
        one, two = (np.frombuffer(path.read_bytes(), np.uint8) for path in paths)
        return {"sum": one + two, "difference": one - two}

    monkeypatch.setitem(convert.CONVERTERS, "bytes", converter)
    return arrays


def test_fetch_of_the_originals(shelf, server, original):
    path = data.fetch(NAME, progress=False)
    made = registry.read_arrays(path)
    assert all(np.array_equal(made[key], original[key]) for key in original)
    assert [asked for asked, _ in server.asked] == ["first.bin", "second.bin"]
    assert left_over(shelf) == []
    assert not (shelf.cache / "originals" / NAME).exists()
    assert data.fetch(NAME, progress=False) == path
    assert len(server.asked) == 2, "verified by its arrays, though packed here"


def test_conversion_to_other_arrays_is_refused(shelf, server, original, monkeypatch):
    monkeypatch.setitem(convert.CONVERTERS, "bytes", lambda *paths: {"sum": original["sum"]})
    with pytest.raises(
        data.CorruptData, match=r"conversion of first.bin, second.bin does not give .*--from"
    ) as caught:
        data.fetch(NAME, progress=False)
    assert "\n" not in str(caught.value)
    assert not data.available(NAME)
    assert left_over(shelf) == ["first.bin", "second.bin"], "kept for another try"


@pytest.mark.parametrize("error", [TypeError, KeyError, IndexError, ValueError, RuntimeError])
def test_conversion_that_fails_in_the_middle(shelf, server, original, monkeypatch, error):
    def fails(*paths):
        raise error("in the middle")

    monkeypatch.setitem(convert.CONVERTERS, "bytes", fails)
    with pytest.raises(data.CorruptData, match=rf"conversion of .* failed \({error.__name__}: "):
        data.fetch(NAME, progress=False)
    assert not data.available(NAME)


def test_changed_original_is_refused(shelf, server, original):
    server.files["second.bin"] = b"x" * 50
    with pytest.raises(data.FetchError, match="second.bin serves another file"):
        data.fetch(NAME, progress=False)
    assert not data.available(NAME)
    server.files["second.bin"] = np.full(50, 3, np.uint8).tobytes()
    data.fetch(NAME, progress=False)
    assert [asked for asked, _ in server.asked].count("first.bin") == 1


def test_kill_while_the_conversion_is_written(shelf, server, original, monkeypatch):
    def dies(source, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", dies)
        data.fetch(NAME, progress=False)
    assert not data.available(NAME)
    data.fetch(NAME, progress=False)
    assert left_over(shelf) == []
    assert len(server.asked) == 2
