"""The commands that make what is published: the site, its PDF, the notebooks to launch."""

from __future__ import annotations

from pathlib import Path

from . import build, launch, printing, publish, site
from .console import BuildError, say, step
from .layout import Layout


def pdf(layout: Layout, *, at_once: int | None = None) -> Path:
    """Build the book and print it, unless this very book was printed before; the file.

    Raises:
        BuildError: if there is no browser, or the site was built without npm.
    """
    printing.ready(layout)
    build.book(layout, at_once=at_once)
    with step("printing the book"):
        printed = printing.book(layout)
    say(f"    {printed.pages} pages, {publish.size(printed.path.stat().st_size)}")
    say(printed.path.as_uri())
    return printed.path


def site_folder(layout: Layout) -> None:
    """Write the published folder from what was built, without the PDF; for tests and previews."""
    publish.write(layout)


def site_and_pdf(layout: Layout) -> Path | None:
    """The printed book, or None, with the reason, where it cannot be printed."""
    try:
        printing.ready(layout)
    except BuildError as error:
        say(f"    the site gets no PDF: {error}")
        return None
    return printing.book(layout).path
