"""Images as networks read and write them, a piece at a time, in whatever they are stored."""

from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from stylenet.image import to_image, to_tensor

# Top, left, bottom, right, in pixels; the last two excluded.
Box = tuple[int, int, int, int]


class Canvas(Protocol):
    """An image that is read and written by pieces."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""

    def read(self, box: Box, device: torch.device | None = None) -> Tensor:
        """Return a piece as float RGB in [0, 1], shape (1, 3, h, w).

        Args:
            box: Which piece.
            device: Where to; bytes become floats there, a quarter of the way. ``None`` for where
                the canvas is.
        """

    def shown(self, box: Box) -> Tensor | None:
        """Says how much of each pixel is seen, in [0, 1], shape (h, w); ``None`` for all of it."""

    def write(self, box: Box, piece: Tensor) -> None:
        """Puts a piece, as it was read, in its place."""

    def blank(self) -> "Canvas":
        """Makes an empty canvas of the same kind and size."""

    def resized(self, height: int, width: int) -> "Canvas":
        """Makes a copy of another size."""


class ImageCanvas:
    """A Pillow image of mode RGB.

    Args:
        image: The colors.
        alpha: The transparency, mode L; where nothing is seen at all, it is left out.
    """

    def __init__(self, image: Image.Image, alpha: Image.Image | None = None) -> None:
        self.image = image
        self._alpha = alpha if alpha is not None and alpha.getbbox() else None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.image.height, self.image.width

    def read(self, box: Box, device: torch.device | None = None) -> Tensor:
        """See :class:`Canvas`."""
        top, left, bottom, right = box
        return to_tensor(self.image.crop((left, top, right, bottom)), device)

    def shown(self, box: Box) -> Tensor | None:
        """See :class:`Canvas`."""
        if self._alpha is None:
            return None
        top, left, bottom, right = box
        share = np.array(self._alpha.crop((left, top, right, bottom)), dtype=np.float32) / 255
        return torch.from_numpy(share)

    def write(self, box: Box, piece: Tensor) -> None:
        """See :class:`Canvas`; rounds to bytes."""
        self.image.paste(to_image(piece), (box[1], box[0]))

    def blank(self) -> "ImageCanvas":
        """See :class:`Canvas`."""
        return ImageCanvas(Image.new("RGB", self.image.size))

    def resized(self, height: int, width: int) -> "ImageCanvas":
        """See :class:`Canvas`."""
        return ImageCanvas(self.image.resize((width, height), Image.Resampling.BICUBIC))


class TensorCanvas:
    """A tensor of shape (3, H, W): bytes, or floats in [0, 1].

    Args:
        pixels: The tensor.
        alpha: The transparency, shape (H, W), of the same type; where nothing is seen at all, it
            is left out.
    """

    def __init__(self, pixels: Tensor, alpha: Tensor | None = None) -> None:
        self.pixels = pixels
        self._alpha = alpha if alpha is not None and alpha.any() else None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[-2], self.pixels.shape[-1]

    def read(self, box: Box, device: torch.device | None = None) -> Tensor:
        """See :class:`Canvas`; at least float32."""
        top, left, bottom, right = box
        piece = self.pixels[None, :, top:bottom, left:right].to(device or self.pixels.device)
        if piece.dtype == torch.uint8:
            return piece.float() / 255
        return piece if piece.dtype == torch.float64 else piece.float()

    def shown(self, box: Box) -> Tensor | None:
        """See :class:`Canvas`."""
        if self._alpha is None:
            return None
        top, left, bottom, right = box
        share = self._alpha[top:bottom, left:right]
        return share.float() / 255 if share.dtype == torch.uint8 else share

    def write(self, box: Box, piece: Tensor) -> None:
        """See :class:`Canvas`; clamps, and rounds where bytes are stored."""
        top, left, bottom, right = box
        place = self.pixels[:, top:bottom, left:right]
        if (place.dtype, place.device) == (piece.dtype, piece.device):
            torch.clamp(piece[0], 0, 1, out=place)
            return
        piece = piece[0].clamp(0, 1)
        place.copy_((piece * 255).round() if place.dtype == torch.uint8 else piece)

    def blank(self) -> "TensorCanvas":
        """See :class:`Canvas`."""
        return TensorCanvas(torch.empty_like(self.pixels))

    def resized(self, height: int, width: int) -> "TensorCanvas":
        """See :class:`Canvas`."""
        whole = self.read((0, 0, *self.size))
        scaled = F.interpolate(whole, (height, width), mode="bicubic", antialias=True)
        result = TensorCanvas(self.pixels.new_empty(3, height, width))
        result.write((0, 0, height, width), scaled)
        return result
