"""Rendering a toy book: what is skipped, what must fail, what a kill leaves behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tests.book import toy


def command(root: Path, *words: str) -> list[str]:
    """The command line of the driver for another root."""
    return [sys.executable, "-m", "book.tools", "--root", str(root), *words]


def build(root: Path) -> subprocess.CompletedProcess:
    """Run `book` as a reader would."""
    return subprocess.run(
        command(root, "book"), cwd=toy.REPOSITORY, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A toy book that was built once: its root, and what the build said."""
    root = toy.make(tmp_path_factory.mktemp("toy"))
    done = build(root)
    assert done.returncode == 0, done.stdout + done.stderr
    return root, done


def soup(root: Path, name: str) -> BeautifulSoup:
    """A page of the built site."""
    text = (root / "_build" / "html" / name).read_text(encoding="utf-8")
    return BeautifulSoup(text, "html.parser")


def test_build_says_what_it_does(built):
    """Each step is announced and timed; the last line is the address to open."""
    root, done = built
    lines = done.stdout.strip().split("\n")
    assert lines[-1] == (root / "_build" / "html" / "index.html").as_uri()
    steps = [line for line in lines if line.startswith("==> ")]
    assert len(steps) == 5
    assert sum(line.strip().endswith(" s") for line in lines) >= len(steps)


def test_routes_and_the_table_of_chapters_are_filled(built):
    """Aims, times and tasks come from the pages and their executions."""
    root, _ = built
    page = soup(root, "paths.html")
    step = page.select_one(".nt-route-step").get_text(" ", strip=True)
    for text in ("Week 1", "Sleep well.", "Count the cells", "Double it", "5 minutes to read"):
        assert text in step
    assert " s to run" in step
    assert page.select_one(".nt-route-step a")["href"] == "representations/toy.html"
    row = page.select_one("table.nt-chapters tbody tr").get_text(" ", strip=True)
    assert "0 questions, 1 exercise" in row
    assert "Move a slider" in row


def test_pages_show_what_was_measured(built):
    """Card, claims, costs, equations and graph are filled from declarations and records."""
    root, _ = built
    chapter = soup(root, "representations/toy.html")
    card = chapter.select_one(".nt-card").get_text(" ")
    assert "Count the cells" in card
    assert "Glossary" in card
    assert "Run time" in card
    assert chapter.select_one(".nt-equations a[href^='#equation-']")
    assert "NotImplementedError" in chapter.select_one(".nt-starter").get_text()
    assert "Worked solution" in chapter.get_text()
    assert "BEGIN SOLUTION" not in chapter.get_text()
    claims = soup(root, "what_reproduces.html")
    assert "Doubling doubles." in claims.get_text()
    assert "reproduces" in claims.select_one(".nt-verdict.nt-met").get_text()
    assert "Toy" in soup(root, "what_it_costs.html").select_one(".nt-costs").get_text()
    links = soup(root, "index.html").select(".nt-graph svg a")
    assert {link["href"] for link in links} == {"representations/toy.html", "glossary.html"}


def test_second_build_is_quick(built):
    """Nothing is executed or rendered again where nothing changed."""
    root, _ = built
    start = time.perf_counter()
    done = build(root)
    assert done.returncode == 0
    assert "nothing changed since the last build" in done.stdout
    assert "1 of 1 unchanged" in done.stdout
    assert time.perf_counter() - start < 20


def test_a_warning_fails_every_build_until_it_is_mended(built):
    """A broken reference fails the build, and goes on failing it, until it is gone."""
    root, _ = built
    index = root / "book" / "index.md"
    text = index.read_text(encoding="utf-8")
    index.write_text(text + "\nSee {ref}`nowhere`.\n", encoding="utf-8")
    for _ in range(2):
        done = build(root)
        assert done.returncode == 1
        assert "nowhere" in done.stderr
    index.write_text(text + "\nMended.\n", encoding="utf-8")
    assert build(root).returncode == 0
    assert "Mended." in soup(root, "index.html").get_text()


def test_a_killed_render_is_done_again(built):
    """SIGKILL while Sphinx runs: the next build does not take the half site for a whole one."""
    root, _ = built
    page = root / "book" / "glossary.md"
    page.write_text(page.read_text(encoding="utf-8") + "\nChanged.\n", encoding="utf-8")
    with subprocess.Popen(
        command(root, "book"), cwd=toy.REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if "rendering" in line:
                break
        time.sleep(1.5)
        process.send_signal(signal.SIGKILL)
    assert not (root / "_build" / "site.json").exists()
    done = build(root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing changed" not in done.stdout
    assert "Changed." in soup(root, "glossary.html").get_text()


def test_a_preview_shows_one_page(built):
    """`chapter` renders to a folder of its own, and names the page that it made."""
    root, _ = built
    done = subprocess.run(
        command(root, "chapter", "toy"),
        cwd=toy.REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = root / "_build" / "preview" / "_build" / "html" / "representations" / "toy.html"
    assert done.stdout.strip().split("\n")[-1] == page.as_uri()
    assert page.is_file()
