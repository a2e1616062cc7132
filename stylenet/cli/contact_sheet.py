"""The command that shows every style on the same photos."""

from pathlib import Path

from omegaconf import DictConfig
from PIL import Image, ImageDraw, ImageFont, ImageOps
from tqdm import tqdm

from stylenet.cli.app import build, run
from stylenet.errors import StyleNetError, check_number
from stylenet.files import check_output, user_path, walk_files
from stylenet.image import (
    SUFFIXES,
    LoadedImage,
    check_quality,
    check_writable_suffix,
    flatten,
    load_image,
    save_image,
)
from stylenet.image.formats import check_size, format_of
from stylenet.inference import Stylizer
from stylenet.pretrained import pretrained_styles

_GAP = 6  # pixels between images
_HEADER = 28  # pixels above the images, for a line of 16


def main() -> None:
    """Run ``stylenet styles sheet``."""
    run(contact_sheet, "contact_sheet")


def contact_sheet(config: DictConfig) -> None:
    """Paints a table of photos and styles: a row for each photo, a column for each style.

    Args:
        config: configs/contact_sheet.yaml, composed.

    Raises:
        StyleNetError: A photo or a network is unusable, or the sheet cannot be written.
    """
    check_number("size", config.size, minimum=64, integer=True)
    check_quality(config.quality)
    styles = _styles(config)
    output = user_path(config.output)
    paths = _photos(config)
    check_writable_suffix(output)
    check_size(sheet_size(len(styles) + 1, len(paths), config.size), format_of(output), output)
    check_output(output)
    photos = [_square(path, config.size) for path in paths]
    columns = {"": photos}
    for style in tqdm(styles, unit="style", dynamic_ncols=True):
        stylizer = Stylizer.load(style, str(config.device))
        name = stylizer.info.style
        # Two networks of one style are told from each other by where they are.
        columns[style if name in columns else name] = [stylizer(photo) for photo in photos]
    sheet = LoadedImage(draw_sheet(columns, config.size))
    save_image(sheet, output, config.quality)
    print(config.output)


def _styles(config: DictConfig) -> list[str]:
    """The networks that the user means, each once; or the files of all that StyleNet brings."""
    if config.styles is None:
        return [str(path) for path in pretrained_styles().values()]
    given = [config.styles] if isinstance(config.styles, str) else list(config.styles)
    if not given:
        raise StyleNetError("styles=[] is empty; name at least one, or leave it out for all")
    return list(dict.fromkeys(str(style) for style in given))


def _photos(config: DictConfig) -> list[Path]:
    """The photos that the user means, or the samples of the quick start."""
    if config.photos is None:
        samples = build(config.samples)
        return [samples.photo_folder() / name for name in samples.list_photos()]
    folder = user_path(config.photos)
    names = sorted(walk_files(folder, SUFFIXES)[0]) if folder.is_dir() else []
    if not names:
        raise StyleNetError(f"photos={folder}: expected a folder of images")
    return [folder / name for name in names]


def _square(path: Path, size: int) -> Image.Image:
    """The middle of a photo, mode RGB."""
    return ImageOps.fit(flatten(load_image(path)), (size, size), Image.Resampling.LANCZOS)


def sheet_size(columns: int, rows: int, size: int) -> tuple[int, int]:
    """Says how large a table is.

    Args:
        columns: How many, with that of the photos.
        rows: How many.
        size: Side of the images in pixels.

    Returns:
        Width and height in pixels.
    """
    step = size + _GAP
    return columns * step - _GAP, rows * step - _GAP + _HEADER


def draw_sheet(columns: dict[str, list[Image.Image]], size: int) -> Image.Image:
    """The images in columns under their headers, on white."""
    rows = len(next(iter(columns.values())))
    step = size + _GAP
    sheet = Image.new("RGB", sheet_size(len(columns), rows, size), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(16)
    for column, (header, images) in enumerate(columns.items()):
        draw.text((column * step + size // 2, 4), header, "black", font, anchor="ma")
        for row, picture in enumerate(images):
            sheet.paste(picture, (column * step, row * step + _HEADER))
    return sheet
