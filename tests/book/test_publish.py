"""What is published: addresses, cards, downloads, launches, the page for lost readers, the PDF."""

from __future__ import annotations

import io
import json
import re
import stat
import sys
import types
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from IPython.core.inputtransformer2 import TransformerManager
from PIL import Image
from pypdf import PdfReader

from book.tools import assets, cards, launch, mark, printing, publish, site, widgets
from book.tools.address import Address
from book.tools.console import BuildError
from book.tools.layout import Layout
from book.tools.pages import discover

ROOT = Layout.here().root
GITHUB = "https://github.com/someone/a-book"
needs_chromium = pytest.mark.skipif(site.browser_path() is None, reason="needs chromium")

PAGE = """<!DOCTYPE html>
<html lang="en" data-content_root="{up}">
<head><meta charset="utf-8"><title>{title} &#8212; Little</title></head>
<body>
<a class="navbar-brand logo" href="{up}index.html">
  <p class="title logo__title">Little</p>
</a>
<a class="btn" href="{up}_sources/{docname}.ipynb">source</a>
<main><h1>{title}</h1>
<article class="bd-article"><section id="top"><h1>{title}</h1>
<p>It promises &quot;much&quot; <span class="bibtex-citation" id="id1">[<a>One</a>]</span>.
And more.</p>
{body}
<p>See <a href="{up}part/page.html#goal">the page</a>, <a href="{up}index.html">home</a>,
<a href="{up}api.html">the reference</a> and <a href="https://example.org/x">elsewhere</a>.</p>
<h2 id="goal">A goal</h2><p>Last words.</p></section></article></main>
</body></html>
"""
NOTEBOOK = """\
---
kernelspec: {display_name: Python 3, name: python3}
---

# A page

```{code-cell} ipython3
answer = 42
```
"""
CARD = '<div class="nt-card docutils container"><div>goals</div><div>facts</div></div>'
STATE = {
    "state": {
        "frame-0": {"model_name": "HTMLModel", "state": {"value": "<b>first</b>"}},
        "frame-1": {"model_name": "HTMLModel", "state": {"value": "<b>second</b>"}},
        "stack": {
            "model_name": "StackModel",
            "state": {"children": ["IPY_MODEL_frame-0", "IPY_MODEL_frame-1"], "selected_index": 1},
        },
        "slider": {"model_name": "IntSliderModel", "state": {}},
        "player": {
            "model_name": "VBoxModel",
            "state": {"children": ["IPY_MODEL_slider", "IPY_MODEL_stack"]},
        },
    }
}
PLAYER = (
    f'<script type="application/vnd.jupyter.widget-state+json">{json.dumps(STATE)}</script>'
    '<script type="application/vnd.jupyter.widget-view+json">{"model_id": "player"}</script>'
)


