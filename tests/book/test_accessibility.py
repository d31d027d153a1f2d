"""Every page for every reader: axe-core, keyboard, zoom, reduced motion, paper, and pictures."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from book.tools import accessibility, assets, markup, site
from book.tools.layout import Layout
from neurotutor.teaching import page as pieces

LAYOUT = Layout.here()
HTML = LAYOUT.html
PAGES = site.page_paths(HTML)
TEXTS = [name for name in PAGES if not name.startswith("api/")]
REFERENCE = [name for name in PAGES if name.startswith("api/")]
PATIENCE = 120_000  # milliseconds, for a machine that does other things besides
STATIC = LAYOUT.root / "book" / "_static"

SELF_SERVED = (HTML / "_static" / "vendor" / "mathjax").is_dir()
needs_chromium = pytest.mark.skipif(site.browser_path() is None, reason="needs chromium")
needs_site = pytest.mark.skipif(
    site.browser_path() is None or not SELF_SERVED,
    reason="needs chromium, and a site that was built with npm",
)
needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")


def _pages_with(mark: str) -> list[str]:
    return [name for name in TEXTS if mark in (HTML / name).read_text(encoding="utf-8")]


@pytest.fixture(scope="module")
def browser():
    """The installed browser."""
    with site.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address():
    """The built site below a path of a host."""
    with site.serving(HTML, prefix="/shared/host/book/") as found:
        yield found


@pytest.fixture
def reader(browser):
    """A page in a browser whose reader asked for less motion."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


# ------------------------------------------------------------------------------- every page


@dataclass
class Findings:
    """What a walk through the site found, by kind: "page: what"."""

    pages: int = 0
    violations: list[str] = field(default_factory=list)
    undecided: set[str] = field(default_factory=set)
    unreachable: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def walk(browser, address):
    """One load of every page, in one tab."""
    axe = accessibility.script(LAYOUT)
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    found = Findings()
    for name in PAGES:
        page.goto(address + name)
        site.settle(page)
        found.pages += 1
        if name in TEXTS:
            each = page.evaluate(accessibility.UNREACHABLE)
            found.unreachable += [f"{name}: {text}" for text in each]
        # The pages of the API share all but the article, which one of them is asked about in full.
        alike = name in REFERENCE[1:]
        violations, undecided = accessibility.audit(page, axe, "article" if alike else "html")
        found.violations += [f"{name}: {text}" for text in violations]
        found.undecided |= {text.split(": ")[1] for text in undecided}
    context.close()
    return found


@needs_site
@needs_npm
def test_axe_finds_nothing(walk, capsys):
    """No violation of WCAG 2.2 A and AA on any page, light and dark."""
    with capsys.disabled():
        print(
            f"\naxe-core: {walk.pages} pages, light and dark: {len(walk.violations)} violations; "
            f"undecided rules: {', '.join(sorted(walk.undecided)) or 'none'}"
        )
    assert walk.pages == len(PAGES)
    assert walk.violations == []


@needs_site
@needs_npm
def test_everything_that_reacts_is_reached_named_and_shows_focus(walk):
    assert walk.unreachable == []


@needs_chromium
@needs_npm
@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("<img src='data:,'>", "image-alt"),
        ("<p style='color:#999;background:#fff'>pale words on white paper</p>", "color-contrast"),
        ("<button><i></i></button>", "button-name"),
        ("<pre><span class='k' style='color:#bbb'>return</span></pre>", "color-contrast"),
    ],
)
def test_axe_would_find_what_is_planted(reader, body, rule):
    reader.set_content(
        f"<html lang='en'><title>t</title><body><main><article>{body}</article></main></body>"
    )
    violations, _ = accessibility.audit(reader, accessibility.script(LAYOUT))
    assert any(f": {rule}: " in text for text in violations)


def test_what_checks_the_site_is_no_part_of_it():
    assert list(HTML.rglob("axe*.js")) == []


# ------------------------------------------------------------------------------- zoom and motion

LARGE_TEXT = "() => { document.documentElement.style.fontSize = '200%'; }"


