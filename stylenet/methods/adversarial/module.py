"""The Lightning module of adversarial training."""

from typing import Any, cast

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from stylenet.data import Pairs, split_clips
from stylenet.methods.adversarial.loss import OBJECTIVES, AdversarialOptions, discriminator_accuracy
from stylenet.methods.distillation.teacher import Teacher
from stylenet.methods.single_style.module import SingleStyleModule
from stylenet.networks import StyleNetwork
from stylenet.perceptual import PerceptualLoss
from stylenet.training.optimizer import OptimizerFactory

# Betas of the discriminator's optimizer, if it has any. A first beta of 0.5 made adversarial
# training stable in Radford et al. 2016 (arXiv:1511.06434); Isola et al. 2017 also use it.
_BETAS = (0.5, 0.999)


class AdversarialModule(SingleStyleModule):
    """Trains a network against a perceptual loss and a discriminator, and trains the discriminator.

    Each step first trains the discriminator to distinguish crops of style images from stylized
    photos, then the network on the sum of its losses. The network runs once per step. Only its
    optimizer step counts as a training step. Several ranks train both on the mean gradients.

    Attributes:
        discriminator: The discriminator. Its parameters require gradients only during its own step,
            because DistributedDataParallel expects a gradient of each such parameter in every
            backward pass.
    """

    def __init__(
        self,
        network: StyleNetwork,
        criterion: PerceptualLoss,
        optimizer: OptimizerFactory,
        style: str,
        recipe: dict[str, Any],
        options: AdversarialOptions,
        teacher: Teacher | None = None,
        teacher_weight: float = 0.0,
        gradient_clip_val: float | None = None,
    ) -> None:
        """Initialize the module and build the discriminator.

        Args:
            network: The network to train.
            criterion: The perceptual loss of the style.
            optimizer: Builds the optimizers and their schedules.
            style: Name of the style, for checkpoints.
            recipe: The composed options of the run, for checkpoints.
            options: Options of the discriminator and its loss.
            teacher: Teacher of the network, see :class:`SingleStyleModule`.
            teacher_weight: Weight of the loss ``teacher``.
            gradient_clip_val: Largest gradient norm; ``None`` for no clipping. The trainer's own
                option must be ``None``.

        Raises:
            StyleNetError: The teacher's weight is impossible.
        """
        super().__init__(network, criterion, optimizer, style, recipe, teacher, teacher_weight)
        self.automatic_optimization = False
        self.discriminator = options.build_discriminator().to(memory_format=torch.channels_last)
        self.discriminator.requires_grad_(False)
        self._adversarial = options
        self._objective = OBJECTIVES[options.objective]
        self._clip = gradient_clip_val

    @property
    def described(self) -> str:
        """Network and discriminator as options, for messages."""
        options = self._adversarial
        return (
            f"{super().described} beside "
            f"loss.adversarial.discriminator_width={options.discriminator_width} "
            f"loss.adversarial.discriminator_layers={options.discriminator_layers} "
            f"loss.adversarial.spectral_norm={str(options.spectral_norm).lower()}"
        )

    @property
    def trained(self) -> dict[str, nn.Module]:
        """The network and the discriminator."""
        return {**super().trained, "discriminator": self.discriminator}

    def configure_optimizers(self) -> list[OptimizerLRSchedulerConfig]:  # type: ignore[override]
        """Build the optimizers of network and discriminator, with the same schedule."""
        factory = self.optimizer_factory
        changes: dict[str, Any] = {"lr": factory.lr * self._adversarial.discriminator_lr_ratio}
        if factory.accepts("betas"):
            changes["betas"] = _BETAS
        groups = [{"params": list(self.discriminator.parameters())}]
        discriminator = factory.build(groups, name="lr-discriminator", **changes)
        return [super().configure_optimizers(), discriminator]

    def replays_steps(self) -> bool:
        """Return ``False``, because two optimizers take turns."""
        return False

    def training_step(self, batch: Pairs, batch_idx: int) -> Tensor:
        """Train the discriminator and the network for one step each.

        Args:
            batch: Photos and as many crops of style images, RGB in [0, 1], (N, 3, H, W) each.
            batch_idx: Index of the batch.

        Returns:
            The network's total loss, a scalar, detached.
        """
        batch, clips = split_clips(batch)
        photos, styles = (images.contiguous(memory_format=torch.channels_last) for images in batch)
        inputs = self.with_view((photos,), batch_idx, clips)
        stylized, values = self.compiled_losses(*inputs)
        values["discriminator"] = self._train_discriminator(styles, stylized.detach())
        self.discriminator.eval()  # so that its power iteration takes no step here
        values["adversarial"] = self._objective.generator(self.discriminator(stylized))
        weight = self._adversarial.weight
        values["total"] = values["total"] + weight * values["adversarial"]
        self.note(stylized, values)

        optimizer, _ = self._optimizers()
        optimizer.zero_grad()
        self.manual_backward(values["total"])
        optimizer.step()
        for schedule in cast(list[LRScheduler], self.lr_schedulers()):
            schedule.step()
        return values["total"].detach()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradients as the trainer would; float16 gradients are unscaled by then."""
        if self._clip is not None:
            self.clip_gradients(optimizer, gradient_clip_val=self._clip)

    def _train_discriminator(self, styles: Tensor, stylized: Tensor) -> Tensor:
        """Train the discriminator for one step; return its loss before the step, detached."""
        self.discriminator.train()
        self.discriminator.requires_grad_(True)
        both = torch.cat([styles, stylized.to(styles.dtype)])
        real, fake = self.discriminator(both).chunk(2)
        loss = self._objective.discriminator(real, fake)
        _, optimizer = self._optimizers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.discriminator.requires_grad_(False)
        if self.trainer.world_size > 1:
            self._average_gradients()
        # Not optimizer.step(): Lightning would count the call as a training step, on which the end
        # of the run, callbacks and the resuming of data depend.
        self.trainer.strategy.optimizer_step(optimizer.optimizer, _nothing)
        accuracy = discriminator_accuracy(real, fake, self._objective.threshold)
        outputs = {"real": real.mean(), "fake": fake.mean(), "accuracy": accuracy}
        self.log_dict({f"discriminator/{k}": value.detach() for k, value in outputs.items()})
        return loss.detach()

    def _average_gradients(self) -> None:
        """Replace the gradients of the discriminator by their mean over all ranks."""
        gradients = [p.grad for p in self.discriminator.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        mean = cast(Tensor, self.trainer.strategy.reduce(flat, reduce_op="mean"))
        parts = mean.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))

    def _optimizers(self) -> tuple[LightningOptimizer, LightningOptimizer]:
        """Return the optimizers of network and discriminator."""
        return tuple(cast(list[LightningOptimizer], self.optimizers()))  # type: ignore[return-value]


def _nothing() -> None:
    """Do nothing: the closure of a step whose gradients are computed already."""
