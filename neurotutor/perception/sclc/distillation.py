"""Knowledge distillation: a student learns the answers of a teacher, with all their doubts."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class DistillationLoss(NamedTuple):
    """The loss and its two terms, before they are weighted.

    `total`: `alpha * soft + (1 - alpha) * hard`. `soft`: `T^2` times the mean KL divergence of the
    softened answers. `hard`: cross-entropy with the labels; 0 without labels.
    """

    total: Float[Tensor, ""]
    soft: Float[Tensor, ""]
    hard: Float[Tensor, ""]


def distillation_loss(
    student_logits: Float[Tensor, "batch classes *space"],
    teacher_logits: Float[Tensor, "batch classes *space"],
    labels: Int[Tensor, "batch *space"] | None = None,
    temperature: float | int = 10.0,
    alpha: float | int = 0.5,
) -> DistillationLoss:
    """How far a student is from its teacher and from the labels.

    Args:
        student_logits: shape (batch, classes), or (batch, classes, height, width) for a class of
            every pixel. Logarithms of probabilities do as well: a softmax ignores shifts.
        teacher_logits: of the same shape; no gradient flows into them.
        labels: right classes; `None` only with `alpha = 1`, for pictures without labels.
        temperature: T, by which logits are divided before the softmax; the published code has 10.
        alpha: weight of the soft term, 0 to 1; the published code has 0.5.

    Returns:
        The loss and its terms, means over the batch (and over pixels).

    Raises:
        ValueError: if shapes disagree, the temperature is not positive, `alpha` lies outside
            0..1, or labels are missing.

    Source: Hinton, Vinyals & Dean (2015); the brief of Xiang et al. (2022), section 3.6.
    """
    shape = tuple(student_logits.shape)
    if student_logits.ndim < 2 or shape != tuple(teacher_logits.shape) or 0 in shape:
        raise ValueError(
            "student_logits and teacher_logits must both be (batch, classes, ...), got "
            f"{shape} and {tuple(teacher_logits.shape)}"
        )
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be a finite number > 0, got {temperature}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    if labels is None and alpha < 1:
        raise ValueError("without labels there is no hard term: pass labels, or alpha=1")
    if labels is not None and tuple(labels.shape) != (shape[0], *shape[2:]):
        raise ValueError(
            f"labels must have shape {(shape[0], *shape[2:])}, got {tuple(labels.shape)}"
        )
    goal = torch.softmax(teacher_logits.detach() / temperature, dim=1)
    answer = torch.log_softmax(student_logits / temperature, dim=1)
    divergence = torch.xlogy(goal, goal).sum(1) - (goal * answer).sum(1)
    soft = temperature**2 * divergence.mean()
    hard = (
        soft.new_zeros(())
        if labels is None
        else nn.functional.cross_entropy(student_logits, labels)
    )
    return DistillationLoss(alpha * soft + (1 - alpha) * hard, soft, hard)


def distillation_gradient(
    student_logits: Float[Tensor, "batch classes"],
    teacher_logits: Float[Tensor, "batch classes"],
    labels: Int[Tensor, "batch"],
    temperature: float | int = 10.0,
    alpha: float | int = 0.5,
) -> Float[Tensor, "batch classes"]:
    """Gradient of `distillation_loss` by the student's logits, in closed form.

    Args:
        student_logits: shape (batch, classes).
        teacher_logits: shape (batch, classes).
        labels: right classes.
        temperature: T.
        alpha: weight of the soft term.

    Returns:
        Shape (batch, classes). For large T and logits of mean zero the soft part tends to
        `alpha / (batch * classes) * (student - teacher)`: logits are matched.

    Source: the brief of Xiang et al. (2022), section 3.6.
    """
    soft = torch.softmax(student_logits / temperature, 1) - torch.softmax(
        teacher_logits / temperature, 1
    )
    right = nn.functional.one_hot(labels, student_logits.shape[1])
    hard = torch.softmax(student_logits, 1) - right
    return (alpha * temperature * soft + (1 - alpha) * hard) / len(student_logits)


def soft_labels(
    logits: Float[Tensor, "batch classes"], temperature: float | int
) -> Float[Tensor, "batch classes"]:
    """A teacher's probabilities at a temperature: at 1 as it answers, flatter above."""
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be a finite number > 0, got {temperature}")
    return torch.softmax(logits / temperature, dim=1)


def feature_matching_loss(
    student_features: Float[Tensor, "batch ours"],
    teacher_features: Float[Tensor, "batch theirs"],
    projection: Float[Tensor, "theirs ours"],
) -> Float[Tensor, ""]:
    """Mean squared distance of projected features of the student from the teacher's.

    An addition of this book: the published code matches answers only.

    Args:
        student_features: of the student, behind its pooling.
        teacher_features: of the teacher; no gradient flows into them.
        projection: W, learned together with the student.

    Raises:
        ValueError: if shapes disagree.

    Source: Romero et al. (2015), FitNets.
    """
    wanted = (teacher_features.shape[1], student_features.shape[1])
    if len(student_features) != len(teacher_features) or tuple(projection.shape) != wanted:
        raise ValueError(
            f"{len(student_features)} and {len(teacher_features)} rows of features came, with a "
            f"projection of {tuple(projection.shape)}; expected as many rows and {wanted}"
        )
    return (student_features @ projection.T - teacher_features.detach()).square().sum(1).mean()
