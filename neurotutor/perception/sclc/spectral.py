"""Convolution and pooling in the Fourier plane, and why a stack of them is one kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Complex, Float, Inexact
from scipy.fft import next_fast_len
from torch import Tensor, nn

from neurotutor.checks import as_count

Mode = Literal["same", "full", "circular"]
MODES = ("same", "full", "circular")


def spectral_conv2d(
    x: Inexact[Tensor, "batch inputs height width"],
    kernel: Inexact[Tensor, "outputs inputs rows columns"],
    mode: Mode = "same",
    n: int | tuple[int, int] | None = None,
) -> Inexact[Tensor, "batch outputs newheight newwidth"]:
    """Convolve pictures with kernels by multiplying their spectra.

    This is true convolution: it equals `torch.nn.functional.conv2d` with the kernel flipped in both
    axes. In the result of `"same"`, the centre of the kernel is its entry `(K - 1) // 2`.

    Args:
        x: pictures, shape (batch, inputs, height, width), real or complex.
        kernel: shape (outputs, inputs, rows, columns).
        mode: `"full"` gives all `height + rows - 1` rows, `"same"` as many as the picture has,
            `"circular"` wraps around on a grid of `n` points, with entry (0, 0) as the kernel's
            centre, and is not shifted.
        n: points of the transform in each axis. Default: the next fast size that holds the whole
            result, and for `"circular"` the size of the picture.

    Returns:
        Real if both arguments are real, else complex. In mode `"circular"` its size is `n`.

    Raises:
        TypeError: if an argument is no tensor of floating-point or complex numbers.
        ValueError: if channels disagree, the mode is unknown, or `n` is too small to hold the
            result (for `"circular"`: to hold the picture and the kernel).

    Source: brief of Xiang et al. (2022), section 3.1; Mathieu, Henaff & LeCun (2014).
    """
    _check_pair(x, kernel)
    grid = transform_grid(tuple(x.shape[-2:]), tuple(kernel.shape[-2:]), mode, n)
    half = not (x.is_complex() or kernel.is_complex())
    spectrum = kernel_spectrum(kernel, grid, half=half)
    return apply_spectrum(x, spectrum, tuple(kernel.shape[-2:]), mode, grid)


def transform_grid(
    size: tuple[int, int],
    kernel_size: tuple[int, int],
    mode: Mode = "same",
    n: int | tuple[int, int] | None = None,
) -> tuple[int, int]:
    """Points of the transform: those asked for, or the next fast size that is large enough.

    Args:
        size: height and width of the picture.
        kernel_size: rows and columns of the kernel.
        mode: as in `spectral_conv2d`.
        n: what was asked for.

    Returns:
        Points in each axis.

    Raises:
        ValueError: for an unknown mode, or if `n` is too small.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    if mode == "circular":
        least = tuple(max(pair) for pair in zip(size, kernel_size, strict=True))
        default = size
        reason = "the picture and the kernel"
    else:
        least = tuple(a + b - 1 for a, b in zip(size, kernel_size, strict=True))
        default = tuple(next_fast_len(points, real=True) for points in least)
        reason = "picture + kernel - 1"
    if n is None:
        grid = default
    elif isinstance(n, tuple):
        grid = tuple(as_count("n", each) for each in n)
    else:
        grid = (as_count("n", n),) * 2
    if len(grid) != 2 or any(a < b for a, b in zip(grid, least, strict=True)):
        raise ValueError(
            f"n must be at least {least} ({reason}) in mode {mode!r}, got {grid}; "
            "a smaller grid wraps the result around"
        )
    return grid


def kernel_spectrum(
    kernel: Inexact[Tensor, "outputs inputs rows columns"],
    grid: tuple[int, int],
    *,
    half: bool = True,
) -> Complex[Tensor, "outputs inputs height frequencies"]:
    """Spectrum of zero-padded kernels; compute it once where the kernels stay the same.

    Args:
        kernel: shape (outputs, inputs, rows, columns).
        grid: points of the transform.
        half: keep the non-redundant half only, for real pictures and real kernels.
    """
    return (torch.fft.rfft2 if half else torch.fft.fft2)(kernel, s=grid)


