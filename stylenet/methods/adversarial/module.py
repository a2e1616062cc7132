"""The Lightning module of a network that learns against a discriminator."""

from typing import Any, cast

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from stylenet.data import Pairs
from stylenet.networks import StyleNetwork
from stylenet.perceptual import OBJECTIVES, AdversarialOptions, PerceptualLoss, told_apart
from stylenet.training.module import StyleTransferModule
from stylenet.training.schedule import OptimizerOptions, make_adam
from stylenet.training.teacher import Teacher

# Of the discriminator's Adam: a first moment of 0.5 made adversarial training stable in Radford et
# al. 2016 (arXiv:1511.06434); Isola et al. 2017 use it too.
_BETAS = (0.5, 0.999)


class AdversarialModule(StyleTransferModule):
    """Trains a network against perceptual losses and a discriminator, which learns beside it.

    In each step the discriminator learns to tell crops of paintings from the network's images,
    then the network learns from the sum of its losses; it runs once. Only the network's step counts
    as a training step. With several processes both learn from the mean of all their gradients.

    Attributes:
        discriminator: Its parameters want gradients only while it learns, so that Lightning's
            DistributedDataParallel, which expects one for each at each backward pass, is not
            concerned with them.
    """

    def __init__(
        self,
        network: StyleNetwork,
        criterion: PerceptualLoss,
        optimizer: OptimizerOptions,
        style: str,
        recipe: dict[str, Any],
        options: AdversarialOptions,
        teacher: Teacher | None = None,
        teacher_weight: float = 0.0,
        gradient_clip_val: float | None = None,
    ) -> None:
        """Takes the parts, and draws the discriminator's weights.

        Args:
            network: What is trained.
            criterion: What judges it beside the discriminator.
            optimizer: How fast it learns.
            style: Name of the style, for checkpoints.
            recipe: The composed options of the run, for checkpoints.
            options: Of the discriminator.
            teacher: A trained network to meet the images of.
            teacher_weight: Weight of the difference from them.
            gradient_clip_val: As of Lightning's trainer, which has to be without one here.

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
        """Network and discriminator in the words of the options, for messages."""
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
        """Sets up Adam for the network's parameters, and for the discriminator's.

        Returns:
            Both optimizers in Lightning's form, with the same schedule.
        """
        lr = self.options.lr * self._adversarial.discriminator_lr_ratio
        groups = [{"params": list(self.discriminator.parameters())}]
        optimizer = make_adam(groups, lr, _BETAS)
        schedule: OptimizerLRSchedulerConfig = {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": self.schedule(optimizer),
                "interval": "step",
                "name": "lr-discriminator",
            },
        }
        return [super().configure_optimizers(), schedule]

    def replays_steps(self) -> bool:
        """No: two optimizers take their steps in turns."""
        return False

    def training_step(self, batch: Pairs, batch_idx: int) -> Tensor:
        """Takes a step of the discriminator and one of the network.

        Args:
            batch: Photos and as many crops of paintings, RGB in [0, 1], shape (N, 3, H, W) each.
            batch_idx: Of no matter; Lightning passes it.

        Returns:
            The network's total loss, a scalar, detached.
        """
        photos, paintings = (
            images.contiguous(memory_format=torch.channels_last) for images in batch
        )
        stylized, values = self._judge(photos)
        values["discriminator"] = self._teach_discriminator(paintings, stylized.detach())
        self.discriminator.eval()  # its power iteration is part of its own step
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
        """Clips the gradients of either as the trainer would; float16's are unscaled by then."""
        if self._clip is not None:
            self.clip_gradients(optimizer, gradient_clip_val=self._clip)

    def _teach_discriminator(self, paintings: Tensor, stylized: Tensor) -> Tensor:
        """Takes a step of the discriminator; its loss before, detached."""
        self.discriminator.train()
        self.discriminator.requires_grad_(True)
        both = torch.cat([paintings, stylized.to(paintings.dtype)])
        real, fake = self.discriminator(both).chunk(2)
        loss = self._objective.discriminator(real, fake)
        _, optimizer = self._optimizers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.discriminator.requires_grad_(False)
        if self.trainer.world_size > 1:
            self._average_gradients()
        # Not by the optimizer's own method: Lightning counts the calls of that as training steps,
        # by which runs end, callbacks act and data is resumed.
        self.trainer.strategy.optimizer_step(optimizer.optimizer, _nothing)
        accuracy = told_apart(real, fake, self._objective.threshold)
        outputs = {"real": real.mean(), "fake": fake.mean(), "accuracy": accuracy}
        self.log_dict({f"discriminator/{k}": value.detach() for k, value in outputs.items()})
        return loss.detach()

    def _average_gradients(self) -> None:
        """Gives every process the mean of all processes' gradients of the discriminator."""
        gradients = [p.grad for p in self.discriminator.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        mean = cast(Tensor, self.trainer.strategy.reduce(flat, reduce_op="mean"))
        parts = mean.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))

    def _optimizers(self) -> tuple[LightningOptimizer, LightningOptimizer]:
        """The network's and the discriminator's."""
        return tuple(cast(list[LightningOptimizer], self.optimizers()))  # type: ignore[return-value]


def _nothing() -> None:
    """For a step whose gradients are there."""
