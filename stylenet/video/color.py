"""How a video codes its image: matrix and range of its colors, and the turn that shows it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame

# swscale's SWS_BICUBIC, SWS_ACCURATE_RND, SWS_FULL_CHR_H_INT and SWS_FULL_CHR_H_INP: its defaults
# are made for speed, and lose up to 5 of 255 steps on the way to RGB and back (here: 2).
SCALING = 4 | 0x40000 | 0x2000 | 0x4000

# Code points of ITU-T H.273, which FFmpeg and the containers share.
_RGB, _BT709, _UNSPECIFIED, _BT601 = 0, 1, 2, 6
_LIMITED, _FULL = 1, 2  # FFmpeg's AVCOL_RANGE_MPEG and AVCOL_RANGE_JPEG
# The matrix of H.273 -> the one that swscale calls so.
_SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
# Colors that are converted to BT.709: wide primaries, HDR and other curves that no player shows as
# they are. Those of standard definition, whose tags are passed on, are not.
_WIDE = {8: "video", 9: "BT.2020", 10: "XYZ", 11: "DCI-P3", 12: "Display P3"}
_CURVES = {8: "linear light", 9: "log", 10: "log", 16: "PQ", 17: "ST 428", 18: "HLG"}


@dataclass(frozen=True)
class Colors:
    """What the numbers of a coded image mean, in the code points of ITU-T H.273.

    Attributes:
        space: The matrix between RGB and what is coded; 2 where the video does not say.
        range: 1 for 16 to 235, 2 for 0 to 255 (FFmpeg's numbers; H.273 has a flag).
        primaries: The primaries; 2 where the video does not say.
        transfer: The transfer function; 2 where the video does not say.
        matrix: What ``space`` is taken for, as swscale's number.
    """

    space: int
    range: int
    primaries: int
    transfer: int
    matrix: int

    @classmethod
    def of(cls, frame: "VideoFrame", context: "VideoCodecContext") -> "Colors":
        """Reads the colors of a decoded frame.

        Args:
            frame: Any format.
            context: Of the decoder, for what frames of older PyAV do not tell.

        Returns:
            Its colors; for RGB, which has no matrix, those that it is best coded in.
        """
        space, range_ = int(frame.colorspace), int(frame.color_range)
        primaries = int(getattr(frame, "color_primaries", context.color_primaries))
        transfer = int(getattr(frame, "color_trc", context.color_trc))
        name = frame.format.name
        if _is_rgb(frame):
            return cls(_BT709, _LIMITED, primaries, transfer, _SWSCALE[_BT709])
        if space == _RGB:  # of gray PNGs, in which encoders of 4:2:0 take it for a mistake
            space = _UNSPECIFIED
        if range_ not in (_LIMITED, _FULL):
            range_ = _FULL if name.startswith(("yuvj", "gray", "ya")) else _LIMITED
        # What a video leaves open players guess by its size; this is the rule of mpv
        # (mp_csp_guess_colorspace): the result, as silent as the source, is shown in its colors.
        large = frame.width >= 1280 or frame.height > 576
        guess = _SWSCALE[_BT709 if large else _BT601]
        return cls(space, range_, primaries, transfer, _SWSCALE.get(space, guess))

    @property
    def conversion(self) -> str:
        """What the conversion to BT.709 is from, in words; empty where none is needed."""
        names = [_WIDE.get(self.primaries), _CURVES.get(self.transfer)]
        return " ".join(name for name in names if name)

    @property
    def standard(self) -> "Colors":
        """The colors after the conversion, if one is needed."""
        if not self.conversion:
            return self
        return Colors(_BT709, _LIMITED, _BT709, _BT709, _SWSCALE[_BT709])

    def to_rgb(self, frame: "VideoFrame") -> dict[str, Any]:
        """Says how PyAV's ``reformat`` is to read a frame.

        Args:
            frame: Of the video.

        Returns:
            Its color arguments for a conversion to RGB.
        """
        if _is_rgb(frame):
            return {}
        return {
            "src_colorspace": self.matrix,
            "dst_colorspace": self._another,
            "src_color_range": self.range,
            "dst_color_range": _FULL,
        }

    def from_rgb(self, frame: "VideoFrame") -> dict[str, Any]:
        """Says how PyAV's ``reformat`` is to code a frame.

        Args:
            frame: RGB. Its colorspace is set: PyAV 17 does not know BT.2020, and codes by the
                matrix that this frame is said to have. swscale's numbers are those of H.273.

        Returns:
            Its color arguments for a conversion from RGB.
        """
        frame.colorspace = self.matrix
        return {
            "src_colorspace": self._another,
            "dst_colorspace": self.matrix,
            "src_color_range": _FULL,
            "dst_color_range": self.range,
        }

    @property
    def _another(self) -> int:
        """A matrix for the RGB side, where it means nothing.

        Older PyAV sets up neither matrix nor range where both sides have the same.
        """
        return 5 if self.matrix == 1 else 1


@dataclass(frozen=True)
class Turn:
    """How a coded image has to be turned to stand upright.

    Attributes:
        swaps: Whether rows become columns, before all else.
        flip_x: Whether left and right are exchanged afterwards.
        flip_y: Whether top and bottom are.
    """

    swaps: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: "VideoFrame") -> "Turn":
        """Reads a frame's display matrix.

        Args:
            frame: As it was decoded.

        Returns:
            The turn, to the nearest quarter; none where there is no matrix.
        """
        data: Any = frame.side_data.get("DISPLAYMATRIX")
        if data is None:
            return cls()
        # Three rows of three: (x, y, 1) times it is where a pixel belongs.
        a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(True, c < 0, b < 0)
        return cls(False, a < 0, d < 0)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Says how large the upright image is.

        Args:
            width: As coded.
            height: As coded.

        Returns:
            Width and height.
        """
        return (height, width) if self.swaps else (width, height)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Turns an image.

        Args:
            pixels: Shape (H, W, C), as coded.

        Returns:
            The image, upright.
        """
        if self.swaps:
            pixels = pixels.swapaxes(0, 1)
        if self.flip_x:
            pixels = pixels[:, ::-1]
        if self.flip_y:
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels)


def _is_rgb(frame: "VideoFrame") -> bool:
    return frame.format.is_rgb or frame.format.name == "pal8"
