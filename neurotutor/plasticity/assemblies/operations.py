"""The operations of the assembly calculus, each a short schedule of rounds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from neurotutor.plasticity.assemblies.brain import Brain
from neurotutor.plasticity.assemblies.caps import overlap


class Association(NamedTuple):
    """Overlap, in the shared area, of what the two assemblies evoke there.

    `overlaps` has one entry before joint firing and one after each joint round.
    """

    overlaps: Float[np.ndarray, "rounds"]


def reciprocal_project(brain: Brain, area: str, into: str, rounds: int = 20) -> float:
    """Copy the assembly that fires in one area into another, with synapses both ways.

    Args:
        brain: with an assembly firing in `area`; it changes.
        area: the original.
        into: the copy.
        rounds: rounds with both directions active, the original held fixed.

    Returns:
        Share of the original that one step back from the copy restores.

    Raises:
        ValueError: if a name is unknown or the area does not fire.

    Source: Papadimitriou et al. (2020), operation *reciprocal project*.
    """
    brain.step({area: [into]})
    original = brain.areas[area].winners
    brain.areas[area].frozen = True
    try:
        for _ in range(rounds):
            brain.step({area: [into], into: [area, into]})
    finally:
        brain.areas[area].frozen = False
    brain.step({into: [area]})
    return overlap(original, brain.areas[area].winners)


def associate(
    brain: Brain,
    stimuli: tuple[str, str],
    areas: tuple[str, str],
    shared: str,
    rounds: int = 10,
) -> Association:
    """Let two assemblies fire together into a shared area, and watch their images there merge.

    Args:
        brain: it changes.
        stimuli: one for each of the two areas.
        areas: where the two assemblies form.
        shared: the area that both project into.
        rounds: joint rounds; also the rounds of every projection before.

    Returns:
        The overlap of the two images in the shared area, measured on copies of the brain.

    Raises:
        ValueError: if a name is unknown.

    Source: Papadimitriou et al. (2020), operation *associate*; schedule of the published simulator.
    """
    for stimulus, area in zip(stimuli, areas, strict=True):
        brain.project(stimulus, area, rounds)
    for stimulus, area in zip(stimuli, areas, strict=True):
        brain.step({stimulus: [area], area: [area, shared]})
        for _ in range(rounds - 1):
            brain.step({stimulus: [area], area: [area, shared], shared: [shared]})
    overlaps = [_shared_overlap(brain, stimuli, areas, shared)]
    for number in range(rounds):
        routes = {stimulus: [area] for stimulus, area in zip(stimuli, areas, strict=True)}
        routes |= {area: [area, shared] for area in areas}
        if number > 0:
            routes[shared] = [shared]
        brain.step(routes)
        overlaps.append(_shared_overlap(brain, stimuli, areas, shared))
    return Association(np.array(overlaps))


def merge(
    brain: Brain,
    stimuli: tuple[str, str],
    areas: tuple[str, str],
    shared: str,
    rounds: int = 20,
) -> dict[str, Int[np.ndarray, "rounds"]]:
    """Form one assembly in a shared area from two, with synapses back to both.

    Args:
        brain: it changes.
        stimuli: one for each of the two areas.
        areas: of the two assemblies.
        shared: area of the merged one.
        rounds: rounds with all synapses active.

    Returns:
        Size of the support after each round, for every area by name.

    Raises:
        ValueError: if a name is unknown.

    Source: Papadimitriou et al. (2020), operation *merge*.
    """
    feed = {stimulus: [area] for stimulus, area in zip(stimuli, areas, strict=True)}
    brain.step(feed)
    brain.step(feed | {area: [area, shared] for area in areas})
    for _ in range(rounds):
        brain.step(feed | {area: [area, shared] for area in areas} | {shared: [shared, *areas]})
    return {name: brain.areas[name].support_sizes for name in (*areas, shared)}


def complete(
    brain: Brain, area: str, share: float, rounds: int = 5, *, seed: int
) -> Float[np.ndarray, "rounds"]:
    """Let a random part of the assembly fire and watch the rest come back.

    Args:
        brain: with an assembly firing in `area`; it is left as it is (a copy runs).
        area: name of the area.
        share: part of the assembly that fires first, in (0, 1].
        rounds: recurrent rounds, plasticity on.
        seed: of the part.

    Returns:
        Share of the assembly that fires after each round.

    Raises:
        ValueError: if `share` is out of range or leaves no neuron.

    Source: Papadimitriou et al. (2020), *pattern completion*.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], got {share}")
    assembly = brain.areas[area].winners
    count = int(share * len(assembly))
    if count < 1:
        raise ValueError(f"a share of {share} leaves no neuron of {len(assembly)}; raise it")
    trial = brain.copy()
    cue = np.random.default_rng(seed).choice(assembly, count, replace=False)
    trial.fire(area, cue.tolist())
    shares = []
    for _ in range(rounds):
        trial.step({area: [area]})
        shares.append(overlap(assembly, trial.areas[area].winners))
    return np.array(shares)


def separate(
    brain: Brain, inputs: str, area: str, common: float, rounds: int = 10, *, seed: int
) -> tuple[float, float, float]:
    """Form assemblies for two stimuli that share some of their neurons.

    Args:
        brain: exact engine; it changes.
        inputs: name of the area that holds both stimuli; its cap is their size.
        area: where the assemblies form.
        common: share of neurons that the stimuli have in common, in [0, 1].
        rounds: of each projection.
        seed: of the stimuli.

    Returns:
        Overlap of the two assemblies, and the recall of each: the share of it that one step from
        its stimulus fires again.

    Raises:
        ValueError: if `common` is out of range or the input area is too small.

    Source: Papadimitriou et al. (2020), *separation*.
    """
    source = brain.areas[inputs]
    if not 0 <= common <= 1:
        raise ValueError(f"common must lie in [0, 1], got {common}")
    shared = round(common * source.k)
    if 2 * source.k - shared > source.n:
        raise ValueError(
            f"{inputs!r} needs {2 * source.k - shared} neurons for two stimuli, has {source.n}"
        )
    order = np.random.default_rng(seed).permutation(source.n)
    stimuli = (order[: source.k], order[source.k - shared : 2 * source.k - shared])
    assemblies = []
    for stimulus in stimuli:
        brain.silence(area)
        brain.fire(inputs, stimulus.tolist())
        assemblies.append(brain.project(inputs, area, rounds).winners)
    recall = []
    for stimulus, assembly in zip(stimuli, assemblies, strict=True):
        brain.fire(inputs, stimulus.tolist())
        brain.step({inputs: [area]}, learn=False, record=False)
        recall.append(overlap(assembly, brain.areas[area].winners))
    return overlap(assemblies[0], assemblies[1]), recall[0], recall[1]


def _shared_overlap(
    brain: Brain, stimuli: tuple[str, str], areas: tuple[str, str], shared: str
) -> float:
    images = []
    for stimulus, area in zip(stimuli, areas, strict=True):
        trial = brain.copy()
        trial.step({stimulus: [area]})
        trial.step({area: [shared]})
        images.append(trial.areas[shared].winners)
    return overlap(images[0], images[1])
