"""Spectral against sliding convolution over sizes and kernels: `python -m benchmarks.sclc`.

One picture, 8 to 8 channels, single precision. Three ways of ours (sliding by PyTorch, spectra with
kernels kept, spectra with kernels transformed each time) take turns with SciPy's `fftconvolve` and
`oaconvolve`, and with fft-conv-pytorch where that package is installed. A cell of the grid in which
sliding would need more than a set number of multiplications is left out. No time is printed unless
every way gives the same picture.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
from collections.abc import Callable

import numpy as np
import torch
from scipy.signal import fftconvolve, oaconvolve

from benchmarks import common
from neurotutor.perception import sclc

SIZES = (32, 64, 128, 256, 512)
KERNELS = (3, 7, 11, 15, 31, 63)
CHANNELS = 8
PEERS = {
    "sliding": "sliding, by PyTorch",
    "SciPy fft": "scipy.signal.fftconvolve",
    "SciPy oa": "scipy.signal.oaconvolve",
    "fft-conv-pytorch": "fft-conv-pytorch",
}
MOST_MULTIPLICATIONS = 4e9
SLOWEST_PEER_POINTS = 256**2  # SciPy works pair by pair; beyond this it takes minutes


def ways(size: int, kernel_size: int) -> tuple[dict[str, Callable[[], object]], dict[str, dict]]:
    """Every way of computing one layer, and how well it agrees with sliding."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, CHANNELS, size, size, generator=generator)
    kernel = torch.randn(CHANNELS, CHANNELS, kernel_size, kernel_size, generator=generator)
    kernel = kernel / math.sqrt(CHANNELS * kernel_size**2)
    grid = sclc.transform_grid((size, size), (kernel_size, kernel_size))
    spectrum = sclc.kernel_spectrum(kernel, grid)
    found: dict[str, Callable[[], object]] = {
        "sliding": lambda: sclc.spatial_conv2d(x, kernel),
        "spectra, kept": lambda: sclc.apply_spectrum(
            x, spectrum, (kernel_size, kernel_size), "same", grid
        ),
        "spectra, each time": lambda: sclc.spectral_conv2d(x, kernel),
    }
    if size**2 <= SLOWEST_PEER_POINTS:
        pictures, weights = x[0].numpy(), kernel.numpy()
        for name, function in (("SciPy fft", fftconvolve), ("SciPy oa", oaconvolve)):
            found[name] = lambda f=function: np.stack(
                [
                    sum(f(pictures[i], each[i], mode="same") for i in range(CHANNELS))
                    for each in weights
                ]
            )[None]
    if importlib.util.find_spec("fft_conv_pytorch"):
        from fft_conv_pytorch import fft_conv

        flipped, padding = kernel.flip(-2, -1), kernel_size // 2
        found["fft-conv-pytorch"] = lambda: fft_conv(x, flipped, padding=padding)
    reference = sclc.spatial_conv2d(x, kernel)
    agreed = {}
    for name, way in found.items():
        wrong = float((torch.as_tensor(way()) - reference).abs().max() / reference.abs().max())
        agreed[name] = common.agreement(f"largest relative difference of {name}", wrong, 1e-3)
    return found, agreed


def _gap(agreed: dict) -> float:
    return agreed["value"]


def extend(parser: argparse.ArgumentParser) -> None:
    """Arguments of the grid."""
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--kernels", type=int, nargs="+", default=KERNELS)


def main(arguments: list[str] | None = None) -> int:
    options = common.options(__doc__, "sclc", arguments, repeats=3, extend=extend)
    rows, speedups = [], {}
    with torch.no_grad():
        for kernel_size in options.kernels:
            for size in options.sizes:
                work = sclc.spatial_operations(size, kernel_size, CHANNELS, CHANNELS)
                if kernel_size > size or work > MOST_MULTIPLICATIONS:
                    continue
                calls, agreed = ways(size, kernel_size)
                times = common.interleave(calls, options.repeats)
                speedups[size, kernel_size] = (
                    times["sliding"]["min_s"] / times["spectra, kept"]["min_s"]
                )
                rows += [
                    common.row(
                        f"A layer with kernels of {kernel_size} x {kernel_size}",
                        times["spectra, kept"],
                        times[name],
                        peer_name=peer,
                        agreement=max(agreed["spectra, kept"], agreed[name], key=_gap),
                        size=("pixels a side", size),
                    )
                    for name, peer in PEERS.items()
                    if name in times
                ]
    targets = [
        common.target(
            f"times as fast as sliding, {size} pixels, kernels of {kernel}",
            value,
            1,
            sense="at most" if kernel == 3 else "at least",
            profile=lambda s=size, k=kernel: common.operators(ways(s, k)[0]["spectra, kept"]),
        )
        for (size, kernel), value in speedups.items()
        if kernel == 3 or (size == 128 and kernel >= 15)
    ]
    record = common.record(
        "sclc",
        rows,
        targets,
        repeats=options.repeats,
        seeds=[0],
        packages=["torch", "scipy"],
        peers=["fft-conv-pytorch"],
        details={
            "channels": CHANNELS,
            "smallest_kernel_for_which_spectra_win": {
                str(size): next(
                    (k for s, k in sorted(speedups) if s == size and speedups[s, k] > 1), None
                )
                for size in options.sizes
            },
        },
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
