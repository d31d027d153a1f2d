"""Selection on a number imitates gradient descent: how evolution could have found a rule.

A trait is a number to which many genes add or take away a little. A gene comes in two forms, + and
-, and q is the share of the population that carries +. Individuals with a lower loss leave more
offspring.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from neurotutor.checks import as_count, as_positive

Loss = Callable[[np.ndarray], np.ndarray]
"""Losses (batch,) of trait values (batch, traits)."""


def mean_trait(
    frequencies: Float[np.ndarray, "traits genes"], effect: float
) -> Float[np.ndarray, "traits"]:
    """Return the population's mean of every trait, effect * sum(2 q - 1).

    Args:
        frequencies: q, share of + for every gene of every trait.
        effect: delta, what one gene adds or takes away.
    """
    return effect * (2 * frequencies - 1).sum(-1)


def replicator_step(
    frequencies: Float[np.ndarray, "traits genes"],
    loss: Loss,
    effect: float | int,
    selection: float | int,
) -> Float[np.ndarray, "traits genes"]:
    """Let one generation pass: each form of a gene grows with the advantage of its carriers.

    Carriers of + have a trait that lies 2 delta (1 - q) above the mean, carriers of - one that
    lies 2 delta q below it.

    Args:
        frequencies: q.
        loss: of a batch of trait values.
        effect: delta.
        selection: theta, how strongly the loss weighs on the number of offspring.

    Raises:
        ValueError: if selection is so strong that a form would have negative offspring.

    Source: haploid selection in the notation of Cristian et al. (2020), appendix on evolution.
    """
    mean = mean_trait(frequencies, effect)
    here = loss(mean[None])[0]
    fitness = []
    for shift in (2 * effect * (1 - frequencies), -2 * effect * frequencies):
        traits = np.broadcast_to(mean, (*frequencies.shape, len(mean))).copy()
        own = np.arange(len(mean))
        traits[own, :, own] += shift
        losses = loss(traits.reshape(-1, len(mean))).reshape(frequencies.shape)
        fitness.append(1 + selection * (here - losses))
    plus, minus = fitness
    if min(plus.min(), minus.min()) <= 0:
        raise ValueError(
            f"selection = {selection:g} lets the fitness of a form drop to "
            f"{min(plus.min(), minus.min()):g}: lower selection"
        )
    carried = frequencies * plus
    return carried / (carried + (1 - frequencies) * minus)


def _slope(loss: Loss, mean: np.ndarray, width: float | int = 1e-4) -> np.ndarray:
    """Derivative of the loss along every trait, by central differences."""
    nudges = width * np.eye(len(mean))
    return (loss(mean + nudges) - loss(mean - nudges)) / (2 * width)


def gradient_step(
    frequencies: Float[np.ndarray, "traits genes"],
    loss: Loss,
    effect: float | int,
    selection: float | int,
    *,
    speed: str = "selection",
) -> Float[np.ndarray, "traits genes"]:
    """Move every frequency down the gradient of the loss, at a speed that depends on it.

    Args:
        frequencies: q.
        loss: of a batch of trait values.
        effect: delta.
        selection: theta, the step.
        speed: "selection": q (1 - q), the first order of `replicator_step`; "printed": 2 - 2q, the
            factor that the paper prints.

    Raises:
        ValueError: for another speed.

    Source: Cristian et al. (2020), appendix on evolution.
    """
    if speed == "selection":
        factor = frequencies * (1 - frequencies)
    elif speed == "printed":
        factor = 2 - 2 * frequencies
    else:
        raise ValueError(f"speed must be 'selection' or 'printed', got {speed!r}")
    slope = 2 * effect * _slope(loss, mean_trait(frequencies, effect))[:, None]
    return np.clip(frequencies - selection * factor * slope, 0, 1)


@dataclass(frozen=True)
class Evolution:
    """A population through the generations.

    Attributes:
        traits: (generations + 1, traits) mean of every trait, the start included.
        frequencies: (traits, genes) q at the end.
    """

    traits: Float[np.ndarray, "generations traits"]
    frequencies: Float[np.ndarray, "traits genes"]


def evolve(
    loss: Loss,
    *,
    n_traits: int = 1,
    n_genes: int = 200,
    effect: float | int = 0.02,
    selection: float | int = 0.02,
    n_generations: int = 1000,
    dynamics: str = "replicator",
    start: Float[np.ndarray, "traits genes"] | None = None,
) -> Evolution:
    """Follow gene frequencies in an infinite population, or gradient descent in its place.

    Args:
        loss: of a batch of trait values.
        n_traits: how many traits.
        n_genes: how many genes each trait has, of its own.
        effect: delta.
        selection: theta.
        n_generations: how long.
        dynamics: "replicator", "selection" or "printed"; the last two as in `gradient_step`.
        start: q; default: 1/2 throughout.

    Raises:
        ValueError: for frequencies outside [0, 1], unknown dynamics, sizes that are not positive.
    """
    for name, size in (("n_traits", n_traits), ("n_genes", n_genes), ("steps", n_generations)):
        as_count(name, size)
    as_positive("effect", effect)
    as_positive("selection", selection)
    x = np.full((n_traits, n_genes), 0.5) if start is None else np.array(start, dtype=float)
    if x.shape != (n_traits, n_genes) or not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(
            f"start must hold frequencies in [0, 1] of shape ({n_traits}, {n_genes}), got "
            f"shape {x.shape}"
        )
    path = [mean_trait(x, effect)]
    for _ in range(n_generations):
        if dynamics == "replicator":
            x = replicator_step(x, loss, effect, selection)
        else:
            x = gradient_step(x, loss, effect, selection, speed=dynamics)
        path.append(mean_trait(x, effect))
    return Evolution(np.array(path), x)


def evolve_population(
    loss: Loss,
    *,
    n_individuals: int = 1000,
    n_genes: int = 200,
    effect: float | int = 0.02,
    selection: float | int = 0.02,
    n_generations: int = 1000,
    seed: int,
) -> Float[np.ndarray, "generations"]:
    """Follow one trait in a finite population that mates at random.

    Individuals become parents in proportion to 1 + selection * (mean loss - own loss). A child
    draws each gene from the parents at large, as if all of them had mixed freely; what is lost by
    chance is lost.

    Args:
        loss: of a batch of trait values.
        n_individuals: size of the population, constant.
        n_genes: of the trait.
        effect: delta.
        selection: theta.
        n_generations: how long.
        seed: of all draws.

    Returns:
        Mean trait of every generation, the first included.

    Raises:
        ValueError: if selection is too strong, or sizes are not positive.
    """
    for name, size in (
        ("n_individuals", n_individuals),
        ("n_genes", n_genes),
        ("n_generations", n_generations),
    ):
        as_count(name, size)
    rng = np.random.default_rng(seed)
    share, path = np.full(n_genes, 0.5), []
    for _ in range(n_generations + 1):
        carries = rng.random((n_individuals, n_genes), dtype=np.float32) < share
        traits = effect * (2.0 * carries.sum(1) - n_genes)
        path.append(traits.mean())
        losses = loss(traits[:, None])
        fitness = 1 + selection * (losses.mean() - losses)
        if fitness.min() <= 0:
            raise ValueError(
                f"selection = {selection:g} leaves somebody without offspring: lower it"
            )
        share = fitness @ carries / fitness.sum()
    return np.array(path)
