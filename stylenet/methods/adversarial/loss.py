"""Adversarial losses, and the options of the adversarial term."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from stylenet.errors import StyleNetError, check_choice, check_number
from stylenet.methods.adversarial.discriminator import PatchDiscriminator, patch_size
from stylenet.moments import wide


class Objective(NamedTuple):
    """Losses of the discriminator and of the network that is trained against it.

    Attributes:
        discriminator: Loss of the discriminator as a function of its outputs for style images and
            for stylized photos, of any shape.
        generator: Loss of the network as a function of the outputs for stylized photos.
        threshold: Outputs above it classify a patch as a style image.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    threshold: float


def lsgan_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Return the least-squares loss (D(x) - 1)² / 2 + D(y)² / 2 (Mao et al. 2017, eq. 9).

    Args:
        real: Outputs for style images, any shape and floating type.
        fake: Outputs for stylized photos.

    Returns:
        The mean over all outputs, a scalar, float32 at least.
    """
    return ((wide(real) - 1).square().mean() + wide(fake).square().mean()) / 2


def lsgan_generator(fake: Tensor) -> Tensor:
    """Return the least-squares loss (D(y) - 1)² / 2 (Mao et al. 2017, eq. 9).

    Args:
        fake: Outputs for stylized photos, any shape and floating type.

    Returns:
        The mean over all outputs, a scalar, float32 at least.
    """
    return (wide(fake) - 1).square().mean() / 2


def bce_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Return the cross entropy -log sigmoid(D(x)) - log(1 - sigmoid(D(y))).

    Goodfellow et al. 2014, eq. 1.

    Args:
        real: Outputs for style images, any shape and floating type.
        fake: Outputs for stylized photos.

    Returns:
        The mean over all outputs, a scalar, float32 at least.
    """
    return softplus(-wide(real)).mean() + softplus(wide(fake)).mean()


def bce_generator(fake: Tensor) -> Tensor:
    """Return the non-saturating loss -log sigmoid(D(y)) (Goodfellow et al. 2014, section 3).

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
class AdversarialOptions:
    """The term ``adversarial`` of a loss: a discriminator that is trained beside the network.

    Attributes:
        style_folder: Folder of the style images, the real images of the discriminator.
        weight: Weight of the adversarial loss in the total; with 0 the discriminator has no effect.
        objective: ``lsgan`` or ``bce``.
        spectral_norm: See :class:`PatchDiscriminator`.
        discriminator_width: See :class:`PatchDiscriminator`.
        discriminator_layers: See :class:`PatchDiscriminator`.
        discriminator_lr_ratio: Learning rate of the discriminator divided by the network's.
    """

    style_folder: str = ""
    weight: float = 3.0
    objective: str = "lsgan"
    spectral_norm: bool = True
    discriminator_width: int = 64
    discriminator_layers: int = 2
    discriminator_lr_ratio: float = 1.0

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        if not str(self.style_folder or "").strip():
            raise StyleNetError("style_folder is empty; set it to a folder of style images")
        check_number("weight", self.weight, minimum=0)
        check_choice("objective", self.objective, OBJECTIVES)
        if not isinstance(self.spectral_norm, bool):
            raise StyleNetError(f"spectral_norm={self.spectral_norm} is neither true nor false")
        for name in ("discriminator_width", "discriminator_layers"):
            check_number(name, getattr(self, name), minimum=1, integer=True)
        check_number("discriminator_lr_ratio", self.discriminator_lr_ratio, above=0)

    @property
    def patch_size(self) -> int:
        """Height and width of the discriminator's patches, in pixels."""
        return patch_size(self.discriminator_layers)

    def build_discriminator(self) -> PatchDiscriminator:
        """Build a discriminator with random weights."""
        return PatchDiscriminator(
            self.discriminator_width, self.discriminator_layers, self.spectral_norm
        )


def take_adversarial(terms: dict[str, Any]) -> AdversarialOptions | None:
    """Remove the adversarial term from the terms of a loss, and return it.

    The adversarial method computes this term itself.

    Args:
        terms: Terms of a loss by name, changed in place.

    Returns:
        The options of the term; ``None`` if the loss has none.
    """
    names = [name for name, term in terms.items() if isinstance(term, AdversarialOptions)]
    return terms.pop(names[0]) if names else None


@torch.no_grad()
def discriminator_accuracy(real: Tensor, fake: Tensor, threshold: float) -> Tensor:
    """Return the accuracy of a discriminator.

    Args:
        real: Outputs for style images, any shape.
        fake: Outputs for stylized photos.
        threshold: See :class:`Objective`.

    Returns:
        Mean of the accuracies of both classes, a scalar in [0, 1]; 0.5 for guessing.
    """
    return ((real > threshold).float().mean() + (fake <= threshold).float().mean()) / 2
