"""Cost of Lyapunov spectra: `python -m benchmarks.lyapunov_rnn`.

The workload is that of the published code: LSTM of 64 units, one-hot inputs of 81, ten sequences of
500 steps, exponents of the hidden block, float32, one thread. The rival builds every Jacobian from
diagonal matrices; it is written here from a description of the published code, and is leaner than
that. The published code itself has no licence and is not run: its 3.7 s for 500 steps were measured
on an idle core elsewhere, and the targets refer to them. No time is printed unless the rival and
the package give the same exponents.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks import common
from neurotutor.dynamics import lyapunov_rnn as lyap
from neurotutor.dynamics.lyapunov_rnn import lyapunov_spectrum

PUBLISHED_S = {"lstm": 3.7, "tanh": 0.75, "gru": 1.3}
TARGET_FULL, TARGET_FEW = 4.0, 15.0


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


def main(arguments: list[str] | None = None) -> int:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--steps", type=int, default=500)
        parser.add_argument("--largest", type=int, default=256, help="units of the cost curve")

    options = common.options(__doc__, "lyapunov_rnn", arguments, repeats=5, extend=more)
    torch.set_num_threads(1)
    repeats, steps = options.repeats, options.steps

    cell, x = workload("lstm", 64, steps, torch.float32)
    rival = by_diagonal_matrices(cell, x[:, :50], 16)
    found = lyapunov_spectrum(cell, inputs=x[:, :50], k=16, state="h").exponents
    gap = float((rival - found).abs().max())
    if gap > 1e-3:
        raise SystemExit(f"the exponents differ by {gap:.1e}, so no time is quoted")

    record: dict = {
        "machine": common.machine() | {"torch": torch.__version__},
        "seeds": [0],
        "repeats": repeats,
        "steps": steps,
        "published_s": PUBLISHED_S,
        "largest_difference": gap,
        "rival_full": common.timed(lambda: by_diagonal_matrices(cell, x, 64), max(1, repeats // 2)),
        "full": common.timed(ours("lstm", 64, steps, state="h"), repeats),
        "few": common.timed(ours("lstm", 64, steps, state="h", k=16), repeats),
        "full_state_128": common.timed(ours("lstm", 64, steps), repeats),
        "full_state_10": common.timed(ours("lstm", 64, steps, k=10), repeats),
        "tanh_64": common.timed(ours("tanh", 64, steps), repeats),
        "gru_64": common.timed(ours("gru", 64, steps), repeats),
    }
    for name in (
        "rival_full",
        "full",
        "few",
        "full_state_128",
        "full_state_10",
        "tanh_64",
        "gru_64",
    ):
        row = record[name]
        print(f"{name:<16}{row['median_s']:8.3f} s [{row['min_s']:.3f}, {row['max_s']:.3f}]")
    published = PUBLISHED_S["lstm"] * steps / 500
    for name, target in (("full", TARGET_FULL), ("few", TARGET_FEW)):
        seconds = record[name]["median_s"]
        gain = record["rival_full"]["median_s"] / seconds
        record |= {f"gain_{name}": gain, f"gain_{name}_on_published": published / seconds}
        word = "met" if published / seconds >= target else "missed"
        print(
            f"{name}: {gain:.1f} times the rival, {published / seconds:.1f} times the published "
            f"code; target {target:g}: {word}"
        )

    short = max(5, steps // 20)
    sizes = [n for n in (32, 64, 128, 256) if n <= options.largest]
    record["per_step_by_size_s"] = {
        str(n): {
            name: common.timed(ours("lstm", n, short, state="h", k=k), 2)["min_s"] / short
            for name, k in (("full", None), ("k16", 16))
        }
        for n in sizes
    }
    record["per_step_by_k_s"] = {
        str(k): common.timed(ours("lstm", 128, short, state="h", k=k), 2)["min_s"] / short
        for k in (1, 8, 16, 32, 64, 128)
    }
    for n, row in record["per_step_by_size_s"].items():
        print(
            f"n = {n:>4}: {1e3 * row['full']:8.2f} ms/step full, {1e3 * row['k16']:7.2f} at k = 16"
        )
    for k, seconds in record["per_step_by_k_s"].items():
        print(f"n = 128, k = {k:>4}: {1e3 * seconds:8.2f} ms/step")
    common.save(record, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
