"""Hundreds of recurrent networks, trained side by side, and their spectra as they learn.

`python -m neurotutor.dynamics.aelle population` makes the table that the chapter reads. The sweep
is a list of independent joblib tasks, so joblib's own backends hand it to other machines:

    with joblib.parallel_config(backend="dask"):      # or "ray", after their registration
        population.sweep(PopulationConfig(), seed=0)
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import cross_entropy

from neurotutor import runtime
from neurotutor.checks import as_count
from neurotutor.dynamics.aelle.config import PopulationConfig
from neurotutor.dynamics.lyapunov_rnn import Cell, lyapunov_spectrum, uniform

TABLE = Path(__file__).with_name("population.npz")
KINDS = {"vanilla": "tanh", "gru": "gru", "lstm": "lstm"}
INPUTS = ("test", "other", "noise")  # what drives a network while its spectrum is measured
N_TRAIN = 1200  # pictures; the other 597 are for testing


@dataclass(frozen=True)
class RowDigits:
    """Pictures that are read row by row, top row first.

    Attributes:
        train: grey levels from 0 to 1, one row of a picture a step.
        train_labels: digits.
        test: other pictures.
        test_labels: their digits.
    """

    train: Float[Tensor, "train steps width"]
    train_labels: Int[Tensor, "train"]
    test: Float[Tensor, "test steps width"]
    test_labels: Int[Tensor, "test"]


def row_digits(seed: int = 0) -> RowDigits:
    """The 1797 digits of 8x8 pixels that come with scikit-learn, divided at random.

    Args:
        seed: of the permutation; 1200 pictures train, 597 test.
    """
    bunch = load_digits()
    order = np.random.default_rng(seed).permutation(len(bunch.images))
    pictures = torch.as_tensor(bunch.images[order] / 16, dtype=torch.float32)
    labels = torch.as_tensor(bunch.target[order], dtype=torch.long)
    return RowDigits(pictures[:N_TRAIN], labels[:N_TRAIN], pictures[N_TRAIN:], labels[N_TRAIN:])


@dataclass(frozen=True)
class TrainedPopulation:
    """Networks of one kind and size, trained side by side.

    Attributes:
        snapshots: epoch -> all networks as one stacked cell.
        readouts: epoch -> their linear read-outs.
        losses: mean cross entropy on the test pictures after each epoch, row 0 before training.
    """

    snapshots: Mapping[int, Cell]
    readouts: Mapping[int, Float[Tensor, "networks classes units"]]
    losses: Float[Tensor, "epochs networks"]


def class_scores(
    cell: Cell,
    readout: Float[Tensor, "networks classes units"],
    pictures: Float[Tensor, "pictures steps width"],
) -> Float[Tensor, "networks pictures classes"]:
    """Let every network read every picture, and read its last hidden state out.

    Args:
        cell: stacked networks.
        readout: one matrix for each.
        pictures: what all of them read.
    """
    drive = cell.drive(pictures.expand(*cell.nets, *pictures.shape))
    state = drive.new_zeros(*cell.nets, len(pictures), cell.state_size)
    for now in drive.unbind(dim=-2):
        state = cell.advance(state, now)
    return cell.hidden(state) @ readout.mT


def network_losses(
    scores: Float[Tensor, "networks pictures classes"], labels: Int[Tensor, "pictures"]
) -> Float[Tensor, "networks"]:
    """Mean cross entropy of every network, in nats."""
    every = labels.expand(len(scores), -1)
    return cross_entropy(scores.mT, every, reduction="none").mean(dim=1)


def train_population(
    cell: Cell,
    readout: Float[Tensor, "networks classes units"],
    digits: RowDigits,
    config: PopulationConfig | None = None,
    *,
    seed: int,
) -> TrainedPopulation:
    """Train stacked networks together: the sum of their losses, one batched product a step.

    No term of the sum holds weights of two networks, and Adam treats every weight by itself. So
    each network learns exactly what it would learn alone, from the same batches.

    Args:
        cell: networks of one kind and size, stacked; not changed.
        readout: their read-outs; not changed.
        digits: pictures to learn and to test on.
        config: batches, epochs, learning rate, epochs to keep.
        seed: of the order of the batches.

    Returns:
        Snapshots and test losses.

    Raises:
        ValueError: if `cell` is not a stack of networks, or the read-out does not fit.

    Source: Vogt et al. (2024), task B; the stack is ours.
    """
    config = PopulationConfig() if config is None else config
    if len(cell.nets) != 1 or readout.shape[::2] != (*cell.nets, cell.hidden_size):
        raise ValueError(
            "a stack of networks with one read-out each is expected, "
            f"got networks {cell.nets} and a read-out of shape {tuple(readout.shape)}"
        )
    weights = [cell.input_weights, cell.recurrent_weights, readout]
    free = [weight.detach().clone().requires_grad_(True) for weight in weights]
    growing = dataclasses.replace(cell, input_weights=free[0], recurrent_weights=free[1])
    optimiser = torch.optim.Adam(free, lr=config.learning_rate, fused=True)
    order = torch.Generator().manual_seed(seed)
    snapshots, readouts, losses = {}, {}, []
    for epoch in range(config.epochs + 1):
        if epoch:
            shuffled = torch.randperm(len(digits.train), generator=order)
            for chosen in shuffled.split(config.batch_size):
                scores = class_scores(growing, free[2], digits.train[chosen])
                loss = network_losses(scores, digits.train_labels[chosen]).sum()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        with torch.no_grad():
            scores = class_scores(growing, free[2], digits.test)
            losses.append(network_losses(scores, digits.test_labels))
        if epoch in config.spectrum_epochs:
            kept = [weight.detach().clone() for weight in free]
            snapshots[epoch] = dataclasses.replace(
                cell, input_weights=kept[0], recurrent_weights=kept[1]
            )
            readouts[epoch] = kept[2]
    return TrainedPopulation(snapshots, readouts, torch.stack(losses))


def stimulus(
    kind: str, digits: RowDigits, config: PopulationConfig, *, seed: int
) -> Float[Tensor, "streams steps width"]:
    """Sequences that drive a network while its exponents are measured, in double precision.

    Args:
        kind: "test": streams of the first test pictures; "other": of other test pictures; "noise":
            white noise with the mean and standard deviation of the pictures.
        digits: where pictures come from.
        config: number and length of the streams.
        seed: of the noise.

    Raises:
        ValueError: for another kind, or where there are too few pictures.
    """
    needed = config.streams * config.stream_digits
    steps, width = digits.test.shape[1:]
    shape = (config.streams, config.stream_digits * steps, width)
    if kind == "noise":
        noise = np.random.default_rng(seed).standard_normal(shape)
        return torch.as_tensor(noise * float(digits.test.std()) + float(digits.test.mean()))
    if kind not in INPUTS:
        raise ValueError(f"kind must be one of {', '.join(INPUTS)}, got {kind!r}")
    first = needed if kind == "other" else 0
    if first + needed > len(digits.test):
        raise ValueError(f"streams need {first + needed} test pictures, got {len(digits.test)}")
    return digits.test[first : first + needed].reshape(shape).double()


def population_spectra(
    cell: Cell,
    inputs: Float[Tensor, "streams steps width"],
    config: PopulationConfig,
    *,
    state: str = "full",
) -> Float[np.ndarray, "networks exponents"]:
    """All exponents of all networks of a stack, mean over streams, largest first.

    Args:
        cell: stacked networks.
        inputs: what drives them.
        config: steps that align the axes.
        state: "full", or "h" for the hidden block of an LSTM alone.

    Returns:
        Exponents in nats per step; minus infinity where a direction is forgotten at once.
    """
    found = lyapunov_spectrum(
        cell.to(torch.float64), inputs=inputs, align=config.warmup, state=state, keep_history=False
    )
    return found.descending.numpy()


@dataclass(frozen=True)
class Population:
    """Hyperparameters, losses and spectra of many networks; one row for each network.

    Attributes:
        cell: "vanilla", "gru" or "lstm".
        size: units n.
        scale: p, the half-width of the uniform initial weights.
        losses: test loss after each epoch, in nats, shape (networks, epochs + 1).
        epochs: epochs of the spectra.
        spectra: input kind -> (networks, epochs, exponents), NaN beyond the last exponent of a
            network. "test" at all epochs, the others at the last.
        made: seed, versions, device, seconds.
    """

    cell: np.ndarray
    size: Int[np.ndarray, "networks"]
    scale: Float[np.ndarray, "networks"]
    losses: Float[np.ndarray, "networks all_epochs"]
    epochs: Int[np.ndarray, "epochs"]
    spectra: Mapping[str, Float[np.ndarray, "networks _ exponents"]]
    made: Mapping[str, object]

    def __len__(self) -> int:
        """Number of networks."""
        return len(self.cell)

    def of(self, kind: str, epoch: int) -> list[Float[np.ndarray, "exponents"]]:
        """The spectrum of every network at one epoch, each of its own length.

        Args:
            kind: key of `spectra`.
            epoch: one of `epochs`; the last, for other kinds than "test".

        Raises:
            ValueError: if there are no such spectra.
        """
        epochs = list(self.epochs) if kind == "test" else [int(self.epochs[-1])]
        if kind not in self.spectra or epoch not in epochs:
            raise ValueError(
                f"no spectra of kind {kind!r} at epoch {epoch}; there are "
                f"{', '.join(self.spectra)}, and {kind!r} at epochs {epochs}"
            )
        rows = self.spectra[kind][:, epochs.index(epoch)]
        return [row[~np.isnan(row)].astype(float) for row in rows]


def run_group(
    kind: str, size: int, config: PopulationConfig, *, seed: int
) -> tuple[TrainedPopulation, np.ndarray, dict[str, list[np.ndarray]]]:
    """Draw, train and measure all networks of one cell and size: one task of the sweep.

    Args:
        kind: "vanilla", "gru" or "lstm".
        size: units n.
        config: everything else.
        seed: of the population; the group's own seeds follow from it, its kind and its size.

    Returns:
        The trained networks, their scales p, and their spectra: "test" at every epoch of
        `config.spectrum_epochs`; "other", "noise" and "hidden" (of the hidden block) at the last.
    """
    streams = np.random.SeedSequence([seed, list(KINDS).index(kind), size]).spawn(2)
    rng = np.random.default_rng(streams[0])
    low, high = np.log(config.scale_low), np.log(config.scale_high)
    scale = np.exp(rng.uniform(low, high, config.networks))
    digits = row_digits(seed)
    width = digits.train.shape[2]
    cell_seed, batch_seed = (int(each) for each in streams[1].generate_state(2))
    with one_thread():
        cell = uniform(
            KINDS[kind], width, size, torch.as_tensor(scale), seed=cell_seed, dtype=torch.float32
        )
        draw = rng.uniform(-1, 1, (config.networks, 10, size)) / np.sqrt(size)
        readout = torch.as_tensor(draw, dtype=torch.float32)
        trained = train_population(cell, readout, digits, config, seed=batch_seed)
        feeds = {name: stimulus(name, digits, config, seed=seed) for name in INPUTS}
        last = trained.snapshots[config.spectrum_epochs[-1]]
        spectra = {
            "test": [
                population_spectra(trained.snapshots[epoch], feeds["test"], config)
                for epoch in config.spectrum_epochs
            ],
            **{name: [population_spectra(last, feeds[name], config)] for name in INPUTS[1:]},
        }
        spectra["hidden"] = (
            [population_spectra(last, feeds["test"], config, state="h")]
            if kind == "lstm"
            else spectra["test"][-1:]
        )
    return trained, scale, spectra


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch use one thread: tasks run side by side, and numbers stay the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def sweep(
    config: PopulationConfig | None = None, *, seed: int, n_jobs: int | None = None
) -> Population:
    """Train and measure a whole population, one joblib task for each cell and size.

    Args:
        config: kinds, sizes, numbers, schedule.
        seed: of everything.
        n_jobs: processes on this machine; None means one, or all workers of a cluster inside
            `joblib.parallel_config(backend="dask")` (or "ray"). Give each worker one thread: how
            many threads PyTorch uses is a matter of the whole process.

    Returns:
        The table. It is the same for any number of jobs and any backend.

    Raises:
        TypeError: if the seed is not a whole number.
    """
    config = PopulationConfig() if config is None else config
    as_count("seed", seed, 0)
    started = time.perf_counter()
    groups = [(kind, size) for kind in config.cells for size in config.sizes]
    tasks = joblib.Parallel(n_jobs=n_jobs)(
        joblib.delayed(run_group)(kind, size, config, seed=seed) for kind, size in groups
    )
    environment = {**runtime.environment(), "device": "cpu", "threads": 1}
    return Population(
        cell=np.repeat([kind for kind, _ in groups], config.networks),
        size=np.repeat([size for _, size in groups], config.networks),
        scale=np.concatenate([scale for _, scale, _ in tasks]),
        losses=np.concatenate([trained.losses.T.double().numpy() for trained, _, _ in tasks]),
        epochs=np.array(config.spectrum_epochs),
        spectra={
            name: _padded([found[name] for _, _, found in tasks]) for name in (*INPUTS, "hidden")
        },
        made={
            "seed": seed,
            "seconds": round(time.perf_counter() - started, 1),
            "config": dataclasses.asdict(config),
            "environment": environment,
        },
    )


def _padded(groups: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Join groups to (networks, epochs, exponents); NaN fills what a network does not have."""
    longest = max(epoch.shape[1] for group in groups for epoch in group)
    return np.concatenate(
        [
            np.stack(
                [
                    np.pad(epoch, ((0, 0), (0, longest - epoch.shape[1])), constant_values=np.nan)
                    for epoch in group
                ],
                axis=1,
            )
            for group in groups
        ]
    )


def save_population(population: Population, path: Path) -> None:
    """Write a table: spectra in half precision (three digits), losses in single precision."""
    np.savez_compressed(
        path,
        cell=population.cell,
        size=population.size.astype(np.int16),
        scale=population.scale.astype(np.float32),
        losses=population.losses.astype(np.float32),
        epochs=population.epochs.astype(np.int16),
        made=json.dumps(population.made),
        **{f"spectra_{name}": rows.astype(np.float16) for name, rows in population.spectra.items()},
    )


def load_population(path: Path = TABLE) -> Population:
    """Read a table that `save_population` wrote; by default the one that comes with the package.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    with np.load(path, allow_pickle=False) as stored:
        return Population(
            cell=stored["cell"],
            size=stored["size"].astype(int),
            scale=stored["scale"].astype(float),
            losses=stored["losses"].astype(float),
            epochs=stored["epochs"].astype(int),
            spectra={
                name.removeprefix("spectra_"): stored[name].astype(float)
                for name in stored.files
                if name.startswith("spectra_")
            },
            made=json.loads(str(stored["made"])),
        )
