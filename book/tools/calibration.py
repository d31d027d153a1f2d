"""A fixed piece of work that tells how fast this machine is: `python -m book.tools.calibration`."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time

ROUNDS = 90  # about two CPU seconds on a common server


def work(rounds: int = ROUNDS) -> float:
    """Matrix products, sorting, a small training loop: what chapters do, in a fixed amount.

    Returns:
        A number that depends on all of it, so that nothing can be left out.
    """
    import numpy as np
    import torch

    rng = np.random.default_rng(0)
    total = 0.0
    weights = torch.zeros(128, 64, requires_grad=True)
    batch = torch.from_numpy(rng.standard_normal((256, 128))).float()
    for _ in range(rounds):
        matrix = rng.standard_normal((200, 200))
        total += float(np.linalg.qr(matrix)[1][0, 0])
        total += float(np.sort(rng.random(100_000))[50_000])
        for _ in range(20):
            loss = (torch.tanh(batch @ weights) - 0.5).square().mean()
            (gradient,) = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                weights -= 0.1 * gradient
        total += float(loss.detach())
    return total


@functools.cache
def measure() -> dict[str, float]:
    """CPU and wall seconds of the work on one thread, measured once in this process's life."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    done = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    """Do the work, print its seconds."""
    work(1)  # imports and first calls are no part of it
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    spent = {
        "cpu_seconds": time.process_time() - cpu,
        "wall_seconds": time.perf_counter() - wall,
    }
    print(json.dumps(spent))


if __name__ == "__main__":
    main()
