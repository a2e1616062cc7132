"""Stylize files and folders of files."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

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
from stylenet.inference.passes import Progress
from stylenet.inference.region_map import Mask
from stylenet.inference.stylizer import Stylizer
from stylenet.ranks import SINGLE_PROCESS, Launch


def stylize_file(
    stylizer: Stylizer,
    source: Path,
    target: Path,
    options: StylizeOptions | None = None,
    mask: Mask | None = None,
    quality: int | None = None,
    progress: Progress | None = None,
    background: str = "white",
) -> list[str]:
    """Stylize an image file; the result appears complete or not at all.

    Animations are stylized frame by frame, TIFF files page by page.

    Args:
        stylizer: The stylizer to use.
        source: The content image.
        target: The output file; its suffix chooses the format.
        options: See :meth:`Stylizer.stylize`.
        mask: See :meth:`Stylizer.stylize`.
        quality: See :func:`stylenet.image.save_image`.
        progress: See :meth:`Stylizer.stylize`.
        background: See :func:`stylenet.image.save_image`.

    Returns:
        Names of whatever the source contains and the result does not.

    Raises:
        StyleNetError: The image is unreadable, the target unwritable, or both are the same.
    """
    check_writable_suffix(target)
    refuse_input(target, source)
    try:
        if is_animated(source):
            return _stylize_animation(stylizer, source, target, options, mask, quality)
        pages = find_pages(source)
        if len(pages) > 1:
            return _stylize_pages(stylizer, pages, target, options, mask)
        image = stylizer.stylize(load_image(source), options, mask, progress)
        return save_result(image, target, quality, background) + _thumbnails(pages)
    except StyleNetError as error:
        if str(source) in str(error) or str(target) in str(error):
            raise
        raise StyleNetError(f"{source}: {error}") from error


def save_result(
    image: LoadedImage, target: Path, quality: int | None = None, background: str = "white"
) -> list[str]:
    """Write a stylized image.

    Args:
        image: The stylized image.
        target: See :func:`stylenet.image.save_image`.
        quality: See :func:`stylenet.image.save_image`.
        background: See :func:`stylenet.image.save_image`.

    Returns:
        Names of whatever the content image contains and the file does not.

    Raises:
        StyleNetError: See :func:`stylenet.image.save_image`.
    """
    save_image(image, target, quality, background)
    lost = list(image.left_out)
    if loses_transparency(image, target):
        lost.append(f"transparency (laid on {background})")
    return lost


def _stylize_animation(
    stylizer: Stylizer,
    source: Path,
    target: Path,
    options: StylizeOptions | None,
    mask: Mask | None,
    quality: int | None,
) -> list[str]:
    """Stylize an animation frame by frame."""
    if target.suffix.lower() not in ANIMATION_SUFFIXES:
        raise StyleNetError(
            f"{source} is an animation, which {target.suffix} cannot hold; choose an output that "
            f"ends in {', '.join(sorted(ANIMATION_SUFFIXES))}"
        )
    animation = read_animation(source)
    frames = (
        dataclasses.replace(frame, image=stylizer.stylize(frame.image, options, mask))
        for frame in animation
    )
    save_animation(frames, target, animation.plays, quality)
    loses_count = target.suffix.lower() == ".avif" and animation.plays
    return ["number of repetitions (an AVIF repeats endlessly)"] if loses_count else []


def _stylize_pages(
    stylizer: Stylizer,
    pages: Pages,
    target: Path,
    options: StylizeOptions | None,
    mask: Mask | None,
) -> list[str]:
    """Stylize a TIFF file page by page."""
    if target.suffix.lower() not in PAGE_SUFFIXES:
        raise StyleNetError(
            f"{pages.path} has {len(pages)} pages, which {target.suffix} cannot hold; choose an "
            f"output that ends in {', '.join(sorted(PAGE_SUFFIXES))}"
        )
    save_pages((stylizer.stylize(page, options, mask) for page in pages), target)
    return _thumbnails(pages)


def _thumbnails(pages: Pages) -> list[str]:
    return ["thumbnails or masks"] if pages.left_out else []


def name_result(source: Path, style: str, pattern: str, suffix: str | None) -> str:
    """Return the file name for the result of an image.

    Args:
        source: The content image.
        style: Name of the style.
        pattern: The name without its suffix; ``{name}`` stands for the content image's name,
            ``{style}`` for the style's.
        suffix: Suffix of the format, such as ``png``; ``None`` for the content image's own, or
            ``png`` if that format cannot be written.

    Raises:
        StyleNetError: The pattern or the format is invalid.
    """
    try:
        stem = pattern.format(name=source.stem, style=style)
        fixed = pattern.format(name="", style=style)  # the image's own name may hold a backslash
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        raise StyleNetError(
            f"name={pattern} is not a valid pattern; use only {{name}} and {{style}} in braces"
        ) from error
    if not stem or "/" in fixed or "\\" in fixed:
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
    launch: Launch = SINGLE_PROCESS,
) -> tuple[list[tuple[Path, Path]], int]:
    """List the images of a folder to stylize, each with the file for its result.

    Args:
        source: The folder.
        target: The folder for the results; it gets the same subfolders as ``source``.
        name: Returns the file name for the result of an image.
        overwrite: Whether to stylize images whose result exists.
        launch: Rank and world size. Each rank takes every ``world_size``-th image of the folder,
            done or not, so that no image is stylized twice or left out, whenever a rank starts.

    Returns:
        Pairs of content image and result, and the number of images skipped.

    Raises:
        StyleNetError: See :func:`find_images`; or two images would have the same result.
    """
    pairs: dict[Path, Path] = {}
    images = find_images(source, target)
    # Images whose format cannot be written become PNGs. They are named last, so that they can avoid
    # the names of the others' results.
    for relative in sorted(images, key=lambda path: path.suffix.lower() not in WRITABLE_SUFFIXES):
        result = target / relative.parent / name(relative)
        if result in pairs and relative.suffix.lower() not in WRITABLE_SUFFIXES:
            suffix = relative.suffix
            result = result.with_name(
                name(relative.with_name(f"{relative.stem}_{suffix[1:]}{suffix}"))
            )
        if result in pairs:
            raise StyleNetError(
                f"{pairs[result]} and {source / relative} would both go to {result}; leave format "
                f"and name unset, or stylize them one by one"
            )
        pairs[result] = source / relative
    order = {source / relative: index for index, relative in enumerate(images)}
    own = sorted(pairs.items(), key=lambda pair: order[pair[1]])[launch.rank :: launch.world_size]
    wanted = [(image, result) for result, image in own if overwrite or not os.path.isfile(result)]
    return wanted, len(own) - len(wanted)


def find_images(source: Path, target: Path) -> list[Path]:
    """List the images of a folder and its subfolders.

    Args:
        source: The folder.
        target: The folder for the results; if it lies inside ``source``, it is skipped.

    Returns:
        Paths relative to ``source``, at least one.

    Raises:
        StyleNetError: The folder is unreadable, contains no image, or is or lies in the target.
    """
    if target.is_file():
        raise StyleNetError(f"output={target} is a file, expected a folder: input={source} is one")
    folder = target.resolve()
    if folder == source.resolve():
        raise StyleNetError(f"output={target} is the input folder itself; choose another one")
    if folder in source.resolve().parents:  # a/a/x.jpg would go to a/x.jpg, itself an image
        raise StyleNetError(
            f"output={target} contains the input folder {source}; choose another one"
        )
    try:
        names = find_inputs(source, target, READABLE_SUFFIXES)
    except OSError as error:
        raise StyleNetError(f"input={source} cannot be read: {reason(error)}") from error
    if not names:
        raise StyleNetError(
            f"no images found in input={source}; expected {', '.join(sorted(WRITABLE_SUFFIXES))} "
            f"files in it or its subfolders"
        )
    return names
