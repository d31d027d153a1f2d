"""Loaders of real recordings and simulators with known ground truth."""

from neurotutor.data.download import FetchError, fetch
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
    "FetchError",
    "UnknownData",
    "available",
    "fetch",
    "locate",
    "names",
    "require",
]
