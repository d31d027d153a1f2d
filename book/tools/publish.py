"""The folder that a static host serves: `_build/html` with all that a published site needs.

The pages are those of the build. What is added to them is added as text, so that nothing else on
them changes: a card for shared links, the mark, a box with downloads, first frames of players for
readers without scripts.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import os
import re
import shutil
import string
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from neurotutor import plotting

from . import cards, editions, mark, site, widgets
from .address import Address
from .console import BuildError, say
from .fingerprint import digest, file_digest
from .layout import Layout
from .pages import discover
from .plain import Converter
from .stage import FACTS

PDF_NAME = "neurotutor.pdf"
EXECUTED, STUDENT, TEXT = "notebooks/executed", "notebooks/student", "_sources"
_HELPERS = ("search.html", "genindex.html", "py-modindex.html", "404.html")
_NOT_FOUND = Path(__file__).with_name("not_found.html")
_LOGO = re.compile(r'(<a class="navbar-brand logo" href=")([^"]*)(">)')
_NAME = re.compile(r'<p class="title logo__title">[^<]*</p>')
_CARD = re.compile(r'<div class="nt-card[ "]')
_DIV = re.compile(r"<(/?)div\b")
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


@dataclass(frozen=True)
class Weight:
    """What a reader loads for one page, its pictures included, in bytes.

    Attributes:
        page: path of the page.
        raw: as it lies on the disk.
        packed: as a host sends it, the text packed with gzip.
        limit: what `raw` must stay below.
    """

    page: str
    raw: int
    packed: int
    limit: int


def write(layout: Layout, *, pdf: Path | None = None) -> list[Weight]:
    """Make the folder of the site anew, from the built pages.

    Args:
        layout: folders of the book; `_build/html`, the staged tree and the notebooks must be there.
        pdf: the printed book, to be offered with the site; None where it was not made.

    Returns:
        The weight of every page.

    Raises:
        BuildError: if nothing was built yet, or a page is too heavy.
    """
    if not (layout.html / "index.html").is_file():
        raise BuildError(
            f"there is no site in {layout.html}; run `python -m book.tools book` first"
        )
    address = Address.read(layout)
    draft = layout.site.with_suffix(".part")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(layout.html, draft, ignore=_left_out)
    if pdf is not None:
        shutil.copy(pdf, draft / PDF_NAME)
    facts = _facts(layout)
    _copy_downloads(layout, draft, facts)
    _write_marks(draft, address)
    for name in site.page_paths(draft):
        path = draft / name
        text = path.read_text(encoding="utf-8")
        known = facts.get(name.removesuffix(".html"), {})
        card = _card(layout, draft, address, name, text, known)
        text = _with_head(text, address, name, card)
        text = _with_logo(text, address, name)
        text = widgets.with_first_frames(text)
        text = _with_box(text, draft, address, name, known)
        path.write_text(text, encoding="utf-8")
    _write_root(draft, address)
    weights = [_weigh(draft, name, facts) for name in site.page_paths(draft)]
    heavy = [
        f"{each.page}: {each.raw} bytes, limit {each.limit}"
        for each in weights
        if each.raw >= each.limit
    ]
    if heavy:
        raise BuildError("pages are too heavy to publish:\n" + "\n".join(heavy))
    shutil.rmtree(layout.site, ignore_errors=True)
    os.replace(draft, layout.site)
    return weights


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Sources as notebooks, which `_copy_downloads` replaces, and what only Sphinx reads."""
    in_sources = "_sources" in Path(folder).parts
    return {
        name
        for name in names
        if name in (".buildinfo", ".doctrees") or (in_sources and name.endswith(".ipynb"))
    }


def _facts(layout: Layout) -> dict[str, dict[str, Any]]:
    folder = layout.source / FACTS
    return {
        path.relative_to(folder).with_suffix("").as_posix(): json.loads(
            path.read_text(encoding="utf-8")
        )
        for path in sorted(folder.rglob("*.json"))
    }


# ------------------------------------------------------------------------------------ downloads


