"""Which recordings the book knows, where they are on this machine, and how to read them safely.

A recording has a name, `"<set>/<file stem>"`. It is looked for in the folder that the environment
variable `NEUROTUTOR_DATA` names, then in `data/cache/` of the checkout, as `<set>/<stem>.npz`,
or as a folder `<set>/<stem>/` where the registry lists `members`, files of another form.
What is known about each one (terms, citation, checksums, public address) is in
`data/registry.toml`. Nothing is ever unpickled here.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import tomllib
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

# What numpy and zipfile raise, between them, on archives with bytes changed, cut off or made up.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    EOFError,
    OSError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    MemoryError,
    SyntaxError,
    TypeError,
)


class DataNotFound(FileNotFoundError):
    """A recording (or the registry itself) is not on this machine; the message says what to do."""


class UnknownData(ValueError):
    """A name that the registry does not hold."""


class CorruptData(ValueError):
    """A file that is not the archive that it should be."""


@dataclass(frozen=True)
class Entry:
    """What `data/registry.toml` says about one recording.

    Attributes:
        name: `"<set>/<file stem>"`.
        about: what the recording is, in one line.
        licence: the terms it is under.
        cite: the publications to cite.
        size: bytes of the `.npz`.
        sha256: checksum of the `.npz` file as mirrors hold it.
        content_sha256: digest of the arrays, whatever the compression (see `content_digest`).
        converter: key of `neurotutor.data.convert.CONVERTERS` for the originals; empty if no
            conversion is offered, so that only a mirror can serve the recording.
        origin: public addresses of the originals; empty if there is none in one piece.
        origin_sha256: their checksums, in the same order; or one for all, one after another.
        members: for a folder of files, file name -> checksum; empty for an `.npz`. Both checksums
            above are then that of all members, one after another.
    """

    name: str
    about: str
    licence: str
    cite: str
    size: int
    sha256: str
    content_sha256: str
    converter: str
    origin: tuple[str, ...]
    origin_sha256: tuple[str, ...]
    members: Mapping[str, str] = field(default_factory=dict)


def registry_path() -> Path:
    """Path of `data/registry.toml`.

    It is the file named by `NEUROTUTOR_REGISTRY` if that is set; else that of the checkout which
    the package is imported from; else that of a checkout around the working folder.

    Raises:
        DataNotFound: if there is none.
    """
    named = os.environ.get("NEUROTUTOR_REGISTRY")
    if named:
        candidates = [Path(named)]
    else:
        here = Path.cwd()
        roots = [Path(__file__).resolve().parents[2]]
        roots += [folder for folder in (here, *here.parents) if (folder / "neurotutor").is_dir()]
        candidates = [root / "data" / "registry.toml" for root in roots]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise DataNotFound(
        f"no registry of recordings at {candidates[0]}: run from a checkout of NeuroTutor, install "
        "it with `pip install -e .`, or set NEUROTUTOR_REGISTRY to its data/registry.toml"
    )


@lru_cache(maxsize=8)
def _parse(path: Path, modified_ns: int) -> dict[str, Entry]:
    del modified_ns  # only part of the cache key: an edited registry is read again
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = {}
        for row in table["file"]:
            terms = table["set"][row["name"].partition("/")[0]]
            entries[row["name"]] = Entry(
                name=row["name"],
                about=row["about"],
                licence=terms["licence"],
                cite=row.get("cite", terms.get("cite", "")),
                size=row["size"],
                sha256=row["sha256"],
                content_sha256=row["content_sha256"],
                converter=row["converter"],
                origin=tuple(row["origin"]),
                origin_sha256=tuple(row["origin_sha256"]),
                members=dict(row.get("members", {})),
            )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptData(
            f"{path} is not a registry of recordings ({type(error).__name__}: {error}); "
            "restore it from version control"
        ) from error
    return entries


def _entries() -> dict[str, Entry]:
    path = registry_path()
    return _parse(path, path.stat().st_mtime_ns)


def names() -> list[str]:
    """Names of all recordings of the registry, in its order."""
    return list(_entries())


def entry(name: str) -> Entry:
    """What the registry says about one recording.

    Raises:
        UnknownData: for a name that it does not hold, with the nearest ones.
        TypeError: for a name that is not a string.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a recording must be a string, got {type(name).__name__}")
    entries = _entries()
    if name not in entries:
        stems = {known.partition("/")[2]: known for known in entries}
        near = difflib.get_close_matches(name, entries, n=3, cutoff=0.4)
        near += [
            stems[stem]
            for stem in difflib.get_close_matches(name, stems, n=3, cutoff=0.4)
            if stems[stem] not in near
        ]
        hint = "see `python -m neurotutor data list` for the names"
        if near:
            hint = f"did you mean {' or '.join(map(repr, near[:3]))}? (`data list` shows all)"
        raise UnknownData(f"no recording is named {name!r}; {hint}")
    return entries[name]


