"""Cost of PC against causal-learn, of Granger causality against nitime.

Run by `python -m benchmarks.causal_connectome`.

Workload: raw rows of a VAR(1) series (`autoregressive(p, 1000)`, seed 7), Fisher's z at level 0.05.
Both sides run in this process on as many threads as OMP_NUM_THREADS says. No time is printed
unless the two skeletons are equal. The peer stops at 50 neurons; the cost curve of our own goes on
to 200. Required: 20 times faster at 20 and 50 neurons.

nitime, where it is installed, measures the Granger causality of every pair over frequencies. Its
mean over them is the logarithm of the ratio of residual variances that the package reports (Geweke,
1982), up to the lags that either side keeps.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from benchmarks import common
from neurotutor.connectomes import causal_connectome as cc

REQUIRED_RATIO = 20.0
ALPHA = 0.05
SEED = 7
LAGS = 3


def peer_skeleton(data: np.ndarray) -> np.ndarray:
    """Skeleton of causal-learn's PC (its whole run: skeleton, colliders, Meek's rules)."""
    from causallearn.search.ConstraintBased.PC import pc

    return pc(data, ALPHA, show_progress=False).G.graph != 0


def peer_granger(data: np.ndarray, order: int) -> np.ndarray | None:
    """Strengths [i, j] of i -> j by nitime, pair by pair; None where it is not installed."""
    try:
        from nitime.analysis import GrangerAnalyzer
        from nitime.timeseries import TimeSeries
    except ImportError:
        return None
    found = GrangerAnalyzer(TimeSeries(data.T, sampling_interval=1), order=order, n_freqs=256)
    # Each holds the pairs of one triangle, NaN elsewhere.
    forth, back = found.causality_xy, found.causality_yx
    return np.nan_to_num(forth.mean(axis=-1)) + np.nan_to_num(back.mean(axis=-1)).T


def granger_rows(series: dict[int, np.ndarray], repeats: int) -> list[dict]:
    """Granger causality of all pairs, here and in nitime."""
    rows = []
    for p, data in series.items():
        theirs = peer_granger(data, LAGS)
        if theirs is None:
            return []
        off = np.abs(theirs - cc.granger(data, LAGS, conditional=False).strength)
        np.fill_diagonal(off, 0)
        agreed = common.agreement("largest difference of the strengths", float(off.max()), 0.01)
        times = common.interleave(
            {
                "ours": lambda x=data: cc.granger(x, LAGS, conditional=False),
                "theirs": lambda x=data: peer_granger(x, LAGS),
            },
            repeats,
        )
        rows.append(
            common.row(
                f"Granger causality of all pairs, {LAGS} lags",
                times["ours"],
                times["theirs"],
                peer_name="nitime",
                agreement=agreed,
                size=("neurons", p),
            )
        )
    return rows


def main(arguments: list[str] | None = None) -> int:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--samples", type=int, default=1000)
        parser.add_argument("--peer-sizes", type=int, nargs="*", default=[10, 20, 50])
        parser.add_argument("--sizes", type=int, nargs="*", default=[10, 20, 50, 100, 150, 200])

    options = common.options(__doc__, "causal_connectome", arguments, repeats=5, extend=more)
    rows, counts, series = [], {}, {}
    for p in sorted({*options.sizes, *options.peer_sizes}):
        series[p] = data = cc.autoregressive(p, options.samples, seed=SEED)[0]
        result = cc.pc(data, ALPHA)
        counts[p] = {"tests": sum(result.skeleton.n_tests), "conflicts": result.conflicts}
        ours = common.timed(lambda x=data: cc.pc(x, ALPHA), options.repeats)
        rows.append(common.row("PC, cost curve", ours, size=("neurons", p)))
        if p in options.peer_sizes:
            off = float((peer_skeleton(data) != result.skeleton.adjacency).sum())
            # One run of a slow peer says enough; short runs are repeated.
            repeats = options.repeats if p <= 20 else 1
            rows.append(
                common.row(
                    "PC of a series",
                    ours,
                    common.timed(lambda x=data: peer_skeleton(x), repeats),
                    peer_name="causal-learn",
                    agreement=common.agreement("entries of the skeleton that differ", off, 0),
                    size=("neurons", p),
                )
            )
    targets = [
        common.target(
            f"times as fast as causal-learn at {row['size']['value']} neurons",
            1 / row["ratio"],
            REQUIRED_RATIO,
            sense="at least",
            profile=lambda x=series[row["size"]["value"]]: common.functions(
                lambda: cc.pc(x, ALPHA)
            ),
        )
        for row in rows
        if row["peer"] and row["size"]["value"] >= 20
    ]
    rows += granger_rows({p: series[p] for p in options.peer_sizes}, options.repeats)
    record = common.record(
        "causal_connectome",
        rows,
        targets,
        repeats=options.repeats,
        seeds=[SEED],
        packages=["scipy"],
        peers=["causal-learn", "nitime"],
        details={"samples": options.samples, "alpha": ALPHA, "counts": counts},
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
