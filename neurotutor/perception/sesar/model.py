"""The network of SESAR: a recurrent encoder, a decoder that is kept weak, a linear classifier."""

from __future__ import annotations

from typing import NamedTuple, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from neurotutor.checks import as_count

from .config import DECODERS, Decoder, Mode, SesarConfig
from .recurrent import GruLayer


class Output(NamedTuple):
    """What the network makes of a batch of sequences."""

    latent: Float[Tensor, "batch latent"]
    logits: Float[Tensor, "batch actions"]
    reconstruction: Float[Tensor, "batch time features"]


def reverse(
    x: Float[Tensor, "time batch features"], lengths: Int[Tensor, "batch"] | None
) -> Float[Tensor, "time batch features"]:
    """Turn each sequence round within its own length; what is behind the end stays there."""
    if lengths is None:
        return x.flip(0)
    steps = torch.arange(len(x), device=x.device)[:, None]
    index = torch.where(steps < lengths, lengths - 1 - steps, steps)
    return x.gather(0, index[..., None].expand_as(x))


class Encoder(nn.Module):
    """Layers of two GRUs side by side; the latent is where both stand after the last frame.

    Args:
        features: size of a frame.
        hidden: h, units of each stream.
        layers: how many; each reads what both streams of the layer below say.
        mode: `"bi"`, the second stream reads backwards; `"two-forward"`, both read forwards,
            which is what stepping a bidirectional network frame by frame comes to.

    Source: Su, Liu & Shlizerman (2020); the official PyTorch code for `"two-forward"`.
    """

    def __init__(self, features: int, hidden: int, layers: int, mode: Mode):
        super().__init__()
        self.mode = mode
        sizes = [features] + [2 * hidden] * (layers - 1)
        self.layers = nn.ModuleList(GruLayer(size, hidden, nets=2) for size in sizes)

    def forward(
        self, x: Float[Tensor, "batch time features"], lengths: Int[Tensor, "batch"] | None = None
    ) -> Float[Tensor, "batch latent"]:
        """The latent of each sequence, (batch, 2 hidden); frames behind the end do not count."""
        below = x.transpose(0, 1)
        for layer in self.layers:
            second = reverse(below, lengths) if self.mode == "bi" else below
            states = layer(torch.stack([below, second]))
            back = reverse(states[1], lengths) if self.mode == "bi" else states[1]
            below = torch.cat([states[0], back], dim=-1)
        if lengths is None:
            last = states[:, -1]
        else:
            index = (lengths - 1)[None, None, :, None].expand(2, 1, -1, states.shape[-1])
            last = states.gather(1, index).squeeze(1)
        return torch.cat([last[0], last[1]], dim=-1)


