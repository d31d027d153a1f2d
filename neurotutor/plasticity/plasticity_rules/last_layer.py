"""The output layer alone: where plasticity rules meet the perceptron and multiplicative weights."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from neurotutor.checks import as_count, as_positive
from neurotutor.plasticity.plasticity_rules.checks import as_labels
from neurotutor.plasticity.plasticity_rules.config import RuleConfig
from neurotutor.plasticity.plasticity_rules.network import readout_pass


def perceptron(
    x: Float[Tensor, "examples inputs"], labels: Int[Tensor, "examples"], step: float | int
) -> Float[Tensor, "examples inputs"]:
    """Run the classical perceptron once over the examples.

    Args:
        x: inputs.
        labels: 0 or 1; a score of exactly 0 counts as class 0.
        step: what a mistake adds, times the input with the sign of its class.

    Returns:
        The weight vector after every example.

    Source: Rosenblatt (1958).
    """
    labels = as_labels(labels, len(x), 2)
    weights, path = torch.zeros_like(x[0]), []
    for each, label in zip(x, labels.tolist(), strict=True):
        if int(weights @ each > 0) != label:
            weights = weights + step * (2 * label - 1) * each
        path.append(weights)
    return torch.stack(path)


def winnow(
    x: Float[Tensor, "examples inputs"], labels: Int[Tensor, "examples"], factor: float | int = 2.0
) -> Float[Tensor, "examples 2 inputs"]:
    """Run balanced multiplicative weights once over the examples.

    Both classes start with a weight of 1 on every input. On a mistake the true class multiplies the
    weights of the active inputs by `factor`, the predicted class divides its own by it.

    Args:
        x: 0 or 1.
        labels: 0 or 1; equal scores count as class 0.
        factor: above 1.

    Returns:
        The weights of both classes after every example.

    Raises:
        ValueError: if `factor` is not above 1.

    Source: Littlestone (1988), the balanced version.
    """
    if not 1 < factor < math.inf:
        raise ValueError(f"factor must be a finite number > 1, got {factor}")
    labels = as_labels(labels, len(x), 2)
    weights, path = torch.ones(2, x.shape[1], dtype=x.dtype), []
    for each, label in zip(x, labels.tolist(), strict=True):
        guess = int((weights @ each).argmax())
        if guess != label:
            weights = weights.clone()
            weights[label] *= factor**each
            weights[guess] /= factor**each
        path.append(weights)
    return torch.stack(path)


class SignData(NamedTuple):
    """Points whose entries are -1 or 1, split by a plane at a distance."""

    x: Float[Tensor, "examples inputs"]
    labels: Int[Tensor, "examples"]
    normal: Float[Tensor, "inputs"]
    """w*, of length 1, with entries that sum to 0."""
    margin: float
    """Smallest distance of a point from the plane."""


def separable_signs(
    n_inputs: int, n_examples: int, margin: float | int, *, tilt: float | int = 0.0, seed: int
) -> SignData:
    """Draw points of -1 and 1 that keep their distance from a plane.

    Args:
        n_inputs: n.
        n_examples: how many points.
        margin: gamma, how far points stay from the plane at least; up to about 1.5.
        tilt: an entry is 1 with probability (1 + tilt) / 2; strictly between -1 and 1.
        seed: of plane and points.

    Raises:
        ValueError: if a size or range is wrong, or points so far from the plane are too rare.

    Source: the setting of theorem 3 of Cristian et al. (2020).
    """
    as_count("n_inputs", n_inputs, 2)
    as_count("n_examples", n_examples)
    as_positive("margin", margin)
    if not -1 < tilt < 1:
        raise ValueError(f"tilt must lie strictly between -1 and 1, got {tilt}")
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(n_inputs, generator=generator, dtype=torch.float64)
    normal = functional.normalize(normal - normal.mean(), dim=0)
    kept, tried = [], 0
    while sum(map(len, kept)) < n_examples:
        if tried > 1000 * n_examples:
            raise ValueError(f"points at a margin of {margin:g} are too rare: lower the margin")
        uniform = torch.rand(4 * n_examples, n_inputs, generator=generator, dtype=torch.float64)
        signs = torch.where(uniform < (1 + tilt) / 2, 1.0, -1.0).double()
        kept.append(signs[(signs @ normal).abs() >= margin])
        tried += len(signs)
    x = torch.cat(kept)[:n_examples]
    distance = x @ normal
    return SignData(x, (distance > 0).long(), normal, float(distance.abs().min()))


def mistake_bound(a: float | int, b: float | int, n_inputs: int, margin: float | int) -> float:
    """Return 2 b^2 n / (a^2 margin^2), the most mistakes that theorem 3 allows.

    Args:
        a: strength of the rule's silent row, [-a, a].
        b: strength of its other row, [b, -b]; at least a.
        n_inputs: n.
        margin: gamma.

    Raises:
        ValueError: unless b >= a > 0 and the margin is positive.

    Source: Cristian et al. (2020), theorem 3.
    """
    as_positive("a", a)
    as_positive("margin", margin)
    as_count("n_inputs", n_inputs)
    if not a <= b < math.inf:
        raise ValueError(f"b must be finite and at least a = {a}, got {b}")
    return 2 * b**2 * n_inputs / (a**2 * margin**2)


class Convergence(NamedTuple):
    """How a rule fared on examples shown over and over."""

    mistakes: int
    passes: int
    converged: bool
    weights: Float[Tensor, "classes inputs"]


def count_mistakes(
    x: Float[Tensor, "examples inputs"],
    labels: Int[Tensor, "examples"],
    rule: Float[Tensor, "2 2"],
    *,
    form: str = "additive",
    step_size: float | int = 1.0,
    max_passes: int = 200,
) -> Convergence:
    """Show examples to an output layer until a whole pass brings no mistake.

    An input counts as fired where it is positive.

    Args:
        x: inputs; they go to two outputs directly.
        labels: 0 or 1.
        rule: r_o, rows silent and fired.
        form: how the rule acts, "additive" or "multiplicative".
        step_size: eta.
        max_passes: when to give up.

    Raises:
        ValueError: if labels do not fit, or `max_passes` is below 1.
    """
    labels = as_labels(labels, len(x), 2)
    as_count("max_passes", max_passes)
    config = RuleConfig(form=form, step_size=step_size)
    weights = torch.full((2, x.shape[1]), config.initial_weight, dtype=x.dtype)
    total = 0
    for done in range(1, max_passes + 1):
        predicted = readout_pass(weights, x, (x > 0).long(), labels, rule.to(x), config)
        mistakes = int((predicted != labels).sum())
        total += mistakes
        if mistakes == 0:
            return Convergence(total, done, True, weights)
    return Convergence(total, max_passes, False, weights)


def rule_features(
    hidden: Float[Tensor, "examples hidden"],
    labels: Int[Tensor, "examples"],
    n_classes: int,
    step_size: float | int = 1e-2,
) -> Float[Tensor, "examples classes 4"]:
    """Return what each rule entry contributes to every score, if every example updates every edge.

    The score of class c on example i is then the sum over a and b of r(a, b) times the feature
    (i, c, 2a + b).

    Args:
        hidden: activities y of the last hidden layer.
        labels: the classes.
        n_classes: how many.
        step_size: eta.

    Source: Cristian et al. (2020), closed form for the squared error.
    """
    labels = as_labels(labels, len(hidden), n_classes)
    fired = (hidden != 0).to(hidden)
    truth = functional.one_hot(labels, n_classes).to(hidden)
    by_entry = [
        membership.T @ indicator
        for indicator in (1 - fired, fired)
        for membership in (truth, 1 - truth)
    ]
    return step_size * torch.stack([hidden @ sums.T for sums in by_entry], dim=-1)


class ClosedForm(NamedTuple):
    """The rule with the least squared error, and that error."""

    rule: Float[Tensor, "2 2"]
    error: float


def _errors(features: Tensor, labels: Tensor, entries: Tensor) -> Tensor:
    wanted = functional.one_hot(labels, features.shape[1]).to(features)
    return features @ entries - wanted


def squared_error(
    features: Float[Tensor, "examples classes 4"],
    labels: Int[Tensor, "examples"],
    rule: Float[Tensor, "2 2"],
) -> float:
    """Return the mean squared distance of the scores from 1 (true class) and 0 (others)."""
    return float(_errors(features, labels, rule.to(features).flatten()).square().mean())


def closed_form_rule(
    features: Float[Tensor, "examples classes 4"], labels: Int[Tensor, "examples"]
) -> ClosedForm:
    """Return the rule of least squared error from its four linear equations.

    Args:
        features: from `rule_features`, in double precision.
        labels: the classes.

    Raises:
        TypeError: if the features are not in double precision, which the equations need.

    Source: Cristian et al. (2020), closed form for the squared error.
    """
    if features.dtype != torch.float64:
        raise TypeError(f"features must be float64, got {features.dtype}: call .double() first")
    wanted = functional.one_hot(labels, features.shape[1]).to(features)
    # Entries of equal size make the four equations as well-conditioned as they can be.
    size = features.square().sum((0, 1)).sqrt()
    scaled = features / size
    moments = torch.einsum("icp,icq->pq", scaled, scaled)
    target = torch.einsum("icp,ic->p", scaled, wanted)
    rule = (torch.linalg.solve(moments, target) / size).reshape(2, 2)
    return ClosedForm(rule, squared_error(features, labels, rule))


def best_scale(
    features: Float[Tensor, "examples classes 4"],
    labels: Int[Tensor, "examples"],
    rule: Float[Tensor, "2 2"],
) -> ClosedForm:
    """Return a given rule times the factor with the least squared error."""
    along = features @ rule.to(features).flatten()
    wanted = functional.one_hot(labels, features.shape[1]).to(features)
    scaled = rule.to(features) * ((along * wanted).sum() / along.square().sum())
    return ClosedForm(scaled, squared_error(features, labels, scaled))
