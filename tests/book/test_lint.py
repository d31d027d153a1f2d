"""Each check of the sources finds what it is for, and leaves a proper book alone."""

from __future__ import annotations

import pytest

from book.tools import docstrings, graph, latex, lint, prose
from book.tools.console import BuildError
from book.tools.layout import Layout
from book.tools.pages import SECTIONS, Page

FRONT = """\
---
kernelspec: {display_name: Python 3, name: python3}
chapter: good
part: part
title_short: Good
objectives: [See a, See b, See c]
needs: [primer]
needs_terms: [spike]
needs_symbols: [s]
introduces: {terms: [optimal transport], symbols: ["P", "\\\\varepsilon", "\\\\bar x"]}
reading_minutes: 5
data: [set/recording]
equations:
  eq-good-one: {code: os.path.join, oracle: "tests/part/test_good.py::test_equation"}
---
"""
SCALED = "```{code-cell} ipython3\npaper = runtime.scale() == 'paper'\n```"
MEMORY = "part: part\nmemory_setting: neurotutor.representations.eit.EitConfig.batch_size"
EXERCISE = '''```{code-cell} ipython3
:tags: [exercise]

def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION
```

```{code-cell} ipython3
check(double, 1)
```
'''
BODY = {
    "question": "The {term}`optimal transport` of {term}`spike` trains. We reach 93 % {cite}`a`.",
    "idea": "Let $P$ be small, $\\varepsilon>0$, $\\bar x=\\sum_i s_i$.",
    "method": "```{math}\n:label: eq-good-one\nP = \\exp(-\\varepsilon s)\n```",
    "works": '```{code-cell} ipython3\nsay(f"accuracy {0.5:.2f}")\n```',
    "play": "Move it.",
    "breaks": "```{code-cell} ipython3\nquiz('a')\nquiz('b')\nquiz('c')\n```",
    "reproduces": '```{code-cell} ipython3\nclaims.check("good", "one", 1.0)\n'
    'claims.table("good")\n```',
    "exercises": EXERCISE * 3,
    "summary": "```{equation-map}\n```",
}
PRIMER = """\
---
chapter: primer
title_short: Primer
objectives: [See a, See b, See c]
needs: []
needs_terms: []
needs_symbols: []
introduces: {terms: [spike], symbols: [s]}
reading_minutes: 5
data: []
equations: {}
---

# Primer

A {term}`spike` is $s$.
"""
NOTATION = """\
# Notation

## Universal indices

| Symbol | Meaning |
|---|---|
| $i$ | index |
| $\\sum$ | sum |
| $\\exp$ | exponential |

## Others

| Symbol | Meaning | Unit | First page |
|---|---|---|---|
| $s$ | spikes | count | {doc}`primer` |
| $P$ | coupling | none | {doc}`part/good` |
| $\\varepsilon$ | weight | none | {doc}`part/good` |
| $\\bar{x}$ | mean | Hz | {doc}`part/good` |
"""
NOTES = "## Time plan\n\na\n\n## Common errors\n\nb\n\n## Discussion questions\n\nc\n"
OTHERS = {
    "book/_teaching/good.md": NOTES,
    "book/_teaching/primer.md": NOTES,
    "book/primer.md": PRIMER,
    "book/notation.md": NOTATION,
    "book/glossary.md": "# Glossary\n\n```{glossary}\noptimal transport\n  Moving.\n\nspike\n"
    "  An event.\n```\n",
    "book/claims.toml": '[[good]]\nid = "one"\nchecks = [{name = "n", tutorial = 1}]\n',
    "_toc.yml": "format: jb-book\nroot: primer\nchapters:\n- file: part/good\n- file: notation\n"
    "- file: glossary\n",
    "book/references.bib": "@article{a,\n  title = {A}\n}\n",
    "data/registry.toml": '[[file]]\nname = "set/recording"\n[[file]]\nname = "set/other"\n',
    "tests/part/test_good.py": '@oracle("eq-good-one")\ndef test_equation():\n    pass\n',
}


def chapter(front: str = FRONT, **changes: str) -> str:
    """The good chapter with some sections changed, or left out (None)."""
    body = {**BODY, **changes}
    text = front + "\n# Good\n\nIt is good {cite}`a`.\n\n```{chapter-card}\n```\n"
    for name in SECTIONS:
        if body[name] is not None:
            text += f"\n(good-{name})=\n## Section\n\n{body[name]}\n"
    return text


