"""Make videos steady along their motion: the previous stylized frame is warped and blended in."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.video.flow import find_flow, to_gray, warp
from stylenet.video.steady import average

# Short side at which the flow is estimated; larger frames scale it up.
_FLOW_SIDE = 480
# Change of a pixel along its motion, averaged over 5x5 pixels, up to which the flow is trusted;
# from twice as much on it is not. Noise of 4 of 255 levels leaves 1 to 2.
_SAME = 8 / 255
# Most that detail is amplified. Blending strokes that do not coincide halves their contrast.
_MOST_GAIN = 2.5
# Side in pixels of the average that parts fine detail from coarse. With fine detail alone a pan
# kept 88 % of its sharpness, with both 91 % (great_wave_compact, 160 x 120).
_COARSE = 3


class MotionBlend:
    """Blend of each stylized frame with the previous one, moved along the optical flow.

    Where the flow is occluded or the content changes, the stylized frame stays as it is. The blend
    averages light, not code values; detail that averaging blurs is amplified until its local energy
    is that of the stylized frame.

    After Ruder, Dosovitskiy, Brox 2016 (occlusions) and Chen et al. 2017 (features along the flow).
    """

    def __init__(self, weight: float) -> None:
        """Start without a previous frame.

        Args:
            weight: Weight of the previous result, in [0, 1), where the flow is trusted.
        """
        self.weight = weight
        self._previous: tuple[np.ndarray, Tensor, Tensor] | None = None

    def __call__(
        self, pixels: np.ndarray, content: Tensor, stylized: Tensor, cut: Tensor | None = None
    ) -> Tensor:
        """Blend a frame.

        Args:
            pixels: The original frame, RGB, uint8, shape (H, W, 3), for the flow: it is estimated
                on the CPU, and so nothing waits for a GPU.
            content: The same frame, RGB in [0, 1], shape (1, 3, H, W).
            stylized: The stylized frame, same shape.
            cut: Whether a new scene starts here, a scalar on the same device; ``None`` if not.

        Returns:
            The frame to show, same shape.
        """
        gray = to_gray(pixels, _FLOW_SIDE)
        if self._previous is not None and self._previous[1].shape == content.shape:
            old_gray, old_content, old_stylized = self._previous
            flow, visible = (part.to(content.device) for part in find_flow(old_gray, gray))
            height, width = content.shape[-2:]
            if gray.shape != (height, width):
                scale = torch.tensor([height / gray.shape[0], width / gray.shape[1]])
                flow = _resize(flow, (height, width)) * scale.to(flow).view(1, 2, 1, 1)
                visible = _resize(visible, (height, width))
            change = average(warp(old_content, flow) - content, 5).abs().amax(1, keepdim=True)
            # Eroded by a pixel, and soft: a mask with hard edges would show as a contour.
            seen = 1 - F.max_pool2d(1 - visible, 3, stride=1, padding=1)
            weight = self.weight * average(seen * (2 - change / _SAME).clamp(0, 1), 5)
            if cut is not None:
                weight = weight * ~cut
            moved = warp(old_stylized, flow, "bicubic").clamp(0, 1)
            blended = _encode(torch.lerp(_decode(stylized), _decode(moved), weight))
            stylized = _restore_detail(blended, stylized)
        self._previous = (gray, content, stylized)
        return stylized


def _restore_detail(blended: Tensor, stylized: Tensor) -> Tensor:
    """Give the blended frame's detail, in two bands, the local energy of the stylized frame's."""
    result = blended
    for blur in (_blur, lambda image: average(_blur(image), _COARSE)):
        low, wanted_low = blur(blended), blur(stylized)
        detail, wanted = blended - low, stylized - wanted_low  # (1, 3, H, W)
        gain = ((_energy(wanted) + 1e-6) / (_energy(detail) + 1e-6)).sqrt().clamp(1, _MOST_GAIN)
        result = result + (gain - 1) * detail
        blended, stylized = low, wanted_low
    return result.clamp(0, 1)


def _energy(detail: Tensor) -> Tensor:
    """Return the mean square around each pixel, shape (1, 1, H, W)."""
    return average(detail.square().mean(1, keepdim=True), 7)


def _decode(code: Tensor) -> Tensor:
    """Return linear light of sRGB code values (IEC 61966-2-1)."""
    return torch.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055).pow(2.4))


def _encode(light: Tensor) -> Tensor:
    """Return sRGB code values of linear light (IEC 61966-2-1)."""
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.pow(1 / 2.4) - 0.055)


def _resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)


def _blur(images: Tensor) -> Tensor:
    """Blur by the binomial filter 1, 2, 1 in both directions, a Gaussian of 0.7 pixels."""
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(padded, 2, stride=1), 2, stride=1)
