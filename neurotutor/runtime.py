"""Which device, which scale, which versions: the few facts about a run that chapters ask for."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import Literal

import torch

import neurotutor

Scale = Literal["tutorial", "paper"]

_RECORDED = ("numpy", "scipy", "scikit-learn", "torch")


def device() -> torch.device:
    """The fastest device that PyTorch finds here: CUDA, else Apple's MPS, else the CPU.

    Package code takes the device of its inputs; only notebooks call this.
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def scale() -> Scale:
    """The scale that this run was asked for, from the environment variable `NEUROTUTOR_SCALE`.

    Returns:
        `"tutorial"` (default: minutes on two CPU cores) or `"paper"` (the paper's sizes).

    Raises:
        ValueError: if the variable holds anything else.
    """
    value = os.environ.get("NEUROTUTOR_SCALE", "tutorial")
    if value not in ("tutorial", "paper"):
        raise ValueError(
            f"NEUROTUTOR_SCALE must be 'tutorial' or 'paper', got {value!r}; unset it or correct it"
        )
    return value


def environment() -> dict[str, str | int]:
    """What a recorded number must carry: device, threads, Python and package versions, scale."""
    found = device()
    name = torch.cuda.get_device_name() if found.type == "cuda" else platform.machine()
    return {
        "device": f"{found.type} ({name})",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count() or 1,
        "platform": platform.system(),
        "python": platform.python_version(),
        "neurotutor": neurotutor.__version__,
        **{package: metadata.version(package) for package in _RECORDED},
        "scale": scale(),
    }
