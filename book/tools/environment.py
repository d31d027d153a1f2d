"""Make the virtual environment `.venv` with the pinned versions, unless it stands already.

It runs before anything is installed, so it uses the standard library alone:
`python book/tools/environment.py`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUPPORTED = ((3, 11), (3, 12))


def _wanted(root: Path) -> str:
    """What the environment depends on, as one hash."""
    total = hashlib.sha256(sys.version.encode())
    for name in ("requirements.txt", "pyproject.toml"):
        total.update((root / name).read_bytes())
    return total.hexdigest()


def _run(command: list[str | Path], root: Path, what: str) -> None:
    print(f"==> {what}", flush=True)
    start = time.perf_counter()
    code = subprocess.run([str(part) for part in command], cwd=root, check=False).returncode
    print(f"    {time.perf_counter() - start:.1f} s", flush=True)
    if code != 0:
        raise SystemExit(f"error: {what}: the command above failed (exit code {code})")


def main(root: Path = ROOT) -> None:
    """Make the environment below `root`; a kill at any moment makes the next run start afresh."""
    if sys.version_info[:2] not in SUPPORTED:
        raise SystemExit(
            f"error: Python 3.11 or 3.12 is needed, this is {sys.version.split()[0]}; name another "
            "one, as in: make book PYTHON=python3.12"
        )
    folder = root / ".venv"
    stamp, begun = folder / ".ready", folder / ".begun"
    wanted = _wanted(root)
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    print("==> making the virtual environment .venv", flush=True)
    # An environment that a kill left behind may hold half a package, so it is not built upon.
    other = folder / ".version"
    version = sys.version.split()[0]
    usable = python.exists() and other.is_file() and other.read_text() == version
    if begun.exists() or not usable:
        try:
            venv.create(folder, clear=folder.exists(), with_pip=True)
        except subprocess.CalledProcessError as error:
            raise SystemExit(
                f"error: {sys.executable} cannot make a virtual environment with pip; on Debian "
                "and Ubuntu, install the package python3-venv"
            ) from error
        other.write_text(version)
    begun.touch()
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    _run([*pip, "-r", "requirements.txt"], root, "installing the pinned packages (minutes)")
    _run(
        [*pip, "--no-deps", "--no-build-isolation", "-e", "."],
        root,
        "installing the book's package",
    )
    begun.unlink()
    draft = folder / ".ready.part"
    draft.write_text(wanted)
    os.replace(draft, stamp)


if __name__ == "__main__":
    main()
