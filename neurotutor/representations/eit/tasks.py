"""Data as EIT wants them: bodies in every order, and windows of a recording of reaches."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from neurotutor.checks import as_count
from neurotutor.data.many_body import ManyBody, Relabelling, TaskName, relabel
from neurotutor.data.reach import Reach


@dataclass(frozen=True)
class Samples:
    """Labelled series: `x` (samples, time, channels, features) and one class `y` for each."""

    x: Float[Tensor, "samples time channels features"]
    y: Int[Tensor, " samples"]

    def __len__(self):
        """Number of samples."""
        return len(self.y)

    def to(self, device: torch.device) -> Samples:
        """The same samples on a device."""
        return Samples(self.x.to(device), self.y.to(device))


class BodyTask:
    """Trials of bodies whose order is drawn anew for every sample; the class follows the order.

    Drawing orders at random is the same training set as listing them all, without the copies.

    Args:
        bodies: simulated trials; the first 80 % train, the rest test.
        task: "connection", "type" or "both".
        every: how many samples of the window one is kept of.
        n_test_orders: orders drawn for every test trial, once and for all.
        seed: of the orders of the test trials.

    Source: Liu et al. (2022), many-body data.
    """

    def __init__(
        self,
        bodies: ManyBody,
        task: TaskName,
        *,
        every: int = 1,
        n_test_orders: int = 4,
        seed: int = 0,
    ):
        self.labels: Relabelling = relabel(bodies.connection, bodies.type, task)
        self.n_classes = self.labels.n_classes
        positions = torch.as_tensor(bodies.positions[:, :: as_count("every", every)]).float()
        n_train = int(0.8 * len(positions))
        if not 0 < n_train < len(positions):
            raise ValueError(f"{len(positions)} trials cannot be split; simulate at least 5")
        self.train, self.held_out = positions[:n_train], positions[n_train:]
        self._orders = torch.as_tensor(self.labels.orders)
        self._classes = torch.as_tensor(self.labels.classes)
        trials = torch.arange(len(self.held_out)).repeat_interleave(n_test_orders)
        generator = torch.Generator().manual_seed(seed)
        self.test = self._arrange(self.held_out[trials], generator)

    def draw(self, n: int, generator: torch.Generator) -> Samples:
        """A batch of `n` training trials, each in an order of its own."""
        rows = torch.randint(len(self.train), (n,), generator=generator)
        return self._arrange(self.train[rows], generator)

    def to(self, device: torch.device) -> BodyTask:
        """The same task on a device."""
        twin = copy(self)
        twin.train, twin.held_out = self.train.to(device), self.held_out.to(device)
        twin._orders, twin._classes = self._orders.to(device), self._classes.to(device)
        twin.test = self.test.to(device)
        return twin

    def _arrange(self, x: Tensor, generator: torch.Generator) -> Samples:
        pick = torch.randint(len(self._orders), (len(x),), generator=generator).to(x.device)
        order = self._orders[pick][:, None, :, None].expand(-1, x.shape[1], -1, x.shape[3])
        return Samples(x.gather(2, order), self._classes[pick])


@dataclass(frozen=True)
class Windows:
    """Short stretches of a recording, whole trials in one part only.

    Attributes:
        train: rates of consecutive bins, centred with the training part's own means.
        test: the same for the later trials, centred with the training part's means.
        train_trial: trial of each training window.
        test_trial: trial of each test window.
        kept: which neurons vary in the training part.
    """

    train: Samples
    test: Samples
    train_trial: Int[np.ndarray, " train"]
    test_trial: Int[np.ndarray, " test"]
    kept: Bool[np.ndarray, " neurons"]

    @property
    def n_neurons(self) -> int:
        """Number of kept neurons."""
        return int(self.kept.sum())


def reach_windows(recording: Reach, n_bins: int = 2, *, train_share: float = 0.8) -> Windows:
    """Cut a recording into overlapping windows, after splitting its trials.

    Args:
        recording: spikes in bins, trials one after another.
        n_bins: bins of a window; only bins that follow each other without a gap make one.
        train_share: share of trials, the first ones, that train.

    Returns:
        Rates in Hz, centred and not scaled. Neurons whose training standard deviation is 0.001 Hz
        or less are left out.

    Raises:
        ValueError: if the share is out of range or a part has no window.

    Source: Liu et al. (2022), neural data; means of the test part are not used here.
    """
    n_bins = as_count("n_bins", n_bins)
    if not 0 < train_share < 1:
        raise ValueError(f"train_share must lie strictly between 0 and 1, got {train_share}")
    first = np.flatnonzero(
        [
            recording.trial[i] == recording.trial[i + n_bins - 1]
            and recording.bin_in_trial[i + n_bins - 1] - recording.bin_in_trial[i] == n_bins - 1
            for i in range(recording.n_bins - n_bins + 1)
        ]
    )
    early = recording.trial < int(train_share * recording.n_trials)
    parts = first[early[first]], first[~early[first]]
    if not (len(parts[0]) and len(parts[1])):
        raise ValueError(
            f"{recording.name} has no window of {n_bins} bins in a part; take shorter windows"
        )
    rates = recording.rates
    kept = rates[early].std(axis=0) > 1e-3
    centred = rates[:, kept] - rates[early][:, kept].mean(axis=0)
    train, test = (
        Samples(
            torch.as_tensor(centred[rows[:, None] + np.arange(n_bins)])[..., None].float(),
            torch.as_tensor(recording.direction[rows].astype(np.int64)),
        )
        for rows in parts
    )
    return Windows(train, test, recording.trial[parts[0]], recording.trial[parts[1]], kept)
