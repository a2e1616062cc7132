"""The content, style and total-variation terms of the perceptual loss."""

from torch import Tensor

from stylenet.errors import StyleNetError, check_choice
from stylenet.perceptual.loss_term import Layers, LossInputs, LossTerm, read_layers
from stylenet.perceptual.losses import (
    content_loss,
    gram_matrix,
    moments,
    style_loss,
    total_variation,
)

# Gatys et al. 2016 compare Gram matrices, Huang & Belongie 2017 means and standard deviations.
_STATISTICS = {"gram": gram_matrix, "moments": moments}


class ContentLoss(LossTerm):
    """Feature reconstruction loss of Johnson et al. 2016 (arXiv:1603.08155), eq. 2.

    With F_l(y) the features of the stylized image and F_l(x) those of the content image at layer l:

    - relative: Σ_l w_l ‖F_l(y) - F_l(x)‖² / ‖F_l(x)‖² / Σ_l w_l
    - absolute: Σ_l w_l ‖F_l(y) - F_l(x)‖² / (C_l H_l W_l)

    Attributes:
        relative: Whether differences are divided by the size of the content features.
    """

    compares_content = True

    def __init__(self, layers: Layers, weight: float = 1.0, relative: bool = True) -> None:
        """Check the options.

        Args:
            layers: Layers whose features are compared, see :class:`LossTerm`.
            weight: See :class:`LossTerm`.
            relative: See the class. A relative loss suits every encoder with the same weight.

        Raises:
            StyleNetError: A value is impossible.
        """
        _check_flag("relative", relative)
        super().__init__(weight, read_layers(layers, relative, required=True), relative)
        self.relative = relative

    def forward(self, inputs: LossInputs) -> dict[str, Tensor]:
        """Compare features of the stylized and the content images; see :class:`LossTerm`."""
        features, target = inputs.stylized_features, inputs.content_features
        return {
            layer: content_loss(features[layer], target[layer], self.relative, "none")
            for layer in self.layers
        }


class StyleLoss(LossTerm):
    """Style reconstruction loss of Gatys et al. 2016 and Johnson et al. 2016, eq. 4.

    With G_l(y) the Gram matrix of the stylized image (or its means and standard deviations) and
    G_l(s) that of the style at layer l:

    - relative: Σ_l w_l ‖G_l(y) - G_l(s)‖² / ‖G_l(s)‖² / Σ_l w_l
    - absolute: Σ_l w_l ‖G_l(y) - G_l(s)‖² / C_l², with division by C_l² as in the released code of
      Johnson et al.

    Attributes:
        statistics: ``gram`` or ``moments``.
        relative: Whether differences are divided by the size of the style's statistics.
    """

    compares_style = True

    def __init__(
        self,
        layers: Layers,
        weight: float = 1.0,
        statistics: str = "gram",
        relative: bool = True,
    ) -> None:
        """Check the options.

        Args:
            layers: Layers whose statistics are compared, see :class:`LossTerm`.
            weight: See :class:`LossTerm`.
            statistics: ``gram`` for Gram matrices, ``moments`` for the means and standard
                deviations of channels (Huang & Belongie 2017, arXiv:1703.06868, eq. 13).
            relative: See the class. A relative loss suits every encoder with the same weight.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_choice("statistics", statistics, _STATISTICS)
        _check_flag("relative", relative)
        super().__init__(weight, read_layers(layers, relative, required=True), relative)
        self.statistics = statistics
        self.relative = relative

    def style_target(self, features: Tensor) -> Tensor:
        """Return Gram matrices (K, C, C), or means and standard deviations (K, 2, C)."""
        return _STATISTICS[self.statistics](features)

    def forward(self, inputs: LossInputs) -> dict[str, Tensor]:
        """Compare statistics of the stylized images and the style; see :class:`LossTerm`."""
        values: dict[str, Tensor] = {}
        for layer in self.layers:
            statistics = self.style_target(inputs.stylized_features[layer])
            target = inputs.style_targets[layer]
            values[layer] = style_loss(statistics, target, self.relative, "none")
        return values


class TotalVariationLoss(LossTerm):
    """Mean squared difference of neighboring pixels (Mahendran & Vedaldi 2015, β = 2).

    See :func:`stylenet.perceptual.losses.total_variation`.
    """

    def __init__(self, weight: float = 1.0) -> None:
        """Check the weight.

        Args:
            weight: See :class:`LossTerm`.

        Raises:
            StyleNetError: The weight is impossible.
        """
        super().__init__(weight)

    def forward(self, inputs: LossInputs) -> Tensor:
        """Measure the roughness of the stylized images; see :class:`LossTerm`."""
        return total_variation(inputs.stylized, "none")


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise StyleNetError(f"{name}={value} is neither true nor false")
