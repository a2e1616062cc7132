"""Training a network of one style."""

from torch import nn

from stylenet.checkpoint import load_checkpoint
from stylenet.data import PhotoData, load_style_images
from stylenet.errors import StyleNetError
from stylenet.methods.distillation.teacher import load_teacher
from stylenet.methods.method import Method, refuse_style_images
from stylenet.methods.selection import selection_of
from stylenet.methods.single_style.module import SingleStyleModule
from stylenet.networks import StyleNetwork, check_style_names
from stylenet.perceptual import Encoder, LossTerm, PerceptualLoss, with_style_layers
from stylenet.training import StyleTransferModule


class SingleStyle(Method):
    """One network for one style (Johnson et al. 2016, arXiv:1603.08155)."""

    @property
    def plain_name(self) -> str:
        """Name of the plain network that ``network`` may start from."""
        return str(self.config.network.name)

    def check(self) -> None:
        """Check that the options name one style."""
        super().check()
        config = self.config
        if config.styles is not None:
            names = check_style_names(config.styles)
            raise StyleNetError(
                f"styles={names} names several styles for one network, but network="
                f"{config.network.name} holds one; choose network=johnson_multi, or style=NAME"
            )
        if config.add_to is not None:
            raise StyleNetError("add_to needs network=johnson_multi and styles='[NAME]'")
        refuse_style_images(config.data.styles, f"network={config.network.name}")
        self.style = self.experiment.build(config.style)
        self.terms = with_style_layers(self.build_loss(), self.style.layers)

    def build_loss(self) -> dict[str, LossTerm]:
        """Build the terms of the loss."""
        return self.experiment.build_loss()

    def build_network(self) -> StyleNetwork:
        """Build the network with random weights, or with the size and the weights of ``init``."""
        if self.config.init not in (None, "auto", "base"):
            self._adopt_size(str(self.config.init))
        network: StyleNetwork = self.experiment.build(self.config.network)
        self.check_network(network)
        self.initialize(network)
        return network

    def check_network(self, network: StyleNetwork) -> None:
        """Check that this method trains such a network.

        Raises:
            StyleNetError: It holds other styles than one.
        """
        selection = selection_of(network)
        if selection.styles(network) != [] or selection.has_dials:
            raise StyleNetError(
                f"network={network.name} holds {selection.held}, but this training method trains "
                f"one style; leave training_method out, so that the network chooses its method"
            )

    def _adopt_size(self, init: str) -> None:
        """Set the options of the network to those of ``init``, from which no other size can start.

        Options that the user gives stay; if they differ, ``start_from`` ends the run and says so.
        """
        trained, _ = load_checkpoint(init)
        options = self.config.network
        if trained.name not in (options.name, self.plain_name):
            return
        for name, value in trained.arguments.items():
            if name in options and not self.experiment.overrides_option(f"network.{name}"):
                options[name] = value

    def build_criterion(self, encoder: Encoder) -> nn.Module:
        """Build the perceptual loss of the style."""
        style = self.style
        return PerceptualLoss(encoder, self.terms, self.images, style.weight, style.image_weights)

    def build_module(self, data: PhotoData) -> StyleTransferModule:
        """Build the Lightning module, with a teacher if ``teacher_network`` names one."""
        network = self.build_network()
        self.images = load_style_images(self.style)
        encoder = self.experiment.build(self.config.encoder)
        return SingleStyleModule(
            network,
            self.build_criterion(encoder),
            self.optimizer,
            self.style.name,
            self.experiment.recipe(),
            load_teacher(self.config.teacher_network, self.style.name),
            self.config.teacher_weight,
        )
