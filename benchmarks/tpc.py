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
import importlib.util
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
SHARES = "difference of the shares of true edges found"


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


def compare(n_neurons: int, repeats: int, peer: Callable | None) -> list[dict]:
    """Times of one network size, after the results were seen to agree."""
    made = causal_series.random_var(n_neurons, seed=SEED)
    samples = tpc.windows(made.values, 1)
    fit = TPC(ONCE).fit(made.values)
    skeleton = fit.unrolled_ | fit.unrolled_.T
    off = common.agreement(
        "entries of the skeleton that differ",
        float((skeleton != reference_skeleton(samples)).sum()),
        0,
    )
    found = tpc.score(fit.adjacency_, made.adjacency).tpr
    common.agreement("share of the edges missed", 1 - found, 0.15)
    ours = common.timed(lambda: TPC(ONCE).fit(made.values), repeats)
    size = ("neurons", n_neurons)
    # One run of a slow peer says enough.
    theirs = common.timed(lambda: reference_skeleton(samples), max(1, repeats // 3))
    work = "Time-Aware PC of a sparse linear network"
    rows = [
        common.row(
            work,
            ours,
            theirs,
            peer_name="causal-learn (PC alone, on the windows)",
            agreement=off,
            size=size,
        )
    ]
    if peer is not None:
        graphs: list[np.ndarray] = []
        slow = common.timed(lambda: graphs.append(np.asarray(peer(made.values)[0], bool)), 1)
        gap = abs(found - tpc.score(graphs[0], made.adjacency).tpr)
        rows.append(
            common.row(
                work,
                ours,
                slow,
                peer_name="timeawarepc",
                agreement=common.agreement(SHARES, gap, 0.05),
                size=size,
            )
        )
    if importlib.util.find_spec("tigramite"):
        links: list[np.ndarray] = []
        slow = common.timed(lambda: links.append(pcmci(made.values)), 1)
        gap = abs(found - tpc.score(links[0], made.adjacency).tpr)
        rows.append(
            common.row(
                work,
                ours,
                slow,
                peer_name="tigramite (PCMCI, partial correlation)",
                agreement=common.agreement(SHARES, gap, 0.1),
                size=size,
            )
        )
    return rows


def pcmci(values: np.ndarray) -> np.ndarray:
    """Links with a delay of one bin that tigramite's PCMCI finds, as an adjacency matrix."""
    from tigramite import data_processing
    from tigramite.independence_tests.parcorr import ParCorr
    from tigramite.pcmci import PCMCI

    finder = PCMCI(data_processing.DataFrame(values), ParCorr(), verbosity=0)
    found = finder.run_pcmci(tau_min=1, tau_max=1, pc_alpha=0.05, alpha_level=0.05)
    return found["graph"][:, :, 1] == "-->"


def main(arguments: list[str] | None = None) -> int:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--sizes", type=int, nargs="+", default=[10, 20, 50])
        parser.add_argument("--curve", type=int, nargs="+", default=[5, 10, 20, 50, 100, 200])

    options = common.options(__doc__, "tpc", arguments, repeats=9, extend=more)
    peer = published()
    four = causal_series.simulate("linear", seed=SEED).values
    curved = causal_series.simulate("nonlinear", noise=np.pi, seed=SEED).values
    subsamples = common.timed(lambda: TPC(TpcConfig()).fit(four), options.repeats)
    kernel = common.timed(lambda: TPC(TpcConfig.tutorial(test="hsic")).fit(curved), options.repeats)
    rows = [row for size in options.sizes for row in compare(size, options.repeats, peer)]
    targets = [
        common.target(
            f"times as fast as {name} at {row['size']['value']} neurons",
            1 / row["ratio"],
            limit,
            sense="at least",
            profile=lambda p=row["size"]["value"]: common.functions(
                lambda: TPC(ONCE).fit(causal_series.random_var(p, seed=SEED).values)
            ),
        )
        for name, limit in (("timeawarepc", 50), ("causal-learn", 20))
        for row in rows
        if row["peer_name"].startswith(name) and row["size"]["value"] >= 20
    ]
    targets.append(
        common.target(
            "seconds for 25 subsamples of 4 neurons",
            subsamples["median_s"],
            0.1,
            sense="at most",
            profile=lambda: common.functions(lambda: TPC(TpcConfig()).fit(four)),
        )
    )
    rows += [
        common.row("25 subsamples of 4 neurons", subsamples),
        common.row("Kernel test (HSIC) on 4 neurons", kernel),
        *(
            common.row(
                "Time-Aware PC, cost curve",
                common.timed(lambda values=values: TPC(ONCE).fit(values), 3),
                size=("neurons", size),
            )
            for size in options.curve
            for values in [causal_series.random_var(size, seed=SEED).values]
        ),
    ]
    record = common.record(
        "tpc",
        rows,
        targets,
        repeats=options.repeats,
        seeds=[SEED],
        packages=["scipy"],
        peers=["causal-learn", "timeawarepc", "tigramite"],
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
