"""Fetching recordings: resumed where it broke off, verified, and put in place in one move."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pooch
import requests
from tqdm.auto import tqdm

from neurotutor.data import registry

try:
    import fcntl
except ImportError:  # Windows: two fetches at a time are not kept apart there
    fcntl = None

_ATTEMPTS = 5
_CHUNK = 1 << 14  # at most this much is lost when a connection breaks
_PAUSE = 0.5  # seconds, times the number of the attempt
_TIMEOUT = (15, 60)  # seconds to connect, and between two packets


class FetchError(RuntimeError):
    """A recording could not be fetched; the message says why and what to do."""


class _Broken(Exception):
    """The connection broke; what has arrived is kept."""


def fetch(name: str, source: str | os.PathLike | None = None, progress: bool = True) -> Path:
    """Fetch a recording into `data/cache/`, unless it is on this machine already.

    Without a source the original is downloaded from its public address, verified, and converted;
    the result must be exactly the arrays that the registry describes. A download that broke off,
    even by a kill, goes on where it stopped, and nothing takes the name of the recording before
    it has been verified.

    Args:
        name: name of the recording.
        source: http(s) address of a folder, or a local folder, that holds `<set>/<stem>.npz`, or
            the folder `<set>/<stem>/` for a recording of many files. The environment variable
            `NEUROTUTOR_MIRROR` is the default.
        progress: whether to show a progress bar.

    Returns:
        Path of the verified `.npz`, or of the folder.

    Raises:
        neurotutor.data.UnknownData: for a name that the registry does not hold.
        neurotutor.data.CorruptData: if `$NEUROTUTOR_DATA` holds a damaged file of this name, or
            the conversion does not give the expected arrays.
        FetchError: if the source cannot be reached or serves something else, or if the recording
            has no public original and no source was given.
        PermissionError: if the cache cannot be written.
    """
    entry = registry.entry(name)
    target = registry.cached_path(name)
    source = os.fspath(source) if source else os.environ.get("NEUROTUTOR_MIRROR")
    try:
        present = registry.locate(name)
        if present is not None and registry.intact(name, present):
            return present
        if present is not None and present != target:
            raise registry.CorruptData(
                f"{present} is not the recording {name!r} (its checksum differs): delete it or "
                "unset NEUROTUTOR_DATA, then fetch again"
            )
        with _alone(registry.cache_folder()):
            if target.exists() and registry.intact(name, target):
                return target  # another process fetched it while this one waited
            if source and entry.members:
                for member, sha256 in entry.members.items():
                    address = _address(source, f"{name}/{member}")
                    _download(address, target / member, sha256, progress)
                return target
            if source:
                return _download(_address(source, f"{name}.npz"), target, entry.sha256, progress)
            return _from_originals(entry, target, progress)
    except PermissionError as error:
        raise PermissionError(
            f"no permission for {error.filename or target}: change its permissions, or copy the "
            f"file to {name}.npz in a folder of your own and set NEUROTUTOR_DATA to that folder"
        ) from error
    except OSError as error:
        if isinstance(error, registry.DataNotFound):
            raise
        raise FetchError(
            f"cannot store {name!r} in {registry.cache_folder()} ({error.strerror or error}): "
            "make room or correct the folder, then fetch again"
        ) from error


def _from_originals(entry: registry.Entry, target: Path, progress: bool) -> Path:
    """Download the originals, convert them, and accept the result only if it is the known one."""
    if not entry.origin:
        raise FetchError(
            f"{entry.name!r} has no public original in one piece: fetch the converted file from a "
            "mirror with --from ADDRESS-OR-FOLDER"
        )
    if not entry.converter:
        raise FetchError(
            f"{entry.name!r} cannot be made from its original ({entry.origin[0]}) here: fetch the "
            "converted file with --from ADDRESS-OR-FOLDER"
        )
    from neurotutor.data import convert  # here, since it loads PyTorch, which little else needs

    folder = registry.cache_folder() / "originals" / entry.name
    together = len(entry.origin) > len(entry.origin_sha256) == 1
    originals = [
        _download(address, folder / address.rpartition("/")[2], sha256, progress)
        for address, sha256 in zip(
            entry.origin,
            [None] * len(entry.origin) if together else entry.origin_sha256,
            strict=True,
        )
    ]
    if together and _joint_digest(originals) != entry.origin_sha256[0]:
        shutil.rmtree(folder)
        raise FetchError(
            f"the {len(originals)} originals of {entry.name!r} are not those that the registry "
            "describes: try another source with --from"
        )
    files = ", ".join(path.name for path in originals)
    remedy = (
        "nothing was stored; fetch the converted file with --from ADDRESS-OR-FOLDER and report this"
    )
    try:
        arrays = convert.CONVERTERS[entry.converter](*originals)
    except registry.CorruptData:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
        # A layout that nobody foresaw fails somewhere in the middle.
        raise registry.CorruptData(
            f"the conversion of {files} failed ({type(error).__name__}: {error}): {remedy}"
        ) from error
    digest = registry.content_digest(arrays)
    if digest != entry.content_sha256:
        raise registry.CorruptData(
            f"the conversion of {files} does not give the arrays that the registry expects "
            f"(content {digest[:12]}, expected {entry.content_sha256[:12]}): {remedy}"
        )
    _write(target, arrays)
    shutil.rmtree(folder)
    return target


def _joint_digest(paths: list[Path]) -> str:
    """SHA-256 of files, one after another."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _write(target: Path, arrays: dict[str, np.ndarray]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".new")
    with open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, target)


