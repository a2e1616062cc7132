"""Speed beside other busy programs, as a share of the speed alone."""

import math
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytorch_lightning as pl
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stylenet.benchmark.apart import measure_apart
from stylenet.benchmark.baseline import reference_training
from stylenet.benchmark.bench import Bench, Conditions
from stylenet.benchmark.inference_suite import PlainInference, make_stylizer, name_of
from stylenet.benchmark.rows import Measured, Row
from stylenet.benchmark.timing import Timing, now
from stylenet.contention import usable_processors
from stylenet.errors import check_number

# Keeps a processor busy; ends with the process that started it, however that ended.
_BUSY = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(10**5):
        pass
"""
# Longer than StyleNet takes to notice the others.
_SETTLING = 1.5
# A short run would fit between two turns of the others on the processor.
_SHORTEST_RUN = 0.5


class _Found(NamedTuple):
    """What a process measured."""

    alone: Timing
    beside: Timing
    precision: str


@dataclass(frozen=True)
class ContentionSuite:
    """Measures stylization at each size, and the training step at one size.

    StyleNet and the reference run one after the other in processes of their own, each first alone
    and then beside one busy process for each processor that this one may use.

    Attributes:
        crop: Side of the photos of training, in pixels.
    """

    crop: int

    def __post_init__(self) -> None:
        """Check the size.

        Raises:
            StyleNetError: It is impossible.
        """
        check_number("suite.crop", self.crop, minimum=16, integer=True)

    def run(self, bench: Bench) -> list[Row]:
        """Measure each size of stylization, then training.

        Args:
            bench: The parts and the conditions.

        Returns:
            A row for each.
        """
        conditions = bench.conditions
        parts = [
            *(("inference", size, 1) for size in conditions.sizes),
            ("training", (self.crop, self.crop), conditions.batch),
        ]
        return measure_apart(
            "contention",
            bench,
            parts,
            {"training": _train, "inference": _stylize},
            lambda found: Measured(found.alone, found.precision, beside=found.beside),
            busy_processes=len(usable_processors()),
        )


class _Phases:
    """Times runs alone, then starts the busy processes and times as many beside them.

    Attributes:
        done: Whether both have been timed.
    """

    def __init__(self, conditions: Conditions) -> None:
        self.done = False
        self._conditions = conditions
        self._warmup = max(1, conditions.warmup)
        self._alone: list[float] = []
        self._beside: list[float] = []
        self._others = ExitStack()
        self._settled = math.inf
        self._started = 0.0

    def start(self) -> None:
        """Start the clock."""
        self._started = now(self._conditions.device)

    def stop(self) -> None:
        """Stop the clock, and begin the next phase if this one is over."""
        end = now(self._conditions.device)
        if self._warmup > 0:
            self._warmup -= 1
        elif len(self._alone) < self._conditions.repeats:
            self._alone.append(end - self._started)
            if len(self._alone) == self._conditions.repeats:
                self._start_others()
        elif self._started >= self._settled:
            self._beside.append(end - self._started)
            self.done = len(self._beside) == self._conditions.repeats

    def __enter__(self) -> "_Phases":
        return self

    def __exit__(self, *error: object) -> None:
        self._others.close()

    def found(self, count: int, precision: str) -> _Found:
        """Return the times of each of the ``count`` equal parts of a run."""
        alone, beside = Timing(self._alone), Timing(self._beside)
        return _Found(alone.each(count), beside.each(count), precision)

    def _start_others(self) -> None:
        for _ in usable_processors():
            process = subprocess.Popen([sys.executable, "-c", _BUSY])
            self._others.callback(process.wait)
            self._others.callback(process.kill)
        self._settled = time.perf_counter() + _SETTLING


class _StepTimer(pl.Callback):
    """Times the steps of a run of Lightning, and ends it when enough are timed."""

    def __init__(self, phases: _Phases) -> None:
        self._phases = phases

    def on_train_batch_start(self, *_: Any) -> None:
        self._phases.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self._phases.stop()
        trainer.should_stop = self._phases.done


class _Same(Dataset[Tensor]):
    """The same images again and again."""

    def __init__(self, images: Tensor) -> None:
        self._images = images

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index: int) -> Tensor:
        return self._images


def _stylize(bench: Bench, case: Conditions, plain: bool) -> _Found:
    """Stylize images in this process."""
    images = case.images(case.sizes[0])
    side = PlainInference(bench) if plain else make_stylizer(bench)
    return _measure(lambda: side(images), case, name_of(side.dtype))


def _train(bench: Bench, case: Conditions, plain: bool) -> _Found:
    """Take training steps in this process."""
    images = case.images(case.sizes[0])
    criterion, style = bench.criterion()
    if plain:
        reference = reference_training(bench.network(), criterion, style)
        return _measure(lambda: reference.step(images), case, "32-true")
    module = bench.module(criterion)
    with _Phases(case) as phases:
        trainer = bench.trainer(-1, _StepTimer(phases))
        trainer.fit(module, DataLoader(_Same(images), batch_size=None))
    return phases.found(1, str(trainer.precision))


def _measure(call: Callable[[], Any], case: Conditions, precision: str) -> _Found:
    """Time a call; a run is as many as take half a second alone."""
    call()
    start = now(case.device)
    call()
    count = math.ceil(_SHORTEST_RUN / (now(case.device) - start))
    with _Phases(case) as phases:
        while not phases.done:
            phases.start()
            for _ in range(count):
                call()
            phases.stop()
    return phases.found(count, precision)
