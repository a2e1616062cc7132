"""Measure the peak memory of training and stylizing, each in a process of its own."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from stylenet.benchmark.baseline import reference_training
from stylenet.benchmark.bench import Bench, Conditions
from stylenet.benchmark.inference_suite import PlainInference, dtype_name, make_stylizer
from stylenet.benchmark.isolated import measure_isolated
from stylenet.benchmark.peak_memory import PeakMemory
from stylenet.benchmark.rows import Measured, Row
from stylenet.benchmark.timing import Timing, alternate
from stylenet.benchmark.training_suite import Stopwatch
from stylenet.errors import check_number


class _Peak(NamedTuple):
    """Measurements of one process."""

    memory: int | None
    timing: Timing
    precision: str


@dataclass(frozen=True)
class MemorySuite:
    """Suite that measures the training step at one size, and stylizing at each of the sizes.

    The processes run one after the other, so their times are not a fair comparison; they only show
    the price of saving memory.

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
        """Measure training, then stylizing at each size; return a row for each."""
        conditions = bench.conditions
        parts = [
            ("training", (self.crop, self.crop), conditions.batch),
            *(("inference", size, 1) for size in conditions.sizes),
        ]
        return measure_isolated(
            "memory",
            bench,
            parts,
            {"training": _train, "inference": _stylize},
            lambda result: Measured(result.timing, result.precision, memory=result.memory),
        )


def _train(bench: Bench, case: Conditions, reference: bool) -> _Peak:
    """Train some steps in this process: the optimizer gets its state after the first."""
    images = case.images(case.sizes[0])
    peak = PeakMemory(case.device)
    criterion, style = bench.criterion()
    if reference:
        training = reference_training(bench.network(), criterion, style)
        del criterion
        peak.reset()  # excludes temporary memory of the set-up
        (timing,) = alternate([lambda: training.step(images)], case.repeats, 2, case.device)
        return _Peak(peak.increase(), timing, "32-true")
    module = bench.module(criterion)
    watch = Stopwatch(replace(case, warmup=0), None)
    trainer = bench.trainer(watch.steps, watch)
    peak.reset()
    watch.run(trainer, module, images)
    return _Peak(peak.increase(), Timing(watch.ours.seconds), str(trainer.precision))


def _stylize(bench: Bench, case: Conditions, reference: bool) -> _Peak:
    """Stylize an image in this process."""
    images = case.images(case.sizes[0])
    peak = PeakMemory(case.device)
    run = PlainInference(bench) if reference else make_stylizer(bench)
    (timing,) = alternate([lambda: run(images)], case.repeats, 0, case.device)
    return _Peak(peak.increase(), timing, dtype_name(run.dtype))