def write(root: Path, name: str, text: str) -> None:
    """Write a file below `root`."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def configure(root: Path, *, repository: str = "", baseurl: str = "") -> None:
    """Write the book's configuration with these addresses and nothing else changed."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["title"] = "Little"
    config["repository"]["url"] = repository
    config["html"]["baseurl"] = baseurl
    write(root, "_config.yml", yaml.safe_dump(config))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Where the cards of all little books are kept, so that each is drawn once."""
    return tmp_path_factory.mktemp("cards")


@pytest.fixture
def little(tmp_path, drawn):
    """A book of two pages and a reference, as a build leaves it; one page is a notebook."""
    configure(tmp_path)
    write(tmp_path, "pyproject.toml", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    write(
        tmp_path,
        "_toc.yml",
        "root: index\nparts:\n  - caption: A part\n    chapters:\n      - file: part/page\n"
        "      - file: api\n        sections:\n          - glob: api/*\n",
    )
    write(tmp_path, "book/part/page.md", NOTEBOOK)
    write(tmp_path, "book/_static/neurotutor.css", "")
    write(tmp_path, "book/references.bib", "")
    pages = {"index": ("First", ""), "part/page": ("A page", CARD + PLAYER), "api": ("API", "")}
    for docname, (title, body) in pages.items():
        up = "../" * docname.count("/")
        text = PAGE.replace("{up}", up).replace("{docname}", docname)
        text = text.replace("{title}", title).replace("{body}", body)
        write(tmp_path, f"_build/html/{docname}.html", text)
        notebook = docname == "part/page"
        facts = {"is_notebook": notebook, "front": {"part": "dynamics"} if notebook else {}}
        write(tmp_path, f"_build/source/_facts/{docname}.json", json.dumps(facts))
    (tmp_path / "_build/html/_static").mkdir()
    (tmp_path / "_build/cards").symlink_to(drawn)
    cell = nbformat.v4.new_code_cell("answer = 42", id="cell-1", metadata={"mystnb": {"a": "b"}})
    starter = nbformat.v4.new_markdown_cell("::::{admonition} Your turn", id="cell-1-starter")
    words = nbformat.v4.new_markdown_cell("See {term}`spike`.", id="cell-0")
    staged = nbformat.v4.new_notebook(cells=[words, starter, cell])
    write(tmp_path, "_build/source/part/page.ipynb", nbformat.writes(staged))
    write(tmp_path, "_build/html/_sources/part/page.ipynb", nbformat.writes(staged))
    for kind in ("student", "instructor"):
        mine = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(kind, id="kind")])
        write(tmp_path, f"_build/notebooks/{kind}/part/page.ipynb", nbformat.writes(mine))
    return Layout(tmp_path)


def read(layout: Layout, name: str) -> str:
    """A file of the published site."""
    return (layout.site / name).read_text(encoding="utf-8")


def soup(layout: Layout, name: str) -> BeautifulSoup:
    """A page of the published site."""
    return BeautifulSoup(read(layout, name), "html.parser")


# ------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("repository", "baseurl", "expected"),
    [
        ("", "", ""),
        (GITHUB, "", "https://someone.github.io/a-book/"),
        (GITHUB + "/", "", "https://someone.github.io/a-book/"),
        ("https://github.com/Someone/someone.github.io", "", "https://someone.github.io/"),
        ("https://gitlab.com/someone/a-book", "", ""),
        (GITHUB, "https://example.org/deep/book", "https://example.org/deep/book/"),
    ],
)
def test_address_of_the_site(little, repository, baseurl, expected):
    configure(little.root, repository=repository, baseurl=baseurl)
    assert Address.read(little).site == expected


@pytest.mark.parametrize(
    ("repository", "baseurl", "key"),
    [
        ("github.com/someone/a-book", "", "repository.url"),
        ("https://github.com/someone", "", "repository.url"),
        ("", "example.org/book", "html.baseurl"),
    ],
)
def test_malformed_address_is_refused(little, repository, baseurl, key):
    configure(little.root, repository=repository, baseurl=baseurl)
    with pytest.raises(BuildError, match=key):
        Address.read(little)


def test_launches(little):
    """Each service gets the form of link that it documents; none without a repository."""
    assert Address.read(little).launches("part/page.ipynb") == {}
    configure(little.root, repository=GITHUB)
    assert Address.read(little).launches("part/page.ipynb") == {
        "Binder": "https://mybinder.org/v2/gh/someone/a-book/notebooks"
        "?urlpath=lab/tree/part/page.ipynb",
        "Colab": "https://colab.research.google.com/github/someone/a-book/blob/notebooks/"
        "part/page.ipynb",
    }
    configure(little.root, repository="https://gitlab.com/someone/a-book")
    assert Address.read(little).launches("page.ipynb") == {
        "Binder": "https://mybinder.org/v2/gl/someone%2Fa-book/notebooks?urlpath=lab/tree/page.ipynb"
    }


def test_one_version_everywhere():
    """The package, the citation, the image of the course and its hub name one version."""
    version = Address.read(Layout.here()).version
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == version
    for name in ("Dockerfile", "jupyterhub_config.py"):
        text = (ROOT / ".jupyterhub" / name).read_text(encoding="utf-8")
        assert set(re.findall(r"neurotutor-course:([\w.]+)", text)) == {version}
    guide = (ROOT / "book/how_to_use.md").read_text(encoding="utf-8")
    assert f"neurotutor-course:{version}" in guide


# ------------------------------------------------------------------------------ cards and the mark


@pytest.mark.parametrize("part", ["", *cards.MOTIFS])
def test_card(part):
    """A card has the size that services ask for, is light, and is the same every time."""
    words = ("A long title that surely needs more than one line", part, "A promise. " * 40, "Book")
    drawn = cards.card(*words)
    assert Image.open(io.BytesIO(drawn)).size == (1200, 630)
    assert len(drawn) < 80_000
    assert drawn == cards.card(*words)


def test_parts_have_motifs():
    parts = {page.front["part"] for page in discover(Layout.here()) if page.is_chapter}
    assert parts == set(cards.MOTIFS)


def test_mark():
    """Icons exist in the sizes that browsers ask for, and logos differ by the colour of letters."""
    icon = Image.open(io.BytesIO(mark.icon_ico()))
    assert icon.info["sizes"] == {(side, side) for side in mark.ICON_SIZES}
    touch = Image.open(io.BytesIO(mark.icon_png(180)))
    assert touch.size == (180, 180)
    colours = {pixel[:3] for _, pixel in touch.getcolors(180 * 180) if pixel[3] == 255}
    for colour in (mark.LEFT_COLOUR, mark.RIGHT_COLOUR):
        assert tuple(bytes.fromhex(colour[1:])) in colours
    for theme, colour in mark.THEMES.items():
        logo = ElementTree.fromstring(mark.logo_svg("Little", theme))
        assert logo.find("{*}path").get("fill") == colour
    ElementTree.fromstring(mark.icon_svg())
    with pytest.raises(ValueError, match="light, dark"):
        mark.logo_svg("Little", "grey")


# ------------------------------------------------------------------------------------- the folder


def test_downloads(little):
    """A notebook page offers three forms that exist; nobody is offered an instructor's."""
    publish.write(little)
    box = soup(little, "part/page.html").select_one("nav.nt-downloads")
    found = {link.get_text(): link["href"] for link in box.select("a")}
    assert [words.split(" (")[0] for words in found] == [
        "Notebook to work in",
        "Executed notebook",
        "Text source",
    ]
    for link in found.values():
        assert (little.site / "part" / link).resolve().is_relative_to(little.site)
        assert (little.site / "part" / link).is_file()
    assert soup(little, "index.html").select_one("nav.nt-downloads") is None
    texts = [path.read_text(encoding="utf-8") for path in little.site.rglob("*.ipynb")]
    assert len(texts) == 2
    assert not [text for text in texts if "instructor" in text]


