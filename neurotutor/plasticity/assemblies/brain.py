"""A brain of areas and stimuli, and the one thing that it does: a round of firing."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Literal, get_args

import numpy as np

from neurotutor.plasticity.assemblies.caps import Ties, cap
from neurotutor.plasticity.assemblies.synapses import (
    Area,
    ExactFibre,
    ExactStimulusFibre,
    SampledFibre,
    SampledStimulusFibre,
    Stimulus,
    stream,
    tail_candidates,
)

Engine = Literal["exact", "sampled"]
# Fixes, after a round, the synapses of newcomers that won with a drawn input.
Settle = Callable[[str, Mapping[str, np.ndarray]], None]
Fibre = ExactFibre | ExactStimulusFibre | SampledFibre | SampledStimulusFibre

_KINDS = {
    ("exact", Area): ExactFibre,
    ("exact", Stimulus): ExactStimulusFibre,
    ("sampled", Area): SampledFibre,
    ("sampled", Stimulus): SampledStimulusFibre,
}


class Brain:
    """Areas of excitatory neurons under inhibition that lets only k of them fire at a time.

    Every pair of an area or stimulus and an area is joined by a random graph as soon as it is
    used. Synapses start at weight 1.

    Args:
        p: probability of a synapse, in [0, 1], unless `connect` says otherwise.
        plasticity: beta >= 0; a used synapse is multiplied by 1 + beta.
        seed: of every graph and every tie; same seed, same brain.
        engine: `"exact"` draws each synapse once and keeps it. `"sampled"` is the shortcut of the
            published simulators, which draws the input of silent neurons afresh every round:
            faster, and biased towards larger supports.
        ties: `"random"`, or `"index"`: lowest number first.
        max_weight: a weight never grows beyond it.

    Raises:
        ValueError: if a number is out of range, or a word is unknown.
        TypeError: if `seed` is not a whole number.

    Source: Papadimitriou et al. (2020); Dabagia et al. (2022), section 2.
    """

    def __init__(
        self,
        p: float = 0.1,
        plasticity: float = 0.1,
        *,
        seed: int,
        engine: Engine = "exact",
        ties: Ties = "random",
        max_weight: float = 1e12,
    ):
        if isinstance(seed, bool) or not isinstance(seed, Integral):
            raise TypeError(f"seed must be a whole number, got {type(seed).__name__}; pass an int")
        for label, word, known in (("engine", engine, Engine), ("ties", ties, Ties)):
            if word not in get_args(known):
                raise ValueError(
                    f"{label} must be one of {', '.join(map(repr, get_args(known)))}, got {word!r}"
                )
        if not max_weight >= 1:
            raise ValueError(f"max_weight must be 1 or greater, got {max_weight}")
        self.p, self.plasticity = _probability(p), _plasticity(plasticity)
        self.seed, self.engine, self.ties = int(seed), engine, ties
        self.max_weight = max_weight
        self.areas: dict[str, Area] = {}
        self.stimuli: dict[str, Stimulus] = {}
        self.fibres: dict[tuple[str, str], Fibre] = {}
        self.round = 0

    def add_area(self, name: str, n: int, k: int) -> Area:
        """Add an area.

        Args:
            name: not used yet.
            n: number of neurons.
            k: number of neurons that fire at a time, 1 <= k <= n.

        Returns:
            The area; its `history` fills as the brain runs.

        Raises:
            ValueError: if the name is taken, or k or n is out of range.
        """
        self._check_new(name)
        if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
            raise ValueError(f"an area needs a whole number n >= 1 of neurons, got {n!r}")
        if isinstance(k, bool) or not isinstance(k, Integral) or not 1 <= k <= n:
            raise ValueError(f"the cap k must be a whole number from 1 to n = {n}, got {k!r}")
        self.areas[name] = Area(name, int(n), int(k))
        return self.areas[name]

    def add_stimulus(self, name: str, size: int) -> Stimulus:
        """Add a stimulus: a fixed set of neurons outside all areas that fires as one.

        Args:
            name: not used yet.
            size: number of its neurons.

        Raises:
            ValueError: if the name is taken or the size is not a positive whole number.
        """
        self._check_new(name)
        if isinstance(size, bool) or not isinstance(size, Integral) or size < 1:
            raise ValueError(f"a stimulus needs a whole number >= 1 of neurons, got {size!r}")
        self.stimuli[name] = Stimulus(name, int(size))
        return self.stimuli[name]

    def connect(
        self, source: str, target: str, *, p: float | None = None, plasticity: float | None = None
    ) -> Fibre:
        """Join a source to an area with synapses of its own density and plasticity.

        Fibres that are not connected explicitly are made with the brain's `p` and `plasticity` when
        they are first used.

        Args:
            source: name of an area or a stimulus.
            target: name of an area; the same as `source` for recurrent synapses.
            p: probability of a synapse.
            plasticity: beta of these synapses.

        Raises:
            ValueError: if a name is unknown, a number is out of range, or the fibre exists.
        """
        if (source, target) in self.fibres:
            raise ValueError(f"{source} -> {target} is connected already; connect before first use")
        start, end = self._source(source), self._area(target)
        fibre = _KINDS[self.engine, type(start)](
            start,
            end,
            self.p if p is None else _probability(p),
            self.plasticity if plasticity is None else _plasticity(plasticity),
            self.max_weight,
            _key(self.seed, source, target),
        )
        self.fibres[source, target] = fibre
        return fibre

    def fibre(self, source: str, target: str) -> Fibre:
        """The synapses from a source to an area, made now if they were never used.

        Raises:
            ValueError: if a name is unknown.
        """
        found = self.fibres.get((source, target))
        return self.connect(source, target) if found is None else found

    def step(
        self, routes: Mapping[str, Iterable[str]], *, learn: bool = True, record: bool = True
    ) -> None:
        """One round: every target adds up its sources, caps, and all targets switch at once.

        Args:
            routes: source -> areas that it fires into in this round.
            learn: whether used synapses are strengthened.
            record: whether the winners go into the areas' histories.

        Raises:
            ValueError: if a name is unknown, or a source area does not fire.

        Source: Papadimitriou et al. (2020); equation (1) of Dabagia et al. (2022).
        """
        into: dict[str, list[str]] = {}
        for source, targets in routes.items():
            start = self._source(source)
            if isinstance(start, Area) and len(start.winners) == 0:
                raise ValueError(
                    f"area {source!r} does not fire, so nothing can be projected from it; "
                    "project into it or use `fire` first"
                )
            for target in [targets] if isinstance(targets, str) else targets:
                self._area(target)
                into.setdefault(target, []).append(source)
        self.round += 1
        firing = {name: area.places for name, area in self.areas.items()}
        choose = self._exact_winners if self.engine == "exact" else self._sampled_winners
        chosen = {target: choose(target, sources) for target, sources in into.items()}
        for target, (winners, _) in chosen.items():
            self.areas[target].switch(winners, record)
        for target, (_, settle) in chosen.items():
            for source in into[target]:
                settle(source, firing)
            if learn:
                self._strengthen(target, into[target], firing)

    def project(self, source: str, area: str, rounds: int = 20) -> Area:
        """Let a source fire into an area, with the area's own synapses active from round 2 on.

        Args:
            source: a stimulus, or another area that fires (it keeps firing the same neurons).
            area: where the assembly forms.
            rounds: how often the source fires.

        Returns:
            The area, with one entry of its history for each round.

        Raises:
            ValueError: if a name is unknown, the source does not fire, or `rounds` is below 1.

        Source: Papadimitriou et al. (2020), operation *project*.
        """
        if rounds < 1:
            raise ValueError(f"rounds must be 1 or greater, got {rounds}")
        self.step({source: [area]})
        for _ in range(rounds - 1):
            self.step({source: [area], area: [area]})
        return self.areas[area]

    def fire(self, area: str, neurons: Iterable[int]) -> None:
        """Make these neurons of an area fire, whatever their input.

        Args:
            area: name of the area.
            neurons: their numbers, each once; with the sampled engine only neurons that fired
                before.

        Raises:
            ValueError: if a number does not exist or occurs twice.
        """
        place = self._area(area)
        chosen = np.sort(np.asarray(list(neurons), dtype=np.int64))
        if len(chosen) and not 0 <= chosen[0] <= chosen[-1] < place.n:
            raise ValueError(f"neurons of {area!r} have numbers from 0 to {place.n - 1}")
        if len(np.unique(chosen)) < len(chosen):
            raise ValueError(f"a neuron of {area!r} is listed twice; list each once")
        if self.engine == "sampled" and (place.place_of[chosen] < 0).any():
            raise ValueError(
                f"the sampled engine knows only neurons of {area!r} that have fired; "
                'use engine="exact"'
            )
        place.switch(chosen, record=False)

    def silence(self, area: str) -> None:
        """Inhibit an area: none of its neurons fires. Its synapses stay."""
        self.fire(area, [])

    def history(self, area: str) -> list[np.ndarray]:
        """Winners of every round in which the area was projected into."""
        return self._area(area).history

    def copy(self) -> Brain:
        """An independent brain in the same state; it goes on to draw the same synapses."""
        return copy.deepcopy(self)

    def _exact_winners(self, target: str, sources: list[str]) -> tuple[np.ndarray, Settle]:
        area = self.areas[target]
        # Also for a frozen area: the synapses that fire into it must exist to be strengthened.
        total = self.fibre(sources[0], target).drive()
        for source in sources[1:]:
            total = total + self.fibre(source, target).drive()
        if area.frozen:
            return area.winners, _nothing
        if not total.max() > 0:
            return np.empty(0, np.int64), _nothing
        return cap(total, area.k, self._ties(target)), _nothing

    def _sampled_winners(self, target: str, sources: list[str]) -> tuple[np.ndarray, Settle]:
        area = self.areas[target]
        fibres = [self.fibre(source, target) for source in sources]
        known = sum(fibre.drive() for fibre in fibres)
        if area.frozen:
            return area.winners, _nothing
        sizes = [
            len(fibre.source.winners) if isinstance(fibre, SampledFibre) else fibre.source.size
            for fibre in fibres
        ]
        densities = np.array([fibre.p for fibre in fibres])
        rng = stream(self.seed, "sampled", target, counter=self.round)
        n_known = len(area.support)
        mean_p = float(densities @ sizes / sum(sizes))
        drawn = tail_candidates(rng, area.n - n_known, area.k, sum(sizes), mean_p)
        total = np.concatenate([known, drawn.astype(float)])
        if not total.max() > 0:
            return np.empty(0, np.int64), _nothing
        winners = cap(total, area.k, self._ties(target))
        inputs = drawn[winners[winners >= n_known] - n_known]
        settled = np.zeros((sum(sizes), len(inputs)))
        for newcomer, count in enumerate(inputs):
            settled[rng.choice(sum(sizes), count, replace=False), newcomer] = 1.0
        parts = dict(zip(sources, np.split(settled, np.cumsum(sizes)[:-1]), strict=True))
        winners[winners >= n_known] = n_known + np.arange(len(inputs))

        def settle(source: str, firing: Mapping[str, np.ndarray]) -> None:
            fibre = self.fibres[source, target]
            if isinstance(fibre, SampledFibre):
                fibre.grow(firing[source], parts[source])
            else:
                fibre.grow(parts[source].sum(axis=0).astype(int))

        return winners, settle

    def _strengthen(
        self, target: str, sources: list[str], firing: Mapping[str, np.ndarray]
    ) -> None:
        area = self.areas[target]
        for source in sources:
            fibre = self.fibre(source, target)
            if isinstance(fibre, ExactStimulusFibre):
                fibre.strengthen(area.winners)
            elif isinstance(fibre, SampledStimulusFibre):
                fibre.grow()
                fibre.strengthen(area.places)
            else:
                fibre.strengthen(firing[source], area.places)

    def _ties(self, target: str) -> np.random.Generator | None:
        if self.ties == "index":
            return None
        return stream(self.seed, "ties", target, counter=self.round)

    def _area(self, name: str) -> Area:
        if name not in self.areas:
            raise ValueError(
                f"there is no area {name!r}; known: {', '.join(self.areas) or 'none'}; add it first"
            )
        return self.areas[name]

    def _source(self, name: str) -> Area | Stimulus:
        if name in self.stimuli:
            return self.stimuli[name]
        if name not in self.areas:
            known = ", ".join([*self.stimuli, *self.areas]) or "none"
            raise ValueError(f"there is no stimulus or area {name!r}; known: {known}; add it first")
        return self.areas[name]

    def _check_new(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"a name is a text that is not empty, got {name!r}")
        if name in self.areas or name in self.stimuli:
            raise ValueError(f"the name {name!r} is taken; choose another")


def _nothing(source: str, firing: Mapping[str, np.ndarray]) -> None:
    """The exact engine has nothing to settle: its synapses exist before anybody wins."""


def _key(seed: int, source: str, target: str) -> np.ndarray:
    text = f"{seed}|synapses|{source}|{target}".encode()
    return np.frombuffer(hashlib.blake2b(text, digest_size=16).digest(), np.uint64)


def _probability(p: float) -> float:
    if isinstance(p, bool) or not isinstance(p, Real) or not 0 <= p <= 1:
        raise ValueError(f"p must be a probability in [0, 1], got {p!r}")
    return float(p)


def _plasticity(beta: float) -> float:
    if isinstance(beta, bool) or not isinstance(beta, Real) or not 0 <= beta < np.inf:
        raise ValueError(f"plasticity must be a finite number, 0 or greater, got {beta!r}")
    return float(beta)
