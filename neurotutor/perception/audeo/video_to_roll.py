"""Video2Roll: five frames of a keyboard in, one logit for each key out."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from neurotutor.checks import as_count

_OFFSETS = np.array([-2, -1, 0, 1, 2])


def admissible(size: int) -> bool:
    """Whether frames may be this high or wide: 32k + 3 to 32k + 10 for a whole k >= 1.

    Elsewhere the three branches of the neck end in maps of different sizes.
    """
    return size >= 35 and (size - 3) % 32 <= 7


def init_convolutions(model: nn.Module, seed: int) -> None:
    """Draw all convolution weights from N(0, 2 / (k k C_out)), and linear layers anew.

    Args:
        model: changed in place; linear layers get PyTorch's default distribution.
        seed: of all draws.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d):
                spread = math.sqrt(2 / (math.prod(layer.kernel_size) * layer.out_channels))
                layer.weight.normal_(0, spread, generator=generator)
                fan_in = layer.weight[0].numel()
            elif isinstance(layer, nn.Linear):
                fan_in = layer.in_features
                bound = 1 / math.sqrt(fan_in)
                layer.weight.uniform_(-bound, bound, generator=generator)
            else:
                continue
            if layer.bias is not None:
                bound = 1 / math.sqrt(fan_in)
                layer.bias.uniform_(-bound, bound, generator=generator)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut around them, as in ResNet-18."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """ReLU of the two convolutions plus the shortcut."""
        inner = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(inner + self.shortcut(x))


class Backbone(nn.Module):
    """ResNet-18 with a stem of 11x11 filters over the stack of frames.

    Args:
        n_frames: frames in the stack.
        width: C, channels of the first stage; the others have 2C, 4C and 8C.
    """

    def __init__(self, n_frames: int, width: int):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(n_frames, width, 11, 2, 4, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        stages, before = [], width
        for number in range(4):
            channels = width * 2**number
            first = BasicBlock(before, channels, 1 if number == 0 else 2)
            stages.append(nn.Sequential(first, BasicBlock(channels, channels)))
            before = channels
        self.stages = nn.ModuleList(stages)

    def forward(self, frames: Float[Tensor, "b frames h w"]) -> list[Tensor]:
        """Maps x_1 to x_4 of the four stages."""
        x, maps = self.stem(frames), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class FeatureTransform(nn.Module):
    """FTB: bring a map to a fixed number of channels, refine it, and pool it.

    Args:
        channels_in: of the map.
        channels_out: of the result.
        pool: "half" averages 2x2 with stride 2; "three" averages 3x3 with stride 1.
    """

    def __init__(self, channels_in: int, channels_out: int, pool: str = "half"):
        super().__init__()
        # Padding around a 1x1 filter: the map grows by 2, and pooling takes them off again.
        self.enter = nn.Conv2d(channels_in, channels_out, 1, padding=1, bias=False)
        self.conv1 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.pool = nn.AvgPool2d(2, 2) if pool == "half" else nn.AvgPool2d(3, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """The map with its new number of channels, refined and pooled."""
        u = self.enter(x)
        return self.pool(self.conv2(F.relu(self.norm(self.conv1(u)))) + u)


class FeatureRefinement(nn.Module):
    """FRB: weigh the channels of a low map by what a higher map, and it, hold on average.

    Args:
        low: channels of the map that is weighed.
        high: channels of the map that helps to decide.
    """

    def __init__(self, low: int, high: int):
        super().__init__()
        self.squeeze = nn.Conv2d(low + high, low, 1)
        self.excite = nn.Conv2d(low, low, 1)

    def forward(
        self, x_low: Float[Tensor, "b l h w"], x_high: Float[Tensor, "b c i j"]
    ) -> Float[Tensor, "b l h w"]:
        """The low map, each channel times its gate."""
        means = [each.mean(dim=(2, 3), keepdim=True) for each in (x_low, x_high)]
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(torch.cat(means, dim=1)))))
        return gate * x_low


def correlation_attention(
    p2: Float[Tensor, "b c h w"], p3: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b c h w"]:
    """Where two maps agree: softmax over places of their product, one for each channel.

    Args:
        p2: refined map of the second stage.
        p3: refined map of the third stage.

    Returns:
        Weights that sum to 1 over the places of each channel.
    """
    return torch.softmax((p2 * p3).flatten(2), dim=2).view_as(p2)


class _RollNet(nn.Module):
    """What both nets of the first stage share: sizes, and the check of what comes in."""

    def __init__(self, n_keys: int, n_frames: int, width: int):
        super().__init__()
        self.n_keys = as_count("n_keys", n_keys)
        self.n_frames = as_count("n_frames", n_frames)
        if self.n_frames not in (1, 3, 5):
            raise ValueError(f"n_frames must be 1, 3 or 5, around the middle one; got {n_frames}")
        self.width = as_count("width", width)
        self.backbone = Backbone(self.n_frames, self.width)

    def _check(self, frames: Tensor) -> None:
        if frames.ndim != 4 or frames.shape[1] != self.n_frames:
            raise ValueError(
                f"expected frames of shape (batch, {self.n_frames}, height, width), "
                f"got {tuple(frames.shape)}"
            )
        for name, size in zip(("height", "width"), frames.shape[2:], strict=True):
            if not admissible(size):
                near = min((s for s in range(35, size + 64) if admissible(s)), key=_from(size))
                raise ValueError(
                    f"the {name} of frames must be 32k + 3 to 32k + 10 for a whole k >= 1, got "
                    f"{size}: resize to {near}"
                )


def _from(size: int):
    return lambda other: abs(other - size)


class PlainRoll(_RollNet):
    """The baseline: ResNet-18 without the neck.

    Args:
        n_keys: logits.
        n_frames: frames in the stack, 1, 3 or 5.
        width: C.
        seed: of the weights.
    """

    def __init__(self, n_keys: int = 51, n_frames: int = 5, width: int = 64, *, seed: int = 0):
        super().__init__(n_keys, n_frames, width)
        self.head = nn.Linear(8 * width, n_keys)
        init_convolutions(self, seed)

    def forward(self, frames: Float[Tensor, "b frames h w"]) -> Float[Tensor, "b keys"]:
        """Logits of the keys of the middle frame."""
        self._check(frames)
        return self.head(self.backbone(frames)[-1].mean(dim=(2, 3)))


class Video2Roll(_RollNet):
    """Which keys are down in the middle of five frames.

    A ResNet-18 whose last three stages meet in a neck: each is brought to 2C channels of one size
    (FTB), the higher ones decide which channels of the lower ones count (FRB), and the places at
    which two of them agree are looked at again.

    Args:
        n_keys: logits, 51 in the released code (MIDI pitches 36 to 86).
        n_frames: frames in the stack, 1, 3 or 5.
        width: C, 64 in the released code.
        seed: of the weights.

    Raises:
        ValueError: for sizes below 1 or another number of frames.
        TypeError: for sizes that are not whole numbers.

    Source: Su, Liu, Shlizerman (2020), the network called Video2Roll Net.
    """

    def __init__(self, n_keys: int = 51, n_frames: int = 5, width: int = 64, *, seed: int = 0):
        super().__init__(n_keys, n_frames, width)
        both = 2 * width
        self.top = nn.Sequential(nn.Conv2d(8 * width, width, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.transform2 = nn.Sequential(
            FeatureTransform(2 * width, both), FeatureTransform(both, both)
        )
        self.transform3 = FeatureTransform(4 * width, both)
        self.transform4 = FeatureTransform(8 * width, both, "three")
        self.refine4 = FeatureRefinement(both, width)
        self.refine3 = FeatureRefinement(both, both)
        self.refine2 = FeatureRefinement(both, both)
        self.correlate = nn.Conv2d(both, both, 1)
        self.head = nn.Linear(both, n_keys)
        init_convolutions(self, seed)

    def neck(
        self, frames: Float[Tensor, "b frames h w"]
    ) -> tuple[Float[Tensor, "b c i j"], Float[Tensor, "b c i j"]]:
        """The attention a and the map p_4 that it looks at.

        Raises:
            ValueError: for another number of frames, or a size that is not admissible.
        """
        self._check(frames)
        _, x2, x3, x4 = self.backbone(frames)
        p4 = self.refine4(self.transform4(x4), self.top(x4))
        p3 = self.refine3(self.transform3(x3), p4)
        p2 = self.refine2(self.transform2(x2), p3)
        return correlation_attention(p2, p3), p4

    def forward(self, frames: Float[Tensor, "b frames h w"]) -> Float[Tensor, "b keys"]:
        """Logits of the keys of the middle frame.

        Raises:
            ValueError: for another number of frames, or a size that is not admissible.
        """
        attention, p4 = self.neck(frames)
        return self.head((self.correlate(attention * p4) + p4).mean(dim=(2, 3)))


def frame_indices(n_frames: int, stack: int = 5) -> np.ndarray:
    """Which frames make up the stack of each time: the neighbours, repeated at both ends.

    Args:
        n_frames: frames of the video.
        stack: frames of a stack, 1, 3 or 5.

    Returns:
        (frames, stack). At the first two times the past is the present, at the last two the future.
    """
    half = stack // 2
    present = np.arange(n_frames)[:, None]
    wanted = present + _OFFSETS[2 - half : 3 + half]
    early = (present < half) & (wanted < present)
    late = (present >= n_frames - half) & (wanted > present)
    return np.where(early | late, present, wanted)


def stacks(
    video: UInt8[np.ndarray, "frames h w"], indices: np.ndarray
) -> Float[Tensor, "b stack h w"]:
    """Frames in the range 0 to 1, one stack for each row of indices."""
    return torch.from_numpy(video[indices]).float() / 255


def _batches(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def predict_roll(
    model: nn.Module, video: UInt8[np.ndarray, "frames h w"], batch: int = 64
) -> Float[np.ndarray, "frames keys"]:
    """Probability of each key in each frame: the Roll.

    Args:
        model: `Video2Roll` or `PlainRoll`; switched to evaluation while it predicts.
        video: grey frames, 8 bit.
        batch: stacks at a time.

    Returns:
        Probabilities.

    Raises:
        ValueError: if the frames are not admissible, or fewer than a stack.
    """
    stack = getattr(model, "n_frames", 5)
    if len(video) < stack:
        raise ValueError(f"a video of {stack} frames or more is needed, got {len(video)}")
    indices = frame_indices(len(video), stack)
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    with torch.no_grad():
        found = [
            torch.sigmoid(model(stacks(video, indices[rows]).to(device)))
            for rows in _batches(len(video), batch)
        ]
    model.train(training)
    return torch.cat(found).cpu().numpy()
