"""Loss curves: what is fast must learn as the plain training does, on the same photos."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stylenet.benchmark.baseline import load_reference, reference_training
from stylenet.benchmark.bench import Bench, Size
from stylenet.benchmark.rows import Measured, Row, make_row
from stylenet.benchmark.timing import Timing, now
from stylenet.data import PhotoData
from stylenet.errors import StyleNetError, check_number
from stylenet.training import StyleTransferModule


@dataclass(frozen=True)
class CurveSuite:
    """Trains StyleNet and the reference from the same weights on the same photos, several times.

    Each pair has other weights at the start and other photos: what pairs differ in is noise. The
    objective is the reference's own (configs/suite/curve.yaml), so that losses compare.

    Attributes:
        steps: Of training.
        pairs: How many.
    """

    steps: int = 200
    pairs: int = 4

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            StyleNetError: One is impossible.
        """
        check_number("suite.steps", self.steps, minimum=3, integer=True)
        check_number("suite.pairs", self.pairs, minimum=2, integer=True)

    def run(self, bench: Bench) -> list[Row]:
        """Trains at all sizes.

        Args:
            bench: How, and what.

        Returns:
            A row for each size; its ``details`` have the losses.

        Raises:
            StyleNetError: There is no reference, its objective is another, or a size is not square.
        """
        if not bench.conditions.baseline:
            raise StyleNetError("suite=curve compares with the reference; leave baseline=false out")
        return [self._measure(bench, size) for size in bench.conditions.sizes]

    def _measure(self, bench: Bench, size: Size) -> Row:
        """Trains at one size."""
        width, height = size
        if width != height:
            raise StyleNetError(f"size={width}x{height}: suite=curve crops photos to squares")
        batch = bench.conditions.batch
        data = bench.data(width)
        data.setup()
        pairs = [self._train(bench, data, seed) for seed in range(self.pairs)]
        curves, module, precision = zip(*pairs, strict=True)
        ours, reference = ([pair.losses[side] for pair in curves] for side in (0, 1))
        # The first step warms up.
        times = [[s for pair in curves for s in pair.seconds[side][1:]] for side in (0, 1)]
        difference, error, noise = compare(ours, reference)
        network, criterion = module[0].network, module[0].criterion
        return make_row(
            "curve",
            f"{network.name}, {criterion.encoder.architecture}, {batch} x {width}x{height}, "
            f"{self.steps} steps",
            (batch, height, width),
            Measured(Timing(times[0]), precision[0]),
            Measured(Timing(times[1]), "32-true"),
            network={"name": network.name, **network.arguments},
            encoder=criterion.encoder.architecture,
            encoder_weights=criterion.encoder.weights,
            losses=ours,
            baseline_losses=reference,
            difference=difference,
            standard_error=error,
            noise=noise,
        )

    def _train(
        self, bench: Bench, data: PhotoData, seed: int
    ) -> tuple["Curves", StyleTransferModule, str]:
        """Trains a pair."""
        criterion, style = bench.criterion()
        weights = {name: weight for name, weight in criterion.weights.items() if weight}
        if criterion.options.form != "absolute" or weights != load_reference().WEIGHTS:
            raise StyleNetError(
                "suite=curve compares losses with the reference's, which has an objective of its "
                "own; leave the weights and form of loss, and style.weight, as the suite has them"
            )
        # Before the module, which moves the loss into its own layout.
        reference = reference_training(bench.network(seed), criterion, style)
        module = bench.module(criterion, seed)
        curves = Curves(reference, bench.conditions.device)
        trainer = bench.trainer(self.steps, curves)
        # The reference does not clip, and at its weights every step would be.
        trainer.gradient_clip_val = None
        batches = Batches(data, bench.conditions.batch, self.steps, seed * self.steps)
        trainer.fit(module, DataLoader(cast(Dataset[Tensor], batches), batch_size=None))
        return curves, module, str(trainer.precision)


class Batches:
    """The photos of a run, the same for all who learn from them."""

    def __init__(self, data: PhotoData, batch: int, steps: int, done: int) -> None:
        """Sets what is drawn from.

        Args:
            data: Its photos found.
            batch: Photos a step.
            steps: Of the run.
            done: Steps of runs before, whose photos are not to come again.
        """
        self._data, self._batch, self._steps, self._done = data, batch, steps, done

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Tensor:
        """Crops the photos of a step: RGB in [0, 1], shape (batch, 3, crop, crop)."""
        if step >= self._steps:
            raise IndexError(step)
        first = (self._done + step) * self._batch
        samples = [self._data.dataset[n] for n in range(first, first + self._batch)]
        images = [sample.image for sample in samples if sample.image is not None]
        if len(images) < self._batch:
            raise StyleNetError(f"data.root={self._data.root} holds no usable photos")
        return torch.stack(images)


class Curves(pl.Callback):
    """Lets the reference learn from each batch after StyleNet has.

    Attributes:
        losses: Of StyleNet and of the reference, by step.
        seconds: What each step took.
    """

    def __init__(self, reference: Any, device: torch.device) -> None:
        """Takes the reference.

        Args:
            reference: Has a method ``step``.
            device: Where everything runs.
        """
        self._reference, self._device = reference, device
        self.losses: tuple[list[float], list[float]] = ([], [])
        self.seconds: tuple[list[float], list[float]] = ([], [])
        self._start = 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        """Starts the clock."""
        self._start = now(self._device)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Tensor, *_: Any
    ) -> None:
        """Notes the loss of our step, then of the reference's on the same batch."""
        middle = now(self._device)
        losses = (float(module.losses["total"]), self._reference.step(batch))  # type: ignore[index]
        times = (middle - self._start, now(self._device) - middle)
        for side in (0, 1):
            self.losses[side].append(losses[side])
            self.seconds[side].append(times[side])


def compare(
    ours: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]
) -> tuple[float, float, float]:
    """Compares the second halves of curves by their logarithms, whose noise is even.

    Args:
        ours: Losses by step, a curve for each pair.
        reference: The same of the reference.

    Returns:
        How much higher ours are, the standard error of that from the pairs' differences, and how
        far the reference's own runs lie from each other (standard deviation); as shares.
    """

    def levels(curves: Sequence[Sequence[float]]) -> list[float]:
        return [statistics.mean(map(math.log, curve[len(curve) // 2 :])) for curve in curves]

    own, others = levels(ours), levels(reference)
    differences = [a - b for a, b in zip(own, others, strict=True)]
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    shares = (statistics.mean(differences), error, statistics.stdev(others))
    return math.expm1(shares[0]), math.expm1(shares[1]), math.expm1(shares[2])
