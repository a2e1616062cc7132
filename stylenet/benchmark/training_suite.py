"""Training steps: Lightning's own loop over the real module beside the plain step."""

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

# Of Lightning's precisions; the peaks are measured in these.
_DTYPES = {"bf16": torch.bfloat16, "16": torch.float16, "32": torch.float32}


@dataclass(frozen=True)
class TrainingSuite:
    """Times what lies between Lightning's ``on_train_batch_start`` and ``on_train_batch_end``.

    That is: forward, loss, backward, clipping, optimizer and schedule. Reading photos (see the data
    suite) and the callbacks, which write previews and checkpoints now and then, are left out.
    """

    def run(self, bench: Bench) -> list[Row]:
        """Measures all sizes.

        Args:
            bench: How, and what.

        Returns:
            A row for each size.
        """
        meter = PeakMeter(bench.conditions.device)
        return [_measure(bench, size, meter) for size in bench.conditions.sizes]


@dataclass
class Side:
    """What was found of ours or of the reference.

    Attributes:
        seconds: Of each timed step.
        work: Of a step.
        memory: The most that a step took, in bytes.
    """

    seconds: list[float] = field(default_factory=list)
    work: Work | None = None
    memory: int | None = None


class Stopwatch(pl.Callback):
    """Times the steps of a run of Lightning, with a step of the reference between each two.

    The first step is counted, the second one's memory is measured (after the first the optimizer
    has its state), some warm up, the rest are timed.

    Attributes:
        ours: What was found of our steps.
        reference: What was found of the reference's.
    """

    def __init__(self, conditions: Conditions, step: Callable[[Tensor], Any] | None) -> None:
        """Sets what is measured.

        Args:
            conditions: How.
            step: The reference's, if it is to run.
        """
        self.ours, self.reference = Side(), Side()
        self._conditions = conditions
        self._step = step
        self._open = ExitStack()

    @property
    def steps(self) -> int:
        """How many steps the run has to have."""
        return 2 + self._conditions.warmup + self._conditions.repeats

    def run(self, trainer: pl.Trainer, module: pl.LightningModule, images: Tensor) -> None:
        """Trains, all steps on the same images.

        Args:
            trainer: With this among its callbacks.
            module: What learns.
            images: RGB in [0, 1], shape (N, 3, H, W).
        """
        steps = cast(Dataset[Tensor], [images] * self.steps)
        trainer.fit(module, DataLoader(steps, batch_size=None))

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Tensor, batch_idx: int
    ) -> None:
        """Starts the clock; every other time after a step of the reference.

        Args:
            trainer: Of no matter.
            module: Of no matter.
            batch: What both learn from.
            batch_idx: Which step it is.
        """
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
        """Stops the clock; every other time a step of the reference follows.

        Args:
            trainer: Of no matter.
            module: Of no matter.
            outputs: Of no matter.
            batch: What both learn from.
            batch_idx: Which step it is.
        """
        self._open.close()
        if batch_idx % 2 == 0:
            self._step_of_reference(batch, batch_idx)

    def _step_of_reference(self, batch: Tensor, index: int) -> None:
        """A step of the reference, observed in the same way."""
        if self._step is not None:
            with self._observing(self.reference, index):
                self._step(batch)

    @contextmanager
    def _observing(self, side: Side, index: int) -> Iterator[None]:
        """Counts, weighs or times what runs inside, as the number of the step has it."""
        device = self._conditions.device
        memory = PeakMemory(device) if index == 1 else None
        # Operators are counted one by one, which compiled code has no more; met while counting,
        # PyTorch's compiler would pass over the step for good.
        stance = torch.compiler.set_stance("force_eager") if index == 0 else nullcontext()
        with stance, counting() if index == 0 else nullcontext() as work:
            start = now(device)
            yield
            seconds = now(device) - start
        if work is not None:
            side.work = work
        elif memory is not None:
            side.memory = memory.above()
        elif index >= 2 + self._conditions.warmup:
            side.seconds.append(seconds)


def _measure(bench: Bench, size: Size, meter: PeakMeter) -> Row:
    """Measures one size."""
    conditions = bench.conditions
    criterion, style = bench.criterion()
    # Before the module, which moves the loss into its own layout.
    step = None
    if conditions.baseline:
        step = reference_training(bench.network(), criterion, style).step
    module = bench.module(criterion)
    watch = Stopwatch(conditions, step)
    trainer = bench.trainer(watch.steps, watch)
    images = conditions.images(size)
    found = [(watch.ours, str(trainer.precision))]
    if step is not None:
        found.append((watch.reference, "32-true"))
    for _, precision in found:
        meter(_dtype(precision))
    watch.run(trainer, module, images)
    measured = [
        Measured(Timing(side.seconds), precision, side.work, meter(_dtype(precision)), side.memory)
        for side, precision in found
    ]
    network, options = module.network, criterion.options
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
        content_layers=list(options.content_layers),
        style_layers=list(options.style_layers),
    )


def _dtype(precision: str) -> torch.dtype:
    """What most of the arithmetic of one of Lightning's precisions is done in."""
    return _DTYPES.get(precision.partition("-")[0], torch.float32)
