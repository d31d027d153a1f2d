"""Cost of coin flips against the authors' demo: `python -m benchmarks.nemo`.

The demo's workload: 5 graphs, 3 states, 300 flips of each state, 10 recurrent rounds, 10,000
neurons. Its 27 s were measured on a shared two-core machine with one thread; they are given for
scale, not measured here. No time is printed unless the flips have the softmax that they should.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks import common
from neurotutor.plasticity import nemo

PUBLISHED_DEMO_S = 27.0
PROTOTYPE_CAPS_S = 0.15  # a hundred first caps, on the same machine as the demo
WORK = {
    "demo": "The authors' demo: 5 graphs, 3 states, 300 flips each",
    "first_caps_25000": "100 first caps of 25,000 neurons",
    "full_graph_5000": "60 flips on a full graph of 5000 neurons",
}
CHAIN = np.array([[0.380, 0.073, 0.547], [0.406, 0.418, 0.176], [0.154, 0.206, 0.640]])


def demo(config: nemo.NemoConfig, graphs: int = 5, flips: int = 300) -> np.ndarray:
    """Learn and estimate the chain on several graphs."""
    return np.stack(
        [
            nemo.MarkovLearner(3, config, seed=seed)
            .present(nemo.walk(CHAIN, 300, seed=seed))
            .transition_matrix(flips, seed=seed)
            for seed in range(graphs)
        ]
    )


def first_caps(config: nemo.NemoConfig) -> None:
    """A hundred first caps at the paper's size; recurrence is left out."""
    nemo.CoinArea(3, config, seed=0).flip(np.full(3, 1.5), 100, seed=0, rounds=0)


def full_graph(config: nemo.NemoConfig) -> float:
    """Sixty flips on a full graph of 5000 neurons."""
    return nemo.CoinArea(2, config, seed=0).flip(np.full(2, 2.0), 60, seed=0).resolved


def main(arguments: list[str] | None = None) -> int:
    options = common.options(__doc__, "nemo", arguments)
    config = nemo.NemoConfig.tutorial()
    error = float(np.abs(demo(config).mean(axis=0) - CHAIN).mean())
    if error > 0.06:
        raise SystemExit(f"the chain is off by {error:.3f}, so no time is quoted")
    workloads = {
        "demo": lambda: demo(config),
        "first_caps_25000": lambda: first_caps(nemo.NemoConfig(recurrent="block")),
        "full_graph_5000": lambda: full_graph(nemo.NemoConfig(n_neurons=5000, rounds=12)),
    }
    times = common.interleave(workloads, options.repeats)
    rows = [common.row(WORK[name], each) for name, each in times.items()]
    targets = [
        common.target(
            "times as fast as the authors' demo (27 s, another machine)",
            PUBLISHED_DEMO_S / times["demo"]["median_s"],
            10,
            sense="at least",
            profile=lambda: common.functions(workloads["demo"]),
        ),
        common.target(
            f"seconds, {WORK['first_caps_25000']}; a prototype on another machine",
            times["first_caps_25000"]["median_s"],
            PROTOTYPE_CAPS_S,
            sense="at most",
            profile=lambda: common.functions(workloads["first_caps_25000"]),
        ),
    ]
    record = common.record(
        "nemo",
        rows,
        targets,
        repeats=options.repeats,
        seeds=list(range(5)),
        packages=["scipy"],
        details={"mean_absolute_error_of_the_chain": error, "published_demo_s": PUBLISHED_DEMO_S},
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
