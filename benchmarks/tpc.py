"""Cost of Time-Aware PC against the published package and causal-learn: `python -m benchmarks.tpc`.

Workload: a sparse linear network (`causal_series.random_var`, seed 7), 1000 bins, level 0.05, delay
of one bin. causal-learn runs PC alone, on the same windows. The published package is timed where it
can be imported (`pip install --no-deps timeawarepc`). It asks for R through rpy2 even where it does
not use it; where rpy2 is missing, an empty stand-in takes its place, and the Gaussian path runs.
Its version is recorded. It always subsamples; one subsample of all windows but one is the nearest
to a single run. No time is printed unless skeletons agree and true edges are found.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from collections.abc import Callable
from unittest.mock import MagicMock

import numpy as np

from benchmarks import common
from neurotutor.connectomes import tpc
from neurotutor.connectomes.tpc import TPC, TpcConfig
from neurotutor.data import causal_series

ONCE = TpcConfig.tutorial()
SEED = 7


def published() -> Callable[[np.ndarray], tuple] | None:
    """The published package's estimator of one run on (nearly) all windows, or None."""
    try:
        import rpy2  # noqa: F401 - only whether it is there
    except ImportError:
        for name in (
            "rpy2",
            "rpy2.rinterface",
            "rpy2.rlike",
            "rpy2.rlike.container",
            "rpy2.robjects",
            "rpy2.robjects.numpy2ri",
            "rpy2.robjects.packages",
            "rpy2.robjects.pandas2ri",
        ):
            sys.modules[name] = MagicMock()
    try:
        from timeawarepc.tpc import cfc_tpc
    except ImportError:
        return None

    def run(values: np.ndarray) -> tuple:
        n_windows = len(tpc.windows(values, 1))
        return cfc_tpc(
            values, maxdelay=1, subsampsize=n_windows - 1, niter=1, alpha=0.05, isgauss=True
        )

    return run


def reference_skeleton(samples: np.ndarray, alpha: float = 0.05) -> np.ndarray:
    """Skeleton by causal-learn."""
    from causallearn.search.ConstraintBased.PC import pc

    graph = pc(samples, alpha, "fisherz", stable=True, show_progress=False).G.graph
    return (graph != 0) | (graph.T != 0)


def version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def compare(n_neurons: int, repeats: int, peer: Callable | None) -> dict:
    """Times of one network size, after the results were seen to agree."""
    made = causal_series.random_var(n_neurons, seed=SEED)
    samples = tpc.windows(made.values, 1)
    fit = TPC(ONCE).fit(made.values)
    skeleton = fit.unrolled_ | fit.unrolled_.T
    if not np.array_equal(skeleton, reference_skeleton(samples)):
        raise SystemExit(f"p={n_neurons}: the skeleton differs from causal-learn's, so no times")
    found = tpc.score(fit.adjacency_, made.adjacency)
    if found.tpr < 0.85:
        raise SystemExit(f"p={n_neurons}: only {found.tpr:.2f} of the edges found, so no times")
    row = {
        "neurons": n_neurons,
        "tpr": found.tpr,
        "fpr": found.fpr,
        "ours": common.timed(lambda: TPC(ONCE).fit(made.values), repeats),
        "causal_learn": common.timed(lambda: reference_skeleton(samples), max(1, repeats // 3)),
    }
    row["times_causal_learn"] = row["causal_learn"]["median_s"] / row["ours"]["median_s"]
    if peer is not None:
        graphs: list[np.ndarray] = []
        seconds = common.timed(lambda: graphs.append(np.asarray(peer(made.values)[0], bool)), 1)
        theirs = tpc.score(graphs[0], made.adjacency)
        row["timeawarepc"] = seconds | {"tpr": theirs.tpr, "fpr": theirs.fpr}
        row["times_timeawarepc"] = row["timeawarepc"]["median_s"] / row["ours"]["median_s"]
    return row


def main(arguments: list[str] | None = None) -> int:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--sizes", type=int, nargs="+", default=[10, 20, 50])
        parser.add_argument("--curve", type=int, nargs="+", default=[5, 10, 20, 50, 100, 200])

    options = common.options(__doc__, "tpc", arguments, repeats=9, extend=more)
    peer = published()
    four = causal_series.simulate("linear", seed=SEED).values
    curved = causal_series.simulate("nonlinear", noise=np.pi, seed=SEED).values
    record = {
        "machine": common.machine(),
        "seed": SEED,
        "versions": {name: version(name) for name in ("timeawarepc", "causal-learn", "rpy2")},
        "compared": [compare(size, options.repeats, peer) for size in options.sizes],
        "subsamples_25_of_4_neurons": common.timed(
            lambda: TPC(TpcConfig()).fit(four), options.repeats
        ),
        "kernel_4_neurons": common.timed(
            lambda: TPC(TpcConfig.tutorial(test="hsic")).fit(curved), options.repeats
        ),
        "curve": [
            {"neurons": size}
            | common.timed(
                lambda values=values: TPC(ONCE).fit(values), max(1, options.repeats // 3)
            )
            for size in options.curve
            for values in [causal_series.random_var(size, seed=SEED).values]
        ],
    }
    if peer is None:
        print("timeawarepc cannot be imported here: compared with causal-learn only")
    for row in record["compared"]:
        line = f"p={row['neurons']:<4}{row['ours']['median_s']:8.4f} s"
        line += f"   causal-learn {row['times_causal_learn']:6.0f} times"
        if "times_timeawarepc" in row:
            line += f"   timeawarepc {row['times_timeawarepc']:6.0f} times"
        print(line)
    for key in ("subsamples_25_of_4_neurons", "kernel_4_neurons"):
        print(f"{key}: {record[key]['median_s']:.3f} s")
    print("curve: " + ", ".join(f"{r['neurons']}: {r['median_s']:.3f} s" for r in record["curve"]))
    common.save(record, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
