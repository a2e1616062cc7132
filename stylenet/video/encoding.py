"""Encoder set-up that all written videos share: container, color tags and order of frames."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylenet.video.codecs import import_av, writing
from stylenet.video.color import Colors
from stylenet.video.times import DECODING_TIMES

if TYPE_CHECKING:
    from av.container import OutputContainer


def open_output(path: Path, target: Path) -> "OutputContainer":
    """Open a video file for writing; its suffix chooses the format.

    Args:
        path: File to write to.
        target: Final path of the video, for messages.

    Raises:
        StyleNetError: The file cannot be written, or its suffix names no video format.
    """
    with writing(target, "its suffix names no format for videos, expected .mp4, .mkv or .mov"):
        container: OutputContainer = import_av().open(f"file:{path}", "w")
        return container


def set_color_tags(context: Any, colors: Colors) -> None:
    """Store range, matrix, primaries and transfer characteristics in an encoder's context."""
    context.color_range, context.colorspace = colors.range, colors.space
    context.color_primaries, context.color_trc = colors.primaries, colors.transfer


def keep_frame_order(context: Any, format_name: str) -> None:
    """Turn B-frames off for containers that store decoding times instead of display times."""
    if format_name in DECODING_TIMES:
        context.max_b_frames = 0
