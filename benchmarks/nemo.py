"""Cost of coin flips against the authors' demo: `python -m benchmarks.nemo`.

The demo's workload: 5 graphs, 3 states, 300 flips of each state, 10 recurrent rounds, 10,000
neurons. Its 27 s were measured on a shared two-core machine with one thread; they are given for
scale, not measured here. No time is printed unless the flips have the softmax that they should.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.assemblies import machine
from neurotutor.plasticity import nemo

PUBLISHED_DEMO_S = 27.0
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


def timed(call, repeats: int) -> dict[str, float]:
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return {"median_s": statistics.median(seconds), "min_s": min(seconds), "max_s": max(seconds)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("_build/bench/nemo.json"))
    options = parser.parse_args(arguments)
    config = nemo.NemoConfig.tutorial()
    error = float(np.abs(demo(config).mean(axis=0) - CHAIN).mean())
    if error > 0.06:
        raise SystemExit(f"the chain is off by {error:.3f}, so no time is quoted")
    record = {
        "machine": machine(),
        "mean_absolute_error": error,
        "published_demo_s": PUBLISHED_DEMO_S,
        "demo": timed(lambda: demo(config), options.repeats),
        "first_caps_25000": timed(
            lambda: first_caps(nemo.NemoConfig(recurrent="block")), options.repeats
        ),
        "full_graph_5000": timed(
            lambda: full_graph(nemo.NemoConfig(n_neurons=5000, rounds=12)), options.repeats
        ),
    }
    print(f"mean absolute error of the chain over 5 graphs: {error:.3f}")
    for name in ("demo", "first_caps_25000", "full_graph_5000"):
        row = record[name]
        print(f"{name:<18}{row['median_s']:7.3f} s [{row['min_s']:.3f}, {row['max_s']:.3f}]")
    ratio = PUBLISHED_DEMO_S / record["demo"]["median_s"]
    print(f"published demo: {PUBLISHED_DEMO_S} s, {ratio:.0f} times ours")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=2) + "\n")
    print(f"written: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