@pytest.fixture
def problems(tmp_path):
    """Problems of the good book after some files were changed: one text for each."""

    def find(check=None, good: str | None = None, **files: str) -> list[str]:
        named = {"book/part/good.md": good or chapter(), **OTHERS}
        named.update({name.replace("__", "/"): text for name, text in files.items()})
        for name, text in named.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        book = lint.Book.read(Layout(tmp_path))
        checks = [check] if check else lint.CHECKS
        return [f"{p.path.name}:{p.line}: {p.text}" for each in checks for p in each(book)]

    return find


def test_a_proper_book_has_no_problems(problems):
    """No check complains without a reason."""
    assert problems() == []


@pytest.mark.parametrize(
    ("check", "good", "expected"),
    [
        (lint.sections, chapter(play=None), "sections are"),
        (lint.sections, chapter().replace("(good-idea)=", "(good-breaks)="), "sections are"),
        (lint.sections, chapter().replace("(good-play)=\n##", "(good-play)=\ntext\n##"), "precede"),
        (lint.sections, chapter().replace("```{chapter-card}\n```", ""), "chapter-card"),
        (lint.sections, chapter(summary="Bye."), "equation-map"),
        (lint.sections, chapter(reproduces="Nothing."), "claims.table"),
        (lint.front_matter, chapter(FRONT.replace("reading_minutes: 5", "")), "reading_minutes"),
        (lint.front_matter, chapter(FRONT.replace("part: part", "part: whole")), "`part`"),
        (lint.front_matter, chapter(FRONT.replace("[primer]", "[nowhere]")), "no such page"),
        (lint.front_matter, chapter(FRONT.replace("See b, ", "")), "three to five"),
        (lint.front_matter, chapter(FRONT.replace("set/rec", "set/mis")), "not in the registry"),
        (lint.memory_settings, chapter(play=SCALED), "needs `memory_setting`"),
        (lint.memory_settings, chapter(FRONT.replace("part: part", MEMORY)), "no paper scale"),
        (
            lint.memory_settings,
            chapter(FRONT.replace("part: part", MEMORY + "s"), play=SCALED),
            "no setting neurotutor.representations.eit.EitConfig.batch_sizes",
        ),
        (
            lint.memory_settings,
            chapter(FRONT.replace("part: part", MEMORY), play=SCALED),
            None,
        ),
        (
            lint.memory_settings,
            chapter(FRONT.replace("part: part", "memory_setting: width\npart: part"), play=SCALED),
            "no setting width",
        ),
        (
            lint.recordings_declared,
            chapter(play="```{code-cell} ipython3\nload('set/other')\n```"),
            "declare it",
        ),
        (lint.typed_results, chapter(play="The accuracy is 0.93."), "0.93"),
        (lint.typed_results, chapter(play="We see that\nthe median\nfalls to $0.02$."), "0.02"),
        (lint.typed_results, chapter(play="It decodes 93 % of the bins."), "93 %"),
        (lint.typed_results, chapter(play="- purity rises to 0.7\n- so what"), "0.7"),
        (lint.typed_results, chapter(play="| rMSE | 0.5 |\n|---|---|"), "0.5"),
        (lint.typed_results, chapter(play="```{note}\nThe error is 1.5 Hz.\n```"), "1.5"),
        (
            lint.typed_results,
            chapter(play='```{code-cell} ipython3\nprint("an accuracy of 0.9 here")\n```'),
            "typed into a string",
        ),
        (lint.terms, chapter(play="A {term}`coupling`."), None),
        (lint.terms, chapter(FRONT.replace("[primer]", "[]")), "'spike'"),
        (lint.terms, chapter(FRONT.replace("optimal transport", "else")), "glossary lacks"),
        (lint.terms, chapter(question="A {term}`spike`."), "never links"),
        (lint.symbols, chapter(play="Take $Q$."), "$Q$"),
        (lint.symbols, chapter(play="Take $\\tilde x$."), "\\tilde{x}"),
        (lint.symbols, chapter(play="Take $\\mathcal L_{\\mathrm{aug}}$."), "\\mathcal{L}"),
        (lint.symbols, chapter(play="```{math}\nP_{ij} = 1\n```"), "$j$"),
        (lint.symbols, chapter(FRONT.replace("[primer]", "[]")), "$s"),
        (lint.symbols, chapter(FRONT.replace('"P"', '"P", "Z"')), "does not list"),
        (lint.symbols, chapter(FRONT.replace('"P"', '"P", "s"')), "already uses"),
        (lint.symbols, chapter(FRONT.replace('"P", ', "")), "does not introduce"),
        (lint.equations, chapter(method="Nothing $P$."), "labels no equation"),
        (lint.equations, chapter(play="```{math}\n:label: eq-more\n1\n```"), "not in `equations`"),
        (lint.equations, chapter(FRONT.replace("os.path.join", "os.path.jain")), "does not exist"),
        (lint.equations, chapter(FRONT.replace("::test_equation", "::test_other")), "no test"),
        (lint.exercises, chapter(exercises=EXERCISE), "three to five exercises"),
        (lint.exercises, chapter(breaks="Never."), "three to five questions"),
        (
            lint.exercises,
            chapter(exercises=EXERCISE * 2 + EXERCISE.replace("### END SOLUTION", "")),
            "not closed",
        ),
        (lint.exercises, chapter(exercises=EXERCISE * 3 + EXERCISE[:160]), "check(...)"),
        (
            lint.exercises,
            chapter(exercises=EXERCISE * 2 + EXERCISE.replace('    """Twice x."""\n', "")),
            "docstring",
        ),
        (lint.claims, chapter(reproduces='```{code-cell} ipython3\nx = "two"\n```'), "never"),
        (lint.references, chapter(play="As shown {cite}`a,absent`."), "no reference absent"),
        (lint.one_english, chapter(play="The color is fine."), "color"),
        (lint.wording, chapter(play="This is obviously true."), "obviously"),
        (lint.wording, chapter(play="Look into `/home/me/data`."), "absolute path"),
        (
            lint.cells,
            chapter(play="```{code-cell} ipython3\n" + "x = 1\n" * 60 + "```"),
            "hide-input",
        ),
        (
            lint.cells,
            chapter(play="```{code-cell} ipython3\n:tags: [raises-exception]\n\n1 / 0\n```"),
            "raises-exception",
        ),
    ],
)
def test_each_check_finds_its_problem(problems, check, good, expected):
    """A single fault in the chapter is named; a fault that Sphinx names is left to it."""
    found = problems(check, good)
    if expected is None:
        assert found == []
    else:
        assert any(expected in text and text.startswith("good.md:") for text in found) or any(
            expected in text for text in found if "notation.md" in text
        ), found


