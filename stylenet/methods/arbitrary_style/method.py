"""Training a network for arbitrary styles."""

from typing import Any

import torch

from stylenet.data import PhotoData
from stylenet.errors import StyleNetError
from stylenet.files import user_path
from stylenet.methods.arbitrary_style.loss import ArbitraryStyleLoss
from stylenet.methods.arbitrary_style.module import ArbitraryStyleModule
from stylenet.methods.method import Experiment, Method, refuse_style_overrides
from stylenet.networks import ArbitraryStyleNetwork
from stylenet.perceptual import Encoder, LiteEncoder

# Number of style images in previews; each has a row.
_PREVIEW_STYLES = 3
# Number of style images whose center crops set the scales of a network, and their short side. The
# mean of a statistic over so many is known to a sixteenth of its deviation.
_CALIBRATION_STYLES = 256


class ArbitraryStyle(Method):
    """One network for any style, trained on photos and a folder of style images."""

    usage = " style=painting.jpg"

    def __init__(
        self,
        experiment: Experiment,
        run_name: str | None = None,
        permute_colors: bool = False,
    ) -> None:
        """Store the options.

        Args:
            experiment: The composed config.
            run_name: Name of the default run directory.
            permute_colors: Whether the color channels of style images are in random order.
        """
        super().__init__(experiment, run_name)
        self.permute_colors = permute_colors

    def check(self) -> None:
        """Check that style images are given, and no options of other methods; unset ``style``."""
        super().check()
        config = self.config
        network = f"network={config.network.name}"
        if config.data.styles is None:
            raise StyleNetError(
                f"{network} is trained on photos and style images; give a folder of the latter: "
                f"data.styles=FOLDER"
            )
        refuse_style_overrides(self.experiment, network)
        self.terms = self.experiment.build_loss()
        config.run_dir = str(config.run_dir)  # resolved now, because it may refer to the style
        config.style = None
        if not isinstance(self.permute_colors, bool):
            raise StyleNetError(
                f"training_method.permute_colors={self.permute_colors} is neither true nor false"
            )

    def data_options(self) -> dict[str, Any]:
        """Return the options of the style images."""
        return {"style_options": {"permute_colors": self.permute_colors}}

    def build_criterion(self, encoder: Encoder) -> ArbitraryStyleLoss:
        """Build the loss that compares each photo of a batch with its own style image."""
        return ArbitraryStyleLoss(encoder, self.terms)

    def build_module(self, data: PhotoData) -> ArbitraryStyleModule:
        """Build the Lightning module, with the weights of the network's own encoder."""
        network = self.experiment.build(self.config.network)
        if not isinstance(network, ArbitraryStyleNetwork):
            raise StyleNetError(
                f"network={network.name} takes no style images; leave training_method out, so that "
                f"the network chooses its method"
            )
        encoder = self.experiment.build(self.config.encoder)
        assert data.style_data is not None
        crop_size = data.style_data.dataset.crop_size
        _fill_encoder(network, _own_encoder(network, encoder))
        network.calibrate(data.style_data.preview_photos(_CALIBRATION_STYLES, crop_size))
        if self.config.init is not None:
            self._start_from(network, encoder)
        return ArbitraryStyleModule(
            network,
            self.build_criterion(encoder),
            self.optimizer,
            self.experiment.recipe(),
            data.style_data.preview_photos(_PREVIEW_STYLES, crop_size),
        )

    def _start_from(self, network: ArbitraryStyleNetwork, encoder: Encoder) -> None:
        """Load the weights of ``init``, which must come from training with the same encoder."""
        convolutions = network.encoder.convolutions
        own = {name: value.clone() for name, value in convolutions.state_dict().items()}
        weights = str(self.config.encoder.weights)
        file = weights if user_path(weights).is_file() else None
        self.initialize(network, file)
        if not all(torch.equal(own[k], value) for k, value in convolutions.state_dict().items()):
            raise StyleNetError(
                f"init={self.config.init} was trained with other weights of {encoder.architecture} "
                f"than encoder.weights={encoder.weights}; set encoder.weights to those weights"
            )


def _own_encoder(network: ArbitraryStyleNetwork, encoder: Encoder) -> Encoder:
    """Return the encoder whose first layers a network has, if the loss uses the given one.

    Raises:
        StyleNetError: Its weights are neither the loss's nor bundled.
    """
    own = network.arguments.get("encoder")
    if own == encoder.architecture:
        return encoder
    if own not in (None, "lite"):
        raise StyleNetError(
            f"network.encoder={own}, but encoder={encoder.architecture}, so its weights are not "
            f"loaded; choose network.encoder=lite or encoder={own}"
        )
    return LiteEncoder()


def _fill_encoder(network: ArbitraryStyleNetwork, encoder: Encoder) -> None:
    """Copy the first layers of the encoder into the network."""
    convolutions = encoder.convolutions_to(network.encoder.layer)
    network.encoder.load_weights(
        {
            f"{name}.{key}": value
            for name, convolution in convolutions.items()
            for key, value in convolution.state_dict().items()
        }
    )
