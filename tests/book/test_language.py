"""Spelling, one word for one thing, and the addresses that a link checker is asked about."""

from __future__ import annotations

import shutil
import urllib.error

import pytest

from book.tools import language, links
from book.tools.console import BuildError
from book.tools.layout import Layout
from book.tools.pages import discover

LAYOUT = Layout.here()
needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")


def _text(words: str) -> language.Text:
    lines = enumerate(language.plain(words).split("\n"), start=1)
    return language.Text(LAYOUT.root / "somewhere.md", tuple(lines))


@needs_npm
def test_everything_is_spelled_as_the_dictionary_says():
    found = list(language.texts(LAYOUT, discover(LAYOUT)))
    words = language.known_words(LAYOUT)
    problems = [
        f"{path.relative_to(LAYOUT.root)}:{line}: {word}"
        for path, line, word in language.misspelled(
            LAYOUT, language.checker(LAYOUT), found, words
        )
    ]
    assert problems == []


@needs_npm
def test_a_wrong_word_is_found_with_its_line():
    text = _text("A neuron fires.\nIt fires agian, says Vaswani.")
    found = list(
        language.misspelled(LAYOUT, language.checker(LAYOUT), [text], ["Vaswani"])
    )
    assert found == [(text.path, 2, "agian")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("a timeseries of spikes", "'timeseries'; this book writes 'time series'"),
        ("two data-sets", "'data-sets'; this book writes 'data set'"),
        ("one\nSpiketrain", "'Spiketrain'; this book writes 'spike train'"),
        ("its behavior", "spelling: 'behavior'"),
        ("we normalize it", "spelling: 'normalize'"),
    ],
)
def test_variants_are_named(words, told):
    ((line, what),) = language.variants(_text(words))
    assert what == told
    assert line == 1 + words.count("\n")


@pytest.mark.parametrize(
    "words",
    [
        "a time series, two data sets, its behaviour",
        "the function `normalize()` of {py:obj}`torch <torch.normalize>`",
        "the symbol $center$ and https://example.org/timeseries",
        "plot_color and torch.nn.functional.normalize",
    ],
)
def test_names_and_good_words_pass(words):
    assert list(language.variants(_text(words))) == []


def test_docstrings_are_read_with_their_lines(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        '"""A module."""\n\n\ndef f(color):\n    """Paint.\n\n'
        '    Args:\n        color: the behavior, or "center".\n    """\n',
        encoding="utf-8",
    )
    assert list(language.variants(language.docstring_text(path))) == [(8, "spelling: 'behavior'")]


def test_the_vocabulary_keeps_to_itself():
    """No word that the book writes is one that it does not write."""
    for term, _ in language.vocabulary():
        assert list(language.variants(_text(term))) == []


def test_known_words_come_from_the_glossary_and_the_bibliography():
    words = language.known_words(LAYOUT)
    assert {"Hebbian", "Sinkhorn"} <= set(words)
    by_hand = (language.FOLDER / "words.txt").read_text(encoding="utf-8").split("\n")
    listed = [word for word in by_hand if word and not word.startswith("#")]
    assert len(set(listed)) == len(listed)


def test_without_npm_the_speller_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(language.shutil, "which", lambda name: None)
    with pytest.raises(BuildError, match="npm is not installed"):
        language.main(Layout(tmp_path))


# ------------------------------------------------------------------------------- links


def test_addresses_are_gathered_with_their_places(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "references.bib").write_text(
        "@article{a,\n  doi = {10.1000/182},\n  eprint = {1802.00420},\n}\n", encoding="utf-8"
    )
    (tmp_path / "README.md").write_text(
        "See\n[this](https://host.net/a_(b)), or http://localhost:8000/.\n", encoding="utf-8"
    )
    found = {(link.path.name, link.line, link.address) for link in links.gather(Layout(tmp_path))}
    assert found == {
        ("references.bib", 2, "https://doi.org/10.1000/182"),
        ("references.bib", 3, "https://arxiv.org/abs/1802.00420"),
        ("README.md", 2, "https://host.net/a_(b)"),
    }


def test_the_book_has_external_links():
    found = links.gather(LAYOUT)
    assert {link.path.name for link in found} >= {"references.bib", "registry.toml"}


def test_without_a_network_the_link_checker_says_so(monkeypatch):
    def refuse(request, timeout):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(links.urllib.request, "urlopen", refuse)
    with pytest.raises(BuildError, match="does not answer, so the"):
        links.main(LAYOUT)


@pytest.mark.parametrize(
    ("told", "code"),
    [(("working", ""), 0), (("broken", "404 Client Error"), 1), (("broken", "403 Forbidden"), 0)],
)
def test_a_dead_link_is_an_error_and_a_shy_publisher_is_not(monkeypatch, capsys, told, code):
    link = links.Link(LAYOUT.root / "README.md", 7, "https://host.net/page")
    monkeypatch.setattr(links, "gather", lambda layout: [link])
    monkeypatch.setattr(links, "online", lambda: True)
    monkeypatch.setattr(links, "ask", lambda addresses: {link.address: told})
    assert links.main(LAYOUT) == code
    printed = capsys.readouterr()
    assert ("README.md:7" in printed.out + printed.err) == (told[0] != "working")
