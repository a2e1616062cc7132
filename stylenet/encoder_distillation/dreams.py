"""Images painted against an encoder, to find out what it gets wrong."""

from collections.abc import Sequence

import torch
from torch import Tensor

from stylenet.perceptual import Encoder, gram_matrix, style_loss

# Root mean square of a change, of [0, 1]; as an image optimized by Adam at 0.02 begins.
_STEP = 0.02
# Steps that a dream lasts on the average. After 50, an image painted against an encoder distilled
# without dreams had a style loss of 0.03 there, but of 0.09 to 0.23 under VGG-19.
_LASTS = 50


class Dreams:
    """Images that approach the Gram matrices of others, one gradient step at a time.

    Style transfer by optimization of the image (Gatys et al. 2016), which finds an encoder's
    weaknesses faster than any network that is trained against it.
    """

    def __init__(self, images: Tensor, count: int) -> None:
        """Start from images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W).
            count: Number of dreams.
        """
        indices = torch.arange(count, device=images.device) % len(images)
        self._images = images[indices].detach().clone()
        self._styles = self._images.flip(0)

    def paint(self, images: Tensor, encoder: Encoder, layers: Sequence[str]) -> Tensor:
        """Take one step, after replacing some dreams by new ones.

        Args:
            images: Content and style of new dreams, RGB in [0, 1], shape (N, 3, H, W).
            encoder: The encoder to optimize against.
            layers: Layers whose Gram matrices are compared.

        Returns:
            RGB in [0, 1], shape (count, 3, H, W).
        """
        count = len(self._images)
        anew = (torch.rand(count, 1, 1, 1) < 1 / _LASTS).to(images.device)
        order = torch.randperm(len(images)).repeat(2 * count).to(images.device)
        self._images = torch.where(anew, images[order[:count]], self._images)
        self._styles = torch.where(anew, images[order[count : 2 * count]], self._styles)

        with torch.no_grad():
            targets = encoder(self._styles, layers)
        painted = self._images.requires_grad_()
        features = encoder(painted, layers)
        losses = [style_loss(gram_matrix(features[n]), gram_matrix(targets[n])) for n in layers]
        (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), painted)
        size = gradient.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        self._images = (painted.detach() - _STEP * gradient / size).clamp(0, 1)
        return self._images

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that :meth:`from_state` needs, for a checkpoint."""
        return {"images": self._images, "styles": self._styles}

    @classmethod
    def from_state(cls, state: dict[str, Tensor], device: torch.device) -> "Dreams":
        """Restore dreams from a checkpoint.

        Args:
            state: From :meth:`state`.
            device: Device of the training.
        """
        dreams = cls(state["images"].to(device), len(state["images"]))
        dreams._styles = state["styles"].to(device)
        return dreams
