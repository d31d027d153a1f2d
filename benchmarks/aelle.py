"""Cost of populations, autoencoders and FORCE: `python -m benchmarks.aelle`.

Networks are trained in two ways: one at a time, as the published trainers do it, with PyTorch's own
recurrent modules, and stacked. Both start from the same weights and see the same batches, and no
time is printed before their losses agree. Seconds are those of the processor, on one thread. The
bounds are the seconds that an independent prototype of the stacked training took for 100 networks
of 32 units; they come from another machine.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks import common
from neurotutor import runtime
from neurotutor.dynamics import aelle
from neurotutor.dynamics.lyapunov_rnn import uniform

AGREEMENT = 1e-3  # relative difference of losses after one epoch, single precision
PROTOTYPE_S = (4.0, 67.0)  # 100 networks of 32 units: fastest and slowest kind of cell
MODULES = {"tanh": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def stack_of(kind: str, count: int, size: int) -> tuple:
    scale = torch.as_tensor(np.geomspace(0.05, 1.0, count))
    cell = uniform(kind, 8, size, scale, seed=0, dtype=torch.float32)
    draw = torch.rand(count, 10, size, generator=torch.Generator().manual_seed(1))
    return cell, (2 * draw - 1) / size**0.5


def alone(
    kind: str, cell, readout, digits: aelle.RowDigits, config: aelle.PopulationConfig, seed: int
) -> float:
    """Train one network with PyTorch's own module; return its test loss."""
    net = MODULES[kind](8, cell.hidden_size, bias=False, batch_first=True)
    head = torch.nn.Linear(cell.hidden_size, 10, bias=False)
    with torch.no_grad():
        net.weight_ih_l0.copy_(cell.input_weights)
        net.weight_hh_l0.copy_(cell.recurrent_weights)
        head.weight.copy_(readout)
    optimiser = torch.optim.Adam(
        [*net.parameters(), *head.parameters()], lr=config.learning_rate, fused=True
    )
    order = torch.Generator().manual_seed(seed)
    for _ in range(config.epochs):
        for chosen in torch.randperm(len(digits.train), generator=order).split(config.batch_size):
            scores = head(net(digits.train[chosen])[0][:, -1])
            loss = cross_entropy(scores, digits.train_labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        return float(cross_entropy(head(net(digits.test)[0][:, -1]), digits.test_labels))


def population_rows(options: argparse.Namespace) -> dict[str, dict]:
    """Seconds for the whole stack, and for as many networks one at a time (extrapolated)."""
    digits, rows = aelle.row_digits(), {}
    once = aelle.PopulationConfig(epochs=1, spectrum_epochs=(1,))
    config = aelle.PopulationConfig(epochs=options.epochs, spectrum_epochs=(options.epochs,))
    for kind in MODULES:
        cell, readout = stack_of(kind, options.networks, 32)
        trained = aelle.train_population(cell, readout, digits, once, seed=0)
        found = alone(kind, cell[0], readout[0], digits, once, 0)
        gap = abs(found / float(trained.losses[1, 0]) - 1)
        if gap > AGREEMENT:
            raise SystemExit(f"{kind}: losses differ by {gap:.2g}, so no time is quoted")
        stacked = common.timed(
            lambda c=cell, r=readout: aelle.train_population(c, r, digits, config, seed=0),
            options.repeats,
        )
        single = common.timed(
            lambda k=kind, c=cell[0], r=readout[0]: alone(k, c, r, digits, config, 0),
            options.repeats,
        )
        rows[kind] = {
            "stacked": stacked,
            "one_network": single,
            "speed_up": options.networks * single["median_s"] / stacked["median_s"],
            "relative_gap_of_losses": gap,
        }
    return rows


def autoencoder_row(options: argparse.Namespace) -> dict:
    """One autoencoder, and ten of them in a stack."""
    rng = np.random.default_rng(0)
    slope = rng.uniform(0.2, 2, 480)
    x = rng.normal(size=(480, 1)) - slope[:, None] * np.linspace(0, 1, 128)
    config = aelle.AelleConfig.tutorial(stage_epochs=options.stage_epochs)
    held = (x[420:], slope[420:])

    def fit(count: int) -> None:
        models = [aelle.SpectrumAutoencoder(config, seed=seed) for seed in range(count)]
        aelle.fit_many(models, [x[:420]] * count, [slope[:420]] * count, [held] * count)

    one, ten = (
        common.timed(lambda: fit(1), options.repeats),
        common.timed(lambda: fit(10), options.repeats),
    )
    return {"one": one, "ten": ten, "speed_up": 10 * one["median_s"] / ten["median_s"]}


def force_row(options: argparse.Namespace) -> dict:
    """48 FORCE runs at once against the same runs one by one."""
    config = aelle.ForceConfig.tutorial(train_epochs=1)
    gains = np.repeat(np.linspace(0.8, 2.0, 8), options.force_seeds)
    nets = aelle.draw_runs("force", gains, list(range(len(gains))), config)

    def one_by_one() -> None:
        for run in range(len(gains)):
            aelle.force_train(*(each[run : run + 1] for each in nets), config, seed=0)

    together = common.timed(lambda: aelle.force_train(*nets, config, seed=0), options.repeats)
    apart = common.timed(one_by_one, options.repeats)
    return {
        "runs": len(gains),
        "epoch_together": together,
        "epoch_one_by_one": apart,
        "speed_up": apart["median_s"] / together["median_s"],
    }


def main(arguments: list[str] | None = None) -> int:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--networks", type=int, default=100)
        parser.add_argument("--epochs", type=int, default=10)
        parser.add_argument("--stage-epochs", type=int, default=150)
        parser.add_argument("--force-seeds", type=int, default=6)

    options = common.options(__doc__, "aelle", arguments, repeats=1, extend=more)
    torch.set_num_threads(1)
    record = {
        "machine": common.machine(),
        "environment": {**runtime.environment(), "device": "cpu"},
        "seed": 0,
        "repeats": options.repeats,
        "networks": options.networks,
        "epochs": options.epochs,
        "prototype_s": PROTOTYPE_S,
        "population": population_rows(options),
        "autoencoder": autoencoder_row(options),
        "force": force_row(options),
    }
    print(f"{options.networks} networks of 32 units, {options.epochs} epochs, seconds of processor")
    for kind, row in record["population"].items():
        print(
            f"{kind:<6} stacked {row['stacked']['median_s']:7.2f}   one network "
            f"{row['one_network']['median_s']:6.2f}   speed-up {row['speed_up']:5.1f}"
        )
    slowest = max(row["stacked"]["median_s"] for row in record["population"].values())
    fastest = min(row["stacked"]["median_s"] for row in record["population"].values())
    print(
        f"prototype: {PROTOTYPE_S[0]:g} to {PROTOTYPE_S[1]:g}; here {fastest:.1f} to {slowest:.1f}"
    )
    for name in ("autoencoder", "force"):
        print(f"{name}: speed-up {record[name]['speed_up']:.1f}")
    common.save(record, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