@pytest.mark.parametrize(
    "text",
    [
        "The accuracy of the paper is 0.93 {cite}`a`.",
        "The bin is 0.1 s wide. The accuracy counts bins.",
        "The error is small.",
        "Take `accuracy = 0.93` as it stands.",
        "We keep 80 % of the neurons. <!-- given: our choice of share -->",
        "The error falls with $\\varepsilon=0.5$.",
        "Chapter 1.2 is about spikes.",
    ],
)
def test_published_and_chosen_numbers_may_be_typed(problems, text):
    """Cited, defined and unrelated numbers are no results."""
    assert problems(lint.typed_results, chapter(play=text)) == []


def test_a_chosen_number_in_code_may_be_marked(problems):
    """A question about an invented number says that it is one."""
    cell = (
        '```{code-cell} ipython3\n# given: invented for the question\nquiz("An R2 of 0.3 is?")\n```'
    )
    assert problems(lint.typed_results, chapter(play=cell)) == []


def test_lines_are_those_of_the_file(problems):
    """A problem is reported where it stands."""
    good = chapter(play="One.\n\nTwo lines and\nan accuracy of 0.93.")
    (found,) = problems(lint.typed_results, good)
    assert found.startswith(f"good.md:{good.split(chr(10)).index('Two lines and') + 1}:")


def test_unfinished_teaching_notes(problems):
    """A page whose notes lack a heading is found."""
    short = {"book/_teaching/good.md": NOTES.replace("## Common errors", "Errors")}
    found = problems(lint.teaching_notes, **short)
    assert found == ["good.md:1: the teaching notes lack the heading '## Common errors'"]


def test_a_reference_that_stands_twice(problems):
    twice = OTHERS["book/references.bib"] + "\n@book{a,\n  title = {B}\n}\n"
    found = problems(lint.references, **{"book__references.bib": twice})
    assert found == ["references.bib:5: a stands in line 1 already"]


def test_missing_pages_are_found(problems):
    """The table of contents and the folder agree."""
    found = problems(lint.table_of_contents, **{"book__extra.md": "# Extra\n"})
    assert found == ["_toc.yml:1: extra is missing"]


def test_a_glossary_term_that_nobody_introduces(problems):
    """The glossary holds what pages introduce, and nothing else."""
    glossary = OTHERS["book/glossary.md"].replace("spike\n", "lonely\n  Alone.\n\nspike\n")
    found = problems(lint.terms, **{"book__glossary.md": glossary})
    assert found == ["glossary.md:7: no page introduces 'lonely'"]


