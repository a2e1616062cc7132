"""Training dataset of photos: decode, crop, flip, and replace unusable files."""

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from stylenet.errors import StyleNetError, check_number
from stylenet.image import flatten, open_image, to_tensor, upright_image

# Files tried for one sample. If half of the files are usable, all of 32 fail once in four billion
# samples.
_ATTEMPTS = 32


# Errors of a busy machine or network file system, not of a damaged file. The photo is read again
# after these pauses in seconds, about three in all.
_TEMPORARY_ERRORS = {
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.EAGAIN,
    errno.EIO,
    errno.ESTALE,
}
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)


# Modes that can be cropped and resized before the orientation and the color profile are applied,
# which then takes a fifth of the time for a photo of 640x480.
_RESIZABLE_MODES = ("RGB", "L", "CMYK")


class Sample(NamedTuple):
    """One training sample.

    Attributes:
        pixels: RGB, uint8, shape (crop, crop, 3); ``None`` if no file tried was usable. Transfer to
            the GPU takes a quarter of the time that floats take.
        skipped: One line per skipped file, with its path and the reason.
        motion: For a video, whose pixels then have the shape (2, crop, crop, 3): see
            :class:`stylenet.data.Clips`, shape (3, crop, crop).
    """

    pixels: Tensor | None
    skipped: list[str]
    motion: Tensor | None = None

    @property
    def image(self) -> Tensor | None:
        """RGB in [0, 1], shape (3, crop, crop)."""
        return None if self.pixels is None else to_floats(self.pixels)


def to_floats(pixels: Tensor) -> Tensor:
    """Convert uint8 pixels to the floats that networks take.

    Args:
        pixels: RGB, uint8, shape (..., H, W, 3).

    Returns:
        RGB in [0, 1], float32, shape (..., 3, H, W), channels-last in memory.
    """
    return pixels.movedim(-1, -3).float() / 255