def test_box_stands_below_the_card(little):
    publish.write(little)
    card = soup(little, "part/page.html").select_one(".nt-card")
    assert card.find_next_sibling().name == "nav"


def test_executed_notebook_is_free_of_page_markup(little):
    publish.write(little)
    notebook = nbformat.reads(read(little, "notebooks/executed/part/page.ipynb"), as_version=4)
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells] == ["See *spike*.", "answer = 42"]
    assert "mystnb" not in notebook.cells[1].metadata


def test_published_notebooks_are_made_anew(little):
    """What a reader did in a notebook below _build is not published."""
    publish.write(little)
    text = read(little, "notebooks/student/part/page.ipynb")
    nbformat.validate(nbformat.reads(text, as_version=4))
    assert "answer = 42" in text
    assert '"kind"' not in text


def test_theme_button_offers_what_is_there(little):
    """The link to the staged notebook leads to the executed one, which took its place."""
    publish.write(little)
    assert not (little.site / "_sources/part/page.ipynb").exists()
    link = soup(little, "part/page.html").select_one("a.btn")["href"]
    assert link == "../notebooks/executed/part/page.ipynb"


def test_pdf_is_offered_where_it_was_printed(little):
    write(little.root, "book.pdf", "%PDF")
    publish.write(little, pdf=little.root / "book.pdf")
    assert soup(little, "index.html").select_one("nav.nt-downloads a")["href"] == publish.PDF_NAME
    assert (little.site / publish.PDF_NAME).is_file()
    assert "PDF" in soup(little, "part/page.html").select_one("nav.nt-downloads").get_text()
    publish.write(little)
    assert not (little.site / publish.PDF_NAME).exists()


