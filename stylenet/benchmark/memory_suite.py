"""The most memory that training and stylizing take, each in a process of its own."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from stylenet.benchmark.apart import measure_apart
from stylenet.benchmark.baseline import reference_training
from stylenet.benchmark.bench import Bench, Conditions
from stylenet.benchmark.inference_suite import PlainInference, make_stylizer, name_of
from stylenet.benchmark.peak_memory import PeakMemory
from stylenet.benchmark.rows import Measured, Row
from stylenet.benchmark.timing import Timing, alternate
from stylenet.benchmark.training_suite import Stopwatch
from stylenet.errors import check_number


class _Peak(NamedTuple):
    """What a process found."""

    memory: int | None
    timing: Timing
    precision: str


@dataclass(frozen=True)
class MemorySuite:
    """Measures the training step at one size, and stylizing at each of the sizes.

    The processes run one after the other, so their times are no fair comparison; they are told
    to show what is paid for the memory.

    Attributes:
        crop: Side of the photos that are learned from, in pixels.
    """

    crop: int

    def __post_init__(self) -> None:
        """Checks the size.

        Raises:
            StyleNetError: It is impossible.
        """
        check_number("suite.crop", self.crop, minimum=16, integer=True)

    def run(self, bench: Bench) -> list[Row]:
        """Measures training, then each size of stylizing.

        Args:
            bench: How, and what.

        Returns:
            A row for each.
        """
        conditions = bench.conditions
        parts = [
            ("training", (self.crop, self.crop), conditions.batch),
            *(("inference", size, 1) for size in conditions.sizes),
        ]
        return measure_apart(
            "memory",
            bench,
            parts,
            {"training": _train, "inference": _stylize},
            lambda found: Measured(found.timing, found.precision, memory=found.memory),
        )


def _train(bench: Bench, case: Conditions, plain: bool) -> _Peak:
    """Trains in this process: some steps, for the optimizer gets its state after the first."""
    images = case.images(case.sizes[0])
    peak = PeakMemory(case.device)
    criterion, style = bench.criterion()
    if plain:
        reference = reference_training(bench.network(), criterion, style)
        del criterion
        peak.forget()  # what building took; what it left counts
        (timing,) = alternate([lambda: reference.step(images)], case.repeats, 2, case.device)
        return _Peak(peak.above(), timing, "32-true")
    module = bench.module(criterion)
    watch = Stopwatch(replace(case, warmup=0), None)
    trainer = bench.trainer(watch.steps, watch)
    peak.forget()
    watch.run(trainer, module, images)
    return _Peak(peak.above(), Timing(watch.ours.seconds), str(trainer.precision))


def _stylize(bench: Bench, case: Conditions, plain: bool) -> _Peak:
    """Stylizes an image in this process."""
    images = case.images(case.sizes[0])
    peak = PeakMemory(case.device)
    side = PlainInference(bench) if plain else make_stylizer(bench)
    (timing,) = alternate([lambda: side(images)], case.repeats, 0, case.device)
    return _Peak(peak.above(), timing, name_of(side.dtype))
