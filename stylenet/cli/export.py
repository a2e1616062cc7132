"""The command that exports networks to other runtimes."""

import re
from shlex import quote
from typing import Any

from omegaconf import DictConfig, OmegaConf
from PIL import ImageOps
from torch import Tensor

from stylenet.checkpoint import load_style
from stylenet.cli.app import run
from stylenet.data import SamplePhotos
from stylenet.errors import StyleNetError, check_number
from stylenet.export import ExportOptions, export_network
from stylenet.files import user_path
from stylenet.image import load_image, to_tensor

# Height and width of the photos that calibrate int8 and compare it with float32.
_SIDE = 256


def main() -> None:
    """Run ``stylenet export``."""
    run(export, "export")


def export(config: DictConfig) -> None:
    """Export a network and print its difference from PyTorch.

    Args:
        config: configs/export.yaml, composed.

    Raises:
        StyleNetError: See :func:`stylenet.export.export_network`.
    """
    options = ExportOptions(config.format, config.precision, config.uint8, parse_size(config.size))
    if config.size is None and options.size is not None:
        height, width = options.size
        print(
            f"size={width}x{height}: a file for {options.format} holds one image size; choose "
            f"another by size=WIDTHxHEIGHT"
        )
    style = None if config.style_name is None else str(config.style_name)
    network, info = load_style(
        str(config.checkpoint), style, config.style_size, config.encoder_weights
    )
    target = user_path(config.output)
    photos = _sample_photos() if options.precision.startswith("int8") else []
    report = export_network(network, info, target, options, photos)
    print(f"{target}: {report.bytes / 1e6:.2f} MB")
    if report.seconds is not None and report.seconds_pytorch is not None:
        print(
            f"difference from PyTorch: {report.mean_difference:.4f}/255 on average, "
            f"{report.max_difference:.4f}/255 at most, "
            f"at {', '.join('x'.join(map(str, size)) for size in report.sizes)}"
        )
        print(
            f"{' x '.join(map(str, report.sizes[0][1:]))} pixels: {report.seconds * 1e3:.0f} ms, "
            f"PyTorch in float32 {report.seconds_pytorch * 1e3:.0f} ms"
        )
    if report.remark is not None:
        print(report.remark)
    if options.format == "web":
        print(f"open it: cd {quote(str(target))} && npm install && python -m http.server")


def parse_size(value: Any) -> tuple[int, int] | None:
    """Read the option ``size``.

    Args:
        value: ``WIDTHxHEIGHT`` such as ``640x480``, one number for a square, a list of height and
            width, or ``None``.

    Returns:
        Height and width, or ``None`` for any size.

    Raises:
        StyleNetError: The value is something else, or not positive.
    """
    if value is None:
        return None
    sides = list(value) if OmegaConf.is_list(value) else None
    if sides is None:
        match = re.fullmatch(r"(\d+)(?:x(\d+))?", str(value))
        sides = [int(match[2] or match[1]), int(match[1])] if match else []
    if len(sides) != 2:
        raise StyleNetError(
            f"size={value}: expected width and height in pixels, such as size=640x480"
        )
    for side in sides:
        check_number("size", side, minimum=1, integer=True)
    height, width = sides
    return height, width


def _sample_photos() -> list[Tensor]:
    """Return center crops of scikit-image's photographs."""
    samples = SamplePhotos("scikit-image", crop_size=_SIDE, batch_size=1)
    images = (load_image(samples.photo_folder() / name) for name in samples.list_photos())
    # (1, 3, 256, 256) each
    return [to_tensor(ImageOps.fit(image.rgb, (_SIDE, _SIDE))) for image in images]
