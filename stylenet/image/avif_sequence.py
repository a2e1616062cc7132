"""Write AVIF sequences without holding all frames in memory."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from PIL import Image


def encode_avif(frames: Iterator[tuple[Image.Image, int]], options: dict[str, Any]) -> bytes:
    """Encode an AVIF sequence, which repeats endlessly.

    Args:
        frames: Images of one size, mode RGBA, each with its duration in milliseconds; at least one.
            They are taken one at a time.
        options: Further arguments for ``Image.save``.

    Returns:
        The file.
    """
    sequence, buffer = _Sequence(frames), BytesIO()
    sequence.save(buffer, "AVIF", save_all=True, duration=sequence.durations, **options)
    return buffer.getvalue()


class _Sequence(Image.Image):
    """Frames that Pillow's encoder asks for one after the other, as if they were a file's."""

    is_animated = True

    def __init__(self, frames: Iterator[tuple[Image.Image, int]]) -> None:
        super().__init__()
        self.durations: list[int] = []
        self._frames = frames
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Take the next frame; those before stay as they are, for Pillow asks for them again."""
        if frame < len(self.durations):
            return
        image, duration = next(self._frames, (None, 0))
        if image is None:
            raise EOFError
        self.im, self._mode, self._size = image.im, image.mode, image.size
        self.durations.append(duration)

    def tell(self) -> int:
        """The encoder starts at the first frame."""
        return 0
