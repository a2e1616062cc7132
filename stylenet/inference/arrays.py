"""Images, arrays, tensors and lists of them: into images, and back into what they were."""

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
from stylenet.inference.canvas import Canvas, ImageCanvas, TensorCanvas

_EXPECTED = (
    "expected a PIL image, an array (H, W), (H, W, 3), (H, W, 4) or (N, H, W, 3), "
    "a tensor (3, H, W) or (N, 3, H, W), or a list of these"
)


@dataclass(frozen=True)
class Unpacked:
    """Something to stylize.

    Attributes:
        canvases: The images in it.
        pack: Turns the stylized canvases into the kind of thing that it was.
    """

    canvases: list[Canvas]
    pack: Callable[[list[Canvas]], Any]


def unpack(images: Any) -> Unpacked:
    """Finds the images in what a caller gives.

    Args:
        images: A PIL image of any mode; a :class:`stylenet.image.Image`; a NumPy array (H, W),
            (H, W, 3), (H, W, 4) or (N, H, W, 3); a tensor (3, H, W) or (N, 3, H, W); uint8, or
            floats in [0, 1]; or a list or tuple of these.

    Returns:
        The images, and the way back.

    Raises:
        StyleNetError: It is of another kind, shape or range.
    """
    if isinstance(images, list | tuple):
        parts = [unpack(image) for image in images]

        def pack_all(canvases: list[Canvas]) -> list[Any]:
            left = iter(canvases)
            return [part.pack([next(left) for _ in part.canvases]) for part in parts]

        return Unpacked([canvas for part in parts for canvas in part.canvases], pack_all)
    if isinstance(images, LoadedImage):
        return _unpack_loaded(images)
    if isinstance(images, Image.Image):
        return _unpack_image(images)
    if isinstance(images, np.ndarray):
        return _unpack_array(images)
    if isinstance(images, Tensor):
        return _unpack_tensor(images)
    raise StyleNetError(f"got a {type(images).__name__}; {_EXPECTED}")


def _unpack_loaded(picture: LoadedImage) -> Unpacked:
    def pack(canvases: list[Canvas]) -> LoadedImage:
        (canvas,) = canvases
        assert isinstance(canvas, ImageCanvas)
        return replace(picture, rgb=canvas.image)

    return Unpacked([ImageCanvas(picture.rgb, picture.alpha)], pack)


def _unpack_image(image: Image.Image) -> Unpacked:
    unpacked = _unpack_loaded(upright_image(image))

    def pack(canvases: list[Canvas]) -> Image.Image:
        picture: LoadedImage = unpacked.pack(canvases)
        if picture.alpha is not None:
            picture.rgb.putalpha(picture.alpha)
        return picture.rgb

    return Unpacked(unpacked.canvases, pack)


def _unpack_array(array: np.ndarray) -> Unpacked:
    shape = array.shape
    many = array.ndim == 4 and shape[-1] == 3
    if not many and not (array.ndim == 2 or (array.ndim == 3 and shape[-1] in (3, 4))):
        raise StyleNetError(f"got an array of shape {shape}; {_EXPECTED}")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise StyleNetError(f"got an array of {array.dtype}, expected uint8 or floats in [0, 1]")
    # Torch knows neither negative strides nor long doubles nor another order of bytes.
    plain = array if array.dtype in (np.uint8, np.float32, np.float16) else array.astype(np.float64)
    pixels = torch.from_numpy(np.require(plain, requirements=["C", "W"]))
    _check(pixels)
    colors = pixels.expand(3, -1, -1) if array.ndim == 2 else pixels[..., :3].movedim(-1, -3)
    stack = colors if many else colors.unsqueeze(0)
    alpha = pixels[..., 3] if shape[-1] == 4 and array.ndim == 3 else None

    def pack(canvases: list[Canvas]) -> np.ndarray:
        if not canvases:
            return array.copy()
        rgb = torch.stack([_pixels(canvas) for canvas in canvases])  # (N, 3, H, W)
        if array.ndim == 2:
            height, width = shape
            gray = TensorCanvas(rgb[0, :1])
            gray.write((0, 0, height, width), luminance(canvases[0].read((0, 0, height, width))))
            return rgb[0, 0].numpy().astype(array.dtype)
        result = rgb.movedim(1, -1).contiguous().numpy().astype(array.dtype, copy=False)
        if many:
            return result
        return np.concatenate([result[0], array[..., 3:]], axis=-1)

    return Unpacked([TensorCanvas(one, alpha) for one in stack], pack)


def _unpack_tensor(tensor: Tensor) -> Unpacked:
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3:
        raise StyleNetError(f"got a tensor of shape {tuple(tensor.shape)}; {_EXPECTED}")
    if tensor.dtype != torch.uint8 and not tensor.is_floating_point():
        raise StyleNetError(f"got a tensor of {tensor.dtype}, expected uint8 or floats in [0, 1]")
    tensor = tensor.detach()
    _check(tensor)

    def pack(canvases: list[Canvas]) -> Tensor:
        if tensor.ndim == 3:
            return _pixels(canvases[0])
        if len(canvases) == 1:  # without a copy
            return _pixels(canvases[0]).unsqueeze(0)
        return torch.stack([_pixels(c) for c in canvases]) if canvases else tensor.clone()

    stack = tensor if tensor.ndim == 4 else tensor.unsqueeze(0)
    return Unpacked([TensorCanvas(one) for one in stack], pack)


def _pixels(canvas: Canvas) -> Tensor:
    assert isinstance(canvas, TensorCanvas)
    return canvas.pixels


def _check(pixels: Tensor) -> None:
    """Refuses pixels outside [0, 1], NaN among them, and images without any."""
    if 0 in pixels.shape[-3 if pixels.ndim > 2 else 0 :]:
        raise StyleNetError(f"got shape {tuple(pixels.shape)}, expected at least one pixel")
    if pixels.dtype == torch.uint8 or not pixels.numel():
        return
    low, high = torch.stack(torch.aminmax(pixels)).tolist()  # one wait for a GPU
    if not (low >= 0 and high <= 1):
        raise StyleNetError(
            f"got floats from {low:g} to {high:g}, expected [0, 1]; divide by 255, or give uint8"
        )
