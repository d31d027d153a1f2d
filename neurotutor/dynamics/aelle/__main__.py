"""Make the tables of the chapter again: `python -m neurotutor.dynamics.aelle population`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from neurotutor.dynamics.aelle import force_runs, population
from neurotutor.dynamics.aelle.config import PopulationConfig


def main(arguments: list[str] | None = None) -> int:
    """Make the table of the population, or that of the FORCE runs."""
    parser = argparse.ArgumentParser(
        prog="python -m neurotutor.dynamics.aelle", description=main.__doc__
    )
    tables = parser.add_subparsers(dest="table", required=True)
    digits = tables.add_parser("population", help="networks that read digits: minutes")
    digits.add_argument("--seed", type=int, default=0)
    digits.add_argument("--jobs", type=int, help="processes on this machine")
    digits.add_argument("--networks", type=int, default=100, help="of each cell and size")
    digits.add_argument("--out", type=Path, default=population.TABLE)
    force = tables.add_parser("force", help="networks that learn a signal: two minutes")
    force.add_argument("--seeds", type=int, default=len(force_runs.SEEDS), help="of each gain")
    force.add_argument("--out", type=Path, default=force_runs.TABLE)
    options = parser.parse_args(arguments)
    if options.table == "population":
        config = PopulationConfig(networks=options.networks)
        made = population.sweep(config, seed=options.seed, n_jobs=options.jobs)
        population.save_population(made, options.out)
        count = len(made)
    else:
        made = force_runs.force_sweep(seeds=range(options.seeds))
        force_runs.save_force(made, options.out)
        count = len(made.gain)
    print(f"{count} networks in {made.made['seconds']} s: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
