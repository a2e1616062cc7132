"""README.md for the package's page on PyPI, where links to files of the repository lead nowhere."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)]+)\)")


class ReadmeHook(MetadataHookInterface):
    """Metadata hook that makes the relative links of README.md absolute."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the description of the package.

        Args:
            metadata: The table ``project`` of pyproject.toml, with the repository under
                ``urls.Homepage``.
        """
        root = Path(self.root)
        source = (root / "stylenet/__init__.py").read_text(encoding="utf-8")
        version = re.search(r'^__version__ = "(.+)"', source, re.MULTILINE)[1]
        repository = metadata["urls"]["Homepage"]
        files = repository.replace("://github.com/", "://raw.githubusercontent.com/")

        def absolute(match: re.Match) -> str:
            image, text, path = match.groups()
            base = f"{files}/v{version}" if image else f"{repository}/blob/v{version}"
            return f"{image}[{text}]({base}/{path})"

        readme = (root / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": _LINK.sub(absolute, readme),
        }
