"""Weights of several styles at each pixel of an image, from masks."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.inference.buffers import Box

# Rows of pixels are read in strips of this many pixels, about 20 MB for three masks.
_STRIP = 2**20


@dataclass(frozen=True)
class RegionShares:
    """Parts of an image, each from 0 to 1.

    Attributes:
        styles: Part of each style.
        photo: Part that keeps the photo.
        overlap: Part of the pixels at which the masks' sum is above white.
        gap: Part that lies in no mask.
    """

    styles: tuple[float, ...]
    photo: float
    overlap: float
    gap: float


class RegionMap:
    """Masks of an image, each with the style that its region gets.

    Where masks overlap so that their sum is above white, the sum is scaled down to white. Where it
    is below, the rest goes to ``rest``: a style, or the photo.

    Attributes:
        size: Width and height in pixels.
        used: Indices of the styles with weight anywhere, sorted.
        keeps_photo: Whether the photo has weight anywhere.
        mask_shares: Part of the image that each mask has, from 0 to 1.

    Example:
        >>> sky = Image.open("sky.png").convert("L")  # doctest: +SKIP
        >>> regions = RegionMap([sky], [0], rest=1)  # doctest: +SKIP
        >>> RegionStylizer([starry, wave])(photo, mask=regions)  # doctest: +SKIP
    """

    def __init__(
        self,
        masks: Sequence[Image.Image],
        styles: Sequence[int | None],
        rest: int | None = None,
    ) -> None:
        """Combine masks.

        Args:
            masks: At least one, of mode L and one size: white inside the region, gray on soft
                edges.
            styles: Index of each mask's style; ``None`` keeps the photo there.
            rest: Index of the style outside all masks; ``None`` keeps the photo.

        Raises:
            StyleNetError: A mask has another mode or size, or there is none.
        """
        if not masks or len(masks) != len(styles):
            raise StyleNetError(
                f"got {len(masks)} masks and {len(styles)} styles. Give one style for each mask."
            )
        for mask in masks:
            check_mask(mask, *masks[0].size)
        self._masks = list(masks)
        self._targets = [*styles, rest]
        self._count = 1 + max((target for target in self._targets if target is not None), default=0)
        self.size = masks[0].size
        totals, overlap, pixels = np.zeros(len(masks) + 1), 0, self.size[0] * self.size[1]
        for box in self._strips():
            totals += self._normalized(box).sum((1, 2), dtype=np.float64)
            if len(masks) > 1:
                overlap += int((self._read_masks(box).sum(0) > 255).sum())
        self._totals, self._overlap = totals / pixels, overlap / pixels
        self.mask_shares = [float(total) for total in self._totals[:-1]]
        weighted = zip(self._targets, self._totals, strict=True)
        present = {target for target, total in weighted if total > 0}
        self.used = sorted(target for target in present if target is not None)
        self.keeps_photo = None in present

    def shares(self) -> RegionShares:
        """Return the part of the image that each style and the photo get."""
        parts = dict.fromkeys((None, *range(self._count)), 0.0)
        for target, total in zip(self._targets, self._totals, strict=True):
            parts[target] += float(total)
        styles = tuple(parts[index] for index in range(self._count))
        return RegionShares(styles, parts[None], self._overlap, float(self._totals[-1]))

    def opacity(self, box: Box) -> Tensor:
        """Return the weight of all styles together; the photo has the rest.

        Args:
            box: The box in pixels.

        Returns:
            Shape (h, w), float32, in [0, 1].
        """
        return self._style_weights(box).sum(0)

    def mixture(self, box: Box) -> Tensor:
        """Return the weights of the used styles among each other.

        Args:
            box: The box in pixels.

        Returns:
            Shape (len(used), h, w), float32, the sum 1. Where the photo has all weight, the styles
            have equal ones.
        """
        weights = self._style_weights(box)
        total = weights.sum(0, keepdim=True)
        equal = torch.full_like(weights, 1 / max(1, len(weights)))
        return torch.where(total > 0, weights / total.clamp_min(1e-9), equal)

    def without_photo(self) -> "RegionMap":
        """Return the map with the styles alone, for a caller who applies the opacity later."""
        filled = copy.copy(self)
        filled.keeps_photo = False
        return filled

    def resized(self, height: int, width: int) -> "RegionMap":
        """Return the map for another size of the image."""
        if self.size == (width, height):
            return self
        resampling = Image.Resampling.BOX if width < self.size[0] else Image.Resampling.BILINEAR
        masks = [mask.resize((width, height), resampling) for mask in self._masks]
        resized = RegionMap(masks, self._targets[:-1], self._targets[-1])
        resized.used, resized.keeps_photo = self.used, self.keeps_photo
        return resized

    def _style_weights(self, box: Box) -> Tensor:
        """Return the weights of the used styles, shape (len(used), h, w)."""
        weights = self._normalized(box)  # (masks + 1, h, w)
        if not self.used:
            return torch.zeros(0, *weights.shape[1:])
        own = [[t == style for t in self._targets] for style in self.used]
        return torch.from_numpy(np.stack([weights[np.array(mine)].sum(0) for mine in own]))

    def _normalized(self, box: Box) -> np.ndarray:
        """Return the weights of all masks and of the rest, shape (masks + 1, h, w)."""
        masks = self._read_masks(box).astype(np.float32)
        total = masks.sum(0)
        gap = np.maximum(255 - total, 0)
        return np.concatenate([masks, gap[None]]) / np.maximum(total, 255)

    def _read_masks(self, box: Box) -> np.ndarray:
        """Return the masks as integers, shape (masks, h, w)."""
        top, left, bottom, right = box
        crops = [mask.crop((left, top, right, bottom)) for mask in self._masks]
        return np.stack([np.asarray(crop) for crop in crops]).astype(np.int32)

    def _strips(self) -> Iterator[Box]:
        width, height = self.size
        rows = max(1, _STRIP // width)
        for top in range(0, height, rows):
            yield top, 0, min(height, top + rows), width


# A single mask limits stylization to its region.
Mask = Image.Image | RegionMap


def as_regions(mask: Mask | None) -> RegionMap | None:
    """Return a mask as regions: its white is the first style, its black the photo.

    Raises:
        StyleNetError: The mask is not of mode L.
    """
    return RegionMap([mask], [0]) if isinstance(mask, Image.Image) else mask


def check_mask(mask: Mask, width: int, height: int) -> None:
    """Raise if a mask does not fit an image.

    Args:
        mask: An image of mode L, or regions.
        width: Width of the image in pixels.
        height: Height of the image in pixels.

    Raises:
        StyleNetError: The mask has another mode or another size.
    """
    if mask.size != (width, height):
        raise StyleNetError(
            f"the mask has {mask.size[0]}x{mask.size[1]} pixels, the image {width}x{height}; "
            f"resize the mask to the image's size"
        )
    if isinstance(mask, Image.Image) and mask.mode != "L":
        raise StyleNetError(f"the mask has mode {mask.mode}, expected L; use mask.convert('L')")
