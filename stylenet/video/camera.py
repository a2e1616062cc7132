"""Stylize a camera's frames and show them in a window."""

import sys
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any

import numpy as np

from stylenet.errors import StyleNetError, first_line
from stylenet.inference.options import StylizeOptions
from stylenet.inference.stylizer import Stylizer
from stylenet.video.codecs import import_av
from stylenet.video.frame_stylizer import FrameStylizer
from stylenet.video.options import VideoOptions
from stylenet.video.queues import latest

# FFmpeg's camera devices by platform, and the name of a camera with a given number.
_DEVICES = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}:none"),
    "win32": ("dshow", "{}"),
}
# FFmpeg asks AVFoundation for 29.97 frames a second by default, which most cameras refuse.
_DEVICE_OPTIONS = {"avfoundation": {"framerate": "30"}}


def preview(
    stylizer: Stylizer,
    frames: Iterable[np.ndarray],
    show: Callable[[np.ndarray, float], bool],
    options: StylizeOptions | None = None,
    video: VideoOptions | None = None,
) -> int:
    """Stylize frames as they arrive, and show each.

    While one frame is being stylized, all newer ones but the latest are dropped, so that the
    preview does not lag.

    Args:
        stylizer: The stylizer to use.
        frames: RGB, uint8, each of shape (H, W, 3). Iterated in another thread.
        show: Called with each stylized frame, of the same shape, and the current frame rate;
            returns whether to go on.
        options: Options of each frame; a small ``size`` makes it fast.
        video: ``steady`` and ``blend`` are used; ``None`` for the defaults.

    Returns:
        The number of frames shown.

    Raises:
        StyleNetError: The camera fails, or memory is short.
    """
    frame_stylizer = FrameStylizer(stylizer, options, video)
    count, rate, before = 0, 0.0, time.perf_counter()
    with latest(frames) as arriving:
        for frame in arriving:
            stylized = frame_stylizer.stylize(frame)
            now = time.perf_counter()
            # A moving average over about ten frames shows the present rate.
            current = 1 / max(now - before, 1e-6)
            rate = current if not count else 0.9 * rate + 0.1 * current
            before = now
            count += 1
            if not show(stylized, rate):
                break
    return count


def camera_frames(name: str = "camera") -> Generator[np.ndarray, None, None]:
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


class Window:
    """Window that shows images; a context manager that closes it."""

    def __init__(self, title: str) -> None:
        """Open the window.

        Args:
            title: Title of the window.

        Raises:
            StyleNetError: There is no display, or this Python lacks Tk.
        """
        try:
            import tkinter
        except ImportError as error:
            raise StyleNetError(
                "the preview needs Tk, which this Python lacks; install it (on Debian: "
                "apt install python3-tk)"
            ) from error
        try:
            self._root: Any = tkinter.Tk()
        except tkinter.TclError as error:
            raise StyleNetError(
                f"the preview needs a display ({first_line(error)}); pass a video as input=PATH"
            ) from error
        self._title, self._open = title, True
        self._label: Any = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        for key in ("<Escape>", "q"):
            self._root.bind(key, lambda event: self._close())

    def __enter__(self) -> "Window":
        return self

    def __exit__(self, *error: object) -> None:
        self._root.destroy()

    def show(self, pixels: np.ndarray, rate: float) -> bool:
        """Show an image and the frame rate.

        Args:
            pixels: RGB, uint8, shape (H, W, 3).
            rate: Frames per second, shown in the title.

        Returns:
            ``False`` once the user has closed the window, or pressed Escape or q.
        """
        from PIL import Image, ImageTk

        photo = ImageTk.PhotoImage(Image.fromarray(pixels), master=self._root)
        self._label.configure(image=photo)
        self._label.image = photo  # Tk keeps no reference, and Python would collect the image
        self._root.title(f"{self._title}: {rate:.1f} frames a second (Esc ends)")
        self._root.update()
        return self._open

    def _close(self) -> None:
        self._open = False
