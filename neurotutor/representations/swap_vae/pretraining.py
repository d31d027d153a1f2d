"""Train Swap-VAE, its ablations and plain VAEs on the bins of a recording; no labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurotutor import training
from neurotutor.representations.myow import Bins, evaluating
from neurotutor.training import History, RandomState

from .config import SwapVaeConfig
from .losses import ABLATIONS, kl_divergence
from .model import VAE, SwapVAE
from .pairs import draw_pairs, list_pairs, make_views

# Weight of the KL term for rates in Hz. In counts of 100 ms bins these are 1 and 4.
VAE_KL_WEIGHTS: dict[str, float] = {"VAE": 10.0, "beta-VAE": 40.0}
METHODS: tuple[str, ...] = (*ABLATIONS, *VAE_KL_WEIGHTS)
SMALLEST_SD = 1e-3  # Hz; neurons that vary less over the training bins are removed


class Training:
    """One run: network, optimiser and randomness, advanced one step at a time.

    Args:
        bins: what may be seen: rates in Hz and the trial of each bin.
        config: sizes, weights and rates.
        method: one of `METHODS`: "full", an ablation, "VAE" or "beta-VAE".
        seed: of weights, pairs, dropout and styles.

    Attributes:
        model: the network, a `SwapVAE` or a `VAE`.
        kept: mask of the neurons that vary over `bins`.
        pairs: rows of all pairs that may be drawn; for plain VAEs each bin with itself.
        history: what `fit` returned last.
        state: what a checkpoint must hold, for `neurotutor.training.fit`.

    Raises:
        ValueError: if `method` is unknown, there are fewer bins than a batch needs, or no neuron
            varies.

    Source: Liu et al. (2021), training script of SwapVAE.
    """

    def __init__(self, bins: Bins, config: SwapVaeConfig, *, method: str = "full", seed: int = 0):
        if method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}, got {method!r}")
        self.n_steps = config.n_steps(len(bins.rates))
        device = bins.rates.device
        self.config, self.method, self.bins = config, method, bins
        self.kept = bins.rates.std(dim=0) > SMALLEST_SD
        if not self.kept.any():
            raise ValueError("no neuron varies over these bins; pass bins in which neurons fire")
        self._rates = bins.rates[:, self.kept].contiguous()
        self.is_vae = method in VAE_KL_WEIGHTS
        kind = VAE if self.is_vae else SwapVAE
        self.model = kind(self._rates.shape[1], config, seed=seed).to(device)
        self.pairs = list_pairs(bins.block, 0 if self.is_vae else config.max_jitter)
        self.optimiser = torch.optim.Adam(
            self.model.parameters(),
            lr=config.learning_rate,
            fused=True,  # one kernel for the whole step
        )
        # Three streams, so that methods with one seed see the same pairs whatever else they draw.
        self._draws, self._dropout, self._noise = (
            torch.Generator(device=device).manual_seed(3 * seed + stream) for stream in range(3)
        )
        self.history: History | None = None
        self.state = {
            "model": self.model,
            "optimiser": self.optimiser,
            "draws": RandomState(self._draws),
            "dropout": RandomState(self._dropout),
            "noise": RandomState(self._noise),
        }

    def step(self, i: int) -> dict[str, float]:
        """Training step number i (0 first): draw pairs, encode, decode, learn.

        Returns:
            The terms of the loss, without their weights, and the total.
        """
        rows_1, rows_2 = draw_pairs(self.pairs, self.config.batch_size, generator=self._draws)
        view_1, view_2 = make_views(
            self._rates[rows_1], self._rates[rows_2], self.config, generator=self._dropout
        )
        if self.is_vae:
            losses = self.model.loss(
                view_1,
                self._normal(self.config.latent),
                kl_weight=VAE_KL_WEIGHTS[self.method],
            )
        else:
            noise = self._normal(self.config.style), self._normal(self.config.style)
            losses = self.model.loss(view_1, view_2, noise, weights=ABLATIONS[self.method])
        self.optimiser.zero_grad()
        losses.total.backward()
        self.optimiser.step()
        return dict(zip(losses._fields, torch.stack(losses).tolist(), strict=True))

    def _normal(self, columns: int) -> Tensor:
        return torch.randn(
            self.config.batch_size, columns, generator=self._noise, device=self._rates.device
        )

    def fit(
        self,
        *,
        checkpoint: Path | None = None,
        checkpoint_every: int = 500,
        description: str = "",
        progress: bool = False,
    ) -> History:
        """Run all steps, resuming from `checkpoint` where it exists."""
        self.history = training.fit(
            self.step,
            self.n_steps,
            state=self.state,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            description=description,
            progress=progress,
        )
        return self.history

    def keep(self, rates: Float[np.ndarray, "bins neurons"]) -> Float[Tensor, "bins kept"]:
        """Rates of the neurons that the network knows, as a tensor in Hz.

        Raises:
            ValueError: if the number of neurons differs from that of the training bins.
        """
        rates = np.asarray(rates)
        if rates.ndim != 2 or rates.shape[1] != len(self.kept):
            raise ValueError(
                f"rates must have shape (bins, {len(self.kept)}), got {rates.shape}; "
                "pass all neurons of the recording"
            )
        return torch.as_tensor(rates, dtype=torch.float32, device=self._rates.device)[:, self.kept]

    def embed(self, rates: Float[np.ndarray, "bins neurons"]) -> Float[np.ndarray, "bins latent"]:
        """Representation of any bins: content and style mean; for a VAE the means of all latents.

        Raises:
            ValueError: if the number of neurons differs, or a rate is negative or not finite.
        """
        return self.model.represent(self.keep(rates)).cpu().numpy()

    def blocks(
        self, rates: Float[np.ndarray, "bins neurons"]
    ) -> tuple[Float[Tensor, "bins content"], Float[Tensor, "bins style"]]:
        """Content and style mean of any bins, as tensors that `SwapVAE.generate` takes.

        Raises:
            TypeError: for a plain VAE, whose latents have no blocks.
        """
        self._require_blocks()
        representation = self.model.represent(self.keep(rates))
        content = self.config.content
        return representation[:, :content], representation[:, content:]

    @torch.no_grad()
    def style_kl(self, rates: Float[np.ndarray, "bins neurons"]) -> float:
        """Mean KL divergence of the style in eval mode, in nats: what the style holds of a bin.

        Raises:
            TypeError: for a plain VAE.
        """
        self._require_blocks()
        with evaluating(self.model):
            latents = self.model.encode(self.keep(rates))
        return kl_divergence(latents.mean, latents.log_variance).item()

    def _require_blocks(self) -> None:
        if self.is_vae:
            raise TypeError(f"the latents of a {self.method} have no content and style block")


def train(bins: Bins, config: SwapVaeConfig, *, method: str = "full", seed: int = 0) -> Training:
    """Make a run and train it to the end of its configuration; no progress bar.

    Raises:
        ValueError: as `Training` does.
    """
    run = Training(bins, config, method=method, seed=seed)
    run.fit()
    return run