def cache_folder() -> Path:
    """Folder that fetched recordings are kept in: `cache/` beside the registry."""
    return registry_path().parent / "cache"


def cached_path(name: str) -> Path:
    """Where `fetch` puts the recording, whether it is there or not."""
    return _within(cache_folder(), entry(name))


def _within(folder: Path, known: Entry) -> Path:
    return folder / (known.name if known.members else f"{known.name}.npz")


def _present(path: Path, known: Entry) -> bool:
    if known.members:
        return all((path / member).is_file() for member in known.members)
    return path.is_file()


def size_of(path: Path) -> int:
    """Bytes of a recording on this machine: a file, or all files of a folder."""
    if path.is_dir():
        return sum(each.stat().st_size for each in path.iterdir() if each.is_file())
    return path.stat().st_size


def locate(name: str) -> Path | None:
    """Path of a recording on this machine, or None.

    `$NEUROTUTOR_DATA/<set>/<stem>.npz` comes before `data/cache/<set>/<stem>.npz`.

    Raises:
        UnknownData: for a name that the registry does not hold.
    """
    known = entry(name)
    places = [cached_path(name)]
    named = os.environ.get("NEUROTUTOR_DATA")
    if named:
        places.insert(0, _within(Path(named).expanduser(), known))
    return next((place for place in places if _present(place, known)), None)


def available(name: str) -> bool:
    """Whether the recording is on this machine."""
    return locate(name) is not None


def require(name: str) -> Path:
    """Path of a recording that must be on this machine.

    Raises:
        DataNotFound: if it is not; the message names the command that fetches it.
        UnknownData: for a name that the registry does not hold.
    """
    path = locate(name)
    if path is None:
        raise DataNotFound(
            f"the recording {name!r} is not on this machine: "
            f"fetch it with `python -m neurotutor data fetch {name}`"
        )
    return path


def resolve(name_or_path: str | os.PathLike) -> Path:
    """Path for what a loader was given: a name of the registry, or the path of an `.npz`.

    A string that ends in `.npz` is a path, any other string is a name.

    Raises:
        DataNotFound: if there is no such file, or the recording is not on this machine.
        UnknownData: for a name that the registry does not hold.
        TypeError: for anything but a string or a path.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(
            "expected the name of a recording or the path of an .npz file, "
            f"got {type(name_or_path).__name__}"
        )
    if isinstance(name_or_path, str) and not name_or_path.endswith(".npz"):
        return require(name_or_path)
    path = Path(name_or_path)
    try:
        present = path.is_file()
    except (OSError, ValueError):
        present = False
    if not present:
        raise DataNotFound(
            f"there is no file {str(path)!r}: give the path of an .npz file, or a name from "
            "`python -m neurotutor data list`"
        )
    return path


def read_arrays(path: str | os.PathLike, required: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Read all arrays of an `.npz`, without ever unpickling.

    Args:
        path: file to read.
        required: keys that must be there.

    Returns:
        Key -> array, for every array in the file.

    Raises:
        DataNotFound: if there is no such file.
        CorruptData: if it is not a readable archive of plain arrays, or a key is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise DataNotFound(f"there is no file {str(path)!r}: check the path")
    try:
        # Opened as a zip first: numpy would otherwise try to read it as a bare array or a pickle.
        with zipfile.ZipFile(path):
            pass
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except PermissionError as error:
        raise PermissionError(f"no permission to read {path}: change its permissions") from error
    except _UNREADABLE as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CorruptData(
            f"{path} is not a readable .npz archive of plain arrays ({reason}): delete it and "
            "fetch or copy it again"
        ) from error
    odd = [key for key, value in arrays.items() if not isinstance(value, np.ndarray)]
    if odd:
        raise CorruptData(
            f"{path} holds members that are not arrays ({', '.join(odd)}): expected "
            "an archive written by numpy.savez"
        )
    missing = [key for key in required if key not in arrays]
    if missing:
        raise CorruptData(
            f"{path} lacks {', '.join(map(repr, missing))} (it holds "
            f"{', '.join(sorted(arrays)) or 'nothing'}): is it a file of another data set?"
        )
    return arrays


def content_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the arrays themselves: names in sorted order, dtype, shape, bytes in C order.

    Two archives with the same digest hold the same arrays, however they were compressed.
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        if array.dtype.hasobject:
            raise TypeError(f"array {name!r} holds Python objects: expected numbers or strings")
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.tobytes(order="C"))
    return digest.hexdigest()


def file_digest(path: str | os.PathLike) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def intact(name: str, path: str | os.PathLike) -> bool:
    """Whether a file is the recording of this name: by its checksum, or by that of its arrays."""
    known = entry(name)
    if known.members:
        folder = Path(path)
        return all(
            (folder / member).is_file() and file_digest(folder / member) == sha256
            for member, sha256 in known.members.items()
        )
    if file_digest(path) == known.sha256:
        return True
    try:
        return content_digest(read_arrays(path)) == known.content_sha256
    except (CorruptData, TypeError):
        return False
