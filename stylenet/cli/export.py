"""The command that exports networks to other runtimes."""

from shlex import quote
from typing import Any

from omegaconf import DictConfig, OmegaConf
from PIL import ImageOps
from torch import Tensor

from stylenet.checkpoint import load_style
from stylenet.cli.app import run
from stylenet.data import SamplePhotos
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
    size: Any = list(config.size) if OmegaConf.is_list(config.size) else config.size
    options = ExportOptions(config.format, config.precision, config.uint8, size)
    style = None if config.style_name is None else str(config.style_name)
    network, info = load_style(
        str(config.checkpoint), style, config.style_size, config.encoder_weights
    )
    target = user_path(config.output)
    photos = _sample_photos() if options.precision.startswith("int8") else []
    report = export_network(network, info, target, options, photos)
    print(f"{target}: {report.bytes / 1e6:.2f} MB")
    print(
        f"difference from PyTorch: {report.mean_difference:.4f}/255 on average, "
        f"{report.max_difference:.3f}/255 at most, "
        f"at {', '.join('x'.join(map(str, size)) for size in report.sizes)}"
    )
    print(
        f"{' x '.join(map(str, report.sizes[0][1:]))} pixels: {report.seconds * 1e3:.0f} ms, "
        f"PyTorch in float32 {report.seconds_pytorch * 1e3:.0f} ms"
    )
    if options.format == "web":
        print(f"open it: cd {quote(str(target))} && npm install && python -m http.server")


def _sample_photos() -> list[Tensor]:
    """Return center crops of scikit-image's photographs."""
    samples = SamplePhotos("scikit-image", crop_size=_SIDE, batch_size=1)
    images = (load_image(samples.photo_folder() / name) for name in samples.list_photos())
    # (1, 3, 256, 256) each
    return [to_tensor(ImageOps.fit(image.rgb, (_SIDE, _SIDE))) for image in images]
