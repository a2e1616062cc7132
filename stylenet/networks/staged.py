"""Networks that can be run a stage at a time: what tiles of huge images need."""

from torch import Tensor, nn

from stylenet.networks.registry import StyleNetwork


class StagedNetwork(StyleNetwork):
    """A chain of stages between features that are small beside the image.

    Attributes:
        stride: Pixels a cell of the features between the stages, along each side.
        channels: Channels of those features.
        reach: How many cells around its own each stage looks at, at most.
    """

    stride: int
    channels: int
    reach: int

    def enter(self, images: Tensor) -> Tensor:
        """Brings images into the form that the first of the stages takes.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), any H and W from 1.

        Returns:
            Shape (N, 3, H', W'), both sides multiples of ``stride``.
        """
        raise NotImplementedError

    def stages(self) -> list[nn.Module]:
        """Cuts the network where its features are small.

        Returns:
            Modules that follow each other: from what :meth:`enter` gives to features of shape
            (N, channels, H'/stride, W'/stride), between such features, and from them to what
            :meth:`leave` takes, (N, 3, H', W').
        """
        raise NotImplementedError

    def leave(self, x: Tensor) -> Tensor:
        """Makes images of what the last of the stages gives.

        Args:
            x: Shape (N, 3, H, W). In the input's type: under autocast the last convolution gives
                bfloat16, whose steps below 1 are as coarse as a byte's.

        Returns:
            RGB in [0, 1] (while training a linear output may leave it), the same shape.
        """
        raise NotImplementedError
