"""Synapses: drawn when they are first needed, kept from then on.

Two facts make a hundred thousand neurons cheap. A synapse matters only once its source has fired,
so the outgoing synapses of a silent neuron need not exist yet. And a synapse has another weight
than 1 only if both its ends have fired, so weights fit in a small matrix over those neurons.
Neurons that have fired are numbered in the order in which they first fired; that number is called
their place.
"""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr, ndtri
from scipy.stats import binom


def stream(seed: int, *names: str | int, counter: int = 0) -> np.random.Generator:
    """A generator of its own for every thing that has a name.

    What it gives depends on the seed and the names alone, not on what was drawn before: so results
    do not depend on the order in which neurons fire.

    Args:
        seed: of the brain.
        names: what the numbers are for.
        counter: which of many streams of that name, such as the number of a neuron.
    """
    text = "|".join(map(str, (seed, *names))).encode()
    return stream_of(
        np.frombuffer(hashlib.blake2b(text, digest_size=16).digest(), np.uint64), counter
    )


def stream_of(key: np.ndarray, counter: int) -> np.random.Generator:
    """The generator of a key and a counter; counters are 2^128 draws apart."""
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, counter, 0]))


def draw_row(rng: np.random.Generator, n: int, p: float) -> Int[np.ndarray, "synapses"]:
    """Targets of one neuron: each of n neurons independently with probability p.

    The gaps between neighbouring targets are geometric, so the cost is that of the synapses that
    exist, not of those that could.

    Args:
        rng: stream of the source neuron.
        n: number of possible targets.
        p: probability of a synapse, in [0, 1].

    Returns:
        Numbers of the targets, increasing, as int32.
    """
    if p <= 0:
        return np.empty(0, np.int32)
    if p >= 1:
        return np.arange(n, dtype=np.int32)
    rate = -np.log1p(-p)
    mean = n * p
    found, last = [], -1
    while last < n:
        draws = int(1.02 * mean + 6 * np.sqrt(mean)) + 16
        # An exponential number, rounded up in units of 1 / rate, is a geometric one.
        gaps = np.floor(rng.standard_exponential(draws) / rate).astype(np.int64) + 1
        targets = last + np.cumsum(gaps)
        found.append(targets)
        last = targets[-1]
        mean = max(1.0, (n - last) * p)
    row = np.concatenate(found)
    return row[: np.searchsorted(row, n)].astype(np.int32)


class Area:
    """A brain area: n neurons of which k fire at a time.

    Attributes:
        name: of the area.
        n: number of neurons.
        k: number of neurons that fire.
        winners: the neurons that fire now, increasing; empty while the area is silent.
        history: the winners of every round in which the area was projected into.
        newcomers: for the same rounds, how many of them had never fired before.
        frozen: while True the winners stay as they are (their incoming synapses still change).
    """

    def __init__(self, name: str, n: int, k: int):
        self.name, self.n, self.k = name, n, k
        self.winners = np.empty(0, np.int64)
        self.history: list[np.ndarray] = []
        self.newcomers: list[int] = []
        self.frozen = False
        self.place_of = np.full(n, -1, np.int32)
        self._support = np.empty(0, np.int64)

    @property
    def support(self) -> Int[np.ndarray, "fired"]:
        """Every neuron that ever fired, in the order of first firing."""
        return self._support

    @property
    def support_sizes(self) -> Int[np.ndarray, "rounds"]:
        """Number of neurons that have ever fired, after each round."""
        return np.cumsum(np.array(self.newcomers, int))

    @property
    def places(self) -> Int[np.ndarray, "winners"]:
        """Places of the neurons that fire now."""
        return self.place_of[self.winners]

    def switch(self, winners: np.ndarray, record: bool = True) -> None:
        """Let these neurons fire, and give a place to those that never did."""
        fresh = winners[self.place_of[winners] < 0]
        self.place_of[fresh] = len(self._support) + np.arange(len(fresh), dtype=np.int32)
        self._support = np.concatenate([self._support, fresh])
        self.winners = winners
        if record:
            self.history.append(winners)
            self.newcomers.append(len(fresh))


class Stimulus:
    """A fixed set of neurons outside all areas that fires as one."""

    def __init__(self, name: str, size: int):
        self.name, self.size = name, size


