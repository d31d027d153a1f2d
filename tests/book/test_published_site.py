"""The real site as it is published: links, sidebar, downloads, cards, readers without scripts."""

from __future__ import annotations

import json
import posixpath
import re
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock

from book.tools import publish, site
from book.tools.address import Address
from book.tools.layout import Layout
from book.tools.pages import discover

LAYOUT = Layout.here()
TOOLS = sorted((LAYOUT.book / "tools").glob("*.*"))
NOTEBOOKS = [page.docname for page in discover(LAYOUT) if page.is_notebook]
needs_chromium = pytest.mark.skipif(site.browser_path() is None, reason="needs chromium")
TAG = re.compile(r"<(\w+)\b([^<>]*?)\b(href|src)=\"([^\"]*)\"")
# a link to another host is an address to go to; everything that a page loads is its own
LOADED = {"img", "script", "link", "audio", "source", "iframe", "image"}


@pytest.fixture(scope="module", autouse=True)
def published():
    """The folder of the built book, written now unless `make site` wrote it after the build."""
    if not (LAYOUT.html / "index.html").is_file():
        pytest.fail("there is no site in _build/html; run `python -m book.tools book` first")
    with FileLock(LAYOUT.build / "site.lock"):
        marker = LAYOUT.site / "site.json"
        made_from = [LAYOUT.html / "index.html", LAYOUT.root / "_config.yml", *TOOLS]
        newest = max(path.stat().st_mtime for path in made_from)
        if not marker.is_file() or marker.stat().st_mtime < newest:
            publish.write(LAYOUT)


@pytest.fixture(scope="module")
def texts(published):
    """Every page of the site: path -> HTML."""
    return {
        name: (LAYOUT.site / name).read_text(encoding="utf-8")
        for name in site.page_paths(LAYOUT.site)
    }


def _targets(text: str) -> list[tuple[str, str]]:
    return [(tag, address) for tag, _, _, address in TAG.findall(text)]


def _is_outside(address: str) -> bool:
    return bool(urllib.parse.urlsplit(address).scheme)


def test_addresses_are_relative(texts):
    """No link begins at the root of a host, and nothing that a page loads lies elsewhere."""
    own = Address.read(LAYOUT).site
    bad = []
    for name, text in texts.items():
        for tag, address in _targets(text):
            if own and address.startswith(own):
                continue  # the canonical address of the page, and the way home of lost readers
            rooted = address.startswith("/")
            foreign = tag in LOADED and _is_outside(address) and not address.startswith("data:")
            if (
                rooted
                or foreign
                or address.startswith(("file:", "http://127.", "http://localhost"))
            ):
                bad.append((name, tag, address[:80]))
    assert bad == []


def test_no_dead_link(texts):
    """Every page, place, notebook and picture that a page names is there."""
    places = {
        name: set(re.findall(r'\b(?:id|name)="([^"]+)"', text)) | {"", "top"}
        for name, text in texts.items()
    }
    dead = set()
    for name, text in texts.items():
        for _, address in set(_targets(text)):
            if _is_outside(address):
                continue
            parts = urllib.parse.urlsplit(address)
            path = urllib.parse.unquote(parts.path)
            goal = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
            goal = goal if path else name
            fragment = urllib.parse.unquote(parts.fragment)
            if goal in places:
                if fragment not in places[goal]:
                    dead.add((name, address))
            elif not (LAYOUT.site / goal).is_file():
                dead.add((name, address))
    assert sorted(dead) == []


def test_every_page_is_in_the_sidebar(texts):
    """From any page the sidebar leads to all others; two lists of names are one step further."""
    start = texts["index.html"].index('class="bd-links')
    sidebar = texts["index.html"][start : texts["index.html"].index("</nav>", start)]
    reached = {address.partition("#")[0] for _, address in _targets(sidebar)} | {"index.html"}
    linked = _targets(texts["api.html"])
    further = {address.partition("#")[0] for tag, address in linked if tag == "a"}
    lists = {"genindex.html", "py-modindex.html"} & further
    assert 'action="search.html"' in texts["index.html"]
    assert sorted(set(texts) - reached - lists - {"search.html", "404.html"}) == []


