"""Measure reading photos on one core: the training dataset beside torchvision's transforms."""

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
from stylenet.program import command

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class DataSuite:
    """Suite that times passes over some photos, as one data loader worker decodes them.

    Attributes:
        photos: Number of photos, spread over the folder; all if it has fewer. The first pass caches
            the files in memory: the suite measures decoding and cropping, not the disk.
    """

    photos: int

    def __post_init__(self) -> None:
        """Check the number.

        Raises:
            StyleNetError: The number is out of range.
        """
        check_number("suite.photos", self.photos, minimum=1, integer=True)

    def run(self, bench: Bench) -> list[Row]:
        """Measure each size.

        Args:
            bench: Parts and conditions.

        Returns:
            A row for each size; ``seconds`` are per photo.

        Raises:
            StyleNetError: A size is not square, or no photo is usable.
        """
        oblong = next((f"{w}x{h}" for w, h in bench.conditions.sizes if w != h), None)
        if oblong is not None:
            raise StyleNetError(f"size={oblong}: photos are cropped to squares; pass one number")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # like PyTorch in the workers of a data loader
        try:
            return [self._measure(bench, size) for size in bench.conditions.sizes]
        finally:
            torch.set_num_threads(threads)

    def _measure(self, bench: Bench, size: Size) -> Row:
        """Measure one size."""
        conditions, (crop, _) = bench.conditions, size
        data = bench.data(crop)
        count = self._choose_photos(data)
        dataset = data.dataset
        starts = iter(range(0, 2**62, count))
        calls: list[Any] = [lambda: _load(dataset, next(starts), count)]
        # Shards contain no files that the reference could open.
        files = not isinstance(data, ShardData)
        paths = [dataset.root / name for name in dataset.photos] if files else []
        if conditions.baseline and files:
            photos = load_reference().Photos(paths, crop)
            calls.append(lambda: _load(photos, 0, count))
        timings = alternate(calls, conditions.repeats, max(1, conditions.warmup), _CPU)
        read = Work(0, sum(path.stat().st_size for path in paths) // count) if files else None
        measured = [Measured(timing.each(count), "float32", read) for timing in timings]
        return make_row(
            "data",
            f"{type(data).__name__}, {count} photos, {crop}x{crop}",
            (1, crop, crop),
            measured[0],
            measured[1] if len(measured) > 1 else None,
            photos=count,
            max_scale=dataset.max_scale,
        )

    def _choose_photos(self, data: PhotoData) -> int:
        """Reduce the dataset to some usable photos, spread over it; return their number."""
        data.setup()
        dataset = data.dataset
        total = len(dataset.photos)
        step = max(1, total // self.photos)
        usable = [i for i in range(0, total, step)[: self.photos] if dataset.check(i) is None]
        if not usable:
            raise StyleNetError(
                f"data.root={data.root}: none of the {len(range(0, total, step))} photos tried is "
                f"usable; list the problems with: {command('data check')}"
            )
        dataset.photos = [dataset.photos[i] for i in usable]
        return len(usable)


def _load(dataset: Any, start: int, count: int) -> None:
    """Read photos, each once."""
    for index in range(start, start + count):
        dataset[index]
