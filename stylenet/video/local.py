"""Local operations on images: by OpenCV on a CPU, by PyTorch on other devices.

On one core OpenCV takes a fraction of PyTorch's time (three channels of 720 x 1280 pixels): 10
instead of 27 ms for :func:`move`, 2 instead of 31 for :func:`detail`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.video.flow import opencv, targets, warp

_DETAIL = -np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16
_DETAIL[1, 1] += 1
_LARGEST_REMAP = 32767  # OpenCV's remap takes smaller images only


def move(image: Tensor, flow: Tensor) -> Tensor:
    """Warp an image along an optical flow by Lanczos interpolation.

    Eight lobes keep the finest strokes over many frames: the style loss of a stylized frame that
    moved back and forth by half a pixel eight times rose by 46 %, and by 112 % with bicubic
    interpolation. PyTorch has only the latter, for other devices than CPUs.

    Args:
        image: Shape (1, C, H, W).
        flow: Shape (1, 2, H, W); see :func:`stylenet.video.flow.warp`.

    Returns:
        The same shape. Values may overshoot.
    """
    cv2 = _opencv_for(image)
    if cv2 is None or max(image.shape) >= _LARGEST_REMAP:
        return warp(image, flow, "bicubic")
    rows, columns = (target[0, 0].numpy() for target in targets(flow))

    def remap(channel: np.ndarray, result: np.ndarray) -> None:
        border = cv2.BORDER_REPLICATE
        cv2.remap(channel, columns, rows, cv2.INTER_LANCZOS4, dst=result, borderMode=border)

    return _by_channel(image, image.shape, remap)


def detail(image: Tensor) -> Tensor:
    """Subtract from an image the image blurred by the filter 1, 2, 1 in both directions.

    The filter is close to a Gaussian of 0.7 pixels.

    Args:
        image: Shape (1, C, H, W).

    Returns:
        The same shape.
    """
    cv2 = _opencv_for(image)
    if cv2 is None:
        blurred = F.pad(image, (1, 1, 1, 1), mode="replicate")
        for dim in (-1, -2):
            for _ in range(2):  # 1, 1 twice makes 1, 2, 1
                count = blurred.shape[dim] - 1
                blurred = blurred.narrow(dim, 0, count) + blurred.narrow(dim, 1, count)
        return image - blurred / 16

    def subtract(channel: np.ndarray, result: np.ndarray) -> None:
        cv2.filter2D(channel, -1, _DETAIL, dst=result, borderType=cv2.BORDER_REPLICATE)

    return _by_channel(image, image.shape, subtract)


def halve(image: Tensor) -> Tensor:
    """Average over blocks of 2 x 2 pixels; an odd last row or column is left out.

    Args:
        image: Shape (1, C, H, W), each side at least 2.

    Returns:
        Shape (1, C, H // 2, W // 2).
    """
    cv2 = _opencv_for(image)
    if cv2 is None:
        return F.avg_pool2d(image, 2)
    height, width = (side // 2 for side in image.shape[-2:])

    def average(channel: np.ndarray, result: np.ndarray) -> None:
        even = channel[: 2 * height, : 2 * width]
        cv2.resize(even, (width, height), dst=result, interpolation=cv2.INTER_AREA)

    return _by_channel(image, (*image.shape[:2], height, width), average)


def enlarge(maps: Tensor, like: Tensor) -> Tensor:
    """Bring maps to the size of an image by bilinear interpolation, on its device.

    Args:
        maps: Shape (1, C, h, w).
        like: Shape (1, any, H, W).

    Returns:
        Shape (1, C, H, W).
    """
    maps = maps.to(like)
    size = like.shape[-2:]
    if maps.shape[-2:] == size:
        return maps
    cv2 = _opencv_for(maps)
    if cv2 is None:
        return F.interpolate(maps, size, mode="bilinear", align_corners=False)

    def interpolate(channel: np.ndarray, result: np.ndarray) -> None:
        cv2.resize(channel, (size[1], size[0]), dst=result, interpolation=cv2.INTER_LINEAR)

    return _by_channel(maps, (*maps.shape[:2], *size), interpolate)


def _opencv_for(image: Tensor) -> Any:
    """Return OpenCV if it is installed and can work on an image; else ``None``."""
    return opencv() if image.device.type == "cpu" and image.dtype == torch.float32 else None


def _by_channel(
    image: Tensor, shape: tuple[int, ...], work: Callable[[np.ndarray, np.ndarray], None]
) -> Tensor:
    """Run a function on each channel of an image and the place of its result."""
    result = torch.empty(shape)
    for channel, place in zip(image.contiguous()[0].numpy(), result[0].numpy(), strict=True):
        work(channel, place)
    return result
