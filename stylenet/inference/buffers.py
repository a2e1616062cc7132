"""Image buffers that are read and written in boxes, whatever they store."""

from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from stylenet.image import short_side_scale, to_image, to_tensor

# Top, left, bottom, right in pixels; bottom and right are excluded.
Box = tuple[int, int, int, int]


class ImageBuffer(Protocol):
    """Image that is read and written in boxes."""

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width."""

    def read(self, box: Box, device: torch.device | None = None) -> Tensor:
        """Return a box as float RGB in [0, 1], shape (1, 3, h, w).

        Args:
            box: The box in pixels.
            device: The device of the result; bytes become floats there, so that only a quarter of
                the data is transferred. ``None`` for the buffer's own device.
        """

    def opacity(self, box: Box) -> Tensor | None:
        """Return the opacity in [0, 1], shape (h, w); ``None`` if all pixels are opaque."""

    def write(self, box: Box, pixels: Tensor) -> None:
        """Write pixels of the range and shape that :meth:`read` returns."""

    def blank(self) -> "ImageBuffer":
        """Return an uninitialized buffer of the same type and size."""

    def resized(self, height: int, width: int) -> "ImageBuffer":
        """Return a copy scaled to another size."""


class PillowBuffer:
    """Pillow image of mode RGB.

    Args:
        image: The colors.
        alpha: The transparency, mode L; ignored if the image is fully transparent.
    """

    def __init__(self, image: Image.Image, alpha: Image.Image | None = None) -> None:
        self.image = image
        self._alpha = alpha if alpha is not None and alpha.getbbox() else None

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width."""
        return self.image.height, self.image.width

    def read(self, box: Box, device: torch.device | None = None) -> Tensor:
        """See :class:`ImageBuffer`."""
        top, left, bottom, right = box
        return to_tensor(self.image.crop((left, top, right, bottom)), device)

    def opacity(self, box: Box) -> Tensor | None:
        """See :class:`ImageBuffer`."""
        if self._alpha is None:
            return None
        top, left, bottom, right = box
        alpha = np.array(self._alpha.crop((left, top, right, bottom)), dtype=np.float32) / 255
        return torch.from_numpy(alpha)  # (h, w)

    def write(self, box: Box, pixels: Tensor) -> None:
        """See :class:`ImageBuffer`; rounds to bytes."""
        self.image.paste(to_image(pixels), (box[1], box[0]))

    def blank(self) -> "PillowBuffer":
        """See :class:`ImageBuffer`."""
        return PillowBuffer(Image.new("RGB", self.image.size))

    def resized(self, height: int, width: int) -> "PillowBuffer":
        """See :class:`ImageBuffer`."""
        return PillowBuffer(self.image.resize((width, height), Image.Resampling.BICUBIC))


class TensorBuffer:
    """Tensor of shape (3, H, W): bytes, or floats in [0, 1].

    Args:
        pixels: The tensor.
        alpha: The transparency, shape (H, W), of the same type; ignored if the image is fully
            transparent.
    """

    def __init__(self, pixels: Tensor, alpha: Tensor | None = None) -> None:
        self.pixels = pixels
        self._alpha = alpha if alpha is not None and alpha.any() else None

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width."""
        return self.pixels.shape[-2], self.pixels.shape[-1]

    def read(self, box: Box, device: torch.device | None = None) -> Tensor:
        """See :class:`ImageBuffer`; at least float32."""
        top, left, bottom, right = box
        pixels = self.pixels[None, :, top:bottom, left:right].to(device or self.pixels.device)
        if pixels.dtype == torch.uint8:
            return pixels.float() / 255
        return pixels if pixels.dtype == torch.float64 else pixels.float()  # (1, 3, h, w)

    def opacity(self, box: Box) -> Tensor | None:
        """See :class:`ImageBuffer`."""
        if self._alpha is None:
            return None
        top, left, bottom, right = box
        alpha = self._alpha[top:bottom, left:right]  # (h, w)
        return alpha.float() / 255 if alpha.dtype == torch.uint8 else alpha

    def write(self, box: Box, pixels: Tensor) -> None:
        """See :class:`ImageBuffer`; clamps, and rounds if bytes are stored."""
        top, left, bottom, right = box
        target = self.pixels[:, top:bottom, left:right]  # (3, h, w)
        if (target.dtype, target.device) == (pixels.dtype, pixels.device):
            torch.clamp(pixels[0], 0, 1, out=target)
            return
        pixels = pixels[0].clamp(0, 1)
        target.copy_((pixels * 255).round() if target.dtype == torch.uint8 else pixels)

    def blank(self) -> "TensorBuffer":
        """See :class:`ImageBuffer`."""
        return TensorBuffer(torch.empty_like(self.pixels))

    def resized(self, height: int, width: int) -> "TensorBuffer":
        """See :class:`ImageBuffer`."""
        image = self.read((0, 0, *self.size))
        scaled = F.interpolate(image, (height, width), mode="bicubic", antialias=True)
        result = TensorBuffer(self.pixels.new_empty(3, height, width))
        result.write((0, 0, height, width), scaled)
        return result


def scale_short_side(content: ImageBuffer, size: int | None) -> ImageBuffer:
    """Scale a buffer to a short side of ``size`` pixels; ``None`` keeps its size."""
    if size is None or size == min(content.size):
        return content
    factor = short_side_scale(content.size, size)
    height, width = (max(1, round(side * factor)) for side in content.size)
    return content.resized(height, width)
