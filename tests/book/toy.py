"""A toy book for tests of the driver: one chapter and the pages that every book has."""

from __future__ import annotations

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

CHAPTER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
chapter: toy
part: representations
title_short: Toy
objectives: [Count the cells, Plot a line, Move a slider]
needs: [glossary]
introduces: {terms: [transport], symbols: [x]}
reading_minutes: 5
data: []
equations:
  eq-toy-line: {code: neurotutor.runtime.scale, oracle: "tests/test_toy.py::test_line"}
---

# A toy chapter

It promises little {cite}`someone2020`.

```{chapter-card}
```

(toy-question)=
## The question

What is {term}`transport` for $x = 1$?

```{code-cell} ipython3
import json, os, pathlib
from IPython.display import HTML, Markdown, display
import ipywidgets as widgets
x = 1

def check(checker, answer):
    assert checker(answer)
```

```{math}
:label: eq-toy-line
y = a x + b
```

See {eq}`eq-toy-line`.

```{code-cell} ipython3
:tags: [hide-input]

stack = widgets.Stack([widgets.HTML(f"frame {i}") for i in range(3)], selected_index=0)
slider = widgets.IntSlider(value=0, min=0, max=2, description="frame")
play = widgets.Play(value=0, min=0, max=2)
widgets.jslink((play, "value"), (slider, "value"))
widgets.jslink((slider, "value"), (stack, "selected_index"))
player = widgets.VBox([widgets.HBox([play, slider]), stack])
player.add_class("nt-player")
display(player)
```

(toy-exercises)=
## Exercises

### 1. Double it

Double it.

```{code-cell} ipython3
:tags: [exercise]

def double(x):
    \"\"\"Twice x.\"\"\"
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION
```

```{code-cell} ipython3
check(lambda answer: answer(2) == 4, double)
print("measured:", double(x))
folder = os.environ.get("NEUROTUTOR_RECORDS")
if folder:
    path = pathlib.Path(folder) / "claims-toy.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"chapter": "toy", "date": "2026-01-01",
        "environment": {"device": "cpu", "scale": "tutorial"}, "claims": {"doubles": {
        "verdict": "met", "seeds": [0], "spread": "", "note": "",
        "checks": [{"name": "d", "label": "double of 1", "op": "<=", "threshold": 2.0,
                    "value": float(double(x)), "met": True}]}}}))
```

```{equation-map}
```
"""

CLAIMS = """\
[[toy]]
id = "doubles"
sentence = "Doubling doubles."
paper = "2"
where = "Table 1"
why = "It is exact."
[[toy.checks]]
name = "d"
label = "double of 1"
op = "<="
tutorial = 2.0
paper = 2.0
"""

PAGES = {
    "index.md": "# Toy book\n\nStart here.\n\n```{chapter-graph}\n```\n",
    "glossary.md": "# Glossary\n\n```{glossary}\ntransport\n  Moving mass.\n```\n",
    "what_reproduces.md": "# What reproduces\n\n```{claims-table}\n```\n",
    "paths.md": "---\nroutes:\n  tour:\n    title: Tour\n    steps:\n      - {when: Week 1, pages: "
    "[toy], before: Sleep well., exercises: {toy: [1]}}\n---\n\n# Paths\n\n```{route} tour\n```\n\n"
    "```{chapter-table}\n```\n\n```{concept-graph}\n```\n",
    "what_it_costs.md": "# What it costs\n\n```{cost-table}\n```\n",
    "bibliography.md": "# Bibliography\n\n```{bibliography}\n```\n",
    "api.md": "# API\n\nModules.\n",
    "references.bib": "@article{someone2020, author={One, Some}, title={A title}, "
    "journal={A journal}, year={2020}}\n",
    "claims.toml": CLAIMS,
    "representations/toy.md": CHAPTER,
}

TOC = """\
format: jb-book
root: index
chapters:
  - file: representations/toy
  - file: paths
  - file: what_reproduces
  - file: what_it_costs
  - file: glossary
  - file: api
    sections:
      - glob: api/*
  - file: bibliography
"""


def make(root: Path) -> Path:
    """Write the toy book below `root`, with this repository's package and configuration."""
    for name, text in PAGES.items():
        path = root / "book" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "_toc.yml").write_text(TOC, encoding="utf-8")
    shutil.copy(REPOSITORY / "_config.yml", root)
    shutil.copytree(REPOSITORY / "book" / "_static", root / "book" / "_static")
    (root / "book" / "tools").symlink_to(REPOSITORY / "book" / "tools")
    # What a page imports is there, but linked folders get no reference pages, which saves time.
    (root / "neurotutor").mkdir()
    for name in ("__init__.py", "runtime.py", "plotting.py", "data", "teaching"):
        (root / "neurotutor" / name).symlink_to(REPOSITORY / "neurotutor" / name)
    return root
