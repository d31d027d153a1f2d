"""Docstrings become API pages without a warning; seen in seconds, before the site is built."""

import importlib
import inspect
import io
import pkgutil
import re

import docutils.core
import pytest
from docutils import nodes
from docutils.parsers.rst import roles
from sphinx.ext.napoleon import Config, GoogleDocstring

import neurotutor
from book.tools import docstrings

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(neurotutor.__path__, "neurotutor.")
    if not module.name.endswith("__main__")
)
# What Sphinx knows and docutils alone does not.
for role in ("attr", "class", "doc", "exc", "func", "meth", "mod", "obj", "ref", "term"):
    roles.register_generic_role(role, nodes.emphasis)
DIRECTIVE = re.compile(r"\s*\.\. (attribute|py:|rubric|method|property)")


def warnings_of(what: str, name: str, thing: object) -> list[str]:
    """What docutils has to say about one docstring, as Sphinx would hand it over."""
    lines = docstrings.convert((inspect.getdoc(thing) or "").split("\n"))
    lines = list(GoogleDocstring(lines, Config(), None, what, name, thing, None).lines())
    docstrings.process_types(None, what, name, thing, None, lines)
    heard = io.StringIO()
    docutils.core.publish_doctree(
        "\n".join(line for line in lines if not DIRECTIVE.match(line)),
        settings_overrides={"warning_stream": heard, "report_level": 2, "halt_level": 5},
    )
    return [f"{name}: {line}" for line in heard.getvalue().splitlines() if line.strip()]


def described_twice(owner: type) -> set[str]:
    """Names that a class docstring lists and that have a docstring of their own.

    Properties have one, and so has every field of a `NamedTuple`.
    """
    listed = re.search(r"^Attributes:\n((?:    .*\n?|\n)+)", inspect.getdoc(owner) or "", re.M)
    names = set(re.findall(r"^    (\w+):", listed.group(1), re.M)) if listed else set()
    return names & {name for name, value in vars(owner).items() if inspect.isdatadescriptor(value)}


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    module = importlib.import_module(name)
    found = warnings_of("module", name, module)
    for key, thing in vars(module).items():
        if getattr(thing, "__module__", None) != name:
            continue
        if inspect.isclass(thing):
            found += warnings_of("class", f"{name}.{key}", thing)
            assert not described_twice(thing), f"{name}.{key}"
            for part, value in vars(thing).items():
                method = value.fget if isinstance(value, property) else value
                method = getattr(method, "__func__", method)
                if inspect.isfunction(method):
                    found += warnings_of("method", f"{name}.{key}.{part}", method)
        elif inspect.isfunction(thing):
            found += warnings_of("function", f"{name}.{key}", thing)
    assert found == []


def test_a_bad_docstring_is_seen():
    def function():
        """Takes `a`.

        Attributes (after `fit`):
            x_: what *nets say.
            y_: more, see rows_.
        """

    assert warnings_of("function", "function", function)

    class Owner:
        """Holds things.

        Attributes:
            size: of it.
        """

        @property
        def size(self):
            """How large."""

    assert described_twice(Owner) == {"size"}
