"""From the originals of the recordings, as their authors published them, to plain arrays.

Every converter is tolerant of layout and strict in its result: what it returns is accepted only if
it is exactly the arrays that the registry describes (`neurotutor.data.download.fetch` compares).
Pickles are read by an unpickler that knows a few harmless names and refuses every other.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import torch
from scipy.io.matlab import MatReadError

from neurotutor.data.causal import from_netsim_subjects, from_runoff_tables
from neurotutor.data.mnist import from_idx
from neurotutor.data.nlb import from_csv
from neurotutor.data.registry import CorruptData, read_arrays
from neurotutor.data.text import from_utf8, from_utf8_short

Arrays = dict[str, np.ndarray]

# Names under which a graph of the reach originals may hold each array, the likeliest first.
_RATES = ("firing_rates", "rates", "x", "spikes", "fr")
_DIRECTION = ("direction", "labels", "label", "y", "target_direction", "target", "reach")
_TRIAL = ("trial", "trial_id", "trial_index", "trials", "sequence", "group", "batch")
_BIN = ("bin_in_trial", "timestep", "time_step", "time_index", "bin", "step", "t")
_HAND = {
    "hand_pos": ("hand_pos", "position", "pos"),
    "hand_vel": ("hand_vel", "velocity", "vel"),
    "hand_acc": ("hand_acc", "acceleration", "acc"),
    "hand_force": ("hand_force", "force"),
}


# What the unpickler and the allowed constructors raise, between them, on made-up pickles.
_UNPICKLING = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


class Graph:
    """Stands in for a graph of PyTorch Geometric, or its storage: it only keeps its state."""

    def __init__(self, *arguments: Any, **fields: Any):
        self.fields = dict(fields)

    def __setstate__(self, state: Any) -> None:
        parts = state if isinstance(state, tuple) else (state,)
        self.fields = {}
        for part in parts:
            if isinstance(part, dict):
                self.fields |= part

    def flat(self) -> dict[str, Any]:
        """Its fields, those of its storage in the place of the storage."""
        fields: dict[str, Any] = {}
        for key, value in self.fields.items():
            if key in ("_store", "_mapping"):
                fields |= value.flat() if isinstance(value, Graph) else dict(value)
            elif not key.startswith("_"):
                fields[key] = value
        return fields


class _Dtype:
    """Stands in for a NumPy dtype: the real one would let a pickle change NumPy's own types."""

    def __init__(self, name: str, *flags: Any):
        self.name, self.order = name, "="

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def real(self) -> np.dtype:
        """The dtype, if it is one of numbers."""
        made = np.dtype(self.name).newbyteorder(self.order)
        if made.kind not in "iufb":
            raise ValueError(f"it asks for an array of {self.name}")
        return made


class _Array:
    """Stands in for a NumPy array, and is made one from its bytes."""

    def __init__(self, *arguments: Any):
        self.values = np.zeros(0)

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, content = state
        flat = np.frombuffer(content, dtype.real())
        self.values = flat.reshape(shape, order="F" if fortran else "C")


def _scalar(dtype: _Dtype, content: bytes) -> np.number:
    return np.frombuffer(content, dtype.real())[0]


def _load_storage(content: bytes) -> Any:
    """PyTorch's own function of this purpose would unpickle whatever the bytes hold."""
    return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")


