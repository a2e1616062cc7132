"""Compare loss curves: fast training must converge like plain training on the same photos."""

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
    """Suite that trains StyleNet and the reference from the same weights on the same photos.

    Each pair of runs has other initial weights and other photos, so that differences between pairs
    show the noise. The objective is the reference's (configs/suite/curve.yaml), so that losses are
    comparable.

    Attributes:
        steps: Training steps of each run.
        pairs: Number of pairs of runs.
    """

    steps: int = 200
    pairs: int = 4

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            StyleNetError: A value is out of range.
        """
        check_number("suite.steps", self.steps, minimum=3, integer=True)
        check_number("suite.pairs", self.pairs, minimum=2, integer=True)

    def run(self, bench: Bench) -> list[Row]:
        """Train at each size.

        Args:
            bench: Parts and conditions.

        Returns:
            A row for each size; its ``details`` contain the losses.

        Raises:
            StyleNetError: The reference is switched off, the objectives differ, or a size is not
                square.
        """
        if not bench.conditions.baseline:
            raise StyleNetError("suite=curve compares with the reference; remove baseline=false")
        return [self._measure(bench, size) for size in bench.conditions.sizes]

    def _measure(self, bench: Bench, size: Size) -> Row:
        """Train at one size."""
        width, height = size
        if width != height:
            raise StyleNetError(
                f"size={width}x{height}: suite=curve crops photos to squares; pass one number"
            )
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
        """Train one pair."""
        criterion, style = bench.criterion()
        weights = {name: weight for name, weight in criterion.weights.items() if weight}
        relative = any(term.options.get("relative") for term in criterion.terms.values())
        if relative or weights != load_reference().WEIGHTS:
            raise StyleNetError(
                "suite=curve compares losses with the reference's, which has its own objective; "
                "leave the terms of loss, and style.weight, as the suite sets them"
            )
        # Built before the module, which moves the loss into another memory layout.
        reference = reference_training(bench.network(seed), criterion, style)
        module = bench.module(criterion, seed)
        curves = Curves(reference, bench.conditions.device)
        trainer = bench.trainer(self.steps, curves)
        # The reference does not clip gradients, and with its weights every step would be clipped.
        trainer.gradient_clip_val = None
        batches = Batches(data, bench.conditions.batch, self.steps, seed * self.steps)
        trainer.fit(module, DataLoader(cast(Dataset[Tensor], batches), batch_size=None))
        return curves, module, str(trainer.precision)


class Batches:
    """Batches of a run, the same for both sides."""

    def __init__(self, data: PhotoData, batch: int, steps: int, done: int) -> None:
        """Choose the photos.

        Args:
            data: Data module after its ``setup``.
            batch: Batch size.
            steps: Training steps of the run.
            done: Steps of earlier runs, whose photos are not used again.
        """
        self._data, self._batch, self._steps, self._done = data, batch, steps, done

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Tensor:
        """Return the photos of a step: RGB in [0, 1], shape (batch, 3, crop, crop)."""
        if step >= self._steps:
            raise IndexError(step)
        first = (self._done + step) * self._batch
        samples = [self._data.dataset[n] for n in range(first, first + self._batch)]
        images = [sample.image for sample in samples if sample.image is not None]
        if len(images) < self._batch:
            raise StyleNetError(
                f"data.root={self._data.root} contains too few usable photos; pass another folder"
            )
        return torch.stack(images)


class Curves(pl.Callback):
    """Callback that trains the reference on each batch after StyleNet.

    Attributes:
        losses: Losses of StyleNet and of the reference, by step.
        seconds: Durations of their steps.
    """

    def __init__(self, reference: Any, device: torch.device) -> None:
        """Set the reference.

        Args:
            reference: Has a method ``step``.
            device: The device that both run on.
        """
        self._reference, self._device = reference, device
        self.losses: tuple[list[float], list[float]] = ([], [])
        self.seconds: tuple[list[float], list[float]] = ([], [])
        self._start = 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        """Start timing StyleNet's step."""
        self._start = now(self._device)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Tensor, *_: Any
    ) -> None:
        """Record our loss, then train the reference on the same batch and record its loss."""
        middle = now(self._device)
        losses = (float(module.losses["total"]), self._reference.step(batch))  # type: ignore[index]
        times = (middle - self._start, now(self._device) - middle)
        for side in (0, 1):
            self.losses[side].append(losses[side])
            self.seconds[side].append(times[side])


def compare(
    ours: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]
) -> tuple[float, float, float]:
    """Compare the second halves of loss curves on a logarithmic scale, where their noise is even.

    Args:
        ours: Losses by step, a curve for each pair.
        reference: The reference's losses by step.

    Returns:
        As fractions: how much higher ours are, the standard error of that difference over the
        pairs, and the standard deviation of the reference's own runs.
    """

    def mean_logs(curves: Sequence[Sequence[float]]) -> list[float]:
        return [statistics.mean(map(math.log, curve[len(curve) // 2 :])) for curve in curves]

    own, others = mean_logs(ours), mean_logs(reference)
    differences = [a - b for a, b in zip(own, others, strict=True)]
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    logs = (statistics.mean(differences), error, statistics.stdev(others))
    return math.expm1(logs[0]), math.expm1(logs[1]), math.expm1(logs[2])
