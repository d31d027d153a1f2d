"""Cost of Neuro-PC against causal-learn and the authors' package: `python -m benchmarks.neuro_pc`.

Workloads: the ensemble of 25 excerpts of 50 windows and a single run on the published network of 4
neurons (1000 bins), and single runs on sparse linear networks of 10, 20 and 50 neurons.
causal-learn runs PC alone, on the same windows, so it has less to do. The authors' package is timed
where it can be imported. No time is printed unless the graph is the expected one and the skeletons
agree.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from benchmarks import common
from benchmarks.tpc import published, reference_skeleton
from neurotutor.connectomes import neuro_pc
from neurotutor.connectomes.neuro_pc import NeuroPC, NeuroPcConfig
from neurotutor.data import causal_series

SEED = 7
ENSEMBLE = NeuroPcConfig.published()
SINGLE = NeuroPcConfig.single()


def ensemble_of_four(repeats: int) -> list[dict]:
    """25 excerpts of 50 windows of 4 neurons, ours and others'."""
    network = neuro_pc.motif("code4")
    series = network.simulate(SEED)
    fitted = NeuroPC(ENSEMBLE, seed=SEED).fit(series)
    visible = network.truth.copy()
    visible[2, 3] = False
    common.agreement(
        "entries of the graph that are not the six visible edges",
        float((fitted.adjacency_ != visible).sum()),
        0,
    )
    every = neuro_pc.windows(series, 1)
    excerpts = [every[start : start + ENSEMBLE.rows] for start in fitted.starts_]
    theirs = [reference_skeleton(each, ENSEMBLE.alpha) for each in excerpts]
    graphs = [neuro_pc.window_graph(each, 1, ENSEMBLE.alpha) for each in excerpts]
    off = sum(int(((a | a.T) != b).sum()) for a, b in zip(graphs, theirs, strict=True))
    ours = common.timed(lambda: NeuroPC(ENSEMBLE, seed=SEED).fit(series), repeats)
    work = f"Ensemble of {ENSEMBLE.runs} excerpts of 4 neurons"
    rows = [
        common.row(
            work,
            ours,
            common.timed(
                lambda: [reference_skeleton(each, ENSEMBLE.alpha) for each in excerpts], 1
            ),
            peer_name="causal-learn (PC alone)",
            agreement=common.agreement("entries of the skeletons that differ", off, 0),
        )
    ]
    if published() is not None:
        from timeawarepc.tpc import cfc_tpc

        graphs = []
        slow = common.timed(
            lambda: graphs.append(
                cfc_tpc(
                    series,
                    maxdelay=1,
                    subsampsize=ENSEMBLE.rows,
                    niter=ENSEMBLE.runs,
                    alpha=ENSEMBLE.alpha,
                    thresh=ENSEMBLE.frequency,
                    isgauss=True,
                )[0]
            ),
            1,
        )
        missed = float((visible & ~np.asarray(graphs[0], bool)).sum())
        rows.append(
            common.row(
                work,
                ours,
                slow,
                peer_name="timeawarepc",
                agreement=common.agreement(
                    "of the six visible edges, those that one finds alone", missed, 1
                ),
            )
        )
    return rows


def single_run(series: np.ndarray, repeats: int) -> dict:
    """One run on all windows."""
    every = neuro_pc.windows(series, 1)
    graph = neuro_pc.window_graph(every, 1, SINGLE.alpha)
    off = float(((graph | graph.T) != reference_skeleton(every, SINGLE.alpha)).sum())
    return common.row(
        "One run on all windows",
        common.timed(lambda: NeuroPC(SINGLE).fit(series), repeats),
        common.timed(lambda: reference_skeleton(every, SINGLE.alpha), max(1, repeats // 3)),
        peer_name="causal-learn (PC alone)",
        agreement=common.agreement("entries of the skeleton that differ", off, 0),
        size=("neurons", series.shape[1]),
    )


def main(arguments: list[str] | None = None) -> int:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--sizes", type=int, nargs="+", default=[10, 20, 50])

    options = common.options(__doc__, "neuro_pc", arguments, repeats=9, extend=more)
    ensemble = ensemble_of_four(options.repeats)
    code4 = neuro_pc.motif("code4").simulate(SEED)
    several = [causal_series.random_var(size, seed=SEED).values for size in options.sizes]
    targets = [
        common.target(
            "times as fast as the authors' package, ensemble",
            1 / row["ratio"],
            50,
            sense="at least",
            profile=lambda: common.functions(lambda: NeuroPC(ENSEMBLE, seed=SEED).fit(code4)),
        )
        for row in ensemble
        if row["peer_name"] == "timeawarepc"
    ]
    record = common.record(
        "neuro_pc",
        [*ensemble, *(single_run(series, options.repeats) for series in (code4, *several))],
        targets,
        repeats=options.repeats,
        seeds=[SEED],
        packages=["scipy"],
        peers=["causal-learn", "timeawarepc"],
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
