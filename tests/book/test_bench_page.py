"""The page "Measured against the peers" shows every record and nothing else."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from book.tools import bench_charts, bench_records
from book.tools.layout import Layout

LAYOUT = Layout.here()


@pytest.fixture(scope="module")
def soup() -> BeautifulSoup:
    """The built page."""
    path = LAYOUT.html / "measured_against_peers.html"
    if not path.is_file():
        pytest.fail("the site is not built; run `python -m book.tools book` first")
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="module")
def records() -> list[dict]:
    """The records that the page is drawn from."""
    return list(bench_records.read(LAYOUT.root / "benchmarks").values())


def test_a_mark_for_every_ratio(soup, records):
    compared = [
        row
        for record in records
        for row in bench_charts.ends([row for row in record["rows"] if row["peer"]])
    ]
    assert len(soup.select(".nt-ratios circle")) == len(compared)
    slower = sum(row["ratio"] >= 1 for row in compared)
    assert len(soup.select(".nt-ratios circle.nt-slower")) == slower


def test_a_line_for_every_row_and_target(soup, records):
    expected = sum(len(record["rows"]) + len(record["targets"]) for record in records)
    assert len(soup.select("table.nt-bench tbody tr")) == expected


def test_missed_targets_say_why(soup, records):
    missed = [each for record in records for each in record["targets"] if not each["met"]]
    shown = [row for row in soup.select("table.nt-bench tbody tr") if "✗" in row.get_text()]
    assert len(shown) == len(missed)
    assert {row.find_all("td")[-1].get_text(" ", strip=True) for row in shown} == {
        f"✗ missed. {target['why']}" for target in missed
    }


def test_every_curve_has_words(soup):
    for drawing in soup.select(".nt-curve > svg"):
        assert "CPU seconds against" in drawing["aria-label"]
