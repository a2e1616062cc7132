"""Training a network for arbitrary styles."""

import torch

from stylenet.data import PhotoData
from stylenet.errors import StyleNetError
from stylenet.files import user_path
from stylenet.methods.adain.loss import AdainLoss
from stylenet.methods.adain.module import AdainModule
from stylenet.methods.method import Method, refuse_style_overrides
from stylenet.networks import AdainNetwork
from stylenet.perceptual import Encoder

# Number of style images in previews; each has a row.
_PREVIEW_STYLES = 3


class Adain(Method):
    """One network for any style, trained on photos and a folder of style images.

    Huang & Belongie 2017 (arXiv:1703.06868).
    """

    usage = " style=painting.jpg"

    def check(self) -> None:
        """Check that style images are given, and no options of other methods; unset ``style``."""
        super().check()
        config = self.config
        if config.data.styles is None:
            raise StyleNetError(
                "network=adain is trained on photos and style images; give a folder of the "
                "latter: data.styles=FOLDER"
            )
        refuse_style_overrides(self.experiment, "network=adain")
        self.terms = self.experiment.build_loss()
        config.run_dir = str(config.run_dir)  # resolved now, because it may refer to the style
        config.style = None

    def build_criterion(self, encoder: Encoder) -> AdainLoss:
        """Build the loss that compares each photo of a batch with its own style image."""
        return AdainLoss(encoder, self.terms)

    def build_module(self, data: PhotoData) -> AdainModule:
        """Build the Lightning module; the first layers of the encoder are part of the network."""
        network = self.experiment.build(self.config.network)
        if not isinstance(network, AdainNetwork):
            raise StyleNetError(
                f"network={network.name} takes no style images; leave training_method out, so that "
                f"the network chooses its method"
            )
        encoder = self.experiment.build(self.config.encoder)
        _fill_encoder(network, encoder)
        if self.config.init is not None:
            self._start_from(network, encoder)
        assert data.style_data is not None
        return AdainModule(
            network,
            self.build_criterion(encoder),
            self.optimizer,
            self.experiment.recipe(),
            data.style_data.preview_photos(_PREVIEW_STYLES, data.style_data.dataset.crop_size),
        )

    def _start_from(self, network: AdainNetwork, encoder: Encoder) -> None:
        """Load the weights of ``init``, which must come from training with the same encoder."""
        own = {name: value.clone() for name, value in network.encoder.state_dict().items()}
        weights = str(self.config.encoder.weights)
        file = weights if user_path(weights).is_file() else None
        self.initialize(network, file)
        if not all(torch.equal(own[k], value) for k, value in network.encoder.state_dict().items()):
            raise StyleNetError(
                f"init={self.config.init} was trained with other weights of {encoder.architecture} "
                f"than encoder.weights={encoder.weights}; set encoder.weights to those weights"
            )


def _fill_encoder(network: AdainNetwork, encoder: Encoder) -> None:
    """Copy the first layers of the encoder into the network."""
    convolutions = encoder.convolutions_to(network.arguments["layer"])
    network.encoder.load_weights(
        {
            f"{name}.{key}": value
            for name, convolution in convolutions.items()
            for key, value in convolution.state_dict().items()
        }
    )
