"""Meta-learning of a base network on a folder of style images."""

from typing import Any

from stylenet.data import PhotoData
from stylenet.data.style import SMALLEST_STYLE
from stylenet.errors import StyleNetError, check_number
from stylenet.methods.meta.module import MetaModule
from stylenet.methods.method import Experiment, Method, refuse_style_overrides
from stylenet.methods.selection import selection_of
from stylenet.networks import StyleNetwork
from stylenet.perceptual import ChangingStyleLoss, Encoder


class Meta(Method):
    """One network from which any style is learned in few steps.

    Reptile (Nichol, Achiam, Schulman 2018, arXiv:1803.02999), here for style transfer as MetaStyle
    (Zhang, Zhu, Zhu 2019, arXiv:1812.05233).
    """

    def __init__(
        self,
        experiment: Experiment,
        run_name: str | None = None,
        inner_steps: int = 10,
        inner_lr: float = 1e-3,
        style_size: int = 512,
    ) -> None:
        """Store the options.

        Args:
            experiment: The composed config.
            run_name: Name of the default run directory.
            inner_steps: Steps on one style per training step.
            inner_lr: Learning rate of these steps.
            style_size: Height and width of the square cut from each style image, in pixels.
        """
        super().__init__(experiment, run_name)
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.style_size = style_size

    def check(self) -> None:
        """Check the options, and unset ``style``.

        Raises:
            StyleNetError: An option is impossible, missing, or for another method.
        """
        super().check()
        config = self.config
        check_number("training_method.inner_steps", self.inner_steps, minimum=1, integer=True)
        check_number("training_method.inner_lr", self.inner_lr, above=0)
        check_number(
            "training_method.style_size", self.style_size, minimum=SMALLEST_STYLE, integer=True
        )
        check_number("data.batch_size", config.data.batch_size, minimum=1, integer=True)
        if config.data.styles is None:
            raise StyleNetError(
                "experiment=meta learns from many styles; give a folder of style images: "
                "data.styles=FOLDER"
            )
        refuse_style_overrides(self.experiment, "experiment=meta")
        self._check_trainer()
        if config.network.get("norm") == "batch":
            raise StyleNetError(
                "network.norm=batch keeps means and variances of one style, which do not suit "
                "another; experiment=meta needs network.norm=instance"
            )
        for name in ("temporal_weight", "droplet_weight"):
            if config.loss.get(name):
                raise StyleNetError(
                    f"loss.{name}={config.loss[name]} does not work with experiment=meta; leave "
                    f"it out, and set it in the runs that start from the result"
                )
        self.terms = self.experiment.build_loss()
        config.run_dir = str(config.run_dir)  # resolved now, because it may refer to the style
        config.style = None

    def _check_trainer(self) -> None:
        """Check options of the trainer that manual optimization does not serve."""
        options = self.config.trainer
        if options.accumulate_grad_batches != 1:
            raise StyleNetError(
                f"trainer.accumulate_grad_batches={options.accumulate_grad_batches} does not work "
                f"with experiment=meta; leave it at 1 and set a larger data.batch_size"
            )
        if str(options.precision) in ("16-mixed", "16", "16-true"):
            raise StyleNetError(
                f"trainer.precision={options.precision} does not work with experiment=meta, whose "
                f"inner steps do not scale gradients; set trainer.precision=bf16-mixed or 32-true"
            )

    def data_options(self) -> dict[str, Any]:
        """Return the sizes of a batch: photos of all inner steps, and one whole style image."""
        style = {"crop_size": self.style_size, "batch_size": 1, "max_scale": 1.0}
        return {
            "batch_size": self.config.data.batch_size * self.inner_steps,
            "style_options": style,
        }

    def trainer_options(self) -> dict[str, Any]:
        """Turn off the trainer's clipping; the module clips the gradients of the inner steps."""
        return {"gradient_clip_val": None}

    def build_criterion(self, encoder: Encoder) -> ChangingStyleLoss:
        """Build the loss that gets the targets of the style with every batch."""
        return ChangingStyleLoss(encoder, self.terms)

    def build_module(self, data: PhotoData) -> MetaModule:
        """Build the Lightning module."""
        network: StyleNetwork = self.experiment.build(self.config.network)
        selection = selection_of(network)
        if selection.styles(network) != [] or selection.has_dials:
            raise StyleNetError(
                f"network={network.name} holds {selection.held}, but a base network "
                f"holds one style; choose network=johnson or network=compact"
            )
        self.initialize(network)
        assert data.style_data is not None
        # Raises an error now if no style image is usable.
        data.style_data.preview_photos(1, SMALLEST_STYLE)
        return MetaModule(
            network,
            self.build_criterion(self.experiment.build(self.config.encoder)),
            self.optimizer,
            self.experiment.recipe(),
            self.inner_steps,
            self.inner_lr,
            self.config.trainer.gradient_clip_val,
        )
