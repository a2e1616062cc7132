"""The Lightning module that all methods of style transfer extend."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.data import Clips, split_clips
from stylenet.networks import StyleNetwork
from stylenet.training.clip_temporal import ClipTemporalLoss, FeatureTap
from stylenet.training.compiled import CompiledModule
from stylenet.training.droplets import DropletLoss
from stylenet.training.optimizer import OptimizerFactory
from stylenet.training.step import Losses
from stylenet.training.temporal import TemporalLoss


class StyleTransferModule(CompiledModule):
    """Trains a network to stylize photos so that a perceptual loss falls.

    A step turns a batch into tensors (:meth:`inputs`), stylizes them and computes the losses
    (:meth:`compute_losses`), and logs these (:meth:`note`). A method that computes its losses from
    more than photos overrides :meth:`inputs`, :meth:`stylize` and :meth:`compute_losses`.

    Attributes:
        network: The network to train.
        criterion: The loss.
        stylized: The latest output, detached, for callbacks; RGB in [0, 1], (N, 3, H, W).
        temporal: The loss ``temporal``, which any method can add; ``None`` for none.
        droplets: The loss ``droplets``, the same.
    """

    network: StyleNetwork
    temporal: TemporalLoss | None = None
    droplets: DropletLoss | None = None

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
        self._tap: FeatureTap | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Stylize images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            The same shape and range.
        """
        return self.network(images)

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
        stylized, values = self.run_losses(inputs, batch_idx)
        self.note(stylized, values)
        return values["total"]

    def inputs(self, batch: Any) -> tuple[Tensor, ...]:
        """Return the tensors of a batch that the losses are computed from.

        Args:
            batch: From the data module; RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            The arguments of :meth:`compute_losses`.
        """
        return (batch.contiguous(memory_format=torch.channels_last),)

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

    def step_losses(self, *inputs: Tensor) -> Losses:
        """Compute the losses of the method and those that any method can add.

        Args:
            *inputs: From :meth:`inputs`, followed by the second view of :meth:`with_view`.
        """
        if self.droplets is None:
            return self._losses_of_views(*inputs)
        self.droplets.clear()  # of previews
        stylized, values = self._losses_of_views(*inputs)
        values["droplets"] = self.droplets.take()
        values["total"] = values["total"] + self.droplets.weight * values["droplets"]
        return stylized, values

    def _losses_of_views(self, *inputs: Tensor) -> Losses:
        """Compute the losses of the method and, if there is one, the temporal loss."""
        if self.temporal is None:
            return self.compute_losses(*inputs)
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

    def on_train_start(self) -> None:
        """Start to collect the features that the temporal loss of clips and droplets need."""
        super().on_train_start()
        if self.droplets is not None:
            self.droplets.attach()
        if isinstance(self.temporal, ClipTemporalLoss) and self.network.bottleneck is not None:
            self._tap = FeatureTap(self.network)

    def on_train_end(self) -> None:
        """Stop to collect features."""
        if self._tap is not None:
            self._tap.remove()
            self._tap = None
        if self.droplets is not None:
            self.droplets.remove()

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

    @property
    def described(self) -> str:
        """The network as options, for messages."""
        return f"network={self.network.name} with {self.network.arguments}"

    @property
    def identity(self) -> dict[str, Any]:
        """Name of the checkpoint, and name and arguments of the network."""
        arguments = {f"network.{key}": value for key, value in self.network.arguments.items()}
        return {**super().identity, "network": self.network.name, **arguments}

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
