"""The whole book as one PDF: Chromium prints every page, pypdf binds them.

What paper cannot do is left out and said on the first page: players stand at their first frame,
sounds are silent, worked solutions stay folded away, and the reference of the package, which is
read by searching, is not printed.
"""

from __future__ import annotations

import html
import json
import os
import shutil
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NullObject,
    TextStringObject,
)

from . import assets, mark, site
from .address import Address
from .console import BuildError
from .fingerprint import digest, file_digest, installed_versions
from .layout import Layout

NAME = "neurotutor.pdf"
_STYLE = Path(__file__).with_name("print.css")
_PAPER = {
    "format": "A4",
    "scale": 0.8,
    "print_background": True,
    "margin": {"top": "18mm", "bottom": "20mm", "left": "20mm", "right": "20mm"},
}
_LEFT_OUT = "api"  # the reference of the package
_FOOT = 28.0  # points from the lower edge of the paper to the page number

Place = tuple[int, float, float]  # page within a chapter, left and top in points


@dataclass(frozen=True)
class Entry:
    """A page of the book in the table of contents.

    Attributes:
        docname: the page.
        caption: the part that it belongs to; empty outside the parts.
    """

    docname: str
    caption: str


@dataclass(frozen=True)
class Printed:
    """The bound book: its file, and how many sheets of paper it has."""

    path: Path
    pages: int


@dataclass(frozen=True)
class _Sheets:
    """One printed page of the book.

    Attributes:
        entry: which.
        title: its heading.
        path: the PDF.
        count: its sheets of paper.
        places: names of places on it -> where they are.
    """

    entry: Entry
    title: str
    path: Path
    count: int
    places: dict[str, Place]


def ready(layout: Layout) -> None:
    """See that the book can be printed here.

    Raises:
        BuildError: if there is no browser, or no formulas that need no network.
    """
    if site.browser_path() is None:
        raise BuildError(
            "no Chromium or Chrome is installed, and one of them prints the book; install it "
            f"under one of the names {', '.join(site.BROWSERS)}"
        )
    if shutil.which("npm") is None and not assets.folder(layout).is_dir():
        raise BuildError("npm is not installed, and without it no formula is set on paper")


def contents(layout: Layout) -> list[Entry]:
    """The pages to print, in the order of the table of contents."""
    toc = yaml.safe_load((layout.root / "_toc.yml").read_text(encoding="utf-8"))
    found = [Entry(toc["root"], "")]

    def walk(items: Sequence[dict[str, Any]], caption: str) -> Iterator[Entry]:
        for item in items:
            if item.get("file", _LEFT_OUT) != _LEFT_OUT:
                yield Entry(item["file"], caption)
                yield from walk(item.get("sections", []), caption)

    found += walk(toc.get("chapters", []), "")
    for part in toc.get("parts", []):
        found += walk(part["chapters"], part.get("caption", ""))
    return found


def book(layout: Layout) -> Printed:
    """Print the built site; nothing happens if this very site was printed before.

    Raises:
        BuildError: if a page of the table of contents was not built.
    """
    ready(layout)
    entries = contents(layout)
    missing = [each.docname for each in entries if not _page(layout, each).is_file()]
    if missing:
        raise BuildError(f"not built yet: {', '.join(missing)}; run `python -m book.tools book`")
    stamp, goal = layout.pdf / "printed.json", layout.pdf / NAME
    key = _key(layout, entries)
    if goal.is_file() and stamp.is_file():
        known = json.loads(stamp.read_text(encoding="utf-8"))
        if known["key"] == key:
            return Printed(goal, known["pages"])
    drafts = layout.pdf / "pages"
    shutil.rmtree(drafts, ignore_errors=True)
    drafts.mkdir(parents=True)
    address = Address.read(layout)
    with site.serving(layout.html) as host, site.chromium() as browser:
        context = browser.new_context(color_scheme="light")
        context.add_init_script(f"({site.SET_THEME})('light')")
        page = context.new_page()
        sheets = [_print(page, host, entry, drafts) for entry in entries]
        front = _front(page, host, address, sheets, drafts)
    writer = _bind(front, sheets, host, address)
    draft = goal.with_suffix(".part")
    with draft.open("wb") as file:
        writer.write(file)
    os.replace(draft, goal)
    shutil.rmtree(drafts)
    pages = len(writer.pages)
    stamp.write_text(json.dumps({"key": key, "pages": pages}), encoding="utf-8")
    return Printed(goal, pages)