def test_launch_buttons_follow_the_address(little):
    """No address, no button; with one, every notebook page has both."""
    publish.write(little)
    assert "mybinder" not in read(little, "part/page.html")
    configure(little.root, repository=GITHUB)
    publish.write(little)
    links = [link["href"] for link in soup(little, "part/page.html").select("nav.nt-downloads a")]
    assert [link for link in links if link.startswith("https://")] == list(
        Address.read(little).launches("part/page.ipynb").values()
    )
    assert "mybinder" not in read(little, "index.html")


def _properties(page: BeautifulSoup) -> dict[str, str]:
    found = page.select("head meta[property], head meta[name]")
    return {meta.get("property", meta.get("name")): meta["content"] for meta in found}


def test_shared_links_show_a_card(little):
    """Title, promise and picture of each page stand in its head, escaped, without citations."""
    publish.write(little)
    said = _properties(soup(little, "part/page.html"))
    assert said["og:title"] == "A page"
    assert said["og:description"] == said["description"] == 'It promises "much". And more.'
    assert said["twitter:card"] == "summary_large_image"
    assert "og:url" not in said
    picture = little.site / "part" / said["og:image"]
    assert Image.open(picture).size == (1200, 630)
    configure(little.root, repository=GITHUB)
    publish.write(little)
    said = _properties(soup(little, "part/page.html"))
    assert said["og:url"] == "https://someone.github.io/a-book/part/page.html"
    assert said["og:image"] == "https://someone.github.io/a-book/_static/cards/part/page.png"


def test_description_of_a_long_page_is_cut(little):
    path = little.html / "index.html"
    text = path.read_text(encoding="utf-8").replace("And more.", "And more of the same. " * 40)
    path.write_text(text, encoding="utf-8")
    publish.write(little)
    said = _properties(soup(little, "index.html"))["description"]
    assert 150 < len(said) <= 200
    assert said.endswith("…")


def test_mark_is_on_every_page(little):
    publish.write(little)
    for name, up in (("index.html", ""), ("part/page.html", "../")):
        page = soup(little, name)
        logos = {image["src"]: image["alt"] for image in page.select(".navbar-brand img")}
        assert logos == {
            f"{up}_static/logo-{theme}.svg": "Little, first page" for theme in ("light", "dark")
        }
        icons = [link["href"] for link in page.select('link[rel~="icon"]')]
        assert icons
        goals = [*logos, *icons]
        assert all(((little.site / name).parent / goal).is_file() for goal in goals)


@pytest.mark.parametrize("repository", ["", GITHUB])
def test_root_files(little, repository):
    """Site map and robots' file say the address where it is known, and are relative elsewhere."""
    configure(little.root, repository=repository)
    publish.write(little)
    base = Address.read(little).site
    places = [each.text for each in ElementTree.fromstring(read(little, "sitemap.xml")).iter()]
    assert [place for place in places if place and place.strip()] == [
        f"{base}{name}" for name in ("api.html", "index.html", "part/page.html")
    ]
    assert (f"Sitemap: {base}sitemap.xml" in read(little, "robots.txt")) == bool(base)
    assert (little.site / ".nojekyll").is_file()
    assert json.loads(read(little, "site.json"))["pages"] == [
        "api.html",
        "index.html",
        "part/page.html",
    ]


def test_report_says_that_there_is_no_address(little, capsys):
    publish.report(little, publish.write(little))
    said = capsys.readouterr().out
    assert "no address is set" in said
    assert "part/page.html" in said
    assert "the whole site" in said
    configure(little.root, repository=GITHUB)
    publish.report(little, publish.write(little))
    assert "no address is set" not in capsys.readouterr().out


