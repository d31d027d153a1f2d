"""Where the book lives on the web: read from one place, `_config.yml`, and used everywhere."""

from __future__ import annotations

import tomllib
import urllib.parse
from dataclasses import dataclass

import yaml

from .console import BuildError
from .layout import Layout

_COLAB_HOST = "github.com"  # Colab opens notebooks of other hosts only after an upload
_BINDER_PROVIDERS = {"github.com": "gh", "gitlab.com": "gl"}


@dataclass(frozen=True)
class Address:
    """Addresses of the repository, of the site and of the two services that run notebooks.

    Attributes:
        title: of the book.
        version: of the package, which is the book's.
        repository: `https://host/owner/name`, or empty where it is not set.
        branch: the branch that holds the notebooks to launch.
        site: absolute address of the site with a slash at its end, or empty where nobody set it.
        binder: address of a BinderHub, or empty.
        colab: address of Colab, or empty.
    """

    title: str
    version: str
    repository: str
    branch: str
    site: str
    binder: str
    colab: str

    @classmethod
    def read(cls, layout: Layout) -> Address:
        """Read `_config.yml` and `pyproject.toml` below the root of the book.

        `html.baseurl` is the address of the site. Without it, the site of a repository on GitHub
        is where GitHub Pages puts it.

        Raises:
            BuildError: if an address is not of the form that is needed.
        """
        path = layout.root / "_config.yml"
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        repository = (config.get("repository", {}).get("url") or "").rstrip("/")
        site = (config.get("html", {}).get("baseurl") or "").rstrip("/")
        launch = config.get("launch_buttons", {})
        for key, value in (("repository.url", repository), ("html.baseurl", site)):
            parts = urllib.parse.urlsplit(value)
            if value and (parts.scheme not in ("https", "http") or not parts.netloc):
                raise BuildError(f"{path}: {key} must be empty or begin with https://, got {value}")
        if repository and len(_names(repository)) != 2:
            raise BuildError(
                f"{path}: repository.url must look like https://github.com/owner/name, "
                f"got {repository}"
            )
        site = site or _github_pages(repository)
        return cls(
            title=config["title"],
            version=_version(layout),
            repository=repository,
            branch=config.get("repository", {}).get("branch") or "notebooks",
            site=f"{site}/" if site else "",
            binder=(launch.get("binderhub_url") or "").rstrip("/"),
            colab=(launch.get("colab_url") or "").rstrip("/"),
        )

    def launches(self, notebook: str) -> dict[str, str]:
        """Links that open a notebook of the branch in a running JupyterLab or in Colab.

        Args:
            notebook: its path on the branch, such as `plasticity/nemo.ipynb`.

        Returns:
            Name of the service -> link; empty while the repository's address is not set.
        """
        if not self.repository:
            return {}
        host = urllib.parse.urlsplit(self.repository).netloc
        owner, name = _names(self.repository)
        path = urllib.parse.quote(notebook)
        found = {}
        if self.binder:
            if host in _BINDER_PROVIDERS:
                joint = "/" if host == "github.com" else "%2F"
                where = f"{_BINDER_PROVIDERS[host]}/{owner}{joint}{name}"
            else:
                where = f"git/{urllib.parse.quote(self.repository, safe='')}"
            found["Binder"] = f"{self.binder}/v2/{where}/{self.branch}?urlpath=lab/tree/{path}"
        if self.colab and host == _COLAB_HOST:
            found["Colab"] = f"{self.colab}/github/{owner}/{name}/blob/{self.branch}/{path}"
        return found


def _names(repository: str) -> list[str]:
    return [part for part in urllib.parse.urlsplit(repository).path.split("/") if part]


def _github_pages(repository: str) -> str:
    if urllib.parse.urlsplit(repository).netloc != "github.com":
        return ""
    owner, name = _names(repository)
    host = f"{owner.lower()}.github.io"
    return f"https://{host}" if name.lower() == host else f"https://{host}/{name}"


def _version(layout: Layout) -> str:
    with (layout.root / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]["version"]
