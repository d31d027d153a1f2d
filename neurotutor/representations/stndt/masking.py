"""Which counts a model may see: the layout of a task, and the random masks of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .config import MODES, Mode

IGNORED = -100.0  # label of an entry that the loss leaves out


@dataclass(frozen=True)
class Layout:
    """What of a trial is shown: held-in neurons come first, observed bins come first.

    Attributes:
        n_held_in: neurons whose counts are shown.
        n_held_out: neurons that must be predicted from them.
        n_observed: bins that are shown.
        n_forward: bins after them, to be predicted.
    """

    n_held_in: int
    n_held_out: int
    n_observed: int
    n_forward: int = 0

    def __post_init__(self):
        for name in ("n_held_in", "n_observed"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("n_held_out", "n_forward"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or greater, got {getattr(self, name)}")

    @property
    def n_neurons(self) -> int:
        """N, all neurons."""
        return self.n_held_in + self.n_held_out

    @property
    def n_bins(self) -> int:
        """T, all bins."""
        return self.n_observed + self.n_forward


class Masked(NamedTuple):
    """A batch as training sees it.

    `inputs`: what the model is shown. `labels`: true counts where the loss looks, -100 elsewhere.
    `chosen`: the entries that the mask picked.
    """

    inputs: Float[Tensor, "trials bins neurons"]
    labels: Float[Tensor, "trials bins neurons"]
    chosen: Bool[Tensor, "trials bins neurons"]


def hide(
    spikes: Float[Tensor, "trials bins neurons"], layout: Layout
) -> Float[Tensor, "trials bins neurons"]:
    """Counts with held-out neurons and forward bins set to 0: all that inference may see.

    Raises:
        ValueError: if the counts do not have the sizes of the layout.
    """
    _require_layout(spikes, layout)
    shown = torch.zeros_like(spikes)
    corner = slice(None), slice(layout.n_observed), slice(layout.n_held_in)
    shown[corner] = spikes[corner]
    return shown


def choose(
    shape: tuple[int, int, int],
    *,
    mode: Mode,
    ratio: float,
    span: int = 1,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
    dilate_full: bool = True,
) -> Bool[Tensor, "trials bins neurons"]:
    """Draw the entries to mask.

    Args:
        shape: trials, observed bins, held-in neurons.
        mode: "full" draws every entry by itself; "timestep" whole bins of a trial; "neuron" whole
            neurons of a trial; "timestep_only" the same bins in all trials.
        ratio: r, expected share of masked entries.
        span: w; each draw, of probability r / w, is widened to w bins in a row.
        generator: of the draw.
        device: where to draw.
        dilate_full: False leaves spans out of "full" while still dividing by w, as published.

    Returns:
        Booleans of this shape. The share is 1 - (1 - r/w)^w away from the edges.

    Raises:
        ValueError: if the mode is unknown, or ratio or span are out of range.

    Source: Ye & Pandarinath (2021), masking; Le & Shlizerman (2022), modes.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio must lie in (0, 1], got {ratio}")
    if span < 1:
        raise ValueError(f"span must be at least 1 bin, got {span}")
    drawn_axes = {
        "full": shape,
        "timestep": (*shape[:2], 1),
        "neuron": (shape[0], 1, shape[2]),
        "timestep_only": (1, shape[1], 1),
    }[mode]
    widen = span > 1 and mode != "neuron" and (mode != "full" or dilate_full)
    probability = ratio if mode == "neuron" else ratio / span
    picked = torch.rand(drawn_axes, generator=generator, device=device) < probability
    if widen:
        picked = _dilate(picked, span)
    return picked.expand(shape)


def _dilate(
    picked: Bool[Tensor, "trials bins neurons"], span: int
) -> Bool[Tensor, "trials bins neurons"]:
    """Widen each True to `span` bins; an even span reaches one bin further ahead."""
    wide = torch.zeros_like(picked)
    n_bins = picked.shape[1]
    for shift in range(-((span - 1) // 2), span // 2 + 1):
        first, last = max(0, shift), min(n_bins, n_bins + shift)
        if first < last:
            wide[:, first:last] |= picked[:, first - shift : last - shift]
    return wide


def mask_batch(
    spikes: Float[Tensor, "trials bins neurons"],
    layout: Layout | None = None,
    *,
    mode: Mode = "full",
    ratio: float = 0.25,
    span: int = 1,
    token: float = 1.0,
    random: float = 0.5,
    generator: torch.Generator | None = None,
    dilate_full: bool = True,
) -> Masked:
    """Corrupt a batch for masked modelling.

    Of the chosen entries a share `token` becomes 0; of the rest a share `random` becomes a whole
    number drawn from 0 up to the largest count of the batch (exclusive); what is left stays.
    Held-out neurons and forward bins are always 0, and always asked for.

    Args:
        spikes: counts as floating-point numbers.
        layout: what may be shown; `None` shows all neurons and all bins.
        mode: see `choose`.
        ratio: see `choose`.
        span: see `choose`.
        token: share of chosen entries that become 0.
        random: share of the remaining chosen entries that become a random count.
        generator: of all draws.
        dilate_full: see `choose`.

    Returns:
        Inputs, labels and the chosen entries.

    Raises:
        ValueError: if shapes disagree, a share is out of range, or a count is negative.

    Source: Ye & Pandarinath (2021); Le & Shlizerman (2022), code of the masking.
    """
    layout = Layout(spikes.shape[2], 0, spikes.shape[1]) if layout is None else layout
    shown = hide(spikes, layout)
    for name, share in (("token", token), ("random", random)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be a share in [0, 1], got {share}")
    if not bool((spikes >= 0).all()):
        raise ValueError("spikes must be counts, 0 or greater, without NaN")
    inner = choose(
        (len(spikes), layout.n_observed, layout.n_held_in),
        mode=mode,
        ratio=ratio,
        span=span,
        generator=generator,
        device=spikes.device,
        dilate_full=dilate_full,
    )
    corner = slice(None), slice(layout.n_observed), slice(layout.n_held_in)
    chosen = torch.zeros_like(spikes, dtype=torch.bool)
    chosen[corner] = inner
    asked = torch.ones_like(chosen)
    asked[corner] = inner
    labels = torch.where(asked, spikes, torch.full_like(spikes, IGNORED))

    if token == 1:
        return Masked(torch.where(chosen, torch.zeros_like(shown), shown), labels, chosen)
    fate = torch.rand(spikes.shape, generator=generator, device=spikes.device)
    # The published draw needs a largest count of 1 or more to draw below.
    top = max(int(shown.max()), 1)
    noise = torch.randint(0, top, spikes.shape, generator=generator, device=spikes.device)
    inputs = torch.where(chosen & (fate < token), torch.zeros_like(shown), shown)
    swapped = chosen & (fate >= token) & (fate < token + (1 - token) * random)
    return Masked(torch.where(swapped, noise.to(shown.dtype), inputs), labels, chosen)


def _require_layout(spikes: Tensor, layout: Layout) -> None:
    if spikes.ndim != 3 or spikes.shape[1:] != (layout.n_bins, layout.n_neurons):
        raise ValueError(
            f"spikes must have shape (trials, {layout.n_bins}, {layout.n_neurons}) for this "
            f"layout, got {tuple(spikes.shape)}"
        )
