"""Style selection of networks with dials: one style, at a position of the dials."""

from typing import cast

from stylenet.methods.base import StyleSelection
from stylenet.networks import Dials, DialsNetwork, StyleNetwork


class DialsSelection(StyleSelection):
    """Turns the dials; unless something else is asked for, both are 1."""

    held = "one style with dials"
    has_dials = True

    def select(
        self, network: StyleNetwork, style: str | None, size: int | None, recorded: str
    ) -> tuple[StyleNetwork, str]:
        """Check the name of the style, and return the network with both dials at 1."""
        _, name = super().select(network, style, size, recorded)
        return self.turn(network), name

    def turn(
        self,
        network: StyleNetwork,
        stroke: float | None = None,
        style_weight: float | None = None,
    ) -> StyleNetwork:
        """Return the plain network at a position of the dials."""
        dials = Dials(
            1.0 if stroke is None else stroke, 1.0 if style_weight is None else style_weight
        )
        return cast(DialsNetwork, network).select(dials)

    def example(self, network: StyleNetwork) -> StyleNetwork:
        """Return the network with both dials at 1."""
        return self.turn(network)
