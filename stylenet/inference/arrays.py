"""Convert between the image types that callers use and the buffers that networks use."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.image import LoadedImage, upright_image
from stylenet.image.color import luminance
from stylenet.inference.buffers import ImageBuffer, PillowBuffer, TensorBuffer

_EXPECTED = (
    "expected a PIL image, an array (H, W), (H, W, 3), (H, W, 4) or (N, H, W, 3), "
    "a tensor (3, H, W) or (N, 3, H, W), or a list of these"
)


@dataclass(frozen=True)
class Unpacked:
    """The images of one call, with the way back.

    Attributes:
        buffers: One for each image.
        pack: Turns the stylized buffers into the type that the caller passed.
    """

    buffers: list[ImageBuffer]
    pack: Callable[[list[ImageBuffer]], Any]


def unpack(images: Any) -> Unpacked:
    """Return the images in an argument of :class:`stylenet.inference.Stylizer`.

    Args:
        images: A PIL image of any mode; a :class:`stylenet.image.Image`; a NumPy array (H, W),
            (H, W, 3), (H, W, 4) or (N, H, W, 3); a tensor (3, H, W) or (N, 3, H, W); uint8, or
            floats in [0, 1]; or a list or tuple of these.

    Raises:
        StyleNetError: The type, shape or range is another one.
    """
    if isinstance(images, list | tuple):
        parts = [unpack(image) for image in images]

        def pack_all(buffers: list[ImageBuffer]) -> list[Any]:
            remaining = iter(buffers)
            return [part.pack([next(remaining) for _ in part.buffers]) for part in parts]

        return Unpacked([buffer for part in parts for buffer in part.buffers], pack_all)
    if isinstance(images, LoadedImage):
        return _unpack_loaded(images)
    if isinstance(images, Image.Image):
        return _unpack_image(images)
    if isinstance(images, np.ndarray):
        return _unpack_array(images)
    if isinstance(images, Tensor):
        return _unpack_tensor(images)
    raise StyleNetError(f"got a {type(images).__name__}; {_EXPECTED}")


def _unpack_loaded(loaded: LoadedImage) -> Unpacked:
    def pack(buffers: list[ImageBuffer]) -> LoadedImage:
        (buffer,) = buffers
        assert isinstance(buffer, PillowBuffer)
        return replace(loaded, rgb=buffer.image)

    return Unpacked([PillowBuffer(loaded.rgb, loaded.alpha)], pack)


def _unpack_image(image: Image.Image) -> Unpacked:
    unpacked = _unpack_loaded(upright_image(image))

    def pack(buffers: list[ImageBuffer]) -> Image.Image:
        stylized: LoadedImage = unpacked.pack(buffers)
        if stylized.alpha is not None:
            stylized.rgb.putalpha(stylized.alpha)
        return stylized.rgb

    return Unpacked(unpacked.buffers, pack)


def _unpack_array(array: np.ndarray) -> Unpacked:
    shape = array.shape
    is_batch = array.ndim == 4 and shape[-1] == 3
    is_single = array.ndim == 2 or (array.ndim == 3 and shape[-1] in (3, 4))
    if not is_batch and not is_single:
        raise StyleNetError(f"got an array of shape {shape}; {_EXPECTED}")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise StyleNetError(f"got an array of {array.dtype}, expected uint8 or floats in [0, 1]")
    # PyTorch supports neither negative strides nor long doubles nor another byte order.
    plain = array if array.dtype in (np.uint8, np.float32, np.float16) else array.astype(np.float64)
    pixels = torch.from_numpy(np.require(plain, requirements=["C", "W"]))
    _check(pixels)
    colors = pixels.expand(3, -1, -1) if array.ndim == 2 else pixels[..., :3].movedim(-1, -3)
    images = colors if is_batch else colors.unsqueeze(0)  # (N, 3, H, W)
    alpha = pixels[..., 3] if shape[-1] == 4 and array.ndim == 3 else None

    def pack(buffers: list[ImageBuffer]) -> np.ndarray:
        if not buffers:
            return array.copy()
        rgb = torch.stack([_pixels(buffer) for buffer in buffers])  # (N, 3, H, W)
        if array.ndim == 2:
            height, width = shape
            gray = TensorBuffer(rgb[0, :1])
            gray.write((0, 0, height, width), luminance(buffers[0].read((0, 0, height, width))))
            return rgb[0, 0].numpy().astype(array.dtype)
        result = rgb.movedim(1, -1).contiguous().numpy().astype(array.dtype, copy=False)
        if is_batch:
            return result
        return np.concatenate([result[0], array[..., 3:]], axis=-1)

    return Unpacked([TensorBuffer(image, alpha) for image in images], pack)


def _unpack_tensor(tensor: Tensor) -> Unpacked:
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3:
        raise StyleNetError(f"got a tensor of shape {tuple(tensor.shape)}; {_EXPECTED}")
    if tensor.dtype != torch.uint8 and not tensor.is_floating_point():
        raise StyleNetError(f"got a tensor of {tensor.dtype}, expected uint8 or floats in [0, 1]")
    tensor = tensor.detach()
    _check(tensor)

    def pack(buffers: list[ImageBuffer]) -> Tensor:
        if tensor.ndim == 3:
            return _pixels(buffers[0])
        if len(buffers) == 1:  # without a copy
            return _pixels(buffers[0]).unsqueeze(0)
        return torch.stack([_pixels(c) for c in buffers]) if buffers else tensor.clone()

    images = tensor if tensor.ndim == 4 else tensor.unsqueeze(0)  # (N, 3, H, W)
    return Unpacked([TensorBuffer(image) for image in images], pack)


def _pixels(buffer: ImageBuffer) -> Tensor:
    assert isinstance(buffer, TensorBuffer)
    return buffer.pixels


def _check(pixels: Tensor) -> None:
    """Raise for values outside [0, 1], NaN among them, and for images without pixels."""
    if 0 in pixels.shape[-3 if pixels.ndim > 2 else 0 :]:
        raise StyleNetError(f"got shape {tuple(pixels.shape)}, expected at least one pixel")
    if pixels.dtype == torch.uint8 or not pixels.numel():
        return
    low, high = torch.stack(torch.aminmax(pixels)).tolist()  # synchronizes with a GPU only once
    if not (low >= 0 and high <= 1):
        raise StyleNetError(
            f"got floats from {low:g} to {high:g}, expected [0, 1]; divide by 255, or give uint8"
        )
