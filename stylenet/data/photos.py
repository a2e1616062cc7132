"""Photos as training samples: decoded, cropped, flipped; the unusable ones replaced."""

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

# Files tried in turn for one sample before it is given up. Where half the files are good, that
# many bad ones follow each other once in four billion samples.
_ATTEMPTS = 32


# What a busy machine or a network's file system answers, and not a damaged file; and seconds to
# wait before the photo is tried again, some three in all.
_PASSING = {errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EIO, errno.ESTALE}
_WAITS = (0.1, 0.2, 0.4, 0.8, 1.6)


# Modes whose values can be resized as they are stored: a crop of them is turned upright and taken
# through its color profile afterwards, which is a fifth of the work for a photo of 640x480.
_PLAIN = ("RGB", "L", "CMYK")


class Sample(NamedTuple):
    """One training sample.

    Attributes:
        pixels: RGB bytes, shape (crop, crop, 3); ``None`` if no file tried was usable. Bytes take a
            quarter of the way from a loader's process to a GPU.
        skipped: Why files were skipped on the way, a line each, with their paths.
    """

    pixels: Tensor | None
    skipped: list[str]

    @property
    def image(self) -> Tensor | None:
        """RGB in [0, 1], shape (3, crop, crop)."""
        return None if self.pixels is None else to_floats(self.pixels)


def to_floats(pixels: Tensor) -> Tensor:
    """Turn bytes into what networks take.

    Args:
        pixels: RGB bytes, shape (..., H, W, 3).

    Returns:
        RGB in [0, 1], float32, shape (..., 3, H, W), channels-last in memory.
    """
    return pixels.movedim(-1, -3).float() / 255


class PhotoDataset(Dataset[Sample]):
    """Endless random crops of photos; sample n depends on the seed and n alone.

    Which photo, which crop, flipped or not: all of it is drawn from a generator seeded with
    (seed, n). So the samples are the same for any number of workers and machines, and a run that
    resumes at sample n sees what it would have seen. Every photo comes once per round of
    ``len(photos)`` samples, in a new order each round.

    Attributes:
        open_photo: Opens a photo as :func:`stylenet.image.open_image` does, for photos that are no
            files of their own; it has to be picklable.
    """

    def __init__(
        self,
        root: str | Path,
        photos: list[str],
        crop_size: int,
        max_scale: float = 1.5,
        min_size: int = 64,
        seed: int = 0,
    ) -> None:
        """Sets what is drawn from.

        Args:
            root: The folder.
            photos: Paths relative to it.
            crop_size: Side of the square crops, in pixels.
            max_scale: A photo is resized so that its shorter side is ``crop_size`` times a number
                drawn from [1, max_scale], then cropped: objects appear at many sizes.
            min_size: Photos with a shorter side below this are skipped, in pixels.
            seed: Chooses the order and the crops.

        Raises:
            StyleNetError: A value is impossible.
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
        self.open_photo: Callable[[Path, int], Image.Image] = open_image
        self._round: tuple[int, np.ndarray] | None = None

    def __getitem__(self, n: int) -> Sample:
        """Draws sample n.

        Args:
            n: Any number from 0.

        Returns:
            The sample.
        """
        random = np.random.default_rng((self.seed, n))
        skipped: list[str] = []
        index = self._place(n)
        for _ in range(_ATTEMPTS):
            path = self.root / self.photos[index]
            try:
                return Sample(self._crop_again(path, random), skipped)
            except StyleNetError as error:
                skipped.append(str(error))
            index = int(random.integers(len(self.photos)))
        return Sample(None, skipped)

    def check(self, index: int) -> str | None:
        """Decodes one photo as training would.

        Args:
            index: Its place in the list of photos.

        Returns:
            Why it would be skipped, or ``None``.
        """
        try:
            self._decode(self.root / self.photos[index], self.crop_size)
        except StyleNetError as error:
            return str(error)
        return None

    def center_crop(self, index: int, size: int) -> Tensor:
        """Shows one photo for a preview: the middle of it, nothing random.

        Args:
            index: Its place in the list of photos.
            size: Side of the square, in pixels.

        Returns:
            RGB in [0, 1], shape (3, size, size).

        Raises:
            StyleNetError: The photo is unusable.
        """
        image = self._decode(self.root / self.photos[index], size)
        return to_tensor(_square(image, min(image.size), 0.5, 0.5, size))[0]

    def _place(self, n: int) -> int:
        """The photo whose turn it is: the rounds are shuffles, each with a seed of its own."""
        number, place = divmod(n, len(self.photos))
        if self._round is None or self._round[0] != number:
            # The third number keeps this stream apart from the samples' own.
            random = np.random.default_rng((self.seed, number, 1))
            self._round = (number, random.permutation(len(self.photos)))
        return int(self._round[1][place])

    def _crop_again(self, path: Path, random: np.random.Generator) -> Tensor:
        """Crop a photo as :meth:`_crop` does; wait where it fails for a reason that may pass.

        Another photo in its place would make a run that resumes another run.
        """
        state = random.bit_generator.state
        for wait in _WAITS:
            try:
                return self._crop(path, random)
            except StyleNetError as error:
                if not _may_pass(error):
                    raise
            time.sleep(wait)
            random.bit_generator.state = state
        return self._crop(path, random)

    def _crop(self, path: Path, random: np.random.Generator) -> Tensor:
        """A random crop of a photo, at a random scale, perhaps flipped; bytes (H, W, 3)."""
        scale, x, y, flip = random.random(4)
        shorter = round(self.crop_size * (1 + scale * (self.max_scale - 1)))
        image = self._open(path, shorter)
        soon = image.mode in _PLAIN
        if not soon:
            image = _flat(path, image)
        side = min(image.size) * self.crop_size / shorter
        image = _square(image, side, x, y, self.crop_size)
        if soon:
            image = _flat(path, image)
        if flip < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(image, dtype=np.uint8))

    def _decode(self, path: Path, smallest: int) -> Image.Image:
        """A photo in RGB, upright, no smaller than needed.

        Raises:
            StyleNetError: It is unusable.
        """
        return _flat(path, self._open(path, smallest))

    def _open(self, path: Path, smallest: int) -> Image.Image:
        """A photo as it is stored, no smaller than needed.

        Raises:
            StyleNetError: It is unusable.
        """
        image = self.open_photo(path, max(smallest, self.min_size))
        if min(image.size) < self.min_size:
            raise StyleNetError(
                f"{path} is too small: {image.width}x{image.height}, "
                f"expected data.min_size={self.min_size} at least"
            )
        return image


def _may_pass(error: BaseException | None) -> bool:
    """Tell whether an error comes from the machine's state instead of from the file."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _PASSING:
            return True
        error = error.__cause__
    return False


def _flat(path: Path, image: Image.Image) -> Image.Image:
    """Turns a photo upright and into sRGB colors.

    Raises:
        StyleNetError: It is unusable.
    """
    try:
        return flatten(upright_image(image))
    except StyleNetError as error:
        raise StyleNetError(f"{path}: {error}") from error


def _square(image: Image.Image, side: float, x: float, y: float, size: int) -> Image.Image:
    """Cuts a square out of an image and resizes it, x and y in [0, 1] choosing the place.

    Only what is kept gets resized: the whole of a very long photo might not fit into memory.
    """
    left, top = x * (image.width - side), y * (image.height - side)
    right, bottom = min(left + side, image.width), min(top + side, image.height)  # rounding
    box = (left, top, right, bottom)
    return image.resize((size, size), Image.Resampling.BILINEAR, box, reducing_gap=2.0)
