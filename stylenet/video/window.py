"""Window that shows a camera's stylized frames and takes keys."""

from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stylenet.errors import StyleNetError, first_line

CLOSED = "Escape"  # the key that closing the window counts as
_FONT_SHARE = 1 / 28  # height of the caption's letters, of the frame's height
_SMALLEST_FONT = 10  # pixels


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
                f"the preview needs a display ({first_line(error)}); pass a video as input=PATH, "
                f"or record without a window, output=FILE.mp4"
            ) from error
        self._keys: list[str] = []
        self._root.title(title)
        self._label: Any = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._root.protocol("WM_DELETE_WINDOW", lambda: self._keys.append(CLOSED))
        self._root.bind("<Key>", lambda event: self._keys.append(event.keysym))

    def __enter__(self) -> "Window":
        return self

    def __exit__(self, *error: object) -> None:
        self._root.destroy()

    def show(self, pixels: np.ndarray, caption: str) -> list[str]:
        """Show an image.

        Args:
            pixels: RGB, uint8, shape (H, W, 3).
            caption: Text to write on it; empty for none.

        Returns:
            The keys that were pressed since the last call, by the names of Tk: ``n``, ``plus``,
            ``Escape`` (also for closing the window).
        """
        from PIL import ImageTk

        photo = ImageTk.PhotoImage(with_caption(pixels, caption), master=self._root)
        self._label.configure(image=photo)
        self._label.image = photo  # Tk keeps no reference, and Python would collect the image
        self._root.update()
        keys, self._keys = self._keys, []
        return keys


def with_caption(pixels: np.ndarray, caption: str) -> Image.Image:
    """Return an image with text in its lower left corner, white with a black outline.

    Args:
        pixels: RGB, uint8, shape (H, W, 3).
        caption: One or more lines; empty for none.
    """
    image = Image.fromarray(pixels)
    if caption:
        size = max(_SMALLEST_FONT, round(image.height * _FONT_SHARE))
        ImageDraw.Draw(image).multiline_text(
            (size // 2, image.height - size // 2),
            caption,
            font=ImageFont.load_default(size),
            anchor="ld",
            fill="white",
            stroke_width=max(2, size // 8),
            stroke_fill="black",
        )
    return image