def _page(layout: Layout, entry: Entry) -> Path:
    return layout.html / f"{entry.docname}.html"


def _key(layout: Layout, entries: Sequence[Entry]) -> str:
    styles = sorted((layout.html / "_static").glob("*.css"))
    pages = [file_digest(_page(layout, entry)) for entry in entries]
    tools = [file_digest(path) for path in (Path(__file__), _STYLE, Path(mark.__file__))]
    looks = [file_digest(path) for path in styles]
    return digest([pages, tools, looks, installed_versions(), vars(Address.read(layout))])


# -------------------------------------------------------------------------------------- printing


def _print(page: Any, host: str, entry: Entry, drafts: Path) -> _Sheets:
    """Print one page of the site when formulas are typeset and players drawn."""
    page.goto(f"{host}{entry.docname}.html")
    site.settle(page)
    page.add_style_tag(path=str(_STYLE))
    page.evaluate(
        "() => Promise.all([...document.images].map(image => image.decode().catch(() => 0)))"
    )
    title = page.evaluate(
        "() => { const title = document.querySelector('article h1').cloneNode(true);"
        " title.querySelectorAll('.headerlink').forEach(link => link.remove());"
        " return title.textContent.trim(); }"
    )
    path = drafts / f"{entry.docname.replace('/', '-')}.pdf"
    page.pdf(path=str(path), **_PAPER)
    return _sheets(entry, title, path)


def _sheets(entry: Entry, title: str, path: Path) -> _Sheets:
    reader = PdfReader(path)
    places = {
        name.removeprefix("/"): (
            reader.get_destination_page_number(place),
            float(place.left or 0),
            float(place.top or 0),
        )
        for name, place in reader.named_destinations.items()
    }
    return _Sheets(entry, title, path, len(reader.pages), places)


def _front(
    page: Any, host: str, address: Address, sheets: Sequence[_Sheets], drafts: Path
) -> _Sheets:
    """Title and contents; printed twice, since its own length shifts the numbers that it names."""
    front, first = None, 0
    while front is None or front.count != first:
        first = 0 if front is None else front.count
        page.set_content(_front_page(host, address, sheets, first + 1))
        path = drafts / "front.pdf"
        page.pdf(path=str(path), **_PAPER)
        front = _sheets(Entry("", ""), address.title, path)
    return front


def _front_page(host: str, address: Address, sheets: Sequence[_Sheets], number: int) -> str:
    rows, caption = [], ""
    for each in sheets:
        if each.entry.caption != caption:
            caption = each.entry.caption
            rows.append(f'<tr><th colspan="2">{html.escape(caption)}</th></tr>')
        link = f"{host}{each.entry.docname}.html"
        rows.append(
            f'<tr><td><a href="{link}">{html.escape(each.title)}</a></td><td>{number}</td></tr>'
        )
        number += each.count
    where = f"<p>On the web: {html.escape(address.site)}</p>" if address.site else ""
    return f"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><style>
