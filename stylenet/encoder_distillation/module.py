"""The Lightning module that distills a small encoder from a large one (Hinton et al. 2015)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stylenet.data import photos_of
from stylenet.encoder_distillation.augmentation import disfigure
from stylenet.encoder_distillation.dreams import Dreams
from stylenet.encoder_distillation.fidelity import choose_layers, relative_errors
from stylenet.encoder_distillation.pruning import feature_sizes, start_from_teacher
from stylenet.errors import StyleNetError, check_number
from stylenet.networks import StyleNetwork
from stylenet.perceptual import Encoder, LiteEncoder
from stylenet.training.optimizer import OptimizerFactory
from stylenet.training.resumable import ResumableModule


@dataclass(frozen=True)
class DistillationOptions:
    """Loss weight and augmentation of the distillation.

    Attributes:
        gram_weight: Weight of the relative error of Gram matrices; that of features has weight 1.
        disfigured: Fraction of the photos that are made unlike photos, see :func:`disfigure`.
        stylized: Fraction of the photos that trained style networks stylize first, if any are
            given.
        dreams: Images added to each batch that are optimized against the student.
    """

    gram_weight: float
    disfigured: float
    stylized: float
    dreams: int

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_number("distillation.gram_weight", self.gram_weight, minimum=0)
        check_number("distillation.dreams", self.dreams, minimum=0, integer=True)
        for name in ("disfigured", "stylized"):
            value = getattr(self, name)
            check_number(f"distillation.{name}", value, minimum=0)
            if value > 1:
                raise StyleNetError(f"distillation.{name}={value} is not a fraction in [0, 1]")


class DistillationModule(ResumableModule):
    """Trains a small encoder, the student, to reproduce the features of a frozen large one.

    Style networks are later trained against the student and exploit its errors. Therefore it
    trains not only on photos but also on stylized images, and on "dreams": images that are
    optimized against the student itself, step by step.

    The student ends at the last layer that the teacher has, such as relu3_4. A teacher that has
    only relu4_1 of the student's layers trains that layer, while the others are frozen.

    Attributes:
        network: The student.
        layers: Layers that are trained.
    """

    network: LiteEncoder

    def __init__(
        self,
        student: LiteEncoder,
        teacher: Encoder,
        optimizer: OptimizerFactory,
        distillation: DistillationOptions,
        photos: Tensor,
        stylized: Sequence[StyleNetwork],
        recipe: dict[str, Any],
    ) -> None:
        """Initialize the student from the teacher.

        Args:
            student: The small encoder; the layers to train are unfrozen.
            teacher: The large encoder.
            optimizer: Builds the optimizer and its schedule.
            distillation: Loss weight and augmentation.
            photos: Photos for the initialization and to measure the size of the teacher's features,
                RGB in [0, 1], shape (N, 3, H, W).
            stylized: Trained style networks, which stylize a fraction of the photos.
            recipe: The composed options of the run, for checkpoints.

        Raises:
            StyleNetError: The teacher lacks a layer that must be trained.
        """
        layers = choose_layers(student, teacher)
        student.end_after(layers[-1])
        for layer in layers:
            for part in (*student.convolutions(layer).values(), student.head(layer)):
                part.requires_grad_(True)
        super().__init__(student, optimizer, "lite", recipe)
        self.layers = layers
        self.teacher = teacher.to(memory_format=torch.channels_last)
        self.distillation = distillation
        self.stylized = nn.ModuleList(stylized).requires_grad_(False)
        self._dreams: Dreams | None = None
        self._sizes = feature_sizes(teacher, photos, self.layers)
        if student.untrained:
            start_from_teacher(student, teacher, torch.cat([photos, disfigure(photos)]))

    @property
    def described(self) -> str:
        """The student in words, for messages."""
        return "the encoder lite of this version"

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the trunk, and each head with its own learning rate.

        The learning rate of a head is multiplied by the size of its features, some hundreds. Steps
        of Adam do not depend on the size of gradients, so this equals training features of size 1
        and multiplying them afterwards, which would take time in every pass.
        """
        heads = {layer: list(self.network.head(layer).parameters()) for layer in self._sizes}
        inside = {id(parameter) for head in heads.values() for parameter in head}
        trained = [p for p in self.network.parameters() if p.requires_grad]
        trunk = [p for p in trained if id(p) not in inside]
        lr = self.optimizer_factory.lr
        # Gradients of heads are smaller by the same factor, too small for Adam's usual eps of 1e-8.
        return [{"params": trunk}] + [
            {"params": heads[layer], "lr": lr * size, "eps": 1e-8 / size}
            for layer, size in self._sizes.items()
        ]

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Compute the relative errors of the student on augmented photos and dreams.

        Args:
            batch: Photos, RGB in [0, 1], shape (N, 3, H, W).
            batch_idx: Not used.

        Returns:
            The total loss, a scalar.
        """
        images = self._augment(photos_of(batch)).contiguous(memory_format=torch.channels_last)
        if self.distillation.dreams:
            if self._dreams is None:
                self._dreams = Dreams(images, self.distillation.dreams)
            dreams = self._dreams.step(images, self.network, self.layers)
            images = torch.cat([images, dreams]).contiguous(memory_format=torch.channels_last)
        errors = relative_errors(self.network, self.teacher, images, self.layers)
        features = torch.stack([value for k, value in errors.items() if k.startswith("features/")])
        grams = torch.stack([value for k, value in errors.items() if k.startswith("gram/")])
        total = features.mean() + self.distillation.gram_weight * grams.mean()
        values = {"total": total, "features": features.mean(), "gram": grams.mean(), **errors}
        self.losses = {name: value.detach() for name, value in values.items()}
        self.log_dict({f"loss/{name}": value for name, value in self.losses.items()})
        return total

    def save_checkpoint(self, path: Path) -> None:
        """Write the encoder in its present state.

        Args:
            path: A ``.safetensors`` file.

        Raises:
            StyleNetError: The file cannot be written.
        """
        teacher = self.teacher.architecture
        self.network.save(path, {"teacher": teacher, "step": str(self.global_step)})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the random state and the dreams."""
        super().on_save_checkpoint(checkpoint)
        if self._dreams is not None:
            checkpoint["dreams"] = self._dreams.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the random state and the dreams."""
        super().on_load_checkpoint(checkpoint)
        if "dreams" in checkpoint:
            self._dreams = Dreams.from_state(checkpoint["dreams"], self.device)

    @torch.no_grad()
    def _augment(self, photos: Tensor) -> Tensor:
        """Stylize and disfigure some of the photos."""
        stylized = torch.rand(len(photos)) < self.distillation.stylized
        if self.stylized and bool(stylized.any()):
            network = self.stylized[int(torch.randint(len(self.stylized), ()))]
            photos = photos.clone()
            photos[stylized] = network(photos[stylized])
        chosen = torch.rand(len(photos), 1, 1, 1).to(photos.device) < self.distillation.disfigured
        return torch.where(chosen, disfigure(photos), photos)
