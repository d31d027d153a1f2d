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
from dataclasses import replace
from unittest import mock

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks import common
from neurotutor.dynamics import aelle
from neurotutor.dynamics.lyapunov_rnn import uniform

AGREEMENT = 1e-3  # relative difference of losses after one epoch, single precision
PROTOTYPE_S = (4.0, 67.0)  # 100 networks of 32 units: fastest and slowest kind of cell
NAMES = {"tanh": "tanh", "gru": "GRU", "lstm": "LSTM"}
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


def population_rows(options: argparse.Namespace) -> list[dict]:
    """Seconds for the whole stack, and for as many networks one at a time (one is timed)."""
    digits, rows = aelle.row_digits(), []
    once = aelle.PopulationConfig(epochs=1, spectrum_epochs=(1,))
    config = aelle.PopulationConfig(epochs=options.epochs, spectrum_epochs=(options.epochs,))
    count = options.networks
    for kind in MODULES:
        cell, readout = stack_of(kind, count, 32)
        trained = aelle.train_population(cell, readout, digits, once, seed=0)
        found = alone(kind, cell[0], readout[0], digits, once, 0)
        agreed = common.agreement(
            "relative difference of the losses after an epoch",
            abs(found / float(trained.losses[1, 0]) - 1),
            AGREEMENT,
        )
        stacked = common.timed(
            lambda c=cell, r=readout: aelle.train_population(c, r, digits, config, seed=0),
            options.repeats,
        )
        single = common.timed(
            lambda k=kind, c=cell[0], r=readout[0]: alone(k, c, r, digits, config, 0),
            options.repeats,
        )
        rows.append(
            common.row(
                f"{count} {NAMES[kind]} networks, {options.epochs} epochs",
                stacked,
                common.per_call(single, 1 / count),
                peer_name=f"PyTorch's module, one at a time ({count} times the time of one)",
                agreement=agreed,
            )
        )
    return rows


def autoencoder_row(options: argparse.Namespace) -> dict:
    """Ten autoencoders in a stack, and one after another."""
    rng = np.random.default_rng(0)
    slope = rng.uniform(0.2, 2, 480)
    x = rng.normal(size=(480, 1)) - slope[:, None] * np.linspace(0, 1, 128)
    config = aelle.AelleConfig.tutorial(stage_epochs=options.stage_epochs)
    held = (x[420:], slope[420:])

    def fit(seeds: list[int], config: aelle.AelleConfig = config) -> np.ndarray:
        models = [aelle.SpectrumAutoencoder(config, seed=seed) for seed in seeds]
        count = len(models)
        aelle.fit_many(models, [x[:420]] * count, [slope[:420]] * count, [held] * count)
        return np.concatenate([np.ravel(model.predict(held[0])) for model in models])

    def in_turn(config: aelle.AelleConfig = config) -> np.ndarray:
        return np.concatenate([fit([seed], config) for seed in range(10)])

    seeds = list(range(10))
    # A stack draws its dropout from one stream, so the two are compared without any.
    still = replace(config, dropout=0.0, stage_epochs=5)
    gap = float(np.abs(fit(seeds, still) - in_turn(still)).max())
    times = common.interleave({"stack": lambda: fit(seeds), "turn": in_turn}, options.repeats)
    return common.row(
        "Ten autoencoders",
        times["stack"],
        times["turn"],
        peer_name="the same, one after another",
        agreement=common.agreement(
            "largest difference of the predictions after 20 epochs without dropout", gap, 1e-4
        ),
    )


def force_row(options: argparse.Namespace) -> dict:
    """48 FORCE runs at once against the same runs one by one."""
    config = aelle.ForceConfig.tutorial(train_epochs=1)
    gains = np.repeat(np.linspace(0.8, 2.0, 8), options.force_seeds)
    nets = aelle.draw_runs("force", gains, list(range(len(gains))), config)

    def together() -> torch.Tensor:
        return aelle.force_train(*nets, config, seed=0).train_error

    def apart(run: int) -> torch.Tensor:
        net = (each[run : run + 1] for each in nets)
        return aelle.force_train(*net, config, seed=0).train_error

    def one_by_one() -> torch.Tensor:
        return torch.cat([apart(run) for run in range(len(gains))], dim=1)

    # A stack draws the states that its runs start in at once: alone, each gets its own of these.
    starts = torch.randn(
        len(gains),
        config.n_neurons + 1,
        generator=torch.Generator().manual_seed(0),
        dtype=torch.float64,
    )
    errors = []
    for run in range(len(gains)):
        with mock.patch.object(torch, "randn", return_value=starts[run : run + 1]):
            errors.append(apart(run))
    gap = float((together() / torch.cat(errors, dim=1) - 1).abs().max())
    times = common.interleave({"all": together, "apart": one_by_one}, options.repeats)
    return common.row(
        f"{len(gains)} FORCE runs, one epoch",
        times["all"],
        times["apart"],
        peer_name="the same, one after another",
        agreement=common.agreement("relative difference of the training errors", gap, AGREEMENT),
    )


def main(arguments: list[str] | None = None) -> int:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--networks", type=int, default=100)
        parser.add_argument("--epochs", type=int, default=10)
        parser.add_argument("--stage-epochs", type=int, default=150)
        parser.add_argument("--force-seeds", type=int, default=6)

    options = common.options(__doc__, "aelle", arguments, repeats=1, extend=more)
    torch.set_num_threads(1)
    population = population_rows(options)
    seconds = {kind: row["ours"]["median_s"] for kind, row in zip(MODULES, population, strict=True)}

    def profile(kind: str) -> dict[str, float]:
        cell, readout = stack_of(kind, options.networks, 32)
        once = aelle.PopulationConfig(epochs=1, spectrum_epochs=(1,))
        return common.operators(
            lambda: aelle.train_population(cell, readout, aelle.row_digits(), once, seed=0)
        )

    targets = [
        common.target(
            f"seconds for 100 networks of 32 units ({word} kind of cell); a prototype elsewhere",
            seconds[kind],
            limit,
            sense="at most",
            profile=lambda kind=kind: profile(kind),
        )
        for word, kind, limit in zip(
            ("fastest", "slowest"),
            (min(seconds, key=seconds.get), max(seconds, key=seconds.get)),
            PROTOTYPE_S,
            strict=True,
        )
        if (options.networks, options.epochs) == (100, 10)
    ]
    record = common.record(
        "aelle",
        [*population, autoencoder_row(options), force_row(options)],
        targets,
        repeats=options.repeats,
        seeds=[0],
        packages=["torch", "scikit-learn"],
        details={"networks": options.networks, "epochs": options.epochs},
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