def _address(source: str, path: str) -> str:
    scheme, separator, rest = source.partition("://")
    if separator and (scheme not in ("http", "https") or not rest.strip("/")):
        raise FetchError(
            f"cannot fetch from {source!r}: give an http(s) address of a folder, or a local folder"
        )
    return f"{source.rstrip('/')}/{path}"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time write into the cache; a killed one holds nothing up."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(address: str, target: Path, sha256: str | None, progress: bool) -> Path:
    """Bring one file to `target`, by way of `<target>.part`, which survives a kill.

    Without a checksum the caller verifies what came.
    """
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in target.parent.glob("tmp????????"):  # what pooch was writing when it was killed
        stale.unlink()
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        pooch.retrieve(
            address,
            known_hash=f"sha256:{sha256}" if sha256 else None,
            fname=target.name,
            path=target.parent,
            downloader=_Resuming(part, sha256, progress),
        )
    finally:
        logger.setLevel(level)
    part.unlink(missing_ok=True)
    return target


class _Resuming:
    """A downloader for pooch that goes on with the part that an earlier run left."""

    def __init__(self, part: Path, sha256: str | None, progress: bool):
        self.part = part
        self.sha256 = sha256
        self.progress = progress

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        del pooch
        self._complete(url)
        # Copied, not moved: should pooch be killed now, the next run has the whole part.
        shutil.copy(self.part, output_file)

    def _complete(self, url: str) -> None:
        """Bring the part to the file that the checksum describes."""
        get = _continue_http if url.startswith(("http://", "https://")) else _copy
        foreign = False
        for attempt in range(_ATTEMPTS):
            have = self.part.stat().st_size if self.part.exists() else 0
            if have and registry.file_digest(self.part) == self.sha256:
                return
            try:
                get(url, self.part, self.progress)
            except _Broken as broken:
                reason = str(broken)
                time.sleep(_PAUSE * attempt)
                continue
            found = registry.file_digest(self.part)
            if self.sha256 in (None, found):
                return
            self.part.unlink()
            # What an earlier run left may have been of another file: once more from the start.
            if have == 0 or foreign:
                raise FetchError(
                    f"{url} serves another file than the registry describes (sha256 {found[:12]}, "
                    f"expected {self.sha256[:12]}): try another source with --from"
                )
            foreign = True
            reason = "what had arrived before was of another file"
        raise FetchError(
            f"the connection to {url} broke {_ATTEMPTS} times ({reason}): fetch again to go on "
            "from what has arrived"
        )


def _copy(path: str, part: Path, progress: bool) -> None:
    del progress  # a local copy is done before a bar would be read
    if not Path(path).is_file():
        raise FetchError(f"there is no file {path}: check the folder given with --from")
    with open(path, "rb") as original, open(part, "wb") as copy:
        shutil.copyfileobj(original, copy)


def _continue_http(url: str, part: Path, progress: bool) -> None:
    """Append to the part what the server has beyond it.

    Raises:
        _Broken: if the connection broke, or the server is in trouble.
        FetchError: if the server cannot be reached, or refuses.
    """
    have = part.stat().st_size if part.exists() else 0
    # Compressed on the way, the bytes would not be those that are counted and verified.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
            if answer.status_code == 416:  # the part is longer than the file
                part.unlink()
                raise _Broken("the part was longer than the file")
            if answer.status_code >= 500:
                raise _Broken(f"the server answers {answer.status_code} {answer.reason}")
            if answer.status_code not in (200, 206):
                raise FetchError(
                    f"{url} answers {answer.status_code} {answer.reason}: check the address, or "
                    "fetch from another source with --from"
                )
            start = answer.headers.get("Content-Range", "").partition(" ")[2].partition("-")[0]
            if answer.status_code == 200:
                have = 0  # the server sends the whole file, whatever was asked
            elif start != str(have):
                part.unlink()
                raise _Broken("the server sent another range than was asked for")
            _append(answer, part, have, progress)
    except requests.exceptions.InvalidURL as error:
        raise FetchError(f"{url} is not an address: check what was given with --from") from error
    except (
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        requests.exceptions.ReadTimeout,
    ) as error:
        raise _Broken(type(error).__name__) from error
    except requests.exceptions.ConnectionError as error:
        if part.exists() and part.stat().st_size > have:
            raise _Broken(type(error).__name__) from error
        raise FetchError(
            f"cannot reach {url.split('/')[2]}: check the network, or fetch from a local folder "
            "with --from FOLDER"
        ) from error
    except requests.exceptions.RequestException as error:
        raise FetchError(
            f"cannot fetch {url} ({type(error).__name__}): check the address"
        ) from error


def _append(answer: requests.Response, part: Path, have: int, progress: bool) -> None:
    length = answer.headers.get("Content-Length", "")
    total = have + int(length) if length.isdigit() else None
    label = part.name.removesuffix(".part")
    with (
        open(part, "ab" if have else "wb") as file,
        tqdm(
            total=total, initial=have, unit="B", unit_scale=True, desc=label, disable=not progress
        ) as bar,
    ):
        for chunk in answer.iter_content(_CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
    if total is not None and part.stat().st_size < total:
        raise _Broken("the answer ended early")