def test_heavy_page_is_not_published(little):
    """A page above its budget stops the command and leaves the site that was there."""
    publish.write(little)
    before = read(little, "index.html")
    path = little.html / "part/page.html"
    text = path.read_text(encoding="utf-8") + "x" * site.WEIGHT_LIMIT
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BuildError, match=r"too heavy.*\npart/page.html"):
        publish.write(little)
    assert read(little, "index.html") == before
    facts = {"is_notebook": True, "front": {"page_bytes": 6_000_000}}
    write(little.root, "_build/source/_facts/part/page.json", json.dumps(facts))
    publish.write(little)


def test_nothing_built_is_said(little):
    (little.html / "index.html").unlink()
    with pytest.raises(BuildError, match="run `python -m book.tools book`"):
        publish.write(little)


def test_players_stand_at_their_first_frame_without_scripts(little):
    publish.write(little)
    text = read(little, "part/page.html")
    assert text.count("<noscript><b>second</b></noscript>") == 1
    assert widgets.with_first_frames("<p>nothing moves here</p>") == "<p>nothing moves here</p>"


# ------------------------------------------------------------------------------ lost readers


def apart(function, *words, **named):
    """Call a function on a thread of its own: only one thread may drive a browser at a time."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *words, **named).result()


def lost(layout: Layout, name: str, *, script: bool = True):
    """Links home, and guesses, at an address that does not exist on a host, below a prefix."""
    with site.serving(layout.site, prefix="/deep/book/") as address, site.chromium() as browser:
        context = browser.new_context(java_script_enabled=script)
        page = context.new_page()
        page.goto(address + name)
        if script:
            page.wait_for_selector("#start a")
        start = page.locator("#start a")
        links = [each.get_attribute("href") for each in start.all()]
        guesses = [each.inner_text() for each in page.locator("#guesses a").all()]
        said = page.locator("h1").is_visible()
        if script:
            start.first.click()
            page.wait_for_url("**/deep/book/index.html")
            assert page.title().startswith("First")
        context.close()
    assert said
    return links, guesses


@needs_chromium
@pytest.mark.parametrize("name", ["nowhere", "a/b/c/nowhere.html", "elsewhere/page.html"])
def test_lost_readers_find_the_root(little, name):
    """At whatever depth, below whatever path, the page leads home, and guesses a moved page."""
    publish.write(little)
    links, guesses = apart(lost, little, name)
    assert links == ["/deep/book/index.html", "/deep/book/search.html"]
    assert guesses == (["part/page.html"] if name.endswith("page.html") else [])


@needs_chromium
def test_lost_readers_without_scripts(little):
    """Without scripts there is a link where the address is known, and never a dead one."""
    publish.write(little)
    assert apart(lost, little, "a/b/nowhere", script=False) == ([], [])
    configure(little.root, repository=GITHUB)
    publish.write(little)
    links, _ = apart(lost, little, "a/b/nowhere", script=False)
    assert links == ["https://someone.github.io/a-book/"]


def test_lost_page_asks_for_nothing_beside_it(little):
    publish.write(little)
    page = soup(little, "404.html")
    assert [each for each in page.select("[src]")] == []
    assert [each for each in page.select("[href]") if not each["href"].startswith("data:")] == []


# ---------------------------------------------------------------------- notebooks to launch


@pytest.fixture
def launched(little):
    """The content of the branch for a book whose repository is known."""
    configure(little.root, repository=GITHUB)
    for name in launch.CARRIED:
        if not (little.root / name).exists():
            (little.root / name).parent.mkdir(parents=True, exist_ok=True)
            (little.root / name).symlink_to(ROOT / name)
    assert launch.write(little)
    return little


def test_branch_holds_package_and_notebooks(launched):
    """Whatever the services need lies on the branch; solutions do not."""
    for name in launch.CARRIED:
        assert (launched.launch / name).exists(), name
    assert (launched.launch / "part/page.ipynb").is_file()
    assert not [path for path in launched.launch.rglob("*") if "instructor" in path.name]
    assert not list(launched.launch.rglob("__pycache__"))
    assert Address.read(Layout(launched.launch.parent.parent)).version in (
        launched.launch / "pyproject.toml"
    ).read_text(encoding="utf-8")
    mode = (launched.launch / ".binder/postBuild").stat().st_mode
    assert mode & stat.S_IXUSR


def test_no_branch_without_an_address(little, capsys):
    assert not launch.write(little)
    assert not little.launch.exists()
    assert "repository.url" in capsys.readouterr().out


def test_first_cell_installs_in_colab_alone(launched, monkeypatch):
    """The cell is valid, installs the pinned state in Colab, and does nothing elsewhere."""
    notebook = nbformat.read(launched.launch / "part/page.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].id == "colab"
    assert notebook.cells[-1].source == "answer = 42"
    asked = []
    shell = types.SimpleNamespace(run_line_magic=lambda *words: asked.append(words))
    code = TransformerManager().transform_cell(notebook.cells[0].source)
    monkeypatch.setattr(sys, "path", list(sys.path))
    exec(code, {"get_ipython": lambda: shell})
    assert asked == []
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    exec(code, {"get_ipython": lambda: shell})
    ((magic, words),) = asked
    version = Address.read(launched).version
    assert magic == "pip"
    assert f'"git+{GITHUB}@v{version}#egg=neurotutor"' in words
    assert sys.path[0] == "/content/src/neurotutor"
    assert f"version {version}" in notebook.cells[0].source


def test_state_is_the_commit_of_a_checkout():
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    assert re.fullmatch(r"[0-9a-f]{40}", launch.state(Layout.here(), Address.read(Layout.here())))


# ------------------------------------------------------------------ recipes, as far as text goes


def test_binder_reads_the_pins():
    """Binder installs the book's pins on the Python that the book is tested with."""
    lines = (ROOT / ".binder/requirements.txt").read_text(encoding="utf-8").split("\n")
    referred = [line.split()[1] for line in lines if line.startswith("-r ")]
    assert [(ROOT / ".binder" / name).resolve() for name in referred] == [ROOT / "requirements.txt"]
    assert (ROOT / ".binder/runtime.txt").read_text(encoding="utf-8") == "python-3.11\n"
    assert (ROOT / ".binder/postBuild").stat().st_mode & stat.S_IXUSR


