"""What every benchmark needs: its arguments, a clock, the machine, and a record that is kept.

Times are CPU seconds of the process (`time.process_time`), which other work on the machine moves
less than a wall clock; versions that are compared take turns, so that a busy minute hits them all.
"""

from __future__ import annotations

import argparse
import cProfile
import ctypes
import gc
import json
import os
import platform
import pstats
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from book.tools import bench_records

KINDS = {  # words in the names of PyTorch's operators -> what they do; the first that fits counts
    "attention": ("attention",),
    "convolutions": ("conv",),
    "Fourier transforms": ("fft",),
    "QR decompositions": ("linalg_qr", "geqrf", "orgqr", "householder"),
    "matrix products": ("mm", "matmul", "linear", "einsum", "aten::mv", "aten::dot"),
    "random numbers": ("rand", "normal", "bernoulli", "dropout", "poisson"),
    "normalisation": ("norm",),
    "pooling": ("pool",),
    "the optimiser": ("adam", "optimizer.step"),
    "copies": ("copy", "cat", "stack", "clone", "index", "gather", "scatter", "fill", "zero"),
    "elementwise operations": ("aten::",),
}
OUTSIDE = "Python between the operations"


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
) -> dict[str, dict[str, float | int | None]]:
    """CPU seconds of every version, run `repeats` times in turn, and its peak of memory.

    A round before the others warms up, and its memory is looked at. Where one repetition is asked
    for, that round is the only one, and it is timed: a peer that takes minutes runs once.

    Returns:
        For each version `median_s`, `min_s`, `max_s`, and `peak_bytes` (see `watched`).
    """
    first = {name: watched(run) for name, run in versions.items()}
    if repeats == 1:
        seconds = {name: [spent] for name, (spent, _) in first.items()}
    else:
        seconds = {name: [] for name in versions}
        for _ in range(repeats):
            for name, run in versions.items():
                start = time.process_time()
                run()
                seconds[name].append(time.process_time() - start)
    return {
        name: {**summary(values), "peak_bytes": first[name][1]} for name, values in seconds.items()
    }


