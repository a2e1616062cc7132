"""Loss curves: what is fast must learn as the plain training does, on the same photos."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stylenet.benchmark.baseline import reference_training
from stylenet.benchmark.bench import Bench, Size
from stylenet.benchmark.rows import Measured, Row, make_row
from stylenet.benchmark.timing import Timing, now
from stylenet.data import PhotoData
from stylenet.errors import StyleNetError, check_number

# Seeds of the fresh weights: ours and the reference's, and the reference's for comparison.
_SEED, _OTHER_SEED = 0, 1


@dataclass(frozen=True)
class CurveSuite:
    """Trains StyleNet and the reference from the same weights on the same photos.

    The reference runs once more from other weights: what two seeds differ in is noise. The
    objective is the reference's own (configs/suite/curve.yaml), so that losses compare.

    Attributes:
        steps: Of training.
    """

    steps: int = 200

    def __post_init__(self) -> None:
        """Checks the value.

        Raises:
            StyleNetError: It is impossible.
        """
        check_number("suite.steps", self.steps, minimum=3, integer=True)

    def run(self, bench: Bench) -> list[Row]:
        """Trains at all sizes.

        Args:
            bench: How, and what.

        Returns:
            A row for each size; its ``details`` have the losses.

        Raises:
            StyleNetError: There is no reference, or a size is not square.
        """
        if not bench.conditions.baseline:
            raise StyleNetError("suite=curve compares with the reference; leave baseline=false out")
        return [self._measure(bench, size) for size in bench.conditions.sizes]

    def _measure(self, bench: Bench, size: Size) -> Row:
        """Trains at one size."""
        width, height = size
        if width != height:
            raise StyleNetError(f"size={width}x{height}: suite=curve crops photos to squares")
        device, batch = bench.conditions.device, bench.conditions.batch
        data = bench.data(width)
        data.setup()
        criterion, style = bench.criterion()
        # Before the module, which moves the loss into its own layout.
        references = [
            reference_training(bench.network(seed), criterion, style)
            for seed in (_SEED, _OTHER_SEED)
        ]
        module = bench.module(criterion)
        curves = Curves(references, device)
        trainer = bench.trainer(self.steps, curves)
        # The reference does not clip, and at its weights every step would be.
        trainer.gradient_clip_val = None
        steps = cast(Dataset[Tensor], Batches(data, batch, self.steps))
        trainer.fit(module, DataLoader(steps, batch_size=None))
        ours, reference, other = curves.losses
        network = module.network
        return make_row(
            "curve",
            f"{network.name}, {criterion.encoder.architecture}, {batch} x {width}x{height}, "
            f"{self.steps} steps",
            (batch, height, width),
            Measured(Timing(curves.seconds[0][1:]), str(trainer.precision)),
            Measured(Timing(curves.seconds[1][1:]), "32-true"),
            network={"name": network.name, **network.arguments},
            encoder=criterion.encoder.architecture,
            encoder_weights=criterion.encoder.weights,
            losses=ours,
            baseline_losses=reference,
            other_seed_losses=other,
            difference=_difference(ours, reference),
            noise=_difference(other, reference),
        )


class Batches:
    """The photos of a run, the same for all who learn from them."""

    def __init__(self, data: PhotoData, batch: int, steps: int) -> None:
        """Sets what is drawn from.

        Args:
            data: Its photos found.
            batch: Photos a step.
            steps: Of the run.
        """
        self._data, self._batch, self._steps = data, batch, steps

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Tensor:
        """Crops the photos of a step: RGB in [0, 1], shape (batch, 3, crop, crop)."""
        if step >= self._steps:
            raise IndexError(step)
        first = step * self._batch
        samples = [self._data.dataset[n] for n in range(first, first + self._batch)]
        images = [sample.image for sample in samples if sample.image is not None]
        if len(images) < self._batch:
            raise StyleNetError(f"data.root={self._data.root} holds no usable photos")
        return torch.stack(images)


class Curves(pl.Callback):
    """Lets the references learn from each batch after StyleNet has.

    Attributes:
        losses: Of StyleNet and of each reference, by step.
        seconds: What each step took.
    """

    def __init__(self, references: Sequence[Any], device: torch.device) -> None:
        """Takes the references.

        Args:
            references: Each with a method ``step``.
            device: Where everything runs.
        """
        self._references, self._device = references, device
        self.losses: list[list[float]] = [[] for _ in range(1 + len(references))]
        self.seconds: list[list[float]] = [[] for _ in range(1 + len(references))]
        self._start = 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        """Starts the clock."""
        self._start = now(self._device)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Tensor, *_: Any
    ) -> None:
        """Notes the loss of our step, then of the references' steps on the same batch."""
        self.seconds[0].append(now(self._device) - self._start)
        self.losses[0].append(float(module.losses["total"]))  # type: ignore[index]
        for place, reference in enumerate(self._references, 1):
            start = now(self._device)
            self.losses[place].append(reference.step(batch))
            self.seconds[place].append(now(self._device) - start)


def _difference(losses: Sequence[float], others: Sequence[float]) -> float:
    """How much higher one curve is than another over the second half, as a share."""
    half = len(losses) // 2
    return statistics.mean(losses[half:]) / statistics.mean(others[half:]) - 1
