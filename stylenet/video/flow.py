"""Optical flow between neighboring frames, and images warped along it."""

import functools
import math
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

# A pixel counts as occluded in the previous frame if the forward and backward flows disagree: the
# squared distance exceeds 0.01 times the squared lengths plus 0.5 (Sundaram, Brox, Keutzer 2010;
# also in Ruder, Dosovitskiy, Brox 2016 and Lai et al. 2018).
_RELATIVE, _ABSOLUTE = 0.01, 0.5
# Squared gradient, in gray levels of 255, at which the flow of a pixel counts half; noise of 4
# levels leaves 3. Without the neighbors' help the flow of a still video with such noise was off by
# 0.9 pixels on average, and 31 % of its pixels passed for occluded; with it, 1 % (320 x 240).
_TEXTURE = 80.0
_PRIOR = 0.01  # confidence in the flow of the larger neighborhood, where no neighbor has texture
_PATCH = 8  # of DIS, in pixels
# Areas, in pixels, that flat parts take their flow from: the smallest one with texture in it, and
# at last the whole frame, by its median. With one area of 41 and the mean, an object that moves
# before a still scene dragged its flat surroundings along: the flow was off by 0.52 pixels on
# average, instead of 0.25 (320 x 240).
_NEIGHBORHOODS = (41, 21, 11)
# Finest level of DIS: half the resolution. At its own choice, a quarter, the flow of a still scene
# was off by 1.6 pixels within 20 pixels of a moving object, instead of 1.0, in 4 ms less.
_FINEST = 1


@functools.cache
def opencv() -> ModuleType | None:
    """Return OpenCV; ``None`` where the extra ``video`` is not installed."""
    try:
        import cv2
    except ImportError:
        return None
    return cv2


def find_flow(before: np.ndarray, after: np.ndarray) -> tuple[Tensor, Tensor]:
    """Estimate the optical flow from a frame back to the previous one.

    With OpenCV by DIS (Kroeger et al. 2016), where areas without texture take the flow of their
    textured neighbors; without, by the iterative Lucas-Kanade of Le Besnerais and Champagnat
    (2005), which takes some 50 times as long.

    Args:
        before: Gray levels, uint8, shape (H, W).
        after: The next frame.

    Returns:
        The flow in pixels, shape (1, 2, H, W): the offset, down and to the right, from each pixel
        of ``after`` to its position in ``before``; and 1 for each visible pixel, 0 for each
        occluded one, shape (1, 1, H, W).
    """
    flow, back = _estimate(after, before), _estimate(before, after)
    returned = warp(back, flow)  # the backward flow at the target of the forward flow
    distances = (flow + returned).square().sum(1, keepdim=True)  # (1, 1, H, W)
    lengths = (flow.square() + returned.square()).sum(1, keepdim=True)
    height, width = after.shape
    rows, columns = targets(flow)
    inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
    return flow, (inside & (distances <= _RELATIVE * lengths + _ABSOLUTE)).float()


