"""Stylizing files and folders of files."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from stylenet.errors import StyleNetError
from stylenet.files import find_inputs, reason, refuse_input
from stylenet.image import (
    ANIMATION_SUFFIXES,
    PAGE_SUFFIXES,
    READABLE_SUFFIXES,
    WRITABLE_SUFFIXES,
    LoadedImage,
    Pages,
    check_writable_suffix,
    find_pages,
    is_animated,
    load_image,
    loses_transparency,
    read_animation,
    save_animation,
    save_image,
    save_pages,
)
from stylenet.inference.options import StylizeOptions
from stylenet.inference.stylizer import Progress, Stylizer
from stylenet.ranks import SINGLE, Rank


def stylize_file(
    stylizer: Stylizer,
    source: Path,
    target: Path,
    settings: StylizeOptions | None = None,
    mask: Image.Image | None = None,
    quality: int | None = None,
    progress: Progress | None = None,
    background: str = "white",
) -> list[str]:
    """Stylize an image file; the result appears whole or not at all.

    An animation keeps its frames and a TIFF file its pages.

    Args:
        stylizer: What stylizes.
        source: The file.
        target: Where the result goes; its suffix chooses the format.
        settings: See :meth:`Stylizer.stylize`.
        mask: See :meth:`Stylizer.stylize`.
        quality: See :func:`stylenet.image.save_image`.
        progress: See :meth:`Stylizer.stylize`.
        background: See :func:`stylenet.image.save_image`.

    Returns:
        What the source holds and the result does not, a name for each.

    Raises:
        StyleNetError: The image is unreadable, the target unwritable, or both are the same.
    """
    check_writable_suffix(target)
    refuse_input(target, source)
    try:
        if is_animated(source):
            return _stylize_animation(stylizer, source, target, settings, mask, quality)
        pages = find_pages(source)
        if len(pages) > 1:
            return _stylize_pages(stylizer, pages, target, settings, mask)
        picture = stylizer.stylize(load_image(source), settings, mask, progress)
        return save_result(picture, target, quality, background) + _thumbnails(pages)
    except StyleNetError as error:
        if str(source) in str(error) or str(target) in str(error):
            raise
        raise StyleNetError(f"{source}: {error}") from error


def save_result(
    picture: LoadedImage, target: Path, quality: int | None = None, background: str = "white"
) -> list[str]:
    """Write a stylized image.

    Args:
        picture: The image.
        target: See :func:`stylenet.image.save_image`.
        quality: See :func:`stylenet.image.save_image`.
        background: See :func:`stylenet.image.save_image`.

    Returns:
        What the image's source holds and the file does not.

    Raises:
        StyleNetError: See :func:`stylenet.image.save_image`.
    """
    save_image(picture, target, quality, background)
    lost = list(picture.left_out)
    if loses_transparency(picture, target):
        lost.append(f"transparency (laid on {background})")
    return lost


def _stylize_animation(
    stylizer: Stylizer,
    source: Path,
    target: Path,
    settings: StylizeOptions | None,
    mask: Image.Image | None,
    quality: int | None,
) -> list[str]:
    """Stylize an animation frame by frame."""
    if target.suffix.lower() not in ANIMATION_SUFFIXES:
        raise StyleNetError(
            f"{source} moves, which {target.suffix} cannot; choose an output that ends in "
            f"{', '.join(sorted(ANIMATION_SUFFIXES))}"
        )
    animation = read_animation(source)
    frames = (
        dataclasses.replace(frame, picture=stylizer.stylize(frame.picture, settings, mask))
        for frame in animation
    )
    save_animation(frames, target, animation.plays, quality)
    endless = target.suffix.lower() == ".avif" and animation.plays
    return ["number of repetitions (an AVIF repeats endlessly)"] if endless else []


def _stylize_pages(
    stylizer: Stylizer,
    pages: Pages,
    target: Path,
    settings: StylizeOptions | None,
    mask: Image.Image | None,
) -> list[str]:
    """Stylize a TIFF file page by page."""
    if target.suffix.lower() not in PAGE_SUFFIXES:
        raise StyleNetError(
            f"{pages.path} has {len(pages)} pages, which {target.suffix} cannot hold; choose an "
            f"output that ends in {', '.join(sorted(PAGE_SUFFIXES))}"
        )
    save_pages((stylizer.stylize(page, settings, mask) for page in pages), target)
    return _thumbnails(pages)


def _thumbnails(pages: Pages) -> list[str]:
    return ["thumbnails or masks"] if pages.left_out else []


def name_result(source: Path, style: str, pattern: str, suffix: str | None) -> str:
    """Names the file for a result.

    Args:
        source: The image.
        style: Name of the style.
        pattern: The name without its suffix; ``{name}`` stands for the image's own, ``{style}``
            for the style's.
        suffix: Of the format, such as ``png``; ``None`` for the image's own, if that can be
            written.

    Returns:
        The name.

    Raises:
        StyleNetError: The pattern or the format is impossible.
    """
    try:
        stem = pattern.format(name=source.stem, style=style)
        added = pattern.format(name="", style=style)  # the photo's own may hold a backslash
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        raise StyleNetError(
            f"name={pattern} is no pattern; what stands in braces is {{name}} or {{style}}"
        ) from error
    if not stem or "/" in added or "\\" in added:
        raise StyleNetError(f"name={pattern} gives {stem or 'nothing'}, expected a file name")
    if suffix is None:
        suffix = source.suffix if source.suffix.lower() in WRITABLE_SUFFIXES else ".png"
    name = f"{stem}.{suffix.removeprefix('.')}"
    check_writable_suffix(Path(name))
    return name


def plan_folder(
    source: Path,
    target: Path,
    name: Callable[[Path], str],
    overwrite: bool,
    share: Rank = SINGLE,
) -> tuple[list[tuple[Path, Path]], int]:
    """Says which images of a folder are to be stylized, and where the results go.

    Args:
        source: The folder.
        target: The folder for the results; subfolders are the same as in ``source``.
        name: Names the result of an image.
        overwrite: Whether to stylize images whose result is there already.
        share: Which of several processes this is. Each takes every ``world``-th image of the
            whole folder, done or not: so none is done twice, and none left out, whenever they look.

    Returns:
        Images with the files for their results, and how many were left out.

    Raises:
        StyleNetError: See :func:`find_images`; or two images have one name for their results.
    """
    pairs: dict[Path, Path] = {}
    found = find_images(source, target)
    # Formats that are not written get their results' names last, beside those of the others.
    for relative in sorted(found, key=lambda path: path.suffix.lower() not in WRITABLE_SUFFIXES):
        result = target / relative.parent / name(relative)
        if result in pairs and relative.suffix.lower() not in WRITABLE_SUFFIXES:
            suffix = relative.suffix
            result = result.with_name(
                name(relative.with_name(f"{relative.stem}_{suffix[1:]}{suffix}"))
            )
        if result in pairs:
            raise StyleNetError(
                f"{pairs[result]} and {source / relative} would both go to {result}; leave format "
                f"and name out, or stylize them one by one"
            )
        pairs[result] = source / relative
    places = {source / relative: place for place, relative in enumerate(found)}
    own = sorted(pairs.items(), key=lambda pair: places[pair[1]])[share.rank :: share.world]
    wanted = [(photo, result) for result, photo in own if overwrite or not os.path.isfile(result)]
    return wanted, len(own) - len(wanted)


def find_images(source: Path, target: Path) -> list[Path]:
    """Lists the images of a folder and its subfolders that are to be stylized.

    Args:
        source: The folder.
        target: The folder for the results; if it lies inside ``source``, what it holds is left
            out.

    Returns:
        Paths relative to ``source``, at least one.

    Raises:
        StyleNetError: The folder is unreadable, holds no image, or is or lies in the target.
    """
    if target.is_file():
        raise StyleNetError(f"output={target} is a file, expected a folder: input={source} is one")
    inside = target.resolve()
    if inside == source.resolve():
        raise StyleNetError(f"output={target} is the input folder itself; choose another one")
    if inside in source.resolve().parents:  # a/a/x.jpg would go to a/x.jpg, itself an image
        raise StyleNetError(f"output={target} holds the input folder {source}; choose another one")
    try:
        names = find_inputs(source, target, READABLE_SUFFIXES)
    except OSError as error:
        raise StyleNetError(f"input={source} cannot be read: {reason(error)}") from error
    if not names:
        raise StyleNetError(
            f"input={source} holds no image; expected {', '.join(sorted(WRITABLE_SUFFIXES))} "
            f"files in it or its subfolders"
        )
    return names
