"""Networks that run one stage at a time, as tiling of huge images needs."""

from torch import Tensor, nn

from stylenet.networks.registry import StyleNetwork


class StagedNetwork(StyleNetwork):
    """Network that is a chain of stages with small feature maps between them.

    Attributes:
        stride: Pixels per cell of the features between stages, along each side.
        channels: Channels of the features between stages.
        reach: Receptive field of a stage: the number of cells on each side of a cell, at most.
    """

    stride: int
    channels: int
    reach: int

    def preprocess(self, images: Tensor) -> Tensor:
        """Pad and scale images for the first stage.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), H and W at least 1.

        Returns:
            Shape (N, 3, H', W'), H' and W' multiples of ``stride``.
        """
        raise NotImplementedError

    def stages(self) -> list[nn.Module]:
        """Return the stages, modules to run one after another.

        Returns:
            The first stage maps the output of :meth:`preprocess` to features of shape
            (N, channels, H'/stride, W'/stride), the next ones keep that shape, and the last maps
            them to the input of :meth:`postprocess`, shape (N, 3, H', W').
        """
        raise NotImplementedError

    def postprocess(self, x: Tensor) -> Tensor:
        """Map the output of the last stage to images.

        Args:
            x: Shape (N, 3, H, W), converted to the dtype of the images: under autocast the last
                convolution gives bfloat16, whose steps just below 1 are as coarse as a byte's.

        Returns:
            RGB in [0, 1], the same shape. While training, a linear output may leave that range.
        """
        raise NotImplementedError
