"""The Lightning module that all methods of style transfer extend."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.data import Clips, split_clips
from stylenet.networks import StyleNetwork
from stylenet.training.clip_temporal import ClipTemporalLoss, FeatureTap
from stylenet.training.optimizer import OptimizerFactory
from stylenet.training.resumable import ResumableModule
from stylenet.training.step import ComputeLosses, Losses, ReplayedStep, can_replay, compile_losses
from stylenet.training.temporal import TemporalLoss


class StyleTransferModule(ResumableModule):
    """Trains a network to stylize photos so that a perceptual loss falls.

    A method that computes its losses from more than photos overrides :meth:`inputs`,
    :meth:`stylize` and :meth:`compute_losses`.

    Attributes:
        network: The network to train.
        criterion: The loss.
        stylized: The latest output, detached, for callbacks; RGB in [0, 1], (N, 3, H, W).
        compile_mode: ``auto``, ``true`` or ``false``, see :mod:`stylenet.training.step`.
        temporal: The loss ``temporal``, which any method can add; ``None`` for none.
    """

    network: StyleNetwork
    compile_mode = "auto"
    temporal: TemporalLoss | None = None

    def __init__(
        self,
        network: StyleNetwork,
        criterion: nn.Module,
        optimizer: OptimizerFactory,
        style: str,
        recipe: dict[str, Any],
    ) -> None:
        """Initialize the module.

        Args:
            network: The network to train.
            criterion: The loss, a function from stylized images and photos to scalars by name; the
                name ``total`` is required.
            optimizer: Builds the optimizer and its schedule.
            style: Name of the style, for checkpoints.
            recipe: The composed options of the run, for checkpoints.
        """
        super().__init__(network, optimizer, style, recipe)
        self.criterion = criterion.to(memory_format=torch.channels_last)
        self.stylized: Tensor | None = None
        self._compute_losses: ComputeLosses = self.compute_losses
        self._replayed: ReplayedStep | None = None
        self._is_prepared = self._replays = False
        self._tap: FeatureTap | None = None

    @property
    def described(self) -> str:
        """The network as options, for messages."""
        return f"network={self.network.name} with {self.network.arguments}"

    @property
    def identity(self) -> dict[str, Any]:
        """Name of the checkpoint, and name and arguments of the network."""
        arguments = {f"network.{key}": value for key, value in self.network.arguments.items()}
        return {**super().identity, "network": self.network.name, **arguments}

    def forward(self, images: Tensor) -> Tensor:
        """Stylize images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            The same shape and range.
        """
        return self.network(images)

    def on_train_start(self) -> None:
        """Reset the preparation of :meth:`on_train_batch_start`, for a second fit."""
        super().on_train_start()
        self._is_prepared = False

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Before the first step, compile the losses and prepare the replay of whole steps."""
        if not self._is_prepared:
            self._is_prepared = True
            self._prepare()

    def replays_steps(self) -> bool:
        """Return whether whole steps are replayed, see :mod:`stylenet.training.step`."""
        self._replays = can_replay(
            self.compile_mode, self.trainer, self.device, self.optimizer_factory
        )
        return self._replays

    def on_train_end(self) -> None:
        """Stop to collect features."""
        if self._tap is not None:
            self._tap.remove()
            self._tap = None

    def _prepare(self) -> None:
        if isinstance(self.temporal, ClipTemporalLoss) and self.network.bottleneck is not None:
            self._tap = FeatureTap(self.network)
        trainer, mode = self.trainer, self.compile_mode
        left = trainer.max_steps - trainer.global_step if trainer.max_steps > 0 else 10**9
        losses = self.compute_losses if self.temporal is None else self._compute_with_temporal
        self._compute_losses = compile_losses(losses, mode, left, self.device)
        self._replayed = None
        if self._replays:
            self._replayed = ReplayedStep(
                self._compute_losses,
                cast(Optimizer, self.optimizers(use_pl_optimizer=False)),
                self._clip_gradients,
                trainer.accumulate_grad_batches,
                self.device,
                trainer.precision_plugin.forward_context,
            )

    def _clip_gradients(self, optimizer: Optimizer) -> None:
        """Clip gradients as Lightning does; Lightning itself refuses to with a fused optimizer."""
        value = self.trainer.gradient_clip_val
        if value is None:
            return
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if self.trainer.gradient_clip_algorithm == "value":
            torch.nn.utils.clip_grad_value_(parameters, value)
        else:
            torch.nn.utils.clip_grad_norm_(parameters, value)

    def inputs(self, batch: Any) -> tuple[Tensor, ...]:
        """Return the tensors of a batch that the losses are computed from.

        Args:
            batch: From the data module; RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            The arguments of :meth:`compute_losses`.
        """
        return (batch.contiguous(memory_format=torch.channels_last),)

    def with_view(
        self, inputs: tuple[Tensor, ...], batch_idx: int, clips: Clips | None = None
    ) -> tuple[Tensor, ...]:
        """Append a second view of the photos to the inputs of a batch, for the temporal loss.

        Views are made here and not in :meth:`compute_losses`, because a captured step would repeat
        the same random numbers.

        Args:
            inputs: From :meth:`inputs`.
            batch_idx: Index of the batch.
            clips: The clips of a batch of videos, whose later frames are the views.

        Returns:
            The inputs as they are if there is no temporal loss.
        """
        if self.temporal is None:
            return inputs
        if isinstance(self.temporal, ClipTemporalLoss):
            assert clips is not None
            return (*inputs, *self.temporal.next_frames(clips))
        numbers = self.photo_numbers(len(inputs[0]), batch_idx)
        return (*inputs, *self.temporal.view(inputs[0], numbers))

    def photo_numbers(self, count: int, batch_idx: int) -> Sequence[int]:
        """Number the photos of this rank's batch, as the samplers of the data module do.

        Args:
            count: Photos of the batch.
            batch_idx: Index of the batch.

        Returns:
            Numbers that no other photo of the run has, on any rank.
        """
        trainer = self.trainer
        accumulate = trainer.accumulate_grad_batches
        batch = trainer.global_step * accumulate + batch_idx % accumulate
        first = batch * count * trainer.world_size + trainer.global_rank
        return range(first, first + count * trainer.world_size, trainer.world_size)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Stylize a batch of photos and compute the losses.

        Args:
            batch: From the data module.
            batch_idx: Index of the batch.

        Returns:
            The total loss, a scalar; detached if the step is replayed, because its gradients are
            computed already.
        """
        photos, clips = split_clips(batch)
        inputs = self.with_view(self.inputs(photos), batch_idx, clips)
        if self._replayed is None:
            stylized, values = self._compute_losses(*inputs)
        else:
            first = batch_idx % self.trainer.accumulate_grad_batches == 0
            stylized, values = self._replayed.backward(inputs, first)
        self.note(stylized, values)
        return values["total"]

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Compute the gradients, unless the replayed step has done so."""
        if self._replayed is None:
            super().backward(loss, *args, **kwargs)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Clear the gradients, unless the replayed step does so."""
        if self._replayed is None:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Any = None,
    ) -> None:
        """Take the optimizer's step, or the replayed one."""
        if self._replayed is None:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        else:
            optimizer_closure()
            self._replayed.update()

    def note(self, stylized: Tensor, values: dict[str, Tensor]) -> None:
        """Log the losses of a step, and keep losses and images for callbacks.

        Args:
            stylized: Stylized photos, RGB in [0, 1], shape (N, 3, H, W).
            values: Losses by name.
        """
        self.stylized = stylized.detach()
        self.losses = {name: value.detach() for name, value in values.items()}
        # Lightning takes 0.5 ms per step to collect values, also for steps that it does not log.
        if self._replayed is None or self.trainer._logger_connector.should_update_logs:
            self.log_dict({f"loss/{name}": value for name, value in self.losses.items()})

    def stylize(self, photos: Tensor) -> Tensor:
        """Stylize photos as :meth:`compute_losses` does.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            The same shape and range.
        """
        return self.network(photos)

    def compute_losses(self, photos: Tensor) -> Losses:
        """Stylize photos and compute the losses.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            The stylized photos, the same shape, and the losses by name.
        """
        stylized = self.stylize(photos)
        return stylized, self.criterion(stylized, photos)

    def _compute_with_temporal(self, *inputs: Tensor) -> Losses:
        """Compute the losses of the method and, from the second view, the temporal loss."""
        assert self.temporal is not None
        count = len(self.temporal.view_type._fields)
        (photos, *others), view = inputs[:-count], self.temporal.view_type(*inputs[-count:])
        if self._tap is not None:
            self._tap.take()
        stylized, values = self.compute_losses(photos, *others)
        second = self.stylize(view.photos, *others)
        values["temporal"] = self.temporal(stylized, second, view)
        if self._tap is not None:
            assert isinstance(self.temporal, ClipTemporalLoss)
            features, later = self._tap.take()
            more = self.temporal.compare_features(features, later, view)
            values["temporal"] = values["temporal"] + more
        values["total"] = values["total"] + self.temporal.weight * values["temporal"]
        return stylized, values

    def in_every_style(self, photos: Tensor) -> list[Tensor]:
        """Stylize photos in each style that previews show.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            Stylized photos, the same shape and range, for each style.
        """
        return [self(photos)]

    def beside_previews(self) -> Tensor | None:
        """Return the style images that previews show beside the stylized photos.

        Returns:
            An image for each style of :meth:`in_every_style`, RGB in [0, 1], shape (K, 3, H, W);
            ``None`` for styles with names.
        """
        return None

    def checkpoint_info(self) -> CheckpointInfo:
        """Return the metadata of a checkpoint of the network in its present state."""
        return CheckpointInfo(self.checkpoint_name, self.global_step, self.recipe)

    def save_checkpoint(self, path: Path) -> None:
        """Write the network in its present state, for inference.

        Args:
            path: A ``.safetensors`` file.

        Raises:
            StyleNetError: The file cannot be written.
        """
        save_checkpoint(path, self.network, self.checkpoint_info())
