"""A camera's image, stylized in a window while it is filmed."""

import sys
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any

import numpy as np

from stylenet.errors import StyleNetError, first_line
from stylenet.inference.options import StylizeOptions
from stylenet.inference.stylizer import Stylizer
from stylenet.video.queues import newest
from stylenet.video.reader import import_av
from stylenet.video.stylize import FrameStylizer, VideoOptions

# FFmpeg's devices for cameras, by platform, and how each names the one with a number.
_DEVICES = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}:none"),
    "win32": ("dshow", "{}"),
}
# AVFoundation offers 29.97 to FFmpeg by default, and most cameras refuse it.
_DEVICE_OPTIONS = {"avfoundation": {"framerate": "30"}}


def preview(
    stylizer: Stylizer,
    frames: Iterable[np.ndarray],
    show: Callable[[np.ndarray, float], bool],
    settings: StylizeOptions | None = None,
    video: VideoOptions | None = None,
) -> int:
    """Stylizes frames as they come, and shows each.

    Frames that come while one is being stylized are left out but for the newest, so that the
    image does not lag behind.

    Args:
        stylizer: What stylizes.
        frames: RGB, uint8, each of shape (H, W, 3). Gone through in another thread.
        show: Gets each result, of the same shape, and the frames per second so far; returns
            whether to go on.
        settings: How each frame is stylized; a small ``size`` is what makes it fast.
        video: Of these, ``steady`` and ``blend``; ``None`` for the defaults.

    Returns:
        How many frames were shown.

    Raises:
        StyleNetError: The camera fails, or memory is short.
    """
    painter = FrameStylizer(stylizer, settings, video)
    shown, rate, before = 0, 0.0, time.perf_counter()
    with newest(frames) as coming:
        for frame in coming:
            painted = painter.paint(frame)
            now = time.perf_counter()
            # Of the last ten frames or so: an average since the beginning hides what is now.
            current = 1 / max(now - before, 1e-6)
            rate = current if not shown else 0.9 * rate + 0.1 * current
            before = now
            shown += 1
            if not show(painted, rate):
                break
    return shown


def camera_frames(name: str = "camera") -> Generator[np.ndarray, None, None]:
    """Videos with a camera.

    Args:
        name: ``camera`` for the first one, ``camera:1`` for the second, or ``camera:NAME`` as
            FFmpeg calls it, on Windows ``camera:video=NAME``.

    Yields:
        RGB, uint8, shape (H, W, 3), without end; the camera is released when the generator is
        closed.

    Raises:
        StyleNetError: There is no such camera, it fails, or PyAV is not installed.
    """
    platform = "linux" if sys.platform.startswith("linux") else sys.platform
    device, pattern = _DEVICES.get(platform, _DEVICES["linux"])
    which = name.partition(":")[2] or "0"
    file = pattern.format(which) if which.isdigit() else which
    yield from device_frames(file, device, name)


def device_frames(file: str, device: str, name: str) -> Generator[np.ndarray, None, None]:
    """Videos with any of FFmpeg's input devices.

    Args:
        file: What the device is to open.
        device: FFmpeg's name of the device, such as ``v4l2``; ``lavfi`` draws test images.
        name: What the user called it, for messages.

    Yields:
        See :func:`camera_frames`.

    Raises:
        StyleNetError: It cannot be opened, or fails.
    """
    av = import_av()
    try:
        container = av.open(file, format=device, options=_DEVICE_OPTIONS.get(device, {}))
    except Exception as error:  # PyAV raises several kinds
        reason = getattr(error, "strerror", None) or first_line(error)
        raise StyleNetError(
            f"input={name}: no camera there ({device} {file}: {reason}); give another one as "
            f"camera:1, or a video or an image as input=PATH"
        ) from error
    with container:
        try:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
        except av.FFmpegError as error:
            raise StyleNetError(f"input={name} stopped: {error.strerror}") from error


class Window:
    """A window that shows images; a context, which closes it."""

    def __init__(self, title: str) -> None:
        """Opens the window.

        Args:
            title: What stands above it.

        Raises:
            StyleNetError: There is no display, or this Python comes without Tk.
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
        """Shows an image.

        Args:
            pixels: RGB, uint8, shape (H, W, 3).
            rate: Frames per second, for the title.

        Returns:
            ``False`` once the user has closed the window, or pressed Escape or q.
        """
        from PIL import Image, ImageTk

        photo = ImageTk.PhotoImage(Image.fromarray(pixels), master=self._root)
        self._label.configure(image=photo)
        self._label.image = photo  # Tk itself does not keep it from being collected
        self._root.title(f"{self._title}: {rate:.1f} frames a second (Esc ends)")
        self._root.update()
        return self._open

    def _close(self) -> None:
        self._open = False
