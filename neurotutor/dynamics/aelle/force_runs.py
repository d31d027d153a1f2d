"""FORCE over many gains: errors and exponents of the closed loop, all runs side by side.

`python -m neurotutor.dynamics.aelle force` makes the table that the chapter reads.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from neurotutor import runtime
from neurotutor.checks import as_count
from neurotutor.dynamics.aelle.config import ForceConfig
from neurotutor.dynamics.aelle.force import (
    ForceResult,
    force_run,
    force_train,
    random_target,
    rforce_matrix,
    sparse_matrix,
)
from neurotutor.dynamics.lyapunov_rnn import lyapunov_spectrum

TABLE = Path(__file__).with_name("force.npz")
GAINS = tuple(np.linspace(0.8, 2.0, 8).round(4).tolist())
SEEDS = tuple(range(6))
QR_EVERY = 5  # steps; each is a tenth of the network's unit of time


@dataclass(frozen=True)
class ForceTable:
    """One row for each run.

    Attributes:
        kind: "force" or "rforce".
        gain: g.
        seed: of matrix, feedback, target and start.
        error: mean |z - f| while the network ran freely after training.
        exponents: leading ones of the closed loop, per unit of time.
        train_error: mean |z - f| in each training epoch.
        made: versions, device, seconds.
    """

    kind: np.ndarray
    gain: Float[np.ndarray, "runs"]
    seed: Int[np.ndarray, "runs"]
    error: Float[np.ndarray, "runs"]
    exponents: Float[np.ndarray, "runs k"]
    train_error: Float[np.ndarray, "runs epochs"]
    made: Mapping[str, object]


def draw_runs(
    kind: str,
    gains: Real[np.ndarray, "runs"] | Sequence[float | int],
    seeds: Int[np.ndarray, "runs"] | Sequence[int],
    config: ForceConfig,
) -> tuple[
    Float[Tensor, "runs neurons neurons"],
    Float[Tensor, "runs neurons"],
    Float[Tensor, "runs steps"],
]:
    """Matrices, feedback and targets of runs, one for each pair of gain and seed.

    Args:
        kind: "force": sparse Gaussian; "rforce": eigenvalues on circles.
        gains: g of each run.
        seeds: of each run; a seed brings its own matrix, feedback and target.
        config: sizes.

    Raises:
        ValueError: for another kind, or numbers of gains and seeds that differ.
    """
    if kind not in ("force", "rforce"):
        raise ValueError(f"kind must be force or rforce, got {kind!r}")
    n = config.n_neurons
    matrices = [
        sparse_matrix(n, float(gain), config.density, seed=int(seed))
        if kind == "force"
        else rforce_matrix(n, float(gain), seed=int(seed))
        for gain, seed in zip(gains, seeds, strict=True)
    ]
    feedback = [np.random.default_rng([int(seed), 1]).uniform(-1, 1, n) for seed in seeds]
    targets = [random_target(config, seed=int(seed)) for seed in seeds]
    return torch.stack(matrices), torch.as_tensor(np.stack(feedback)), torch.stack(targets)


def closed_loop(
    result: ForceResult,
    recurrent: Float[Tensor, "runs neurons neurons"],
    feedback: Float[Tensor, "runs neurons"],
    step: float | int,
) -> Callable[[Tensor], Tensor]:
    """The trained networks as maps x -> x' of their own state, all runs at once.

    Args:
        result: read-outs.
        recurrent: M.
        feedback: w_f.
        step: dt.

    Returns:
        A function of states (runs, ..., neurons).
    """
    loop = (recurrent + feedback[:, :, None] * result.readout[:, None, :]).mT.contiguous()

    def advance(state: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        rates = state.tanh().reshape(len(loop), -1, loop.shape[1])
        return (1 - step) * state + step * torch.bmm(rates, loop).reshape(state.shape)

    return advance


def closed_loop_exponents(
    result: ForceResult,
    recurrent: Float[Tensor, "runs neurons neurons"],
    feedback: Float[Tensor, "runs neurons"],
    config: ForceConfig,
    *,
    k: int = 20,
) -> Float[Tensor, "runs k"]:
    """Leading exponents of the trained loop, per unit of time.

    The axes are aligned for one period, then exponents are measured for as long as the network is
    tested.

    Args:
        result: read-outs, and states to start from.
        recurrent: M.
        feedback: w_f.
        config: step, period, length of the test.
        k: how many.
    """
    found = lyapunov_spectrum(
        closed_loop(result, recurrent, feedback, config.step),
        result.state,
        n_steps=config.test_epochs * config.period,
        align=config.period,
        k=k,
        qr_every=QR_EVERY,
        dt=config.step,
        keep_history=False,
    )
    return found.per_sequence.sort(dim=-1, descending=True).values


def force_sweep(
    config: ForceConfig | None = None,
    *,
    gains: Sequence[float | int] = GAINS,
    seeds: Sequence[int] = SEEDS,
    kinds: Sequence[str] = ("force", "rforce"),
    k: int = 20,
) -> ForceTable:
    """Train every gain with every seed, run freely, and measure exponents.

    Args:
        config: sizes and schedule.
        gains: values of g.
        seeds: of matrices, feedback, targets and starts.
        kinds: of matrices.
        k: exponents of each run.
    """
    config = ForceConfig.tutorial() if config is None else config
    as_count("k", k)
    started = time.perf_counter()
    gain, seed = (grid.ravel() for grid in np.meshgrid(gains, seeds, indexing="ij"))
    errors, exponents, training = [], [], []
    for kind in kinds:
        recurrent, feedback, target = draw_runs(kind, gain, seed, config)
        result = force_train(recurrent, feedback, target, config, seed=int(seeds[0]))
        errors.append(force_run(result, recurrent, feedback, target, config)[1].numpy())
        exponents.append(closed_loop_exponents(result, recurrent, feedback, config, k=k).numpy())
        training.append(result.train_error.T.numpy())
    return ForceTable(
        kind=np.repeat(list(kinds), len(gain)),
        gain=np.tile(gain, len(kinds)),
        seed=np.tile(seed, len(kinds)),
        error=np.concatenate(errors),
        exponents=np.concatenate(exponents),
        train_error=np.concatenate(training),
        made={
            "seconds": round(time.perf_counter() - started, 1),
            "config": dataclasses.asdict(config),
            "environment": {**runtime.environment(), "device": "cpu"},
        },
    )


def save_force(table: ForceTable, path: Path) -> None:
    """Write a table in single precision."""
    np.savez_compressed(
        path,
        kind=table.kind,
        gain=table.gain,
        seed=table.seed.astype(np.int16),
        error=table.error.astype(np.float32),
        exponents=table.exponents.astype(np.float32),
        train_error=table.train_error.astype(np.float32),
        made=json.dumps(table.made),
    )


def load_force(path: Path = TABLE) -> ForceTable:
    """Read a table that `save_force` wrote; by default the one that comes with the package.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    with np.load(path, allow_pickle=False) as stored:
        numbers = {
            name: stored[name].astype(float)
            for name in ("gain", "error", "exponents", "train_error")
        }
        return ForceTable(
            kind=stored["kind"],
            seed=stored["seed"].astype(int),
            made=json.loads(str(stored["made"])),
            **numbers,
        )