@needs_site
@pytest.mark.parametrize("name", TEXTS)
def test_twice_the_size_stays_readable(browser, address, name):
    """At 200 %, by the browser's zoom or by larger text alone, nothing is cut off."""
    context = browser.new_context(
        viewport={"width": 640, "height": 450}, device_scale_factor=2, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address + name)
    site.settle(page)
    zoomed = page.evaluate(accessibility.UNREADABLE)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.evaluate(LARGE_TEXT)
    enlarged = page.evaluate(accessibility.UNREADABLE)
    context.close()
    assert zoomed == []
    assert enlarged == []


MOVING = """() => [...document.querySelectorAll('html, body, article *')].filter(item => {
  const style = getComputedStyle(item);
  return style.scrollBehavior === 'smooth' || style.animationName !== 'none' ||
    style.transitionDuration.split(',').some(time => parseFloat(time) > 0);
}).map(item => item.outerHTML.slice(0, 100))"""
SHOWN = """() => [...document.querySelectorAll('.nt-player .nt-frame figcaption')]
  .filter(item => item.checkVisibility()).map(item => item.textContent)"""


@needs_site
@pytest.mark.parametrize("name", _pages_with("nt-player")[:2])
def test_nothing_moves_by_itself(reader, address, name):
    reader.goto(address + name)
    site.settle(reader)
    assert reader.evaluate(MOVING) == []
    before = reader.evaluate(SHOWN)
    assert before
    reader.wait_for_timeout(1500)  # three times as long as a frame stands
    assert reader.evaluate(SHOWN) == before


# ------------------------------------------------------------------------------- keyboard


def _tab_to(page, selector: str) -> None:
    """Press Tab until the focus is on the first element of this kind."""
    page.evaluate(
        """selector => {
          const goal = document.querySelector(selector);
          const before = [...document.querySelectorAll('a, button, summary, input')]
            .filter(item => item.checkVisibility() &&
              item.compareDocumentPosition(goal) & Node.DOCUMENT_POSITION_FOLLOWING);
          before.at(-1).focus();
        }""",
        selector,
    )
    for _ in range(4):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"Tab does not lead to {selector}")


@needs_site
@pytest.mark.parametrize("name", _pages_with("nt-player")[:1])
def test_a_player_is_driven_by_keys(reader, address, name):
    """Tab leads to the button and the slider; keys play, step and say which frame is shown."""
    reader.goto(address + name)
    site.settle(reader)
    _tab_to(reader, ".nt-player .widget-play button")
    button = reader.locator(".nt-player .widget-play button").first
    assert button.get_attribute("aria-label") == "Play"
    first = reader.evaluate(SHOWN)
    reader.keyboard.press("Enter")
    reader.wait_for_function(f"first => ({SHOWN})()[0] !== first[0]", arg=first)
    reader.wait_for_function("() => document.activeElement.ariaLabel === 'Pause'")
    reader.keyboard.press("Enter")
    _tab_to(reader, ".nt-player .noUi-handle")
    handle = reader.locator(".nt-player .noUi-handle").first
    reader.keyboard.press("Home")
    reader.wait_for_function(f"first => ({SHOWN})()[0] === first[0]", arg=first)
    reader.keyboard.press("ArrowRight")
    reader.wait_for_function(f"first => ({SHOWN})()[0] !== first[0]", arg=first)
    assert handle.get_attribute("aria-label")
    assert handle.get_attribute("aria-valuetext") == reader.evaluate(SHOWN)[0].strip()


@needs_site
@pytest.mark.parametrize("name", _pages_with('class="nt-quiz"')[:1])
def test_a_question_is_answered_by_keys(reader, address, name):
    reader.goto(address + name)
    site.settle(reader)
    _tab_to(reader, ".nt-choice input")
    assert reader.locator(".nt-choice .nt-why:visible").count() == 0
    reader.keyboard.press("Space")
    assert reader.locator(".nt-choice .nt-why:visible").count() == 1
    reader.keyboard.press("ArrowDown")
    assert reader.locator(".nt-choice .nt-why:visible").count() == 1