def _encode(text: str, codec: str) -> bytes:
    """How old pickles hold bytes; other codecs than theirs are of no use here."""
    if codec != "latin1":
        raise ValueError(f"it asks for the codec {codec!r}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("torch_geometric.data.data", "Data"): Graph,
    ("torch_geometric.data.storage", "GlobalStorage"): Graph,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch.storage", "_load_from_bytes"): _load_storage,
    ("collections", "OrderedDict"): dict,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ALLOWED[_module, "_reconstruct"] = _Array
    _ALLOWED[_module, "scalar"] = _scalar


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ALLOWED[module, name]


def restricted_load(content: bytes, label: str) -> Any:
    """Unpickle graphs, tensors and arrays; refuse everything else without running it.

    Args:
        content: the pickle.
        label: what to call it in an error.

    Raises:
        CorruptData: if the pickle is damaged or asks for anything that is not allowed.
    """
    try:
        return _RestrictedUnpickler(io.BytesIO(content)).load()
    except _UNPICKLING as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CorruptData(
            f"{label} is refused ({reason}): only graphs, tensors and arrays are read from a "
            "pickle, for anything else could run code"
        ) from error


def reach(original: Path) -> Arrays:
    """Convert a pickle of reaches (one graph a session, or one a trial).

    The width of the bins and the speed threshold are read from the name of the file.
    """
    named = re.search(r"bin(\d+\.\d+)-vel_thresh(\d+\.\d+)", original.name)
    if not named:
        raise CorruptData(
            f"{original.name} does not name its bin and threshold (expected binS.SS-vel_threshV.VV)"
        )
    bin_width, threshold = (np.float32(text) for text in named.groups())
    content = restricted_load(original.read_bytes(), original.name)
    graphs = [
        {key.lower(): _array(value) for key, value in graph.items() if _array(value) is not None}
        for graph in _graphs(content)
    ]
    if not graphs:
        raise CorruptData(f"{original.name} holds no graph, but a {type(content).__name__}")

    def column(names: tuple[str, ...], n_columns: int | None, what: str) -> list[np.ndarray]:
        return [_pick(graph, names, n_columns, what, original.name) for graph in graphs]

    rates = column(_RATES, None, "firing rates")
    lengths = [len(each) for each in rates]
    if len(graphs) == 1:
        trial = column(_TRIAL, 1, "trial number")[0].astype(np.int64)
        trial = np.unique(trial, return_inverse=True)[1]
    else:
        trial = np.repeat(np.arange(len(graphs)), lengths)
    starts = np.flatnonzero(np.diff(trial, prepend=-1))
    if threshold > 0 or any(_find(graph, _BIN) for graph in graphs):
        bin_in_trial = np.concatenate(column(_BIN, 1, "index of the bin in its trial"))
    else:
        bin_in_trial = np.arange(len(trial)) - starts[trial]
    labels = [
        np.broadcast_to(np.ravel(each), (length,)) if np.size(each) == 1 else np.ravel(each)
        for each, length in zip(column(_DIRECTION, 1, "direction"), lengths, strict=True)
    ]
    direction = _whole(np.concatenate(labels), original.name, "direction").astype(np.int8)
    hand = {}
    for key, names in _HAND.items():
        values = np.concatenate(column(names, 2, key)).astype(np.float32)
        # The originals hold zeros for what was not recorded.
        hand[key] = values if values.any() else np.full_like(values, np.nan)
    counts = _whole(np.concatenate(rates) * np.float64(bin_width), original.name, "spike counts")
    return {
        "spike_counts": counts.astype(np.int16),
        "direction": direction,
        "trial": trial.astype(np.int16),
        "bin_in_trial": _whole(bin_in_trial, original.name, "bins").astype(np.int16),
        **hand,
        "trial_direction": direction[starts],
        "bin_width_s": np.array(bin_width),
        "speed_threshold": np.array(threshold),
    }


def hiwa_monkey_rates(original: Path) -> Arrays:
    """Convert a MATLAB file of two sessions that holds rates in 200 ms bins: counts = rate / 5."""
    return _two_sessions(original, rate_of_one_spike=5.0) | {"bin_s": np.array(np.float32(0.2))}


def hiwa_monkey_counts(original: Path) -> Arrays:
    """Convert a MATLAB file of two sessions that holds spike counts."""
    return _two_sessions(original, rate_of_one_spike=1.0)


def _two_sessions(original: Path, rate_of_one_spike: float) -> Arrays:
    try:
        content = scipy.io.loadmat(original)
    except (ValueError, TypeError, OSError, NotImplementedError, MatReadError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CorruptData(f"{original.name} is not a readable MATLAB 5 file ({reason})") from error
    found = {key.lower(): value for key, value in content.items() if not key.startswith("__")}
    arrays = {}
    for part, name in (("tr", "train"), ("te", "test")):
        velocity, rates, target = _variables(
            found, [f"x{part}", f"y{part}", f"t{part}"], original.name
        )
        n_bins = len(rates)
        if velocity.ndim != 2 or velocity.shape[0] != n_bins or velocity.shape[1] < 2:
            raise CorruptData(
                f"{original.name}: X{part} must be ({n_bins}, 2) like Y{part}, got {velocity.shape}"
            )
        counts = _whole(rates / rate_of_one_spike, original.name, f"spike counts (Y{part})")
        arrays |= {
            f"counts_{name}": counts.astype(np.uint8),
            f"velocity_{name}": velocity[:, :2].astype(np.float32),
            f"direction_{name}": np.ravel(target).astype(np.int16),
        }
    return arrays


def hiwa_gaussians(original: Path) -> Arrays:
    """Convert the archive of two rotated sets of Gaussian clusters."""
    found = {key.lower(): value for key, value in read_arrays(original).items()}
    wanted = ["x_te", "t_te", "x_tr", "t_tr"]
    source, source_labels, target, target_labels = _variables(found, wanted, original.name)
    return {
        "x_source": source.astype(np.float32),
        "label_source": np.ravel(source_labels).astype(np.int16),
        "x_target": target.astype(np.float32),
        "label_target": np.ravel(target_labels).astype(np.int16),
    }


def rodent_sleep(spikes_original: Path, states_original: Path) -> Arrays:
    """Convert the two arrays of a sleep recording: spikes per bin, and the state in each bin."""
    spikes, states = (_bare_array(path) for path in (spikes_original, states_original))
    states = np.ravel(states)
    if spikes.ndim != 2 or len(states) not in spikes.shape:
        raise CorruptData(
            f"{spikes_original.name} must be (neurons, bins) or (bins, neurons) for the "
            f"{len(states)} bins of {states_original.name}, got {spikes.shape}"
        )
    spikes = spikes if len(spikes) == len(states) else spikes.T
    return {
        "spike_counts": _whole(spikes, spikes_original.name, "spike counts").astype(np.int16),
        "state": _whole(states, states_original.name, "states").astype(np.int8),
        "bin_width_s": np.array(np.float32(4.0)),
    }


CONVERTERS: dict[str, Callable[..., Arrays]] = {
    "reach": reach,
    "hiwa-monkey-rates": hiwa_monkey_rates,
    "hiwa-monkey-counts": hiwa_monkey_counts,
    "hiwa-gaussians": hiwa_gaussians,
    "rodent-sleep": rodent_sleep,
    "idx": from_idx,
    "netsim-subjects": from_netsim_subjects,
    "runoff-tables": from_runoff_tables,
    "text": from_utf8,
    "text-short": from_utf8_short,
    "maze-csv": from_csv,
}


def _bare_array(path: Path) -> np.ndarray:
    try:
        return np.lib.format.read_array(io.BytesIO(path.read_bytes()), allow_pickle=False)
    except (ValueError, EOFError, TypeError, OverflowError, MemoryError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CorruptData(f"{path.name} is not a readable .npy array ({reason})") from error


def _graphs(content: Any) -> Iterable[dict[str, Any]]:
    """All graphs in nested lists and dicts, in order."""
    if isinstance(content, Graph):
        yield content.flat()
    elif isinstance(content, dict):
        if any(_array(value) is not None for value in content.values()):
            yield content
        else:
            for value in content.values():
                yield from _graphs(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _graphs(value)


def _array(value: Any) -> np.ndarray | None:
    """The value as an array of numbers, or None if it is none."""
    if isinstance(value, torch.Tensor):
        return value.numpy()
    if isinstance(value, _Array):
        return value.values
    if (
        isinstance(value, np.ndarray | np.number | int | float)
        and np.asarray(value).dtype.kind in "iufb"
    ):
        return np.asarray(value)
    return None


def _find(graph: Mapping[str, np.ndarray], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in graph), None)


def _pick(
    graph: Mapping[str, np.ndarray],
    names: tuple[str, ...],
    n_columns: int | None,
    what: str,
    label: str,
) -> np.ndarray:
    name = _find(graph, names)
    if name is None:
        raise CorruptData(
            f"{label} holds no {what} (expected one of {', '.join(names)}; found {_shapes(graph)})"
        )
    values = graph[name]
    if n_columns == 1:
        return np.ravel(values)
    if values.ndim != 2 or (n_columns is not None and values.shape[1] != n_columns):
        raise CorruptData(
            f"{label}: {what} must have {n_columns or 'neurons as'} columns; found {_shapes(graph)}"
        )
    return values


def _variables(found: Mapping[str, np.ndarray], wanted: list[str], label: str) -> list[np.ndarray]:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise CorruptData(f"{label} lacks {', '.join(missing)}; found {_shapes(found)}")
    bad = [name for name in wanted if np.asarray(found[name]).dtype.kind not in "iufb"]
    if bad:
        raise CorruptData(f"{label}: {', '.join(bad)} must hold numbers; found {_shapes(found)}")
    return [np.asarray(found[name]) for name in wanted]


def _shapes(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {np.shape(value)}" for key, value in found.items()) or "nothing"


def _whole(values: np.ndarray, label: str, what: str) -> np.ndarray:
    values = np.asarray(values, np.float64)
    rounded = np.round(values)
    if not np.isfinite(values).all() or np.abs(values - rounded).max(initial=0.0) > 1e-3:
        raise CorruptData(f"{label}: {what} are not whole numbers")
    return rounded
