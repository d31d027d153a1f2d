"""External links, checked by Sphinx's own link checker; needs a network, so it is no test."""

from __future__ import annotations

import ast
import json
import re
import tempfile
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .console import BuildError, say, step
from .layout import Layout
from .pages import discover

PROBE = "https://doi.org"  # most links go through it
_ADDRESS = re.compile(r"https?://[^\s<>\"'`{}|\\^\[\]()]+(?:\([^\s()]*\)[^\s<>\"'`{}|\\^\[\]()]*)*")
_IDENTIFIER = re.compile(r"^\s*(doi|eprint)\s*=\s*[{\"]([^}\"]+)[}\"]", re.MULTILINE)
_RESOLVER = {"doi": "https://doi.org/", "eprint": "https://arxiv.org/abs/"}
_HERE = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[?::1)|https?://[\w.-]*example\.")


@dataclass(frozen=True)
class Link:
    """An address and where it stands."""

    path: Path
    line: int
    address: str


def _addresses(text: str) -> Iterator[tuple[int, str]]:
    for found in _ADDRESS.finditer(text):
        address = found[0].rstrip(".,;:!?*_")
        if not _HERE.match(address):
            yield text.count("\n", 0, found.start()) + 1, address
    for found in _IDENTIFIER.finditer(text):
        if "://" not in found[2]:
            yield text.count("\n", 0, found.start()) + 1, _RESOLVER[found[1]] + found[2].strip()


def gather(layout: Layout) -> list[Link]:
    """Every external address of the pages, the bibliography, the registry and the docstrings."""
    paths = [page.path for page in discover(layout)]
    paths += [layout.book / "references.bib", layout.root / "data" / "registry.toml"]
    paths += [layout.root / name for name in ("README.md", "CONTRIBUTING.md", "CITATION.cff")]
    found = [
        Link(path, line, address)
        for path in paths
        if path.is_file()
        for line, address in _addresses(path.read_text(encoding="utf-8"))
    ]
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for path in sorted(layout.package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kinds) and ast.get_docstring(node, clean=False):
                first = node.body[0]
                for line, address in _addresses(first.value.value):
                    found.append(Link(path, first.lineno + line - 1, address))
    return found


def ask(addresses: list[str]) -> dict[str, tuple[str, str]]:
    """What became of each address.

    Args:
        addresses: external ones, each once.

    Returns:
        Address -> (status of Sphinx's link checker, what it says).
    """
    from sphinx.application import Sphinx

    settings = {
        "linkcheck_anchors": False,
        "linkcheck_timeout": 20,
        "linkcheck_retries": 2,
        "linkcheck_workers": 4,
        "linkcheck_rate_limit_timeout": 60,
    }
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "source"), Path(folder, "out")
        source.mkdir()
        rows = "\n".join(f"* `{n} <{address}>`__" for n, address in enumerate(addresses))
        (source / "index.rst").write_text(f"Links\n=====\n\n{rows}\n", encoding="utf-8")
        app = Sphinx(
            str(source), None, str(out), str(out), "linkcheck", settings, status=None, warning=None
        )
        app.build()
        lines = (out / "output.json").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    return {each["uri"]: (each["status"], each["info"]) for each in told}


def online() -> bool:
    """Whether other hosts can be reached from here."""
    try:
        urllib.request.urlopen(urllib.request.Request(PROBE, method="HEAD"), timeout=10).close()
    except urllib.error.HTTPError:
        return True  # it answered
    except OSError:
        return False
    return True


def main(layout: Layout) -> int:
    """Print every external link that leads nowhere; 1 if there is any.

    Raises:
        BuildError: without a network.
    """
    where: dict[str, list[Link]] = defaultdict(list)
    for link in gather(layout):
        where[link.address].append(link)
    if not online():
        raise BuildError(
            f"{PROBE} does not answer, so the {len(where)} external links cannot be checked; "
            "run this where there is a network"
        )
    with step(f"asking after {len(where)} addresses"):
        told = ask(sorted(where))
    broken = 0
    for address, (status, info) in sorted(told.items()):
        refused = "403" in info or "429" in info  # a publisher that answers people alone
        if status not in ("broken", "timeout", "rate-limited", "redirected"):
            continue
        lost = status in ("broken", "timeout") and not refused
        broken += lost
        moved = status == "redirected" and not address.startswith("https://doi.org/")
        if lost or refused or moved:
            words = "look yourself" if refused else status
            for link in where[address]:
                place = f"{link.path.relative_to(layout.root)}:{link.line}"
                say(f"{place}: {words}: {address} {info}".rstrip(), error=lost)
    say(f"{broken} of {len(where)} external links lead nowhere")
    return 1 if broken else 0
