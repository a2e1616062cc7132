"""Feed a virtual camera, which meetings and OBS read like a real one."""

import sys
from types import TracebackType
from typing import Any

import numpy as np

from stylenet.errors import StyleNetError, first_line

# The pace that applications expect of a camera; frames are sent as they come.
_FPS = 30
_SETUP = {
    "linux": (
        "load v4l2loopback (Debian: apt install v4l2loopback-dkms; "
        "modprobe v4l2loopback exclusive_caps=1)"
    ),
    "darwin": "install OBS Studio 30 or newer and start its virtual camera once",
    "win32": "install OBS Studio, which brings a virtual camera",
}


class VirtualCamera:
    """Virtual camera that takes frames; a context manager that closes it.

    It opens with the first frame, which gives its size.
    """

    def __init__(self, name: str = "camera") -> None:
        """Prepare the camera.

        Args:
            name: ``camera`` for the first free one, or ``camera:DEVICE`` with the name that
                pyvirtualcam gives it, such as ``camera:/dev/video10``.

        Raises:
            StyleNetError: pyvirtualcam is not installed.
        """
        try:
            import pyvirtualcam
        except ImportError as error:
            raise StyleNetError(
                f"output={name}: a virtual camera needs pyvirtualcam. Install it: "
                f"pip install 'stylenet[camera]'"
            ) from error
        self._module: Any = pyvirtualcam
        self._name = name
        self._camera: Any = None

    def __enter__(self) -> "VirtualCamera":
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._camera is not None:
            self._camera.close()

    def write(self, pixels: np.ndarray, seconds: float) -> None:
        """Send a frame.

        Args:
            pixels: RGB, uint8, shape (H, W, 3).
            seconds: Not used: a camera shows what comes.

        Raises:
            StyleNetError: There is no virtual camera, or it takes no frames of this size.
        """
        if self._camera is None:
            self._camera = self._open(*pixels.shape[:2])
        self._camera.send(np.ascontiguousarray(pixels))

    def _open(self, height: int, width: int) -> Any:
        device = self._name.partition(":")[2] or None
        try:
            return self._module.Camera(width, height, _FPS, device=device)
        except Exception as error:  # pyvirtualcam raises several types
            platform = "linux" if sys.platform.startswith("linux") else sys.platform
            setup = _SETUP.get(platform, _SETUP["linux"])
            raise StyleNetError(
                f"output={self._name}: no virtual camera ({first_line(error)}); {setup}"
            ) from error
