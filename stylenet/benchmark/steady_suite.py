"""Measure how steady stylized videos are, on clips whose motion is known."""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from stylenet.benchmark.bench import Bench, Size, Trained
from stylenet.benchmark.clips import Clip, make_clips
from stylenet.benchmark.inference_suite import dtype_name
from stylenet.benchmark.rows import Measured, Row, make_row
from stylenet.benchmark.timing import Timing, now
from stylenet.data import PhotoData, ShardData
from stylenet.errors import StyleNetError, check_number
from stylenet.files import atomic_path, check_output, user_path
from stylenet.image import flatten, load_image, to_tensor
from stylenet.video import FrameStylizer, VideoOptions
from stylenet.video.flow import opencv, warp
from stylenet.video.motion import MotionBlend
from stylenet.video.steady import StillBlend

# Photos that the clips of one repeat are made of.
_PHOTOS = 7
_HEADER = 20  # pixels above each row of a sheet, for a line of text
_FRAME_BY_FRAME = "frame by frame"


@dataclass(frozen=True)
class SteadySuite:
    """Suite that stylizes clips by several networks, frame by frame and with each blend.

    Attributes:
        checkpoints: Run directories, checkpoints or names of pretrained styles.
        style_folder: Folder of style images that are not where the recipes of the checkpoints say.
        frames: Number of frames of each clip.
        gap: Distance in frames over which the long-term error is measured.
        sheets: Folder for an image of three stylized frames in a row for each clip; ``None`` for
            none.
    """

    checkpoints: Sequence[str]
    style_folder: str | None = None
    frames: int = 20
    gap: int = 8
    sheets: str | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            StyleNetError: A value is out of range.
        """
        check_number("suite.gap", self.gap, minimum=1, integer=True)
        check_number("suite.frames", self.frames, minimum=2 * self.gap + 2, integer=True)

    def run(self, bench: Bench) -> list[Row]:
        """Measure each size, network and way to stylize.

        Args:
            bench: Parts and conditions.

        Returns:
            Rows whose ``details`` hold the measures of each kind of clip; ``seconds`` are per
            frame.

        Raises:
            StyleNetError: A checkpoint is unusable, or the photos are in shards, missing or
                unreadable.
        """
        folder = None if self.sheets is None else user_path(self.sheets)
        if folder is not None:
            check_output(folder / "pan.png")
        networks = bench.trained(self.checkpoints, self.style_folder)
        rows = []
        for size in bench.conditions.sizes:
            rows += self._measure(bench, networks, size, folder)
        return rows

    def _measure(
        self, bench: Bench, networks: Sequence[Trained], size: Size, folder: Path | None
    ) -> list[Row]:
        """Measure one size."""
        conditions = bench.conditions
        width, height = (length + length % 2 for length in size)  # for H.264
        photos = _Photos(bench.data(min(size)), _PHOTOS * conditions.repeats)
        runs = [_Run(network, name) for network in networks for name in _blends()]
        for seed in range(conditions.repeats):
            for run in runs:
                run.durations.append([])
            for clip in make_clips(photos.load, (width, height), self.frames, seed):
                sheet = {"source": clip.frames}
                for run in runs:
                    stylized = run.stylize(clip, conditions.warmup)
                    run.measure(clip, stylized, self.gap)
                    sheet[run.name] = stylized
                if folder is not None and seed == 0:
                    middle = (clip.cuts() or [self.frames // 2])[0]
                    _save_sheet(folder, clip.name, sheet, slice(middle - 1, middle + 2))
        first: dict[str, _Run] = {}  # of each style
        return [
            make_row(
                "steady",
                f"{run.name}, {width}x{height}" if len(conditions.sizes) > 1 else run.name,
                (1, height, width),
                Measured(run.timing(), dtype_name(run.network.stylizer.dtype)),
                None,
                checkpoint=run.network.name,
                variant=run.variant,
                frames=self.frames,
                gap=self.gap,
                clips=run.summary(first.setdefault(run.network.style, run)),
            )
            for run in runs
        ]


@dataclass
class _Run:
    """A network and a way to stylize videos, with its measures so far.

    Attributes:
        network: The network.
        variant: The way: see :func:`_blends`.
        durations: Mean duration of a frame in each clip, by repeat.
    """

    network: Trained
    variant: str
    durations: list[list[float]] = field(default_factory=list)
    _values: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    _plain: Sequence[np.ndarray] = ()

    @property
    def name(self) -> str:
        """Description of the run."""
        return f"{self.network.name}, {self.variant}"

    def stylize(self, clip: Clip, warmup: int) -> list[np.ndarray]:
        """Return the stylized frames of a clip, and record their time."""
        blend = _blends()[self.variant]
        options = VideoOptions(blend=0 if blend is None else blend.weight)
        stylizer = self.network.stylizer
        for _ in range(warmup):
            FrameStylizer(stylizer, video=VideoOptions(blend=0)).stylize(clip.frames[0])
        frame_stylizer = FrameStylizer(stylizer, video=options, blend=blend)
        start = now(stylizer.device)
        stylized = [frame_stylizer.stylize(frame) for frame in clip.frames]
        self.durations[-1].append((now(stylizer.device) - start) / len(stylized))
        return stylized

    def timing(self) -> Timing:
        """Return the mean duration of a frame in each repeat."""
        return Timing([statistics.fmean(durations) for durations in self.durations])

    def measure(self, clip: Clip, stylized: Sequence[np.ndarray], gap: int) -> None:
        """Add the measures of a stylized clip."""
        values = self._values[clip.name]
        frames = [_tensor(frame) for frame in stylized]
        sources = [_tensor(frame) for frame in clip.frames]
        for name, distance in (("short", 1), ("long", gap)):
            for before, after in clip.pairs(distance):
                flow, visible = clip.motion(before, after)
                for key, images in ((name, frames), (f"{name}_source", sources)):
                    difference = warp(images[before], flow, "bicubic") - images[after]
                    error = (difference.square().mean(1, keepdim=True) * visible).sum()
                    values[key].append(float(error / visible.sum()))
        middle = len(frames) // 2
        for t in range(1, len(frames)):
            moving = (clip.place(t)[0].moving(clip.place(t)[1]))[..., 1:, 1:]
            steepness = sum(
                frames[t].diff(dim=dim)[..., -moving.shape[-2] :, -moving.shape[-1] :].abs()
                for dim in (-1, -2)
            )
            values["gradient"].append(float((steepness * moving).mean() / moving.mean()))
        device = self.network.stylizer.device
        for t in (middle, len(frames) - 1):
            losses = self.network.criterion(frames[t].to(device), sources[t].to(device))
            for name in ("total", "content", "style"):
                values[name].append(float(losses[name]))
        for cut in clip.cuts():
            alone = FrameStylizer(self.network.stylizer, video=VideoOptions(blend=0))
            ghost = frames[cut] - _tensor(alone.stylize(clip.frames[cut]))
            values["ghost"].append(float(ghost.square().mean()))

    def summary(self, reference: "_Run") -> dict[str, dict[str, float]]:
        """Return the measures by kind of clip.

        Args:
            reference: The run whose sharpness counts 1.
        """
        return {
            clip: {
                **{name: _summarize(name, values) for name, values in measures.items()},
                "sharpness": statistics.fmean(measures["gradient"])
                / statistics.fmean(reference._values[clip]["gradient"]),
            }
            for clip, measures in self._values.items()
        }


class _Photos:
    """Photos of a folder, one after the other, spread over it."""

    def __init__(self, data: PhotoData, count: int) -> None:
        """Find the photos.

        Args:
            data: The photos.
            count: Number of photos that will be loaded.
        """
        if isinstance(data, ShardData):
            raise StyleNetError("suite=steady needs photo files, not shards. Use data=folder.")
        data.setup()
        self._paths = [data.dataset.root / name for name in data.dataset.photos]
        self._step = max(1, len(self._paths) // count)
        self._next = 0

    def load(self, size: Size) -> Tensor:
        """Load the center of the next photo at a size: RGB in [0, 1], shape (1, 3, H, W)."""
        path = self._paths[self._next % len(self._paths)]
        self._next += self._step
        return to_tensor(ImageOps.fit(flatten(load_image(path)), size, Image.Resampling.LANCZOS))


def _blends() -> Mapping[str, MotionBlend | StillBlend | None]:
    """Return the ways to stylize a video, each with a blend that has seen no frame."""
    weight = VideoOptions().blend
    blends: dict[str, Any] = {_FRAME_BY_FRAME: None, "blend without flow": StillBlend(weight)}
    return blends | ({"blend": MotionBlend(weight)} if opencv() else {})


def _summarize(name: str, values: Sequence[float]) -> float:
    """Return the root of the mean of squared errors, the mean of others."""
    mean = statistics.fmean(values)
    return math.sqrt(mean) if name.startswith(("short", "long", "ghost")) else mean


def _tensor(frame: np.ndarray) -> Tensor:
    """Convert a frame, uint8, shape (H, W, 3), to RGB in [0, 1], shape (1, 3, H, W)."""
    return torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255


def _save_sheet(
    folder: Path, name: str, rows: Mapping[str, Sequence[np.ndarray]], shown: slice
) -> None:
    """Save some frames of a clip, side by side: a row for the source and for each run."""
    width, height = rows["source"][0].shape[1::-1]
    count = len(rows["source"][shown])
    step = height + _HEADER
    sheet = Image.new("RGB", (count * width, len(rows) * step), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for row, (title, frames) in enumerate(rows.items()):
        draw.text((4, row * step + 2), title, "black", font)
        for column, frame in enumerate(frames[shown]):
            sheet.paste(Image.fromarray(frame), (column * width, row * step + _HEADER))
    with atomic_path(folder / f"{name.replace(', ', '-')}.png") as temporary:
        sheet.save(temporary, format="PNG")
