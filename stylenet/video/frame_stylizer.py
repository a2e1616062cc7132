"""Stylizing the frames of a video in their order."""

import copy
import dataclasses

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.inference.options import StylizeOptions
from stylenet.inference.stylizer import Stylizer
from stylenet.networks.statistics import with_statistics
from stylenet.video.flicker import FlickerMeter
from stylenet.video.options import VideoOptions
from stylenet.video.steady import CutFinder, ShortTermBlend, SteadyStatistics
from stylenet.video.transfer import Download, upload


class FrameStylizer:
    """Stylizes the frames of one video in their order.

    Attributes:
        meter: The warping errors so far.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        settings: StylizeOptions | None = None,
        video: VideoOptions | None = None,
        flicker_every: int = 1,
        mask: Image.Image | None = None,
    ) -> None:
        """Begins a video.

        Args:
            stylizer: What stylizes; stays as it is.
            settings: See :func:`stylize_video`.
            video: See :func:`stylize_video`.
            flicker_every: If the warping error is asked for: after how many frames to measure it.
                It is that of what is stylized, before the mask.
            mask: Mode L, of the frames' size: white where they are stylized, black where not.

        Raises:
            StyleNetError: Smoothed statistics are asked for in tiles.
        """
        settings, video = settings or StylizeOptions(), video or VideoOptions()
        self._video = video
        self._plain = self._steady = stylizer
        self._statistics = SteadyStatistics(video.steady)
        if video.steady:
            if settings.tile_side:  # tiles take statistics of their own
                raise StyleNetError(
                    f"tile={settings.tile} and steady={video.steady} exclude each "
                    f"other; use steady=0 or tile=none"
                )
            settings = dataclasses.replace(settings, tile="none")
            try:
                twin = with_statistics(stylizer.network, self._statistics.take)
            except ValueError:  # without instance normalization a network is as steady as can be
                pass
            else:
                self._steady = copy.copy(stylizer)
                self._steady.network = twin
        self._settings = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
        self._mask: Tensor | None = None
        if mask is not None:
            share = torch.from_numpy(np.array(mask, dtype=np.float32) / 255)  # (H, W)
            self._mask = share.to(stylizer.device)
        self._blend = ShortTermBlend(video.blend)
        self._is_cut = CutFinder()
        self._every = flicker_every if video.flicker else 0
        self._before: tuple[Tensor, Tensor] | None = None
        self._count = 0
        self.meter = FlickerMeter()

    def paint(self, pixels: np.ndarray) -> np.ndarray:
        """Stylize the next frame.

        Args:
            pixels: RGB, uint8, shape (H, W, 3).

        Returns:
            The same shape and type.

        Raises:
            StyleNetError: Memory is short.
        """
        return self.start(pixels).result()

    @torch.inference_mode()
    def start(self, pixels: np.ndarray) -> Download:
        """Begin to stylize the next frame; on a GPU it goes on while others are read and written.

        Args:
            pixels: See :meth:`paint`. They have to stay as they are until the result is there.

        Returns:
            What waits for the result.

        Raises:
            StyleNetError: Memory is short.
        """
        frame = upload(pixels, self._plain.device)  # (H, W, 3)
        photo = frame.permute(2, 0, 1)[None].float() / 255  # (1, 3, H, W)
        cut = self._is_cut(photo)
        # Reading the answer waits for the GPU: only where the next step depends on it.
        if (self._video.steady or self._every) and bool(cut):
            self._statistics.forget()
            self._before = None
        painted = self._steady(photo, **self._settings)
        if self._blend.share:
            painted = self._blend(photo, painted, cut)
        self._measure(photo, painted)
        if self._mask is not None:
            painted = photo + (painted - photo) * self._mask
        result = (painted[0] * 255).round().to(torch.uint8).permute(1, 2, 0)  # (H, W, 3)
        return Download(result.contiguous())

    def _measure(self, photo: Tensor, painted: Tensor) -> None:
        """Adds this frame and the one before to the warping error, every so often."""
        if not self._every:
            return
        self._count += 1
        if self._before is not None and self._count % self._every == 0:
            photo_before, painted_before = self._before
            plain = (painted_before, painted)
            if self._video.steady or self._video.blend:
                both = self._plain([photo_before, photo], **self._settings)
                plain = (both[0], both[1])
            self.meter.add((photo_before, photo), plain, (painted_before, painted))
        self._before = (photo, painted)
