"""What axe-core says about a page in the browser, light and dark, and what its pictures say."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup

from . import assets
from .console import BuildError
from .layout import Layout

# WCAG 2.2, levels A and AA
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
# All that another theme can change is colour.
COLOUR_RULES = ("color-contrast", "link-in-text-block")

# A page may hold thousands of pieces that differ in their words alone: tokens of one kind in
# code, entries of one list. The first of each kind stand for the others, which stay as plain text
# (tokens) or go (entries); glyphs of a formula are hidden from readers who listen to a page.
THIN_OUT = """() => {
  const shape = (item) => item.tagName + '.' + item.className + '(' +
    [item.getAttribute('role'), item.getAttribute('aria-label') !== null, item.type] + ')' +
    [...item.children].map(shape);
  const place = (item) => item.matches('article, body') ? '' :
    item.tagName + '.' + item.className + '<' + place(item.parentElement);
  const seen = new Set();
  const tokens = [...document.querySelectorAll('pre span, .sig span')].filter(item => {
    if (item.children.length || item.id) return false;
    const known = seen.has(place(item));
    seen.add(place(item));
    return known;
  });
  for (const item of tokens) item.replaceWith(item.textContent);
  for (const list of document.querySelectorAll('ul, ol, tbody, .citation-list')) {
    const count = {};
    for (const item of [...list.children]) {
      const kind = shape(item);
      count[kind] = (count[kind] || 0) + 1;
      if (count[kind] > 4 && !item.querySelector('[id]')) item.remove();
    }
  }
  for (const glyphs of document.querySelectorAll('mjx-math')) glyphs.remove();
}"""

_JUDGE = """async ([theme, within, options]) => {
  document.documentElement.dataset.theme = theme;
  const told = await axe.run({include: [[within]]}, {...options, preload: false,
    resultTypes: ['violations', 'incomplete']});
  const plain = (rules) => rules.flatMap(rule => rule.nodes.map(node =>
    [rule.id, node.target.join(' '), node.html.slice(0, 160), node.failureSummary || '']));
  return [plain(told.violations), plain(told.incomplete)];
}"""


def script(layout: Layout) -> str:
    """The source of axe-core, fetched once; it never becomes part of the site.

    Raises:
        BuildError: if npm is missing, or cannot fetch it.
    """
    found = assets.development(layout, "axe-core", "axe.min.js")
    if found is None:
        raise BuildError("npm is not installed, so axe-core cannot be fetched")
    return found.read_text(encoding="utf-8")


def audit(page: Any, axe: str, within: str = "html") -> tuple[list[str], list[str]]:
    """What axe-core objects to on an open page, and what it leaves undecided.

    Args:
        page: of playwright, loaded and settled; some of its elements are removed.
        axe: source of axe-core.
        within: the part of the page that is looked at.

    Returns:
        Violations and undecided findings, each as "theme: rule: element: what to do".
    """
    page.evaluate(THIN_OUT)
    page.evaluate(axe)
    violations: list[str] = []
    undecided: list[str] = []
    for theme, options in (
        ("light", {"runOnly": {"type": "tag", "values": list(RULES)}}),
        ("dark", {"runOnly": {"type": "rule", "values": list(COLOUR_RULES)}}),
    ):
        found = page.evaluate(_JUDGE, [theme, within, options])
        for goal, findings in zip((violations, undecided), found, strict=True):
            for rule, target, markup, advice in findings:
                words = " ".join(advice.split())
                goal.append(f"{theme}: {rule}: {target}: {markup}: {words}")
    return violations, undecided


# What cannot be read at this size: text cut off, or beyond the screen with no way to scroll there.
UNREADABLE = r"""() => {
  const wide = document.documentElement.clientWidth + 1;
  const found = [];
  if (document.documentElement.scrollWidth > wide)
    found.push(`the page scrolls sideways: ${document.documentElement.scrollWidth} px`);
  const scrolls = (item) => ['auto', 'scroll'].includes(getComputedStyle(item).overflowX);
  for (const item of document.querySelectorAll('article *')) {
    const style = getComputedStyle(item);
    const apart = 'svg, .math, mjx-container, .noUi-target, .toggle-hidden';
    if (!item.clientWidth || item.closest(apart)) continue;
    const cut = ['hidden', 'clip'].includes(style.overflowX) && item.textContent.trim() &&
      item.clientWidth > 2 && item.scrollWidth > item.clientWidth + 2;
    if (cut && ![...item.querySelectorAll('*')].some(scrolls))
      found.push(`cut off: ${item.tagName}.${item.className}: ${item.textContent.trim()}`);
  }
  return found.slice(0, 5).map(text => text.slice(0, 160));
}"""

# Parts of the text that react: each must have a name, be reached by Tab, and show where focus is.
UNREACHABLE = r"""() => {
  const named = (item) => (item.getAttribute('aria-label') || item.textContent.trim() ||
    item.labels?.length || item.getAttribute('aria-labelledby') || item.title);
  const ring = (item) => {
    const style = getComputedStyle(item);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
  };
  const found = [];
  const parts = ['.nt-quiz input', '.nt-quiz button', '.nt-player button', '.nt-player select',
    '.nt-player .noUi-handle', 'article summary', 'article audio', 'article .nt-scroll[tabindex]'];
  for (const item of document.querySelectorAll(parts.join(', '))) {
    if (!item.checkVisibility()) continue;
    const words = `${item.tagName}.${item.className}: ${item.outerHTML.slice(0, 100)}`;
    if (item.tabIndex < 0) found.push(`not reached by Tab: ${words}`);
    if (!named(item) && item.tagName !== 'AUDIO') found.push(`without a name: ${words}`);
    item.focus({focusVisible: true, preventScroll: true});
    if (document.activeElement !== item) found.push(`takes no focus: ${words}`);
    else if (!ring(item) && !ring(item.closest('label') || item))
      found.push(`shows no focus: ${words}`);
  }
  document.activeElement.blur();
  return found;
}"""

_FILE_NAME = re.compile(r"\.(?:png|svg|webp|jpe?g|gif)\b|^[\w-]+$", re.IGNORECASE)
_EMPTY_START = re.compile(
    r"^(?:(?:an?|the)\s+)?(?:figure|image|picture|photo|plot|graph|chart|screenshot)\s*"
    r"(?::|\b(?:of|showing|that shows|with)\b)",
    re.IGNORECASE,
)
SHORTEST, LONGEST = 40, 700  # characters of an alternative text


def weak_alts(pictures: str) -> Iterator[str]:
    """Alternative texts that do not say what is to be seen, and why.

    Args:
        pictures: HTML with images in it, each in a `figure` with its caption, if it has one.
    """
    seen: dict[str, str] = {}
    for image in BeautifulSoup(pictures, "html.parser").find_all("img"):
        alt = " ".join(image.get("alt", "").split())
        figure = image.find_parent("figure")
        words = figure.find("figcaption") if figure else None
        caption = " ".join(words.get_text().split()) if words else ""
        reason = _weakness(alt, caption)
        if reason is None and seen.setdefault(alt, image.get("src", "")) != image.get("src", ""):
            reason = "two pictures say the same"
        if reason is not None:
            yield f"{reason}: {alt!r}"


def _weakness(alt: str, caption: str) -> str | None:
    if not SHORTEST <= len(alt) <= LONGEST:
        return f"{len(alt)} characters, not {SHORTEST} to {LONGEST}"
    if _FILE_NAME.search(alt):
        return "the name of a file"
    if _EMPTY_START.match(alt):
        return "begins by saying that it is a picture"
    if caption and difflib.SequenceMatcher(None, alt.lower(), caption.lower()).ratio() > 0.85:
        return "repeats the caption"
    return None


def pictures(page: Path) -> str:
    """The pictures of a built page: those in its HTML, and the frames of its players as HTML.

    Args:
        page: a page of the site.
    """
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    shown = [str(each) for each in soup.select("article figure")]
    lone = [str(each) for each in soup.select("article img") if not each.find_parent("figure")]
    frames = [
        str(widget["state"].get("value", ""))
        for kept in soup.select('script[type="application/vnd.jupyter.widget-state+json"]')
        for widget in json.loads(kept.string)["state"].values()
        if widget["model_name"] == "HTMLModel"
    ]
    return "\n".join([*shown, *lone, *frames])
