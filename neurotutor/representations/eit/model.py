"""EIT: an individual module that every channel shares, and an interaction module over channels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from neurotutor.checks import as_count

from .config import EitConfig
from .layers import IndividualLayer, InteractionLayer, seeded


class Output(NamedTuple):
    """What EIT says about a batch.

    `logits` and `individual_logits` are scores of the classes for every bin, from the interaction
    module and from the individual module alone; `individual` are the latents z of each channel,
    `interaction` those after the channels have met.
    """

    logits: Float[Tensor, "batch time classes"]
    individual_logits: Float[Tensor, "batch time classes"]
    individual: Float[Tensor, "batch time channels dim"]
    interaction: Float[Tensor, "batch time channels dim"]


class ChannelHead(nn.Module):
    """Bottleneck, concatenate, project: b numbers from each channel, then one linear layer.

    With `pool="mean"` (ours) the channels' latents are averaged: no channel has a place of its own.

    Source: Liu et al. (2022), projection modules.
    """

    def __init__(self, n_channels: int, n_classes: int, config: EitConfig, *, normalise: bool):
        super().__init__()
        self.pool = config.pool
        if self.pool == "mean":
            self.project = nn.Linear(config.dim, n_classes)
            return
        self.squeeze = nn.Linear(config.dim, config.bottleneck)
        n_inputs = n_channels * config.bottleneck
        self.norm = nn.LayerNorm(n_inputs) if normalise else nn.Identity()
        self.dropout = nn.Dropout(config.channel_dropout)
        self.project = nn.Linear(n_inputs, n_classes)

    def scalars(self, latents: Float[Tensor, "batch time channels dim"]) -> Tensor:
        """The numbers s_n(t) that each channel hands on, shape (batch, time, channels, b)."""
        return self.squeeze(latents)

    def forward(self, latents: Float[Tensor, "batch time channels dim"]) -> Tensor:
        """Logits of every bin, shape (batch, time, classes)."""
        if self.pool == "mean":
            return self.project(latents.mean(dim=2))
        return self.project(self.dropout(self.norm(self.scalars(latents).flatten(2))))


class IndividualModule(nn.Module):
    """A transformer over time that treats every channel alike and never looks at another one.

    Its latents exist for any number of channels. Its own head, which the loss on neural data
    needs, is fixed to one set of channels and is left out where `n_channels` is not given.

    Args:
        n_features: numbers c that a channel reports in a bin: 1 for a rate, 2 for a position.
        config: sizes.
        n_channels: of its own head.
        n_classes: of its own head.
        seed: of the weights.

    Source: Liu et al. (2022), individual module.
    """

    def __init__(
        self,
        n_features: int,
        config: EitConfig | None = None,
        *,
        n_channels: int | None = None,
        n_classes: int | None = None,
        seed: int = 0,
    ):
        super().__init__()
        self.n_features = as_count("n_features", n_features)
        self.config = config = EitConfig() if config is None else config
        if (n_channels is None) != (n_classes is None):
            raise ValueError("a head needs both n_channels and n_classes; pass both or neither")
        with seeded(seed):
            self.embed = nn.Linear(n_features, config.dim)
            if config.time_embedding:
                self.time_embedding = nn.Parameter(torch.randn(config.time_embedding, config.dim))
            self.layers = nn.ModuleList(
                IndividualLayer(config) for _ in range(config.individual_layers)
            )
            self.head = None
            if n_channels is not None and n_classes is not None:
                self.head = ChannelHead(
                    as_count("n_channels", n_channels),
                    as_count("n_classes", n_classes, 2),
                    config,
                    normalise=False,
                )

    def forward(
        self, x: Float[Tensor, "batch time channels features"]
    ) -> Float[Tensor, "batch time channels dim"]:
        """Latents z_n(t) of each channel by itself, for any number of channels.

        Raises:
            ValueError: if the rank or the number of features is wrong, or a value is not finite.
        """
        require_series(x, self.n_features)
        return self.latents(x)

    def latents(self, x: Float[Tensor, "batch time channels features"]) -> Tensor:
        """As `forward`, without checks of the input."""
        batch, time, channels, _ = x.shape
        # Channels become members of the batch: from here on none of them can see another.
        z = self.embed(x.transpose(1, 2).reshape(batch * channels, time, -1))
        if self.config.time_embedding:
            if time != self.config.time_embedding:
                raise ValueError(
                    f"the time embedding is for {self.config.time_embedding} bins, got {time}"
                )
            z = z + self.time_embedding
        for layer in self.layers:
            z = layer(z)
        return z.view(batch, channels, time, -1).transpose(1, 2)

    def scalars(
        self, x: Float[Tensor, "batch time channels features"]
    ) -> Float[Tensor, "batch time channels bottleneck"]:
        """The bottleneck's numbers for each channel and bin, for any number of channels.

        Raises:
            ValueError: if the module has no head, or the input is not acceptable.
        """
        if self.head is None or self.head.pool == "mean":
            raise ValueError("this module has no bottleneck; build it with n_channels, n_classes")
        return self.head.scalars(self(x))


class EIT(nn.Module):
    """Embedded interaction transformer: each channel first, all of them second.

    Args:
        n_channels: number N of channels (bodies, neurons).
        n_features: numbers c that a channel reports in a bin: 1 for a rate, 2 for a position.
        n_classes: number C of classes.
        config: sizes.
        seed: of the weights.

    Raises:
        ValueError: if a number is too small.
        TypeError: if it is not a whole number.

    Source: Liu et al. (2022).
    """

    def __init__(
        self,
        n_channels: int,
        n_features: int,
        n_classes: int,
        config: EitConfig | None = None,
        *,
        seed: int = 0,
    ):
        super().__init__()
        self.config = config = EitConfig() if config is None else config
        self.n_channels = as_count("n_channels", n_channels)
        self.n_classes = as_count("n_classes", n_classes, 2)
        self.individual = IndividualModule(
            n_features, config, n_channels=n_channels, n_classes=n_classes, seed=seed
        )
        with seeded(seed + 1):
            self.layers = nn.ModuleList(
                InteractionLayer(config) for _ in range(config.interaction_layers)
            )
            if config.channel_embedding:
                self.channel_embedding = nn.Parameter(torch.randn(n_channels, config.dim))
            self.head = ChannelHead(n_channels, n_classes, config, normalise=True)

    def forward(self, x: Float[Tensor, "batch time channels features"]) -> Output:
        """Logits of every bin, and the latents of both modules.

        Raises:
            ValueError: if the rank, the number of channels or of features is wrong, or a value is
                not finite.
        """
        require_series(x, self.individual.n_features)
        if x.shape[2] != self.n_channels and self.config.pool == "concatenate":
            raise ValueError(
                f"this network was built for {self.n_channels} channels, got {x.shape[2]}; its "
                "individual module takes any number, its embeddings and head do not"
            )
        z = self.individual.latents(x)
        u = self.interact(z)
        return Output(self.head(u), self.individual.head(z), z, u)

    def interact(
        self, z: Float[Tensor, "batch time channels dim"]
    ) -> Float[Tensor, "batch time channels dim"]:
        """Let the channels of each bin attend to each other."""
        u = self._tokens(z)
        for layer in self.layers:
            u = layer(u)
        return u.view(z.shape)

    @torch.no_grad()
    def attention(
        self, x: Float[Tensor, "batch time channels features"]
    ) -> Float[Tensor, "batch time heads channels channels"]:
        """Weights of the first interaction layer: [i, j] is what channel i takes from channel j."""
        z = self.individual(x)
        first = self.layers[0]
        weights = first.attention.weights(first.norm_1(self._tokens(z)))
        return weights.view(*z.shape[:2], *weights.shape[1:])

    def _tokens(self, z: Tensor) -> Tensor:
        if self.config.channel_embedding:
            z = z + self.channel_embedding
        return z.flatten(0, 1)


def eit_loss(
    output: Output, labels: Int[Tensor, " batch"], individual_weight: float | int
) -> Float[Tensor, ""]:
    """Cross-entropy of every bin with its trial's class, plus the individual module's, weighted.

    Args:
        output: of the network.
        labels: class of each sample; all its bins carry it.
        individual_weight: 0.5 for neural data, 0 for bodies.

    Raises:
        ValueError: if a label is not one of the classes.

    Source: Liu et al. (2022), loss.
    """
    total = bin_cross_entropy(output.logits, labels)
    if individual_weight:
        total = total + individual_weight * bin_cross_entropy(output.individual_logits, labels)
    return total


def bin_cross_entropy(
    logits: Float[Tensor, "batch time classes"], labels: Int[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """Mean cross-entropy over all bins, each labelled with the class of its sample.

    Raises:
        ValueError: if the number of labels is wrong or a label is not one of the classes.
    """
    batch, time, n_classes = logits.shape
    if labels.shape != (batch,):
        raise ValueError(f"labels must have shape ({batch},), got {tuple(labels.shape)}")
    if batch and not 0 <= int(labels.min()) <= int(labels.max()) < n_classes:
        raise ValueError(
            f"labels must lie in 0..{n_classes - 1}, got {int(labels.min())}..{int(labels.max())}"
        )
    return F.cross_entropy(logits.flatten(0, 1), labels.repeat_interleave(time))


def require_series(x: Tensor, n_features: int) -> None:
    """Refuse what is not a finite batch of series, shape (batch, time, channels, features).

    Raises:
        ValueError: saying what is wrong.
    """
    if x.ndim != 4 or x.shape[3] != n_features:
        raise ValueError(
            f"x must have shape (batch, time, channels, {n_features}), got {tuple(x.shape)}"
        )
    if 0 in x.shape:
        raise ValueError(f"x is empty, shape {tuple(x.shape)}")
    if not torch.isfinite(x).all():
        raise ValueError("x holds NaN or infinite values; drop or fill those bins first")


def individual_layer_parameters(dim: int, n_heads: int, head_width: int, expansion: int) -> int:
    """Number of parameters of one individual layer, in closed form.

    Two LayerNorms, a qkv map without bias, an output map with bias, and an MLP.
    """
    inner = n_heads * head_width
    attention = 3 * inner * dim + inner * dim + dim
    return 4 * dim + attention + 2 * expansion * dim**2 + expansion * dim + dim


def count_parameters(module: nn.Module) -> int:
    """Number of parameters of a network."""
    return sum(each.numel() for each in module.parameters())
