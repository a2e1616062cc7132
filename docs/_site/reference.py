"""Hook of the documentation site: a page of the API reference for each package."""

import ast
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]

# The docstring of the package alone.
_DESCRIPTION = """::: {package}
    options:
      members: false
      show_root_heading: false
      show_root_toc_entry: false"""


def public_names() -> dict[str, list[str]]:
    """Return the names in the ``__all__`` of each package of StyleNet."""
    packages = {}
    for path in sorted((ROOT / "stylenet").rglob("__init__.py")):
        for statement in ast.parse(path.read_text()).body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets) == "__all__":
                package = ".".join(path.parent.relative_to(ROOT).parts)
                packages[package] = ast.literal_eval(statement.value)
    return packages


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Append the reference to the navigation."""
    pages = [{package: f"reference/{package}.md"} for package in public_names()]
    config.nav.append({"API reference": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each package, which mkdocstrings fills."""
    for package, names in public_names().items():
        members = sorted(name for name in names if not name.startswith("__"))
        directives = [f"::: {package}.{name}" for name in members]
        module = _DESCRIPTION.format(package=package)
        page = "\n\n".join([f"# {package}", module, *directives]) + "\n"
        files.append(File.generated(config, f"reference/{package}.md", content=page))
    return files