class ExactStimulusFibre:
    """Synapses from a stimulus into an area.

    The neurons of a stimulus always fire together, so their synapses onto one neuron always change
    together: one number for each target neuron holds them all.
    """

    def __init__(
        self,
        source: Stimulus,
        target: Area,
        p: float,
        plasticity: float,
        top: float,
        key: np.ndarray,
    ):
        self.plasticity, self._top = plasticity, top
        self.synapses = stream_of(key, 0).binomial(source.size, p, target.n)
        self._gain = np.ones(target.n)

    @property
    def gain(self) -> Float[np.ndarray, "target_neurons"]:
        """Weight of the synapses onto each target neuron."""
        return self._gain

    def drive(self) -> Float[np.ndarray, "target_neurons"]:
        """Input that the stimulus gives to every neuron of the area."""
        return self.synapses * self._gain

    def strengthen(self, winners: np.ndarray) -> None:
        """Multiply the synapses onto the winners by 1 + plasticity."""
        self._gain[winners] = np.minimum(self._gain[winners] * (1 + self.plasticity), self._top)


class ExactFibre:
    """Synapses from one area into another (or itself), drawn row by row when a neuron first fires.

    Attributes:
        rows: place of a source neuron -> numbers of its targets, for the neurons that have fired.
        weights: over places: source by target; 0 where there is no synapse. Rows that are not in
            `rows` hold zeros.
    """

    def __init__(
        self, source: Area, target: Area, p: float, plasticity: float, top: float, key: np.ndarray
    ):
        self.source, self.target = source, target
        self.p, self.plasticity, self._top, self._key = p, plasticity, top, key
        self.rows: dict[int, np.ndarray] = {}
        self.weights = np.zeros((0, 0))
        self._filled = 0  # targets up to this place have their column in `weights`
        self._fresh_counts = np.zeros(target.n)
        self._counted: set[int] = set()

    def __deepcopy__(self, memo: dict[int, Any]) -> ExactFibre:
        twin = copy.copy(self)
        memo[id(self)] = twin
        twin.source, twin.target = (copy.deepcopy(x, memo) for x in (self.source, self.target))
        twin.rows = dict(self.rows)  # rows are never written to, so both may hold the same ones
        twin.weights = self.weights.copy()
        twin._fresh_counts = self._fresh_counts.copy()
        twin._counted = set(self._counted)
        return twin

    def row(self, neuron: int) -> Int[np.ndarray, "synapses"]:
        """Targets of one source neuron, whether it has fired or not."""
        row = draw_row(stream_of(self._key, neuron), self.target.n, self.p)
        return row[row != neuron] if self.source is self.target else row

    def drive(self) -> Float[np.ndarray, "target_neurons"]:
        """Input that the source's winners give to every neuron of the target area."""
        self._grow()
        winners = self.source.places
        for place, neuron in zip(winners.tolist(), self.source.winners.tolist(), strict=True):
            if place not in self.rows:
                self.rows[place] = row = self.row(neuron)
                self._connect(place, row, 0)
        self._count(winners)
        total = self._fresh_counts.copy()
        known = self.target.support
        total[known] = self.weights[winners, : len(known)].sum(axis=0)
        return total

    def strengthen(self, sources: np.ndarray, targets: np.ndarray) -> None:
        """Multiply the synapses between these places by 1 + plasticity."""
        self._grow()
        block = np.ix_(sources, targets)
        self.weights[block] = np.minimum(self.weights[block] * (1 + self.plasticity), self._top)

    def _grow(self) -> None:
        """Make room for every neuron that has fired; give new targets their column."""
        n_sources, n_targets = len(self.source.support), len(self.target.support)
        if n_sources > self.weights.shape[0] or n_targets > self.weights.shape[1]:
            # Room to spare, so that a round with a few newcomers does not copy everything.
            bigger = np.zeros((n_sources * 5 // 4 + 64, n_targets * 5 // 4 + 64))
            bigger[: self.weights.shape[0], : self.weights.shape[1]] = self.weights
            self.weights = bigger
        if n_targets > self._filled:
            for place, row in self.rows.items():
                self._connect(place, row, self._filled)
            self._filled = n_targets

    def _connect(self, place: int, row: np.ndarray, first: int) -> None:
        """Enter the synapses of one source onto the targets that have fired, from `first` on."""
        targets = self.target.place_of[row]
        self.weights[place, targets[targets >= first]] = 1.0

    def _count(self, winners: np.ndarray) -> None:
        """Bring the number of unused synapses onto each neuron up to date, by what has changed."""
        now = set(winners.tolist())
        come, gone = now - self._counted, self._counted - now
        if len(gone) > len(now) // 2:
            come, gone = now, set()
            self._fresh_counts[:] = 0
        for places, sign in ((come, 1.0), (gone, -1.0)):
            if places:
                targets = np.concatenate([self.rows[place] for place in places])
                change = np.bincount(targets, minlength=self.target.n)
                self._fresh_counts += sign * change
        self._counted = now


class SampledStimulusFibre:
    """Synapses from a stimulus onto the neurons that have fired; the others have none yet."""

    def __init__(
        self,
        source: Stimulus,
        target: Area,
        p: float,
        plasticity: float,
        top: float,
        key: np.ndarray,
    ):
        self.source, self.target, self.p = source, target, p
        self.plasticity, self._top = plasticity, top
        self._rng = stream_of(key, 0)
        self.synapses = np.zeros(0, int)
        self._gain = np.ones(0)

    def grow(self, counts: np.ndarray | None = None) -> None:
        """Give newcomers their synapses: `counts` if the stimulus just fired, else at random."""
        missing = len(self.target.support) - len(self.synapses)
        if counts is None:
            counts = self._rng.binomial(self.source.size, self.p, missing)
        self.synapses = np.concatenate([self.synapses, counts])
        self._gain = np.concatenate([self._gain, np.ones(missing)])

    def drive(self) -> Float[np.ndarray, "fired"]:
        """Input to every neuron that has fired, by place."""
        self.grow()
        return self.synapses * self._gain

    def strengthen(self, winners: np.ndarray) -> None:
        """Multiply the synapses onto the winners by 1 + plasticity."""
        self._gain[winners] = np.minimum(self._gain[winners] * (1 + self.plasticity), self._top)


class SampledFibre:
    """Synapses between the neurons of two areas that have fired; the others have none yet."""

    def __init__(
        self, source: Area, target: Area, p: float, plasticity: float, top: float, key: np.ndarray
    ):
        self.source, self.target, self.p = source, target, p
        self.plasticity, self._top = plasticity, top
        self._rng = stream_of(key, 0)
        self.weights = np.zeros((0, 0))

    def grow(self, firing: np.ndarray | None = None, settled: np.ndarray | None = None) -> None:
        """Give newcomers their synapses.

        Args:
            firing: places of the sources that fired in the last round.
            settled: (firing, new targets) synapses that the last round has settled; every other
                new synapse exists with probability p.
        """
        old_sources, old_targets = self.weights.shape
        n_sources, n_targets = len(self.source.support), len(self.target.support)
        if (n_sources, n_targets) == (old_sources, old_targets):
            return
        bigger = (self._rng.random((n_sources, n_targets)) < self.p).astype(float)
        bigger[:old_sources, :old_targets] = self.weights
        if self.source is self.target:
            bigger[np.arange(old_targets, n_targets), np.arange(old_targets, n_targets)] = 0.0
        if settled is not None:
            bigger[np.ix_(firing, np.arange(old_targets, n_targets))] = settled
        self.weights = bigger

    def drive(self) -> Float[np.ndarray, "fired"]:
        """Input to every neuron that has fired, by place."""
        self.grow()
        return self.weights[self.source.places].sum(axis=0)

    def strengthen(self, sources: np.ndarray, targets: np.ndarray) -> None:
        """Multiply the synapses between these places by 1 + plasticity."""
        block = np.ix_(sources, targets)
        self.weights[block] = np.minimum(self.weights[block] * (1 + self.plasticity), self._top)


def tail_candidates(
    rng: np.random.Generator, n_rest: int, k: int, n_firing: int, p: float
) -> Int[np.ndarray, "candidates"]:
    """Inputs of the k best of the neurons that never fired, as the published simulators draw them.

    A normal approximation of Binomial(n_firing, p), cut below the quantile that k of n_rest neurons
    exceed, rounded and bounded. These numbers are drawn afresh every round, although the true
    inputs of neurons that lost stay the same: that is the bias of this shortcut.

    Args:
        rng: of the area and round.
        n_rest: neurons that never fired.
        k: how many candidates.
        n_firing: neurons that fire into the area.
        p: probability of a synapse.

    Source: simulator of Papadimitriou et al. (2020), described in the book's own words.
    """
    mean, spread = n_firing * p, np.sqrt(n_firing * p * (1 - p))
    count = min(k, n_rest)
    if spread == 0:
        return np.full(count, round(mean))
    edge = binom.ppf(max(n_rest - k, 0) / n_rest, n_firing, p)
    low = ndtr((edge - mean) / spread)
    # Clipped just below 1, where the inverse is infinite.
    upper = np.minimum(low + (1 - low) * rng.random(count), 1 - 1e-16)
    return np.clip(np.rint(mean + spread * ndtri(upper)), 0, n_firing).astype(int)
