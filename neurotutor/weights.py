"""Small trained weights that travel with the package: packed, and with what made them.

Some networks of the book need minutes of training. A committed command of their chapter trains them
and keeps them here; the page loads them, says how they were made, and measures them anew.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neurotutor import runtime

_SCALE = ":scale"


@dataclass(frozen=True)
class Kept:
    """What a file of weights holds.

    Attributes:
        path: the file.
        made: how the weights were made: date, environment, and what `save` was told.
        arrays: other arrays that were kept beside them.
        states: packed weights of each model, by its name.
    """

    path: Path
    made: dict[str, Any]
    arrays: dict[str, np.ndarray]
    states: dict[str, dict[str, np.ndarray]]

    def restore(self, name: str, model: nn.Module) -> nn.Module:
        """Put the weights kept under `name` into a model, and switch it to evaluation.

        Args:
            name: of the weights.
            model: changed in place; of the sizes that were trained.

        Raises:
            KeyError: if no weights have this name.
            ValueError: if names or shapes are not those of the model.
        """
        if name not in self.states:
            raise KeyError(f"{self.path.name} holds {sorted(self.states)}, not {name!r}")
        packed, state = dict(self.states[name]), model.state_dict()
        for key, value in state.items():
            if key not in packed:
                raise ValueError(f"{self.path.name} lacks {key!r}: it holds another kind of model")
            array, scale = packed.pop(key), packed.pop(key + _SCALE, None)
            if array.shape != tuple(value.shape):
                raise ValueError(
                    f"{self.path.name}: {key!r} has the shape {array.shape}, the model "
                    f"{tuple(value.shape)}; build the model with the sizes that were trained"
                )
            if scale is not None:
                array = array.astype(np.float32) * _beside(scale, array)
            state[key] = torch.as_tensor(array).to(value.dtype)
        if packed:
            raise ValueError(f"{self.path.name} holds more than the model: {sorted(packed)[:3]}")
        model.load_state_dict(state)
        return model.eval()


def save(
    path: Path,
    models: Mapping[str, nn.Module],
    made: Mapping[str, Any],
    *,
    arrays: Mapping[str, np.ndarray] | None = None,
    one_byte: bool = False,
    exact: tuple[str, ...] = (),
) -> Path:
    """Write weights in one move, with the date and the environment of this process.

    Args:
        path: of the file, ending in .npz.
        models: name -> model.
        made: facts such as seeds, steps and data; what JSON can hold.
        arrays: other arrays to keep beside the weights.
        one_byte: keep arrays of two or more axes as whole numbers up to 127, with a scale for each
            entry of the first axis, and vectors in half precision; else everything as it is.
        exact: beginnings of names that are kept as they are in any case.

    Returns:
        The path.
    """
    facts = {
        **made,
        "date": time.strftime("%Y-%m-%d"),
        "environment": {**runtime.environment(), "device": _devices(models)},
    }
    stored = {f"array/{key}": value for key, value in (arrays or {}).items()}
    for name, model in models.items():
        for key, value in model.state_dict().items():
            array = value.detach().cpu().numpy()
            if one_byte and array.dtype.kind == "f" and not key.startswith(exact or ("\0",)):
                array, scale = _pack(array)
                if scale is not None:
                    stored[f"weights/{name}/{key}{_SCALE}"] = scale
            stored[f"weights/{name}/{key}"] = array
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        np.savez_compressed(file, made=json.dumps(facts), **stored)
    os.chmod(file.name, 0o644)  # a temporary file is its owner's alone
    os.replace(file.name, path)
    return path


def load(path: Path, command: str) -> Kept:
    """Read a file of weights.

    Args:
        path: of the file.
        command: what makes it, for the error.

    Raises:
        FileNotFoundError: if it has not been made.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there are no weights at {path}: make them with `{command}`")
    arrays: dict[str, np.ndarray] = {}
    states: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path, allow_pickle=False) as stored:
        made = json.loads(str(stored["made"]))
        for key in stored.files:
            kind, _, rest = key.partition("/")
            if kind == "array":
                arrays[rest] = stored[key]
            elif kind == "weights":
                name, _, part = rest.rpartition("/")
                states.setdefault(name, {})[part] = stored[key]
    return Kept(path, made, arrays, states)


def _devices(models: Mapping[str, nn.Module]) -> str:
    return ", ".join(sorted({p.device.type for m in models.values() for p in m.parameters()}))


def _pack(array: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    if array.ndim < 2:
        return array.astype(np.float16), None
    largest = np.abs(array).reshape(len(array), -1).max(axis=1)
    scale = (np.maximum(largest, 1e-12) / 127).astype(np.float32)
    return np.rint(array / _beside(scale, array)).astype(np.int8), scale


def _beside(scale: np.ndarray, array: np.ndarray) -> np.ndarray:
    """The scale with as many axes as the array, along its first one."""
    return scale.reshape(-1, *[1] * (array.ndim - 1))