def executed_notebook(staged: str, convert: Converter) -> str:
    """The notebook of a page as it was executed: solutions and results, without page markup.

    Args:
        staged: the notebook from which the page was rendered, as JSON.
        convert: turns the page's text into plain Markdown.

    Returns:
        The notebook as JSON; a starter, which the page shows above each solution, is left out.
    """
    notebook = nbformat.reads(staged, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not cell.id.endswith("-starter")]
    for cell in notebook.cells:
        cell.metadata.pop("mystnb", None)
        if cell.cell_type == "markdown":
            cell.source = convert(cell.source)
    notebook.cells = [cell for cell in notebook.cells if cell.source or cell.cell_type == "code"]
    if convert.cited:
        text = convert.references()
        notebook.cells.append(nbformat.v4.new_markdown_cell(text, id="references"))
    return nbformat.writes(notebook)


def _copy_downloads(layout: Layout, draft: Path, facts: Mapping[str, dict[str, Any]]) -> None:
    """Write each page's text source and notebooks; an instructor's notebook never.

    Students' notebooks are made anew: those below `_build/notebooks` may hold a reader's work.
    """
    pages = discover(layout)
    student = editions.notebooks(layout, "student", pages)
    for page in pages:
        if page.docname not in facts or not page.is_notebook:
            continue
        staged = (layout.source / f"{page.docname}.ipynb").read_text(encoding="utf-8")
        convert = Converter(page, pages, layout.book / "references.bib")
        for goal, content in (
            (f"{EXECUTED}/{page.docname}.ipynb", executed_notebook(staged, convert).encode()),
            (f"{STUDENT}/{page.docname}.ipynb", student[f"{page.docname}.ipynb"]),
            (f"{TEXT}/{page.docname}.md", page.path.read_bytes()),
        ):
            path = draft / goal
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def downloads(draft: Path, address: Address, docname: str, *, notebook: bool) -> dict[str, str]:
    """What a page offers to take along: what it is, in words -> link from the page.

    Args:
        draft: the site, with its notebooks in place.
        address: of the repository, for links to services that run notebooks.
        docname: the page.
        notebook: whether it is one.
    """
    found: dict[str, str] = {}
    up = "../" * docname.count("/")
    offers = {
        "Notebook to work in": f"{STUDENT}/{docname}.ipynb",
        "Executed notebook": f"{EXECUTED}/{docname}.ipynb",
        "Text source": f"{TEXT}/{docname}.md",
    }
    for words, goal in offers.items() if notebook else ():
        if (draft / goal).is_file():
            found[f"{words} ({size((draft / goal).stat().st_size)})"] = up + goal
    if notebook:
        for service, link in address.launches(f"{docname}.ipynb").items():
            found[f"Open in {service}"] = link
    if (draft / PDF_NAME).is_file() and (notebook or docname == "index"):
        whole = size((draft / PDF_NAME).stat().st_size)
        found[f"The whole book as PDF ({whole})"] = up + PDF_NAME
    return found


def size(count: int) -> str:
    """Bytes in words, as a reader of a download link wants them."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def _with_box(text: str, draft: Path, address: Address, name: str, known: Mapping[str, Any]) -> str:
    """Put the box with downloads below the chapter's card or, without one, below its title."""
    docname = name.removesuffix(".html")
    notebook = bool(known.get("is_notebook"))
    if notebook:
        # The theme's own button offers the staged notebook, which the site does not hold.
        text = text.replace(f"{TEXT}/{docname}.ipynb", f"{EXECUTED}/{docname}.ipynb")
    offers = downloads(draft, address, docname, notebook=notebook)
    if not offers:
        return text
    items = "".join(
        f'<li><a href="{html.escape(link, quote=True)}"{_as_file(link)}>'
        f"{html.escape(words)}</a></li>"
        for words, link in offers.items()
    )
    box = (
        '\n<nav class="nt-downloads" aria-label="Downloads of this page">'
        f"<p>Take it with you</p><ul>{items}</ul></nav>\n"
    )
    place = _below_card(text)
    return text[:place] + box + text[place:]


def _as_file(link: str) -> str:
    return "" if urllib.parse.urlsplit(link).scheme else " download"


def _below_card(text: str) -> int:
    """Position after the chapter's card; after the first heading of the article without one."""
    article = text.index('<article class="bd-article"')
    found = _CARD.search(text, article)
    if found is None:
        return text.index("</h1>", article) + len("</h1>")
    depth = 0
    for tag in _DIV.finditer(text, found.start()):
        depth += -1 if tag[1] else 1
        if depth == 0:
            return text.index(">", tag.end()) + 1
    raise BuildError("the chapter's card is not closed")


