"""Color coding of a video's frames."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame

# swscale's SWS_BICUBIC, SWS_ACCURATE_RND, SWS_FULL_CHR_H_INT and SWS_FULL_CHR_H_INP. Its defaults
# are made for speed and lose up to 5 of 255 levels on the way to RGB and back; these lose 2.
SCALING = 4 | 0x40000 | 0x2000 | 0x4000

# Code points of ITU-T H.273, which FFmpeg and the containers share.
_RGB, _BT709, _UNSPECIFIED, _BT601 = 0, 1, 2, 6
_LIMITED, _FULL = 1, 2  # FFmpeg's AVCOL_RANGE_MPEG and AVCOL_RANGE_JPEG
# swscale's number for each matrix of H.273.
_SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
# Colors that are converted to BT.709: wide primaries, HDR and other transfer curves that no player
# shows unconverted. Standard-definition colors are not converted; their tags are kept.
_WIDE = {8: "video", 9: "BT.2020", 10: "XYZ", 11: "DCI-P3", 12: "Display P3"}
_CURVES = {8: "linear light", 9: "log", 10: "log", 16: "PQ", 17: "ST 428", 18: "HLG"}


@dataclass(frozen=True)
class Colors:
    """Color coding of a video, in the code points of ITU-T H.273.

    Attributes:
        space: The matrix between RGB and the coded channels; 2 if the video does not specify it.
        range: 1 for 16 to 235, 2 for 0 to 255 (FFmpeg's numbers; H.273 has a flag).
        primaries: The primaries; 2 if the video does not specify them.
        transfer: The transfer function; 2 if the video does not specify it.
        matrix: swscale's number for the matrix to use.
    """

    space: int
    range: int
    primaries: int
    transfer: int
    matrix: int

    @classmethod
    def from_frame(cls, frame: "VideoFrame", context: "VideoCodecContext") -> "Colors":
        """Read the color coding of a decoded frame.

        Args:
            frame: A decoded frame of any pixel format.
            context: The decoder, for values that frames of older PyAV lack.

        Returns:
            Its coding; for RGB, which has no matrix, the coding to use for the output.
        """
        space, range_ = int(frame.colorspace), int(frame.color_range)
        primaries = int(getattr(frame, "color_primaries", context.color_primaries))
        transfer = int(getattr(frame, "color_trc", context.color_trc))
        name = frame.format.name
        if _is_rgb(frame):
            return cls(_BT709, _LIMITED, primaries, transfer, _SWSCALE[_BT709])
        if space == _RGB:  # stated by gray PNGs; encoders of 4:2:0 reject it
            space = _UNSPECIFIED
        if range_ not in (_LIMITED, _FULL):
            range_ = _FULL if name.startswith(("yuvj", "gray", "ya")) else _LIMITED
        # Players guess an unspecified matrix from the size; this is mpv's rule
        # (mp_csp_guess_colorspace). The output stays unspecified, so it is shown in the same
        # colors.
        large = frame.width >= 1280 or frame.height > 576
        guess = _SWSCALE[_BT709 if large else _BT601]
        return cls(space, range_, primaries, transfer, _SWSCALE.get(space, guess))

    @property
    def conversion(self) -> str:
        """Describe the colors that are converted to BT.709; empty if no conversion is needed."""
        names = [_WIDE.get(self.primaries), _CURVES.get(self.transfer)]
        return " ".join(name for name in names if name)

    @property
    def standard(self) -> "Colors":
        """Return the color coding after the conversion, if one is needed."""
        if not self.conversion:
            return self
        return Colors(_BT709, _LIMITED, _BT709, _BT709, _SWSCALE[_BT709])

    def to_rgb(self, frame: "VideoFrame") -> dict[str, Any]:
        """Return the color arguments of PyAV's ``reformat`` for a conversion to RGB.

        Args:
            frame: A decoded frame of the video.
        """
        if _is_rgb(frame):
            return {}
        return {
            "src_colorspace": self.matrix,
            "dst_colorspace": self._other_matrix,
            "src_color_range": self.range,
            "dst_color_range": _FULL,
        }

    def from_rgb(self, frame: "VideoFrame") -> dict[str, Any]:
        """Return the color arguments of PyAV's ``reformat`` for a conversion from RGB.

        Args:
            frame: RGB; its colorspace is set. PyAV 17 does not know BT.2020 and converts with the
                matrix that the frame states; swscale's numbers are those of H.273.
        """
        frame.colorspace = self.matrix
        return {
            "src_colorspace": self._other_matrix,
            "dst_colorspace": self.matrix,
            "src_color_range": _FULL,
            "dst_color_range": self.range,
        }

    @property
    def _other_matrix(self) -> int:
        """Return a matrix for the RGB side that differs from the coded side's.

        It has no meaning there, but older PyAV sets up neither matrix nor range if both sides are
        equal.
        """
        return 5 if self.matrix == 1 else 1


def _is_rgb(frame: "VideoFrame") -> bool:
    return frame.format.is_rgb or frame.format.name == "pal8"
