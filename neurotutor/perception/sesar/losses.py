"""What SESAR is paid for: to redraw every sequence, and to name the few that have a label."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

UNLABELLED = -1


def reconstruction_loss(
    reconstruction: Float[Tensor, "batch time features"],
    x: Float[Tensor, "batch time features"],
    lengths: Int[Tensor, "batch"] | None = None,
) -> Float[Tensor, ""]:
    """Distance of the drawn frames from the true ones, for each frame that is real.

    The coordinates of a frame are summed, its frames and the sequences averaged. (The official
    code divides by the number of real frames, but sums the padded ones as well.)

    Source: Su, Liu & Shlizerman (2020); the mask is ours.
    """
    off = (reconstruction - x).abs().sum(dim=-1)
    if lengths is None:
        return off.mean()
    real = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
    return ((off * real).sum(dim=1) / lengths).mean()


def classification_loss(
    logits: Float[Tensor, "batch actions"], labels: Int[Tensor, "batch"]
) -> Float[Tensor, ""]:
    """Cross-entropy, summed over the labelled members of the batch; -1 stands for no label.

    Source: official code of OpenLabCluster (there 0 stands for no label).
    """
    known = labels != UNLABELLED
    scores = functional.log_softmax(logits, dim=-1)
    own = scores.gather(1, labels.clamp(min=0)[:, None])[:, 0]
    return -(own * known).sum()


def joint_loss(
    reconstruction: Float[Tensor, ""], classification: Float[Tensor, ""], alpha: float | Tensor
) -> Float[Tensor, ""]:
    """Both together: `alpha` is the weight of naming, the rest that of redrawing."""
    return alpha * classification + (1 - alpha) * reconstruction
