"""NDT and STNDT: from spike counts to the logarithm of firing rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .config import StndtConfig
from .layers import SpatiotemporalLayer, TemporalLayer, context_mask, sinusoids

# exp(20) spikes in a bin are far beyond any rate, and far below what float32 can hold.
LARGEST_LOG_RATE = 20.0

Mixing = Literal["attention", "identity", "uniform"]


class NDT(nn.Module):
    """Neural data transformer: one token per time bin, the counts of the population.

    Args:
        n_neurons: N, held-in and held-out together.
        n_bins: T, observed and forward together.
        config: sizes and dropout; `NDT(182, 180)` has the published size for MC_Maze.
        seed: of the first weights.

    Raises:
        ValueError: if a size is below 1, or heads do not divide the width of a token.

    Source: Ye & Pandarinath (2021); configurations of the Neural Latents Benchmark.
    """

    def __init__(
        self, n_neurons: int, n_bins: int, config: StndtConfig | None = None, *, seed: int = 0
    ):
        super().__init__()
        config = StndtConfig() if config is None else config
        _require_sizes(n_neurons, n_bins)
        self.n_neurons, self.n_bins, self.config = n_neurons, n_bins, config
        self.width = width = n_neurons * (config.count_embedding or 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if config.count_embedding:
                # Two rows beyond the largest count: one for masked entries, one to spare.
                self.embedder = nn.Embedding(config.max_count + 2, config.count_embedding)
                nn.init.uniform_(self.embedder.weight, -0.1, 0.1)
            if config.learned_positions:
                self.positions = nn.Parameter(torch.randn(n_bins, width))
            else:
                self.register_buffer("positions", sinusoids(n_bins, width), persistent=False)
            self.layers = _stack(config, lambda: TemporalLayer(width, config))
            self.norm = nn.LayerNorm(width)
            self.decoder = _decoder(width, n_neurons)
        self.embedding_drop = nn.Dropout(config.embedding_dropout)
        self.rate_drop = nn.Dropout(config.rate_dropout)
        _register_context(self, n_bins, config)

    def embed(
        self, counts: Float[Tensor, "batch bins neurons"]
    ) -> Float[Tensor, "batch bins width"]:
        """Scaled tokens, before positions are added."""
        if self.config.count_embedding:
            rows = counts.round().long().clamp(0, self.config.max_count + 1)
            tokens = self.embedder(rows).flatten(2)
        else:
            tokens = counts
        return math.sqrt(self.width) * tokens

    def forward(
        self, counts: Float[Tensor, "batch bins neurons"]
    ) -> Float[Tensor, "batch bins neurons"]:
        """Log rates (log spikes per bin) for counts in which hidden entries are 0.

        Raises:
            ValueError: if the counts have another shape than the model was made for.
        """
        _require_counts(self, counts)
        state = self.embedding_drop(self.embed(counts) + self.positions)
        for layer in self.layers:
            state = layer(state, self.context)
        return self.decoder(self.rate_drop(self.norm(state))).clamp(max=LARGEST_LOG_RATE)


class Attended(NamedTuple):
    """What STNDT says, and how its neurons attended to each other."""

    log_rates: Float[Tensor, "batch bins neurons"]
    weights: Float[Tensor, "layers batch neurons neurons"]


class STNDT(nn.Module):
    """Spatiotemporal neural data transformer: tokens over time, and tokens over neurons.

    Args:
        n_neurons: N, held-in and held-out together.
        n_bins: T, observed and forward together.
        config: sizes and dropout; `STNDT(182, 180)` has the published size for MC_Maze.
        mixing: "attention"; "identity" or "uniform" put I or 1/N in the place of the spatial
            weights, for ablations.
        seed: of the first weights.

    Raises:
        ValueError: if a size is below 1, or heads do not divide N and T.

    Source: Le & Shlizerman (2022).
    """

    def __init__(
        self,
        n_neurons: int,
        n_bins: int,
        config: StndtConfig | None = None,
        *,
        mixing: Mixing = "attention",
        seed: int = 0,
    ):
        super().__init__()
        config = StndtConfig() if config is None else config
        _require_sizes(n_neurons, n_bins)
        if mixing not in ("attention", "identity", "uniform"):
            raise ValueError(f"mixing must be attention, identity or uniform, got {mixing!r}")
        self.n_neurons, self.n_bins, self.config = n_neurons, n_bins, config
        self.mixing = mixing
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embedder = nn.Linear(n_neurons, n_neurons)
            self.spatial_embedder = nn.Linear(n_bins, n_bins)
            for linear in (self.embedder, self.spatial_embedder):
                nn.init.uniform_(linear.weight, -0.1, 0.1)
            self.layers = _stack(config, lambda: SpatiotemporalLayer(n_neurons, n_bins, config))
            self.norm = nn.LayerNorm(n_neurons)
            self.decoder = _decoder(n_neurons, n_neurons)
        self.register_buffer("positions", sinusoids(n_bins, n_neurons), persistent=False)
        self.register_buffer("neuron_code", sinusoids(n_neurons, n_bins), persistent=False)
        self.embedding_drop = nn.Dropout(config.embedding_dropout)
        self.rate_drop = nn.Dropout(config.rate_dropout)
        _register_context(self, n_bins, config)

    def embed(
        self, counts: Float[Tensor, "batch bins neurons"]
    ) -> Float[Tensor, "batch bins neurons"]:
        """Scaled temporal tokens, before positions are added."""
        return math.sqrt(self.n_neurons) * self.embedder(counts)

    def embed_spatial(
        self, counts: Float[Tensor, "batch bins neurons"]
    ) -> Float[Tensor, "batch neurons bins"]:
        """Scaled spatial tokens, before the code of neurons is added."""
        return math.sqrt(self.n_bins) * self.spatial_embedder(counts.transpose(1, 2))

    def forward(
        self, counts: Float[Tensor, "batch bins neurons"]
    ) -> Float[Tensor, "batch bins neurons"]:
        """Log rates (log spikes per bin) for counts in which hidden entries are 0.

        Raises:
            ValueError: if the counts have another shape than the model was made for.
        """
        return self._run(counts, [])

    def attend(self, counts: Float[Tensor, "batch bins neurons"]) -> Attended:
        """Log rates and the spatial weights of every layer, averaged over heads.

        Raises:
            ValueError: if attention was replaced, or the counts have another shape.
        """
        if self.mixing != "attention":
            raise ValueError(f"this model has no attention over neurons (mixing={self.mixing!r})")
        kept: list[Tensor] = []
        log_rates = self._run(counts, kept)
        return Attended(log_rates, torch.stack(kept))

    def _run(self, counts: Tensor, kept: list[Tensor]) -> Float[Tensor, "batch bins neurons"]:
        _require_counts(self, counts)
        state = self.embedding_drop(self.embed(counts) + self.positions)
        weights = None
        if self.mixing == "uniform":
            shape = (len(counts), self.n_neurons, self.n_neurons)
            weights = state.new_full(shape, 1 / self.n_neurons)
        elif self.mixing == "attention":
            courses = self.embedding_drop(self.embed_spatial(counts) + self.neuron_code)
        for layer in self.layers:
            if self.mixing == "attention":
                weights = layer.weights(courses)
                kept.append(weights)
            state = layer(state, weights, self.context)
            courses = state.transpose(1, 2)
        return self.decoder(self.rate_drop(self.norm(state))).clamp(max=LARGEST_LOG_RATE)


def count_parameters(model: nn.Module) -> int:
    """Number of parameters that training may change, dead ones included."""
    return sum(each.numel() for each in model.parameters())


def _stack(config: StndtConfig, make: Callable[[], nn.Module]) -> nn.ModuleList:
    layers = nn.ModuleList(make() for _ in range(config.n_layers))
    if config.identical_layers:
        for layer in layers[1:]:
            layer.load_state_dict(layers[0].state_dict())
    return layers


def _decoder(width: int, n_neurons: int) -> nn.Linear:
    decoder = nn.Linear(width, n_neurons)
    nn.init.uniform_(decoder.weight, -0.1, 0.1)
    nn.init.zeros_(decoder.bias)
    return decoder


def _register_context(model: nn.Module, n_bins: int, config: StndtConfig) -> None:
    mask = context_mask(n_bins, config.context_backward, config.context_forward)
    model.register_buffer("context", mask, persistent=False)


def _require_sizes(n_neurons: int, n_bins: int) -> None:
    if n_neurons < 1 or n_bins < 1:
        raise ValueError(f"a model needs neurons and bins, got {n_neurons} and {n_bins}")


def _require_counts(model: NDT | STNDT, counts: Tensor) -> None:
    if counts.shape[1:] != (model.n_bins, model.n_neurons):
        raise ValueError(
            f"counts must have shape (trials, {model.n_bins}, {model.n_neurons}), as the model was "
            f"made for, got {tuple(counts.shape)}"
        )
