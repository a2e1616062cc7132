"""Training a network of several styles."""

from stylenet.checkpoint import load_checkpoint
from stylenet.data import PhotoData, StyleOptions, load_style_images
from stylenet.errors import StyleNetError
from stylenet.methods.conditional.loss import ConditionalLoss
from stylenet.methods.conditional.module import ConditionalModule
from stylenet.methods.method import Method, refuse_style_images
from stylenet.networks import JohnsonMultiNetwork, add_styles, check_style_names, join_style_names
from stylenet.perceptual import Encoder, PerceptualLoss, with_style_layers

# Overrides that make sense for one style only.
_ONE_STYLE_ONLY = ("style.image=", "style.name=")


class Conditional(Method):
    """One network for several styles, with a scale and a shift for each in every normalization.

    Dumoulin, Shlens, Kudlur 2017 (arXiv:1610.07629).
    """

    def check(self) -> None:
        """Check the list of styles and compose their options."""
        super().check()
        refuse_style_images(self.config.data.styles, f"network={self.config.network.name}")
        self.styles = self._compose_styles()
        terms = self.experiment.build_loss()
        self.terms = [with_style_layers(terms, style.layers) for style in self.styles]
        if self.config.add_to is not None and self.config.init not in (None, "auto"):
            raise StyleNetError(
                "add_to and init both name a network to start from; leave one of them out"
            )

    def build_network(self) -> JohnsonMultiNetwork:
        """Build the network with random weights or those of ``init``, or extend ``add_to``."""
        names = [style.name for style in self.styles]
        if self.config.add_to is not None:
            self.config.init = None
            return self._extend(str(self.config.add_to), names)
        network: JohnsonMultiNetwork = self.experiment.build(self.config.network, styles=names)
        self.initialize(network)
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
        """Compose the options of each style in ``styles``, as ``style=NAME`` would."""
        names = check_style_names(self.config.styles)
        if self.config.teacher_network is not None:
            raise StyleNetError(
                "teacher_network teaches one style, but styles names several; leave one of them out"
            )
        single = [o for o in self.experiment.overrides if o.startswith(_ONE_STYLE_ONLY)]
        if single and len(names) > 1:
            raise StyleNetError(
                f"{single[0]} would apply to each of styles={names}; put it into the file of a "
                f"style in configs/style/"
            )
        build, compose = self.experiment.build, self.experiment.compose_style
        styles: list[StyleOptions] = [build(compose(name)) for name in names]
        check_style_names([style.name for style in styles])
        return styles

    def _extend(self, path: str, names: list[str]) -> JohnsonMultiNetwork:
        """Add styles to a trained network; everything but their parameters is frozen."""
        try:
            trained, _ = load_checkpoint(path)
            if not isinstance(trained, JohnsonMultiNetwork):
                raise StyleNetError(
                    f"it is a {trained.name} network, to which no styles can be added; give one "
                    f"that was trained with network=johnson_multi"
                )
            extended = add_styles(trained, names)
        except StyleNetError as error:
            raise StyleNetError(f"add_to={path}: {error}") from error
        options = self.config.network
        other = {k: v for k, v in trained.arguments.items() if k != "styles" and v != options[k]}
        if other:
            raise StyleNetError(
                f"add_to={path} was trained with other network options; add "
                f"{' '.join(f'network.{key}={value}' for key, value in other.items())}"
            )
        return extended