class PhotoDataset(Dataset[Sample]):
    """Endless random crops of photos; sample n depends only on the seed and n.

    Photo, crop and flip of sample n come from a generator seeded with (seed, n). So the samples do
    not depend on the number of workers and ranks, and a run resumed at sample n continues with the
    same samples. Each epoch of ``len(photos)`` samples has every photo once, in a new order.

    Attributes:
        open_photo: Replacement for :func:`stylenet.image.open_image` for photos that are not files
            themselves; must be picklable.
    """

    def __init__(
        self,
        root: str | Path,
        photos: list[str],
        crop_size: int,
        max_scale: float = 1.5,
        min_size: int = 64,
        seed: int = 0,
        permute_colors: bool = False,
    ) -> None:
        """Check the options.

        Args:
            root: Folder of the photos.
            photos: Paths relative to it.
            crop_size: Height and width of the crops, in pixels.
            max_scale: Photos are resized to a short side of ``crop_size`` times a random number in
                [1, max_scale] before the crop, so that objects appear at many sizes.
            min_size: Photos with a smaller short side are skipped, in pixels.
            seed: Seed of the order and the crops.
            permute_colors: Whether the channels of each crop are in random order. A style image in
                other colors is another style, so a network for arbitrary styles sees more of them.

        Raises:
            StyleNetError: An option is invalid.
        """
        check_number("data.crop_size", crop_size, minimum=16, integer=True)
        check_number("data.max_scale", max_scale, minimum=1)
        check_number("data.min_size", min_size, minimum=1, integer=True)
        check_number("data.seed", seed, minimum=0, integer=True)
        self.root = Path(root)
        self.photos = photos
        self.crop_size = crop_size
        self.max_scale = max_scale
        self.min_size = min_size
        self.seed = seed
        self.permute_colors = permute_colors
        self.open_photo: Callable[[Path, int], Image.Image] = open_image
        self._order: tuple[int, np.ndarray] | None = None

    def __getitem__(self, n: int) -> Sample:
        """Return sample n, for any n from 0."""
        random = np.random.default_rng((self.seed, n))
        skipped: list[str] = []
        index = self._index(n)
        for _ in range(_ATTEMPTS):
            path = self.root / self.photos[index]
            try:
                pixels, motion = self._crop_with_retries(path, random)
            except StyleNetError as error:
                skipped.append(str(error))
            else:
                if self.permute_colors:
                    pixels = pixels[..., torch.from_numpy(random.permutation(3))]
                return Sample(pixels, skipped, motion)
            index = int(random.integers(len(self.photos)))
        return Sample(None, skipped)

    def check(self, index: int) -> str | None:
        """Decode one photo as training would.

        Args:
            index: Index in the list of photos.

        Returns:
            The reason why training would skip it, or ``None``.
        """
        try:
            self._decode(self.root / self.photos[index], self.crop_size)
        except StyleNetError as error:
            return str(error)
        return None

    def center_crop(self, index: int, size: int) -> Tensor:
        """Return the center crop of a photo, for previews.

        Args:
            index: Index in the list of photos.
            size: Height and width of the crop, in pixels.

        Returns:
            RGB in [0, 1], shape (3, size, size).

        Raises:
            StyleNetError: The photo is unusable.
        """
        image = self._decode(self.root / self.photos[index], size)
        return to_tensor(square(image, min(image.size), 0.5, 0.5, size))[0]

    def _index(self, n: int) -> int:
        """Return the index of the photo of sample n; each epoch is shuffled with its own seed."""
        epoch, position = divmod(n, len(self.photos))
        if self._order is None or self._order[0] != epoch:
            # The third number separates this generator from those of the samples.
            random = np.random.default_rng((self.seed, epoch, 1))
            self._order = (epoch, random.permutation(len(self.photos)))
        return int(self._order[1][position])

    def _crop_with_retries(
        self, path: Path, random: np.random.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """Crop a photo, and try again after a temporary error.

        Replacing the photo would change the samples, and so the result of a resumed run.
        """
        state = random.bit_generator.state
        for pause in _PAUSES:
            try:
                return self._crop(path, random)
            except StyleNetError as error:
                if not _is_temporary(error):
                    raise
            time.sleep(pause)
            random.bit_generator.state = state
        return self._crop(path, random)

    def _crop(self, path: Path, random: np.random.Generator) -> tuple[Tensor, Tensor | None]:
        """Return a random crop at a random scale, perhaps flipped: uint8, (crop, crop, 3)."""
        scale, x, y, flip = random.random(4)
        short_side = round(self.crop_size * (1 + scale * (self.max_scale - 1)))
        image = self._open(path, short_side)
        crop_first = image.mode in _RESIZABLE_MODES
        if not crop_first:
            image = _flat(path, image)
        side = min(image.size) * self.crop_size / short_side
        image = square(image, side, x, y, self.crop_size)
        if crop_first:
            image = _flat(path, image)
        if flip < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(image, dtype=np.uint8)), None

    def _decode(self, path: Path, smallest: int) -> Image.Image:
        """Decode a photo to upright RGB, perhaps at a reduced size.

        Raises:
            StyleNetError: The photo is unusable.
        """
        return _flat(path, self._open(path, smallest))

    def _open(self, path: Path, smallest: int) -> Image.Image:
        """Decode a photo in the mode of its file, perhaps at a reduced size.

        Raises:
            StyleNetError: The photo is unusable.
        """
        image = self.open_photo(path, max(smallest, self.min_size))
        self._check_size(path, image)
        return image

    def _check_size(self, path: Path, image: Image.Image) -> None:
        """Refuse a photo that is too small."""
        if min(image.size) < self.min_size:
            raise StyleNetError(
                f"{path} is too small: {image.width}x{image.height}, "
                f"expected data.min_size={self.min_size} at least"
            )


def _is_temporary(error: BaseException | None) -> bool:
    """Return whether an error comes from the state of the machine and not from the file."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _TEMPORARY_ERRORS:
            return True
        # Pillow's decoders report the latter, without an errno.
        if isinstance(error, MemoryError) or "out of memory" in str(error):
            return True
        error = error.__cause__
    return False


def _flat(path: Path, image: Image.Image) -> Image.Image:
    """Convert a photo to upright RGB in sRGB.

    Raises:
        StyleNetError: The photo is unusable.
    """
    try:
        return flatten(upright_image(image))
    except StyleNetError as error:
        raise StyleNetError(f"{path}: {error}") from error


def square(image: Image.Image, side: float, x: float, y: float, size: int) -> Image.Image:
    """Crop a square and resize it.

    Only the crop is resized, because a very long photo at full size might not fit into memory.

    Args:
        image: The photo.
        side: Side of the square, in pixels of the photo.
        x: Horizontal position, from 0 for the left to 1 for the right.
        y: Vertical position, from 0 for the top to 1 for the bottom.
        size: Side of the result in pixels.
    """
    left, top = x * (image.width - side), y * (image.height - side)
    right, bottom = min(left + side, image.width), min(top + side, image.height)  # rounding
    box = (left, top, right, bottom)
    return image.resize((size, size), Image.Resampling.BILINEAR, box, reducing_gap=2.0)
