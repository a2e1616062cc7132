"""A perceptron that predicts numbers from the statistics of a style image."""

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from stylenet.moments import mean_and_deviation
from stylenet.networks.encoder_part import EncoderPart

# Standardized statistics are clamped to this many deviations, so that an image unlike all paintings
# (a single color) gives a network within the range of training.
_CLAMP = 5.0
# Keeps standardized statistics finite where all style images agree.
_SMALLEST_DEVIATION = 1e-4


class StylePredictor(nn.Module):
    """Predicts numbers from the means and deviations of an encoder's channels.

    Ghiasi et al. 2017 (arXiv:1705.06830) predict scales and shifts of normalizations from the last
    layer of an Inception network. Style losses compare several layers, so here all layers of a
    small encoder are read.

    Attributes:
        means: Means of the statistics over typical style images, shape (S,).
        deviations: Their standard deviations, shape (S,).
        perceptron: From standardized statistics to a code of the style.
        output: From the code to the numbers; its weights begin at 0.
    """

    means: Tensor
    deviations: Tensor

    def __init__(self, encoder: EncoderPart, hidden: int, outputs: int) -> None:
        """Build the perceptron with random weights.

        Args:
            encoder: Encoder of the style images, which stays outside of this module.
            hidden: Width of the two hidden layers.
            outputs: Number of predicted numbers.
        """
        super().__init__()
        convolutions = cast(Iterable[nn.Conv2d], encoder.convolutions.values())
        statistics = 2 * sum(convolution.out_channels for convolution in convolutions)
        self.register_buffer("means", torch.zeros(statistics))
        self.register_buffer("deviations", torch.ones(statistics))
        self.perceptron = nn.Sequential(
            nn.Linear(statistics, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.output = nn.Linear(hidden, outputs)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Predict the numbers of N style images.

        Args:
            features: :meth:`EncoderPart.features` of the style images.

        Returns:
            Shape (N, outputs), float32 at least, also under autocast.
        """
        statistics = (_statistics(features) - self.means) / self.deviations
        with torch.autocast(statistics.device.type, enabled=False):
            return self.output(self.perceptron(statistics.clamp(-_CLAMP, _CLAMP)))

    @torch.no_grad()
    def calibrate(self, features: Iterable[Sequence[Tensor]]) -> None:
        """Standardize the statistics by their means and deviations over typical style images.

        Args:
            features: :meth:`EncoderPart.features` of each style image, at least two.
        """
        statistics = torch.cat([_statistics(layers) for layers in features])  # (images, S)
        deviations, means = torch.std_mean(statistics, dim=0, correction=0)
        self.means.copy_(means)
        self.deviations.copy_(deviations.clamp_min(_SMALLEST_DEVIATION))


@torch.no_grad()
def _statistics(features: Sequence[Tensor]) -> Tensor:
    """Return the mean and standard deviation of each channel, shape (N, S)."""
    moments = [moment for x in features for moment in mean_and_deviation(x)]
    return torch.cat(moments, dim=1).flatten(1)  # from (N, S, 1, 1)
