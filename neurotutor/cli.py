"""The command line, `python -m neurotutor ...`: recordings, claims, and running one chapter."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import neurotutor
from neurotutor import data, doctor
from neurotutor.data import registry

_VERDICTS = {"met": "reproduces", "unmet": "does not reproduce", "needs data": "needs data"}


class _Refused(Exception):
    """What the user asked for cannot be done; the message is shown as it is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words of the command line; those of this process by default.

    Returns:
        Exit code: 0 done, 1 refused or failed (one line on standard error says why), 2 wrong
        usage, 130 interrupted.
    """
    chosen = _parser().parse_args(arguments)
    try:
        code = chosen.run(chosen)
        sys.stdout.flush()
        return code
    except (_Refused, data.FetchError, ValueError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read the output has had enough; without this, Python complains at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what has arrived is kept, run it again to go on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m neurotutor", description=__doc__)
    parser.add_argument("--version", action="version", version=neurotutor.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    recordings = commands.add_parser("data", help="recordings: list, fetch, say where they are")
    actions = recordings.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("list", help="all recordings, which are here, and their terms")
    action.set_defaults(run=_list)
    action = actions.add_parser("fetch", help="download, verify and store recordings")
    action.add_argument("names", nargs="*", metavar="NAME", help="see `data list`")
    action.add_argument("--all", action="store_true", help="every recording of the registry")
    action.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        help="http(s) address of a folder, or a local folder, that holds SET/NAME.npz "
        "(default: $NEUROTUTOR_MIRROR, else the original is downloaded and converted)",
    )
    action.set_defaults(run=_fetch)
    action = actions.add_parser("path", help="print where a recording is")
    action.add_argument("name", metavar="NAME")
    action.set_defaults(run=_path)

    claims = commands.add_parser("claims", help="what the papers claim, and the last verdicts")
    claims.add_argument("chapter", nargs="?", metavar="CHAPTER")
    claims.set_defaults(run=_claims)

    setup = commands.add_parser(
        "doctor", help="what works on this machine, and how to mend the rest"
    )
    setup.set_defaults(run=lambda chosen: doctor.main())

    run = commands.add_parser("run", help="execute and render one chapter")
    run.add_argument("chapter", metavar="CHAPTER")
    run.set_defaults(run=_run)
    return parser


def _list(chosen: argparse.Namespace) -> int:
    known = data.names()
    width = max(map(len, known), default=0)
    for name in known:
        entry, path = registry.entry(name), data.locate(name)
        size = f"{(registry.size_of(path) if path else entry.size) / 1000:,.0f} kB"
        print(
            f"{name:<{width}}  {'here' if path else 'absent':<6}  {size:>9}  {path or ''}".rstrip()
        )
        print(f"    {entry.about}\n    licence: {entry.licence}\n    cite: {entry.cite}")
    absent = [name for name in known if not data.available(name)]
    if absent:
        print(f"fetch with: python -m neurotutor data fetch {absent[0]} (or --all)")
    return 0


def _fetch(chosen: argparse.Namespace) -> int:
    if bool(chosen.names) == chosen.all:
        raise _Refused("say which recordings to fetch: NAME ..., or --all (see `data list`)")
    names = data.names() if chosen.all else chosen.names
    for name in names:
        registry.entry(name)  # an unknown name is refused before anything is downloaded
    failed = 0
    for name in names:
        try:
            path = data.fetch(name, chosen.source)
        except (data.FetchError, data.CorruptData, OSError) as error:
            if len(names) == 1:
                raise
            failed += 1
            print(f"error: {name}: {' '.join(str(error).split())}", file=sys.stderr)
        else:
            print(f"{name}  {path}")
    return 1 if failed else 0


def _path(chosen: argparse.Namespace) -> int:
    print(data.require(chosen.name))
    return 0


def _claims(chosen: argparse.Namespace) -> int:
    from neurotutor.teaching import claims  # here, since it loads PyTorch and IPython

    root = _checkout()
    chapters = claims.load(root / "book" / "claims.toml")
    _known_chapter(chosen.chapter, list(chapters))
    for chapter, entries in chapters.items():
        if chosen.chapter not in (None, chapter):
            continue
        record = _record(root, chapter)
        when = f"  ({record['environment']['scale']} scale, {record['date']})" if record else ""
        print(f"{chapter}{when}")
        for id, claim in entries.items():
            found = record.get("claims", {}).get(id)
            verdict = _VERDICTS[found["verdict"]] if found else "not run yet"
            print(f"  {id}: {verdict}")
            print(
                textwrap.fill(claim.sentence, 96, initial_indent=" " * 4, subsequent_indent=" " * 4)
            )
            for check in found["checks"] if found else ():
                print(
                    f"    {check['label']}: {check['value']:.4g} "
                    f"(asked: {check['op']} {check['threshold']:g})"
                )
            if found and found["verdict"] == "unmet" and claim.unmet:
                print(f"    why: {claim.unmet}")
    return 0


def _record(root: Path, chapter: str) -> dict[str, Any]:
    path = root / "_build" / "records" / f"claims-{chapter}.json"
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _Refused(f"{path} is damaged: run the chapter again ({error})") from error


def _run(chosen: argparse.Namespace) -> int:
    root = _checkout()
    pages = sorted({path.stem for path in (root / "book").rglob("*.md")})
    _known_chapter(chosen.chapter, pages)
    command = [sys.executable, "-m", "book.tools", "chapter", chosen.chapter]
    with subprocess.Popen(command, cwd=root) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.wait()  # it has had the same Ctrl-C, and tidies up
            raise


def _known_chapter(name: str | None, known: list[str]) -> None:
    if name is None or name in known:
        return
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
    raise _Refused(f"no chapter is named {name!r}: {hint}")


def _checkout() -> Path:
    """Root of the checkout: around the package, else around the working folder."""
    here = Path.cwd()
    for root in (Path(neurotutor.__file__).resolve().parents[1], here, *here.parents):
        if (root / "book" / "tools").is_dir():
            return root
    raise _Refused(
        f"the book is not here ({here}): run this inside a checkout of NeuroTutor, or install the "
        "package from one with `pip install -e .`"
    )