def test_recipe_of_the_image():
    """The image is pinned, copies what exists, ends with a user who is not root."""
    text = (ROOT / ".jupyterhub/Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", " ", text).split("\n")
    words = [line.split() for line in lines if line and not line.startswith("#")]
    (base,) = [line[1] for line in words if line[0] == "FROM"]
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base)
    users = [line[1] for line in words if line[0] == "USER"]
    assert users == ["learner"]
    assert words.index(["USER", "learner"]) < [line[0] for line in words].index("CMD")
    admitted = (ROOT / ".jupyterhub/Dockerfile.dockerignore").read_text(encoding="utf-8")
    for line in words:
        if line[0] != "COPY":
            continue
        for source in [word for word in line[1:-1] if not word.startswith("--")]:
            assert source.startswith("_build/") or (ROOT / source).exists(), source
            assert any(
                source.startswith(kept[1:]) for kept in admitted.split("\n") if kept[:1] == "!"
            ), source
    assert "instructor" not in text + admitted
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8").split("\n")
    assert any(pin.startswith("nbgrader==") for pin in pins)
    (hub,) = (ROOT / ".jupyterhub/requirements.txt").read_text(encoding="utf-8").split()
    assert re.fullmatch(r"jupyterhub==[\d.]+", hub)
    config = (ROOT / ".jupyterhub/jupyterhub_config.py").read_text(encoding="utf-8")
    assert hub in config
    compile(config, "jupyterhub_config.py", "exec")
    assert (ROOT / ".jupyterhub/start").stat().st_mode & stat.S_IXUSR


def _jobs(name: str) -> dict:
    text = (ROOT / ".github/workflows" / name).read_text(encoding="utf-8")
    return yaml.safe_load(text)["jobs"]


