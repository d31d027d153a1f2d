"""What a convolution costs: by sliding, by spectra, by light; counted, and measured."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from neurotutor.checks import as_count, as_positive
from neurotutor.perception.sclc.spectral import (
    apply_spectrum,
    kernel_spectrum,
    spatial_conv2d,
    spectral_conv2d,
    transform_grid,
)


def spatial_operations(
    size: int, kernel_size: int, inputs: int, outputs: int, batch: int = 1
) -> float:
    """Multiplications of a sliding kernel: `batch inputs outputs size^2 kernel_size^2`.

    Args:
        size: H, pixels of a side.
        kernel_size: K, of a side.
        inputs: channels that come in.
        outputs: channels that go out.
        batch: pictures.

    Source: the brief of Xiang et al. (2022), section 3.7.
    """
    return float(batch * inputs * outputs * size**2 * kernel_size**2)


def spectral_operations(
    size: int, kernel_size: int, inputs: int, outputs: int, batch: int = 1
) -> float:
    """Operations by spectra: a transform for every channel, and a product for every pair.

    A transform of n^2 points costs about `5/2 n^2 log2(n^2)`, and the products of the half spectrum
    `2 n^2` real multiplications, n = size + kernel_size - 1. Kernels are transformed beforehand.

    Args:
        size: H, pixels of a side.
        kernel_size: K, which enters by n alone.
        inputs: channels that come in.
        outputs: channels that go out.
        batch: pictures.

    Source: the brief of Xiang et al. (2022), section 3.7.
    """
    points = (size + kernel_size - 1) ** 2
    transforms = (inputs + outputs) * 2.5 * points * math.log2(points)
    return float(batch * (transforms + 2 * inputs * outputs * points))


def predicted_crossover(
    size: int, inputs: int, outputs: int, *, speed_ratio: float | int = 1.0
) -> int | None:
    """Smallest odd kernel for which counting operations favours the spectra.

    Args:
        size: H.
        inputs: channels that come in.
        outputs: channels that go out.
        speed_ratio: how many multiplications of a sliding kernel the machine does in the time of
            one operation of a transform; 1 counts them alike.

    Returns:
        K, or `None` if no kernel up to the size of the picture is large enough.

    Raises:
        ValueError: if a number is not positive.
    """
    as_positive("speed_ratio", speed_ratio)
    for kernel_size in range(1, as_count("size", size) + 1, 2):
        spatial = spatial_operations(size, kernel_size, inputs, outputs)
        if spatial > speed_ratio * spectral_operations(size, kernel_size, inputs, outputs):
            return kernel_size
    return None


def optical_exposures(inputs: int, outputs: int, *, signed: bool = True) -> int:
    """Camera frames of one layer on the bench: independent of the picture and of the kernel."""
    return as_count("inputs", inputs) * as_count("outputs", outputs) * (2 if signed else 1)


def optical_seconds(
    inputs: int, outputs: int, *, frames_per_second: float | int = 1000.0, signed: bool = True
) -> float:
    """Time of one layer on the bench, if the modulator and the camera set the pace.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        frames_per_second: of the slower of the two; an assumption, not a measurement.
        signed: two exposures for every pair of channels.
    """
    frames = optical_exposures(inputs, outputs, signed=signed)
    return frames / as_positive("frames_per_second", frames_per_second)


@dataclass(frozen=True)
class Timing:
    """Seconds of one convolution layer, the smallest of several runs.

    Attributes:
        size: pixels of a side.
        kernel_size: of a side.
        spatial: by sliding the kernel.
        spectral: by spectra, those of the kernels kept.
        uncached: by spectra, those of the kernels computed each time.
    """

    size: int
    kernel_size: int
    spatial: float
    spectral: float
    uncached: float

    @property
    def speedup(self) -> float:
        """How many times faster kept spectra are than sliding."""
        return self.spatial / self.spectral


def measure(
    size: int,
    kernel_size: int,
    *,
    inputs: int = 8,
    outputs: int = 8,
    repeats: int = 5,
    clock: Callable[[], float] = time.process_time,
    seed: int = 0,
) -> Timing:
    """Time one layer on one picture, the three ways in turn.

    Args:
        size: H.
        kernel_size: K.
        inputs: channels that come in.
        outputs: channels that go out.
        repeats: the smallest time of so many counts, since other work only adds.
        clock: in seconds.
        seed: of the random picture and kernels.

    Raises:
        ValueError: for numbers below 1.
        ArithmeticError: if the ways disagree by more than 1e-3: then no time means anything.
    """
    as_count("repeats", repeats)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, inputs, size, size, generator=generator)
    shape = (outputs, inputs, kernel_size, kernel_size)
    kernel = torch.randn(shape, generator=generator) / math.sqrt(inputs * kernel_size**2)
    grid = transform_grid((size, size), (kernel_size, kernel_size))
    spectrum = kernel_spectrum(kernel, grid)
    ways: dict[str, Callable[[], torch.Tensor]] = {
        "spatial": lambda: spatial_conv2d(x, kernel),
        "spectral": lambda: apply_spectrum(x, spectrum, (kernel_size,) * 2, "same", grid),
        "uncached": lambda: spectral_conv2d(x, kernel),
    }
    best = dict.fromkeys(ways, math.inf)
    with torch.no_grad():
        results = {name: way() for name, way in ways.items()}
        wrong = (results["spatial"] - results["spectral"]).abs().max()
        if wrong > 1e-3 * results["spatial"].abs().max():
            raise ArithmeticError(f"the two ways differ by {float(wrong):.2g}; no time is given")
        for _ in range(repeats):
            for name, way in ways.items():
                start = clock()
                way()
                best[name] = min(best[name], clock() - start)
    return Timing(size, kernel_size, **best)


def crossover(timings: Sequence[Timing]) -> int | None:
    """Smallest kernel from which on spectra are faster at every larger one that was measured.

    Args:
        timings: of one size, in increasing order of the kernel.

    Returns:
        Its size, or `None` if sliding is faster for the largest.
    """
    found = None
    for each in reversed(timings):
        if each.speedup <= 1:
            break
        found = each.kernel_size
    return found
