"""The interface by which inference chooses a style of a loaded network."""

from collections.abc import Sequence

from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.networks import StyleNetwork
from stylenet.pretrained import pretrained_styles


class StyleSelection:
    """Turns a loaded network into a network of one style; this class serves networks of one style.

    Attributes:
        held: Styles that such a network holds, in words for messages.
        mixes: Whether users may mix styles with weights and interpolate between them.
        has_dials: Whether users may choose stroke size and style weight, see :meth:`turn`.
    """

    held = "one style"
    mixes = False
    has_dials = False

    def styles(self, network: StyleNetwork) -> list[str] | None:
        """Return the names of the styles that the network holds.

        Args:
            network: Loaded from a checkpoint.

        Returns:
            The names; empty if only the checkpoint records the name, ``None`` if images give the
            style.
        """
        return []

    def select(
        self, network: StyleNetwork, style: str | None, size: int | None, recorded: str
    ) -> tuple[StyleNetwork, str]:
        """Choose the style that a user names.

        Args:
            network: Loaded from a checkpoint.
            style: Style as the user writes it; ``None`` for the default.
            size: Short side that style images are resized to, in pixels; ``None`` keeps them.
            recorded: Name of the style in the checkpoint's metadata.

        Returns:
            A network of one style, and the name of the style.

        Raises:
            StyleNetError: The network has no such style.
        """
        if style not in (None, recorded):
            raise StyleNetError(
                f"it holds one style, {recorded}, and not {style}; give either style=NAME, one of "
                f"the pretrained styles ({', '.join(pretrained_styles())}), or checkpoint=PATH"
            )
        return network, recorded

    def select_images(
        self,
        network: StyleNetwork,
        images: Sequence[Tensor],
        weights: Sequence[float] | None = None,
    ) -> StyleNetwork:
        """Choose the style given by images.

        Args:
            network: Loaded from a checkpoint.
            images: Style images, RGB in [0, 1], each of shape (1, 3, H, W).
            weights: Weights of the images; only their ratios matter. ``None`` for equal weights.

        Returns:
            A network of one style.

        Raises:
            StyleNetError: The network takes no style images.
        """
        raise StyleNetError(f"it holds {self.held} and takes no style images; leave them out")

    def turn(
        self,
        network: StyleNetwork,
        stroke: float | None = None,
        style_weight: float | None = None,
    ) -> StyleNetwork:
        """Choose stroke size and style weight.

        Args:
            network: Loaded from a checkpoint.
            stroke: Size of the strokes, as a multiple of the trained one; ``None`` for 1.
            style_weight: Factor on the weight of the style; ``None`` for 1.

        Returns:
            A network to choose the style of, by the selection of its class.

        Raises:
            StyleNetError: A value is out of range, or the network has no dials.
        """
        for name, value in (("stroke", stroke), ("style_weight", style_weight)):
            if value is not None:
                raise StyleNetError(
                    f"{name}={value} turns a dial, which a network {network.name} lacks; leave it "
                    f"out, or train one with network=johnson_dials or network=compact_dials"
                )
        return network

    def example(self, network: StyleNetwork) -> StyleNetwork:
        """Return a network of one style, no matter which, for measuring speed."""
        return network