# ---------------------------------------------------------------------------------- head of pages


def promise(text: str) -> str:
    """The first paragraph below the title of a built page, as plain text without citations."""
    article = text.find('<article class="bd-article"')
    start = text.find("</h1>", article)
    if article < 0 or start < 0:
        return ""
    found = re.compile(r"<p>(.*?)</p>", re.DOTALL).search(text, start)
    if found is None:
        return ""
    inner = re.sub(r'\s*<span class="bibtex-citation".*?</span>', "", found[1], flags=re.DOTALL)
    inner = re.sub(r"<[^>]+>", "", inner)
    inner = re.sub(r"\\\((.*?)\\\)", r"\1", html.unescape(inner))
    return re.sub(r"\s+([.,;:])", r"\1", " ".join(inner.split()))


def _card(
    layout: Layout,
    draft: Path,
    address: Address,
    name: str,
    text: str,
    known: Mapping[str, Any],
) -> dict[str, str]:
    """Title, description and picture of a page, for shared links; draws the picture if needed."""
    found = _TITLE.search(text)
    title = html.unescape(found[1]).split(" \N{EM DASH} ")[0].strip() if found else address.title
    objectives = known.get("front", {}).get("objectives") or [""]
    words = promise(text) or str(objectives[0]) or address.title
    docname = name.removesuffix(".html") if known else "book"
    picture = f"_static/cards/{docname}.png"
    if not (draft / picture).is_file():
        part = known.get("front", {}).get("part", docname.rpartition("/")[0])
        shown = (title, part, words) if known else (address.title, "", _subject(layout))
        (draft / picture).parent.mkdir(parents=True, exist_ok=True)
        (draft / picture).write_bytes(_drawn(layout, *shown, address.title))
    return {"title": title, "description": cards.wrapped(words, 200, 1)[0], "picture": picture}


def _subject(layout: Layout) -> str:
    """What the book is about: the first paragraph of its first page."""
    return promise((layout.html / "index.html").read_text(encoding="utf-8"))


def _drawn(layout: Layout, *words: str) -> bytes:
    """A card, drawn once for the same words and the same code."""
    code = [file_digest(Path(module.__file__)) for module in (cards, mark, plotting)]
    kept = layout.build / "cards" / f"{digest([words, code])[:20]}.png"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part")
        part.write_bytes(cards.card(*words))
        os.replace(part, kept)
    return kept.read_bytes()


def _with_head(text: str, address: Address, name: str, card: Mapping[str, str]) -> str:
    up = "../" * name.count("/")
    base = address.site or up
    kind = "website" if name == "index.html" else "article"
    properties = {
        "og:type": kind,
        "og:site_name": address.title,
        "og:title": card["title"],
        "og:description": card["description"],
        "og:image": base + card["picture"],
        "og:image:width": str(cards.WIDTH),
        "og:image:height": str(cards.HEIGHT),
        "og:image:alt": f"{card['title']}: {card['description']}",
    }
    if address.site:
        properties["og:url"] = address.site + name
    names = {"description": card["description"], "twitter:card": "summary_large_image"}
    lines = [_meta("name", key, value) for key, value in names.items()]
    lines += [_meta("property", key, value) for key, value in properties.items()]
    lines += [
        f'<link rel="icon" href="{up}_static/favicon.ico" sizes="32x32">',
        f'<link rel="icon" href="{up}_static/favicon.svg" type="image/svg+xml">',
        f'<link rel="apple-touch-icon" href="{up}_static/apple-touch-icon.png">',
    ]
    if address.site and 'rel="canonical"' not in text:
        lines.append(f'<link rel="canonical" href="{address.site}{name}">')
    return text.replace("</head>", "\n".join(lines) + "\n</head>", 1)


def _meta(kind: str, key: str, value: str) -> str:
    return f'<meta {kind}="{key}" content="{html.escape(value, quote=True)}">'


