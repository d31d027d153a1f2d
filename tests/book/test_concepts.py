"""The graph of concepts: what is used must have been introduced on every path that leads there."""

from __future__ import annotations

import pytest

from book.tools import concepts, lint
from book.tools.layout import Layout

GLOSSARY = """\
# Glossary

```{glossary}
assembly
  Neurons that fire together.

cap
  Only the largest fire.

ADMM
  An algorithm.

optimal transport
  Moving mass.

plasticity
  Change.

plasticity rule
  How it changes.
```
"""
NOTATION = """\
# Notation

## Universal

| Symbol | Meaning |
|---|---|
| $i$ | index |
| $\\sum$ | sum |

## Others

| Symbol | Meaning | First page |
|---|---|---|
| $a$ | one | {doc}`first` |
| $z$ | two | {doc}`last` |
| $\\operatorname{soft}$ | three | {doc}`last` |
"""
KERNEL = "kernelspec: {display_name: Python 3, name: python3}"
INTRODUCED = {
    "first": "An {term}`assembly`, {term}`ADMM`, {term}`optimal transport`, {term}`plasticity` and "
    "a {term}`plasticity rule`; $a$.",
    "other": "A {term}`cap`.",
    "last": "Here is $z$, with $\\operatorname{soft}$.",
}
FRONTS = {
    "first": ([], ["assembly", "ADMM", "optimal transport", "plasticity", "plasticity rule"], "a"),
    "other": ([], ["cap"], ""),
    "last": (["first"], [], 'z, "\\\\operatorname{soft}"'),
}


@pytest.fixture
def book(tmp_path):
    """A book of three pages: `last` needs `first`, and `other` stands alone."""

    def write(more: str = "", *, needs: dict | None = None, extra: str = "", **bodies: str):
        folder = tmp_path / "book"
        folder.mkdir(exist_ok=True)
        (folder / "glossary.md").write_text(GLOSSARY, encoding="utf-8")
        (folder / "notation.md").write_text(NOTATION, encoding="utf-8")
        for name, (needed, terms, symbols) in FRONTS.items():
            needed = (needs or {}).get(name, needed)
            body = bodies.get(name, INTRODUCED[name]) + (f"\n{more}" if name == "last" else "")
            (folder / f"{name}.md").write_text(
                f"---\n{KERNEL}\nchapter: {name}\nneeds: [{', '.join(needed)}]\n"
                f"{extra if name == 'last' else ''}"
                f"introduces: {{terms: [{', '.join(terms)}], symbols: [{symbols}]}}\n---\n\n"
                f"# Title\n\n## Section\n\n{body}\n",
                encoding="utf-8",
            )
        return lint.Book.read(Layout(tmp_path))

    return write


def found(check, book) -> list[str]:
    """Problems of one check as texts."""
    return [f"{problem.path.name}:{problem.line}: {problem.text}" for problem in check(book)]


@pytest.mark.parametrize(
    "text",
    [
        "The assemblies grow by plasticity, and optimal\ntransport moves them.",
        "Optimal-transport is not meant, and admm in small letters is no acronym.",
        "```python\ncap = 1\n```\n\nThe `cap` of the code.",
        "### The cap\n\nA heading names what follows.",
    ],
)
def test_what_the_path_has_introduced_may_be_used(book, text):
    """Word forms, code and headings are no trouble."""
    assert found(lint.terms, book(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "We use a {term}`cap`.",
        "We use a cap.",
        "Two caps\nare used.",
        "Caps (two of them).",
        "```{code-cell} ipython3\nplt.title('a cap of ten')\n```",
    ],
)
def test_a_term_that_no_page_on_the_path_introduces(book, text):
    """Links, plain words, plurals and labels count; the message names path, page and remedy."""
    (problem,) = found(lint.terms, book(text))
    place = book(text).page("last").text.split("\n")
    line = next(n for n, each in enumerate(place, 1) if "cap" in each.lower())
    assert problem.startswith(f"last.md:{line}: 'cap' stands here before any page introduces it")
    assert "path first → last" in problem
    assert "add one of other to `needs`" in problem


def test_introduced_on_one_of_two_paths_only(book):
    """The table of contents may put `other` first; a reader who follows `needs` skips it."""
    middle = {"first": ["other"], "last": ["first"]}
    assert found(lint.terms, book("We use a cap.", needs=middle)) == []
    beside = {"first": [], "other": ["first"], "last": ["first"]}
    (problem,) = found(lint.terms, book("We use a cap.", needs=beside))
    assert "path first → last;" in problem


def test_a_term_above_its_own_introduction(book):
    """On its own page a term stands first where it is linked."""
    early = "An assembly grows.\n\n" + INTRODUCED["first"]
    (problem,) = found(lint.terms, book(first=early))
    assert "first.md:12: 'assembly' stands here, above line 14" in problem
    late = "A {term}`plasticity rule` of plasticity. " + INTRODUCED["first"]
    (problem,) = found(lint.terms, book(first=late))
    assert "'plasticity' stands here" in problem


