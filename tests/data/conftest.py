"""A registry and a file server of the tests' own: loopback only, slow or broken on demand."""

from __future__ import annotations

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from neurotutor.data import registry


class Server:
    """Serves `files` (path -> bytes) and remembers what was asked for.

    `ranges`: whether it honours Range. `pause`: seconds after each 4 KiB. `cut`: bytes after which
    it breaks the connection, once for each entry of the list. `status`: what to answer instead.
    """

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.ranges, self.pause, self.cut, self.status = True, 0.0, [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.lstrip("/")
        wanted = request.headers.get("Range", "")
        self.asked.append((path, wanted))
        if self.status or path not in self.files:
            request.send_error(self.status.pop(0) if self.status else 404)
            return
        body = self.files[path]
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if start >= len(body):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body) - start))
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        request.end_headers()
        stop = len(body)
        if self.cut:
            stop = min(stop, start + self.cut.pop(0))
        for at in range(start, stop, 4096):
            try:
                request.wfile.write(body[at : min(at + 4096, stop)])
            except (BrokenPipeError, ConnectionResetError):
                return
            time.sleep(self.pause)
        request.close_connection = True


@pytest.fixture
def server():
    running = Server()
    yield running
    running.server.shutdown()
    running.server.server_close()


class Shelf:
    """A registry in a folder of its own, with a cache beside it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.path = folder / "registry.toml"
        self.rows: list[str] = []
        self.path.write_text("")

    def add(self, name, file, *, converter="reach", origin=(), arrays=None):
        """Register an `.npz` (bytes), and the originals (address -> bytes) it is made from."""
        origin = dict(origin)
        quoted = ", ".join(f'"{address}"' for address in origin)
        sums = ", ".join(f'"{hashlib.sha256(each).hexdigest()}"' for each in origin.values())
        content = registry.content_digest(arrays) if arrays is not None else "0" * 64
        self.rows.append(
            f'[[file]]\nname = "{name}"\nabout = "of a test"\nsize = {len(file)}\n'
            f'sha256 = "{hashlib.sha256(file).hexdigest()}"\ncontent_sha256 = "{content}"\n'
            f'converter = "{converter}"\norigin = [{quoted}]\norigin_sha256 = [{sums}]\n'
        )
        sets = {row.split('"')[1].partition("/")[0] for row in self.rows}
        terms = [f'[set.{each}]\nlicence = "free"\ncite = "this test"\n' for each in sets]
        self.path.write_text("\n".join(terms + self.rows))

    @property
    def cache(self) -> Path:
        return self.folder / "cache"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    folder = tmp_path / "shelf"
    folder.mkdir()
    made = Shelf(folder)
    monkeypatch.setenv("NEUROTUTOR_REGISTRY", str(made.path))
    monkeypatch.delenv("NEUROTUTOR_DATA", raising=False)
    monkeypatch.delenv("NEUROTUTOR_MIRROR", raising=False)
    return made


@pytest.fixture
def archive(tmp_path):
    """An `.npz` that does not compress, as bytes and as arrays."""
    arrays = {"noise": np.random.default_rng(0).integers(0, 2**62, 40_000)}
    np.savez(tmp_path / "archive.npz", **arrays)
    return (tmp_path / "archive.npz").read_bytes(), arrays
