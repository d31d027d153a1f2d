"""Pretrain BYOL or MYOW on spikes: bins, one training step, embedding of new bins."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from neurotutor import training
from neurotutor.training import History, RandomState

from .config import MyowConfig, learning_rate, mining_weight
from .model import BYOL, MYOW, eligible_by_time, eligible_by_trial
from .views import Normaliser, block_ends, jitter, make_views

Method = Literal["byol", "myow"]
Rule = Callable[["Bins", Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Bins:
    """The bins that pretraining may see. No labels, and no bin of a test trial.

    Attributes:
        rates: Hz, shape (bins, neurons).
        block: trial of each bin, or stretch of an uninterrupted recording; contiguous.
        time: row of each bin in the recording, in bins; increasing within a block.

    Raises:
        TypeError: if rates are not floats, or blocks and times not integers.
        ValueError: if shapes disagree, a rate is negative or not finite, or blocks are scattered.
    """

    rates: Float[Tensor, "bins neurons"]
    block: Int[Tensor, " bins"]
    time: Int[Tensor, " bins"]

    def __post_init__(self):
        """Check what comes in: pretraining would not notice."""
        for name in ("block", "time"):
            values = getattr(self, name)
            if values.is_floating_point() or values.dtype == torch.bool:
                raise TypeError(f"{name} must hold integers, got {values.dtype}")
            if values.shape != self.rates.shape[:1]:
                raise ValueError(
                    f"{name} must have one entry for each of {len(self.rates)} bins, "
                    f"got shape {tuple(values.shape)}"
                )
        block_ends(self.block)

    @classmethod
    def of(
        cls,
        rates: Shaped[np.ndarray, "bins neurons"],
        *,
        trial: Shaped[np.ndarray, " bins"] | None = None,
        mask: Shaped[np.ndarray, " bins"] | None = None,
        device: torch.device | str = "cpu",
    ) -> Bins:
        """Select bins of a recording.

        Args:
            rates: Hz, shape (bins, neurons), all bins of the recording in order.
            trial: trial numbers, shape (bins,); `None` for a recording without trials, where the
                blocks are the uninterrupted runs of `mask`.
            mask: bins for pretraining (train and validation, never test); `None` takes all.
            device: where to train.

        Raises:
            TypeError: if an array has the wrong kind of values.
            ValueError: if shapes disagree, a rate is negative or not finite, trials are not
                contiguous, or fewer than 2 bins are left.
        """
        rates = np.asarray(rates)
        if rates.dtype.kind not in "iuf":
            raise TypeError(f"rates must be real numbers in Hz, got dtype {rates.dtype}")
        if rates.ndim != 2:
            raise ValueError(f"rates must have shape (bins, neurons), got {rates.shape}")
        if not np.isfinite(rates).all():
            raise ValueError("rates hold NaN or infinite values; drop or fill those bins first")
        if (rates < 0).any():
            raise ValueError("rates must not be negative; pass spike counts / bin size")
        mask = np.ones(len(rates), bool) if mask is None else np.asarray(mask)
        if mask.dtype != bool or mask.shape != rates.shape[:1]:
            raise ValueError(f"mask must be booleans of shape ({len(rates)},), got {mask.shape}")
        if mask.sum() < 2:
            raise ValueError(f"mask leaves {mask.sum()} bins; pretraining needs at least 2")
        if trial is None:
            block = np.cumsum(np.diff(mask, prepend=mask[0]))
        else:
            block = np.asarray(trial)
            if block.dtype.kind not in "iu":
                raise TypeError(f"trial must hold integers, got dtype {block.dtype}")
            if block.shape != mask.shape:
                raise ValueError(f"trial must have shape {mask.shape}, got {block.shape}")
        return cls(
            torch.as_tensor(rates[mask], dtype=torch.float32, device=device),
            torch.as_tensor(block[mask].astype(np.int64), device=device),
            torch.as_tensor(np.flatnonzero(mask), device=device),
        )


class Pretraining:
    """One run: network, optimiser and randomness, advanced one step at a time.

    Args:
        bins: what may be seen.
        config: sizes, strengths and rates.
        method: "byol", or "myow" for mined views on top.
        seed: of weights, batches, views and picks.
        model: a network of your own, on the device of the bins, instead of a new one; for
            ablations.
        rule: who may mine whom, a function (bins, anchor rows, candidate rows) -> mask of shape
            (anchors, candidates). `None` takes other trials, or with `config.exclusion` other
            times.
        snapshot_every: keep the encoder as it is at the start and after every so many steps, so
            that `embed` can look back; 0 keeps none.

    Attributes:
        model: the network.
        normaliser: fitted on `bins`.
        snapshots: number of steps done -> encoder at that time.
        history: what `fit` returned last.
        state: what a checkpoint must hold, for `neurotutor.training.fit`.

    Raises:
        ValueError: if there are fewer bins than a batch needs, or `method` is unknown.

    Source: Azabou et al. (2021), script of myow-neuro.
    """

    def __init__(
        self,
        bins: Bins,
        config: MyowConfig,
        *,
        method: Method = "myow",
        seed: int = 0,
        model: BYOL | None = None,
        rule: Rule | None = None,
        snapshot_every: int = 0,
    ):
        if method not in ("byol", "myow"):
            raise ValueError(f"method must be 'byol' or 'myow', got {method!r}")
        if snapshot_every < 0:
            raise ValueError(f"snapshot_every must be at least 0 steps, got {snapshot_every}")
        if len(bins.rates) < config.batch_size:
            raise ValueError(
                f"a batch of {config.batch_size} anchors is larger than the data "
                f"({len(bins.rates)} bins); lower batch_size"
            )
        device = bins.rates.device
        self.config = config
        self.seed = seed
        self.bins = bins
        self.normaliser = Normaliser().fit(bins.rates)
        self._rates = self.normaliser.keep(bins.rates)
        self._last = block_ends(bins.block)
        if model is None:
            kind = MYOW if method == "myow" else BYOL
            model = kind(self._rates.shape[1], config, seed=seed).to(device)
        self.model = model
        trainable = [p for p in model.parameters() if p.requires_grad]
        self.optimiser = _make_optimiser(trainable, config)
        # Two streams: mining must not shift the random numbers that the views are made of.
        self._views = torch.Generator(device=device).manual_seed(2 * seed)
        self._mining = torch.Generator(device=device).manual_seed(2 * seed + 1)
        self.rule = self._far_apart if rule is None else rule
        self.history: History | None = None
        self.snapshot_every = snapshot_every
        self.snapshots = _Snapshots()
        self._take_snapshot(0)
        self.state = {
            "model": self.model,
            "optimiser": self.optimiser,
            "views": RandomState(self._views),
            "mining": RandomState(self._mining),
            "snapshots": self.snapshots,
        }

    def step(self, i: int) -> dict[str, float]:
        """Training step number i (0 first): draw, augment, predict, mine, learn, follow.

        Returns:
            Loss and its parts; `mined` is NaN in a step without mining.
        """
        rows = self._draw_anchors(i)
        positives = jitter(rows, self._last, self.config.max_jitter, generator=self._views)
        both = make_views(
            self._rates[torch.cat([rows, positives])],
            self.normaliser,
            self.config,
            generator=self._views,
        )
        view_1, view_2 = both.split(len(rows))
        weight = mining_weight(i, self.config) if isinstance(self.model, MYOW) else 0.0
        if weight > 0:
            candidates, eligible = self._draw_pool(rows, positives, view_1)
            losses = self.model(
                view_1, view_2, candidates, eligible, weight=weight, generator=self._mining
            )
        elif isinstance(self.model, MYOW):
            losses = self.model(view_1, view_2, weight=0.0)
        else:
            losses = self.model(view_1, view_2)

        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(i, self.config)
        self.optimiser.zero_grad()
        losses.total.backward()
        self.optimiser.step()
        self.model.update_target()
        self._take_snapshot(i + 1)

        metrics = {"loss": losses.total.item(), "augmented": losses.augmented.item()}
        if isinstance(self.model, MYOW):
            metrics["mined"] = float("nan") if losses.mined is None else losses.mined.item()
        return metrics

    def _take_snapshot(self, done: int) -> None:
        if self.snapshot_every and done % self.snapshot_every == 0:
            self.snapshots[done] = {
                name: value.detach().clone()
                for name, value in self.model.encoder.state_dict().items()
            }

    def _draw_anchors(self, i: int) -> Int[Tensor, " anchors"]:
        """Rows of step i: each epoch is a permutation of all bins, its incomplete rest dropped."""
        n, size = len(self._rates), self.config.batch_size
        epoch, batch = divmod(i, n // size)
        # Seeded by the epoch, so that a resumed run goes on with the rows it would have drawn.
        shuffle = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        rows = torch.randperm(n, generator=shuffle)[batch * size : (batch + 1) * size]
        return rows.to(self._rates.device)

    def _draw_pool(self, rows: Tensor, positives: Tensor, view_1: Tensor) -> tuple[Tensor, Tensor]:
        """Views of anchors and positives without repeats, and who may mine whom."""
        extra = positives.unique()
        extra = extra[~torch.isin(extra, rows)]
        views = view_1
        if len(extra):
            more = make_views(
                self._rates[extra], self.normaliser, self.config, generator=self._mining
            )
            views = torch.cat([view_1, more])
        pool = torch.cat([rows, extra])
        return views, self.rule(self.bins, rows, pool)

    def _far_apart(self, bins: Bins, rows: Tensor, pool: Tensor) -> Tensor:
        if self.config.exclusion is None:
            return eligible_by_trial(bins.block[rows], bins.block[pool])
        return eligible_by_time(bins.time[rows], bins.time[pool], self.config.exclusion)

    def fit(
        self,
        *,
        n_steps: int | None = None,
        checkpoint: Path | None = None,
        checkpoint_every: int = 1000,
        description: str = "",
        progress: bool = False,
    ) -> History:
        """Run all steps (or the first `n_steps`), resuming from `checkpoint` where it exists."""
        self.history = training.fit(
            self.step,
            self.config.n_steps if n_steps is None else n_steps,
            state=self.state,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            description=description,
            progress=progress,
        )
        return self.history

    def embed(
        self, rates: Float[np.ndarray, "bins neurons"], *, after: int | None = None
    ) -> Float[np.ndarray, "bins representation"]:
        """Representations of any bins of the recording; nothing is augmented, nothing changes.

        Args:
            rates: Hz, all neurons of the recording, shape (bins, neurons).
            after: number of training steps after which to look, out of `snapshots`; `None` looks
                at the encoder as it is now.

        Raises:
            ValueError: if the number of neurons differs, a rate is not finite, or there is no such
                snapshot.
        """
        inputs = torch.as_tensor(np.asarray(rates), dtype=torch.float32, device=self._rates.device)
        inputs = self.normaliser.transform(inputs)
        if after is None:
            return self.model.represent(inputs).cpu().numpy()
        if after not in self.snapshots:
            raise ValueError(f"no snapshot after {after} steps; there are {list(self.snapshots)}")
        past = deepcopy(self.model)
        past.encoder.load_state_dict(self.snapshots[after])
        return past.represent(inputs).cpu().numpy()


class _Snapshots(dict[int, dict[str, Tensor]]):
    """Encoders by number of steps, in the form that a checkpoint keeps."""

    def state_dict(self) -> dict[int, dict[str, Tensor]]:
        return dict(self)

    def load_state_dict(self, state_dict: dict[int, dict[str, Tensor]]) -> None:
        self.clear()
        self.update(state_dict)


def pretrain(
    bins: Bins, config: MyowConfig, *, method: Method = "myow", seed: int = 0
) -> Pretraining:
    """Make a run and train it to the end of its configuration; no progress bar.

    Raises:
        ValueError: as `Pretraining` does.
    """
    run = Pretraining(bins, config, method=method, seed=seed)
    run.fit()
    return run


def _make_optimiser(parameters: list[Tensor], config: MyowConfig) -> torch.optim.Optimizer:
    if config.sgd_momentum is None:
        return torch.optim.AdamW(
            parameters,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,  # one kernel for the whole step: a third of the time
        )
    return torch.optim.SGD(
        parameters,
        lr=config.learning_rate,
        momentum=config.sgd_momentum,
        weight_decay=config.weight_decay,
    )
