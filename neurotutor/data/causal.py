"""Three real or realistic time series whose causal graph is known: two rivers, one brain model.

Adjacency everywhere: entry [i, j] is true if i drives j; the diagonal is false, because nothing is
known about self-influence.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from neurotutor.data import registry
from neurotutor.data.registry import CorruptData, read_arrays

RIVER_RUNOFF = "causal/river_runoff"
DANUBE = "causal/danube31"
NETSIM = "causal/netsim_sim3"

# To be shown wherever these data are.
RIVER_SOURCE = "Datenquelle: Bayerisches Landesamt für Umwelt, www.lfu.bayern.de"

_FIRST_DAY, _DAYS = np.datetime64("2017-01-01"), 1095
_STATIONS = ("Kempten (Iller)", "Dillingen (Danube)", "Lenggries (Isar)")
_SUBJECTS, _VOLUMES, _REGIONS = 50, 200, 15


@dataclass(frozen=True)
class Rivers:
    """Daily discharge at gauging stations.

    Attributes:
        discharge: daily mean, m^3/s.
        date: of each row, without gaps.
        station: name of each column.
        adjacency: entry [i, j] true: the water of i flows on to j.
        position: where to draw each station (x, y); longitude and latitude in degrees where they
            are known, else NaN.
        name: of the recording.
    """

    discharge: Float[np.ndarray, "days stations"]
    date: np.ndarray
    station: tuple[str, ...]
    adjacency: Bool[np.ndarray, "stations stations"]
    position: Float[np.ndarray, "stations 2"]
    name: str

    @property
    def log_change(self) -> Float[np.ndarray, "changes stations"]:
        """Differences of the logarithm from day to day: what is new in the flow."""
        return np.diff(np.log(self.discharge), axis=0)


@dataclass(frozen=True)
class NetSim:
    """Simulated fMRI of several subjects with one network.

    Attributes:
        bold: BOLD signal, one volume every 3 s.
        adjacency: entry [i, j] true: region i drives region j.
        name: of the set.
    """

    bold: Float[np.ndarray, "subjects volumes regions"]
    adjacency: Bool[np.ndarray, "regions regions"]
    name: str


def load_rivers(name_or_path: str | os.PathLike = RIVER_RUNOFF) -> Rivers:
    """Load a set of gauging stations.

    Args:
        name_or_path: `"causal/river_runoff"` (three stations), `"causal/danube31"` (31), or the
            path of an `.npz` of the same form.

    Raises:
        neurotutor.data.DataNotFound: if the recording or the file is not on this machine.
        neurotutor.data.UnknownData: for a name that the registry does not hold.
        neurotutor.data.CorruptData: if the file is damaged or lacks an array.
        ValueError: if an array has a wrong shape or type, or impossible values.

    Source: Gerhardus & Runge (2020); Asadi, Davison & Engelke (2015).
    """
    path = registry.resolve(name_or_path)
    arrays = read_arrays(path, ("discharge", "date", "adjacency"))

    def fail(problem: str) -> ValueError:
        return ValueError(f"{path} is not a set of gauging stations: {problem}")

    discharge = _finite(arrays["discharge"], 2, "discharge", fail)
    if not (discharge > 0).all():
        raise fail("discharge must be positive, in m^3/s")
    days, n_stations = discharge.shape
    try:
        date = arrays["date"].astype("datetime64[D]")
    except ValueError as error:
        raise fail(f"date must hold ISO dates ({error})") from error
    if date.shape != (days,) or (np.diff(date) != np.timedelta64(1, "D")).any():
        raise fail(f"date must be {days} days in a row, got {date.shape}")
    if "station" in arrays:
        station = tuple(map(str, arrays["station"]))
    elif "river" in arrays:
        station = tuple(f"{river} {i + 1}" for i, river in enumerate(arrays["river"]))
    else:
        raise fail("it names neither stations nor rivers")
    if len(station) != n_stations:
        raise fail(f"there are {len(station)} names for {n_stations} stations")
    position = np.full((n_stations, 2), np.nan)
    if {"lon", "lat"} <= arrays.keys():
        for axis, key in enumerate(("lon", "lat")):
            column = _finite(arrays[key], 1, key, fail)
            if column.shape != (n_stations,):
                raise fail(f"{key} must be ({n_stations},), got {column.shape}")
            position[:, axis] = column
    return Rivers(
        discharge=discharge,
        date=date,
        station=station,
        adjacency=_adjacency(arrays["adjacency"], n_stations, fail),
        position=position,
        name=_name(name_or_path, path),
    )


def load_netsim(name_or_path: str | os.PathLike = NETSIM) -> NetSim:
    """Load simulation 3 of NetSim: BOLD signals of 50 simulated subjects.

    Args:
        name_or_path: `"causal/netsim_sim3"`, or the path of an `.npz` of the same form.

    Raises:
        neurotutor.data.DataNotFound: if the recording or the file is not on this machine.
        neurotutor.data.UnknownData: for a name that the registry does not hold.
        neurotutor.data.CorruptData: if the file is damaged or lacks an array.
        ValueError: if an array has a wrong shape or type.

    Source: Smith et al. (2011).
    """
    path = registry.resolve(name_or_path)
    arrays = read_arrays(path, ("bold", "adjacency"))

    def fail(problem: str) -> ValueError:
        return ValueError(f"{path} is not a set of simulated subjects: {problem}")

    bold = _finite(arrays["bold"], 3, "bold", fail)
    return NetSim(
        bold=bold,
        adjacency=_adjacency(arrays["adjacency"], bold.shape[2], fail),
        name=_name(name_or_path, path),
    )


def from_runoff_tables(kempten: Path, dillingen: Path, lenggries: Path) -> dict[str, np.ndarray]:
    """Convert the three tables that the agency publishes: one row a day, `;` between fields.

    A heading line names the column `Mittelwert` (daily mean); numbers have a decimal comma.

    Raises:
        neurotutor.data.CorruptData: if a table is of another form or lacks days.
    """
    columns = [_daily_means(path) for path in (kempten, dillingen, lenggries)]
    adjacency = np.zeros((3, 3), np.int8)
    adjacency[0, 1] = 1
    return {
        "discharge": np.asarray(columns, np.float32).T,
        "date": (_FIRST_DAY + np.arange(_DAYS)).astype("U10"),
        "station": np.array(_STATIONS, "U24"),
        "adjacency": adjacency,
    }


def from_netsim_subjects(*subjects: Path) -> dict[str, np.ndarray]:
    """Convert the archives of the subjects, in order: `X_np` (regions, volumes) and `Gref`.

    Rows of `Gref` are effects and its diagonal is 1; the result has causes in rows and 0 there.

    Raises:
        neurotutor.data.CorruptData: if an archive is of another form, or networks differ.
    """
    bold, networks = [], []
    for path in subjects:
        arrays = read_arrays(path, ("X_np", "Gref"))
        shapes = arrays["X_np"].shape, arrays["Gref"].shape
        if shapes != ((_REGIONS, _VOLUMES), (_REGIONS, _REGIONS)):
            raise CorruptData(
                f"{path.name}: X_np and Gref must be {(_REGIONS, _VOLUMES)} and "
                f"{(_REGIONS, _REGIONS)}, got {shapes[0]} and {shapes[1]}"
            )
        bold.append(arrays["X_np"].T.astype(np.float32))
        networks.append(arrays["Gref"] != 0)
    if len(subjects) != _SUBJECTS or any((each != networks[0]).any() for each in networks):
        raise CorruptData(
            f"expected {_SUBJECTS} subjects with one network, got {len(subjects)} archives"
        )
    adjacency = networks[0].T & ~np.eye(_REGIONS, dtype=bool)
    return {"bold": np.stack(bold), "adjacency": adjacency.astype(np.int8)}


def _daily_means(path: Path) -> np.ndarray:
    """Daily means of the registered years, in order."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    means: dict[np.datetime64, float] = {}
    column = None
    for line in text.splitlines():
        fields = [field.strip().strip('"') for field in line.split(";")]
        if column is None:
            column = fields.index("Mittelwert") if "Mittelwert" in fields else None
        elif len(fields) > column and fields[0]:
            try:
                means[np.datetime64(fields[0][:10])] = float(fields[column].replace(",", "."))
            except ValueError:
                continue  # a day without a value; whether one is missing is checked below
    days = _FIRST_DAY + np.arange(_DAYS)
    missing = sum(day not in means for day in days)
    if missing:
        raise CorruptData(
            f"{path.name} lacks the daily mean of {missing} of {_DAYS} days from {_FIRST_DAY} on: "
            "is it a table of another form?"
        )
    return np.array([means[day] for day in days])


def _finite(
    values: np.ndarray, axes: int, key: str, fail: Callable[[str], ValueError]
) -> np.ndarray:
    if values.dtype.kind not in "fiu" or values.ndim != axes or values.size == 0:
        raise fail(f"{key} must hold numbers on {axes} axes, got {values.dtype} {values.shape}")
    if not np.isfinite(values).all():
        raise fail(f"{key} holds NaN or infinite values")
    return values.astype(np.float64)


def _adjacency(values: np.ndarray, n_nodes: int, fail: Callable[[str], ValueError]) -> np.ndarray:
    if values.shape != (n_nodes, n_nodes) or not np.isin(values, (0, 1)).all():
        raise fail(
            f"adjacency must be ({n_nodes}, {n_nodes}) of 0 and 1, got {values.dtype} "
            f"{values.shape}"
        )
    if values.diagonal().any():
        raise fail("adjacency must have a diagonal of 0")
    return values.astype(bool)


def _name(name_or_path: str | os.PathLike, path: Path) -> str:
    is_name = isinstance(name_or_path, str) and not name_or_path.endswith(".npz")
    return name_or_path if is_name else path.stem
