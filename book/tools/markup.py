"""What the theme and Sphinx leave out for readers who listen to a page, put right in its HTML."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

# (what it looks like, what stands there instead); each changes nothing when it is run again
_REPAIRS: tuple[tuple[re.Pattern[str], str], ...] = (
    # A button that reads "Search Ctrl+K" must not be called something else.
    (
        re.compile(r'(<button class="[^"]*search-button-field[^>]*?) aria-label="[^"]*"'),
        r"\1",
    ),
    # The same holds for a summary with words of its own.
    (re.compile(r'<summary aria-label="Toggle hidden content">'), "<summary>"),
    # The arrow beside an entry of the sidebar has no words; it opens what is below the entry.
    (
        re.compile(
            r'(<a class="[^"]*\binternal\b[^"]*" href="[^"]*">\s*([^<]*?)\s*</a>'
            r"<details[^>]*>)<summary>"
        ),
        r'\1<summary aria-label="Pages below \2">',
    ),
    # ARIA 1.3 gave this role up; entries of a list are list items.
    (re.compile(r'role="doc-biblioentry"'), 'role="listitem"'),
)
# Parameters of a long signature: a list of descriptions of nothing.
_PARAMETERS = re.compile(r'<dl>\s*((?:<dd><em class="sig-param">.*?</dd>\s*)+)</dl>', re.DOTALL)


def repair(page: str) -> str:
    """The page with every repair made.

    Args:
        page: HTML of a whole page.
    """
    for pattern, instead in _REPAIRS:
        page = pattern.sub(instead, page)
    return _PARAMETERS.sub(_as_lines, page)


def _as_lines(found: re.Match[str]) -> str:
    lines = found[1].replace("<dd>", '<span class="nt-param">').replace("</dd>", "</span>")
    return f'<span class="nt-params">{lines}</span>'


def repair_site(app: Sphinx, exception: Exception | None) -> None:
    """Repair every page of a site that was built without an error."""
    if exception is not None or app.builder.format != "html":
        return
    for path in sorted(Path(app.outdir).rglob("*.html")):
        if path.relative_to(app.outdir).parts[0] in ("_static", "_sources"):
            continue
        before = path.read_text(encoding="utf-8")
        after = repair(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
