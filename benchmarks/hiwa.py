"""HiWA against one-pair-at-a-time implementations: `python -m benchmarks.hiwa`.

The published Python code cannot be installed from a registry, so the same algorithm is written
here literally, one pair of clusters at a time, on two engines: POT's `ot.sinkhorn`, and the plain
NumPy loop u = p / (K v), v = q / (K' u). Both run the published 150 iterations. All versions start
from the same rotation, run interleaved in this process, and no time is printed before their
rotations agree.
"""

from __future__ import annotations

import sys

import numpy as np
import ot

from benchmarks import common
from neurotutor.data.low_rank_gaussians import simulate
from neurotutor.representations import hiwa

WORKLOADS = {
    # name: clusters, D, d, points per cluster, ADMM iterations, required speed-up
    "W1": (5, 6, 2, 50, 10, 5.0),
    "W2": (4, 3, 2, 200, 5, 1.5),
    "W3": (8, 6, 2, 50, 5, 8.0),
}
AGREEMENT = 1e-5
FARTHEST = "largest difference of either rotation from that of the plain loop"
PEERS = {
    "literal, plain NumPy": "one pair at a time, plain NumPy",
    "literal, POT": "one pair at a time, POT",
}
SINKHORN_SIZES = (50, 200, 500)
SINKHORN_ITERATIONS = 150


def plain_sinkhorn(cost, p, q, epsilon, n_iterations):
    """Run the published loop on one problem."""
    kernel = np.exp(-cost / epsilon)
    v = np.full(len(q), 1 / len(q))
    for _ in range(n_iterations):
        u = p / (kernel @ v)
        v = q / (kernel.T @ u)
    return u[:, None] * kernel * v[None, :]


def pot_sinkhorn(cost, p, q, epsilon, n_iterations):
    """Run POT on the transposed problem, so that it updates in the published order."""
    plan = ot.sinkhorn(q, p, cost.T, epsilon, numItermax=n_iterations, stopThr=0.0, warn=False)
    return plan.T


def polar(matrix):
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def literal(problem, rotation, config, engine):
    """Run HiWA one pair at a time, as the algorithm is written. Returns the last rotation."""
    dim = problem.source.shape[1]
    xs, ys = (
        [points[labels == k].T / np.sqrt(dim) for k in np.unique(labels)]
        for points, labels in (
            (problem.source, problem.source_labels),
            (problem.target, problem.target_labels),
        )
    )
    a, b = len(xs), len(ys)
    weight = np.full((a, b), 1 / (a * b))
    duals = np.zeros((a, b, dim, dim))
    own = np.zeros((a, b, dim, dim))
    costs = np.zeros((a, b))
    for _ in range(config.max_iter):
        for i, x in enumerate(xs):
            for j, y in enumerate(ys):
                own[i, j], costs[i, j] = literal_pair(
                    x,
                    y,
                    weight[i, j],
                    config.penalty / dim * (rotation - duals[i, j]),
                    config,
                    engine,
                )
        weight = plain_sinkhorn(
            costs,
            np.full(a, 1 / a),
            np.full(b, 1 / b),
            config.cluster_entropy,
            config.cluster_sinkhorn_iter,
        )
        rotation = polar((own + duals).mean(axis=(0, 1)))
        duals = duals + own - rotation
    return rotation


def literal_pair(x, y, weight, anchor, config, engine):
    n, m = x.shape[1], y.shape[1]
    p, q = np.full(n, 1 / n), np.full(m, 1 / m)
    plan = np.outer(p, q)
    previous = None
    for _ in range(config.inner_iter):
        rotation = polar(2 * weight * y @ plan.T @ x.T + anchor)
        moved = rotation @ x
        cost = (moved**2).sum(0)[:, None] + (y**2).sum(0)[None, :] - 2 * moved.T @ y
        plan = engine(cost, p, q, config.point_entropy / weight, config.point_sinkhorn_iter)
        if previous is not None and np.linalg.norm(rotation - previous, 2) <= config.inner_tol:
            break
        previous = rotation
    return rotation, (cost * plan).sum()


