"""Cost of PC against causal-learn: `python -m benchmarks.causal_connectome`.

Workload: raw rows of a VAR(1) series (`autoregressive(p, 1000)`, seed 7), Fisher's z at level 0.05.
Both sides run in this process on as many threads as OMP_NUM_THREADS says. No time is printed
unless the two skeletons are equal. The peer stops at 50 neurons; the cost curve of our own goes on
to 200. Required: 20 times faster at 20 and 50 neurons.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import time

import numpy as np

from benchmarks import common
from neurotutor.connectomes import causal_connectome as cc

REQUIRED_RATIO = 20.0
ALPHA = 0.05
SEED = 7


def peer_skeleton(data: np.ndarray) -> np.ndarray:
    """Skeleton of causal-learn's PC (its whole run: skeleton, colliders, Meek's rules)."""
    from causallearn.search.ConstraintBased.PC import pc

    return pc(data, ALPHA, show_progress=False).G.graph != 0


def main(arguments: list[str] | None = None) -> int:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--samples", type=int, default=1000)
        parser.add_argument("--peer-sizes", type=int, nargs="*", default=[10, 20, 50])
        parser.add_argument("--sizes", type=int, nargs="*", default=[10, 20, 50, 100, 150, 200])

    options = common.options(__doc__, "causal_connectome", arguments, repeats=5, extend=more)
    rows, missed = [], []
    print("neurons  tests      ours (s)   causal-learn (s)   ratio")
    for p in sorted({*options.sizes, *options.peer_sizes}):
        data, _ = cc.autoregressive(p, options.samples, seed=SEED)
        result = cc.pc(data, ALPHA)
        ours = common.timed(lambda x=data: cc.pc(x, ALPHA), options.repeats)
        row = {
            "neurons": p,
            "tests": sum(result.skeleton.n_tests),
            "conflicts": result.conflicts,
            "ours": ours,
        }
        shown = f"{p:7}  {row['tests']:9}  {ours['median_s']:8.4f}"
        if p in options.peer_sizes:
            start = time.process_time()
            same = (peer_skeleton(data) == result.skeleton.adjacency).all()
            first = time.process_time() - start
            if not same:
                raise SystemExit(f"the skeletons of {p} neurons differ, so no time is quoted")
            # One run of a slow peer says enough; short runs are repeated.
            repeats = options.repeats if first < 2 else 1
            peer = common.timed(lambda x=data: peer_skeleton(x), repeats)
            row["peer"] = peer
            row["ratio"] = peer["median_s"] / ours["median_s"]
            shown += f"   {peer['median_s']:16.3f}   {row['ratio']:5.0f}"
            if p >= 20 and row["ratio"] < REQUIRED_RATIO:
                missed.append(p)
        print(shown)
        rows.append(row)
    record = {
        "machine": common.machine(),
        "versions": {
            name: importlib.metadata.version(name) for name in ("numpy", "scipy", "causal-learn")
        },
        "seed": SEED,
        "repeats": options.repeats,
        "samples": options.samples,
        "alpha": ALPHA,
        "rows": rows,
    }
    common.save(record, options.out)
    if missed:
        print(f"less than {REQUIRED_RATIO:.0f} times faster at {missed} neurons")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
