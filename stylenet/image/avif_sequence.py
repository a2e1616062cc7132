"""Writing of AVIF sequences without holding all frames in memory."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from PIL import Image


def encode_avif(frames: Iterator[tuple[Image.Image, int]], options: dict[str, Any]) -> bytes:
    """Encode an AVIF sequence, which repeats endlessly.

    Args:
        frames: At least one image with its duration in milliseconds: mode RGBA, all of one size.
            The iterator is consumed image by image.
        options: Further arguments for ``Image.save``.

    Returns:
        The contents of the file.
    """
    sequence, buffer = _Sequence(frames), BytesIO()
    sequence.save(buffer, "AVIF", save_all=True, duration=sequence.durations, **options)
    return buffer.getvalue()


class _Sequence(Image.Image):
    """An image file for Pillow's encoder, with frames that come from an iterator."""

    is_animated = True

    def __init__(self, frames: Iterator[tuple[Image.Image, int]]) -> None:
        super().__init__()
        self.durations: list[int] = []
        self._frames = frames
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Load the next frame. Pillow seeks to earlier frames again, but does not read them."""
        if frame < len(self.durations):
            return
        image, duration = next(self._frames, (None, 0))
        if image is None:
            raise EOFError
        self.im, self._mode, self._size = image.im, image.mode, image.size
        self.durations.append(duration)

    def tell(self) -> int:
        """Return the first frame, where the encoder starts."""
        return 0
