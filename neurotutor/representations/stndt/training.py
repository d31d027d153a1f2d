"""Training of NDT and STNDT by masked modelling, with or without the contrastive term."""

from __future__ import annotations

import os

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurotutor import training
from neurotutor.training import EarlyStop, History, RandomState

from .config import StndtConfig, learning_rate, span_probability
from .losses import contrastive_loss, masked_poisson_loss, total_loss
from .masking import Layout, hide, mask_batch
from .model import NDT, STNDT
from .tasks import Task, score


class Training:
    """One run: a model, its optimiser and its randomness, advanced one step at a time.

    Args:
        task: what to learn from.
        model: on the device of the task's counts.
        config: masks, loss and schedule; the sizes are the model's own.
        seed: of batches and masks.
        validate_every: epochs between evaluations, which report `co_bps`; 0 never evaluates.

    Attributes:
        model: the model.
        history: what `fit` returned last.
        state: what a checkpoint must hold.

    Raises:
        ValueError: if the model was made for other sizes, or contrast is asked of an NDT.

    Source: Le & Shlizerman (2022) and its repository.
    """

    def __init__(
        self,
        task: Task,
        model: NDT | STNDT,
        config: StndtConfig,
        *,
        seed: int = 0,
        validate_every: int = 0,
    ):
        if (model.n_neurons, model.n_bins) != (task.layout.n_neurons, task.layout.n_bins):
            raise ValueError(
                f"the model takes {model.n_bins} bins of {model.n_neurons} neurons, the task has "
                f"{task.layout.n_bins} of {task.layout.n_neurons}; make the model for the task"
            )
        if config.contrast_weight > 0 and not isinstance(model, STNDT):
            raise ValueError("contrast needs the two embedders of STNDT; set contrast_weight to 0")
        if validate_every < 0:
            raise ValueError(f"validate_every must be 0 or greater, got {validate_every}")
        self.task, self.model, self.config = task, model, config
        self.validate_every = validate_every
        self.optimiser = torch.optim.AdamW(
            model.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        device = task.train.device
        self._masks = torch.Generator(device=device).manual_seed(seed + 1)
        # Two streams: contrast must not change which entries are masked.
        self._copies = torch.Generator(device=device).manual_seed(seed + 10_000)
        self._spans = np.random.default_rng(seed)
        self._seed = seed
        self.history: History | None = None
        self.state = {
            "model": model,
            "optimiser": self.optimiser,
            "masks": RandomState(self._masks),
            "copies": RandomState(self._copies),
            "spans": RandomState(self._spans),
        }

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch; the last one may be smaller."""
        return -(-len(self.task.train) // self.config.batch_size)

    def step(self, i: int) -> dict[str, float]:
        """Training step number i (0 first): draw, mask, predict, learn.

        Returns:
            The loss and its parts; `co_bps` at the end of the epochs that are evaluated.
        """
        epoch, batch = divmod(i, self.steps_per_epoch)
        spikes = self.task.train[self._draw(epoch, batch)]
        if not self.model.training:  # telling every module takes time
            self.model.train()
        # Dropout draws from PyTorch's global generator: give it a state of this run's own.
        used = [spikes.device] if spikes.is_cuda else []
        with torch.random.fork_rng(devices=used):
            seed = hash((self._seed, i)) % 2**31
            # Not `torch.manual_seed`: without CUDA it notes the caller's whole stack every time.
            torch.default_generator.manual_seed(seed)
            if used:
                torch.cuda.manual_seed(seed)
            loss, parts = self.loss(spikes, epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(epoch, self.config)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimiser.step()
        last = batch == self.steps_per_epoch - 1
        if self.validate_every and last and (epoch + 1) % self.validate_every == 0:
            rates = predict(self.model, self.task.validation, self.task.layout)
            parts["co_bps"] = score(rates, self.task).co_bps
        return parts

    def loss(
        self, spikes: Float[Tensor, "trials bins neurons"], epoch: int
    ) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Loss of one batch, and its parts as numbers."""
        config = self.config
        span = 1
        if self._spans.random() < span_probability(epoch, config):
            span = int(self._spans.integers(1, config.mask_max_span + 1))
        masked = mask_batch(
            spikes,
            self.task.layout,
            mode=config.mask_mode,
            ratio=config.mask_ratio,
            span=span,
            token=config.mask_token,
            random=config.mask_random,
            generator=self._masks,
        )
        loss = masked_poisson_loss(self.model(masked.inputs), masked.labels)
        parts = {"masked": loss.item()}
        if config.contrast_weight > 0:
            temporal, spatial = self.contrast(spikes)
            loss = total_loss(loss, temporal, spatial, config.contrast_weight)
            parts |= {"temporal": temporal.item(), "spatial": spatial.item()}
        return loss, parts | {"loss": loss.item()}

    def contrast(
        self, spikes: Float[Tensor, "trials bins neurons"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Contrastive losses of the temporal and of the spatial embedder on two corrupted copies.

        Only the embedders run: nothing after them gets a gradient from these two terms.
        """
        config = self.config
        views = [
            mask_batch(
                spikes,
                self.task.layout,
                mode="full",
                ratio=config.contrast_ratio,
                token=config.contrast_token,
                random=config.contrast_random,
                generator=self._copies,
            ).inputs
            for _ in range(2)
        ]
        both = torch.cat(views)
        temporal = self.model.embed(both).flatten(1).chunk(2)
        spatial = self.model.embed_spatial(both).flatten(1).chunk(2)
        return (
            contrastive_loss(*temporal, config.temperature),
            contrastive_loss(*spatial, config.temperature),
        )

    def fit(
        self,
        *,
        checkpoint: str | os.PathLike | None = None,
        patience: int | None = None,
        progress: bool = True,
    ) -> History:
        """Train for all epochs of the config, or go on from a checkpoint.

        Args:
            checkpoint: file to save to and to resume from.
            patience: stop when `co_bps` has not improved for so many epochs; needs
                `validate_every`. The split that stops a run should not be the one reported.
            progress: whether to show a bar.

        Raises:
            ValueError: if the checkpoint is of another run.
        """
        per_epoch = self.steps_per_epoch
        stop = None
        if patience is not None:
            stop = EarlyStop("co_bps", patience * per_epoch, minimise=False)
        self.history = training.fit(
            self.step,
            self.config.n_epochs * per_epoch,
            state=self.state,
            checkpoint=checkpoint,
            checkpoint_every=50 * per_epoch,
            early_stop=stop,
            description=f"{type(self.model).__name__} on {self.task.name}",
            progress=progress,
        )
        return self.history

    def _draw(self, epoch: int, batch: int) -> Tensor:
        """Rows of this batch. The order depends on seed and epoch alone, so a run can resume."""
        drawn = torch.Generator().manual_seed(hash((self._seed, epoch)) % 2**31)
        order = torch.randperm(len(self.task.train), generator=drawn)
        return order[batch * self.config.batch_size : (batch + 1) * self.config.batch_size]


@torch.no_grad()
def predict(
    model: NDT | STNDT, spikes: Float[Tensor, "trials bins neurons"], layout: Layout
) -> Float[np.ndarray, "trials bins neurons"]:
    """Rates of single trials, in spikes per bin: one pass, with all that may be seen unmasked.

    Held-out neurons and forward bins are set to 0 before the model sees anything.

    Args:
        model: its mode (training or evaluation) is given back as it was.
        spikes: counts of all neurons and bins.
        layout: what may be seen.

    Raises:
        ValueError: if shapes disagree.
    """
    before = model.training
    model.eval()
    log_rates = model(hide(spikes, layout))
    model.train(before)
    return log_rates.double().exp().cpu().numpy()