body {{ font-family: "DejaVu Sans", sans-serif; color: #22262b; }}
header {{ break-after: page; padding-top: 12rem; font-size: 1.1rem; line-height: 1.6; }}
header svg {{ width: 26rem; }}
h1 {{ position: absolute; left: -100rem; }}
a {{ color: inherit; text-decoration: none; }}
table {{ width: 100%; border-collapse: collapse; }}
th {{ text-align: left; padding-top: 0.8rem; }}
td {{ padding: 0.2rem 0; border-bottom: 1px dotted #8a8f96; }}
td:last-child {{ text-align: right; }}
</style></head><body><header><h1>{html.escape(address.title)}</h1>
{mark.logo_svg(address.title, "light")}
<p>Version {html.escape(address.version)}. Text and figures: CC BY 4.0. Code: BSD 3-Clause.</p>
<p>This is the printed form of a site. Its players stand at their first frame, its sounds are
silent, the questions keep their answers to themselves, and worked solutions stay folded away: the
pages of the site have them all. The reference of the package is left out.</p>
{where}</header><h2>Contents</h2><table>{"".join(rows)}</table></body></html>"""


# --------------------------------------------------------------------------------------- binding


def _bind(front: _Sheets, sheets: Sequence[_Sheets], host: str, address: Address) -> PdfWriter:
    """One PDF with bookmarks, page numbers and links that stay within it."""
    writer = PdfWriter()
    starts: dict[str, int] = {}
    for each in (front, *sheets):
        starts[each.entry.docname] = len(writer.pages)
        writer.append(PdfReader(each.path), import_outline=False)
    parts: dict[str, Any] = {}
    for each in sheets:
        start = starts[each.entry.docname]
        caption = each.entry.caption
        if caption and caption not in parts:
            parts[caption] = writer.add_outline_item(title=caption, page_number=start)
        writer.add_outline_item(title=each.title, page_number=start, parent=parts.get(caption))
    targets = {each.entry.docname: each for each in (front, *sheets)}
    for each in (front, *sheets):
        start = starts[each.entry.docname]
        for number in range(start, start + each.count):
            _keep_links(writer, number, each, targets, starts, host, address)
    for number in range(front.count, len(writer.pages)):
        _number(writer, number)
    writer.compress_identical_objects()
    writer.add_metadata({"/Title": address.title, "/Author": f"The {address.title} authors"})
    return writer


def _keep_links(
    writer: PdfWriter,
    number: int,
    own: _Sheets,
    targets: dict[str, _Sheets],
    starts: dict[str, int],
    host: str,
    address: Address,
) -> None:
    """Turn links to the host that served the pages for printing into links within the PDF."""
    kept = ArrayObject()
    for reference in writer.pages[number].get("/Annots") or []:
        link = reference.get_object()
        action = link.get("/A", {})
        uri = str(action.get("/URI", ""))
        name = link.get("/Dest", action.get("/D"))
        goal, fragment = own, str(name).removeprefix("/") if isinstance(name, str) else ""
        if uri and not uri.startswith(host):
            kept.append(reference)
            continue
        if uri:
            parts = urllib.parse.urlsplit(uri.removeprefix(host))
            goal = targets.get(parts.path.removesuffix(".html"))
            fragment = urllib.parse.unquote(parts.fragment)
            if goal is None and address.site:
                link[NameObject("/A")][NameObject("/URI")] = TextStringObject(
                    address.site + uri.removeprefix(host)
                )
                kept.append(reference)
            if goal is None:
                continue
        page, left, top = goal.places.get(fragment, (0, 0.0, 10000.0))
        sheet = writer.pages[starts[goal.entry.docname] + page]
        link.pop("/A", None)
        link[NameObject("/Dest")] = ArrayObject(
            [
                sheet.indirect_reference,
                NameObject("/XYZ"),
                FloatObject(left),
                FloatObject(top),
                NullObject(),
            ]
        )
        kept.append(reference)
    writer.pages[number][NameObject("/Annots")] = kept


def _number(writer: PdfWriter, number: int) -> None:
    """Write the page number at the foot of a sheet, in one of the fonts that every reader has."""
    sheet = writer.pages[number]
    middle = float(sheet.mediabox.width) / 2
    words = str(number + 1)
    before, after = DecodedStreamObject(), DecodedStreamObject()
    before.set_data(b"q\n")
    left = middle - 2.5 * len(words)
    after.set_data(f"\nQ\nBT /NtFoot 9 Tf {left:.1f} {_FOOT} Td ({words}) Tj ET\n".encode())
    old = sheet.get("/Contents")
    resolved = old.get_object()
    streams = list(resolved) if isinstance(resolved, ArrayObject) else [sheet.raw_get("/Contents")]
    sheet[NameObject("/Contents")] = ArrayObject(
        [writer._add_object(before), *streams, writer._add_object(after)]
    )
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    resources = sheet["/Resources"].get_object()
    fonts = resources.setdefault(NameObject("/Font"), DictionaryObject()).get_object()
    fonts[NameObject("/NtFoot")] = font
