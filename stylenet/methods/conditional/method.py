"""Training a network of several styles."""

from stylenet.checkpoint import load_checkpoint, start_from
from stylenet.data import PhotoData, StyleOptions, load_style_images
from stylenet.errors import StyleNetError
from stylenet.methods.conditional.loss import ConditionalLoss
from stylenet.methods.conditional.module import ConditionalModule
from stylenet.methods.method import Method, refuse_style_images
from stylenet.networks import JohnsonMultiNetwork, add_styles, check_style_names, join_style_names
from stylenet.perceptual import Encoder, PerceptualLoss, with_style_layers

# Options that only one style can have.
_OF_ONE_STYLE = ("style.image=", "style.name=")


class Conditional(Method):
    """One network for several styles, by a scale and a shift of each in every normalization.

    Dumoulin, Shlens, Kudlur 2017 (arXiv:1610.07629).
    """

    def check(self) -> None:
        """Check the list of styles, and compose each of them."""
        super().check()
        refuse_style_images(self.config, f"network={self.config.network.name}")
        self.styles = self._compose_styles()
        terms = self.experiment.build_loss()
        self.terms = [with_style_layers(terms, style.layers) for style in self.styles]
        if self.config.add_to is not None and self.config.init is not None:
            raise StyleNetError(
                "add_to and init both name a network to begin with; leave one of them out"
            )

    def build_network(self) -> JohnsonMultiNetwork:
        """Build the network, with fresh weights, those of ``init``, or ``add_to`` made larger."""
        names = [style.name for style in self.styles]
        if self.config.add_to is not None:
            return self._enlarge(str(self.config.add_to), names)
        network: JohnsonMultiNetwork = self.experiment.build(self.config.network, styles=names)
        if self.config.init is not None:
            start_from(network, str(self.config.init))
        return network

    def build_criterion(self, encoder: Encoder) -> ConditionalLoss:
        """Build the loss that compares each photo of a batch with its own style."""
        parts = zip(self.styles, self.terms, self.images, strict=True)
        return ConditionalLoss(
            {
                style.name: PerceptualLoss(
                    encoder, terms, images, style.weight, style.image_weights
                )
                for style, terms, images in parts
            }
        )

    def build_module(self, data: PhotoData) -> ConditionalModule:
        """Build the Lightning module."""
        network = self.build_network()
        self.images = [load_style_images(style) for style in self.styles]
        encoder = self.experiment.build(self.config.encoder)
        return ConditionalModule(
            network,
            self.build_criterion(encoder),
            self.optimizer,
            join_style_names(network.styles),
            self.experiment.recipe(),
        )

    def _compose_styles(self) -> list[StyleOptions]:
        """Return the options of ``styles``, each as ``style`` would choose it."""
        names = check_style_names(self.config.styles)
        if self.config.teacher_network is not None:
            raise StyleNetError(
                "teacher_network teaches one style and styles asks for several; leave one of them "
                "out"
            )
        of_one = [o for o in self.experiment.overrides if o.startswith(_OF_ONE_STYLE)]
        if of_one and len(names) > 1:
            raise StyleNetError(
                f"{of_one[0]} would hold for each of styles={names}; write them a file"
            )
        build, compose = self.experiment.build, self.experiment.compose_style
        styles: list[StyleOptions] = [build(compose(name)) for name in names]
        check_style_names([style.name for style in styles])
        return styles

    def _enlarge(self, path: str, names: list[str]) -> JohnsonMultiNetwork:
        """Return a trained network with room for new styles, everything else frozen."""
        try:
            trained, _ = load_checkpoint(path)
            if not isinstance(trained, JohnsonMultiNetwork):
                raise StyleNetError(
                    f"it is a network {trained.name} of one style; styles are added to one that "
                    f"was trained with network=johnson_multi"
                )
            larger = add_styles(trained, names)
        except StyleNetError as error:
            raise StyleNetError(f"add_to={path}: {error}") from error
        options = self.config.network
        other = {k: v for k, v in trained.arguments.items() if k != "styles" and v != options[k]}
        if other:
            raise StyleNetError(
                f"add_to={path} is a network of other options; add "
                f"{' '.join(f'network.{key}={value}' for key, value in other.items())}"
            )
        return larger
