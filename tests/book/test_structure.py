"""The real pages against every check of the sources, and what their executions put on them."""

from __future__ import annotations

import json
import re

import pytest
from bs4 import BeautifulSoup

from book.tools import fingerprint, lint, stage
from book.tools.layout import Layout

LAYOUT = Layout.here()
BOOK = lint.Book.read(LAYOUT)
NOTEBOOKS = [page for page in BOOK.pages if page.is_notebook]


@pytest.mark.parametrize("check", lint.CHECKS, ids=lambda check: check.__name__)
def test_sources(check):
    """No page has a problem of this kind."""
    found = [
        f"{problem.path.relative_to(LAYOUT.root)}:{problem.line}: {problem.text}"
        for problem in check(BOOK)
    ]
    assert found == []


@pytest.fixture(params=NOTEBOOKS, ids=lambda page: page.name)
def outputs(request):
    """Outputs of a page as it was staged last, as (number of the code cell, output)."""
    path = LAYOUT.source / f"{request.param.docname}.ipynb"
    if not path.is_file():
        pytest.fail("the pages are not staged; run `python -m book.tools book` first")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return [(number, each) for number, cell in enumerate(code, 1) for each in cell["outputs"]]


def _texts(output: dict, kind: str) -> str:
    return "".join(output.get("data", {}).get(kind, []))


def test_no_errors_and_no_warnings_on_the_page(outputs):
    """No cell printed an error or wrote to its error stream."""
    bad = [
        (number, "".join(output.get("text", output.get("traceback", [])))[:200])
        for number, output in outputs
        if output["output_type"] == "error" or output.get("name") == "stderr"
    ]
    assert bad == []


def test_every_picture_has_words(outputs):
    """Pictures reach the page by `publish` alone, and say what is to be seen."""
    bare = []
    for number, output in outputs:
        if any(kind.startswith("image/") for kind in output.get("data", {})):
            bare.append((number, "a picture without `plotting.publish`"))
        soup = BeautifulSoup(_texts(output, "text/html"), "html.parser")
        for image in soup.find_all("img"):
            if len(image.get("alt", "")) < 20:
                bare.append((number, str(image)[:80]))
        for drawing in soup.find_all("svg"):
            named = drawing.get("aria-label") or drawing.find_parent(attrs={"aria-label": True})
            if not named and not drawing.get("aria-hidden") and not drawing.find("title"):
                bare.append((number, str(drawing)[:80]))
    assert bare == []


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.name)
def test_frames_have_words(page):
    """Frames of players live in the widgets' state; they say what is to be seen, too."""
    path = LAYOUT.source / f"{page.docname}.ipynb"
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    states = metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    texts = [str(state["state"].get("value", "")) for state in states.get("state", {}).values()]
    images = [image for text in texts for image in re.findall(r"<img\b[^>]*>", text)]
    assert bool(images) == ("frames(" in page.text)
    assert [i[:80] for i in images if not re.search(r'\balt="[^"]{20,}"', i)] == []


def test_no_absolute_paths_in_outputs(outputs):
    """Nothing that a cell printed tells where it ran."""
    text = json.dumps([output for _, output in outputs])
    places = [str(LAYOUT.root), "/site-packages/", "/tmp/"]
    assert [place for place in places if place in text] == []


def test_every_module_has_a_reference_page():
    """The API reference names each public module of the package."""
    pages = stage.api_modules(LAYOUT)
    assert "neurotutor.runtime" in pages
    assert all(fingerprint.module_file(LAYOUT.root, name) for name in pages)


def test_requirements_are_pinned():
    """Every requirement is exact, and names no file of this machine."""
    lines = (LAYOUT.root / "requirements.txt").read_text(encoding="utf-8").split("\n")
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert "torch==2.13.0" in pins
