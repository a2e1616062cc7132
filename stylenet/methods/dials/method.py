"""Training a network with dials."""

import math
from typing import cast

from stylenet.data import PhotoData, load_style_images
from stylenet.errors import StyleNetError
from stylenet.methods.dials.loss import DialsLoss
from stylenet.methods.dials.module import DialsModule
from stylenet.methods.single_style.method import SingleStyle
from stylenet.networks import DialsNetwork, StyleNetwork
from stylenet.perceptual import Encoder, PerceptualLoss

# Sizes per factor of 2 at which the style is seen.
_SIZES_PER_OCTAVE = 8


class DialsMethod(SingleStyle):
    """One network for one style at any stroke size and style weight.

    Jing et al. 2018 (arXiv:1802.07101), Babaeizadeh & Ghiasi 2018 (arXiv:1811.08560).
    """

    usage = " stroke=1.5 style_weight=2"

    @property
    def plain_name(self) -> str:
        """Name of the plain network that ``network`` may start from."""
        return str(self.config.network.name).removesuffix("_dials")

    def check(self) -> None:
        """Check that the options name one style, and no teacher."""
        super().check()
        if self.config.teacher_network is not None:
            raise StyleNetError(
                f"teacher_network={self.config.teacher_network} has one size of strokes and cannot "
                f"teach network={self.config.network.name}; leave it out"
            )

    def check_network(self, network: StyleNetwork) -> None:
        """Check that the network has dials."""
        if not isinstance(network, DialsNetwork):
            raise StyleNetError(
                f"network={network.name} has no dials; leave training_method out, so that the "
                f"network chooses its method"
            )

    def build_module(self, data: PhotoData) -> DialsModule:
        """Build the Lightning module."""
        self.network = cast(DialsNetwork, self.build_network())
        encoder = self.experiment.build(self.config.encoder)
        return DialsModule(
            self.network,
            self.build_criterion(encoder),
            self.optimizer,
            self.style.name,
            self.experiment.recipe(),
        )

    def build_criterion(self, encoder: Encoder) -> DialsLoss:
        """Build the loss, with the style seen at a grid of sizes."""
        limits = self.network.limits
        octaves = math.log2(limits["stroke"])
        half = math.ceil(octaves * _SIZES_PER_OCTAVE)
        strokes = [2 ** (octaves * step / half) for step in range(-half, half + 1)]
        style = self.style
        losses = [
            PerceptualLoss(
                encoder,
                self.terms,
                load_style_images(style, stroke),
                style.weight,
                style.image_weights,
            )
            for stroke in strokes
        ]
        return DialsLoss(losses, limits["style_weight"])