def apply_spectrum(
    x: Inexact[Tensor, "batch inputs height width"],
    spectrum: Complex[Tensor, "outputs inputs points frequencies"],
    kernel_size: tuple[int, int],
    mode: Mode,
    grid: tuple[int, int],
) -> Inexact[Tensor, "batch outputs newheight newwidth"]:
    """Multiply the spectra of pictures with those of kernels, go back, and cut out the result.

    Args:
        x: pictures.
        spectrum: what `kernel_spectrum` gave for this grid.
        kernel_size: rows and columns of the kernels, before padding.
        mode: as in `spectral_conv2d`.
        grid: points of the transform.
    """
    half = spectrum.shape[-1] != grid[1]
    forward, back = (
        (torch.fft.rfft2, torch.fft.irfft2) if half else (torch.fft.fft2, torch.fft.ifft2)
    )
    product = torch.einsum("bihw,oihw->bohw", forward(x, s=grid), spectrum)
    y = back(product, s=grid)
    if mode == "circular":
        return y
    height, width = x.shape[-2:]
    rows, columns = kernel_size
    if mode == "full":
        return y[..., : height + rows - 1, : width + columns - 1]
    top, left = (rows - 1) // 2, (columns - 1) // 2
    return y[..., top : top + height, left : left + width]


def three_products(
    a: Complex[Tensor, "*shape"], b: Complex[Tensor, "*shape"]
) -> Complex[Tensor, "*shape"]:
    """Multiply complex numbers entry by entry with three real products instead of four.

    Args:
        a: one factor.
        b: the other, of the same shape.

    Returns:
        `a * b`. The cross term is `(a' + a'')(b' + b'')` less the two products that are known.
    """
    real = a.real * b.real
    imaginary = a.imag * b.imag
    cross = (a.real + a.imag) * (b.real + b.imag) - real - imaginary
    return torch.complex(real - imaginary, cross)