def bench_workload(name: str, repeats: int) -> tuple[list[dict], dict, dict]:
    clusters, dim, low, points, iterations, required = WORKLOADS[name]
    problem = simulate(clusters, dim, low, points, seed=0)
    first = hiwa.random_rotation(dim, 0)
    fixed = hiwa.HiwaConfig(max_iter=iterations, tol=0.0, sinkhorn_tol=0.0)
    early = hiwa.HiwaConfig(max_iter=iterations, tol=0.0)
    single = hiwa.HiwaConfig(max_iter=iterations, tol=0.0, sinkhorn_tol=1e-5, dtype="float32")

    def ours(config):
        return (
            hiwa.HiWA(config)
            .fit(
                problem.source,
                problem.source_labels,
                problem.target,
                problem.target_labels,
                rotation0=first,
            )
            .rotation_
        )

    versions = {
        "literal, plain NumPy": lambda: literal(problem, first, fixed, plain_sinkhorn),
        "literal, POT": lambda: literal(problem, first, fixed, pot_sinkhorn),
        "ours, 150 fixed": lambda: ours(fixed),
        "ours, marginal error 1e-6": lambda: ours(early),
        "ours, float32, 1e-5": lambda: ours(single),
    }
    rotations = {version: run() for version, run in versions.items()}
    reference = rotations["literal, plain NumPy"]
    differences = {
        version: float(np.abs(found - reference).max()) for version, found in rotations.items()
    }
    for version, gap in differences.items():
        common.agreement(version, gap, 1e-3 if "float32" in version else AGREEMENT)
    seconds = common.interleave(versions, repeats)
    base = seconds["literal, plain NumPy"]["median_s"]
    early_row = seconds["ours, marginal error 1e-6"]
    rows = [
        common.row(
            f"HiWA, {name}: {clusters} clusters of {points} points in {dim} dimensions",
            early_row,
            seconds[version],
            peer_name=peer,
            agreement=common.agreement(
                FARTHEST,
                max(differences["ours, marginal error 1e-6"], differences[version]),
                AGREEMENT,
            ),
        )
        for version, peer in PEERS.items()
    ]
    target = common.target(
        f"times as fast as one pair at a time ({name})",
        base / early_row["median_s"],
        required,
        sense="at least",
        profile=lambda: common.functions(versions["ours, marginal error 1e-6"]),
    )
    details = {
        version: {
            **seconds[version],
            "speedup": base / seconds[version]["median_s"],
            "largest_difference": differences[version],
        }
        for version in versions
    }
    return rows, target, details


def bench_sinkhorn(size: int, repeats: int) -> list[dict]:
    rng = np.random.default_rng(size)
    cost = ot.dist(rng.standard_normal((size, 3)), rng.standard_normal((size, 3))) / 3
    weights = np.full(size, 1 / size)
    count = {50: 40, 200: 20, 500: 4}[size]
    versions = {
        "ours": lambda: hiwa.sinkhorn(
            cost, weights, weights, 0.5, max_iter=SINKHORN_ITERATIONS, tol=0.0
        ),
        "POT": lambda: pot_sinkhorn(cost, weights, weights, 0.5, SINKHORN_ITERATIONS),
        "plain NumPy": lambda: plain_sinkhorn(cost, weights, weights, 0.5, SINKHORN_ITERATIONS),
    }
    plans = {name: run() for name, run in versions.items()}
    gap = max(float(np.abs(plan - plans["ours"]).max()) * size for plan in plans.values())
    agreed = common.agreement("largest difference of the plans, times their size", gap, 1e-9)

    def many(run):
        return lambda: [run() for _ in range(count)]

    seconds = common.interleave({name: many(run) for name, run in versions.items()}, repeats)
    times = {name: common.per_call(row, count) for name, row in seconds.items()}
    return [
        common.row(
            f"{SINKHORN_ITERATIONS} Sinkhorn iterations",
            times["ours"],
            times[name],
            peer_name=peer,
            agreement=agreed,
            size=("points", size),
        )
        for name, peer in (("POT", "POT"), ("plain NumPy", "the loop in plain NumPy"))
    ]


def main(arguments: list[str] | None = None) -> int:
    options = common.options(__doc__, "hiwa", arguments, repeats=7)
    found = {name: bench_workload(name, options.repeats) for name in WORKLOADS}
    rows = [row for each, _, _ in found.values() for row in each]
    rows += [row for size in SINKHORN_SIZES for row in bench_sinkhorn(size, options.repeats)]
    record = common.record(
        "hiwa",
        rows,
        [target for _, target, _ in found.values()],
        repeats=options.repeats,
        seeds=[0],
        packages=["scipy"],
        peers=["POT"],
        details={"workloads": {name: details for name, (_, _, details) in found.items()}},
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