def _question(**changes) -> str:
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "display", shown.append)
        pieces.ask_number(
            "A quarter, as a number?",
            0.25,
            "One part of four.",
            **{
                "tolerance": 0.01,
                "mistakes": [(4, "You divided the other way round.")],
                "id": "toy-n1",
                **changes,
            },
        )
    return shown[0].data


def _open_question(page, *, script: bool = True) -> None:
    style = (STATIC / "neurotutor.css").read_text(encoding="utf-8")
    code = (STATIC / "neurotutor.js").read_text(encoding="utf-8") if script else ""
    question = _question()
    # served rather than set, so that the document's events come as on the site
    page.route(
        "http://book.test/",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f"<html lang='en'><head><meta charset='utf-8'><title>t</title>"
            f"<style>{style}</style><script>{code}</script></head>"
            f"<body><main><article class='bd-article'>{question}</article></main></body></html>",
        ),
    )
    page.goto("http://book.test/")


@needs_chromium
@pytest.mark.parametrize(
    ("typed", "reply"),
    [
        ("0.25", "Right. One part of four."),
        ("0,255", "Right. One part of four."),
        ("1/4", "Right. One part of four."),
        ("25 %", "Right. One part of four."),
        ("4", "Not so. You divided the other way round."),
        ("0.3", "Not so. Compute it again, or open the answer below."),
        ("a quarter", "Not so. That is not a number. Type one, such as 0.25."),
        ("", "Not so. That is not a number. Type one, such as 0.25."),
        ("1/0", "Not so. That is not a number. Type one, such as 0.25."),
    ],
)
def test_a_number_is_judged_by_keys(reader, typed, reply):
    _open_question(reader)
    reader.keyboard.press("Tab")
    reader.keyboard.type(typed)
    reader.keyboard.press("Enter")
    answer = reader.get_by_role("status")
    assert answer.inner_text() == reply
    assert reader.get_by_label("Your answer").input_value() == typed


@needs_chromium
def test_without_a_script_the_answer_unfolds(reader):
    _open_question(reader, script=False)
    assert not reader.locator("form").is_visible()
    assert not reader.get_by_text("One part of four.").is_visible()
    reader.keyboard.press("Tab")
    reader.keyboard.press("Enter")
    assert reader.get_by_text("One part of four.").is_visible()
    assert reader.get_by_text("other way round").is_visible()


@needs_chromium
@needs_npm
def test_a_question_with_a_number_passes_axe(reader):
    _open_question(reader)
    reader.keyboard.press("Tab")
    assert reader.evaluate(accessibility.UNREACHABLE) == []
    assert accessibility.audit(reader, accessibility.script(LAYOUT))[0] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tolerance": 0}, "tolerance above 0"),
        ({"mistakes": [(float("nan"), "why")]}, "finite"),
        ({"mistakes": [(4, " ")]}, "reason"),
        ({"mistakes": [(0.26, "close")]}, "told apart"),
        ({"id": "a b"}, "small letters"),
    ],
)
def test_a_bad_question_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        _question(**changes)


# ------------------------------------------------------------------------------- paper

ON_PAPER = """() => {
  const seen = (selector) =>
    [...document.querySelectorAll(selector)].filter(item => item.checkVisibility()).length;
  const order = [...document.querySelectorAll('fieldset.nt-quiz')].every(quiz => {
    const bottom = Math.max(...[...quiz.querySelectorAll('.nt-option')]
      .map(item => item.getBoundingClientRect().bottom));
    return [...quiz.querySelectorAll('.nt-why')]
      .every(item => item.getBoundingClientRect().top >= bottom - 1);
  });
  return {
    controls: seen('.nt-player button, .nt-player .noUi-handle, .nt-player select, ' +
      '.bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article, .prev-next-area, ' +
      '.nt-quiz input, .nt-number form, .copybtn'),
    frames: seen('.nt-player .nt-frame') - document.querySelectorAll('.nt-player').length,
    reasons: document.querySelectorAll('.nt-choice').length - seen('.nt-choice .nt-why'),
    below: order,
    cut: [...document.querySelectorAll('article pre')]
      .filter(item => item.checkVisibility() && item.scrollWidth > item.clientWidth + 1).length,
    wide: document.documentElement.scrollWidth > document.documentElement.clientWidth + 1,
  };
}"""


