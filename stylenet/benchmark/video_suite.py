"""Stylizing a video: a file in, a file out, beside the plain network in the same pipeline."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from stylenet.benchmark.baseline import reference_network
from stylenet.benchmark.bench import Bench, Size
from stylenet.benchmark.inference_suite import make_stylizer, name_of
from stylenet.benchmark.rows import Measured, Row, make_row
from stylenet.benchmark.timing import alternate
from stylenet.data import PhotoData, ShardData
from stylenet.errors import StyleNetError, check_number
from stylenet.image import load_image
from stylenet.video.codecs import import_av
from stylenet.video.reader import VideoReader
from stylenet.video.stylize import FrameStylizer, VideoOptions, stylize_frames
from stylenet.video.transfer import Download, upload
from stylenet.video.writer import VideoWriter

Start = Callable[[np.ndarray], Download]

_FRAME_RATE = 24
# Frames of each photo, and pixels that the view moves by from one to the next.
_SCENE, _STEP = 24, 3


@dataclass(frozen=True)
class VideoSuite:
    """Times whole videos, decoding and encoding included.

    Attributes:
        frames: How many a video has.
    """

    frames: int

    def __post_init__(self) -> None:
        """Check the number.

        Raises:
            StyleNetError: It is impossible.
        """
        check_number("suite.frames", self.frames, minimum=1, integer=True)

    def run(self, bench: Bench) -> list[Row]:
        """Measure all sizes.

        Args:
            bench: How, and what.

        Returns:
            A row for each size; ``seconds`` are those of a whole video.

        Raises:
            StyleNetError: The photos for it are shards.
        """
        with tempfile.TemporaryDirectory() as folder:
            return [self._measure(bench, size, Path(folder)) for size in bench.conditions.sizes]

    def _measure(self, bench: Bench, size: Size, folder: Path) -> Row:
        """Measure one size."""
        conditions, (width, height) = bench.conditions, size
        source = folder / f"{width}x{height}.mp4"
        draw_clip(source, bench.data(min(size)), size, self.frames)
        stylizer, device = make_stylizer(bench), conditions.device
        sides = [_Side(source, lambda: FrameStylizer(stylizer).start, device)]
        described = None
        if conditions.baseline:
            network, described = reference_network(bench.network())
            plain = network.to(device).eval()
            sides.append(_Side(source, lambda: _plain_start(plain, device), device))
        timings = alternate(sides, conditions.repeats, conditions.warmup, device)
        precisions = (name_of(stylizer.dtype), "float32")
        measured = [
            Measured(timing, precision, device_share=side.share(conditions.repeats))
            for timing, side, precision in zip(timings, sides, precisions, strict=False)
        ]
        network = bench.network()
        return make_row(
            "video",
            f"{network.name}, {self.frames} frames of {width}x{height}",
            (self.frames, height, width),
            measured[0],
            measured[1] if conditions.baseline else None,
            network={"name": network.name, **network.arguments},
            baseline_network=described,
            codec=sides[0].codec,
            settings={"blend": VideoOptions().blend, "quality": VideoOptions().quality},
        )


@dataclass
class _Side:
    """One way to stylize the video, as a call without arguments.

    Attributes:
        source: The video.
        begin: Returns, for each run, what begins to stylize a frame.
        device: Where the network runs.
        codec: The encoder that was used.
    """

    source: Path
    begin: Callable[[], Start]
    device: torch.device
    codec: str = ""
    _shares: list[float] = field(default_factory=list)

    def __call__(self) -> None:
        clock, target = _DeviceClock(self.begin(), self.device), self.source.with_name("out.mp4")
        start, settings = time.perf_counter(), VideoOptions()
        with ExitStack() as stack:
            reader = stack.enter_context(VideoReader(self.source))
            writer = VideoWriter(target, target, reader, settings.codec, settings.quality)
            stylize_frames(reader, writer, clock, self.device, lambda: None)
            writer.close()
        self.codec = writer.codec
        self._shares.append(clock.seconds() / (time.perf_counter() - start))

    def share(self, repeats: int) -> float:
        """The network's share of the time, a mean over the timed runs."""
        return sum(self._shares[-repeats:]) / repeats


class _DeviceClock:
    """Sums up how long the network's device works on frames."""

    def __init__(self, start: Start, device: torch.device) -> None:
        self._start, self._device = start, device
        self._spans: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._seconds = 0.0

    def __call__(self, pixels: np.ndarray) -> Download:
        if self._device.type != "cuda":
            began = time.perf_counter()
            download = self._start(pixels)
            self._seconds += time.perf_counter() - began
            return download
        span = (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
        span[0].record(torch.cuda.current_stream(self._device))
        download = self._start(pixels)
        span[1].record(torch.cuda.current_stream(self._device))
        self._spans.append(span)
        return download

    def seconds(self) -> float:
        """Between begin and end of each frame; on a GPU by its own clock."""
        if self._spans:
            torch.cuda.synchronize(self._device)
        return self._seconds + sum(a.elapsed_time(b) for a, b in self._spans) / 1e3


def _plain_start(network: nn.Module, device: torch.device) -> Start:
    """What begins to stylize a frame by the plain network."""

    @torch.no_grad()
    def start(pixels: np.ndarray) -> Download:
        height, width = pixels.shape[:2]
        images = upload(pixels, device).permute(2, 0, 1)[None].float() / 255
        stylized = network(images)[0, :, :height, :width]  # sides are rounded up to 4
        return Download((stylized * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous())

    return start


def draw_clip(path: Path, data: PhotoData, size: Size, frames: int) -> None:
    """Make a video whose view pans over photos, one after the other.

    Args:
        path: Where it goes.
        data: The photos.
        size: Width and height; odd ones are rounded up to what H.264 takes.
        frames: How many.

    Raises:
        StyleNetError: The photos are shards, missing or unreadable.
    """
    if isinstance(data, ShardData):
        raise StyleNetError("suite=video needs photos as files; choose data=samples or data=folder")
    av = import_av()
    data.setup()
    width, height = (side + side % 2 for side in size)
    photos = [data.dataset.root / name for name in data.dataset.photos]
    with av.open(f"file:{path}", "w") as video:
        stream = video.add_stream("libx264", rate=_FRAME_RATE, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(frames):
            scene, moment = divmod(i, _SCENE)
            if moment == 0:
                photo = load_image(photos[scene % len(photos)]).rgb
                scale = max((width + _SCENE * _STEP) / photo.width, height / photo.height)
                wide = photo.resize(
                    (round(photo.width * scale) + 1, round(photo.height * scale) + 1),
                    Image.Resampling.BICUBIC,
                )
            left, top = moment * _STEP, (wide.height - height) // 2
            view = wide.crop((left, top, left + width, top + height))
            frame = av.VideoFrame.from_image(view)
            frame.pts = i
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
