"""Adversarial losses: a network against a discriminator that knows a painter's images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from stylenet.errors import StyleNetError, check_choice, check_number
from stylenet.perceptual.discriminator import PatchDiscriminator, patch_size
from stylenet.perceptual.losses import wide
from stylenet.perceptual.perceptual_loss import LossOptions


class Objective(NamedTuple):
    """What the two of an adversarial training strive for; outputs have any shape.

    Attributes:
        discriminator: Of its outputs for paintings and for stylized photos, a scalar to lessen.
        generator: Of its outputs for stylized photos, a scalar for the network to lessen.
        threshold: An output above it says "a painting".
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    threshold: float


def lsgan_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Least squares, (D(x) - 1)² / 2 + D(y)² / 2 (Mao et al. 2017, eq. 9).

    Args:
        real: Outputs for paintings, any shape and floating type.
        fake: Outputs for stylized photos.

    Returns:
        The mean over all outputs, a scalar, float32 at least.
    """
    return ((wide(real) - 1).square().mean() + wide(fake).square().mean()) / 2


def lsgan_generator(fake: Tensor) -> Tensor:
    """Least squares, (D(y) - 1)² / 2 (Mao et al. 2017, eq. 9).

    Args:
        fake: Outputs for stylized photos, any shape and floating type.

    Returns:
        The mean over all outputs, a scalar, float32 at least.
    """
    return (wide(fake) - 1).square().mean() / 2


def bce_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Cross entropy, -log sigmoid(D(x)) - log(1 - sigmoid(D(y))) (Goodfellow et al. 2014, eq. 1).

    Args:
        real: Outputs for paintings, any shape and floating type.
        fake: Outputs for stylized photos.

    Returns:
        The mean over all outputs, a scalar, float32 at least.
    """
    return softplus(-wide(real)).mean() + softplus(wide(fake)).mean()


def bce_generator(fake: Tensor) -> Tensor:
    """Cross entropy that does not saturate, -log sigmoid(D(y)) (Goodfellow et al. 2014, section 3).

    Args:
        fake: Outputs for stylized photos, any shape and floating type.

    Returns:
        The mean over all outputs, a scalar, float32 at least.
    """
    return softplus(-wide(fake)).mean()


OBJECTIVES = {
    "lsgan": Objective(lsgan_discriminator, lsgan_generator, 0.5),
    "bce": Objective(bce_discriminator, bce_generator, 0.0),
}


@dataclass(frozen=True)
class AdversarialOptions(LossOptions):
    """The perceptual losses, and a discriminator beside them.

    Attributes:
        style_folder: The folder of paintings that the discriminator learns from.
        adversarial_weight: Weight of the adversarial loss; with 0 the discriminator only watches.
        objective: ``lsgan`` or ``bce``.
        spectral_norm: See :class:`PatchDiscriminator`.
        discriminator_width: See :class:`PatchDiscriminator`.
        discriminator_layers: See :class:`PatchDiscriminator`.
        discriminator_lr_ratio: Learning rate of the discriminator, times the network's.
    """

    style_folder: str = ""
    adversarial_weight: float = 3.0
    objective: str = "lsgan"
    spectral_norm: bool = True
    discriminator_width: int = 64
    discriminator_layers: int = 2
    discriminator_lr_ratio: float = 1.0

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        super().__post_init__()
        if not str(self.style_folder or "").strip():
            raise StyleNetError("loss.style_folder is empty; set it to a folder of paintings")
        check_number("loss.adversarial_weight", self.adversarial_weight, minimum=0)
        check_choice("loss.objective", self.objective, OBJECTIVES)
        if not isinstance(self.spectral_norm, bool):
            raise StyleNetError(
                f"loss.spectral_norm={self.spectral_norm} is neither true nor false"
            )
        for name in ("discriminator_width", "discriminator_layers"):
            check_number(f"loss.{name}", getattr(self, name), minimum=1, integer=True)
        check_number("loss.discriminator_lr_ratio", self.discriminator_lr_ratio, above=0)

    @property
    def patch_size(self) -> int:
        """The side of the squares that the discriminator judges, in pixels."""
        return patch_size(self.discriminator_layers)

    def build_discriminator(self) -> PatchDiscriminator:
        """Builds the discriminator.

        Returns:
            It, with fresh weights.
        """
        return PatchDiscriminator(
            self.discriminator_width, self.discriminator_layers, self.spectral_norm
        )


@torch.no_grad()
def told_apart(real: Tensor, fake: Tensor, threshold: float) -> Tensor:
    """Says how often a discriminator is right.

    Args:
        real: Outputs for paintings, any shape.
        fake: Outputs for stylized photos.
        threshold: See :class:`Objective`.

    Returns:
        The share of right answers, the mean of both kinds: a scalar in [0, 1], 0.5 by chance.
    """
    return ((real > threshold).float().mean() + (fake <= threshold).float().mean()) / 2
