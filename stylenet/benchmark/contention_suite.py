"""Measure the fraction of speed that is left beside other busy programs."""

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

from stylenet.benchmark.baseline import reference_training
from stylenet.benchmark.bench import Bench, Conditions
from stylenet.benchmark.inference_suite import PlainInference, dtype_name, make_stylizer
from stylenet.benchmark.isolated import measure_isolated
from stylenet.benchmark.rows import Measured, Row
from stylenet.benchmark.timing import Timing, now
from stylenet.contention import usable_processors
from stylenet.errors import check_number

# Program that keeps a processor busy until its parent process has ended, for whatever reason.
_BUSY = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(10**5):
        pass
"""
# Seconds to wait after starting the busy processes: longer than StyleNet takes to notice them.
_SETTLING = 1.5
# Minimum duration of a run in seconds: a shorter one would fit between two time slices of the
# others.
_SHORTEST_RUN = 0.5


class _Result(NamedTuple):
    """Measurements of one process."""

    alone: Timing
    beside: Timing
    precision: str


@dataclass(frozen=True)
class ContentionSuite:
    """Suite that measures stylization at each size, and the training step at one size.

    StyleNet and the reference run one after the other in processes of their own, each first alone
    and then beside one busy process per usable processor.

    Attributes:
        crop: Size of the square training photos in pixels.
    """

    crop: int

    def __post_init__(self) -> None:
        """Check the size.

        Raises:
            StyleNetError: The size is out of range.
        """
        check_number("suite.crop", self.crop, minimum=16, integer=True)

    def run(self, bench: Bench) -> list[Row]:
        """Measure stylization at each size, then training; return a row for each."""
        conditions = bench.conditions
        parts = [
            *(("inference", size, 1) for size in conditions.sizes),
            ("training", (self.crop, self.crop), conditions.batch),
        ]
        return measure_isolated(
            "contention",
            bench,
            parts,
            {"training": _train, "inference": _stylize},
            lambda result: Measured(result.alone, result.precision, beside=result.beside),
            busy_processes=len(usable_processors()),
        )


class _Phases:
    """Timer of runs alone, then of as many runs beside busy processes.

    Attributes:
        done: Whether both phases are complete.
    """

    def __init__(self, conditions: Conditions) -> None:
        self.done = False
        self._conditions = conditions
        self._warmup = max(1, conditions.warmup)
        self._alone: list[float] = []
        self._beside: list[float] = []
        self._busy_processes = ExitStack()
        self._settled_at = math.inf
        self._started = 0.0

    def start(self) -> None:
        """Start timing a run."""
        self._started = now(self._conditions.device)

    def stop(self) -> None:
        """Stop timing a run; start the next phase if this one is complete."""
        end = now(self._conditions.device)
        if self._warmup > 0:
            self._warmup -= 1
        elif len(self._alone) < self._conditions.repeats:
            self._alone.append(end - self._started)
            if len(self._alone) == self._conditions.repeats:
                self._start_busy_processes()
        elif self._started >= self._settled_at:
            self._beside.append(end - self._started)
            self.done = len(self._beside) == self._conditions.repeats

    def __enter__(self) -> "_Phases":
        return self

    def __exit__(self, *error: object) -> None:
        self._busy_processes.close()

    def result(self, count: int, precision: str) -> _Result:
        """Return the times, each divided by the number of calls in a run."""
        alone, beside = Timing(self._alone), Timing(self._beside)
        return _Result(alone.each(count), beside.each(count), precision)

    def _start_busy_processes(self) -> None:
        for _ in usable_processors():
            process = subprocess.Popen([sys.executable, "-c", _BUSY])
            self._busy_processes.callback(process.wait)
            self._busy_processes.callback(process.kill)
        self._settled_at = time.perf_counter() + _SETTLING


class _StepTimer(pl.Callback):
    """Callback that times training steps and stops the trainer when enough are timed."""

    def __init__(self, phases: _Phases) -> None:
        self._phases = phases

    def on_train_batch_start(self, *_: Any) -> None:
        self._phases.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self._phases.stop()
        trainer.should_stop = self._phases.done


class _ConstantDataset(Dataset[Tensor]):
    """Dataset of the same batch at every index."""

    def __init__(self, images: Tensor) -> None:
        self._images = images

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index: int) -> Tensor:
        return self._images


def _stylize(bench: Bench, case: Conditions, reference: bool) -> _Result:
    """Stylize images in this process."""
    images = case.images(case.sizes[0])
    run = PlainInference(bench) if reference else make_stylizer(bench)
    return _measure(lambda: run(images), case, dtype_name(run.dtype))


def _train(bench: Bench, case: Conditions, reference: bool) -> _Result:
    """Take training steps in this process."""
    images = case.images(case.sizes[0])
    criterion, style = bench.criterion()
    if reference:
        training = reference_training(bench.network(), criterion, style)
        return _measure(lambda: training.step(images), case, "32-true")
    module = bench.module(criterion)
    with _Phases(case) as phases:
        trainer = bench.trainer(-1, _StepTimer(phases))
        trainer.fit(module, DataLoader(_ConstantDataset(images), batch_size=None))
    return phases.result(1, str(trainer.precision))


def _measure(call: Callable[[], Any], case: Conditions, precision: str) -> _Result:
    """Time a call; a run consists of as many calls as take half a second alone."""
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
    return phases.result(count, precision)
