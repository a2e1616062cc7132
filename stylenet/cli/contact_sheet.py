"""The command that shows styles on the same photos, side by side."""

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
    """Write an image with a row for each photo and a column for each style.

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
        # Paths distinguish two networks of one style.
        columns[style if name in columns else name] = [stylizer(photo) for photo in photos]
    sheet = LoadedImage(draw_sheet(columns, config.size))
    save_image(sheet, output, config.quality)
    print(config.output)


def _styles(config: DictConfig) -> list[str]:
    """Return the requested networks without duplicates; by default all pretrained ones."""
    if config.styles is None:
        return [str(path) for path in pretrained_styles().values()]
    styles = [config.styles] if isinstance(config.styles, str) else list(config.styles)
    if not styles:
        raise StyleNetError("styles=[] is empty. Name at least one style, or leave it out for all.")
    return list(dict.fromkeys(str(style) for style in styles))


def _photos(config: DictConfig) -> list[Path]:
    """Return the requested photos; by default the samples of the quick start."""
    if config.photos is None:
        samples = build(config.samples)
        return [samples.photo_folder() / name for name in samples.list_photos()]
    folder = user_path(config.photos)
    names = sorted(walk_files(folder, SUFFIXES)[0]) if folder.is_dir() else []
    if not names:
        raise StyleNetError(f"No images found in photos={folder}. Give a folder of images.")
    return [folder / name for name in names]


def _square(path: Path, size: int) -> Image.Image:
    """Return the center of a photo, mode RGB, ``size`` pixels high and wide."""
    return ImageOps.fit(flatten(load_image(path)), (size, size), Image.Resampling.LANCZOS)


def sheet_size(columns: int, rows: int, size: int) -> tuple[int, int]:
    """Return the width and height of a contact sheet in pixels.

    Args:
        columns: Number of columns, including the photos'.
        rows: Number of photos.
        size: Height and width of each image in pixels.
    """
    step = size + _GAP
    return columns * step - _GAP, rows * step - _GAP + _HEADER


def draw_sheet(columns: dict[str, list[Image.Image]], size: int) -> Image.Image:
    """Draw a contact sheet: columns of images under their headers, on white."""
    rows = len(next(iter(columns.values())))
    step = size + _GAP
    sheet = Image.new("RGB", sheet_size(len(columns), rows, size), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(16)
    for column, (header, images) in enumerate(columns.items()):
        draw.text((column * step + size // 2, 4), header, "black", font, anchor="ma")
        for row, image in enumerate(images):
            sheet.paste(image, (column * step, row * step + _HEADER))
    return sheet
