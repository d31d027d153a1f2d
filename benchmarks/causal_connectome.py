"""Cost of PC against causal-learn: `python -m benchmarks.causal_connectome`.

Workload: raw rows of a VAR(1) series (`autoregressive(p, 1000)`, seed 7), Fisher's z at level 0.05.
Both sides run in this process on as many threads as OMP_NUM_THREADS says. No time is printed
unless the two skeletons are equal. The peer stops at 50 neurons; the cost curve of our own goes on
to 200. Required: 20 times faster at 20 and 50 neurons.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.assemblies import machine
from neurotutor.connectomes import causal_connectome as cc

REQUIRED_RATIO = 20.0
ALPHA = 0.05
SEED = 7


def timed(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Seconds of processor time; the first call, which fills caches, is not counted."""
    call()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return {"median_s": statistics.median(seconds), "min_s": min(seconds), "max_s": max(seconds)}


def peer_skeleton(data: np.ndarray) -> np.ndarray:
    """Skeleton of causal-learn's PC (its whole run: skeleton, colliders, Meek's rules)."""
    from causallearn.search.ConstraintBased.PC import pc

    return pc(data, ALPHA, show_progress=False).G.graph != 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--peer-sizes", type=int, nargs="*", default=[10, 20, 50])
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 20, 50, 100, 150, 200])
    parser.add_argument("--out", type=Path, default=Path("_build/bench/causal_connectome.json"))
    options = parser.parse_args(arguments)
    rows, missed = [], []
    print("neurons  tests      ours (s)   causal-learn (s)   ratio")
    for p in sorted({*options.sizes, *options.peer_sizes}):
        data, _ = cc.autoregressive(p, options.samples, seed=SEED)
        result = cc.pc(data, ALPHA)
        ours = timed(lambda x=data: cc.pc(x, ALPHA), options.repeats)
        row = {"neurons": p, "tests": sum(result.skeleton.n_tests), "conflicts": result.conflicts,
               "ours": ours}
        shown = f"{p:7}  {row['tests']:9}  {ours['median_s']:8.4f}"
        if p in options.peer_sizes:
            start = time.process_time()
            same = (peer_skeleton(data) == result.skeleton.adjacency).all()
            first = time.process_time() - start
            if not same:
                raise SystemExit(f"the skeletons of {p} neurons differ, so no time is quoted")
            # One run of a slow peer says enough; short runs are repeated.
            repeats = options.repeats if first < 2 else 1
            peer = timed(lambda x=data: peer_skeleton(x), repeats)
            row["peer"] = peer
            row["ratio"] = peer["median_s"] / ours["median_s"]
            shown += f"   {peer['median_s']:16.3f}   {row['ratio']:5.0f}"
            if p >= 20 and row["ratio"] < REQUIRED_RATIO:
                missed.append(p)
        print(shown)
        rows.append(row)
    record = {
        "machine": machine(),
        "versions": {
            name: importlib.metadata.version(name) for name in ("numpy", "scipy", "causal-learn")
        },
        "seed": SEED,
        "repeats": options.repeats,
        "samples": options.samples,
        "alpha": ALPHA,
        "rows": rows,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=2) + "\n")
    print(f"written: {options.out}")
    if missed:
        print(f"less than {REQUIRED_RATIO:.0f} times faster at {missed} neurons")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
