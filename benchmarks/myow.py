"""What a step of pre-training costs: `python -m benchmarks.myow`.

The batched step of the package against the same step written sample by sample: one view at a time,
one anchor's neighbours at a time. Both train the same network on the same simulated session of the
size of Chewie's, on one thread, in turns; no time is printed before they agree. The figures of the
official loop were measured by others on another machine; they are shown for scale, not as a race.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import replace

import torch

from benchmarks import common
from neurotutor.data import reach
from neurotutor.representations import myow

SEEN_ELSEWHERE = {"official loop with its graph loader": 40.0, "plain PyTorch rewrite": 32.0}


class LiteralPretraining(myow.Pretraining):
    """The same method, one sample at a time."""

    def step(self, i: int) -> dict[str, float]:
        """One training step, as `Pretraining.step` does it."""
        config = self.config
        rows = self._draw_anchors(i)
        positives = torch.stack([self._positive(int(row)) for row in rows])
        view_1 = torch.stack([self._view(int(row)) for row in rows])
        view_2 = torch.stack([self._view(int(row)) for row in positives])
        weight = myow.mining_weight(i, config)
        augmented, y = self.model.augmented_loss(view_1, view_2)
        total, mined = augmented, None
        if weight > 0:
            anchors = set(rows.tolist())
            extra = sorted(set(positives.tolist()) - anchors)
            pool = [*rows.tolist(), *extra]
            views = torch.stack([*view_1, *(self._view(row) for row in extra)])
            with torch.no_grad():
                slow = self.model.target_encoder(views)
                found = self._mine(rows.tolist(), pool, y, slow)
                slow_v = self.model.target_mined_projector(slow[found])
            v = self.model.mined_projector(y)
            mined = myow.mined_loss(self.model.mined_predictor(v), slow_v)
            total = myow.total_loss(augmented, mined, weight)
        for group in self.optimiser.param_groups:
            group["lr"] = myow.learning_rate(i, config)
        self.optimiser.zero_grad()
        total.backward()
        self.optimiser.step()
        self.model.update_target()
        return {"loss": total.item()}

    def _positive(self, row: int) -> torch.Tensor:
        delta = int(torch.randint(self.config.max_jitter + 1, (1,), generator=self._views))
        return torch.tensor(min(row + delta, int(self._last[row])))

    def _view(self, row: int) -> torch.Tensor:
        config, draw = self.config, self._views
        x = self._rates[row].clone()
        if torch.rand(1, generator=draw) < config.dropout_probability:
            share = config.dropout_max * torch.rand(1, generator=draw)
            x[torch.rand(len(x), generator=draw) < share] = 0
        if torch.rand(1, generator=draw) < config.pepper_probability:
            x[torch.rand(len(x), generator=draw) < config.pepper_share] += config.pepper_height
        if torch.rand(1, generator=draw) < config.noise_probability:
            x += config.noise_sd * torch.randn(len(x), generator=draw)
        return (x - self.normaliser.mean_) / self.normaliser.sd_

    def _mine(self, rows, pool, y, slow) -> torch.Tensor:
        block = self.bins.block.tolist()
        found = []
        for anchor, row in zip(y, rows, strict=True):
            allowed = [j for j, other in enumerate(pool) if block[other] != block[row]]
            cosine = torch.cosine_similarity(anchor[None], slow[allowed])
            nearest = cosine.topk(self.config.n_neighbours).indices
            pick = int(torch.randint(self.config.n_neighbours, (1,), generator=self._mining))
            found.append(allowed[int(nearest[pick])])
        return torch.tensor(found)


def agree(bins: myow.Bins, config: myow.MyowConfig) -> float:
    """Largest difference of the losses of ten steps; only batches and weights are random."""
    still = replace(
        config,
        dropout_max=0.0,
        pepper_probability=0.0,
        noise_probability=0.0,
        max_jitter=0,
        n_neighbours=1,
        mining_ramp=0,
    )
    losses = [
        [run.step(i)["loss"] for i in range(10)]
        for run in (myow.Pretraining(bins, still), LiteralPretraining(bins, still))
    ]
    return max(abs(a - b) for a, b in zip(*losses, strict=True))


def main(arguments: list[str] | None = None) -> int:
    options = common.options(__doc__, "myow", arguments, repeats=7)
    torch.set_num_threads(1)

    session = reach.simulate(n_trials=159, n_neurons=174, seed=0, speed_threshold=5.0)
    bins = myow.Bins.of(session.rates, trial=session.trial)
    config = myow.MyowConfig.tutorial()
    agreed = common.agreement(
        "largest difference of the losses of ten steps", agree(bins, config), 1e-4
    )
    runs = {
        "BYOL": myow.Pretraining(bins, config, method="byol"),
        "MYOW": myow.Pretraining(bins, config),
        "MYOW, sample by sample": LiteralPretraining(bins, config),
    }
    steps = {"BYOL": 20, "MYOW": 20, "MYOW, sample by sample": 2}

    def advance(name: str) -> Callable[[], None]:
        counter = itertools.count()

        def run() -> None:
            for _ in range(steps[name]):
                runs[name].step(next(counter))

        return run

    versions = {name: advance(name) for name in runs}
    times = common.interleave(versions, options.repeats)
    times = {name: common.per_call(row, steps[name]) for name, row in times.items()}
    rows = [
        common.row(
            "A step of MYOW",
            times["MYOW"],
            times["MYOW, sample by sample"],
            peer_name="the same step, sample by sample",
            agreement=agreed,
        ),
        common.row("A step of BYOL", times["BYOL"]),
    ]
    targets = [
        common.target(
            f"ms a step; the {name}, on another machine",
            1000 * times["MYOW"]["median_s"],
            value,
            sense="at most",
            profile=lambda: common.operators(versions["MYOW"]),
        )
        for name, value in SEEN_ELSEWHERE.items()
    ]
    record = common.record(
        "myow",
        rows,
        targets,
        repeats=options.repeats,
        seeds=[0],
        packages=["torch"],
        details={
            "bins": len(bins.rates),
            "neurons": session.n_neurons,
            "batch_size": config.batch_size,
        },
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
