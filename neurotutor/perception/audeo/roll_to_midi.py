"""Roll2Midi: a generator that repairs four seconds of Roll, and the critic it must please."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from neurotutor.checks import as_count


def _draw_normal(model: nn.Module, seed: int) -> None:
    """Convolutions from N(0, 0.02), scales of batch norm from N(1, 0.02), as in pix2pix."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                fan_in = layer.weight[0].numel()
                layer.weight.normal_(0, 0.02, generator=generator)
                if layer.bias is not None:
                    bound = 1 / math.sqrt(fan_in)
                    layer.bias.uniform_(-bound, bound, generator=generator)
            elif isinstance(layer, nn.BatchNorm2d):
                layer.weight.normal_(1, 0.02, generator=generator)


class Roll2Midi(nn.Module):
    """A U-shaped net that never makes its map smaller.

    All filters are 3x3 with stride 1, so a result depends on 23 frames and 23 keys around it. The
    released code writes `bn_eps=0.8`, a slip of a popular collection of GANs, where 0.8 was meant
    as the momentum.

    Args:
        width: channels after the first layer, a multiple of 4; 64 in the released code.
        dropout: share dropped in the four deepest layers down and the first three up.
        bn_eps: added to the variance in batch norm.
        seed: of the weights.

    Raises:
        ValueError: for a width that is no multiple of 4, or a dropout outside 0 to 1.
        TypeError: for a width that is not a whole number.

    Source: Su, Liu, Shlizerman (2020), the generator of Roll2Midi Net.
    """

    def __init__(
        self,
        width: int = 64,
        dropout: float | int = 0.5,
        bn_eps: float | int = 1e-5,
        *,
        seed: int = 0,
    ):
        super().__init__()
        if as_count("width", width) % 4:
            raise ValueError(f"width must be a multiple of 4, got {width}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
        down = [width * factor for factor in (1, 2, 4, 8, 16, 16)]
        up = [8 * width, 4 * width, 2 * width, width, width // 4]

        def layer(convolution: nn.Module, activation: nn.Module, norm: bool, drop: bool):
            parts = [convolution]
            if norm:
                parts.append(nn.BatchNorm2d(convolution.out_channels, eps=bn_eps))
            parts.append(activation)
            if drop and dropout:
                parts.append(nn.Dropout(dropout))
            return nn.Sequential(*parts)

        self.down = nn.ModuleList(
            layer(
                nn.Conv2d(before, after, 3, padding=1, bias=False),
                nn.LeakyReLU(0.2),
                norm=number > 0,
                drop=number > 1,
            )
            for number, (before, after) in enumerate(zip([1, *down[:-1]], down, strict=True))
        )
        entering = [down[5]] + [u + d for u, d in zip(up[:-1], down[4:0:-1], strict=True)]
        self.up = nn.ModuleList(
            layer(
                nn.ConvTranspose2d(before, after, 3, padding=1, bias=False),
                nn.ReLU(),
                norm=True,
                drop=number < 3,
            )
            for number, (before, after) in enumerate(zip(entering, up, strict=True))
        )
        self.last = nn.Conv2d(up[-1] + down[0], 1, 1)
        _draw_normal(self, seed)

    def forward(self, roll: Float[Tensor, "b 1 keys frames"]) -> Float[Tensor, "b 1 keys frames"]:
        """Probability of each key, from probabilities of each key.

        Raises:
            ValueError: for anything but one channel.
        """
        if roll.ndim != 4 or roll.shape[1] != 1:
            raise ValueError(
                f"expected rolls of shape (batch, 1, keys, frames), got {tuple(roll.shape)}"
            )
        x, kept = roll, []
        for layer in self.down:
            x = layer(x)
            kept.append(x)
        for number, layer in enumerate(self.up):
            x = torch.cat([layer(x), kept[4 - number]], dim=1)
        return torch.sigmoid(self.last(x))


class PatchDiscriminator(nn.Module):
    """A critic that gives each patch of a roll a score of its own, 1 for real and 0 for made.

    Args:
        width: channels after the first layer; 64 in the released code.
        seed: of the weights.

    Raises:
        ValueError: for a width below 1.
        TypeError: for a width that is not a whole number.
    """

    def __init__(self, width: int = 64, *, seed: int = 0):
        super().__init__()
        widths = [as_count("width", width) * factor for factor in (1, 2, 4, 8)]
        parts: list[nn.Module] = []
        for number, (before, after) in enumerate(zip([1, *widths[:-1]], widths, strict=True)):
            parts.append(nn.Conv2d(before, after, 3, 1 if number == 3 else 2, 1))
            if number:
                parts.append(nn.InstanceNorm2d(after))
            parts.append(nn.LeakyReLU(0.2))
        parts.append(nn.Conv2d(widths[-1], 1, 3, 1, 1))
        self.layers = nn.Sequential(*parts)
        _draw_normal(self, seed)

    def forward(self, roll: Float[Tensor, "b 1 keys frames"]) -> Float[Tensor, "b 1 i j"]:
        """One score for each patch: no sigmoid, since the loss is one of least squares.

        Raises:
            ValueError: for anything but one channel.
        """
        if roll.ndim != 4 or roll.shape[1] != 1:
            raise ValueError(
                f"expected rolls of shape (batch, 1, keys, frames), got {tuple(roll.shape)}"
            )
        return self.layers(roll)


def generator_loss(
    scores: Float[Tensor, "*patches"],
    made: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    adversarial: float | int = 0.001,
) -> Float[Tensor, ""]:
    """Be scored as real, and be near the target; both as mean squares.

    Args:
        scores: D(G(r)).
        made: G(r).
        target: m, 0 or 1.
        adversarial: weight of the first part, 0 to 1; the second has the rest.

    Raises:
        ValueError: for a weight outside 0 to 1.
    """
    if not 0 <= adversarial <= 1:
        raise ValueError(f"adversarial must be 0 to 1, got {adversarial}")
    please, agree = (scores - 1).square().mean(), (made - target).square().mean()
    return adversarial * please + (1 - adversarial) * agree


def discriminator_loss(
    real: Float[Tensor, "*patches"], made: Float[Tensor, "*patches"]
) -> Float[Tensor, ""]:
    """Score real rolls 1 and made ones 0.

    Args:
        real: D(m).
        made: D(G(r)), without a gradient to G.
    """
    return 0.5 * (real - 1).square().mean() + 0.5 * made.square().mean()


def repair_roll(
    model: Roll2Midi, roll: Float[np.ndarray, "frames keys"], window: int = 100
) -> Float[np.ndarray, "frames keys"]:
    """Run the generator over a whole Roll, in windows that do not overlap.

    A last window that is too short is filled with silence, and cut again.

    Args:
        model: the generator; switched to evaluation while it predicts.
        roll: probabilities.
        window: frames, 4 s in the released code.

    Returns:
        Probabilities of the Pseudo Midi.

    Raises:
        ValueError: for an empty roll, or a window below 1.
    """
    n_frames, n_keys = roll.shape
    if n_frames == 0:
        raise ValueError("the roll is empty: one frame or more is needed")
    count = -(-n_frames // as_count("window", window))
    padded = np.zeros((count * window, n_keys), np.float32)
    padded[:n_frames] = roll
    windows = torch.from_numpy(padded.reshape(count, 1, window, n_keys)).transpose(2, 3)
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    with torch.no_grad():
        made = torch.cat([model(each.to(device)) for each in windows.split(8)]).cpu()
    model.train(training)
    return made.transpose(2, 3).reshape(-1, n_keys).numpy()[:n_frames]
