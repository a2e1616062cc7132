"""Limits on what one visitor of the page may ask for."""

from dataclasses import dataclass, fields
from pathlib import Path

from stylenet.errors import StyleNetError, check_number


@dataclass(frozen=True)
class Limits:
    """Limits on files and work, checked when constructed.

    Attributes:
        upload: Largest upload in megabytes. A minute of a phone's video in Full HD has about 130.
        pixels: Largest photo in megapixels; phones take up to 50.
        video: Longest video in seconds.
        minutes: Longest stylization of one photo or video, in minutes.
        training: Longest training of one style, in minutes of work.
        waiting: Number of trainings that may wait.

    Raises:
        StyleNetError: A limit is not a number above 0.
    """

    upload: float = 200
    pixels: float = 100
    video: float = 120
    minutes: float = 30
    training: float = 240
    waiting: int = 10

    def __post_init__(self) -> None:
        for field in fields(self):
            check_number(field.name, getattr(self, field.name), above=0)

    @property
    def upload_bytes(self) -> int:
        """Return the largest upload in bytes."""
        return int(self.upload * 1e6)

    def check_upload(self, path: Path) -> None:
        """Refuse a file that is too large.

        Raises:
            StyleNetError: The file is larger than ``upload``.
        """
        size = path.stat().st_size
        if size > self.upload_bytes:
            raise StyleNetError(
                f"This file has {size / 1e6:,.0f} MB, more than the {self.upload:g} MB that are "
                f"allowed here. Choose a smaller one."
            )

    def check_photo(self, width: int, height: int) -> None:
        """Refuse a photo of too many pixels.

        Raises:
            StyleNetError: The photo has more than ``pixels``.
        """
        megapixels = width * height / 1e6
        if megapixels > self.pixels:
            raise StyleNetError(
                f"This photo has {megapixels:,.0f} megapixels, more than the {self.pixels:g} that "
                f"are allowed here. Choose a smaller one."
            )

    def check_video(self, seconds: float | None) -> None:
        """Refuse a video that is too long.

        Args:
            seconds: Duration by the video's header; ``None`` if it states none.

        Raises:
            StyleNetError: The video is longer than ``video``.
        """
        if seconds is not None and seconds > self.video:
            raise StyleNetError(
                f"This video lasts {seconds:,.0f} seconds, longer than the {self.video:g} that are "
                f"allowed here. Choose a shorter one."
            )
