"""The command that exports networks to other runtimes."""

import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

from stylenet.cli.app import run
from stylenet.cli.export_page import (
    export_to_page,
    load_network,
    print_comparison,
    sample_photos,
)
from stylenet.errors import StyleNetError, check_number
from stylenet.export import ExportOptions, export_network
from stylenet.files import user_path


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
    options = ExportOptions(
        config.format, config.precision, config.uint8, parse_size(config.size), config.dials
    )
    if config.size is None and options.size is not None:
        height, width = options.size
        print(
            f"size={width}x{height}: a file for {options.format} holds one image size; choose "
            f"another by size=WIDTHxHEIGHT"
        )
    if options.format == "web":
        export_to_page(config, options)
        return
    if OmegaConf.is_list(config.checkpoint):
        raise StyleNetError("Several checkpoints need format=web, which puts them on one page.")
    network, info = load_network(config, str(config.checkpoint))
    target = user_path(config.output)
    photos = sample_photos() if options.precision.startswith("int8") else []
    report = export_network(network, info, target, options, photos)
    print(f"{target}: {report.bytes / 1e6:.2f} MB")
    print_comparison(report)


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
