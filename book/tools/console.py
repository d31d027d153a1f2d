"""What the commands print: each step, and how long it took."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()


class BuildError(Exception):
    """A build cannot go on; the message is all that the reader needs to see."""


def say(text: str, *, error: bool = False) -> None:
    """Print one or more lines at once, so that parallel steps do not mix."""
    with _lock:
        print(text, file=sys.stderr if error else sys.stdout, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Announce a step, then print how long it took (also when it fails)."""
    say(f"==> {text}")
    start = time.perf_counter()
    try:
        yield
    except BaseException:
        say(f"    failed after {time.perf_counter() - start:.1f} s")
        raise
    say(f"    {time.perf_counter() - start:.1f} s")


def gibibytes(count: float) -> str:
    """Bytes as a short text."""
    return f"{count / 2**30:.2f} GiB"
