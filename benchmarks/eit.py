"""What a step of EIT costs: `python -m benchmarks.eit`.

The published sizes on neural data (163 neurons, windows of 2 bins, batch 16) against the times that
others measured for the official model, and against the same network with attention written out as
two products and a softmax; then the small networks of the chapter. The fused and the written-out
network share their weights, and no time is printed before their outputs agree.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from unittest import mock

import torch

from benchmarks import common
from neurotutor.representations import eit
from neurotutor.representations.eit import layers

# CPU seconds of a training step at the published sizes, one thread of a loaded machine.
OFFICIAL_STEP = 0.53
OFFICIAL_STEP_FUSED = 0.40
SMALL_HEADS_STEP = 0.11
ALONE = {
    "published, forward": "Forwards at the published sizes",
    "small heads, step": "A training step with four heads of 8 channels",
    "population transformer, step": "A step of the population transformer",
    "chapter, neurons, step": "A step of the chapter's network, neurons",
    "chapter, two pairs, step": "A step of the chapter's network, two pairs",
    "chapter, two pairs, population": "The same, population transformer",
}


def plain_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Attention as it stands on paper: the whole matrix of weights is kept."""
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1) @ v


class Step:
    """One training step, or one forward pass, on a fixed batch."""

    def __init__(self, model: torch.nn.Module, x: torch.Tensor, n_classes: int, weight: float):
        self.model, self.x, self.weight = model, x, weight
        self.y = torch.randint(n_classes, (len(x),), generator=torch.Generator().manual_seed(0))
        self.optimiser = torch.optim.Adam(model.parameters(), 1e-4, fused=True)

    def __call__(self) -> None:
        """Forward, loss, backward and Adam."""
        out = self.model(self.x)
        loss = eit.bin_cross_entropy(out.logits, self.y)
        if self.weight:
            loss = loss + self.weight * eit.bin_cross_entropy(out.individual_logits, self.y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    @torch.no_grad()
    def forward(self) -> None:
        """Forward alone."""
        self.model(self.x)


def written_out(call):
    """The same call with attention written out."""

    def run() -> None:
        with mock.patch.object(layers, "attend", plain_attention):
            call()

    return run


def main(arguments: list[str] | None = None) -> int:
    options = common.options(__doc__, "eit", arguments, repeats=7)
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    neurons = torch.randn(16, 2, 163, 1, generator=generator)
    bodies = torch.randn(32, 10, 4, 2, generator=generator)

    published = Step(eit.EIT(163, 1, 8), neurons, 8, 0.5)
    published.model.eval()
    with torch.no_grad():
        fused = published.model(neurons).logits
        with mock.patch.object(layers, "attend", plain_attention):
            difference = float((published.model(neurons).logits - fused).abs().max())
    agreed = common.agreement("largest difference of the logits", difference, 1e-4)
    published.model.train()

    heads = replace(eit.EitConfig(), n_heads=4, head_width=8)
    small = Step(eit.EIT(163, 1, 8, eit.EitConfig.tutorial()), neurons, 8, 0.5)
    pairs = Step(eit.EIT(4, 2, 3, eit.EitConfig.two_body_tutorial()), bodies, 3, 0.0)
    mixed = eit.PopulationTransformer(4, 2, 3, 10, eit.PopulationConfig.bodies_tutorial())
    versions = {
        "published, forward": published.forward,
        "published, step": published,
        "published, step, written out": written_out(published),
        "small heads, step": Step(eit.EIT(163, 1, 8, heads), neurons, 8, 0.5),
        "population transformer, step": Step(
            eit.PopulationTransformer(163, 1, 8, 2), neurons, 8, 0.0
        ),
        "chapter, neurons, step": small,
        "chapter, two pairs, step": pairs,
        "chapter, two pairs, population": Step(mixed, bodies, 3, 0.0),
    }
    times = common.interleave(versions, options.repeats)
    rows = [
        common.row(
            "A training step at the published sizes",
            times["published, step"],
            times["published, step, written out"],
            peer_name="the same network, attention written out",
            agreement=agreed,
        ),
        *(common.row(text, times[name]) for name, text in ALONE.items()),
    ]
    targets = [
        common.target(
            f"seconds a step; the official model{how}, on another machine",
            times[name]["median_s"],
            limit,
            sense="at most",
            profile=lambda call=versions[name]: common.operators(call),
        )
        for name, how, limit in (
            ("published, step", "", OFFICIAL_STEP),
            ("published, step", " with fused attention", OFFICIAL_STEP_FUSED),
            ("small heads, step", " with four heads of 8 channels", SMALL_HEADS_STEP),
        )
    ]
    record = common.record(
        "eit",
        rows,
        targets,
        repeats=options.repeats,
        seeds=[0],
        packages=["torch"],
        details={
            "neurons": 163,
            "batch_size": 16,
            "parameters": eit.count_parameters(published.model),
        },
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
