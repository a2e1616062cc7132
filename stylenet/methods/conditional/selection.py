"""Style selection of networks of several styles: a style or a mixture."""

from typing import cast

from stylenet.methods.base import StyleSelection
from stylenet.networks import JohnsonMultiNetwork, StyleNetwork, join_style_names, parse_mixture


class ConditionalSelection(StyleSelection):
    """Chooses styles by name, ``starry``, or mixtures, ``starry:0.6,mosaic:0.4``."""

    held = "several styles"
    mixes = True

    def styles(self, network: StyleNetwork) -> list[str] | None:
        """Return the names of the styles that the network holds."""
        return list(cast(JohnsonMultiNetwork, network).styles)

    def select(
        self, network: StyleNetwork, style: str | None, size: int | None, recorded: str
    ) -> tuple[StyleNetwork, str]:
        """Choose a style or a mixture; the default is the first style."""
        network = cast(JohnsonMultiNetwork, network)
        mixture = parse_mixture(network.styles[0] if style is None else style)
        return network.select(mixture), join_style_names(mixture)

    def example(self, network: StyleNetwork) -> StyleNetwork:
        """Return the network of the first style."""
        network = cast(JohnsonMultiNetwork, network)
        return network.select({network.styles[0]: 1.0})
