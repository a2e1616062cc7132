"""Orientation of a video's frames, from their display matrix."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


@dataclass(frozen=True)
class Orientation:
    """Quarter turn and flips that bring a coded image upright.

    Attributes:
        swap_axes: Whether rows become columns, before the flips.
        flip_x: Whether left and right are exchanged.
        flip_y: Whether top and bottom are exchanged.
    """

    swap_axes: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def from_frame(cls, frame: "VideoFrame") -> "Orientation":
        """Read the display matrix of a decoded frame.

        Returns:
            The orientation, rounded to quarter turns; upright if there is no matrix.
        """
        data: Any = frame.side_data.get("DISPLAYMATRIX")
        if data is None:
            return cls()
        # A 3x3 matrix by rows: (x, y, 1) times it is the displayed position of a pixel.
        a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
        if abs(b) + abs(c) > abs(a) + abs(d):  # a quarter turn
            return cls(True, c < 0, b < 0)
        return cls(False, a < 0, d < 0)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of the upright image, given those of the coded one."""
        return (height, width) if self.swap_axes else (width, height)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Turn a coded image upright.

        Args:
            pixels: Shape (H, W, C).
        """
        if self.swap_axes:
            pixels = pixels.swapaxes(0, 1)
        if self.flip_x:
            pixels = pixels[:, ::-1]
        if self.flip_y:
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels)
