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
    """

    held = "one style"
    mixes = False

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

    def example(self, network: StyleNetwork) -> StyleNetwork:
        """Return the network of some style, for measuring speed."""
        return network
