"""Measure training steps: Lightning's loop over the real module beside a plain step."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stylenet.benchmark.baseline import reference_training
from stylenet.benchmark.bench import Bench, Conditions, Size
from stylenet.benchmark.counting import Work, counting
from stylenet.benchmark.peak_memory import PeakMemory
from stylenet.benchmark.peaks import PeakMeter
from stylenet.benchmark.rows import Measured, Row, make_row
from stylenet.benchmark.timing import Timing, now

# Data types of Lightning's precisions, for measuring peak performance.
_DTYPES = {"bf16": torch.bfloat16, "16": torch.float16, "32": torch.float32}


@dataclass(frozen=True)
class TrainingSuite:
    """Suite that times from Lightning's ``on_train_batch_start`` to ``on_train_batch_end``.

    This covers forward pass, loss, backward pass, clipping, optimizer and schedule. It excludes
    reading photos (see the data suite) and the callbacks, which write previews and checkpoints
    occasionally.
    """

    def run(self, bench: Bench) -> list[Row]:
        """Measure each size; return a row for each."""
        meter = PeakMeter(bench.conditions.device)
        return [_measure(bench, size, meter) for size in bench.conditions.sizes]


@dataclass
class StepMeasurements:
    """Measurements of one side's training steps.

    Attributes:
        seconds: Duration of each timed step.
        work: Work of a step.
        memory: Peak memory of a step in bytes.
    """

    seconds: list[float] = field(default_factory=list)
    work: Work | None = None
    memory: int | None = None


class Stopwatch(pl.Callback):
    """Callback that times training steps, each with a step of the reference before or after it.

    The first step is counted; the second one's memory is measured, since the optimizer has its
    state only after the first; some steps warm up; the rest are timed.

    Attributes:
        ours: Measurements of our steps.
        reference: Measurements of the reference's steps.
    """

    def __init__(self, conditions: Conditions, step: Callable[[Tensor], Any] | None) -> None:
        """Set the conditions.

        Args:
            conditions: Conditions of the measurement.
            step: The reference's step, if the reference runs.
        """
        self.ours, self.reference = StepMeasurements(), StepMeasurements()
        self._conditions = conditions
        self._step = step
        self._open = ExitStack()

    @property
    def steps(self) -> int:
        """Return the number of steps that the run needs."""
        return 2 + self._conditions.warmup + self._conditions.repeats

    def run(self, trainer: pl.Trainer, module: pl.LightningModule, images: Tensor) -> None:
        """Train, with the same images in all steps.

        Args:
            trainer: Has this object among its callbacks.
            module: The module to train.
            images: RGB in [0, 1], shape (N, 3, H, W).
        """
        steps = cast(Dataset[Tensor], [images] * self.steps)
        trainer.fit(module, DataLoader(steps, batch_size=None))

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Tensor, batch_idx: int
    ) -> None:
        """Start measuring our step; every other time after a step of the reference."""
        if batch_idx % 2 == 1:
            self._step_of_reference(batch, batch_idx)
        self._open.enter_context(self._observing(self.ours, batch_idx))

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
    ) -> None:
        """Stop measuring our step; every other time a step of the reference follows."""
        self._open.close()
        if batch_idx % 2 == 0:
            self._step_of_reference(batch, batch_idx)

    def _step_of_reference(self, batch: Tensor, index: int) -> None:
        """Run a step of the reference and measure it in the same way."""
        if self._step is not None:
            with self._observing(self.reference, index):
                self._step(batch)

    @contextmanager
    def _observing(self, side: StepMeasurements, index: int) -> Iterator[None]:
        """Count, measure or time the code inside, depending on the index of the step."""
        device = self._conditions.device
        memory = PeakMemory(device) if index == 1 else None
        # Operators are counted one by one, which compiled code lacks. If the compiler met the step
        # while counting, it would skip that step for good.
        stance = torch.compiler.set_stance("force_eager") if index == 0 else nullcontext()
        with stance, counting() if index == 0 else nullcontext() as work:
            start = now(device)
            yield
            seconds = now(device) - start
        if work is not None:
            side.work = work
        elif memory is not None:
            side.memory = memory.increase()
        elif index >= 2 + self._conditions.warmup:
            side.seconds.append(seconds)


def _measure(bench: Bench, size: Size, meter: PeakMeter) -> Row:
    """Measure one size."""
    conditions = bench.conditions
    criterion, style = bench.criterion()
    # Built before the module, which moves the loss into another memory layout.
    step = None
    if conditions.baseline:
        step = reference_training(bench.network(), criterion, style).step
    module = bench.module(criterion)
    watch = Stopwatch(conditions, step)
    trainer = bench.trainer(watch.steps, watch)
    images = conditions.images(size)
    sides = [(watch.ours, str(trainer.precision))]
    if step is not None:
        sides.append((watch.reference, "32-true"))
    for _, precision in sides:
        meter(_dtype(precision))
    watch.run(trainer, module, images)
    measured = [
        Measured(Timing(side.seconds), precision, side.work, meter(_dtype(precision)), side.memory)
        for side, precision in sides
    ]
    network = module.network
    batch, _, height, width = images.shape
    return make_row(
        "training",
        f"{network.name}, {criterion.encoder.architecture}, {batch} x {width}x{height}",
        (batch, height, width),
        measured[0],
        measured[1] if step else None,
        network={"name": network.name, **network.arguments},
        encoder=criterion.encoder.architecture,
        encoder_weights=criterion.encoder.weights,
        content_layers=criterion.term_layers("content"),
        style_layers=criterion.term_layers("style"),
    )


def _dtype(precision: str) -> torch.dtype:
    """Return the type of most of the arithmetic in one of Lightning's precisions."""
    return _DTYPES.get(precision.partition("-")[0], torch.float32)