@pytest.mark.parametrize("docname", NOTEBOOKS)
def test_notebook_page_offers_its_notebooks(texts, docname):
    """The three forms exist; the executed one has results, the other leaves exercises open."""
    text = texts[f"{docname}.html"]
    up = "../" * docname.count("/")
    box = text[text.index('<nav class="nt-downloads"') :]
    box = box[: box.index("</nav>")]
    for folder, ending in ((publish.EXECUTED, "ipynb"), (publish.TEXT, "md")):
        assert f'href="{up}{folder}/{docname}.{ending}"' in box
        assert (LAYOUT.site / folder / f"{docname}.{ending}").is_file()
    executed = LAYOUT.site / publish.EXECUTED / f"{docname}.ipynb"
    notebook = nbformat.read(executed, as_version=4)
    nbformat.validate(notebook)
    assert any(cell.get("outputs") for cell in notebook.cells)
    student = LAYOUT.site / publish.STUDENT / f"{docname}.ipynb"
    assert student.is_file() == (f"{publish.STUDENT}/{docname}.ipynb" in box)
    page = next(page for page in discover(LAYOUT) if page.docname == docname)
    if page.is_chapter:
        work = student.read_text(encoding="utf-8")
        assert "BEGIN SOLUTION" not in work
        assert "NotImplementedError" in work


def test_no_instructors_notebook_is_published():
    """What instructors get is on no path of the site, under no name."""
    kept = {path.read_bytes() for path in (LAYOUT.notebooks / "instructor").rglob("*.ipynb")}
    assert kept
    published = [path for path in LAYOUT.site.rglob("*.ipynb") if path.read_bytes() in kept]
    assert published == []
    assert [path for path in LAYOUT.site.rglob("*instructor*")] == []


def test_every_chapter_has_its_own_card(texts):
    """Pictures and descriptions of chapters differ from each other, and say something."""
    said = {}
    for page in discover(LAYOUT):
        if page.is_chapter:
            text = texts[f"{page.docname}.html"]
            said[page.docname] = re.findall(
                r'<meta property="og:description" content="(.*?)"', text
            )
            assert (LAYOUT.site / f"_static/cards/{page.docname}.png").is_file()
    assert all(len(each) == 1 and len(each[0]) > 60 for each in said.values())
    assert len({each[0] for each in said.values()}) == len(said)
    assert [each for each in said.values() if re.search(r"[\[(][\s,;]*[\])]", each[0])] == []


def test_site_map_lists_every_page(texts):
    """The site map names all that a reader may look for."""
    places = (LAYOUT.site / "sitemap.xml").read_text(encoding="utf-8")
    listed = set(json.loads((LAYOUT.site / "site.json").read_text(encoding="utf-8"))["pages"])
    assert listed == set(texts) - {"search.html", "genindex.html", "py-modindex.html", "404.html"}
    assert all(f"{name}</loc>" in places for name in listed)


def _first_content(names: list[str]) -> dict[str, list[str]]:
    """What is missing on each page in a browser that runs no script."""
    missing: dict[str, list[str]] = {}
    with site.serving(LAYOUT.site, prefix="/any/path/") as address, site.chromium() as browser:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        for name in names:
            page.goto(address + name)
            article = page.locator("article.bd-article")
            kinds = {
                "title": article.locator("h1"),
                "text": article.locator("p"),
                "figures": article.locator("img"),
                "tables": article.locator("table"),
                "downloads": article.locator("nav.nt-downloads a"),
            }
            for kind, found in kinds.items():
                if not found.first.is_visible():
                    missing.setdefault(name, []).append(kind)
            # a player without its script: the first frame, and no more
            players = page.locator('script[type="application/vnd.jupyter.widget-view+json"]')
            frames = article.locator("noscript img")
            if not 0 < frames.count() == players.count() or not frames.first.is_visible():
                missing.setdefault(name, []).append("first frames")
        context.close()
    return missing


@needs_chromium
def test_content_without_scripts():
    """Title, text, figures, tables and the first frame of each player need no script."""
    names = [
        f"{docname}.html" for docname in ("plasticity/nemo", "perception/audeo", "dynamics/aelle")
    ]
    with ThreadPoolExecutor(1) as apart:
        assert apart.submit(_first_content, names).result() == {}


def test_pages_keep_their_budget():
    """3 MB for a page with its pictures; 6 MB for the two chapters about sound at the most."""
    allowed = {"perception/audeo", "perception/mi_net"}
    for page in discover(LAYOUT):
        limit = page.front.get("page_bytes", site.WEIGHT_LIMIT)
        assert limit <= (6_000_000 if page.docname in allowed else 3_000_000)
        path = Path(f"{page.docname}.html")
        assert (LAYOUT.site / path).stat().st_size < limit
