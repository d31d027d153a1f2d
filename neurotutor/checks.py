"""What the public doors of several chapters refuse, in one place; each error names the argument."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def as_count(name: str, value: Any, smallest: int = 1) -> int:
    """Read a whole number that is at least `smallest`.

    Raises:
        TypeError: for anything but a whole number.
        ValueError: if it is too small.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < smallest:
        raise ValueError(f"{name} must be at least {smallest}, got {value}")
    return int(value)


def as_positive(name: str, value: Any) -> float:
    """Read a finite number above zero.

    Raises:
        TypeError: for anything but a number.
        ValueError: for zero, a negative number, infinity or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be a finite number > 0, got {value}")
    return float(value)


def as_not_negative(name: str, value: Any) -> float:
    """Read a finite number, zero or above.

    Raises:
        TypeError: for anything but a number.
        ValueError: for a negative number, infinity or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a finite number >= 0, got {value}")
    return float(value)
