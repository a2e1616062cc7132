"""A trained network whose images a smaller one learns to meet (Hinton, Vinyals, Dean 2015)."""

import torch
from torch import Tensor, nn

from stylenet.networks import StyleNetwork

# Keeps the loss finite for an image of a single color.
_TINY = 1e-6


class Teacher(nn.Module):
    """Stylizes photos and says how far others' images are from its own.

    What a perceptual loss leaves open, such as where in a flat sky a stroke lies, a small network
    spends many steps on; a trained one has decided it.
    """

    def __init__(self, network: StyleNetwork) -> None:
        """Takes the network and freezes it.

        Args:
            network: The trained one.
        """
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "Teacher":
        """Stays in evaluation mode, whatever a parent module asks."""
        return super().train(False)

    def forward(self, images: Tensor, photos: Tensor) -> Tensor:
        """Compares images with the teacher's.

        Args:
            images: The student's, RGB in [0, 1], shape (N, 3, H, W).
            photos: What both were given, the same shape and range.

        Returns:
            ‖y - t‖² as a share of the variance of t, the teacher's image; the mean over the N
            images, a scalar.
        """
        with torch.no_grad():
            wanted = self.network(photos).float()
            spread = wanted - wanted.mean((2, 3), keepdim=True)
            variance = spread.square().mean((1, 2, 3)).clamp_min(_TINY)
        return ((images.float() - wanted).square().mean((1, 2, 3)) / variance).mean()
