"""Where everything lies, relative to the root of the repository (or of a toy book in a test)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Folders of one book."""

    root: Path

    @classmethod
    def here(cls) -> Layout:
        """The layout of the repository that this file belongs to."""
        return cls(Path(__file__).resolve().parents[2])

    @property
    def book(self) -> Path:
        """Text sources."""
        return self.root / "book"

    @property
    def package(self) -> Path:
        """The companion package."""
        return self.root / "neurotutor"

    @property
    def claims(self) -> Path:
        """What the papers claim."""
        return self.book / "claims.toml"

    @property
    def build(self) -> Path:
        """Everything that is made, and ignored by git."""
        return self.root / "_build"

    @property
    def cache(self) -> Path:
        """Executed notebooks, one folder per page and key."""
        return self.build / "cache"

    @property
    def source(self) -> Path:
        """The staged tree that Jupyter Book reads."""
        return self.build / "source"

    @property
    def html(self) -> Path:
        """The site."""
        return self.build / "html"

    @property
    def site(self) -> Path:
        """The site with all that a host needs."""
        return self.build / "site"

    @property
    def launch(self) -> Path:
        """What the branch holds from which Binder and Colab open notebooks."""
        return self.build / "launch"

    @property
    def pdf(self) -> Path:
        """The printed book."""
        return self.build / "pdf"

    @property
    def npm(self) -> Path:
        """JavaScript and fonts taken from npm."""
        return self.build / "npm"

    @property
    def matplotlib(self) -> Path:
        """What matplotlib keeps: its list of fonts. Settings of the user's are not read."""
        return self.build / "matplotlib"

    @property
    def notebooks(self) -> Path:
        """Student's, instructor's and nbgrader's notebooks."""
        return self.build / "notebooks"

    @property
    def preview(self) -> Path:
        """Where one chapter is rendered while it is being written."""
        return self.build / "preview"

    @property
    def preview_source(self) -> Path:
        """The staged tree of the preview."""
        return self.preview / "source"

    @property
    def preview_html(self) -> Path:
        """The site of the preview."""
        return self.preview / "_build" / "html"
