"""The command that writes networks for other runtimes."""

from pathlib import Path

from omegaconf import DictConfig

from stylenet.checkpoint import load_artefact
from stylenet.cli.app import run
from stylenet.export import ExportSettings, export_network


def main() -> None:
    """Runs ``scripts/export.py``."""
    run(export, "export")


def export(config: DictConfig) -> None:
    """Exports a network and prints how it compares with the network itself.

    Args:
        config: configs/export.yaml, composed.

    Raises:
        StyleNetError: See :func:`stylenet.export.export_network`.
    """
    settings = ExportSettings(config.format, config.precision, config.uint8)
    network, info = load_artefact(str(config.checkpoint))
    target = Path(str(config.output)).expanduser()
    report = export_network(network, info, target, settings)
    print(f"{target}: {report.bytes / 1e6:.2f} MB")
    print(
        f"difference from PyTorch: {report.mean_difference:.4f}/255 on average, "
        f"{report.max_difference:.3f}/255 at most, "
        f"at {', '.join('x'.join(map(str, size)) for size in report.sizes)}"
    )
    print(
        f"256 x 256 pixels: {report.seconds * 1e3:.0f} ms, "
        f"PyTorch in float32 {report.seconds_pytorch * 1e3:.0f} ms"
    )
