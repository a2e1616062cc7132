"""The Lightning module that meta-learns a base network."""

import copy
from typing import Any, cast

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam
from torch.optim.lr_scheduler import LRScheduler

from stylenet.data import Pairs, split_clips
from stylenet.networks import StyleNetwork
from stylenet.perceptual import ChangingStyleLoss
from stylenet.perceptual.perceptual_loss import StyleTargets
from stylenet.training.module import StyleTransferModule
from stylenet.training.optimizer import OptimizerFactory
from stylenet.training.step import Losses


class MetaModule(StyleTransferModule):
    """Trains the weights from which a few steps lead to a network of any style.

    Reptile (Nichol, Achiam, Schulman 2018, arXiv:1803.02999). Each training step copies the network
    into a learner, trains the learner on one style for ``inner_steps`` steps of a new Adam, as the
    run of a user begins, and moves the network toward the learner. The difference of both stands in
    for the gradient, so the run's optimizer takes the outer step: plain gradient descent with a
    learning rate of 0.5 goes half of the way.

    Several ranks learn a style each and go toward the mean of their learners. Resume checkpoints
    need only the network and the outer optimizer, because the learner and its Adam are new in each
    step.
    """

    def __init__(
        self,
        network: StyleNetwork,
        criterion: ChangingStyleLoss,
        optimizer: OptimizerFactory,
        recipe: dict[str, Any],
        inner_steps: int,
        inner_lr: float,
        gradient_clip_val: float | None = None,
    ) -> None:
        """Initialize the module.

        Args:
            network: The base network to train.
            criterion: The loss.
            optimizer: Builds the outer optimizer and its schedule.
            recipe: The composed options of the run, for checkpoints.
            inner_steps: Steps on one style.
            inner_lr: Learning rate of these steps.
            gradient_clip_val: Largest gradient norm of an inner step; ``None`` for no clipping. The
                trainer's own option must be ``None``.
        """
        super().__init__(network, criterion, optimizer, "base", recipe)
        self.automatic_optimization = False
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self._clip = gradient_clip_val
        # In a list, so that its weights are not parameters of this module: DistributedDataParallel
        # would average the gradients of different styles.
        self._learner: list[StyleNetwork] = []

    @property
    def learner(self) -> StyleNetwork:
        """The network of the style of the present step; after the step it is trained."""
        if not self._learner:
            self._learner.append(copy.deepcopy(self.network).requires_grad_(True))
        return self._learner[0]

    def replays_steps(self) -> bool:
        """Return ``False``, because Adam begins anew in each step."""
        return False

    def inputs(self, batch: Pairs) -> tuple[Tensor, ...]:
        """Return the photos and the style image of a batch."""
        return tuple(part.contiguous(memory_format=torch.channels_last) for part in batch)

    def compute_losses(self, photos: Tensor, targets: StyleTargets) -> Losses:  # type: ignore[override]
        """Stylize photos with the learner and compute the losses.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).
            targets: Targets of the style, see :class:`ChangingStyleLoss`.

        Returns:
            The stylized photos, the same shape, and the losses by name.
        """
        stylized = self.learner(photos)
        return stylized, self.criterion(stylized, photos, targets)

    def training_step(self, batch: Pairs, batch_idx: int) -> Tensor:
        """Train the learner on one style, and move the network toward it.

        Args:
            batch: Photos of all inner steps, shape (inner_steps * N, 3, H, W), and one style image,
                shape (1, 3, H', W'), RGB in [0, 1].
            batch_idx: Not used.

        Returns:
            The learner's total loss in its last step, a scalar, detached.
        """
        photos, style = self.inputs(split_clips(batch)[0])
        targets = cast(ChangingStyleLoss, self.criterion).targets(style)
        stylized, values = self._adapt(photos, targets)
        self.note(stylized, values)
        self._set_gradients()
        cast(LightningOptimizer, self.optimizers()).step()
        cast(LRScheduler, self.lr_schedulers()).step()
        return values["total"].detach()

    def _adapt(self, photos: Tensor, targets: StyleTargets) -> Losses:
        """Train the learner; return the last step's output and losses, and ``start``, the first."""
        learner = self.learner.train()
        learner.load_state_dict(self.network.state_dict())
        parameters = list(learner.parameters())
        optimizer = Adam(parameters, lr=self.inner_lr)
        totals = []
        for part in photos.chunk(self.inner_steps):  # (N, 3, H, W)
            stylized, values = self.compiled_losses(part, targets)
            optimizer.zero_grad()
            values["total"].backward()
            if self._clip is not None:
                clip_grad_norm_(parameters, self._clip)
            optimizer.step()
            totals.append(values["total"].detach())
        return stylized, {**values, "start": totals[0]}

    @torch.no_grad()
    def _set_gradients(self) -> None:
        """Set the gradients to the difference of network and learner, the mean over all ranks."""
        pairs = list(zip(self.network.parameters(), self.learner.parameters(), strict=True))
        difference = torch.cat([(own - learned).flatten() for own, learned in pairs])
        if self.trainer.world_size > 1:
            difference = cast(Tensor, self.trainer.strategy.reduce(difference, reduce_op="mean"))
        parts = difference.split([own.numel() for own, _ in pairs])
        for (own, _), part in zip(pairs, parts, strict=True):
            own.grad = torch.empty_like(own).copy_(part.view(own.shape))
