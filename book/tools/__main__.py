"""Commands that build, check and serve the book: `python -m book.tools COMMAND`."""

from __future__ import annotations

import argparse
import os
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
    paper = commands.add_parser(
        "paper", help="execute chapters at the paper's scale and record what they measured"
    )
    paper.add_argument("names", nargs="+", metavar="NAME")
    again = commands.add_parser(
        "repeat", help="execute pages once more and compare every recorded number, bit for bit"
    )
    again.add_argument("names", nargs="*", metavar="NAME", help="pages (default: all with claims)")
    again.add_argument(
        "--other", type=Path, help="another checkout: compare with its executions, make none"
    )
    steady = commands.add_parser(
        "sheet", help="run pages under other seeds and on two threads, and keep what they record"
    )
    steady.add_argument("names", nargs="*", metavar="NAME", help="pages (default: all with claims)")
    commands.add_parser("site", help="the book, with all that a static host needs, in _build/site")
    commands.add_parser("pdf", help="print the whole built book into one PDF (needs Chromium)")
    commands.add_parser("student", help="write the notebooks with open exercises")
    commands.add_parser("instructor", help="write the solved notebooks, and a course for nbgrader")
    commands.add_parser("lint", help="check the sources of the pages")
    commands.add_parser("concepts", help="write into the pages which terms and symbols they need")
    commands.add_parser("spell", help="check the spelling of pages and docstrings")
    commands.add_parser("links", help="check links to other hosts; needs a network")
    commands.add_parser("test", help="style, unit tests, notebooks, structure, site in a browser")
    serve = commands.add_parser("serve", help="serve the built site on this machine")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--preview", action="store_true", help="serve the preview of a chapter")
    shots = commands.add_parser("screenshots", help="picture of every page of the built site")
    shots.add_argument("--preview", action="store_true", help="of the preview of a chapter")
    shots.add_argument("--only", metavar="TEXT", help="pages whose path contains this")
    bench = commands.add_parser("bench", help="compare with other libraries, then the budgets")
    bench.add_argument("names", nargs="*", metavar="NAME", help="chapters (default: all)")
    bench.add_argument("--threads", type=int, default=1, help="of every library")
    budgets = commands.add_parser("budgets", help="pages that need more than their baseline")
    budgets.add_argument("--record", action="store_true", help="make this build the baseline")
    profile = commands.add_parser("profile", help="where the seconds of a page go")
    profile.add_argument("name", metavar="NAME")
    commands.add_parser("clean", help="remove what was built, and the virtual environment")
    chosen = parser.parse_args(arguments)
    layout = Layout(chosen.root.resolve()) if chosen.root else Layout.here()
    # A home that cannot be written would make matplotlib complain, on every page that draws.
    os.environ["MPLCONFIGDIR"] = str(layout.matplotlib)
    try:
        return _run(layout, chosen)
    except BuildError as error:
        say(f"error: {error}", error=True)
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("", "book", "neurotutor"):
            raise
        say(
            f"error: {error.name} is not installed in the Python that runs this, {sys.executable}; "
            "run `make book` once, and then this command with .venv/bin/python",
            error=True,
        )
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
        case "paper":
            from . import build

            build.paper(layout, chosen.names)
        case "repeat":
            from . import repeat

            other = Layout(chosen.other.resolve()) if chosen.other else None
            differ = repeat.repeat(layout, chosen.names, at_once=chosen.jobs, other=other)
            for name in differ:
                say(f"differs, and claims.toml does not say why: {name}", error=True)
            return 1 if differ else 0
        case "sheet":
            from . import sheet

            sheet.vary(layout, chosen.names, at_once=chosen.jobs)
        case "site":
            from . import host

            host.site(layout, at_once=chosen.jobs)
        case "pdf":
            from . import host

            host.pdf(layout, at_once=chosen.jobs)
        case "student" | "instructor":
            from . import editions

            editions.make(layout, chosen.command)
        case "lint":
            from . import lint

            return lint.main(layout)
        case "concepts":
            from . import concepts

            return concepts.update(layout)
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
        case "bench":
            from . import bench, budgets

            missed = bench.run(layout, chosen.names, threads=chosen.threads)
            for name in missed:
                say(f"    {name} misses a target; its record says which and why")
            budgets.report(layout)
        case "budgets":
            from . import budgets

            if chosen.record:
                budgets.record(layout)
            else:
                return min(1, budgets.report(layout))
        case "profile":
            from . import profiling

            profiling.report(layout, chosen.name)
        case "clean":
            from . import build

            build.clean(layout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
