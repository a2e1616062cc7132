"""Distilling: a small encoder learns to give the features of a large one (Hinton et al. 2015)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError, check_number
from stylenet.networks import StyleNetwork
from stylenet.perceptual import Encoder, LiteEncoder
from stylenet.training.augmentation import disfigure
from stylenet.training.dreams import Dreams
from stylenet.training.fidelity import choose_layers, relative_errors
from stylenet.training.pruning import feature_sizes, start_from_teacher
from stylenet.training.resumable import ResumableModule
from stylenet.training.schedule import OptimizerOptions


@dataclass(frozen=True)
class DistillationOptions:
    """What the small encoder is trained for.

    Attributes:
        gram_weight: Weight of the relative error of the Gram matrices beside that of the features.
        disfigured: Share of the photos that are made to look unlike photos.
        stylized: Share of the photos that trained style networks stylize first, if any are given.
        dreams: Images beside each batch that are painted against the student.
    """

    gram_weight: float
    disfigured: float
    stylized: float
    dreams: int

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_number("distillation.gram_weight", self.gram_weight, minimum=0)
        check_number("distillation.dreams", self.dreams, minimum=0, integer=True)
        for name in ("disfigured", "stylized"):
            value = getattr(self, name)
            check_number(f"distillation.{name}", value, minimum=0)
            if value > 1:
                raise StyleNetError(f"distillation.{name}={value} is a share, in [0, 1]")


class DistillationModule(ResumableModule):
    """Trains a small encoder so that the features of a frozen large one come out of it.

    Style networks are trained against the small encoder later and find whatever it gets wrong. So
    it sees what they paint on the way, and not photos alone; and "dreams", images that are
    painted against the student itself, step by step, for the teacher to say what it missed.

    A teacher that ends at relu3_4 makes a student that ends there. One that has only relu4_1 of the
    student's layers teaches that layer, upon the others as they are.

    Attributes:
        network: The small encoder.
        layers: Those that it learns.
    """

    network: LiteEncoder

    def __init__(
        self,
        student: LiteEncoder,
        teacher: Encoder,
        optimizer: OptimizerOptions,
        distillation: DistillationOptions,
        photos: Tensor,
        stylized: Sequence[StyleNetwork],
        recipe: dict[str, Any],
    ) -> None:
        """Takes the parts.

        Args:
            student: The small encoder; what it learns is unfrozen.
            teacher: The large encoder.
            optimizer: How fast the student learns.
            distillation: What for.
            photos: Some to begin with, and to see how large the teacher's features are; RGB in
                [0, 1], shape (N, 3, H, W).
            stylized: Trained style networks, which stylize a share of the photos.
            recipe: The composed options of the run, for checkpoints.

        Raises:
            StyleNetError: The teacher lacks a layer that the student has to learn.
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
        """The network in the words of the options, for messages."""
        return "the encoder lite of this version"

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Lets the heads, whose features are hundreds in size, learn hundreds of times as fast.

        Adam's steps do not depend on the size of the gradients: this is the same as learning
        features of size 1 and multiplying them afterwards, which would take time in every pass.

        Returns:
            The trunk, then each head with its own learning rate.
        """
        heads = {layer: list(self.network.head(layer).parameters()) for layer in self._sizes}
        inside = {id(parameter) for head in heads.values() for parameter in head}
        learning = [p for p in self.network.parameters() if p.requires_grad]
        trunk = [p for p in learning if id(p) not in inside]
        lr = self.options.lr
        # Their gradients are as many times smaller, too small for Adam's usual eps of 1e-8.
        return [{"params": trunk}] + [
            {"params": heads[layer], "lr": lr * size, "eps": 1e-8 / size}
            for layer, size in self._sizes.items()
        ]

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Compares the features of student and teacher.

        Args:
            batch: Photos, RGB in [0, 1], shape (N, 3, H, W).
            batch_idx: Of no matter; Lightning passes it.

        Returns:
            The total loss, a scalar.
        """
        images = self._pictures(batch).contiguous(memory_format=torch.channels_last)
        if self.distillation.dreams:
            if self._dreams is None:
                self._dreams = Dreams(images, self.distillation.dreams)
            dreams = self._dreams.paint(images, self.network, self.layers)
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
        """Writes the encoder as it is now.

        Args:
            path: Where to, ``*.safetensors``.

        Raises:
            StyleNetError: The file cannot be written.
        """
        teacher = self.teacher.architecture
        self.network.save(path, {"teacher": teacher, "step": str(self.global_step)})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the random state and the dreams.

        Args:
            checkpoint: What is to be saved.
        """
        super().on_save_checkpoint(checkpoint)
        if self._dreams is not None:
            checkpoint["dreams"] = self._dreams.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the random state and the dreams back.

        Args:
            checkpoint: What was saved.
        """
        super().on_load_checkpoint(checkpoint)
        if "dreams" in checkpoint:
            self._dreams = Dreams.from_state(checkpoint["dreams"], self.device)

    @torch.no_grad()
    def _pictures(self, photos: Tensor) -> Tensor:
        """Makes some of the photos look like anything but photos."""
        stylized = torch.rand(len(photos)) < self.distillation.stylized
        if self.stylized and bool(stylized.any()):
            network = self.stylized[int(torch.randint(len(self.stylized), ()))]
            photos = photos.clone()
            photos[stylized] = network(photos[stylized])
        chosen = torch.rand(len(photos), 1, 1, 1).to(photos.device) < self.distillation.disfigured
        return torch.where(chosen, disfigure(photos), photos)
