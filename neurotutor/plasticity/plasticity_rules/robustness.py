"""Attacks on a classifier: how far must an image move before the answer changes?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from neurotutor.checks import as_count

Scores = Callable[[Tensor], Tensor]
"""Anything that turns inputs (n, d) into scores (n, classes), differentiably."""


def attack_step(
    x: Float[Tensor, "attempts inputs"],
    origin: Float[Tensor, "attempts inputs"],
    gradient: Float[Tensor, "attempts inputs"],
    length: float | int,
    radius: float | int,
) -> Float[Tensor, "attempts inputs"]:
    """Move against the gradient by a fixed length, and back into the ball and the grey levels.

    Args:
        x: where the attempts stand.
        origin: the images that they started from, with pixels in [0, 1].
        gradient: of the loss towards the wanted class; only its direction counts.
        length: alpha, of a step.
        radius: epsilon, of the L2 ball around the origin.

    Source: Cristian et al. (2020), robustness; the unit-norm gradient is ours.
    """
    moved = x - length * functional.normalize(gradient, dim=-1, eps=1e-30)
    away = moved - origin
    norm = away.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    # Clipping pixels afterwards brings every pixel closer to the origin, so it cannot leave the
    # ball again.
    return (origin + away * (radius / norm).clamp(max=1)).clamp(0, 1)


def _wrong_classes(labels: Tensor, n_classes: int) -> Tensor:
    """Return all classes but the true one, (images, classes - 1)."""
    shift = torch.arange(1, n_classes, device=labels.device)
    return (labels[:, None] + shift) % n_classes


def attack(
    scores: Scores,
    x: Float[Tensor, "images inputs"],
    labels: Int[Tensor, "images"],
    radius: float | int,
    *,
    n_steps: int = 40,
    step_scale: float | int = 2.5,
    start: Float[Tensor, "images others inputs"] | None = None,
) -> Float[Tensor, "images others inputs"]:
    """Push every image towards each of the wrong classes, inside an L2 ball.

    An attempt stops where the answer is first wrong, and is returned as it stands there.

    Args:
        scores: the classifier.
        x: images, pixels in [0, 1].
        labels: their true classes.
        radius: epsilon; 0 returns the images.
        n_steps: projected gradient steps.
        step_scale: length of a step is `step_scale * radius / n_steps`.
        start: where attempts start instead of at the images; inside the ball.

    Returns:
        The attempts, one for each image and each wrong class.

    Raises:
        ValueError: for a negative radius, pixels outside [0, 1], or sizes below 1.

    Source: Cristian et al. (2020), robustness; the number and length of steps are ours.
    """
    if not 0 <= radius < math.inf:
        raise ValueError(f"radius must be a finite number >= 0, got {radius}")
    as_count("n_steps", n_steps)
    if not (x.min() >= 0 and x.max() <= 1):
        raise ValueError("pixels must lie in [0, 1]: divide grey levels by 255")
    with torch.no_grad():
        n_classes = scores(x[:1]).shape[-1]
    others = _wrong_classes(labels, n_classes)
    shape = (*others.shape, x.shape[-1])
    origin = x[:, None].expand(shape).reshape(-1, x.shape[-1])
    at = origin.clone() if start is None else start.reshape(origin.shape).clone()
    if radius == 0:
        return origin.clone().reshape(shape)
    wanted = others.flatten()
    truth = labels.repeat_interleave(n_classes - 1)
    length = step_scale * radius / n_steps
    standing = torch.arange(len(at), device=x.device)
    for _ in range(n_steps):
        here = at[standing].requires_grad_()
        found = scores(here)
        right = found.detach().argmax(-1) == truth[standing]
        if not right.any():
            break
        loss = functional.cross_entropy(found[right], wanted[standing[right]], reduction="sum")
        (gradient,) = torch.autograd.grad(loss, here)
        standing = standing[right]
        at[standing] = attack_step(
            here.detach()[right], origin[standing], gradient[right], length, radius
        )
    return at.reshape(shape)


@torch.no_grad()
def withstands(
    scores: Scores,
    attempts: Float[Tensor, "images others inputs"],
    labels: Int[Tensor, "images"],
) -> Bool[Tensor, "images"]:
    """Return whether all attempts on an image are still classified as labelled.

    Attempts made on another classifier show how far they carry over.
    """
    flat = scores(attempts.flatten(0, 1)).argmax(-1).reshape(attempts.shape[:2])
    return (flat == labels[:, None]).all(-1)


@dataclass(frozen=True)
class RobustCurve:
    """Accuracy under attack against the radius.

    Attributes:
        radii: epsilon, increasing.
        accuracy: share of images that are classified as labelled at every radius up to this one.
        broken_at: for every image the smallest radius that broke it: 0 if it was misclassified
            from the start, infinity if nothing did.
        examples: for every image the input that broke it, or the image itself.
    """

    radii: tuple[float, ...]
    accuracy: Float[Tensor, "radii"]
    broken_at: Float[Tensor, "images"]
    examples: Float[Tensor, "images inputs"]


def robust_curve(
    scores: Scores,
    x: Float[Tensor, "images inputs"],
    labels: Int[Tensor, "images"],
    radii: Sequence[float | int],
    *,
    n_steps: int = 40,
    step_scale: float | int = 2.5,
) -> RobustCurve:
    """Attack all images at growing radii; what broke at a smaller radius stays broken.

    Args:
        scores: the classifier.
        x: images, pixels in [0, 1]; all of them, not only those that are classified correctly.
        labels: their true classes.
        radii: epsilon, increasing.
        n_steps: as in `attack`.
        step_scale: as in `attack`.

    Raises:
        ValueError: if the radii are not increasing, and as `attack` does.
    """
    radii = tuple(map(float, radii))
    if not radii or any(b <= a for a, b in zip(radii, radii[1:], strict=False)):
        raise ValueError(f"radii must increase, got {radii}")
    with torch.no_grad():
        right = scores(x).argmax(-1) == labels
    broken_at = torch.where(right, math.inf, 0.0)
    examples, accuracy = x.clone(), []
    for radius in radii:
        standing = broken_at.isinf().nonzero()[:, 0]
        if radius > 0 and len(standing):
            tried = attack(
                scores,
                x[standing],
                labels[standing],
                radius,
                n_steps=n_steps,
                step_scale=step_scale,
            )
            with torch.no_grad():
                answers = scores(tried.flatten(0, 1)).argmax(-1).reshape(tried.shape[:2])
            wrong = answers != labels[standing, None]
            broken = wrong.any(-1)
            broken_at[standing[broken]] = radius
            first = wrong[broken].int().argmax(-1)
            examples[standing[broken]] = tried[broken][torch.arange(len(first)), first]
        accuracy.append(float(broken_at.isinf().double().mean()))
    return RobustCurve(radii, torch.tensor(accuracy, dtype=torch.float64), broken_at, examples)


@torch.no_grad()
def noise_accuracy(
    scores: Scores,
    x: Float[Tensor, "images inputs"],
    labels: Int[Tensor, "images"],
    radius: float | int,
    *,
    n_draws: int = 9,
    seed: int,
) -> float:
    """Share of images that stay right under every one of some random pushes of length `radius`.

    Args:
        scores: the classifier.
        x: images, pixels in [0, 1].
        labels: their true classes.
        radius: L2 length of a push before pixels are clipped.
        n_draws: pushes for each image; 9 gives chance as many attempts as the attack has.
        seed: of the pushes.
    """
    as_count("n_draws", n_draws)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(len(x), n_draws, x.shape[-1], generator=generator).to(x)
    pushed = (x[:, None] + radius * functional.normalize(drawn, dim=-1)).clamp(0, 1)
    return float(withstands(scores, pushed, labels).double().mean())
