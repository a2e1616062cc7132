"""The loss between stylized images of a network and of its teacher (Hinton et al. 2015)."""

import torch
from torch import Tensor, nn

from stylenet.checkpoint import load_checkpoint
from stylenet.errors import StyleNetError
from stylenet.methods.selection import selection_of
from stylenet.networks import StyleNetwork

# Keeps the loss finite for an image of a single color.
_TINY = 1e-6


class Teacher(nn.Module):
    """Trained, frozen network whose stylized images are the target of another network.

    A perceptual loss does not determine, for example, where in a flat sky a stroke lies. A small
    network needs many training steps to settle that; a teacher shows it.
    """

    def __init__(self, network: StyleNetwork) -> None:
        """Freeze a trained network."""
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "Teacher":
        """Stay in evaluation mode, also when a parent module switches to training."""
        return super().train(False)

    def forward(self, images: Tensor, photos: Tensor) -> Tensor:
        """Compare the student's images with the teacher's.

        Args:
            images: Output of the student, RGB in [0, 1], shape (N, 3, H, W).
            photos: Input of the student, the same shape and range.

        Returns:
            ‖y - t‖² / ‖t - mean(t)‖² for the student's image y and the teacher's image t, as the
            mean over the N images, a scalar.
        """
        with torch.no_grad():
            target = self.network(photos).float()
            centered = target - target.mean((2, 3), keepdim=True)
            variance = centered.square().mean((1, 2, 3)).clamp_min(_TINY)
        return ((images.float() - target).square().mean((1, 2, 3)) / variance).mean()


def load_teacher(path: str | None, style: str) -> Teacher | None:
    """Load the teacher of a run.

    Args:
        path: ``teacher_network``: a checkpoint, a run directory or a pretrained style; ``None``
            for no teacher.
        style: Name of the style to train, which a teacher of several styles must have.

    Returns:
        The teacher, or ``None``.

    Raises:
        StyleNetError: The checkpoint is unusable, or has no such style.
    """
    if path is None:
        return None
    try:
        network, _ = load_checkpoint(str(path))
        selection = selection_of(network)
        styles = selection.styles(network)
        if styles is None:
            raise StyleNetError(
                f"its style comes from images, so it cannot teach {style}; give a network of "
                f"named styles"
            )
        if styles:
            network, _ = selection.select(network, style, None, style)
        return Teacher(network)
    except StyleNetError as error:
        raise StyleNetError(f"teacher_network={path}: {error}") from error
