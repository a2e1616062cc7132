"""Packages that extend StyleNet: found by entry point, imported when a name is unknown.

A package declares the module that registers its networks and export formats::

    [project.entry-points."stylenet.plugins"]
    mypackage = "mypackage.networks"
"""

import functools
import warnings
from importlib.metadata import entry_points

GROUP = "stylenet.plugins"


@functools.cache
def load_plugins() -> None:
    """Import the module of each installed plugin, once per process.

    Importing the module registers what the plugin adds. A plugin that cannot be imported is named
    in a warning, and the others load.
    """
    for entry_point in entry_points(group=GROUP):
        try:
            entry_point.load()
        except Exception as error:  # a plugin's own code may raise anything
            warnings.warn(
                f"The plugin {entry_point.name} ({entry_point.value}) cannot be imported "
                f"({error!r}). Update or uninstall it.",
                stacklevel=2,
            )
