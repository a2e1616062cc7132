"""Stylize the frames of a video in order."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.inference.options import StylizeOptions
from stylenet.inference.region_map import Mask, RegionMap, as_regions
from stylenet.inference.stylizer import Stylizer
from stylenet.video.flicker import FlickerMeter
from stylenet.video.flow import opencv
from stylenet.video.keyframes import value_at
from stylenet.video.motion import MotionBlend
from stylenet.video.options import VideoOptions
from stylenet.video.steady import CutFinder, SteadyStatistics, StillBlend
from stylenet.video.transfer import Download, upload


class FrameStylizer:
    """Stylizer of one video's frames, in order, with optional temporal smoothing.

    Attributes:
        meter: The warping errors so far.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        options: StylizeOptions | None = None,
        video: VideoOptions | None = None,
        flicker_every: int = 1,
        mask: Mask | None = None,
        blend: MotionBlend | StillBlend | None = None,
    ) -> None:
        """Start a video.

        Args:
            stylizer: The stylizer to use; stays unchanged.
            options: See :func:`stylize_video`.
            video: See :func:`stylize_video`.
            flicker_every: Interval, in frames, between measurements of the warping error, if
                ``video.flicker`` asks for them. The error is measured before the mask is applied.
            mask: Of the frames' size, see :meth:`stylenet.inference.Stylizer.stylize`.
            blend: The blend with the previous frame; ``None`` for the best one that is installed.

        Raises:
            StyleNetError: Smoothed statistics and tiles or passes are both requested, or a value
                of a keyframe is out of range.
        """
        options, video = options or StylizeOptions(), video or VideoOptions()
        self._video = video
        if video.keyframes:
            stylizer = stylizer.turned()
            for name, keyframes in video.keyframes.items():  # all are checked before any work
                for value in keyframes.values():
                    stylizer.turn(**{name: value})
        self._plain = self._steady = stylizer
        self._statistics = SteadyStatistics(video.steady)
        if video.steady:
            _check_steady(options, video.steady)
            options = dataclasses.replace(options, tile="none")
            self._steady = stylizer.with_statistics(self._statistics.update)
        self.set_options(options)
        self._all_regions: RegionMap | None = None
        self._regions: RegionMap | None = None
        self._opacity: Tensor | None = None
        self.set_regions(as_regions(mask))
        self._blend = blend or (MotionBlend if opencv() else StillBlend)(video.blend)
        self._find_cut = CutFinder()
        self._flicker_every = flicker_every if video.flicker else 0
        # The previous frame, its stylization, and its regions.
        self._previous: tuple[Tensor, Tensor, RegionMap | None] | None = None
        self._count = 0
        self.meter = FlickerMeter()
        self._resumable: dict[str, Any] = {
            "statistics": self._statistics,
            "blend": self._blend,
            "cut": self._find_cut,
            "meter": self.meter,
        }

    def set_options(self, options: StylizeOptions) -> None:
        """Stylize the next frames with other options."""
        self._options = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}

    def turn(self, time: float) -> None:
        """Turn the dials for the next frame, if the video has keyframes.

        Args:
            time: Time of the frame in the result, in seconds.
        """
        if self._video.keyframes:
            dials = {k: value_at(keyframes, time) for k, keyframes in self._video.keyframes.items()}
            self._plain.turn(**dials)

    def set_regions(self, regions: RegionMap | None) -> None:
        """Stylize the next frames by other regions.

        Args:
            regions: Of the frames' size; ``None`` to stylize whole frames.
        """
        if regions is self._all_regions:
            return
        self._all_regions = regions
        self._regions = None if regions is None else regions.without_photo()
        self._opacity = None
        if regions is not None and regions.keeps_photo:
            width, height = regions.size
            opacity = regions.opacity((0, 0, height, width))  # (H, W)
            self._opacity = opacity.to(self._plain.device)

    def stylize(self, pixels: np.ndarray) -> np.ndarray:
        """Stylize the next frame.

        Args:
            pixels: RGB, uint8 or uint16, shape (H, W, 3).

        Returns:
            The same shape and type.

        Raises:
            StyleNetError: Memory is short.
        """
        return self.start(pixels).result().astype(pixels.dtype, copy=False)

    @torch.inference_mode()
    def start(self, pixels: np.ndarray) -> Download:
        """Start to stylize the next frame; on a GPU this overlaps with reading and writing.

        Args:
            pixels: See :meth:`stylize`. They must not change before the result is complete.

        Returns:
            A handle that waits for the result; int32 for uint16.

        Raises:
            StyleNetError: Memory is short.
        """
        frame = upload(pixels, self._plain.device)  # (H, W, 3)
        white = np.iinfo(pixels.dtype).max
        content = frame.permute(2, 0, 1)[None].float() / white  # (1, 3, H, W)
        cut = self._find_cut(content)
        # Reading `cut` waits for the GPU, so it is read only if the next step depends on it.
        if (self._video.steady or self._flicker_every) and bool(cut):
            self._statistics.reset()
            self._previous = None
        stylized = self._steady(content, mask=self._regions, **self._options)
        if self._blend.weight:
            coarse = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
            stylized = self._blend(coarse, content, stylized, cut)
        self._measure(content, stylized)
        if self._opacity is not None:
            stylized = torch.lerp(content, stylized, self._opacity.expand_as(content))
        result = (stylized[0] * white).round().permute(1, 2, 0)  # (H, W, 3)
        result = result.to(torch.uint8 if pixels.dtype == np.uint8 else torch.int32)
        return Download(result.contiguous())

    def state(self) -> dict[str, Tensor]:
        """Return what later frames depend on, for :meth:`load_state`."""
        state = {
            f"{name}.{key}": tensor
            for name, part in self._resumable.items()
            for key, tensor in part.state().items()
        }
        if self._flicker_every:
            state["count"] = torch.tensor(self._count)
            if self._previous is not None:
                state |= {"before": self._previous[0], "stylized_before": self._previous[1]}
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on where another run of the same video and options was, frame by frame the same."""
        device = self._plain.device
        # The meter's sums are float64, which MPS lacks; it reads them on the CPU.
        state = {k: v if v.dtype == torch.float64 else v.to(device) for k, v in state.items()}
        for name, part in self._resumable.items():
            start = f"{name}."
            part.load_state({k[len(start) :]: v for k, v in state.items() if k.startswith(start)})
        self._count = int(state.get("count", 0))
        if "before" in state:
            self._previous = (state["before"], state["stylized_before"], self._regions)

    def _measure(self, content: Tensor, stylized: Tensor) -> None:
        """Add this frame and the previous one to the warping error, at the given interval."""
        if not self._flicker_every:
            return
        self._count += 1
        if self._previous is not None and self._count % self._flicker_every == 0:
            content_before, stylized_before, regions_before = self._previous
            plain = (stylized_before, stylized)
            if self._video.steady or self._video.blend:
                before = self._plain(content_before, mask=regions_before, **self._options)
                now = self._plain(content, mask=self._regions, **self._options)
                plain = (before, now)
            self.meter.add((content_before, content), plain, (stylized_before, stylized))
        self._previous = (content, stylized, self._regions)


def _check_steady(options: StylizeOptions, steady: float) -> None:
    """Check that the options let the statistics be smoothed over frames."""
    if options.tile_size:  # tiles compute their own statistics
        raise StyleNetError(
            f"tile={options.tile} and steady={steady} exclude each other; use steady=0 or tile=none"
        )
    if options.passes is not None:  # each pass has statistics of its own
        raise StyleNetError(
            f"passes={list(options.passes)} and steady={steady} exclude each other. Use steady=0, "
            f"or leave passes out."
        )