class FixedZero(nn.Module):
    """A decoder that starts from the latent and is told nothing more: all its inputs are zero.

    Args:
        latent: size of the latent, and of the state.
        features: size of a frame.
        frozen: keep the random recurrent weights (what the paper calls fixed weights); the output
            layer is trained all the same.
    """

    def __init__(self, latent: int, features: int, frozen: bool = False):
        super().__init__()
        self.recurrent = GruLayer(1, latent)
        self.out = nn.Linear(latent, features)
        self.recurrent.requires_grad_(not frozen)
        self.recurrent.input_weight.requires_grad_(False)  # its input is zero

    def forward(
        self, latent: Float[Tensor, "batch latent"], x: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time features"]:
        """Frames from the latent; of `x` the number of frames is used, nothing else."""
        states = self.recurrent.undriven(latent[None], x.shape[1])[0]
        return self.out(states.transpose(0, 1))


class FixedState(nn.Module):
    """A decoder whose state is put back to the latent at each step: only its input moves.

    It starts from the true first frame and says how to change it.

    Args:
        latent: size of the latent, and of the state.
        features: size of a frame.
    """

    def __init__(self, latent: int, features: int):
        super().__init__()
        self.recurrent = GruLayer(features, latent)
        self.out = nn.Linear(latent, features)

    def forward(
        self, latent: Float[Tensor, "batch latent"], x: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time features"]:
        """Frames from the latent and the first frame; the first output is one step on."""
        frame, frames = x[:, 0], []
        for _ in range(x.shape[1]):
            frame = frame + self.out(self.recurrent.step(frame[None], latent[None])[0])
            frames.append(frame)
        return torch.stack(frames, dim=1)


class SESAR(nn.Module):
    """Encoder, decoder and classifier that share one latent.

    Args:
        features: D, size of a frame (three for each joint).
        actions: C, number of classes.
        config: sizes, mode and decoder; default: the tutorial's.
        seed: of the initial weights.

    Raises:
        ValueError: for sizes below 1, or an unknown mode or decoder.

    Source: Li & Shlizerman (2020); Su, Liu & Shlizerman (2020) for encoder and decoders.
    """

    def __init__(
        self, features: int, actions: int, config: SesarConfig | None = None, *, seed: int = 0
    ):
        super().__init__()
        config = SesarConfig.tutorial() if config is None else config
        for name, value in (
            ("features", features),
            ("actions", actions),
            ("hidden", config.hidden),
            ("layers", config.layers),
        ):
            as_count(name, value)
        if config.mode not in get_args(Mode):
            raise ValueError(f"mode must be one of {get_args(Mode)}, got {config.mode!r}")
        if config.decoder not in DECODERS:
            raise ValueError(f"decoder must be one of {DECODERS}, got {config.decoder!r}")
        self.features, self.config = features, config
        latent = 2 * config.hidden
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = Encoder(features, config.hidden, config.layers, config.mode)
            self.decoder = _decoder(config.decoder, latent, features)
            self.classifier = nn.Linear(latent, actions)

    def forward(
        self, x: Float[Tensor, "batch time features"], lengths: Int[Tensor, "batch"] | None = None
    ) -> Output:
        """Latent, logits and reconstruction of a batch.

        Args:
            x: sequences, padded at the end to one length.
            lengths: real frames of each; default: all.

        Returns:
            The three, for every sequence.

        Raises:
            ValueError: for another number of features, or lengths outside 1..time.
        """
        self._check(x, lengths)
        return self.run(x, lengths)

    def run(
        self, x: Float[Tensor, "batch time features"], lengths: Int[Tensor, "batch"] | None = None
    ) -> Output:
        """As `forward`, without looking at the input first."""
        latent = self.encoder(x, lengths)
        return Output(latent, self.classifier(latent), self.decoder(latent, x))

    @torch.no_grad()
    def encode(
        self, x: Float[Tensor, "batch time features"], lengths: Int[Tensor, "batch"] | None = None
    ) -> Float[Tensor, "batch latent"]:
        """The latents alone, without gradients.

        Raises:
            ValueError: as `forward`.
        """
        self._check(x, lengths)
        return self.encoder(x, lengths)

    @torch.no_grad()
    def probabilities(
        self, latent: Float[Tensor, "batch latent"]
    ) -> Float[Tensor, "batch actions"]:
        """What the classifier thinks of latents: a probability for each action."""
        return self.classifier(latent).softmax(dim=-1)

    def _check(self, x: Tensor, lengths: Tensor | None) -> None:
        if x.ndim != 3 or x.shape[1] < 1 or x.shape[2] != self.features:
            raise ValueError(f"x must be (batch, time >= 1, {self.features}), got {tuple(x.shape)}")
        if lengths is None:
            return
        if lengths.shape != x.shape[:1]:
            raise ValueError(f"one length for each of {len(x)} sequences, got {lengths.shape}")
        if len(lengths) and not 1 <= int(lengths.min()) <= int(lengths.max()) <= x.shape[1]:
            raise ValueError(f"lengths must lie in 1..{x.shape[1]}, got {lengths.tolist()}")


def _decoder(kind: Decoder, latent: int, features: int) -> nn.Module:
    if kind == "FS":
        return FixedState(latent, features)
    return FixedZero(latent, features, frozen=kind == "FW")


class FeatureAutoencoder(nn.Module):
    """A network that squeezes latents through a narrow middle, which is then used in their place.

    Args:
        latent: size of the latents.
        sizes: of the layers down to the middle; 1024, 512, 256 in the paper's code.
        seed: of the initial weights.

    Source: Su, Liu & Shlizerman (2020), the option AEC.
    """

    def __init__(self, latent: int, sizes: tuple[int, ...] = (1024, 512, 256), *, seed: int = 0):
        super().__init__()
        down = [as_count("latent", latent), *(as_count("sizes", size) for size in sizes)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.squeeze, self.widen = _chain(down, last_tanh=True), _chain(down[::-1], False)

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch latent"]:
        """The latents, squeezed and widened again."""
        return self.widen(self.squeeze(z))


def _chain(sizes: list[int], last_tanh: bool) -> nn.Sequential:
    parts: list[nn.Module] = []
    for index, (one, two) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        parts.append(nn.Linear(one, two))
        if last_tanh or index < len(sizes) - 2:
            parts.append(nn.Tanh())
    return nn.Sequential(*parts)