def timed(call: Callable[[], object], repeats: int) -> dict[str, float | int | None]:
    """CPU seconds of one version, run `repeats` times, and its peak of memory."""
    return interleave({"": call}, repeats)[""]


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest of some times, in the unit that came in."""
    return {"median_s": statistics.median(seconds), "min_s": min(seconds), "max_s": max(seconds)}


def per_call(row: Mapping[str, Any], calls: int) -> dict[str, Any]:
    """Times of `calls` calls in one go, as times of one of them."""
    return {key: value / calls if key.endswith("_s") else value for key, value in row.items()}


def watched(call: Callable[[], object]) -> tuple[float, int | None]:
    """CPU seconds of one call, and the resident bytes that it adds, at its highest.

    The bytes count from what the process held before. Linux alone keeps a peak that can be set
    back; elsewhere they are None.
    """
    gc.collect()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)  # else the call would be served from memory that is held already
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _status("VmRSS")
    except OSError:
        before = None
    start = time.process_time()
    call()
    seconds = time.process_time() - start
    return seconds, None if before is None else max(0, _status("VmHWM") - before)


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise ValueError(f"/proc/self/status has no line {field}")


def agreement(what: str, value: float, limit: float) -> dict[str, Any]:
    """By how much two results differ, and by how much they may.

    Raises:
        SystemExit: if they differ by more; a time is quoted for equal results alone.
    """
    if not value <= limit:
        raise SystemExit(f"{what}: {value:.2g}, allowed {limit:.2g}; so no time is quoted")
    return {"what": what, "value": float(value), "limit": float(limit)}


def row(
    work: str,
    ours: Mapping[str, Any],
    peer: Mapping[str, Any] | None = None,
    *,
    peer_name: str = "",
    agreement: Mapping[str, Any] | None = None,
    size: tuple[str, float] | None = None,
) -> dict[str, Any]:
    """One piece of work as the record keeps it: our times and, where there is one, the peer's.

    Args:
        work: what was done, in words that a reader of the book understands.
        ours: a result of `interleave`.
        peer: the same of the peer.
        peer_name: who that is.
        agreement: result of `agreement`; a row with a peer needs it.
        size: what grows along a cost curve, and how large it is here.

    Raises:
        ValueError: if a peer comes without its name or without an agreement.
    """
    if peer is not None and not (peer_name and agreement):
        raise ValueError(f"{work}: a peer needs its name, and a check that the results agree")
    return {
        "work": work,
        "size": None if size is None else {"what": size[0], "value": size[1]},
        "ours": _times(ours),
        "peer": None if peer is None else _times(peer),
        "peer_name": peer_name or None,
        "agreement": None if agreement is None else dict(agreement),
        "ratio": None if peer is None else ours["median_s"] / peer["median_s"],
    }


def _times(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row.get(key) for key in bench_records.TIMES}


def operators(call: Callable[[], object]) -> dict[str, float]:
    """Share of the time of one call that each kind of PyTorch's operators takes.

    PyTorch's profiler times every operator without those that it calls. What is left of the
    whole is `OUTSIDE`: loops and calls in Python, and the backward passes that are written there.
    """
    from torch.profiler import ProfilerActivity, profile

    call()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        start = time.perf_counter()
        call()
        total = 1e6 * (time.perf_counter() - start)
    spent: dict[str, float] = {}
    for event in found.key_averages():
        name = event.key.lower()
        kind = next((kind for kind, words in KINDS.items() if any(w in name for w in words)), "")
        if kind:
            spent[kind] = spent.get(kind, 0.0) + event.self_cpu_time_total
    return {**{k: s / total for k, s in spent.items()}, OUTSIDE: 1 - sum(spent.values()) / total}


def functions(call: Callable[[], object]) -> dict[str, float]:
    """Share of the CPU time of one call that each function takes, without those that it calls."""
    stats, total = _profiled(call)
    return {_function(where): times[2] / total for where, times in stats.items()}


def stages(
    call: Callable[[], object], parts: Mapping[str, Callable[..., object]]
) -> dict[str, float]:
    """Share of the CPU time of one call that each part takes, with all that it calls.

    Args:
        call: what is looked at.
        parts: Python functions that do not call one another, by what they do.
    """
    stats, total = _profiled(call)
    found = {}
    for text, part in parts.items():
        code = part.__code__
        times = stats.get((code.co_filename, code.co_firstlineno, code.co_name))
        found[text] = times[3] / total if times else 0.0
    return {**found, "all else": 1 - sum(found.values())}


def _profiled(call: Callable[[], object]) -> tuple[dict, float]:
    call()
    profiler = cProfile.Profile(time.process_time)
    profiler.runcall(call)
    stats = pstats.Stats(profiler)
    return stats.stats, stats.total_tt


def _function(where: tuple[str, int, str]) -> str:
    """Name of a function in a profile, with its module where it has one."""
    file, _, name = where
    return name.strip("<>") if file == "~" else f"{Path(file).stem}.{name}"


def spent(shares: Mapping[str, float], count: int = 4) -> str:
    """The largest shares of the time in words, largest first."""
    largest = sorted(shares.items(), key=lambda each: -each[1])[:count]
    return ", ".join(f"{name} {share:.0%}" for name, share in largest if share >= 0.005)


def target(
    text: str,
    value: float,
    limit: float,
    *,
    sense: str,
    profile: Callable[[], Mapping[str, float]],
    source: str = "paper brief, section 6",
    why: str = "",
) -> dict[str, Any]:
    """A number that was asked for, and the one that was measured.

    Args:
        text: what was asked, with the unit.
        value: measured.
        limit: asked.
        sense: `at least` or `at most`.
        profile: gives the share of the time that each part of the work takes; called if the
            target is missed, so that the record says where the time went in the same process.
        source: who asked.
        why: what the shares leave open, in words.
    """
    met = value >= limit if sense == "at least" else value <= limit
    return {
        "text": text,
        "source": source,
        "sense": sense,
        "limit": float(limit),
        "value": float(value),
        "met": bool(met),
        "why": "" if met else "; ".join([f"its time: {spent(profile())}", *filter(None, [why])]),
    }


def record(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]] = (),
    *,
    repeats: int,
    seeds: Sequence[int],
    packages: Sequence[str] = (),
    peers: Sequence[str] = (),
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What one benchmark leaves, in the form that all of them share.

    Args:
        name: the chapter.
        rows: results of `row`.
        targets: results of `target`.
        repeats: timed repetitions of the fast versions.
        seeds: seeds of the inputs.
        packages: installed distributions whose versions matter.
        peers: distributions that would be compared with; those that are absent are named.
        details: what only this chapter has.
    """
    there = {each: version(each) for each in (*packages, *peers)}
    return {
        "schema": bench_records.SCHEMA,
        "name": name,
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            **{each: found for each, found in there.items() if found},
            "numpy": metadata.version("numpy"),
        },
        "seeds": list(seeds),
        "repeats": repeats,
        "rows": list(rows),
        "targets": list(targets),
        "peers_missing": {each: why_missing(each) for each in peers if not there[each]},
        "details": dict(details or {}),
    }


def version(package: str) -> str:
    """Installed version of a distribution, or an empty text."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def why_missing(peer: str) -> str:
    """What pip said when this peer could not be installed."""
    said = Path(sys.prefix) / bench_records.MISSING
    known = json.loads(said.read_text(encoding="utf-8")) if said.is_file() else {}
    return known.get(peer, "not installed in the environment that ran this")


def machine() -> dict[str, str]:
    """What a recorded time must carry."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
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
    return f"{name:<58}{row['median_s']:9.4f} s [{row['min_s']:.4f}, {row['max_s']:.4f}]"


def save(record: Mapping[str, Any], out: Path) -> None:
    """Write the record as JSON and say where it is.

    Raises:
        SystemExit: if the record is not of the common form.
    """
    found = bench_records.problems(record)
    if found:
        raise SystemExit("not written: " + "; ".join(found))
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(out.name + ".part")
    draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, out)
    print(f"written: {out}")


def finish(record: Mapping[str, Any], out: Path) -> int:
    """Print every row and target, write the record; the exit status says if a target is missed."""
    for each in record["rows"]:
        size = each["size"]
        name = each["work"] + (f", {size['value']:g} {size['what']}" if size else "")
        text = line(name, each["ours"])
        if each["peer"]:
            text += f"   {1 / each['ratio']:7.1f} times as fast as {each['peer_name']}"
        print(text)
    save(record, out)
    return missed(
        [
            f"{each['text']}: {each['value']:.3g}, asked {each['sense']} {each['limit']:g}"
            for each in record["targets"]
            if not each["met"]
        ]
    )


def missed(targets: Sequence[str]) -> int:
    """Say which targets were missed; the exit status."""
    for target in targets:
        print(f"MISSED {target}", file=sys.stderr)
    return 1 if targets else 0