@needs_site
@pytest.mark.parametrize("name", _pages_with('class="nt-quiz"')[:3])
def test_on_paper(reader, address, name):
    """One column: text, first frames, and each question with its reasons below the options."""
    reader.goto(address + name)
    site.settle(reader)
    reader.emulate_media(media="print")
    reader.set_viewport_size({"width": 680, "height": 960})  # A4 less its margins
    assert reader.evaluate(ON_PAPER) == {
        "controls": 0,
        "frames": 0,
        "reasons": 0,
        "below": True,
        "cut": 0,
        "wide": False,
    }


@needs_chromium
def test_on_paper_the_answer_to_a_number_is_unfolded(reader):
    _open_question(reader)
    reader.emulate_media(media="print")
    assert reader.get_by_text("One part of four.").is_visible()
    assert not reader.locator("form").is_visible()


# ------------------------------------------------------------------------------- file by file


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "py-modindex.html"])
def test_pictures_say_what_to_see(name):
    assert list(accessibility.weak_alts(accessibility.pictures(HTML / name))) == []


@pytest.mark.parametrize(
    ("alt", "caption", "reason"),
    [
        ("Too short to say anything.", "", "26 characters"),
        ("results of the second run, as they stand in the file figure2.png", "", "file"),
        ("Image of many neurons that fire together, one row for each neuron.", "", "begins"),
        (
            "Error falls with the number of neurons and flattens.",
            "Error falls with the number of neurons, and flattens.",
            "repeats",
        ),
    ],
)
def test_weak_words_for_a_picture_are_found(alt, caption, reason):
    text = f'<figure><img src="a.png" alt="{alt}"><figcaption>{caption}</figcaption></figure>'
    (found,) = accessibility.weak_alts(text)
    assert reason in found


def test_two_pictures_with_the_same_words_are_found():
    alt = "Accuracy rises with the number of neurons, then stays at ninety per cent."
    text = f'<img src="a.png" alt="{alt}"><img src="b.png" alt="{alt}">'
    assert [each.split(":")[0] for each in accessibility.weak_alts(text)] == [
        "two pictures say the same"
    ]


def test_markup_is_repaired_once():
    page = (
        '<button class="btn search-button-field" title="Search" aria-label="Search">Search</button>'
        '<a class="reference internal" href="api.html">API</a><details><summary><span></span>'
        '<summary aria-label="Toggle hidden content"><div role="doc-biblioentry"></div>'
        '<dl>\n<dd><em class="sig-param">x</em>,</dd>\n</dl>'
    )
    once = markup.repair(page)
    assert "aria-label=\"Search\"" not in once
    assert '<summary aria-label="Pages below API">' in once
    assert "Toggle hidden" not in once
    assert "doc-biblioentry" not in once
    assert "<dl>" not in once
    assert markup.repair(once) == once


def test_a_package_that_only_checks_is_fetched_aside(tmp_path, monkeypatch):
    """It lies beside the kept files of the site, not among them."""
    fetched = []

    def unpack(npm: str, package: str, draft: Path) -> None:
        fetched.append(package)
        (draft / "package").mkdir()
        (draft / "package" / "axe.min.js").write_text("axe", encoding="utf-8")

    monkeypatch.setattr(assets, "_unpack", unpack)
    monkeypatch.setattr(assets.shutil, "which", lambda name: name)
    layout = Layout(tmp_path)
    path = assets.development(layout, "axe-core", "axe.min.js")
    assert path.read_text(encoding="utf-8") == "axe"
    assert assets.folder(layout) not in path.parents
    assert assets.development(layout, "axe-core", "axe.min.js") == path
    assert len(fetched) == 1
    monkeypatch.setattr(assets.shutil, "which", lambda name: None)
    assert assets.development(Layout(tmp_path / "other"), "axe-core", "axe.min.js") is None
