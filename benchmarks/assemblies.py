"""Cost of both engines against sizes and published simulators: `python -m benchmarks.assemblies`.

Every run has a process of its own, which reports CPU seconds from construction to the last round
and its peak memory. Before any time is printed, the exact engine's supports must agree with those
of a full-matrix simulation that shares no code with it.

The times of the published simulators were measured on a shared two-core machine with one thread;
they are given for scale, not measured here.

neural-assemblies, where it is installed, has the sampled shortcut too, and takes turns with ours.
Its times are compared where the numbers of neurons that ever fire differ by a tenth at most. The
record holds these numbers for every size, also where they differ by more.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import time

import numpy as np

from benchmarks import common
from neurotutor.plasticity.assemblies import Brain

# (n, k, p): CPU seconds of the published Python simulator, wall seconds of the published C++ one
PUBLISHED = {
    (10_000, 100, 0.01): (0.19, (0.002, 0.02)),
    (10_000, 100, 0.1): (0.17, (0.01, 0.04)),
    (100_000, 316, 0.01): (1.3, (0.04, 0.10)),
    (100_000, 316, 0.1): (0.88, (0.08, 0.14)),
}
ROUNDS, PLASTICITY = 20, 0.05
PEER = "neural-assemblies"
SUPPORTS_MAY_DIFFER = 0.1
TARGETS = {
    # name: n, k, p, rounds, seconds allowed, MiB allowed
    "100,000 neurons, 50 rounds": (100_000, 317, 0.01, 50, None, 500),
    "a million neurons, 20 rounds": (1_000_000, 1000, 0.01, 20, 60, 4096),
}
CURVE_N = [(n, 100, 0.01) for n in (3_000, 10_000, 30_000, 100_000, 300_000)]
CURVE_K = [(100_000, k, 0.01) for k in (50, 100, 200, 400, 800)]


def project(n: int, k: int, p: float, rounds: int, engine: str, seed: int) -> dict:
    """One projection; CPU seconds, peak memory and support. Runs in a process of its own."""
    import resource

    if engine == PEER:
        import neural_assemblies.core.brain  # noqa: F401 - importing is no part of the work
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start, wall = time.process_time(), time.perf_counter()
    if engine == PEER:
        support = their_support(n, k, p, rounds, seed)
    else:
        brain = Brain(p, PLASTICITY, seed=seed, engine=engine)
        brain.add_area("A", n, k)
        brain.add_stimulus("S", k)
        support = len(brain.project("S", "A", rounds).support)
    return {
        "cpu_s": time.process_time() - start,
        "wall_s": time.perf_counter() - wall,
        "peak_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "before_MiB": base,
        "support": support,
    }


def their_support(n: int, k: int, p: float, rounds: int, seed: int) -> int:
    """How many neurons ever fire in the same projection by the peer's sampled engine."""
    from neural_assemblies.core.brain import Brain as TheirBrain

    brain = TheirBrain(p=p, seed=seed, engine="numpy_sparse")
    brain.add_stimulus("S", k)
    brain.add_area("A", n, k, PLASTICITY)
    brain.project({"S": ["A"]}, {})
    for _ in range(rounds - 1):
        brain.project({"S": ["A"]}, {"A": ["A"]})
    return int(brain.area_by_name["A"].w)


def separately(*arguments: object) -> dict:
    """Call `project` in a fresh process."""
    text = json.dumps(arguments)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.assemblies", "--one", text],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def repeat(repeats: int, n: int, k: int, p: float, rounds: int, *engines: str) -> list[dict]:
    """Times of each engine, which take turns; every turn has another seed."""
    runs = {engine: [] for engine in engines}
    for seed in range(repeats):
        for engine in engines:
            runs[engine].append(separately(n, k, p, rounds, engine, seed))
    return [
        {
            **common.summary([run["cpu_s"] for run in each]),
            "peak_bytes": int(2**20 * max(run["peak_MiB"] - run["before_MiB"] for run in each)),
            "process_MiB": max(run["peak_MiB"] for run in each),
            "support": statistics.mean(run["support"] for run in each),
        }
        for each in runs.values()
    ]


def profile(n: int, k: int, p: float, rounds: int) -> dict[str, float]:
    """Share of the CPU time of a projection that each function takes."""
    return common.functions(lambda: project(n, k, p, rounds, "exact", 0))


def full_matrix_support(seed: int, n: int, k: int, p: float, beta: float, rounds: int) -> int:
    """The same projection with every synapse in memory."""
    rng = np.random.default_rng([5, seed])
    weights = (rng.random((n, n)) < p).astype(np.float32)
    np.fill_diagonal(weights, 0)
    drive, firing, seen = rng.binomial(k, p, n).astype(float), np.empty(0, int), np.zeros(n, bool)
    for _ in range(rounds):
        total = drive + weights[firing].sum(axis=0)
        winners = np.argsort(-(total + 1e-6 * rng.random(n)))[:k]
        drive[winners] *= 1 + beta
        weights[np.ix_(firing, winners)] *= 1 + beta
        firing = winners
        seen[winners] = True
    return int(seen.sum())