def spectral_pool2d(
    x: Float[Tensor, "*batch height width"], size: int
) -> Float[Tensor, "*batch size size"]:
    """Shrink pictures by keeping the lowest frequencies only.

    Args:
        x: pictures, shape (..., height, width).
        size: pixels of each side of the result, m: odd, and no larger than the picture.

    Returns:
        Shape (..., size, size). A constant stays the same constant.

    Raises:
        TypeError: if `x` is no tensor of floating-point numbers.
        ValueError: if `size` is even (its highest frequency would have no partner), too large, or
            `x` has fewer than two axes.

    Source: Rippel, Snoek & Adams (2015); the brief of Xiang et al. (2022), section 3.2.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(f"x must be a tensor of floating-point numbers, got {_kind(x)}")
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., height, width), got {tuple(x.shape)}")
    height, width = x.shape[-2:]
    size = _odd_size(size, min(height, width))
    low = crop_spectrum(torch.fft.fft2(x), size)
    return torch.fft.ifft2(low).real * (size * size / (height * width))


def crop_spectrum(
    spectrum: Complex[Tensor, "*batch height width"], size: int
) -> Complex[Tensor, "*batch size size"]:
    """Frequencies 0..h and -h..-1 of each axis of an unshifted spectrum, h = (size - 1) / 2.

    Args:
        spectrum: as `torch.fft.fft2` orders it.
        size: odd.
    """
    h = (size - 1) // 2
    for axis in (-2, -1):
        points = spectrum.shape[axis]
        low = spectrum.narrow(axis, 0, h + 1)
        spectrum = torch.cat((low, spectrum.narrow(axis, points - h, h)), dim=axis)
    return spectrum


def pooling_matrix(
    n: int, m: int, *, dtype: torch.dtype = torch.float64
) -> Float[Tensor, "{m} {n}"]:
    """The matrix A of spectral pooling: for a square picture, `spectral_pool2d(x, m) = A x A'`.

    Args:
        n: pixels of a side before.
        m: pixels after; odd, at most `n`.
        dtype: of the result.

    Returns:
        Real, of rank m. Row a is a periodic low-pass filter around position `a n / m`.

    Raises:
        ValueError: if `m` is even or larger than `n`.
    """
    n = as_count("n", n)
    m = _odd_size(m, n)
    after, before = (torch.arange(count, dtype=torch.float64) for count in (m, n))
    phase = after[:, None] / m - before / n
    waves = torch.arange(1, (m - 1) // 2 + 1, dtype=torch.float64)
    harmonics = torch.cos(2 * math.pi * phase[..., None] * waves).sum(-1)
    return ((1 + 2 * harmonics) / n).to(dtype)


def energy_kept(x: Float[Tensor, "*batch height width"], size: int) -> float:
    """Share of the pictures' energy about their mean that spectral pooling to `size` keeps.

    Args:
        x: pictures, shape (..., height, width).
        size: as in `spectral_pool2d`.

    Returns:
        A number between 0 and 1.
    """
    spectrum = torch.fft.fft2(x - x.mean((-2, -1), keepdim=True))
    kept = crop_spectrum(spectrum, _odd_size(size, min(x.shape[-2:])))
    return float(kept.abs().square().sum() / spectrum.abs().square().sum())


def fuse_kernels(
    kernels: Sequence[Inexact[Tensor, "_ _ _ _"]],
) -> Inexact[Tensor, "outputs inputs rows columns"]:
    """The one kernel that does what a stack of linear convolutions does.

    Args:
        kernels: of the layers, the first one first; each (outputs, inputs, rows, columns).

    Returns:
        Shape (outputs of the last, inputs of the first, rows, columns). Layers of K rows give
        `L (K - 1) + 1` rows. It replaces layers that hand their full results on.

    Raises:
        ValueError: without kernels, or if the channels of two neighbours disagree.

    Source: the brief of Xiang et al. (2022), section 3.3.
    """
    if len(kernels) == 0:
        raise ValueError("kernels is empty: there is nothing to fuse")
    fused = kernels[0]
    for number, kernel in enumerate(kernels[1:], start=2):
        if kernel.shape[1] != fused.shape[0]:
            raise ValueError(
                f"layer {number} takes {kernel.shape[1]} channels, the one before gives "
                f"{fused.shape[0]}; they must agree"
            )
        # The inputs of the stack stand in for the batch: every one is convolved alike.
        fused = spectral_conv2d(fused.transpose(0, 1), kernel, mode="full").transpose(0, 1)
    return fused


class SpectralConv2d(nn.Module):
    """A layer of spectral convolution, real or complex, without bias.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        kernel_size: rows and columns of the kernels.
        mode: as in `spectral_conv2d`.
        complex_kernel: train an imaginary part, too.
        keep_complex: hand on the complex result. Otherwise its real part is taken, and then the
            imaginary part of the kernel has no effect on real pictures.
        spatial: compute the same result by sliding the kernel, which is faster for small ones.
        init_std: standard deviation of the initial kernels; `None` draws them as
            `torch.nn.Conv2d` does.

    Raises:
        ValueError: for sizes below 1, or for complex kernels that should slide.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int,
        *,
        mode: Mode = "same",
        complex_kernel: bool = False,
        keep_complex: bool = False,
        spatial: bool = False,
        init_std: float | None = None,
    ) -> None:
        super().__init__()
        sizes = (inputs, outputs, kernel_size)
        names = ("inputs", "outputs", "kernel_size")
        for name, value in zip(names, sizes, strict=True):
            as_count(name, value)
        if complex_kernel and spatial:
            raise ValueError("complex kernels are computed by spectra: leave spatial at False")
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        kind = torch.complex64 if complex_kernel else torch.float32
        self.kernel = nn.Parameter(
            torch.empty(outputs, inputs, kernel_size, kernel_size, dtype=kind)
        )
        self.mode = mode
        self.spatial = spatial
        self.keep_complex = keep_complex
        parts = torch.view_as_real(self.kernel) if complex_kernel else self.kernel
        with torch.no_grad():
            if init_std is None:
                bound = 1 / math.sqrt(inputs * kernel_size**2)
                parts.uniform_(-bound, bound)
            else:
                parts.normal_(0, init_std)

    def forward(
        self, x: Inexact[Tensor, "batch inputs height width"]
    ) -> Inexact[Tensor, "batch outputs newheight newwidth"]:
        """Convolve pictures; the result is real unless the layer keeps it complex."""
        if self.spatial and self.mode != "circular":
            return spatial_conv2d(x, self.kernel, self.mode)
        y = spectral_conv2d(x, self.kernel, self.mode)
        return y.real if y.is_complex() and not self.keep_complex else y


