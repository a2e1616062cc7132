"""The interface that inference asks for the styles of a loaded network."""

from collections.abc import Sequence

from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.networks import StyleNetwork
from stylenet.pretrained import pretrained_styles


class StyleSelection:
    """Turns a loaded network into a network of one style. This base is for networks of one style.

    Attributes:
        held: What a network holds, for messages.
        mixes: Whether a style may be a weighted mixture, and videos may go from style to style.
    """

    held = "one style"
    mixes = False

    def styles(self, network: StyleNetwork) -> list[str] | None:
        """Return the names of the styles that the network holds.

        Args:
            network: Loaded from a checkpoint.

        Returns:
            The names; empty if only the checkpoint knows the name, ``None`` if images give the
            style.
        """
        return []

    def select(
        self, network: StyleNetwork, style: str | None, size: int | None, recorded: str
    ) -> tuple[StyleNetwork, str]:
        """Choose a style as users write it.

        Args:
            network: Loaded from a checkpoint.
            style: What the user gave; ``None`` for the default.
            size: Short side that style images are resized to, in pixels; ``None`` keeps them.
            recorded: Style that the checkpoint records.

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
        """Choose the style of images.

        Args:
            network: Loaded from a checkpoint.
            images: Style images, RGB in [0, 1], each of shape (1, 3, H, W).
            weights: Weights of the images, of which only the ratios matter; ``None`` for equal
                weights.

        Returns:
            A network of one style.

        Raises:
            StyleNetError: Images do not give the style of such a network.
        """
        raise StyleNetError(f"it holds {self.held}; images cannot change that")

    def example(self, network: StyleNetwork) -> StyleNetwork:
        """Return a network of any one style, to measure its speed."""
        return network
