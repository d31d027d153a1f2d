"""Serve the built site on this machine, and look at it with the Chromium that is installed."""

from __future__ import annotations

import contextlib
import functools
import http
import http.server
import re
import shutil
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .console import BuildError, say

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"]
WEIGHT_LIMIT = 3_000_000  # bytes of a page with its pictures, unless its front matter says more
WIDTHS = {"wide": (1280, 900), "narrow": (390, 844)}
THEMES = ("light", "dark")
# Both the theme's own switch and what the system asks for.
SET_THEME = (
    "theme => { localStorage.setItem('mode', theme); localStorage.setItem('theme', theme); }"
)

_IMAGE = re.compile(r'<img\b[^>]*?\ssrc="([^"]+)"')


def pictures(path: Path) -> list[Path]:
    """Files of the pictures that a built page shows, each once."""
    found = {
        (path.parent / urllib.parse.unquote(source)).resolve()
        for source in _IMAGE.findall(path.read_text(encoding="utf-8"))
        if not source.startswith("data:")
    }
    return sorted(each for each in found if each.is_file())


def page_weight(path: Path) -> int:
    """Bytes of a built page and of the pictures that it shows."""
    return sum(each.stat().st_size for each in (path, *pictures(path)))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files below a prefix, without a line for each request."""

    prefix = "/"

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer as a host does: with the site's own page where there is nothing to serve."""
        page = Path(self.directory) / "404.html"
        if code != http.HTTPStatus.NOT_FOUND or not page.is_file():
            super().send_error(code, message, explain)
            return
        content = page.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def translate_path(self, path: str) -> str:
        """The file of an address; addresses outside the prefix have none."""
        if not path.startswith(self.prefix):
            return str(Path(self.directory) / "no-such-file")
        return super().translate_path("/" + path[len(self.prefix) :])


@contextlib.contextmanager
def serving(folder: Path, *, port: int = 0, prefix: str = "/") -> Iterator[str]:
    """Serve a folder on loopback while the block runs; yields the address of its root.

    Args:
        folder: the site.
        port: 0 for any free one.
        prefix: path below which the site stands, as on a shared host; with slashes at both ends.
    """
    handler = type("Handler", (_Quiet,), {"prefix": prefix})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", port), functools.partial(handler, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{prefix}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def serve(folder: Path, port: int) -> None:
    """Serve the site until interrupted."""
    if not (folder / "index.html").is_file():
        raise BuildError(f"there is no site in {folder}; build it first")
    try:
        with serving(folder, port=port) as address:
            say(f"serving {folder} at {address} (end with Ctrl-C)")
            threading.Event().wait()
    except OSError as error:
        raise BuildError(f"cannot listen on port {port}: {error.strerror}") from error
    except KeyboardInterrupt:
        say("stopped")


def browser_path() -> str | None:
    """The installed Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def page_paths(folder: Path) -> list[str]:
    """Every page of the built site, relative to its root."""
    kept = []
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder).as_posix()
        if not name.startswith(("_static/", "_sources/")):
            kept.append(name)
    return kept


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """The installed browser under playwright's control."""
    from playwright.sync_api import sync_playwright

    path = browser_path()
    if path is None:
        raise BuildError("no Chromium or Chrome is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def screenshots(folder: Path, goal: Path, only: str | None = None) -> None:
    """A picture of every page, wide and narrow, light and dark, below `goal`."""
    names = [name for name in page_paths(folder) if only is None or only in name]
    if not names:
        raise BuildError(f"there is no such page in {folder}")
    with serving(folder) as address, chromium() as browser:
        for theme in THEMES:
            for width, (across, down) in WIDTHS.items():
                context = browser.new_context(
                    viewport={"width": across, "height": down}, color_scheme=theme
                )
                context.add_init_script(f"({SET_THEME})('{theme}')")
                page = context.new_page()
                for name in names:
                    page.goto(address + name)
                    settle(page)
                    picture = goal / f"{name.removesuffix('.html')}-{width}-{theme}.png"
                    picture.parent.mkdir(parents=True, exist_ok=True)
                    page.screenshot(path=str(picture), full_page=True)
                context.close()
    say(f"{len(names) * 4} pictures in {goal}")


def settle(page: Any) -> None:
    """Wait until formulas are typeset and players are drawn."""
    page.wait_for_load_state("load")
    page.evaluate(
        "() => window.MathJax && MathJax.startup ? MathJax.startup.promise.then(() => 1) : 1"
    )
    page.wait_for_function(
        "() => document.querySelectorAll('script[type=\"application/vnd.jupyter.widget-view"
        "+json\"]').length <= document.querySelectorAll('.jupyter-widgets.widget-container,"
        " .jupyter-widgets').length",
        timeout=20000,
    )
