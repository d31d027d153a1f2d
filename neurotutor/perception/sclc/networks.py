"""The linear student in front of ordinary electronics, its twin with bends, and the teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from neurotutor.checks import as_count
from neurotutor.perception.sclc.spectral import (
    SpectralConv2d,
    SpectralPool2d,
    fuse_kernels,
    spectral_conv2d,
)


@dataclass(frozen=True)
class SclcConfig:
    """Sizes of a student; the defaults are those of the published code for 224 pixels."""

    in_channels: int = 3
    size: int = 224  # H, pixels of a side
    channels: tuple[int, ...] = (32, 64, 128, 256, 256)  # of each convolution
    kernel_size: int = 3  # K
    pooled: tuple[int, ...] = (113, 55, 27, 13)  # side after the first, second... convolution
    features: int = 6  # side after the adaptive average pooling
    hidden: tuple[int, ...] = (512, 256)  # of the electronic back-end
    n_classes: int = 10
    dropout: float = 0.5  # the published solver switches it off for distillation
    complex_kernels: bool = False  # the published layer trains imaginary parts; see the chapter
    keep_borders: bool = False  # layers hand their full results on, as one optical pass does
    spatial: bool = False  # compute by sliding; the same numbers, faster for small kernels
    init_std: float | None = None  # the published layer: 0.01; None draws as Conv2d does

    @classmethod
    def tutorial(cls) -> SclcConfig:
        """Two convolutions on 28 pixels: what the chapter trains in seconds."""
        return cls(
            in_channels=1,
            size=28,
            channels=(16, 32),
            pooled=(15,),
            features=5,
            hidden=(64,),
            dropout=0.0,
            spatial=True,
        )

    @classmethod
    def mnist(cls) -> SclcConfig:
        """The published student for 28 pixels: three convolutions, no pooling between them."""
        return cls(in_channels=1, size=28, channels=(32, 128, 256), pooled=(), keep_borders=True)


class SCLC(nn.Module):
    """Spectral CNN linear counterpart: linear convolutions and pooling, then electronics.

    Args:
        config: sizes; default: the published ones for 224 pixels.
        nonlinear: put a ReLU behind every convolution. This is no SCLC any more, but the twin to
            compare it with.

    Raises:
        ValueError: if sizes do not fit together.

    Source: Xiang et al. (2022), as the brief describes the published code (section 3.5).
    """

    def __init__(self, config: SclcConfig | None = None, *, nonlinear: bool = False) -> None:
        super().__init__()
        config = SclcConfig() if config is None else config
        _check_config(config)
        if nonlinear and config.complex_kernels and config.keep_borders:
            raise ValueError(
                "a ReLU has no meaning for the complex fields that these layers pass on"
            )
        self.config = config
        mode = "full" if config.keep_borders else "same"
        layers: list[nn.Module] = []
        inputs, size = config.in_channels, config.size
        for number, outputs in enumerate(config.channels):
            layers.append(
                SpectralConv2d(
                    inputs,
                    outputs,
                    config.kernel_size,
                    mode=mode,
                    complex_kernel=config.complex_kernels,
                    keep_complex=config.keep_borders,
                    spatial=config.spatial,
                    init_std=config.init_std,
                )
            )
            if nonlinear:
                layers.append(nn.ReLU())
            if number < len(config.pooled):
                layers.append(SpectralPool2d(size, config.pooled[number]))
                size = config.pooled[number]
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.layers_out = size  # pixels of a side behind the front-end
        self.norm = nn.BatchNorm2d(inputs)
        self.head = electronics(
            inputs, config.features, config.hidden, config.n_classes, config.dropout
        )

    def frontend(
        self, x: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs m m"]:
        """What light does: linear in the picture, unless the twin's ReLUs stand in it."""
        channels, size = self.config.in_channels, self.config.size
        if x.ndim != 4 or tuple(x.shape[1:]) != (channels, size, size):
            raise ValueError(
                f"x must have shape (batch, {channels}, {size}, {size}), got {tuple(x.shape)}"
            )
        y = self.layers(x)
        y = y.real if y.is_complex() else y
        if self.config.keep_borders:
            margin = (y.shape[-1] - size) // 2
            y = y[..., margin : margin + size, margin : margin + size]
        return y

    def forward(
        self, x: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of pictures."""
        return self.head(self.norm(self.frontend(x)))

    @property
    def kernels(self) -> list[Tensor]:
        """Kernels of the convolutions, the first layer first."""
        return [layer.kernel for layer in self.layers if isinstance(layer, SpectralConv2d)]

    def fused_frontend(
        self, x: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs m m"]:
        """The same front-end in one convolution, as one pass of light does it.

        Raises:
            ValueError: if layers pool, bend, or cut their borders: then no one kernel does it.
        """
        bends = any(isinstance(layer, nn.ReLU) for layer in self.layers)
        if self.config.pooled or bends or not self.config.keep_borders:
            raise ValueError(
                "only linear layers without pooling that keep their borders fuse into one kernel"
            )
        y = spectral_conv2d(x, fuse_kernels(self.kernels), mode="same")
        return y.real if y.is_complex() else y


@dataclass(frozen=True)
class TeacherConfig:
    """Sizes of a teacher; the defaults are those of the published MNIST teacher."""

    in_channels: int = 1
    channels: tuple[int, ...] = (32, 128, 256)
    kernel_size: int = 3
    padded: bool = False  # the published convolutions are valid: each takes 2 pixels off a side
    normalise_each: bool = False  # batch normalisation behind every convolution, or the last
    max_pool: bool = False  # halve the sides behind every convolution
    features: int = 6
    hidden: tuple[int, ...] = (512, 256)
    n_classes: int = 10
    dropout: float = 0.5

    @classmethod
    def tutorial(cls) -> TeacherConfig:
        """Three convolutions with normalisation, ReLU and max-pooling, for 28 pixels."""
        return cls(
            channels=(16, 32, 32),
            padded=True,
            normalise_each=True,
            max_pool=True,
            features=3,
            hidden=(64,),
            dropout=0.0,
        )


class Teacher(nn.Module):
    """An ordinary convolutional network with all the bends that optics lacks.

    Args:
        config: sizes; default: the published MNIST teacher.

    Source: Xiang et al. (2022), as the brief describes the published code (section 3.5).
    """

    def __init__(self, config: TeacherConfig | None = None) -> None:
        super().__init__()
        config = TeacherConfig() if config is None else config
        self.config = config
        layers: list[nn.Module] = []
        inputs = config.in_channels
        padding = config.kernel_size // 2 if config.padded else 0
        for number, outputs in enumerate(config.channels):
            last = number == len(config.channels) - 1
            layers.append(nn.Conv2d(inputs, outputs, config.kernel_size, padding=padding))
            if config.normalise_each:
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.ReLU())
            if config.max_pool:
                layers.append(nn.MaxPool2d(2))
            if last and not config.normalise_each:
                layers.append(nn.BatchNorm2d(outputs))
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.head = electronics(
            inputs, config.features, config.hidden, config.n_classes, config.dropout
        )

    def forward(
        self, x: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of pictures."""
        return self.head(self.layers(x))


def electronics(
    channels: int, features: int, hidden: Sequence[int], n_classes: int, dropout: float
) -> nn.Sequential:
    """The back-end: average to `features` pixels a side, then fully connected layers with ReLU.

    Args:
        channels: that the front-end gives.
        features: pixels of a side that are kept.
        hidden: units of each hidden layer.
        n_classes: outputs.
        dropout: before the first two layers, as published.
    """
    layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(features), nn.Flatten()]
    width = channels * features**2
    for number, units in enumerate(hidden):
        if dropout and number < 2:
            layers.append(nn.Dropout(dropout))
        layers += [nn.Linear(width, units), nn.ReLU()]
        width = units
    layers.append(nn.Linear(width, n_classes))
    return nn.Sequential(*layers)


def count_parameters(model: nn.Module) -> int:
    """Trained numbers of a model; a complex one counts twice."""
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in model.parameters())


def _check_config(config: SclcConfig) -> None:
    for name in ("in_channels", "size", "kernel_size", "features", "n_classes"):
        as_count(name, getattr(config, name))
    if not config.channels or min(config.channels) < 1:
        raise ValueError(f"channels must name one number >= 1 per layer, got {config.channels}")
    if len(config.pooled) > len(config.channels):
        raise ValueError(
            f"{len(config.pooled)} poolings for {len(config.channels)} convolutions; at most one "
            "behind each"
        )
    if config.keep_borders and config.pooled:
        raise ValueError("keep_borders is for layers without pooling between them")
    if config.keep_borders and config.kernel_size % 2 == 0:
        raise ValueError(
            "keep_borders needs an odd kernel_size: the result has no centre otherwise"
        )
    if not 0 <= config.dropout < 1:
        raise ValueError(f"dropout must lie in [0, 1), got {config.dropout}")
