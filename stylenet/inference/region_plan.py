"""Styles of regions as users write them: mask files, or a label image with a legend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageFilter

from stylenet.errors import StyleNetError
from stylenet.files import user_path
from stylenet.image import SUFFIXES, load_image, open_image
from stylenet.image.labels import parse_color, split_by_color, split_by_index
from stylenet.inference.region_map import RegionMap

_EXAMPLE = "'{sky.png: starry, rest: great_wave}' or '{labels: labels.png, red: starry}'"
_LABELS, _REST = "labels", "rest"


@dataclass(frozen=True)
class RegionPlan:
    """Regions that a user names, before their files are read.

    Attributes:
        paths: The masks, or the one label image: images, videos, or folders with one image for each
            image of a folder.
        legend: Colors or indices of the label image, as the user writes them; empty for masks.
        styles: Styles in the order of their first use, as the user writes them.
        targets: Index in ``styles`` for each mask or entry of the legend; ``None`` keeps the photo.
        rest: Index in ``styles`` for what lies in no region; ``None`` keeps the photo.
        feather: Width in pixels of the soft edge that masks get.
    """

    paths: tuple[Path, ...]
    legend: tuple[str | int, ...]
    styles: tuple[str, ...]
    targets: tuple[int | None, ...]
    rest: int | None
    feather: float = 0.0

    @classmethod
    def for_mask(cls, path: Path, feather: float = 0.0) -> "RegionPlan":
        """Return the plan of a single mask: the only style inside, the photo outside."""
        return cls((path,), (), ("",), (0,), None, feather)

    @classmethod
    def parse(cls, regions: Any, feather: float = 0.0) -> "RegionPlan":
        """Parse regions.

        Args:
            regions: A mapping from mask files to styles. ``rest`` is the style outside all masks.
                With ``labels``, a label image, the keys are its colors (``red``, ``ff8000``) or
                indices (``3``). ``None`` as a style keeps the photo.
            feather: Width in pixels of the soft edge that masks get.

        Raises:
            StyleNetError: The value is something else, or names no mask or no style.
        """
        if not isinstance(regions, Mapping) or not regions:
            raise StyleNetError(f"regions={regions} is not a mapping. Give one such as {_EXAMPLE}.")
        entries = {str(k) if not _is_index(k) else int(k): v for k, v in regions.items()}
        for key, style in entries.items():
            if isinstance(style, bool | Mapping | list) or style == "":
                raise StyleNetError(
                    f"regions: {key} has the style {style}. Give a style, or null for the photo."
                )
        rest, labels = entries.pop(_REST, None), entries.pop(_LABELS, None)
        texts = [None if style is None else str(style) for style in (*entries.values(), rest)]
        styles = tuple(dict.fromkeys(text for text in texts if text is not None))
        if not entries:
            raise StyleNetError(f"regions={dict(regions)} has no mask. Give one: {_EXAMPLE}.")
        if not styles:
            raise StyleNetError(
                f"regions={dict(regions)} keeps the photo everywhere. Give a style: {_EXAMPLE}."
            )
        targets = [None if text is None else styles.index(text) for text in texts]
        legend: tuple[str | int, ...] = ()
        if labels is None:
            paths = tuple(user_path(str(key)) for key in entries)
        else:
            paths, legend = (user_path(str(labels)),), tuple(entries)
            if len({_is_index(key) for key in legend}) > 1:
                raise StyleNetError(
                    f"regions: the legend {', '.join(map(str, legend))} mixes colors and indices. "
                    f"Give one kind."
                )
            for key in legend:
                if not _is_index(key):
                    parse_color(str(key))
        return cls(paths, legend, styles, tuple(targets[:-1]), targets[-1], feather)

    @property
    def has_folders(self) -> bool:
        """Return whether masks are folders, with one file for each image of a folder."""
        return any(path.is_dir() for path in self.paths)

    def for_image(self, relative: Path) -> "RegionPlan":
        """Return the plan of one image of a folder.

        Args:
            relative: Path of the image in its folder. Its masks have the same path in theirs, with
                any suffix of an image.

        Raises:
            StyleNetError: A folder has no mask for the image.
        """
        return replace(self, paths=tuple(_mask_of(path, relative) for path in self.paths))

    def read(self) -> RegionMap:
        """Read the files, which are images.

        Raises:
            StyleNetError: A file is unreadable, or sizes differ.
        """
        return self.combine([self.read_image(path) for path in self.paths])

    def read_image(self, path: Path) -> Image.Image:
        """Read one file, an image, in the mode that :meth:`combine` takes."""
        if self.legend and _is_index(self.legend[0]):
            return open_image(path)
        rgb = load_image(path).rgb
        return rgb if self.legend else rgb.convert("L")

    def combine(self, images: Sequence[Image.Image]) -> RegionMap:
        """Make regions of the images of :attr:`paths`.

        Args:
            images: Masks of any mode, whose brightness counts, or a label image.

        Raises:
            StyleNetError: Their sizes differ, or a label image has colors instead of indices.
        """
        for path, image in zip(self.paths, images, strict=True):
            if image.size != images[0].size:
                raise StyleNetError(
                    f"{path} has {image.width}x{image.height} pixels, {self.paths[0]} "
                    f"{images[0].width}x{images[0].height}. Give masks of one size."
                )
        if not self.legend:
            masks = [image.convert("L") for image in images]
        elif _is_index(self.legend[0]):
            try:
                masks = split_by_index(images[0], [int(key) for key in self.legend])
            except StyleNetError as error:
                raise StyleNetError(f"{self.paths[0]}: {error}") from error
        else:
            masks = split_by_color(images[0], [parse_color(str(key)) for key in self.legend])
        if self.feather:
            # A Gaussian rises from 10 to 90 % within 2.56 standard deviations.
            blur = ImageFilter.GaussianBlur(self.feather / 2.56)
            masks = [mask.filter(blur) for mask in masks]
        return RegionMap(masks, self.targets, self.rest)

    def describe(self, regions: RegionMap, names: Sequence[str]) -> str:
        """Describe the parts of the styles, overlaps and gaps in one line.

        Args:
            regions: From :meth:`read`.
            names: Name of each style.
        """
        shares = regions.shares()
        parts = [(name, share) for name, share in zip(names, shares.styles, strict=False)]
        parts += [("photo", shares.photo)] if shares.photo else []
        text = "regions: " + ", ".join(f"{name} {share:.0%}" for name, share in parts)
        if shares.overlap:
            text += f"; masks overlap on {_percent(shares.overlap)}, where their sum is scaled to 1"
        if shares.gap:
            filled = "keeps the photo" if self.rest is None else f"gets {names[self.rest]}"
            text += f"; {_percent(shares.gap)} lies in no mask and {filled}"
        masks = self.legend or [path.name for path in self.paths]
        empty = [
            str(mask) for mask, part in zip(masks, regions.mask_shares, strict=True) if not part
        ]
        if empty:
            text += f"; {', '.join(empty)} {'covers' if len(empty) == 1 else 'cover'} no pixel"
        return text


def _mask_of(path: Path, relative: Path) -> Path:
    """Return the mask of an image in a folder of masks; a file serves all images."""
    if not path.is_dir():
        return path
    suffixes = [relative.suffix, ".png", *sorted(SUFFIXES)]
    masks = [path / relative.with_suffix(suffix) for suffix in suffixes]
    for mask in masks:
        if mask.is_file():
            return mask
    raise StyleNetError(f"{path} has no mask for {relative}. Add one, such as {masks[1]}.")


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"


def _is_index(key: object) -> bool:
    return isinstance(key, int) and not isinstance(key, bool)
