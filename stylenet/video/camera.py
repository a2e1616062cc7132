"""Read the frames of a camera."""

import sys
from collections.abc import Generator

import numpy as np

from stylenet.errors import StyleNetError, first_line
from stylenet.video.codecs import import_av

# FFmpeg's camera devices by platform, and the name of a camera with a given number.
_DEVICES = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}:none"),
    "win32": ("dshow", "{}"),
}
# FFmpeg asks AVFoundation for 29.97 frames a second by default, which most cameras refuse.
_DEVICE_OPTIONS = {"avfoundation": {"framerate": "30"}}


def camera_frames(name: str) -> Generator[np.ndarray, None, None]:
    """Yield the frames of a camera.

    Args:
        name: ``camera`` for the first one, ``camera:1`` for the second, or ``camera:NAME`` as
            FFmpeg calls it, on Windows ``camera:video=NAME``.

    Yields:
        RGB, uint8, shape (H, W, 3), without end; closing the generator releases the camera.

    Raises:
        StyleNetError: The camera does not exist or fails, or PyAV is not installed.
    """
    platform = "linux" if sys.platform.startswith("linux") else sys.platform
    device, pattern = _DEVICES.get(platform, _DEVICES["linux"])
    camera = name.partition(":")[2] or "0"
    file = pattern.format(camera) if camera.isdigit() else camera
    yield from device_frames(file, device, name)


def device_frames(file: str, device: str, name: str) -> Generator[np.ndarray, None, None]:
    """Yield the frames of any of FFmpeg's input devices.

    Args:
        file: The file or source that the device opens.
        device: FFmpeg's name of the device, such as ``v4l2``; ``lavfi`` generates test images.
        name: The user's name for it, for messages.

    Yields:
        See :func:`camera_frames`.

    Raises:
        StyleNetError: The device cannot be opened, or fails.
    """
    av = import_av()
    try:
        container = av.open(file, format=device, options=_DEVICE_OPTIONS.get(device, {}))
    except Exception as error:  # PyAV raises several types
        reason = getattr(error, "strerror", None) or first_line(error)
        raise StyleNetError(
            f"input={name}: no camera found ({device} {file}: {reason}); choose another one, "
            f"such as camera:1, or pass a video or an image as input=PATH"
        ) from error
    with container:
        try:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
        except av.FFmpegError as error:
            raise StyleNetError(f"input={name} stopped: {error.strerror}") from error
