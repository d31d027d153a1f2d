"""Loaders of real recordings and simulators with known ground truth."""

from neurotutor.data.registry import (
    CorruptData,
    DataNotFound,
    UnknownData,
    available,
    locate,
    names,
    require,
)

__all__ = [
    "CorruptData",
    "DataNotFound",
    "UnknownData",
    "available",
    "locate",
    "names",
    "require",
]
