"""The commands that make what is published: the site, its PDF, the notebooks to launch."""

from __future__ import annotations

from pathlib import Path

from . import assets, build, launch, printing, publish
from .console import BuildError, say, step
from .layout import Layout


def pdf(layout: Layout, *, at_once: int | None = None) -> None:
    """Build the book and print it, unless this very book was printed before.

    Raises:
        BuildError: if the book cannot be printed here, or npm cannot fetch what typesets formulas.
    """
    printing.ready(layout)
    assets.provide(layout)
    build.book(layout, at_once=at_once)
    say(_printed(layout).as_uri())


def _printed(layout: Layout) -> Path:
    with step("printing the book"):
        printed = printing.book(layout)
        say(f"    {printed.pages} pages, {publish.size(printed.path.stat().st_size)}")
    return printed.path


def site(layout: Layout, *, at_once: int | None = None) -> None:
    """Build the book, print it where that is possible, and write the folder for a static host.

    Raises:
        BuildError: if a page is too heavy, an address in `_config.yml` is malformed, or npm is
            there but cannot fetch the scripts that the site serves itself.
    """
    assets.provide(layout)
    build.book(layout, at_once=at_once)
    printed = None
    try:
        printing.ready(layout)
    except BuildError as error:
        say(f"    the site offers no PDF: {error}")
    else:
        printed = _printed(layout)
    with step("writing the folder for a host"):
        weights = publish.write(layout, pdf=printed)
        publish.report(layout, weights)
    with step("writing the notebooks that Binder and Colab open"):
        launch.write(layout)
    say(f"copy this folder to any static host: {layout.site}")