def warp(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Warp an image along an optical flow.

    Args:
        image: Shape (1, C, H, W).
        flow: Shape (1, 2, H, W); see :func:`find_flow`.
        mode: Interpolation: ``bilinear``, or ``bicubic``, which blurs less and may overshoot.

    Returns:
        The image sampled at the targets of the flow, shape (1, C, H, W).
    """
    height, width = image.shape[-2:]
    rows, columns = (target[:, 0] for target in targets(flow))  # (1, H, W)
    # In grid_sample's coordinates, -1 and 1 are the centers of the outermost pixels.
    grid = torch.stack([2 * columns / max(1, width - 1) - 1, 2 * rows / max(1, height - 1) - 1], -1)
    return F.grid_sample(
        image, grid.to(image.dtype), mode=mode, padding_mode="border", align_corners=True
    )


def targets(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return row and column that the flow points to from each pixel.

    Args:
        flow: Shape (1, 2, H, W); see :func:`find_flow`.

    Returns:
        Two tensors of shape (1, 1, H, W).
    """
    height, width = flow.shape[-2:]
    rows = torch.arange(height, device=flow.device).view(-1, 1) + flow[:, :1]
    columns = torch.arange(width, device=flow.device) + flow[:, 1:]
    return rows, columns


def reduce_frame(pixels: np.ndarray, short_side: int) -> np.ndarray:
    """Scale a frame down to a bounded size, by averaging.

    Args:
        pixels: RGB, uint8, shape (H, W, 3).
        short_side: Short side of the result in pixels; a smaller frame keeps its size.

    Returns:
        RGB, uint8, shape (h, w, 3).
    """
    height, width = pixels.shape[:2]
    scale = short_side / min(height, width)
    if scale >= 1:
        return pixels
    size = (round(width * scale), round(height * scale))
    return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def to_gray(pixels: np.ndarray) -> np.ndarray:
    """Return the gray levels of a frame.

    Args:
        pixels: RGB, uint8, shape (H, W, 3).

    Returns:
        Uint8, shape (H, W).
    """
    return np.asarray(Image.fromarray(pixels).convert("L"))


def _estimate(reference: np.ndarray, moving: np.ndarray) -> Tensor:
    """Return the flow from the reference to the other frame, shape (1, 2, H, W)."""
    cv2 = opencv()
    if cv2 is None:
        from skimage.registration import optical_flow_ilk

        if min(reference.shape) < 2:  # it has no gradient there
            return torch.zeros(1, 2, *reference.shape)

        flow = optical_flow_ilk(reference.astype(np.float64), moving.astype(np.float64))
        return torch.from_numpy(flow).float()[None]
    (height, width), padded = reference.shape, _padded_size(*reference.shape)
    border = (0, padded[0] - height, 0, padded[1] - width)
    frames = [cv2.copyMakeBorder(f, *border, cv2.BORDER_REPLICATE) for f in (reference, moving)]
    estimator = cv2.DISOpticalFlow_create(cv2.DISOpticalFlow_PRESET_FAST)
    estimator.setFinestScale(_FINEST)
    flow = estimator.calc(*frames, None)[:height, :width]  # (H, W, 2), x before y
    smooth = cv2.GaussianBlur(reference, (0, 0), 1.0)
    gradients = [cv2.Sobel(smooth, cv2.CV_32F, *order) / 8 for order in ((1, 0), (0, 1))]
    texture = cv2.blur(gradients[0] ** 2 + gradients[1] ** 2, (7, 7))
    confidence = ((texture / (texture + _TEXTURE)) ** 2)[..., None]  # (H, W, 1)
    around = _median(flow, confidence)
    for side in _NEIGHBORHOODS:
        sums = cv2.blur(flow * confidence, (side, side)) + _PRIOR * around
        around = sums / (cv2.blur(confidence, (side, side))[..., None] + _PRIOR)
    flow = confidence * flow + (1 - confidence) * around
    return torch.from_numpy(np.ascontiguousarray(flow[..., ::-1])).permute(2, 0, 1)[None]


def _median(flow: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted median of a flow's components, shapes (H, W, 2) and (H, W, 1) to (2,)."""
    medians = []
    for values in flow.reshape(-1, 2).T:
        order = values.argsort()
        sums = weights.ravel()[order].cumsum()
        medians.append(values[order[sums.searchsorted(sums[-1] / 2)]])
    return np.array(medians, np.float32)


def _padded_size(height: int, width: int) -> tuple[int, int]:
    """Return the size at which OpenCV's DIS finds a whole patch on its coarsest level.

    It chooses the level by the width alone and reads beyond flatter frames (OpenCV 4 and 5).
    """
    width = max(width, 2 * _PATCH)
    coarsest = max(0, int(math.log2(2 * width / (5 * _PATCH))))
    return max(height, 2 * _PATCH, _PATCH << coarsest), width
