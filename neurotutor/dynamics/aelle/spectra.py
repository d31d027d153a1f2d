"""Spectra of networks of different sizes, brought to one length."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from neurotutor.checks import as_count


def resample_spectrum(
    spectrum: Float[np.ndarray, "*networks exponents"], length: int, *, mode: str = "quantile"
) -> Float[np.ndarray, "*networks length"]:
    """Read a spectrum off at other ranks, so that networks of any size can be compared.

    Exponent i of n stands for the share (i - 1/2)/n of all directions. The new exponents are read
    off at the shares of `length` directions, on straight lines between the old ones; half a step
    beyond the ends the outermost lines go on.

    Args:
        spectrum: exponents in descending order, the last axis; nats or bits per step.
        length: how many are wanted.
        mode: "quantile" as above, or "doubling" as in the authors' code (see `double_spectrum`).

    Returns:
        Exponents, unit as they came.

    Raises:
        ValueError: for an unknown mode, exponents that are not finite, a spectrum with fewer than
            two exponents, or a length that doubling cannot reach.
        TypeError: if `length` is not a whole number.

    Source: Vogt et al. (2024), length matching; the quantile form is ours.
    """
    spectrum = np.asarray(spectrum, dtype=float)
    as_count("length", length)
    if spectrum.ndim == 0 or spectrum.shape[-1] < 2:
        raise ValueError(f"a spectrum needs two exponents or more, got shape {spectrum.shape}")
    if not np.isfinite(spectrum).all():
        raise ValueError(
            "exponents must be finite: drop diverged networks (NaN), "
            "or raise minus infinity with clip_floor"
        )
    n = spectrum.shape[-1]
    if mode == "doubling":
        times = np.log2(length / n)
        if times < 0 or times != round(times):
            raise ValueError(
                f"doubling reaches {n}, {2 * n}, {4 * n}, ... exponents, not {length}: "
                "use mode='quantile'"
            )
        for _ in range(round(times)):
            spectrum = double_spectrum(spectrum)
        return spectrum
    if mode != "quantile":
        raise ValueError(f"mode must be quantile or doubling, got {mode!r}")
    place = (np.arange(length) + 0.5) / length * n - 0.5
    left = np.clip(np.floor(place).astype(int), 0, n - 2)
    share = place - left
    return (1 - share) * spectrum[..., left] + share * spectrum[..., left + 1]


def double_spectrum(
    spectrum: Float[np.ndarray, "*networks exponents"],
) -> Float[np.ndarray, "*networks twice"]:
    """Put a midpoint after every exponent; the last gap is a copy of the one before.

    Args:
        spectrum: exponents, the last axis.

    Returns:
        Twice as many: the old ones at even places.

    Source: Vogt et al. (2024), released code.
    """
    half = -np.diff(spectrum, axis=-1) / 2
    half = np.concatenate([half, half[..., -1:]], axis=-1)
    return np.stack([spectrum, spectrum - half], axis=-1).reshape(
        *spectrum.shape[:-1], 2 * spectrum.shape[-1]
    )


def clip_floor(
    spectra: Float[np.ndarray, "*networks exponents"], floor: float | int
) -> tuple[Float[np.ndarray, "*networks exponents"], int]:
    """Raise exponents below a stated floor to it, and say how many there were.

    A saturated unit forgets at once, and its exponent is minus infinity. No network can be fed
    with that, and silence about it would be wrong.

    Args:
        spectra: exponents; minus infinity is allowed, NaN is not.
        floor: smallest value to keep, in the unit of the exponents.

    Returns:
        Exponents not below the floor, and the number of those that were raised.

    Raises:
        ValueError: if an exponent is NaN or plus infinity, or the floor is not finite.
    """
    if not np.isfinite(floor):
        raise ValueError(f"floor must be finite, got {floor}")
    if np.isnan(spectra).any() or np.isposinf(spectra).any():
        raise ValueError("exponents must not be NaN or plus infinity: drop diverged networks")
    return np.maximum(spectra, floor), int((spectra < floor).sum())
