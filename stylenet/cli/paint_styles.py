"""The command that paints the bundled style images."""

from omegaconf import DictConfig

from stylenet.cli.app import run
from stylenet.errors import StyleNetError, check_choice, check_number
from stylenet.files import atomic_path, user_path
from stylenet.painting import PAINTINGS


def main() -> None:
    """Run ``stylenet styles paint``."""
    run(paint_styles, "paint_styles")


def paint_styles(config: DictConfig) -> None:
    """Paint the named images into a folder.

    Args:
        config: configs/paint_styles.yaml, composed.

    Raises:
        StyleNetError: A value is impossible, or a file cannot be written.
    """
    names = [config.names] if isinstance(config.names, str) else list(config.names or [])
    if not names:
        raise StyleNetError(f"names is empty. Choose from {', '.join(PAINTINGS)}.")
    for name in names:
        check_choice("names", name, PAINTINGS)
    check_number("seed", config.seed, minimum=0, integer=True)
    # In a smaller image, the brush is as large as the objects.
    check_number("size", config.size, minimum=32, integer=True)
    check_number("quality", config.quality, minimum=1, maximum=100, integer=True)
    for name in names:
        image = PAINTINGS[name](config.size, config.seed)
        path = user_path(config.output) / f"{name}.jpg"
        with atomic_path(path) as temporary:
            image.save(temporary, quality=config.quality, optimize=True)
        print(path)
