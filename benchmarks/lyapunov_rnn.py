"""Cost of Lyapunov spectra: `python -m benchmarks.lyapunov_rnn`.

The workload is that of the published code: LSTM of 64 units, one-hot inputs of 81, ten sequences of
500 steps, exponents of the hidden block, float32, one thread. The rival builds every Jacobian from
diagonal matrices; it is written here from a description of the published code, and is leaner than
that. The published code itself has no licence and is not run: its 3.7 s for 500 steps were measured
on an idle core elsewhere, and the targets refer to them.

pynamicalsys, where it is installed, has no gated cells and no inputs. It follows a random tanh
network without inputs and Lorenz' system, one start after another; the package takes all starts at
once. Its compilation, some seconds, is left out of its time. No time is printed unless the rivals
and the package give the same exponents.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import common
from neurotutor.dynamics import lyapunov_rnn as lyap
from neurotutor.dynamics.lyapunov_rnn import lyapunov_spectrum

PUBLISHED_S = {"lstm": 3.7, "tanh": 0.75, "gru": 1.3}
TARGET_FULL, TARGET_FEW = 4.0, 15.0
WORK = {
    "full": "LSTM of 64 units, 64 exponents of the hidden block",
    "few": "LSTM of 64 units, 16 exponents of the hidden block",
    "full_state_128": "LSTM of 64 units, 128 exponents",
    "full_state_10": "LSTM of 64 units, 10 exponents of the whole state",
    "tanh_64": "tanh network of 64 units",
    "gru_64": "GRU of 64 units",
}
PEER = "pynamicalsys"
LORENZ = (10.0, 28.0, 8 / 3)  # sigma, rho, beta
LORENZ_DT = 0.01


def workload(kind: str, n: int, steps: int, dtype: torch.dtype) -> tuple[lyap.Cell, Tensor]:
    """A cell and the inputs of ten sequences."""
    cell = lyap.uniform(kind, 81, n, 0.1, seed=0, dtype=dtype)
    codes = torch.randint(81, (10, steps), generator=torch.Generator().manual_seed(0))
    return cell, torch.nn.functional.one_hot(codes, 81).to(dtype)


def by_diagonal_matrices(cell: lyap.LSTM, x: Tensor, k: int) -> Tensor:
    """Exponents of the hidden block, every Jacobian multiplied out of diagonal matrices."""
    n, batch = cell.hidden_size, x.shape[0]
    h = c = x.new_zeros(batch, n)
    q = torch.eye(n, dtype=x.dtype)[:, :k].expand(batch, -1, -1)
    total = x.new_zeros(batch, k)
    for t in range(x.shape[1]):
        a = x[:, t] @ cell.input_weights.T + h @ cell.recurrent_weights.T
        i, f, g, o = a.chunk(4, dim=-1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        new = f * c + i * g
        tau = new.tanh()
        slopes = torch.cat([i * (1 - i), f * (1 - f), 1 - g**2, o * (1 - o)], dim=-1)
        gates = torch.diag_embed(slopes) @ cell.recurrent_weights
        to_c = [torch.diag_embed(each) for each in (g, c, i)]
        by_c = torch.diag_embed(o * (1 - tau**2))
        rows = torch.cat([by_c @ each for each in to_c] + [torch.diag_embed(tau)], dim=-1)
        q, r = torch.linalg.qr(rows @ gates @ q)
        total = total + torch.diagonal(r, 0, -2, -1).abs().log()
        h, c = o * tau, new
    return (total / x.shape[1]).mean(dim=0)


def ours(kind: str, n: int, steps: int, **options) -> Callable[[], object]:
    cell, x = workload(kind, n, steps, options.pop("dtype", torch.float32))
    return lambda: lyapunov_spectrum(cell, inputs=x, keep_history=False, **options)


def pynamicalsys_network(cell: lyap.Cell) -> Any | None:
    """A tanh network without inputs, for the peer; None where it is not installed."""
    try:
        from numba import njit
        from pynamicalsys import DiscreteDynamicalSystem
    except ImportError:
        return None
    weights = cell.recurrent_weights.numpy().copy()

    @njit
    def step(u, _):
        return np.tanh(weights @ u)

    @njit
    def jacobian(u, _, *__):
        return (1 - np.tanh(weights @ u) ** 2).reshape(-1, 1) * weights

    return DiscreteDynamicalSystem(
        mapping=step,
        jacobian=jacobian,
        system_dimension=len(weights),
        parameters=[0.0],
        number_of_parameters=1,
    )


def beside_pynamicalsys(counts: list[int], steps: int, repeats: int) -> list[dict]:
    """Rows of a network without inputs and of Lorenz' system, from one and from many starts."""
    cell = lyap.gaussian(64, 2.0, seed=0)
    peer = pynamicalsys_network(cell)
    if peer is None:
        return []
    from pynamicalsys import ContinuousDynamicalSystem

    drawn = np.random.default_rng(0)
    starts = torch.from_numpy(0.1 * drawn.standard_normal((max(counts), 64)))

    # The peer looks at the Jacobian after its first step.
    def network(n: int, n_steps: int) -> np.ndarray:
        found = lyapunov_spectrum(cell, starts[:n], n_steps=n_steps, warmup=1, keep_history=False)
        return found.per_sequence.numpy()

    def their_network(n: int, n_steps: int) -> np.ndarray:
        return np.array([peer.lyapunov(u, n_steps, method="QR_HH") for u in starts[:n].numpy()])

    # On a short stretch, before chaos has made rounding visible: the frames of the two are not the
    # same, so single exponents still differ, but their sum may not.
    gap = np.abs(network(2, 100).sum(1) - their_network(2, 100).sum(1)).max()
    same_sum = common.agreement("difference of the sum of the exponents", float(gap), 1e-6)

    flow = lyap.runge_kutta(lyap.lorenz(*LORENZ), LORENZ_DT)
    system = ContinuousDynamicalSystem(model="lorenz system")
    system.integrator("rk4", time_step=LORENZ_DT)
    begin = torch.from_numpy(drawn.standard_normal((max(counts), 3))) + torch.tensor([1.0, 1, 20])

    def lorenz(n: int, time: int) -> np.ndarray:
        found = lyapunov_spectrum(
            flow,
            begin[:n],
            n_steps=round((time - 20) / LORENZ_DT),
            warmup=round(20 / LORENZ_DT),
            dt=LORENZ_DT,
            keep_history=False,
        )
        return found.exponents.numpy()

    def their_lorenz(n: int, time: int) -> np.ndarray:
        found = [
            system.lyapunov(u, time, parameters=LORENZ, transient_time=20)
            for u in begin[:n].numpy()
        ]
        return np.mean(found, axis=0)

    few = min(10, max(counts))
    gap = np.abs(lorenz(few, 220) - their_lorenz(few, 220)).max()
    close = common.agreement(f"largest difference of the means of {few} starts", float(gap), 0.02)
    rows = []
    for text, ours, theirs, length, agreed in (
        ("tanh network of 64 units without inputs", network, their_network, steps, same_sum),
        ("Lorenz' system, 100 units of time", lorenz, their_lorenz, 120, close),
    ):
        for n in counts:
            both = {
                "ours": lambda n=n, call=ours, length=length: call(n, length),
                "theirs": lambda n=n, call=theirs, length=length: call(n, length),
            }
            times = common.interleave(both, repeats)
            rows.append(
                common.row(
                    text,
                    times["ours"],
                    times["theirs"],
                    peer_name=PEER,
                    agreement=agreed,
                    size=("starts", n),
                )
            )
    return rows


