"""Networks for two triples of bodies: minutes of training, a few kilobytes of weights.

`python -m neurotutor.representations.eit` trains them again and writes the file that
`load_triples` reads.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurotutor import runtime
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


@dataclass(frozen=True)
class Triples:
    """Trained networks for the question who belongs together, in two triples.

    Attributes:
        runs: for every kind of network one run a seed; each accuracy is measured anew on loading.
        task: the trials; weights were trained on its training part alone.
        made: seeds, steps, seconds, date, and the environment of the training.
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
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(time.perf_counter() - started),
        "systems": n_systems,
        "steps": n_steps,
        "batch_size": batch_size,
        "seeds": seeds,
        "networks": {name: dataclasses.asdict(config) for name, config in networks.items()},
        "environment": {**runtime.environment(), "device": "cpu"},
    }
    return Triples(runs, task, made)


def save_triples(triples: Triples, path: Path = WEIGHTS) -> None:
    """Write weights and curves of all runs, in single precision and in one move."""
    arrays: dict[str, Any] = {"made": json.dumps(triples.made)}
    for name, runs in triples.runs.items():
        for number, run in enumerate(runs):
            arrays[f"{name}/{number}/steps"] = run.steps
            arrays[f"{name}/{number}/curve"] = run.curve
            for key, value in run.model.state_dict().items():
                arrays[f"{name}/{number}/weights/{key}"] = value.numpy()
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        np.savez_compressed(file, **arrays)
    os.replace(file.name, path)


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
    with np.load(path, allow_pickle=False) as stored:
        made = json.loads(str(stored["made"]))
        if bodies is None:
            bodies = simulate_three_body(made["systems"], seed=0)
        if bodies.n_trials != made["systems"]:
            raise ValueError(
                f"these networks belong to {made['systems']} trials, got {bodies.n_trials}; leave "
                "bodies out"
            )
        task = triples_task(bodies)
        runs = {
            name: [
                _restore(name, stored, f"{name}/{number}/", task)
                for number in range(len(made["seeds"]))
            ]
            for name in made["networks"]
        }
    return Triples(runs, task, made)


def _restore(name: str, stored: Mapping[str, np.ndarray], prefix: str, task: BodyTask) -> Run:
    _, n_bins, n_bodies, n_features = task.train.shape
    config = NETWORKS[name]
    if isinstance(config, EitConfig):
        model = EIT(n_bodies, n_features, task.n_classes, config)
    else:
        model = PopulationTransformer(n_bodies, n_features, task.n_classes, n_bins, config)
    weights = {key: torch.as_tensor(stored[f"{prefix}weights/{key}"]) for key in model.state_dict()}
    model.load_state_dict(weights)
    model.eval()
    return Run(
        model, accuracy(model, task.test), stored[f"{prefix}steps"], stored[f"{prefix}curve"]
    )


def main(arguments: list[str] | None = None) -> int:
    """Train the networks for two triples of bodies; ten minutes on one thread."""
    parser = argparse.ArgumentParser(
        prog="python -m neurotutor.representations.eit", description=main.__doc__
    )
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
