"""The loss of a batch in which each photo has a style image of its own."""

from torch import Tensor

from stylenet.perceptual import ChangingStyleLoss


class ArbitraryStyleLoss(ChangingStyleLoss):
    """Compares each photo of a batch with a style image of its own."""

    def forward(  # type: ignore[override]
        self, stylized: Tensor, content: Tensor, styles: Tensor
    ) -> dict[str, Tensor]:
        """Compute the losses of stylized images.

        Args:
            stylized: Output of the network, RGB in [0, 1], shape (N, 3, H, W).
            content: Input of the network, the same shape and range.
            styles: Style images, shape (N, 3, H', W').

        Returns:
            See :meth:`PerceptualLoss.forward`.
        """
        return super().forward(stylized, content, self.targets(styles))