def test_workflow_publishes_what_was_tested():
    """The workflow tests, then makes the site; only the jobs that write may write."""
    jobs = _jobs("publish.yml")
    runs = [step.get("run", "") for step in jobs["build"]["steps"]]
    assert runs.index(".ci/run") < runs.index("make site")
    paths = [step.get("with", {}).get("path") for step in jobs["build"]["steps"]]
    assert {"_build/site", "_build/launch"} <= set(paths)
    layout = Layout.here()
    assert layout.site == layout.root / "_build/site"
    assert layout.launch == layout.root / "_build/launch"
    assert jobs["site"]["needs"] == jobs["notebooks"]["needs"] == "build"
    assert "permissions" not in jobs["build"]
    assert jobs["notebooks"]["permissions"] == {"contents": "write"}
    branch = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    assert jobs["notebooks"]["steps"][-1]["run"].split()[-1] == branch["branch"]
    assert "test" in _jobs("book.yml")


def test_actions_are_pinned():
    for name in ("publish.yml", "book.yml"):
        used = [
            step["uses"] for job in _jobs(name).values() for step in job["steps"] if "uses" in step
        ]
        assert used
        assert [each for each in used if not re.fullmatch(r"[\w/-]+@v\d+", each)] == []


# ------------------------------------------------------------------------------------ the PDF


@pytest.fixture
def printable(little):
    """The little book without its player, which needs scripts that only a whole build has."""
    assets.folder(little).mkdir(parents=True)
    path = little.html / "part/page.html"
    path.write_text(path.read_text(encoding="utf-8").replace(PLAYER, ""), encoding="utf-8")
    return little


@needs_chromium
def test_two_pages_are_printed(printable):
    """Order, bookmarks, numbers, links within the book; no trace of the server that served it."""
    printed = apart(printing.book, printable)
    reader = PdfReader(printed.path)
    assert printed.pages == len(reader.pages) == 4
    texts = [page.extract_text() for page in reader.pages]
    assert "Version" in texts[0]
    assert re.search(r"First 3\s+A part\s+A page 4", texts[1])
    assert "Last words" in texts[2]
    assert texts[2].rstrip().endswith("3")
    assert texts[3].rstrip().endswith("4")
    first, part, (page,) = reader.outline
    assert [first.title, part.title, page.title] == ["First", "A part", "A page"]
    assert [reader.get_destination_page_number(each) for each in (first, page)] == [2, 3]
    links = [[link.get_object() for link in sheet.get("/Annots", ())] for sheet in reader.pages]
    goals = [
        [reader.get_page_number(link["/Dest"][0]) for link in each if "/Dest" in link]
        for each in links
    ]
    assert goals[:2] == [[], [2, 3]]
    assert set(goals[2]) == set(goals[3]) == {2, 3}
    links = [link for each in links for link in each]
    outside = [str(link["/A"]["/URI"]) for link in links if "/A" in link]
    assert set(outside) == {"https://example.org/x"}
    assert b"127.0.0.1" not in printed.path.read_bytes()


@needs_chromium
def test_same_book_is_printed_once(printable):
    printed = apart(printing.book, printable)
    before = printed.path.stat().st_mtime_ns
    assert apart(printing.book, printable) == printed
    assert printed.path.stat().st_mtime_ns == before
    write(printable.root, "_build/html/_static/other.css", "p { color: red; }")
    apart(printing.book, printable)
    assert printed.path.stat().st_mtime_ns != before


def test_without_a_browser_one_error_says_what_is_missing(little, monkeypatch):
    monkeypatch.setattr(site, "browser_path", lambda: None)
    with pytest.raises(BuildError, match="no Chromium or Chrome is installed"):
        printing.book(little)


def test_page_that_was_not_built_is_named(printable, monkeypatch):
    monkeypatch.setattr(site, "browser_path", lambda: "/usr/bin/chromium")
    (printable.html / "part/page.html").unlink()
    with pytest.raises(BuildError, match="not built yet: part/page"):
        printing.book(printable)


def test_every_page_but_the_reference_is_printed():
    """The order is that of the table of contents."""
    entries = printing.contents(Layout.here())
    names = [entry.docname for entry in entries]
    pages = {page.docname for page in discover(Layout.here())}
    assert names[0] == "index"
    assert set(names) == pages - {"api"}
    assert len(names) == len(set(names))
    assert entries[names.index("plasticity/nemo")].caption == "Plasticity"
