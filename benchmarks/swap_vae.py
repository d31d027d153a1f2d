"""What a step of Swap-VAE costs: `python -m benchmarks.swap_vae`.

The package's step, in which the two calls of the encoder and the four of the generator share their
matrix products, against the same step with six separate calls and plain batch normalisation, as the
authors' code has it. Both train the same network on the same simulated session of the size of
Chewie's, on one thread, in turns; no time is printed before they agree. The authors' own modules
were timed by others on another machine; their figure is the target, not a race.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from benchmarks import common
from neurotutor import decoding
from neurotutor.data import reach
from neurotutor.representations import myow, swap_vae

# CPU time of a step of the authors' modules on a busy machine, one thread, batch 256, 163 neurons.
AUTHORS_MS = 23.0


class SeparateCalls(swap_vae.SwapVAE):
    """The same network, called six times in every step."""

    def forward(self, view_1: Tensor, view_2: Tensor, noise) -> swap_vae.Outputs:
        """As `SwapVAE.forward`, one call at a time."""
        latents = self.encode(view_1), self.encode(view_2)
        own_1, own_2 = (
            torch.cat([each.content, swap_vae.sample_style(each.mean, each.log_variance, draw)], 1)
            for each, draw in zip(latents, noise, strict=True)
        )
        mixed_1, mixed_2 = swap_vae.block_swap(own_1, own_2, self.config.content)
        swapped = self.decode(mixed_1), self.decode(mixed_2)
        return swap_vae.Outputs(latents, (self.decode(own_1), self.decode(own_2)), swapped)


def separate(bins: myow.Bins, config: swap_vae.SwapVaeConfig) -> swap_vae.Training:
    """A run whose network is called six times a step."""
    run = swap_vae.Training(bins, config)
    run.model.__class__ = SeparateCalls
    return run


def agree(bins: myow.Bins, config: swap_vae.SwapVaeConfig) -> float:
    """Largest relative difference of the losses of ten steps."""
    totals = [
        [run.step(i)["total"] for i in range(10)]
        for run in (swap_vae.Training(bins, config), separate(bins, config))
    ]
    return max(abs(a - b) / abs(b) for a, b in zip(*totals, strict=True))


def main(arguments: list[str] | None = None) -> int:
    options = common.options(__doc__, "swap_vae", arguments, repeats=20)
    torch.set_num_threads(1)

    # 163 neurons fire in the training trials of Chewie's first day, over 1332 bins.
    session = reach.simulate(n_trials=159, n_neurons=163, duration=(0.9, 1.2), seed=0)
    split = decoding.split_trials(session.trial, fractions=swap_vae.SPLIT)
    bins = myow.Bins.of(session.rates, trial=session.trial, mask=split.train | split.validation)
    config = swap_vae.SwapVaeConfig()
    agreed = common.agreement(
        "largest relative difference of the losses of ten steps", agree(bins, config), 1e-3
    )
    runs = {
        "stacked calls": swap_vae.Training(bins, config),
        "six separate calls": separate(bins, config),
        "stacked, tutorial batch": swap_vae.Training(bins, swap_vae.SwapVaeConfig.tutorial()),
        "plain VAE": swap_vae.Training(bins, config, method="VAE"),
    }

    def advance(run: swap_vae.Training):
        return lambda: [run.step(i) for i in range(5)]

    versions = {name: advance(run) for name, run in runs.items()}
    times = common.interleave(versions, options.repeats)
    times = {name: common.per_call(row, 5) for name, row in times.items()}
    rows = [
        common.row(
            "A step of Swap-VAE",
            times["stacked calls"],
            times["six separate calls"],
            peer_name="six separate calls, as published",
            agreement=agreed,
        ),
        common.row("A step of Swap-VAE, the chapter's batch", times["stacked, tutorial batch"]),
        common.row("A step of a plain VAE", times["plain VAE"]),
    ]
    targets = [
        common.target(
            "ms a step; the authors' modules, on another machine",
            1000 * times["stacked calls"]["median_s"],
            AUTHORS_MS,
            sense="at most",
            profile=lambda: common.operators(versions["stacked calls"]),
        )
    ]
    record = common.record(
        "swap_vae",
        rows,
        targets,
        repeats=options.repeats,
        seeds=[0],
        packages=["torch"],
        details={
            "bins": len(bins.rates),
            "neurons": int(runs["stacked calls"].kept.sum()),
            "batch_size": config.batch_size,
            "steps_of_a_training": config.n_steps(len(bins.rates)),
        },
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
