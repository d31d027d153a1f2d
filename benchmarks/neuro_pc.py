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
from benchmarks.tpc import published, reference_skeleton, version
from neurotutor.connectomes import neuro_pc
from neurotutor.connectomes.neuro_pc import NeuroPC, NeuroPcConfig
from neurotutor.data import causal_series

SEED = 7
ENSEMBLE = NeuroPcConfig.published()
SINGLE = NeuroPcConfig.single()


def ensemble_of_four(repeats: int) -> dict:
    """25 excerpts of 50 windows of 4 neurons, ours and others'."""
    network = neuro_pc.motif("code4")
    series = network.simulate(SEED)
    fitted = NeuroPC(ENSEMBLE, seed=SEED).fit(series)
    visible = network.truth.copy()
    visible[2, 3] = False
    if not np.array_equal(fitted.adjacency_, visible):
        raise SystemExit("the ensemble does not find the six visible edges, so no times")
    every = neuro_pc.windows(series, 1)
    excerpts = [every[start : start + ENSEMBLE.rows] for start in fitted.starts_]
    row = {
        "ours": common.timed(lambda: NeuroPC(ENSEMBLE, seed=SEED).fit(series), repeats),
        "causal_learn": common.timed(
            lambda: [reference_skeleton(each, ENSEMBLE.alpha) for each in excerpts], 1
        ),
    }
    if published() is not None:
        from timeawarepc.tpc import cfc_tpc

        row["timeawarepc"] = common.timed(
            lambda: cfc_tpc(
                series,
                maxdelay=1,
                subsampsize=ENSEMBLE.rows,
                niter=ENSEMBLE.runs,
                alpha=ENSEMBLE.alpha,
                thresh=ENSEMBLE.frequency,
                isgauss=True,
            ),
            1,
        )
    return row


def single_run(series: np.ndarray, repeats: int) -> dict:
    """One run on all windows."""
    every = neuro_pc.windows(series, 1)
    graph = neuro_pc.window_graph(every, 1, SINGLE.alpha)
    if not np.array_equal(graph | graph.T, reference_skeleton(every, SINGLE.alpha)):
        raise SystemExit(f"{series.shape}: the skeleton differs from causal-learn's, so no times")
    return {
        "ours": common.timed(lambda: NeuroPC(SINGLE).fit(series), repeats),
        "causal_learn": common.timed(
            lambda: reference_skeleton(every, SINGLE.alpha), max(1, repeats // 3)
        ),
    }


def main(arguments: list[str] | None = None) -> int:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--sizes", type=int, nargs="+", default=[10, 20, 50])

    options = common.options(__doc__, "neuro_pc", arguments, repeats=9, extend=more)
    rows = {
        "ensemble 25 x 50, 4 neurons": ensemble_of_four(options.repeats),
        "single run, 4 neurons": single_run(
            neuro_pc.motif("code4").simulate(SEED), options.repeats
        ),
        **{
            f"single run, {size} neurons": single_run(
                causal_series.random_var(size, seed=SEED).values, options.repeats
            )
            for size in options.sizes
        },
    }
    for row in rows.values():
        for name in ("causal_learn", "timeawarepc"):
            if name in row:
                row[f"times_{name}"] = row[name]["median_s"] / row["ours"]["median_s"]
    record = {
        "machine": common.machine(),
        "seed": SEED,
        "versions": {name: version(name) for name in ("timeawarepc", "causal-learn", "rpy2")},
        "rows": rows,
    }
    for name, row in rows.items():
        line = f"{name:<30}{row['ours']['median_s']:8.4f} s"
        for peer in ("causal_learn", "timeawarepc"):
            if f"times_{peer}" in row:
                line += f"   {peer} {row[f'times_{peer}']:6.0f} times"
        print(line)
    common.save(record, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
