"""The 4f system as physics: free space, two lenses, a mask in the Fourier plane, and a camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Complex, Float, Inexact
from torch import Tensor

from neurotutor.checks import as_count, as_positive

Model = Literal["fresnel", "exact"]
PLANES = ("object", "lens 1", "mask", "lens 2", "camera")


@dataclass(frozen=True)
class Optical4f:
    """Light from an object through a lens, a mask and a second lens, each a focal length apart.

    Call it with a field and a mask (or a kernel whose mask it makes); it returns the complex field
    at the camera. Light is sampled on n by n points at positions `(j - n / 2) pitch`.

    Args:
        n: points of each side.
        pitch: distance of neighbouring points, in metres.
        focal_length: of both lenses, in metres.
        wavelength: of the light, in metres.
        model: `"fresnel"` with paraxial lenses, or `"exact"`: angular spectrum and lenses that
            focus without aberration.

    Raises:
        TypeError: for a size that is no whole number, or a length that is no number.
        ValueError: for sizes or lengths that are not positive, or an unknown model.

    Source: Goodman (2005), chapter 5; the brief of Xiang et al. (2022), section 3.4.
    """

    n: int
    pitch: float | int
    focal_length: float | int
    wavelength: float | int
    model: Model = "fresnel"

    def __post_init__(self) -> None:
        as_count("n", self.n, smallest=2)
        for name in ("pitch", "focal_length", "wavelength"):
            as_positive(name, getattr(self, name))
        if self.model not in ("fresnel", "exact"):
            raise ValueError(f"model must be 'fresnel' or 'exact', got {self.model!r}")

    @classmethod
    def matched(
        cls, n: int, pitch: float | int, focal_length: float | int, model: Model = "fresnel"
    ) -> Optical4f:
        """The system whose wavelength meets the matching condition `n pitch^2 = wavelength f`."""
        as_count("n", n, smallest=2)
        wavelength = n * as_positive("pitch", pitch) ** 2 / as_positive("f", focal_length)
        return cls(n, pitch, focal_length, wavelength, model)

    @property
    def matching(self) -> float:
        """`n pitch^2 / (wavelength f)`: 1 where a point of the mask is one frequency of the DFT."""
        return self.n * self.pitch**2 / (self.wavelength * self.focal_length)

    @property
    def phase(self) -> complex:
        """The constant `-exp(i 8 pi f / wavelength)` by which a matched system turns the phase."""
        return complex(-np.exp(8j * math.pi * self.focal_length / self.wavelength))

    @cached_property
    def _axis(self) -> Float[Tensor, "n"]:
        return (torch.arange(self.n, dtype=torch.float64) - self.n / 2) * self.pitch

    def transfer(self, distance: float | int) -> Complex[Tensor, "{self.n} {self.n}"]:
        """What free space does to each plane wave over `distance` metres, in FFT order."""
        frequency = torch.fft.fftfreq(self.n, self.pitch, dtype=torch.float64)
        squared = frequency[:, None] ** 2 + frequency**2
        if self.model == "fresnel":
            travel = 2 * math.pi * distance / self.wavelength
            return torch.exp(1j * (travel - math.pi * self.wavelength * distance * squared))
        along = torch.sqrt((1 / self.wavelength**2 - squared).to(torch.complex128))
        return torch.exp(2j * math.pi * distance * along)

    @cached_property
    def _space(self) -> Complex[Tensor, "n n"]:
        return self.transfer(self.focal_length)

    @cached_property
    def lens(self) -> Complex[Tensor, "n n"]:
        """Phase that a lens adds at each point."""
        squared = self._axis[:, None] ** 2 + self._axis**2
        if self.model == "fresnel":
            return torch.exp(-1j * math.pi * squared / (self.wavelength * self.focal_length))
        detour = torch.sqrt(squared + self.focal_length**2) - self.focal_length
        return torch.exp(-2j * math.pi * detour / self.wavelength)

    def free_space(self, field: Inexact[Tensor, "*batch n n"]) -> Complex[Tensor, "*batch n n"]:
        """Let a field travel one focal length."""
        return torch.fft.ifft2(torch.fft.fft2(field) * self._space)

    def transform(self, field: Inexact[Tensor, "*batch n n"]) -> Complex[Tensor, "*batch n n"]:
        """Space, lens, space: from the front focal plane of a lens to its back focal plane."""
        return self.free_space(self.lens * self.free_space(field))

    def planes(
        self,
        field: Inexact[Tensor | np.ndarray, "*batch n n"],
        mask: Inexact[Tensor | np.ndarray, "n n"] | None = None,
    ) -> dict[str, Complex[Tensor, "*batch n n"]]:
        """The field at the object, behind lens 1, the mask and lens 2, and at the camera.

        Args:
            field: at the object.
            mask: by which the field in the Fourier plane is multiplied; default: none.

        Returns:
            One field for each name of `PLANES`.
        """
        start = self._field(field).to(torch.complex128)
        through = 1 if mask is None else self._mask(mask)
        first = self.lens * self.free_space(start)
        middle = through * self.free_space(first)
        second = self.lens * self.free_space(middle)
        fields = (start, first, middle, second, self.free_space(second))
        return dict(zip(PLANES, fields, strict=True))

    def __call__(
        self,
        field: Inexact[Tensor | np.ndarray, "*batch n n"],
        mask: Inexact[Tensor | np.ndarray, "n n"] | None = None,
        *,
        kernel: Inexact[Tensor | np.ndarray, "rows columns"] | None = None,
    ) -> Complex[Tensor | np.ndarray, "*batch n n"]:
        """Send light through the bench.

        Args:
            field: at the object, shape (..., n, n).
            mask: in the Fourier plane, zero frequency in the middle.
            kernel: instead of a mask: a picture of at most n points a side.

        Returns:
            The field at the camera, as an array if `field` is one. In a matched system of even n
            it is `phase * flip(field convolved with the kernel, around the edges)`.

        Raises:
            TypeError: for a field or mask that holds no numbers.
            ValueError: for a shape that is not this system's, values that are not finite, or a mask
                and a kernel at once.
        """
        if mask is not None and kernel is not None:
            raise ValueError("pass a mask or a kernel, not both")
        start = self._field(field)
        if kernel is not None:
            mask = kernel_to_mask(kernel, self.n)
        middle = self.transform(start)
        result = self.transform(middle if mask is None else self._mask(mask) * middle)
        return result.numpy() if isinstance(field, np.ndarray) else result

    def ideal(
        self,
        field: Inexact[Tensor | np.ndarray, "*batch n n"],
        mask: Inexact[Tensor | np.ndarray, "n n"],
    ) -> Complex[Tensor, "*batch n n"]:
        """What a perfect bench gives: the flipped circular convolution, by discrete transforms."""
        spectrum = centred_dft(self._field(field)) * self._mask(mask)
        return self.phase * centred_dft(spectrum)

    def signed(
        self,
        field: Float[Tensor | np.ndarray, "*batch n n"],
        kernel: Float[Tensor | np.ndarray, "rows columns"],
        *,
        photons: float | int | None = None,
        read_noise: float | int = 0.0,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "*batch n n"]:
        """A signed convolution from two exposures, one for each sign of the kernel.

        Args:
            field: at the object; must not be negative.
            kernel: of either sign.
            photons: as in `camera`.
            read_noise: as in `camera`.
            generator: as in `camera`.

        Returns:
            Difference of the roots of the two intensities, turned upright again.

        Raises:
            ValueError: if the field is negative somewhere: a root would then lose its sign.
        """
        start = self._field(field)
        if (start.real < 0).any():
            raise ValueError("field must not be negative: the root of an intensity has no sign")
        kernel = _tensor("kernel", kernel)
        parts = [
            camera(
                self(start, kernel=part).abs().square(),
                photons=photons,
                read_noise=read_noise,
                generator=generator,
            )
            for part in (kernel.clamp(min=0), (-kernel).clamp(min=0))
        ]
        return flip(parts[0].sqrt() - parts[1].sqrt())

    def _field(self, field: object) -> Tensor:
        field = _tensor("field", field)
        if field.ndim < 2 or tuple(field.shape[-2:]) != (self.n, self.n):
            raise ValueError(
                f"field must end with {self.n} x {self.n} points, got {tuple(field.shape)}"
            )
        return field

    def _mask(self, mask: object) -> Tensor:
        mask = _tensor("mask", mask)
        if tuple(mask.shape) != (self.n, self.n):
            raise ValueError(f"mask must be {self.n} x {self.n}, got {tuple(mask.shape)}")
        return mask


def centred_dft(field: Inexact[Tensor, "*batch n n"]) -> Complex[Tensor, "*batch n n"]:
    """Unitary discrete Fourier transform with both zeros in the middle (at n // 2)."""
    axes = (-2, -1)
    shifted = torch.fft.fft2(torch.fft.ifftshift(field, dim=axes), norm="ortho")
    return torch.fft.fftshift(shifted, dim=axes)


def flip(field: Inexact[Tensor, "*batch n n"]) -> Inexact[Tensor, "*batch n n"]:
    """Rotate a sampled picture by 180 degrees about its point n // 2, n even."""
    return field.flip(-2, -1).roll((1, 1), (-2, -1))


def kernel_to_mask(
    kernel: Inexact[Tensor | np.ndarray, "rows columns"], n: int
) -> Complex[Tensor, "{n} {n}"]:
    """The mask that convolves with a kernel: its spectrum, zero frequency in the middle.

    Args:
        kernel: its entry `(K - 1) // 2` comes to lie on the axis of the system.
        n: points of each side of the mask.

    Returns:
        Not scaled. A real mask cannot amplify: divided by its largest magnitude it gives the same
        picture, dimmer.

    Raises:
        ValueError: if the kernel has not two axes or is larger than the mask.
    """
    kernel = _tensor("kernel", kernel)
    n = as_count("n", n, smallest=2)
    if kernel.ndim != 2 or max(kernel.shape) > n or kernel.numel() == 0:
        raise ValueError(f"kernel must fit on {n} x {n} points, got {tuple(kernel.shape)}")
    rows, columns = kernel.shape
    canvas = torch.zeros(n, n, dtype=kernel.dtype)
    top, left = n // 2 - (rows - 1) // 2, n // 2 - (columns - 1) // 2
    down = (torch.arange(rows) + top) % n
    across = (torch.arange(columns) + left) % n
    canvas[down[:, None], across] = kernel
    return n * centred_dft(canvas)


def phase_only(mask: Inexact[Tensor, "n n"]) -> Complex[Tensor, "n n"]:
    """The same mask without its amplitudes: what a plate of varying thickness can do."""
    return torch.exp(1j * torch.angle(mask))


def low_pass(n: int, radius: float | int) -> Float[Tensor, "{n} {n}"]:
    """A hole: 1 within `radius` frequencies of the middle of the mask, else 0."""
    position = torch.arange(as_count("n", n, smallest=2), dtype=torch.float64) - n // 2
    inside = position[:, None] ** 2 + position**2 <= as_positive("radius", radius) ** 2
    return inside.to(torch.float64)


def camera(
    intensity: Float[Tensor, "*shape"],
    *,
    photons: float | int | None = None,
    read_noise: float | int = 0.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*shape"]:
    """What a camera counts of an intensity, in units of intensity.

    Args:
        intensity: squared magnitude of the field.
        photons: mean number of photons counted for an intensity of 1; `None` counts without noise.
        read_noise: standard deviation of the read-out, in units of intensity.
        generator: of the noise.

    Returns:
        Never negative.

    Raises:
        ValueError: for a negative intensity or noise, or no photons.
    """
    if (intensity < 0).any():
        raise ValueError("an intensity cannot be negative; pass the squared magnitude of the field")
    if not 0 <= read_noise < math.inf:
        raise ValueError(f"read_noise must be a finite number >= 0, got {read_noise}")
    if photons is not None:
        rate = as_positive("photons", photons)
        intensity = torch.poisson(intensity * rate, generator=generator) / rate
    if read_noise:
        noise = torch.randn(intensity.shape, generator=generator, dtype=intensity.dtype)
        intensity = intensity + read_noise * noise
    return intensity.clamp(min=0)


def optical_conv2d(
    system: Optical4f,
    x: Float[Tensor, "inputs n n"],
    kernel: Float[Tensor, "outputs inputs rows columns"],
) -> Float[Tensor, "outputs n n"]:
    """A layer of convolutions on the bench: two exposures for every pair of channels.

    Args:
        system: matched, with even n.
        x: pictures that are not negative, one for each input channel.
        kernel: of either sign.

    Returns:
        Sums over the input channels, which electronics adds; circular at the edges.

    Raises:
        ValueError: if channels disagree.
    """
    if len(x) != kernel.shape[1]:
        raise ValueError(f"x has {len(x)} channels, the kernel takes {kernel.shape[1]}")
    return torch.stack(
        [
            sum(system.signed(picture, each) for picture, each in zip(x, kernels, strict=True))
            for kernels in kernel
        ]
    )


def colour_intensity(
    systems: list[Optical4f],
    field: Float[Tensor, "colours n n"],
    kernels: Float[Tensor, "colours rows columns"],
) -> Float[Tensor, "n n"]:
    """One exposure of several colours at once: squared fields add, which is a nonlinearity.

    Args:
        systems: one for each colour, with its wavelength.
        field: the picture in each colour.
        kernels: one for each colour.

    Returns:
        Sum of the squared responses, turned upright.

    Raises:
        ValueError: if the numbers of colours disagree.

    Source: Colburn et al. (2019): a camera without colour filters behind the first layer.
    """
    if not len(systems) == len(field) == len(kernels):
        raise ValueError(
            f"{len(systems)} systems, {len(field)} pictures and {len(kernels)} kernels came; "
            "pass one of each for every colour"
        )
    parts = zip(systems, field, kernels, strict=True)
    return flip(sum(system(u, kernel=k).abs().square() for system, u, k in parts))


def tile_kernels(
    kernels: Float[Tensor, "kernels rows columns"], n: int
) -> Float[Tensor, "{n} {n}"]:
    """Kernels side by side, so that one exposure gives all their responses, each at its place.

    Args:
        kernels: of one size.
        n: points of each side; the canvas is cut into a square grid of cells, and kernel number j
            stands in the middle of cell j, row by row.

    Raises:
        ValueError: if a kernel does not fit into its cell.
    """
    count, rows, columns = kernels.shape
    per_side = math.ceil(math.sqrt(count))
    cell = as_count("n", n) // per_side
    if max(rows, columns) > cell:
        raise ValueError(
            f"a kernel of {rows} x {columns} does not fit into a cell of {cell} points"
        )
    canvas = torch.zeros(n, n, dtype=kernels.dtype)
    for number, kernel in enumerate(kernels):
        top = (number // per_side) * cell + (cell - rows) // 2
        left = (number % per_side) * cell + (cell - columns) // 2
        canvas[top : top + rows, left : left + columns] = kernel
    return canvas


def correlation(a: Float[Tensor, "*shape"], b: Float[Tensor, "*shape"]) -> float:
    """Correlation of two pictures over their points.

    Raises:
        ValueError: if a picture is constant.
    """
    a, b = a - a.mean(), b - b.mean()
    scale = float(a.norm() * b.norm())
    if scale == 0:
        raise ValueError("a constant picture has no correlation with anything")
    return float((a * b).sum()) / scale


def _tensor(name: str, value: object) -> Tensor:
    if not isinstance(value, Tensor | np.ndarray):
        raise TypeError(f"{name} must be a tensor or an array, got {type(value).__name__}")
    tensor = torch.as_tensor(value)
    if tensor.dtype == torch.bool or tensor.numel() == 0:
        raise TypeError(f"{name} must hold numbers, got {tensor.dtype} of {tuple(tensor.shape)}")
    tensor = tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{name} holds NaN or infinite values")
    return tensor
