"""Griffe extension of the documentation site: Sphinx roles and doctests in docstrings.

The docstrings are Google style with Sphinx's roles, which every editor understands; mkdocstrings
expects Markdown.
"""

import importlib.util
import re
from pathlib import Path
from typing import Any

import griffe

_ROLE = re.compile(r":(?:func|class|meth|mod|attr|data|exc):`~?([^`]+)`")
# A doctest that stands in the text, outside an Examples section.
_DOCTEST = re.compile(r"^( *)>>> .*(?:\n\1\S.*)*", re.MULTILINE)
_SKIP = re.compile(r"  # doctest: \+SKIP")


def _load_reference() -> dict[str, list[str]]:
    path = Path(__file__).with_name("reference.py")
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.public_names()


class SiteDocstrings(griffe.Extension):
    """Docstrings in Markdown, with links to the public names."""

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}
        for package, names in _load_reference().items():
            for name in names:
                self._paths.setdefault(name, f"{package}.{name}")

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of an object as Markdown."""
        if obj.docstring:
            text = _DOCTEST.sub(self._fence, obj.docstring.value)
            obj.docstring.value = _ROLE.sub(self._link, text)

    def _fence(self, match: re.Match) -> str:
        indent = match[1]
        return f"{indent}```pycon\n{_SKIP.sub('', match[0])}\n{indent}```"

    def _link(self, match: re.Match) -> str:
        """Return a link to a public name, or the name alone if the reference has no such name."""
        name = match[1]
        path = self._paths.get(name.rsplit(".", 1)[-1])
        if path is None or (name.startswith("stylenet.") and not self._is_public(name)):
            return f"`{name}`"
        return f"[`{name}`][{path}]"

    def _is_public(self, name: str) -> bool:
        return name in self._paths.values()
