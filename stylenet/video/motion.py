"""Make videos steady along their motion: the previous stylized frame is warped and blended in."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.video.flow import find_flow, reduce_frame, to_gray, warp
from stylenet.video.local import detail, enlarge, halve, move
from stylenet.video.steady import average

# Short side at which the flow and the weights are computed; larger frames scale them up.
_SHORT_SIDE = 256
# Change of a pixel along its motion, averaged over 5x5 pixels, up to which the flow is trusted;
# from twice as much on it is not. Noise of 4 of 255 levels leaves 1 to 2. With 5 a still scene that
# a moving square uncovers kept 3 levels of the square, with 3 it keeps 1.
_SAME = 3.0
# Most that detail is amplified. Blending strokes that do not coincide halves their contrast.
_MOST_GAIN = 2.5
# Side in pixels of the areas in which the strength of detail is compared. Areas of 8 pixels left
# the style loss 2 % higher.
_AREA = 4
# Sizes of detail, in pixels of the filter that separates it.
_SCALES = (1, 2, 4)
# Share of the finest detail that comes from the new frame. Interpolation cannot move it faithfully,
# and it is too faint to flicker: 0.2 lowered the loss by 2 %, and raised the warping error of a pan
# from 20 to 22 thousandths.
_FRESH = 0.2


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
        self._previous: tuple[np.ndarray, Tensor] | None = None

    def __call__(
        self, pixels: np.ndarray, content: Tensor, stylized: Tensor, cut: Tensor | None = None
    ) -> Tensor:
        """Blend a frame.

        Args:
            pixels: The original frame, RGB, uint8, shape (H, W, 3), for the flow: it is estimated
                on the CPU, and so nothing waits for a GPU.
            content: Not used; see :class:`stylenet.video.steady.StillBlend`.
            stylized: The stylized frame, RGB in [0, 1], shape (1, 3, H, W).
            cut: Whether a new scene starts here, a scalar on the same device; ``None`` if not.

        Returns:
            The frame to show, same shape.
        """
        small = reduce_frame(pixels, _SHORT_SIDE)  # (h, w, 3)
        stylized = stylized.contiguous()  # channel by channel: faster from here on
        if self._previous is not None and self._previous[1].shape == stylized.shape:
            old_small, old_stylized = self._previous
            flow, weight = self._plan(old_small, small)
            height, width = stylized.shape[-2:]
            scale = torch.tensor([height / small.shape[0], width / small.shape[1]])
            flow = enlarge(flow * scale.view(1, 2, 1, 1), stylized)
            weight = enlarge(weight, stylized)
            if cut is not None:
                weight = weight * ~cut
            moved = move(old_stylized, flow).clamp_(0, 1)
            # Squares stand for light: the curve of sRGB is close to the power of 2.
            blended = stylized.square().lerp_(moved.square_(), weight).sqrt_()
            stylized = _restore_detail(blended, stylized)
        self._previous = (small, stylized)
        return stylized

    def state(self) -> dict[str, Tensor]:
        """Return the previous frame, for :meth:`load_state`."""
        if self._previous is None:
            return {}
        return {"content": torch.from_numpy(self._previous[0]), "stylized": self._previous[1]}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on after the previous frame of another run."""
        if state:
            self._previous = (state["content"].cpu().numpy(), state["stylized"])

    def _plan(self, before: np.ndarray, after: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return the flow between two frames and the weight of the previous result."""
        flow, visible = find_flow(to_gray(before), to_gray(after))
        first, second = (
            torch.from_numpy(frame).permute(2, 0, 1)[None].float()  # (1, 3, h, w)
            for frame in (before, after)
        )
        change = average(warp(first, flow, "bicubic") - second, 5).abs().amax(1, keepdim=True)
        # Eroded by two pixels, and soft: a mask with hard edges would show as a contour.
        seen = 1 - F.max_pool2d(1 - visible, 5, stride=1, padding=2)
        return flow, self.weight * average(seen * (2 - change / _SAME).clamp(0, 1), 5)


def _restore_detail(blended: Tensor, stylized: Tensor) -> Tensor:
    """Give the blended frame's detail of each size the local energy of the stylized one's."""
    result = blended
    for scale in _SCALES:
        if min(blended.shape[-2:]) < scale * _AREA:
            break
        if scale > 1:
            blended, stylized = (halve(image) for image in (blended, stylized))
        fine, wanted = (detail(image) for image in (blended, stylized))
        kept = fine.lerp(wanted, _FRESH) if scale == 1 else fine
        energy, wanted_energy = (
            F.avg_pool2d(image.square().mean(1, keepdim=True), _AREA // scale, ceil_mode=True)
            for image in (kept, wanted)
        )
        gain = ((wanted_energy + 1e-6) / (energy + 1e-6)).sqrt().clamp(1, _MOST_GAIN)
        result = result + enlarge((kept * enlarge(gain, kept)).sub_(fine), result)
    return result.clamp_(0, 1)