def main(arguments: list[str] | None = None) -> int:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--steps", type=int, default=500)
        parser.add_argument("--largest", type=int, default=256, help="units of the cost curve")
        parser.add_argument("--starts", type=int, nargs="+", default=[1, 10, 100])

    options = common.options(__doc__, "lyapunov_rnn", arguments, repeats=5, extend=more)
    torch.set_num_threads(1)
    repeats, steps = options.repeats, options.steps

    cell, x = workload("lstm", 64, steps, torch.float32)
    slow = by_diagonal_matrices(cell, x[:, :50], 16)
    found = lyapunov_spectrum(cell, inputs=x[:, :50], k=16, state="h").exponents
    gap = float((slow - found).abs().max())
    agreed = common.agreement("largest difference of the exponents", gap, 1e-3)

    rival = common.timed(lambda: by_diagonal_matrices(cell, x, 64), max(1, repeats // 2))
    runs = {
        "full": ours("lstm", 64, steps, state="h"),
        "few": ours("lstm", 64, steps, state="h", k=16),
        "full_state_128": ours("lstm", 64, steps),
        "full_state_10": ours("lstm", 64, steps, k=10),
        "tanh_64": ours("tanh", 64, steps),
        "gru_64": ours("gru", 64, steps),
    }
    times = {name: common.timed(run, repeats) for name, run in runs.items()}
    rows = [
        common.row(
            WORK[name],
            times[name],
            rival,
            peer_name="Jacobians out of diagonal matrices, all exponents",
            agreement=agreed,
        )
        for name in ("full", "few")
    ]
    rows += [
        common.row(text, times[name]) for name, text in WORK.items() if name not in ("full", "few")
    ]
    short = max(5, steps // 20)
    for text, k in (("A step, all exponents", None), ("A step, 16 exponents", 16)):
        rows += [
            common.row(
                text,
                common.per_call(common.timed(ours("lstm", n, short, state="h", k=k), 2), short),
                size=("units", n),
            )
            for n in (32, 64, 128, 256)
            if n <= options.largest
        ]
    rows += [
        common.row(
            "A step of 128 units",
            common.per_call(common.timed(ours("lstm", 128, short, state="h", k=k), 2), short),
            size=("exponents", k),
        )
        for k in (1, 8, 16, 32, 64, 128)
    ]
    rows += beside_pynamicalsys(options.starts, steps, max(1, repeats // 2))
    published = PUBLISHED_S["lstm"] * steps / 500
    targets = [
        common.target(
            f"times as fast as the published code on another machine, {text}",
            published / times[name]["median_s"],
            limit,
            sense="at least",
            profile=lambda run=runs[name]: common.operators(run),
            why="the published time was measured on an idle core elsewhere",
        )
        for name, text, limit in (
            ("full", "all exponents", TARGET_FULL),
            ("few", "16 exponents", TARGET_FEW),
        )
    ]
    targets += [
        common.target(
            f"times as fast as the rival on this machine, {row['work']}",
            1 / row["ratio"],
            limit,
            sense="at least",
            source="benchmarks/lyapunov_rnn.py",
            profile=lambda run=runs[name]: common.operators(run),
            why="the rival is leaner than the published code",
        )
        for name, row, limit in zip(
            ("full", "few"), rows[:2], (TARGET_FULL, TARGET_FEW), strict=True
        )
    ]
    targets += [
        common.target(
            f"seconds, {WORK[name]}; the published code on another machine",
            times[name]["median_s"],
            PUBLISHED_S[kind] * steps / 500,
            sense="at most",
            profile=lambda run=runs[name]: common.operators(run),
            why="the published time was measured on an idle core elsewhere",
        )
        for name, kind in (("tanh_64", "tanh"), ("gru_64", "gru"))
    ]
    record = common.record(
        "lyapunov_rnn",
        rows,
        targets,
        repeats=repeats,
        seeds=[0],
        packages=["torch", "numba"],
        peers=[PEER],
        details={"steps": steps, "published_s": PUBLISHED_S},
    )
    return common.finish(record, options.out)


if __name__ == "__main__":
    sys.exit(main())
