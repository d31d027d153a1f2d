"""Cost of NDT and STNDT against the published models: `python -m benchmarks.stndt`.

A training step is forward, backward, clipping of the gradient and AdamW on a batch of 64 trials,
all bins in sight, as the official model code was timed (CPU seconds on one thread of a shared
machine, smallest of several). Those numbers are given as targets, not measured here. The peer for
NDT is PyTorch's own `TransformerEncoder` with the same weights; nothing is timed unless outputs
agree.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from benchmarks import common
from neurotutor.representations import stndt
from neurotutor.representations.stndt import NDT, STNDT, Layout, StndtConfig, Task, Training

# Published: bins, neurons, layers, hidden width, heads; seconds of a step of NDT, of STNDT, of
# STNDT with contrast; milliseconds of a forward pass of STNDT for one trial.
SIZES = {
    "50x30": (50, 30, 2, 64, 2, (0.044, 0.074, 0.175), 1.6),
    "160x65": (160, 65, 4, 128, 1, (0.65, 0.97, 2.44), 9.0),
    "180x182": (180, 182, 4, 128, 2, (1.86, 3.49, 8.16), 14.0),
}
WORK = {
    "ndt": "A training step of NDT",
    "stndt": "A training step of STNDT",
    "stndt_contrast": "A training step of STNDT with contrast",
    "forward_one": "STNDT, one trial forwards",
}


def make_task(n_bins: int, n_neurons: int, trials: int) -> Task:
    """Random counts: cost does not depend on what they say."""
    generator = torch.Generator().manual_seed(0)
    counts = torch.poisson(torch.full((trials, n_bins, n_neurons), 0.2), generator=generator)
    layout = Layout(n_neurons - n_neurons // 4, n_neurons // 4, n_bins)
    labels = torch.zeros(trials, dtype=torch.long).numpy()
    return Task(counts, counts, layout, None, None, None, labels, labels, 0.005, "random")


class Peer(nn.Module):
    """NDT from PyTorch's own encoder, with the weights of one of ours."""

    def __init__(self, ours: NDT):
        super().__init__()
        self.n_neurons, self.n_bins, self.config = ours.n_neurons, ours.n_bins, ours.config
        layer = nn.TransformerEncoderLayer(
            ours.width,
            ours.config.n_heads,
            ours.config.feedforward,
            dropout=ours.config.dropout,
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(
            layer, ours.config.n_layers, norm=nn.LayerNorm(ours.width), enable_nested_tensor=False
        )
        for mine, theirs in zip(ours.layers, self.encoder.layers, strict=True):
            theirs.load_state_dict(mine.state_dict())
        self.encoder.norm.load_state_dict(ours.norm.state_dict())
        self.positions = nn.Parameter(ours.positions.detach().clone())
        self.decoder = nn.Linear(ours.width, ours.n_neurons)
        self.decoder.load_state_dict(ours.decoder.state_dict())

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Log rates, as ours."""
        tokens = self.n_neurons**0.5 * counts + self.positions
        return self.decoder(self.encoder(tokens))


def stepper(task: Task, model: nn.Module, config: StndtConfig) -> Callable[[], object]:
    """One training step of this model, after one that is not timed."""
    run = Training(task, model, config)
    run.step(0)
    return lambda: run.step(0)


def main(arguments: list[str] | None = None) -> int:
    def extend(parser):
        parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
        parser.add_argument("--trials", type=int, default=64)

    options = common.options(__doc__, "stndt", arguments, repeats=3, extend=extend)
    torch.set_num_threads(1)
    rows, targets = [], []
    for name in options.sizes:
        n_bins, n_neurons, depth, width, heads, published, published_ms = SIZES[name]
        config = replace(
            StndtConfig(),
            n_layers=depth,
            feedforward=width,
            n_heads=heads,
            context_backward=-1,
            context_forward=-1,
            dropout=0.0,
            rate_dropout=0.0,
            embedding_dropout=0.0,
            contrast_weight=0.0,
            batch_size=options.trials,
        )
        contrast = replace(config, contrast_weight=0.1)
        task = make_task(n_bins, n_neurons, options.trials)
        ours = NDT(n_neurons, n_bins, config)
        peer = Peer(ours)
        with torch.no_grad():
            apart = (ours(task.train[:2]) - peer(task.train[:2])).abs().max().item()
        steps = {
            "ndt": stepper(task, ours, config),
            "ndt_peer": stepper(task, peer, config),
            "stndt": stepper(task, STNDT(n_neurons, n_bins, config), config),
            "stndt_contrast": stepper(task, STNDT(n_neurons, n_bins, contrast), contrast),
        }
        times = common.interleave(steps, options.repeats)
        model = STNDT(n_neurons, n_bins, config)
        stndt.predict(model, task.train[:1], task.layout)
        steps["forward_one"] = lambda m=model, t=task: stndt.predict(m, t.train[:1], t.layout)
        times["forward_one"] = common.timed(steps["forward_one"], 10 * options.repeats)
        size = ("bins times neurons", n_bins * n_neurons)
        rows.append(
            common.row(
                WORK["ndt"],
                times["ndt"],
                times["ndt_peer"],
                peer_name="torch.nn.TransformerEncoder",
                agreement=common.agreement("largest difference of the log rates", apart, 1e-4),
                size=size,
            )
        )
        rows += [
            common.row(WORK[key], times[key], size=size)
            for key in ("stndt", "stndt_contrast", "forward_one")
        ]
        elsewhere = dict(zip(WORK, (*published, published_ms / 1000), strict=True))
        targets += [
            common.target(
                f"seconds, {WORK[key]}, {n_bins} bins x {n_neurons} neurons; the published model "
                "on another machine",
                times[key]["min_s"],
                limit,
                sense="at most",
                profile=lambda call=steps[key]: common.operators(call),
            )
            for key, limit in elsewhere.items()
            if options.trials >= 64 or key == "forward_one"
        ]
    record = common.record(
        "stndt",
        rows,
        targets,
        repeats=options.repeats,
        seeds=[0],
        packages=["torch"],
        details={"trials": options.trials, "sizes": {name: SIZES[name] for name in options.sizes}},
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