def agreement(seeds: int = 20) -> dict:
    """Mean supports of both, and their distance in standard errors."""
    n, k, p, beta, rounds = 2000, 50, 0.1, 0.05, 20
    full = np.array([full_matrix_support(seed, n, k, p, beta, rounds) for seed in range(seeds)])
    exact, sampled = [], []
    for engine, found in (("exact", exact), ("sampled", sampled)):
        for seed in range(seeds):
            brain = Brain(p, beta, seed=seed, engine=engine)
            brain.add_area("A", n, k)
            brain.add_stimulus("S", k)
            found.append(len(brain.project("S", "A", rounds).support))
    error = np.sqrt((full.var(ddof=1) + np.var(exact, ddof=1)) / seeds)
    return {
        "full_matrix": float(full.mean()),
        "exact": float(np.mean(exact)),
        "sampled": float(np.mean(sampled)),
        "distance_in_standard_errors": float(abs(full.mean() - np.mean(exact)) / error),
    }


def _beside(text: str, ours: dict, theirs: list[dict]) -> dict:
    """A row of the sampled engine, beside the peer where as many neurons fired there."""
    for peer in theirs:
        gap = abs(peer["support"] - ours["support"]) / ours["support"]
        if gap <= SUPPORTS_MAY_DIFFER:
            what = "share by which the numbers of neurons that fired differ"
            agreed = common.agreement(what, gap, SUPPORTS_MAY_DIFFER)
            return common.row(text, ours, peer, peer_name=PEER, agreement=agreed)
    return common.row(text, ours)


def main(arguments: list[str] | None = None) -> int:
    options = common.options(
        __doc__,
        "assemblies",
        arguments,
        extend=lambda parser: parser.add_argument("--one", help=argparse.SUPPRESS),
    )
    if options.one:
        print(json.dumps(project(*json.loads(options.one))))
        return 0
    same = agreement()
    checked = common.agreement(
        "supports of the exact engine and of a full matrix, in standard errors",
        same["distance_in_standard_errors"],
        4,
    )
    rows, targets, supports = [], [], {}
    there = importlib.util.find_spec("neural_assemblies") is not None
    for (n, k, p), (python, _) in PUBLISHED.items():
        engines = ["exact", "sampled", *([PEER] if there else [])]
        exact, sampled, *theirs = repeat(options.repeats, n, k, p, ROUNDS, *engines)
        text = f"{n:,} neurons, {k} fire, p = {p:g}"
        rows += [
            common.row(f"Exact engine: {text}", exact, agreement=checked),
            _beside(f"Sampled engine: {text}", sampled, theirs),
        ]
        supports[text] = {
            engine: each["support"]
            for engine, each in zip(engines, (exact, sampled, *theirs), strict=True)
        }
        targets.append(
            common.target(
                f"seconds, exact, {text}; the published Python simulator on another machine"
                + ("" if p == 0.01 else ", times three"),
                exact["median_s"],
                python if p == 0.01 else 3 * python,
                sense="at most",
                profile=lambda n=n, k=k, p=p: profile(n, k, p, ROUNDS),
            )
        )
    for name, (n, k, p, rounds, seconds, memory) in TARGETS.items():
        (row,) = repeat(1, n, k, p, rounds, "exact")
        rows.append(common.row(f"Exact engine: {name}", row))
        targets.append(
            common.target(
                f"MiB, {name}",
                row["process_MiB"],
                memory,
                sense="at most",
                profile=lambda n=n, k=k, p=p, r=rounds: profile(n, k, p, r),
                why="the memory is that of the kept rows of synapses",
            )
        )
        if seconds:
            targets.append(
                common.target(
                    f"seconds, {name}",
                    row["median_s"],
                    seconds,
                    sense="at most",
                    profile=lambda n=n, k=k, p=p, r=rounds: profile(n, k, p, r),
                )
            )
    few = min(3, options.repeats)
    rows += [
        common.row(
            "20 rounds, 100 fire", *repeat(few, n, k, p, ROUNDS, "exact"), size=("neurons", n)
        )
        for n, k, p in CURVE_N
    ]
    rows += [
        common.row(
            "20 rounds, 100,000 neurons",
            *repeat(few, n, k, p, ROUNDS, "exact"),
            size=("neurons that fire", k),
        )
        for n, k, p in CURVE_K
    ]
    record = common.record(
        "assemblies",
        rows,
        targets,
        repeats=options.repeats,
        seeds=list(range(options.repeats)),
        packages=["scipy"],
        peers=[PEER],
        details={"agreement": same, "published_s": [*PUBLISHED.items()], "supports": supports},
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
