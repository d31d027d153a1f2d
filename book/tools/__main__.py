"""Commands that build, check and serve the book: `python -m book.tools COMMAND`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .console import BuildError, say
from .layout import Layout


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m book.tools", description=__doc__)
    parser.add_argument("--root", type=Path, help="root of another book (default: this one)")
    parser.add_argument("--jobs", type=int, help="notebooks executed at once (default: cores)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("book", help="execute what changed, stage, render; warnings are errors")
    execute = commands.add_parser("execute", help="execute what changed, render nothing")
    execute.add_argument("names", nargs="*", metavar="NAME", help="pages (default: all)")
    chapter = commands.add_parser("chapter", help="execute and render one page, as a preview")
    chapter.add_argument("name", metavar="NAME")
    commands.add_parser("lint", help="check the sources of the pages")
    commands.add_parser("spell", help="check the spelling of pages and docstrings")
    commands.add_parser("links", help="check links to other hosts; needs a network")
    commands.add_parser("test", help="style, unit tests, notebooks, structure, site in a browser")
    serve = commands.add_parser("serve", help="serve the built site on this machine")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--preview", action="store_true", help="serve the preview of a chapter")
    shots = commands.add_parser("screenshots", help="picture of every page of the built site")
    shots.add_argument("--preview", action="store_true", help="of the preview of a chapter")
    shots.add_argument("--only", metavar="TEXT", help="pages whose path contains this")
    commands.add_parser("clean", help="remove what was built, and the virtual environment")
    chosen = parser.parse_args(arguments)
    layout = Layout(chosen.root.resolve()) if chosen.root else Layout.here()
    try:
        return _run(layout, chosen)
    except BuildError as error:
        say(f"error: {error}", error=True)
        return 1
    except KeyboardInterrupt:
        say("interrupted; what was finished is kept", error=True)
        return 130


def _run(layout: Layout, chosen: argparse.Namespace) -> int:
    # Imports stand here so that no command pays for what another one needs.
    match chosen.command:
        case "book" | "execute" | "chapter":
            from . import build

            if chosen.command == "book":
                build.book(layout, at_once=chosen.jobs)
            elif chosen.command == "execute":
                build.execute(layout, chosen.names, at_once=chosen.jobs)
            else:
                build.chapter(layout, chosen.name, at_once=chosen.jobs)
        case "lint":
            from . import lint

            return lint.main(layout)
        case "spell":
            from . import language

            return language.main(layout)
        case "links":
            from . import links

            return links.main(layout)
        case "test":
            from . import build

            return build.test(layout, at_once=chosen.jobs)
        case "serve":
            from . import site

            site.serve(layout.preview_html if chosen.preview else layout.html, chosen.port)
        case "screenshots":
            from . import site

            html = layout.preview_html if chosen.preview else layout.html
            site.screenshots(html, layout.build / "screenshots", chosen.only)
        case "clean":
            from . import build

            build.clean(layout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