class SpectralPool2d(nn.Module):
    """Spectral pooling of square pictures as two products with a fixed matrix.

    Args:
        n: pixels of a side before.
        m: pixels after; odd.
    """

    def __init__(self, n: int, m: int) -> None:
        super().__init__()
        self.register_buffer("matrix", pooling_matrix(n, m, dtype=torch.float32), persistent=False)

    def forward(self, x: Float[Tensor, "*batch height width"]) -> Float[Tensor, "*batch m m"]:
        """Pool both axes."""
        return self.matrix @ x @ self.matrix.T


def spatial_conv2d(
    x: Float[Tensor, "batch inputs height width"],
    kernel: Float[Tensor, "outputs inputs rows columns"],
    mode: Mode = "same",
) -> Float[Tensor, "batch outputs newheight newwidth"]:
    """The same convolution by sliding the kernel over the picture, with PyTorch's `conv2d`.

    Args:
        x: pictures.
        kernel: shape (outputs, inputs, rows, columns).
        mode: `"same"` or `"full"`.

    Raises:
        ValueError: if channels disagree or for another mode.
    """
    _check_pair(x, kernel)
    if mode not in ("same", "full"):
        raise ValueError(f"mode must be 'same' or 'full', got {mode!r}")
    rows, columns = kernel.shape[-2:]
    flipped = kernel.flip(-2, -1)
    if mode == "full":
        return nn.functional.conv2d(x, flipped, padding=(rows - 1, columns - 1))
    if rows % 2 and columns % 2:
        return nn.functional.conv2d(x, flipped, padding=(rows // 2, columns // 2))
    top, left = (rows - 1) // 2, (columns - 1) // 2
    # What comes in before the first pixel is what the flipped kernel reaches beyond its centre.
    padded = nn.functional.pad(x, (columns - 1 - left, left, rows - 1 - top, top))
    return nn.functional.conv2d(padded, flipped)


def _check_pair(x: object, kernel: object) -> None:
    for name, value in (("x", x), ("kernel", kernel)):
        is_tensor = isinstance(value, Tensor)
        if not is_tensor or not (value.is_floating_point() or value.is_complex()):
            raise TypeError(
                f"{name} must be a tensor of floating-point or complex numbers, got {_kind(value)}"
            )
        if value.ndim != 4 or value.numel() == 0:
            raise ValueError(f"{name} must have four axes, none empty, got {tuple(value.shape)}")
    if x.shape[1] != kernel.shape[1]:
        raise ValueError(
            f"x has {x.shape[1]} channels, the kernel takes {kernel.shape[1]}; they must agree"
        )


def _kind(value: object) -> str:
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__


def _odd_size(size: int, largest: int) -> int:
    size = as_count("size", size)
    if size % 2 == 0 or size > largest:
        raise ValueError(
            f"the pooled size must be odd and at most {largest}, got {size}: an even one keeps one "
            "highest frequency without its partner"
        )
    return size
