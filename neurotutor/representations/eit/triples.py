"""Networks for two triples of bodies: minutes of training, a few kilobytes of weights.

`python -m neurotutor.representations.eit` trains them again and writes the file that
`load_triples` reads.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurotutor import weights
from neurotutor.checks import as_count
from neurotutor.data.many_body import ManyBody, simulate_three_body

from .config import EitConfig
from .experiments import Run, study
from .model import EIT
from .population import PopulationConfig, PopulationTransformer
from .tasks import BodyTask
from .training import accuracy

WEIGHTS = Path(__file__).with_name("triples.npz")
NETWORKS: dict[str, EitConfig | PopulationConfig] = {
    "EIT, four numbers": EitConfig.triples_tutorial(),
    "population": PopulationConfig.triples_tutorial(),
}
N_STEPS = 1600
COMMAND = "python -m neurotutor.representations.eit"


@dataclass(frozen=True)
class Triples:
    """Trained networks for the question who belongs together, in two triples.

    Attributes:
        runs: for every kind of network one run a seed; each accuracy is measured anew on loading.
        task: the trials; weights were trained on its training part alone.
        made: seeds, steps, seconds; of networks from a file also date and environment.
    """

    runs: dict[str, list[Run]]
    task: BodyTask
    made: dict[str, Any]


def triples_task(bodies: ManyBody) -> BodyTask:
    """Two triples of bodies, every fifth sample of a window; the class is who belongs where."""
    return BodyTask(bodies, "connection", every=5)


def train_triples(
    *,
    n_systems: int = 500,
    n_steps: int = N_STEPS,
    seeds: Iterable[int] = range(3),
    networks: Mapping[str, EitConfig | PopulationConfig] = NETWORKS,
) -> Triples:
    """Train every network with every seed, all with as many steps.

    Args:
        n_systems: simulated trials, of which four fifths train.
        n_steps: of each run.
        seeds: of weights, batches and dropout.
        networks: name -> configuration; names of `NETWORKS`.

    Raises:
        ValueError: if a name is not one of `NETWORKS`, or a number is out of range.
    """
    unknown = set(networks) - set(NETWORKS)
    if unknown:
        raise ValueError(f"networks must be among {sorted(NETWORKS)}, got {sorted(unknown)}")
    started, seeds = time.perf_counter(), list(seeds)
    task = triples_task(simulate_three_body(as_count("n_systems", n_systems, 5), seed=0))
    batch_size = NETWORKS["EIT, four numbers"].batch_size
    runs = study(
        networks, task, n_steps, seeds=seeds, batch_size=batch_size, test_every=max(1, n_steps // 8)
    )
    made = {
        "seconds": round(time.perf_counter() - started),
        "systems": n_systems,
        "steps": n_steps,
        "batch_size": batch_size,
        "seeds": seeds,
        "networks": {name: dataclasses.asdict(config) for name, config in networks.items()},
    }
    return Triples(runs, task, made)


def save_triples(triples: Triples, path: Path = WEIGHTS) -> None:
    """Write weights and curves of all runs."""
    runs = {
        f"{name}/{number}": run
        for name, each in triples.runs.items()
        for number, run in enumerate(each)
    }
    curves = {f"{key}/curve": run.curve for key, run in runs.items()}
    steps = {f"{key}/steps": run.steps for key, run in runs.items()}
    models = {key: run.model for key, run in runs.items()}
    weights.save(path, models, triples.made, arrays=curves | steps)


def load_triples(path: Path = WEIGHTS, *, bodies: ManyBody | None = None) -> Triples:
    """Read networks that `save_triples` wrote, and measure their accuracy on the test trials.

    Args:
        path: the file.
        bodies: what `simulate_three_body` makes for the number of trials that the file tells and
            seed 0, if you have it already; it takes seconds.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the number of trials is another one.
    """
    kept = weights.load(path, COMMAND)
    n_systems = kept.made["systems"]
    if bodies is None:
        bodies = simulate_three_body(n_systems, seed=0)
    if bodies.n_trials != n_systems:
        raise ValueError(
            f"these networks belong to {n_systems} trials, got {bodies.n_trials}; leave bodies out"
        )
    task = triples_task(bodies)
    runs = {
        name: [_restore(name, number, kept, task) for number in range(len(kept.made["seeds"]))]
        for name in kept.made["networks"]
    }
    return Triples(runs, task, kept.made)


def _restore(name: str, number: int, kept: weights.Kept, task: BodyTask) -> Run:
    _, n_bins, n_bodies, n_features = task.train.shape
    config = NETWORKS[name]
    if isinstance(config, EitConfig):
        model = EIT(n_bodies, n_features, task.n_classes, config)
    else:
        model = PopulationTransformer(n_bodies, n_features, task.n_classes, n_bins, config)
    key = f"{name}/{number}"
    kept.restore(key, model)
    steps, curve = kept.arrays[f"{key}/steps"], kept.arrays[f"{key}/curve"]
    return Run(model, accuracy(model, task.test), steps, curve)


def main(arguments: list[str] | None = None) -> int:
    """Train the networks for two triples of bodies; ten minutes on one thread."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=main.__doc__)
    parser.add_argument("--systems", type=int, default=500, help="simulated trials")
    parser.add_argument("--steps", type=int, default=N_STEPS, help="of each run")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each network")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args(arguments)
    made = train_triples(
        n_systems=options.systems, n_steps=options.steps, seeds=range(options.seeds)
    )
    save_triples(made, options.out)
    for name, runs in made.runs.items():
        print(f"{name}: " + ", ".join(f"{run.accuracy:.3f}" for run in runs))
    print(f"{made.made['seconds']} s: {options.out}")
    return 0
