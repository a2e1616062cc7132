"""Reading photos: the dataset of training beside torchvision's transforms, on one core."""

from dataclasses import dataclass
from typing import Any

import torch

from stylenet.benchmark.baseline import load_reference
from stylenet.benchmark.bench import Bench, Size
from stylenet.benchmark.counting import Work
from stylenet.benchmark.rows import Measured, Row, make_row
from stylenet.benchmark.timing import alternate
from stylenet.data import PhotoData, ShardData
from stylenet.errors import StyleNetError, check_number

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class DataSuite:
    """Times whole rounds through some photos, as one decoding process of training makes them.

    Attributes:
        photos: How many, from all over the folder; all where it has fewer. The first round brings
            them into memory: what is measured is decoding and cropping, not the disk.
    """

    photos: int

    def __post_init__(self) -> None:
        """Checks the number.

        Raises:
            StyleNetError: It is impossible.
        """
        check_number("suite.photos", self.photos, minimum=1, integer=True)

    def run(self, bench: Bench) -> list[Row]:
        """Measures all sizes.

        Args:
            bench: How, and what.

        Returns:
            A row for each size; ``seconds`` are those of one photo.

        Raises:
            StyleNetError: A size is not square, or no photo is usable.
        """
        wide = next((f"{w}x{h}" for w, h in bench.conditions.sizes if w != h), None)
        if wide is not None:
            raise StyleNetError(f"size={wide}: photos are cropped to squares; give one number")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as PyTorch has it in a loader's processes
        try:
            return [self._measure(bench, size) for size in bench.conditions.sizes]
        finally:
            torch.set_num_threads(threads)

    def _measure(self, bench: Bench, size: Size) -> Row:
        """Measures one size."""
        conditions, (side, _) = bench.conditions, size
        data = bench.data(side)
        count = self._choose(data)
        dataset = data.dataset
        turn = iter(range(0, 2**62, count))
        calls: list[Any] = [lambda: _load(dataset, next(turn), count)]
        # Shards hold no files that plain code could open.
        files = not isinstance(data, ShardData)
        paths = [dataset.root / name for name in dataset.photos] if files else []
        if conditions.baseline and files:
            photos = load_reference().Photos(paths, side)
            calls.append(lambda: _load(photos, 0, count))
        timings = alternate(calls, conditions.repeats, max(1, conditions.warmup), _CPU)
        read = Work(0, sum(path.stat().st_size for path in paths) // count) if files else None
        sides = [Measured(timing.each(count), "float32", read) for timing in timings]
        return make_row(
            "data",
            f"{type(data).__name__}, {count} photos, {side}x{side}",
            (1, side, side),
            sides[0],
            sides[1] if len(sides) > 1 else None,
            photos=count,
            max_scale=dataset.max_scale,
        )

    def _choose(self, data: PhotoData) -> int:
        """Leaves the dataset some usable photos from all over it; says how many."""
        data.setup()
        dataset = data.dataset
        found = len(dataset.photos)
        step = max(1, found // self.photos)
        usable = [i for i in range(0, found, step)[: self.photos] if dataset.check(i) is None]
        if not usable:
            raise StyleNetError(
                f"data.root={data.root}: none of the photos tried is usable; "
                f"scripts/check_data.py lists them"
            )
        dataset.photos = [dataset.photos[i] for i in usable]
        return len(usable)


def _load(dataset: Any, start: int, count: int) -> None:
    """One round."""
    for index in range(start, start + count):
        dataset[index]