def test_a_picture_is_explained_in_its_section(book):
    """A label may stand above the text that explains it, but in the same section."""
    picture = "```{code-cell} ipython3\nplt.title('one assembly')\n```\n\n"
    assert found(lint.terms, book(first=picture + INTRODUCED["first"])) == []
    (problem,) = found(lint.terms, book(first=picture + "## Next\n\n" + INTRODUCED["first"]))
    assert "'assembly' stands here, above" in problem


def test_the_longest_term_counts():
    """A plasticity rule is not plasticity."""
    words = concepts.Words(["plasticity", "plasticity rule", "ADMM", "analysis"])
    text = "Plasticity rules, plasticity, ADMM; admm; analyses"
    assert [term for _, term in words.find(text)] == [
        "plasticity rule",
        "plasticity",
        "admm",
        "analysis",
    ]


@pytest.mark.parametrize(
    ("extra", "text", "expected"),
    [
        ("everyday: [cap]\n", "He wears a cap.", None),
        ("everyday: [cap]\n", "He wears a hat.", "does not stand"),
        ("everyday: [cap]\n", "We use a {term}`cap`.", "linked here as a term"),
        ("everyday: [hat]\n", "He wears a hat.", "not in the glossary"),
    ],
)
def test_words_in_another_sense(book, extra, text, expected):
    """A page may say that a word is no term here, and must mean it."""
    problems = found(lint.terms, book(text, extra=extra))
    if expected is None:
        assert problems == []
    else:
        assert any(expected in each for each in problems)


def test_a_symbol_must_be_on_the_path(book):
    """What `first` introduces is known to `last`, and not the other way round."""
    assert found(lint.symbols, book("Take $a+z$.")) == []
    (problem,) = found(lint.symbols, book("Take $a$.", needs={"last": []}))
    assert "$a$ is used, but no page introduces it on the path last" in problem


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("```{math}\nz = a\n```\n\n$\\operatorname{soft}$", None),
        ("```{math}\n\\operatorname{soft}(z)\n```\n\nwhere $z$ is soft.", None),
        ("```{math}\na = z\n```\n\n## Next\n\n$z$, $\\operatorname{soft}$", "$z$ stands here"),
        ("```{math}\na = z\n```\n\nSoft, soft.", "no sentence is the first to explain $z$"),
        (
            "```{code-cell} ipython3\nplt.title('$z$')\n```\n\n## Next\n\n$z$, soft "
            "```{math}\n\\operatorname{soft}\n```",
            "$z$ stands here",
        ),
        ("```{code-cell} ipython3\nplt.title('state $z$')\n```\n\n$\\operatorname{soft}$", None),
    ],
)
def test_a_symbol_is_explained_in_its_section(book, body, expected):
    """A displayed formula or a bare label needs words that say what its symbols are."""
    problems = found(lint.symbols, book(last=body))
    if expected is None:
        assert problems == []
    else:
        assert any(expected in each for each in problems)


def test_what_a_page_takes_is_declared_and_can_be_written(book, tmp_path):
    """`needs_terms` and `needs_symbols` say what the text uses; a command writes them."""
    text = "Assemblies and $a$."
    wrong = book(text, extra="needs_terms: [cap]\nneeds_symbols: []\n")
    problems = found(lint.needs, wrong)
    assert [each.partition(": ")[2] for each in problems] == [
        "`needs_terms` lacks assembly; `python -m book.tools concepts` brings it up to date",
        "`needs_terms` has, but the page does not use, cap; `python -m book.tools concepts` "
        "brings it up to date",
        "`needs_symbols` lacks a; `python -m book.tools concepts` brings it up to date",
    ]
    assert concepts.update(Layout(tmp_path)) == 0
    right = lint.Book.read(Layout(tmp_path))
    assert found(lint.needs, right) == []
    assert right.page("last").front["needs_terms"] == ["assembly"]
    assert right.page("last").front["needs_symbols"] == ["a"]
    before = right.page("last").text
    concepts.update(Layout(tmp_path))
    assert lint.Book.read(Layout(tmp_path)).page("last").text == before


def test_gifts_name_the_page_that_introduced():
    """A term comes from a page that the taker needs, through others too."""
    fronts = {
        "a": {"needs": [], "introduces": {"terms": ["spike", "bin"]}},
        "b": {"needs": ["a"], "introduces": {"terms": ["cap"]}, "needs_terms": ["bin"]},
        "c": {"needs": ["b"], "introduces": {"terms": []}, "needs_terms": ["cap", "spike"]},
        "d": {"needs": [], "introduces": {"terms": ["cap"]}, "needs_terms": []},
    }
    assert concepts.gifts(fronts) == [
        concepts.Gift("a", "b", ("bin",)),
        concepts.Gift("a", "c", ("spike",)),
        concepts.Gift("b", "c", ("cap",)),
    ]
