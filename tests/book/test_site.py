"""The built site in a browser, with every other address blocked, and its files one by one."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from book.tools import site
from book.tools.layout import Layout
from book.tools.pages import discover

LAYOUT = Layout.here()
HTML = LAYOUT.html
PAGES = site.page_paths(HTML) or ["index.html"]
PREFIX = "/shared/host/book/"
ALL_VIEWS = [(theme, width) for theme in site.THEMES for width in site.WIDTHS]

# Built without npm, the site links a CDN, which must not be asked here.
SELF_SERVED = (HTML / "_static" / "vendor" / "mathjax").is_dir()
needs_chromium = pytest.mark.skipif(
    site.browser_path() is None or not SELF_SERVED,
    reason="needs chromium, and a site that was built with npm",
)


@pytest.fixture(scope="session", autouse=True)
def built():
    """The site must have been built; `make test` does so before it comes here."""
    if not (HTML / "index.html").is_file():
        pytest.fail("there is no site in _build/html; run `python -m book.tools book` first")


# ------------------------------------------------------------------------------- in a browser


class Visit:
    """One open page, and everything that it complained about or asked others for."""

    def __init__(self, context, address: str):
        self.address = address
        self.page = context.new_page()
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.missing: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("response", self._response)
        self.page.route("**/*", self._route)

    def _console(self, message) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _response(self, response) -> None:
        if response.status >= 400:
            self.missing.append(f"{response.status} {response.url}")

    def _route(self, route) -> None:
        if route.request.url.startswith(self.address):
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def open(self, name: str) -> None:
        """Load a page of the site and wait until it is drawn."""
        self.page.goto(self.address + name)
        site.settle(self.page)


@pytest.fixture(scope="session")
def browser():
    """The installed browser."""
    with site.chromium() as found:
        yield found


@pytest.fixture(scope="session")
def address():
    """The site below a path of a host, as it will be published."""
    with site.serving(HTML, prefix=PREFIX) as found:
        yield found


@pytest.fixture
def visit(browser, address):
    """A fresh visitor on a wide screen."""
    across, down = site.WIDTHS["wide"]
    context = browser.new_context(viewport={"width": across, "height": down})
    yield Visit(context, address)
    context.close()


# text nodes outside code in which markup of a formula is left over
RAW_FORMULAS = r"""() => {
  const found = [];
  const walker = document.createTreeWalker(
    document.querySelector('article') || document.querySelector('main') || document.body,
    NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest('pre, code, script, style, mjx-container, svg')) continue;
    if (/\\\(|\\\[|\$\$|\\begin\{|\$[^$\s][^$]*\$/.test(node.data)) found.push(node.data.trim());
  }
  for (const math of document.querySelectorAll('article .math'))
    if (!math.querySelector('mjx-container')) found.push(math.textContent.trim());
  for (const error of document.querySelectorAll('mjx-merror, [data-mjx-error]'))
    found.push(error.getAttribute('data-mjx-error') || error.textContent);
  return found;
}"""

# elements that reach beyond the screen without an ancestor that scrolls
OVERFLOWING = r"""() => {
  const wide = document.documentElement.clientWidth + 1;
  const found = [];
  if (document.documentElement.scrollWidth > wide)
    found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  for (const element of document.querySelectorAll('article *')) {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || box.right <= wide) continue;
    let inside = element.parentElement, held = false;
    while (inside && !held) {
      held = ['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(inside).overflowX)
        && inside.getBoundingClientRect().right <= wide;
      inside = inside.parentElement;
    }
    if (!held && !element.closest('mjx-assistive-mml, .headerlink'))
      found.push(`${element.tagName}.${element.className}: ${Math.round(box.right)} px`);
  }
  return found.slice(0, 5);
}"""

UNNAMED_IMAGES = """() => [...document.querySelectorAll('img:not([alt]), img[alt=""]')]
  .filter(image => !image.closest('.navbar-brand, [aria-hidden=true]'))
  .map(image => image.outerHTML.slice(0, 200))"""

SET_THEME = "theme => { document.documentElement.dataset.theme = theme; }"


@needs_chromium
@pytest.mark.parametrize("name", PAGES)
def test_page(visit, name):
    """A page opens without an error, asks nobody else, and is drawn in full at every size."""
    visit.open(name)
    assert visit.errors == []
    assert visit.foreign == []
    assert visit.missing == []
    assert visit.page.evaluate(RAW_FORMULAS) == []
    assert visit.page.evaluate(UNNAMED_IMAGES) == []
    # The pages of the API are made by one template: the narrowest view shows what is too wide.
    for theme, width in [("light", "narrow")] if name.startswith("api/") else ALL_VIEWS:
        across, down = site.WIDTHS[width]
        visit.page.set_viewport_size({"width": across, "height": down})
        visit.page.evaluate(SET_THEME, theme)
        assert visit.page.evaluate(OVERFLOWING) == [], f"{width}, {theme}"


def _pages_with(mark: str) -> list[str]:
    return [
        name
        for name in PAGES
        if (HTML / name).is_file() and mark in (HTML / name).read_text(encoding="utf-8")
    ]


VISIBLE_FRAME = """player => {
  const shown = [...player.querySelectorAll('img, .widget-html-content')]
    .filter(item => item.offsetParent !== null);
  return shown.map(item => item.currentSrc || item.textContent).join('|');
}"""


@needs_chromium
@pytest.mark.parametrize("name", _pages_with("nt-player"))
@pytest.mark.parametrize("width", site.WIDTHS)
def test_players_move(visit, name, width):
    """Every frame player shows another frame when its slider is driven, and plays."""
    across, down = site.WIDTHS[width]
    visit.page.set_viewport_size({"width": across, "height": down})
    visit.open(name)
    players = visit.page.query_selector_all(".nt-player")
    assert players
    for player in players:
        handle = player.query_selector(".noUi-handle")
        handle.scroll_into_view_if_needed()
        first = player.evaluate(VISIBLE_FRAME)
        assert first
        handle.focus()
        visit.page.keyboard.press("ArrowRight")
        visit.page.wait_for_function(
            f"([player, first]) => ({VISIBLE_FRAME})(player) !== first", arg=[player, first]
        )
        moved = player.evaluate(VISIBLE_FRAME)
        player.query_selector("button").click()
        visit.page.wait_for_function(
            f"([player, moved]) => ({VISIBLE_FRAME})(player) !== moved", arg=[player, moved]
        )
    assert visit.errors == []
    assert visit.foreign == []


@needs_chromium
@pytest.mark.parametrize("name", _pages_with("nt-quiz"))
def test_questions_answer_by_keyboard(visit, name):
    """Every question keeps its reasons back until an option is chosen, by keyboard alone."""
    visit.open(name)
    quizzes = visit.page.query_selector_all("fieldset.nt-quiz")
    assert quizzes
    for quiz in quizzes:
        options = quiz.query_selector_all("input[type=radio]")
        reasons = quiz.query_selector_all(".nt-why")
        assert len(options) == len(reasons) >= 2
        assert not any(reason.is_visible() for reason in reasons)
        options[0].focus()
        visit.page.keyboard.press("Space")
        assert [reason.is_visible() for reason in reasons].index(True) == 0
        visit.page.keyboard.press("ArrowDown")
        assert [reason.is_visible() for reason in reasons].index(True) == 1
        assert sum(reason.is_visible() for reason in reasons) == 1


PLAY_SOUND = """async () => {
  const sound = document.querySelector('figure.nt-sound audio');
  sound.muted = true;  // browsers let a page start only silent sounds by itself
  await sound.play();
  await new Promise(done => setTimeout(done, 700));
  sound.pause();
  return [sound.currentTime, sound.duration, sound.error === null];
}"""


@needs_chromium
@pytest.mark.parametrize("name", _pages_with("nt-sound"))
def test_sound_plays_and_says_what_it_is(visit, name):
    visit.open(name)
    at, length, sane = visit.page.evaluate(PLAY_SOUND)
    assert sane
    assert at > 0.1
    assert 0.5 < length <= 6
    texts = visit.page.locator("figure.nt-sound figcaption").all_inner_texts()
    assert texts
    assert min(map(len, texts)) >= 20


@needs_chromium
def test_search_finds(visit):
    """The search works without any other host."""
    visit.open("search.html?q=transport")
    visit.page.wait_for_selector("#search-results li a", timeout=10000)
    assert visit.errors == []
    assert visit.foreign == []


@needs_chromium
def test_theme_switch(visit):
    """The reader can switch between light and dark."""
    visit.open("index.html")
    seen = set()
    for _ in range(3):
        seen.add(visit.page.evaluate("() => document.documentElement.dataset.theme"))
        visit.page.click("button.theme-switch-button:visible")
    assert {"light", "dark"} <= seen


# ------------------------------------------------------------------------------- file by file


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    """Every link within the site leads to a page, and to a place on it, that exist."""
    soup = BeautifulSoup((HTML / name).read_text(encoding="utf-8"), "html.parser")
    broken = []
    for link in soup.find_all("a", href=True):
        target = urllib.parse.urlsplit(link["href"])
        if target.scheme or target.netloc:
            continue
        goal = HTML / name
        if target.path:
            goal = goal.parent / urllib.parse.unquote(target.path)
        known = goal.is_file()
        if known and target.fragment and goal.suffix == ".html":
            known = _has(goal, target.fragment)
        if not known:
            broken.append(link["href"])
    assert broken == []


_PLACES: dict[Path, set[str]] = {}


def _has(path: Path, fragment: str) -> bool:
    path = path.resolve()
    if path not in _PLACES:
        text = path.read_text(encoding="utf-8")
        _PLACES[path] = set(re.findall(r'\b(?:id|name)="([^"]+)"', text))
    return urllib.parse.unquote(fragment) in _PLACES[path] or fragment in ("", "top")


@pytest.mark.parametrize("page", [page for page in discover(LAYOUT) if page.is_chapter], ids=str)
def test_page_weight(page):
    """A chapter stays light enough for a phone, pictures and players included."""
    weight = site.page_weight(HTML / f"{page.docname}.html")
    assert weight < page.front.get("page_bytes", site.WEIGHT_LIMIT)


def test_weight_counts_pictures_once(tmp_path):
    page = tmp_path / "page.html"
    (tmp_path / "a.png").write_bytes(b"x" * 100)
    page.write_text('<img src="a.png"><img src="a.png"><img src="data:image/png;base64,AA">')
    assert site.page_weight(page) == page.stat().st_size + 100


@pytest.mark.parametrize("name", PAGES)
def test_no_absolute_paths(name):
    """No page tells where on somebody's disk it was built."""
    text = (HTML / name).read_text(encoding="utf-8")
    places = [str(LAYOUT.root), str(Path.home()), "/site-packages/"]
    assert [place for place in places if place in text] == []