def test_a_term_in_plain_words_before_its_introduction(problems):
    """A term of several words counts where it is not linked, too."""
    primer = PRIMER + "\nOptimal transport comes later.\n"
    found = problems(lint.terms, **{"book__primer.md": primer})
    assert any("'optimal transport' stands here" in text for text in found)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (r"\bar x_n(k)", [r"\bar{x}", "n", "k"]),
        (r"\mathcal L_{\mathrm{aug}}", [r"\mathcal{L}"]),
        (r"R^\star", ["R"]),
        (r"\frac{a}{b}\,\text{if } x", ["a", "b"]),
        (r"\hat{\varphi}_t", [r"\varphi", "t"]),
        (r"\operatorname*{arg\,min}_{W}\ \sum_t", [r"\arg", "W", r"\sum", "t"]),
        (r"\begin{aligned}a&=1.5\\c&=2\end{aligned}", ["a", "c"]),
        (r"10\,\mathrm{Hz}", []),
        (r"y' = q_\theta(y)", ["y", "q", r"\theta", "y"]),
        (r"\lVert x\rVert_F^2", ["x", "F"]),
    ],
)
def test_symbols_of_a_formula(formula, expected):
    """The reader's alphabet: letters with font and accent, not layout, words or units."""
    found = [symbol.base for symbol in latex.symbols(latex.normal(formula))]
    if formula.endswith("x"):
        expected = [*expected, "x"]
    assert found == expected


def test_normal_form_makes_spellings_one():
    r"""`\bar x_n` and `\bar{x}_{n}` are one expression."""
    assert latex.normal(r"\bar x_n") == latex.normal(r"\bar{x}_{n}")
    assert latex.normal(r"\top b") != latex.normal(r"\topb")


def test_prose_leaves_code_out(tmp_path):
    """Sentences come from text, lists, tables and admonitions, not from code or options."""
    path = tmp_path / "page.md"
    path.write_text(
        "---\na: 1\n---\n# Title\n\nFirst `code` one. Second one.\n\n```python\nhidden\n```\n\n"
        "::::{note}\n:class: hidden\nThird.\n:::{tip}\nFourth.\n:::\n::::\n",
        encoding="utf-8",
    )
    text = " ".join(piece.text for piece in prose.sentences(Page.read(path, tmp_path)))
    assert all(word in text for word in ("First", "Second", "Third", "Fourth"))
    assert "hidden" not in text
    assert "code" not in text


def test_graph_orders_by_need():
    """A page stands below all that it needs; a circle is refused; the list says the same."""
    items = [
        graph.Item("c", "C", "c.html", ("a", "b"), ""),
        graph.Item("a", "A & co", "a.html", (), ""),
        graph.Item("b", "B", "b.html", ("a",), ""),
    ]
    assert [[item.name for item in row] for row in graph.layers(items)] == [["a"], ["b"], ["c"]]
    drawn = graph.draw(items)
    assert drawn.count("<path class=") == 3
    assert '<a href="c.html">C</a> needs A &amp; co, B' in drawn
    with pytest.raises(BuildError, match="circle: a needs b needs a"):
        graph.layers([graph.Item("a", "", "", ("b",), ""), graph.Item("b", "", "", ("a",), "")])


def test_docstrings_become_restructured_text():
    """Backticks become code; bars, stars and trailing underscores are no markup; doctests stay."""
    lines = [
        "Share with |error| < `pi/8`, shape (*batch, n), 2 * 3.",
        "",
        "Sets `rotation_` and",
        "rotation_ of `a",
        "b`.",
        "",
        ">>> f(a_ | b_)",
        "Args:",
        "    x_: a ``b`` and :func:`c`.",
        "    *rest: more.",
    ]
    assert docstrings.convert(lines) == [
        "Share with \\|error\\| < ``pi/8``, shape (\\*batch, n), 2 * 3.",
        "",
        "Sets ``rotation_`` and",
        "rotation\\_ of ``a",
        "b``.",
        "",
        ">>> f(a_ | b_)",
        "Args:",
        "    x_: a ``b`` and :func:`c`.",
        "    *rest: more.",
    ]
    typed = ["A *word*.", '   :type: Float[Tensor, "*batch n"]']
    docstrings.process_types(None, "class", "x", None, None, typed)
    assert typed == ["A *word*.", '   :type: Float[Tensor, "\\*batch n"]']