def _with_logo(text: str, address: Address, name: str) -> str:
    """Show the logo at the head of the sidebar, in place of the title as plain text."""
    up = "../" * name.count("/")
    images = "".join(
        f'<img src="{up}_static/logo-{theme}.svg" class="logo__image only-{theme}" '
        f'alt="{html.escape(address.title)}, first page">'
        for theme in mark.THEMES
    )
    found = _LOGO.search(text)
    if found is None:
        return text
    start, rest = text[: found.end()], text[found.end() :]
    return start + _NAME.sub(images, rest, count=1)


def _write_marks(draft: Path, address: Address) -> None:
    static = draft / "_static"
    (static / "favicon.svg").write_text(mark.icon_svg(), encoding="utf-8")
    (static / "favicon.ico").write_bytes(mark.icon_ico())
    (static / "apple-touch-icon.png").write_bytes(mark.icon_png(180))
    for theme in mark.THEMES:
        (static / f"logo-{theme}.svg").write_text(
            mark.logo_svg(address.title, theme), encoding="utf-8"
        )


# ---------------------------------------------------------------------------- files at the root


def _write_root(draft: Path, address: Address) -> None:
    """Files that hosts and search engines look for at the root of a site."""
    pages = [name for name in site.page_paths(draft) if name not in _HELPERS]
    (draft / ".nojekyll").write_text("", encoding="utf-8")
    marker = {"book": address.title, "version": address.version, "pages": pages}
    (draft / "site.json").write_text(json.dumps(marker, indent=1), encoding="utf-8")
    places = "".join(
        f"  <url><loc>{html.escape(address.site + urllib.parse.quote(name))}</loc></url>\n"
        for name in pages
    )
    (draft / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{places}</urlset>\n',
        encoding="utf-8",
    )
    robots = "User-agent: *\nAllow: /\n"
    robots += f"Sitemap: {address.site}sitemap.xml\n" if address.site else ""
    (draft / "robots.txt").write_text(robots, encoding="utf-8")
    (draft / "404.html").write_text(not_found(address), encoding="utf-8")


def not_found(address: Address) -> str:
    """The page that a host shows for an address that leads nowhere, at whatever depth.

    It holds its own style and icon. A script finds the root of the site; without scripts there is
    a link where the address of the site is known, and words where it is not.
    """
    start = "Go up in the address, one slash at a time, until the book appears."
    if address.site:
        start = f'Go to the <a href="{html.escape(address.site, quote=True)}">first page</a>.'
    return string.Template(_NOT_FOUND.read_text(encoding="utf-8")).substitute(
        title=html.escape(address.title),
        quoted=json.dumps(address.title),
        icon=base64.b64encode(mark.icon_svg().encode()).decode(),
        start=start,
    )


# --------------------------------------------------------------------------------------- weights


def _weigh(draft: Path, name: str, facts: Mapping[str, dict[str, Any]]) -> Weight:
    path = draft / name
    packed = len(gzip.compress(path.read_bytes(), 6))
    front = facts.get(name.removesuffix(".html"), {}).get("front", {})
    return Weight(
        name,
        site.page_weight(path),
        packed + sum(each.stat().st_size for each in site.pictures(path)),
        front.get("page_bytes", site.WEIGHT_LIMIT),
    )


def total(folder: Path) -> tuple[int, int]:
    """Bytes of all files below a folder, as they lie there and packed with gzip one by one."""
    contents = [path.read_bytes() for path in _files(folder)]
    return sum(map(len, contents)), sum(len(gzip.compress(each, 6)) for each in contents)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def report(layout: Layout, weights: list[Weight]) -> None:
    """Print what each page weighs, the reference's pages in one line, and the whole site."""
    say("    page, with its pictures: as it is, and packed with gzip")
    reference = [each for each in weights if each.page.startswith("api/")]
    for each in weights:
        if each not in reference:
            say(f"    {size(each.raw):>8} {size(each.packed):>8}  {each.page}")
    if reference:
        raw = size(sum(each.raw for each in reference))
        packed = size(sum(each.packed for each in reference))
        say(f"    {raw:>8} {packed:>8}  api/, {len(reference)} pages")
    raw, packed = total(layout.site)
    say(f"    {size(raw):>8} {size(packed):>8}  the whole site, every file")
    address = Address.read(layout)
    if not address.site:
        say(
            "    no address is set in _config.yml (html.baseurl or repository.url): sitemap.xml "
            "and the cards hold relative addresses, which some readers of them ignore"
        )
