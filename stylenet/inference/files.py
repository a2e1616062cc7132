"""Repainting files and folders of files."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from stylenet.errors import StyleNetError
from stylenet.files import find_inputs, reason, refuse_input
from stylenet.image import (
    ANIMATION_SUFFIXES,
    WRITABLE_SUFFIXES,
    check_writable_suffix,
    is_animated,
    load_picture,
    read_animation,
    save_animation,
    save_picture,
)
from stylenet.inference.settings import RepaintSettings
from stylenet.inference.stylizer import Progress, Stylizer
from stylenet.share import ALONE, Share


def repaint_file(
    stylizer: Stylizer,
    source: Path,
    target: Path,
    settings: RepaintSettings | None = None,
    mask: Image.Image | None = None,
    quality: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Repaints one picture; the result appears whole or not at all.

    Args:
        stylizer: What repaints.
        source: The picture.
        target: Where the result goes; its suffix chooses the format.
        settings: See :meth:`Stylizer.repaint`.
        mask: See :meth:`Stylizer.repaint`.
        quality: See :func:`stylenet.image.save_picture`.
        progress: See :meth:`Stylizer.repaint`.

    Raises:
        StyleNetError: The picture is unreadable, the target unwritable, or both are the same.
    """
    check_writable_suffix(target)
    refuse_input(target, source)
    try:
        if is_animated(source):
            _repaint_animation(stylizer, source, target, settings, mask, quality)
            return
        picture = stylizer.repaint(load_picture(source), settings, mask, progress)
        save_picture(picture, target, quality)
    except StyleNetError as error:
        if str(source) in str(error) or str(target) in str(error):
            raise
        raise StyleNetError(f"{source}: {error}") from error


def _repaint_animation(
    stylizer: Stylizer,
    source: Path,
    target: Path,
    settings: RepaintSettings | None,
    mask: Image.Image | None,
    quality: int | None,
) -> None:
    """Repaints a picture that moves, frame by frame."""
    if target.suffix.lower() not in ANIMATION_SUFFIXES:
        raise StyleNetError(
            f"{source} moves, which {target.suffix} cannot; choose an output that ends in "
            f"{', '.join(sorted(ANIMATION_SUFFIXES))}"
        )
    animation = read_animation(source)
    frames = (
        dataclasses.replace(frame, picture=stylizer.repaint(frame.picture, settings, mask))
        for frame in animation
    )
    save_animation(frames, target, animation.plays, quality)


def name_result(source: Path, style: str, pattern: str, suffix: str | None) -> str:
    """Names the file for a result.

    Args:
        source: The picture.
        style: Name of the style.
        pattern: The name without its suffix; ``{name}`` stands for the picture's own, ``{style}``
            for the style's.
        suffix: Of the format, such as ``png``; ``None`` for the picture's own, if that can be
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
    share: Share = ALONE,
) -> tuple[list[tuple[Path, Path]], int]:
    """Says which pictures of a folder are to be repainted, and where the results go.

    Args:
        source: The folder.
        target: The folder for the results; subfolders are the same as in ``source``.
        name: Names the result of a picture.
        overwrite: Whether to repaint pictures whose result is there already.
        share: Which of several processes this is. Each takes every ``world``-th picture of the
            whole folder, done or not: so none is done twice, and none left out, whenever they look.

    Returns:
        Pictures with the files for their results, and how many were left out.

    Raises:
        StyleNetError: See :func:`find_pictures`; or two pictures have one name for their results.
    """
    pairs: dict[Path, Path] = {}
    for relative in find_pictures(source, target):
        result = target / relative.parent / name(relative)
        if result in pairs:
            raise StyleNetError(
                f"{pairs[result]} and {source / relative} would both go to {result}; leave format "
                f"and name out, or repaint them one by one"
            )
        pairs[result] = source / relative
    own = list(pairs.items())[share.rank :: share.world]
    wanted = [(photo, result) for result, photo in own if overwrite or not os.path.isfile(result)]
    return wanted, len(own) - len(wanted)


def find_pictures(source: Path, target: Path) -> list[Path]:
    """Lists the pictures of a folder and its subfolders that are to be repainted.

    Args:
        source: The folder.
        target: The folder for the results; if it lies inside ``source``, what it holds is left
            out.

    Returns:
        Paths relative to ``source``, at least one.

    Raises:
        StyleNetError: The folder is unreadable, holds no picture, or is or lies in the target.
    """
    if target.is_file():
        raise StyleNetError(f"output={target} is a file, expected a folder: input={source} is one")
    inside = target.resolve()
    if inside == source.resolve():
        raise StyleNetError(f"output={target} is the input folder itself; choose another one")
    if inside in source.resolve().parents:  # a/a/x.jpg would go to a/x.jpg, itself a picture
        raise StyleNetError(f"output={target} holds the input folder {source}; choose another one")
    try:
        names = find_inputs(source, target, WRITABLE_SUFFIXES)
    except OSError as error:
        raise StyleNetError(f"input={source} cannot be read: {reason(error)}") from error
    if not names:
        raise StyleNetError(
            f"input={source} holds no picture; expected {', '.join(sorted(WRITABLE_SUFFIXES))} "
            f"files in it or its subfolders"
        )
    return names
