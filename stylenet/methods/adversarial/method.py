"""Training a network of one style against a discriminator."""

from typing import Any, cast

from stylenet.data import PhotoData, load_style_images
from stylenet.errors import StyleNetError
from stylenet.methods.adversarial.loss import AdversarialOptions
from stylenet.methods.adversarial.module import AdversarialModule
from stylenet.methods.distillation.teacher import load_teacher
from stylenet.methods.single_style.method import SingleStyle
from stylenet.perceptual import LossTerm, PerceptualLoss

_STYLE_FOLDER = "loss.adversarial.style_folder"


class Adversarial(SingleStyle):
    """One network for one style, trained against a discriminator of a painter's images."""

    discriminator: AdversarialOptions

    def check(self) -> None:
        """Check that the discriminator fits crop size and gradient accumulation."""
        super().check()
        config, discriminator = self.config, self.discriminator
        if config.trainer.accumulate_grad_batches != 1:
            raise StyleNetError(
                f"trainer.accumulate_grad_batches={config.trainer.accumulate_grad_batches} does "
                f"not work with loss=adversarial, which takes a step of the discriminator for each "
                f"batch; leave it at 1 and set a larger data.batch_size"
            )
        crop, patch = config.data.crop_size, discriminator.patch_size
        if isinstance(crop, int) and 16 <= crop < patch:
            raise StyleNetError(
                f"data.crop_size={crop} is smaller than the discriminator's patches of {patch} "
                f"pixels; set a larger one, or loss.adversarial.discriminator_layers below "
                f"{discriminator.discriminator_layers}"
            )

    def build_loss(self) -> dict[str, LossTerm]:
        """Build the terms of the perceptual loss and the options of the discriminator."""
        terms, self.discriminator = self.experiment.build_adversarial_loss()
        return terms

    def data_options(self) -> dict[str, Any]:
        """Return the folder of the painter's images."""
        return {"styles": str(self.discriminator.style_folder), "styles_option": _STYLE_FOLDER}

    def trainer_options(self) -> dict[str, Any]:
        """Turn off the trainer's clipping; Lightning does not clip in manual optimization."""
        return {"gradient_clip_val": None}

    def build_module(self, data: PhotoData) -> AdversarialModule:
        """Build the Lightning module, with a teacher if ``teacher_network`` names one."""
        network = self.build_network()
        self.images = load_style_images(self.style)
        encoder = self.experiment.build(self.config.encoder)
        criterion = cast(PerceptualLoss, self.build_criterion(encoder))
        teacher = load_teacher(self.config.teacher_network, self.style.name)
        assert data.style_data is not None
        # Raises an error now if no style image is usable.
        data.style_data.preview_photos(1, data.dataset.crop_size)
        return AdversarialModule(
            network,
            criterion,
            self.optimizer,
            self.style.name,
            self.experiment.recipe(),
            self.discriminator,
            teacher,
            self.config.teacher_weight,
            self.config.trainer.gradient_clip_val,
        )
