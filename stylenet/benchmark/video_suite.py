"""Measure stylizing a video, from file to file, beside a plain network in the same pipeline."""

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
from stylenet.benchmark.inference_suite import dtype_name, make_stylizer
from stylenet.benchmark.rows import Measured, Row, make_row
from stylenet.benchmark.timing import alternate
from stylenet.data import PhotoData, ShardData
from stylenet.errors import StyleNetError, check_number
from stylenet.image import load_image
from stylenet.video import FrameStylizer, VideoOptions, VideoReader
from stylenet.video.codecs import import_av
from stylenet.video.pipeline import stylize_frames
from stylenet.video.transfer import Download, upload
from stylenet.video.writer import VideoWriter

Start = Callable[[np.ndarray], Download]

_FRAME_RATE = 24
# Frames of each photo, and pixels that the view moves by between frames.
_SCENE, _STEP = 24, 3


@dataclass(frozen=True)
class VideoSuite:
    """Suite that times complete videos, including decoding and encoding.

    Attributes:
        frames: Number of frames of a video.
    """

    frames: int

    def __post_init__(self) -> None:
        """Check the number.

        Raises:
            StyleNetError: The number is out of range.
        """
        check_number("suite.frames", self.frames, minimum=1, integer=True)

    def run(self, bench: Bench) -> list[Row]:
        """Measure each size.

        Args:
            bench: Parts and conditions.

        Returns:
            A row for each size; ``seconds`` are per video.

        Raises:
            StyleNetError: The photos are in shards.
        """
        with tempfile.TemporaryDirectory() as folder:
            return [self._measure(bench, size, Path(folder)) for size in bench.conditions.sizes]

    def _measure(self, bench: Bench, size: Size, folder: Path) -> Row:
        """Measure one size."""
        conditions, (width, height) = bench.conditions, size
        source = folder / f"{width}x{height}.mp4"
        make_clip(source, bench.data(min(size)), size, self.frames)
        stylizer, device = make_stylizer(bench), conditions.device
        pipelines = [_Pipeline(source, lambda: FrameStylizer(stylizer).start, device)]
        described = None
        if conditions.baseline:
            network, described = reference_network(bench.network())
            plain = network.to(device).eval()
            pipelines.append(_Pipeline(source, lambda: _plain_start(plain, device), device))
        timings = alternate(pipelines, conditions.repeats, conditions.warmup, device)
        precisions = (dtype_name(stylizer.dtype), "float32")
        measured = [
            Measured(timing, precision, device_share=pipeline.busy_fraction(conditions.repeats))
            for timing, pipeline, precision in zip(timings, pipelines, precisions, strict=False)
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
            codec=pipelines[0].codec,
            settings={"blend": VideoOptions().blend, "quality": VideoOptions().quality},
        )


@dataclass
class _Pipeline:
    """One way to stylize the video, as a call without arguments.

    Attributes:
        source: The video.
        make_start: Returns, for each run, the function that starts to stylize a frame.
        device: The network's device.
        codec: The encoder that was used.
    """

    source: Path
    make_start: Callable[[], Start]
    device: torch.device
    codec: str = ""
    _busy_fractions: list[float] = field(default_factory=list)

    def __call__(self) -> None:
        clock = _DeviceClock(self.make_start(), self.device)
        target, options = self.source.with_name("out.mp4"), VideoOptions()
        start = time.perf_counter()
        with ExitStack() as stack:
            reader = stack.enter_context(VideoReader(self.source))
            writer = VideoWriter(target, target, reader, options.codec, options.quality)
            stylize_frames(reader, writer, clock, self.device, lambda: None)
            writer.close()
        self.codec = writer.codec
        self._busy_fractions.append(clock.seconds() / (time.perf_counter() - start))

    def busy_fraction(self, repeats: int) -> float:
        """Return the mean fraction of time, over the timed runs, in which the device was busy."""
        return sum(self._busy_fractions[-repeats:]) / repeats


class _DeviceClock:
    """Wrapper of a start function that sums up how long the device works on frames."""

    def __init__(self, start: Start, device: torch.device) -> None:
        self._start, self._device = start, device
        self._spans: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._seconds = 0.0

    def __call__(self, pixels: np.ndarray) -> Download:
        if self._device.type != "cuda":
            start = time.perf_counter()
            download = self._start(pixels)
            self._seconds += time.perf_counter() - start
            return download
        span = (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
        span[0].record(torch.cuda.current_stream(self._device))
        download = self._start(pixels)
        span[1].record(torch.cuda.current_stream(self._device))
        self._spans.append(span)
        return download

    def seconds(self) -> float:
        """Return the total time between start and end of each frame, on a GPU by its own clock."""
        if self._spans:
            torch.cuda.synchronize(self._device)
        return self._seconds + sum(a.elapsed_time(b) for a, b in self._spans) / 1e3


def _plain_start(network: nn.Module, device: torch.device) -> Start:
    """Return a function that starts to stylize a frame with the plain network."""

    @torch.no_grad()
    def start(pixels: np.ndarray) -> Download:
        height, width = pixels.shape[:2]
        images = upload(pixels, device).permute(2, 0, 1)[None].float() / 255
        stylized = network(images)[0, :, :height, :width]  # the network rounds sizes up to 4
        return Download((stylized * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous())

    return start


def make_clip(path: Path, data: PhotoData, size: Size, frames: int) -> None:
    """Write a video whose view pans over photos, one after the other.

    Args:
        path: The output file.
        data: The photos.
        size: Width and height; odd ones are rounded up for H.264.
        frames: Number of frames.

    Raises:
        StyleNetError: The photos are in shards, missing or unreadable.
    """
    if isinstance(data, ShardData):
        raise StyleNetError("suite=video needs photo files; choose data=samples or data=folder")
    av = import_av()
    data.setup()
    width, height = (length + length % 2 for length in size)
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
