"""Stylization of uploaded photos, videos and frames of a camera."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from stylenet.app.limits import Limits
from stylenet.app.work import Work, ending
from stylenet.errors import StyleNetError, check_number
from stylenet.image import (
    LoadedImage,
    flatten,
    load_image,
    resize_long_side,
    resize_short_side,
)
from stylenet.inference import StylizeOptions, Stylizer, stylize_file
from stylenet.inference.files import name_result
from stylenet.inference.options import FULL
from stylenet.video import VideoReader, stylize_video

# Short side, in pixels, at which the network runs, by the name of the stroke size on the page.
# Strokes have a fixed size in pixels, so photos of any resolution get the same ones relative to the
# picture.
STROKES = {"Finest": None, "Fine": 1080, "Medium": 720, "Bold": 480, "Boldest": 320}
# Strokes of several sizes: short sides of the passes, of which the last is the photo's own.
LAYERED = "Layered"
_PASSES = (512, 1024)
COLORS = {"The style's": "none", "The photo's": "luminance", "Mixed": "histogram"}

# Long side of the images on the page; downloads have the full resolution.
_PREVIEW = 1600
# Short side of a camera's frames: with a compact network, two CPU cores stylize 15 a second.
_CAMERA_SIZE = 360
# Suffix of stylized videos: the format that all browsers play.
_VIDEO = ".mp4"


@dataclass(frozen=True)
class Upload:
    """A file that a visitor chose.

    Attributes:
        path: Where the file is now.
        name: Its name on the visitor's device.
    """

    path: Path
    name: str


@dataclass(frozen=True)
class StylizedPhoto:
    """Result of a photo.

    Attributes:
        path: The result in full resolution, in the format of the photo.
        before: Preview of the photo, at most 1,600 pixels long.
        after: Preview of the result, of the same size.
        size: Width and height of the result in pixels.
        left_out: Contents of the photo's file that the result does not have.
    """

    path: Path
    before: Path
    after: Path
    size: tuple[int, int]
    left_out: list[str]


def make_options(strength: float, strokes: str, colors: str, stroke: float = 1.0) -> StylizeOptions:
    """Return the options of stylization for the choices on the page.

    Args:
        strength: Weight of the stylized image, from 0 to 1.
        strokes: A key of ``STROKES``, or ``LAYERED``.
        colors: A key of ``COLORS``.
        stroke: Size of the strokes relative to that of ``strokes``, from 1/4 to 4.

    Raises:
        StyleNetError: A choice is not on the page.
    """
    if strokes not in (*STROKES, LAYERED) or colors not in COLORS:
        raise StyleNetError("This choice is not on the page. Reload the page.")
    if strokes != LAYERED:
        return StylizeOptions(STROKES[strokes], strength, COLORS[colors], stroke=stroke)
    check_number("stroke", stroke, minimum=0.25, maximum=4)
    passes: list[int | str] = [*(round(side / stroke) for side in _PASSES), FULL]
    return StylizeOptions(None, strength, COLORS[colors], passes=passes)


def preview_photo(upload: Upload, limits: Limits) -> Path:
    """Check a photo and write a preview of it beside it.

    Args:
        upload: The photo.
        limits: Limits on size and pixels.

    Returns:
        A WebP file, at most 1,600 pixels long, upright.

    Raises:
        StyleNetError: The file is not an image, damaged or too large; the message names the file as
            the visitor does.
    """
    limits.check_upload(upload.path)
    try:
        with Image.open(upload.path) as file:
            # Animations and pages count in full, because each is stylized.
            limits.check_photo(file.width, file.height * getattr(file, "n_frames", 1))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError):
        pass  # load_image knows more formats, and describes the others
    with _visitor_names(upload):
        image = flatten(load_image(upload.path))
    limits.check_photo(*image.size)
    return _save_preview(image, upload.path.with_name("before.webp"))


def stylize_photo(
    stylizer: Stylizer,
    upload: Upload,
    style: str,
    options: StylizeOptions,
    mask: Image.Image | None,
    work: Work,
) -> StylizedPhoto:
    """Stylize a photo in full resolution, as ``stylenet infer`` does.

    Args:
        stylizer: The network.
        upload: A photo that :func:`preview_photo` accepted.
        style: Name of the style, for the name of the result.
        options: See :class:`stylenet.inference.StylizeOptions`.
        mask: Mode L, of any size with the photo's aspect ratio: white where to stylize. ``None``
            for the whole photo.
        work: Stops the network between two layers or tiles.

    Raises:
        StyleNetError: The photo cannot be stylized.
        Stopped: See :meth:`Work.check`.
    """
    folder = upload.path.parent
    source = Path(upload.name)
    target = folder / name_result(Path(source.name), style, "{name}_{style}", None)
    if mask is not None:
        mask = mask.resize(load_image(upload.path).rgb.size, Image.Resampling.BICUBIC)
    with _visitor_names(upload), ending(work):
        left_out = stylize_file(
            stylizer, upload.path, target, options, mask, progress=lambda *_: work.check()
        )
    result = flatten(load_image(target))
    after = _save_preview(result, folder / "after.webp")
    return StylizedPhoto(target, folder / "before.webp", after, result.size, left_out)


def check_clip(upload: Upload, limits: Limits) -> None:
    """Check a video before it is stylized.

    Raises:
        StyleNetError: The file is not a video, too large or too long.
    """
    limits.check_upload(upload.path)
    with _visitor_names(upload), VideoReader(upload.path) as reader:
        seconds = float(reader.expected / reader.rate) if reader.expected else None
    limits.check_video(seconds)


def stylize_clip(
    stylizer: Stylizer,
    upload: Upload,
    style: str,
    options: StylizeOptions,
    work: Work,
    on_frame: Callable[[int, int | None], None],
) -> Path:
    """Stylize a video, as ``stylenet infer`` does.

    Args:
        stylizer: The network.
        upload: A video that :func:`check_clip` accepted.
        style: Name of the style, for the name of the result.
        options: Options of each frame.
        work: Stops the work between two frames.
        on_frame: Called with the number of frames done, and their total if it is known.

    Returns:
        An MP4 file.

    Raises:
        StyleNetError: The video is damaged.
        Stopped: See :meth:`Work.check`.
    """
    target = upload.path.parent / f"{Path(upload.name).stem}_{style}{_VIDEO}"

    def advance(done: int, total: int | None) -> None:
        work.check()
        on_frame(done, total)

    with _visitor_names(upload):
        stylize_video(stylizer, upload.path, target, options, progress=False, on_frame=advance)
    return target


def stylize_frame(
    stylizer: Stylizer, frame: np.ndarray, strength: float, colors: str
) -> np.ndarray:
    """Stylize a frame of a camera.

    Args:
        stylizer: The network.
        frame: RGB, uint8, shape (H, W, 3).
        strength: Weight of the stylized image, from 0 to 1.
        colors: A key of ``COLORS``.

    Returns:
        The same type, with a short side of at most 360 pixels.
    """
    image = Image.fromarray(frame)
    if min(image.size) > _CAMERA_SIZE:
        image = resize_short_side(image, _CAMERA_SIZE)
    options = make_options(strength, "Finest", colors)
    return stylizer(
        np.asarray(image), strength=options.strength, preserve_color=options.preserve_color
    )


def _save_preview(image: Image.Image, path: Path) -> Path:
    if max(image.size) > _PREVIEW:
        image = resize_long_side(LoadedImage(image), _PREVIEW).rgb
    image.save(path, "WEBP", quality=90)
    return path


@contextmanager
def _visitor_names(upload: Upload) -> Iterator[None]:
    """Name the file in errors as the visitor does, and nothing of the server's folders."""
    try:
        yield
    except StyleNetError as error:
        text = str(error).replace(str(upload.path), upload.name)
        raise StyleNetError(text.replace(f"{upload.path.parent}/", "")) from error
