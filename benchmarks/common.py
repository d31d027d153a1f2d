"""What every benchmark needs: its arguments, a clock, the machine, and a record that is kept.

Times are CPU seconds of the process (`time.process_time`), which other work on the machine moves
less than a wall clock; versions that are compared take turns, so that a busy minute hits them all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any


def options(
    description: str,
    name: str,
    arguments: Sequence[str] | None = None,
    *,
    repeats: int = 5,
    extend: Callable[[argparse.ArgumentParser], None] | None = None,
) -> argparse.Namespace:
    """Parse `--repeats` and `--out`, and what `extend` adds."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--repeats", type=_positive, default=repeats)
    parser.add_argument("--out", type=Path, default=Path(f"_build/bench/{name}.json"))
    if extend:
        extend(parser)
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"repeats must be 1 or greater, got {value}")
    return value


def interleave(
    versions: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, dict[str, float]]:
    """CPU seconds of every version, run `repeats` times in turn: median, smallest, largest."""
    seconds: dict[str, list[float]] = {name: [] for name in versions}
    for _ in range(repeats):
        for name, run in versions.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    return {name: summary(values) for name, values in seconds.items()}


def timed(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """CPU seconds of one version, run `repeats` times."""
    return interleave({"": call}, repeats)[""]


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest of some times, in the unit that came in."""
    return {"median_s": statistics.median(seconds), "min_s": min(seconds), "max_s": max(seconds)}


def machine(*packages: str) -> dict[str, str]:
    """What a recorded time must carry, with the versions of these packages."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("numpy", *packages)},
        "clock": "CPU seconds of the process, versions interleaved",
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def line(name: str, row: Mapping[str, float]) -> str:
    """One row of times for the terminal."""
    return f"{name:<34}{row['median_s']:9.4f} s [{row['min_s']:.4f}, {row['max_s']:.4f}]"


def save(record: Mapping[str, Any], out: Path) -> None:
    """Write the record as JSON and say where it is."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"written: {out}")


def missed(targets: Sequence[str]) -> int:
    """Say which targets were missed; the exit status."""
    for target in targets:
        print(f"MISSED {target}", file=sys.stderr)
    return 1 if targets else 0
