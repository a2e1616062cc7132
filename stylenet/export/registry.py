"""Registry of export formats."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch.export import ExportedProgram

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.export.check import Runner
from stylenet.export.onnx_files import Quantizer
from stylenet.plugins import load_plugins


@dataclass(frozen=True)
class ExportFormat:
    """Writer and reader of the files of another runtime.

    Attributes:
        suffix: Suffix of the file; empty for a folder.
        write: Writes a traced network. Its arguments are the program, the path, the checkpoint's
            metadata, and a function that quantizes an ONNX file, which formats without ONNX ignore.
        read: Loads the file and returns a function that stylizes images with it, for comparison
            with PyTorch. Images are RGB in [0, 1], shape (N, 3, H, W); with ``uint8=true`` uint8,
            shape (N, H, W, 3).
        from_onnx: Whether ``write`` makes an ONNX file first, which int8 needs.
    """

    suffix: str
    write: Callable[[ExportedProgram, Path, CheckpointInfo, Quantizer], None]
    read: Callable[[Path], Runner]
    from_onnx: bool = False


_FORMATS: dict[str, ExportFormat] = {}


def register_format(name: str, export_format: ExportFormat) -> None:
    """Register an export format for ``stylenet export format=NAME``.

    Args:
        name: Name of the format.
        export_format: Its writer and reader.

    Raises:
        ValueError: The name is taken.
    """
    if name in _FORMATS:
        raise ValueError(f"an export format named {name} is already registered")
    _FORMATS[name] = export_format


def available_formats() -> list[str]:
    """Return the names of the registered formats, in order of registration."""
    return list(_FORMATS)


def find_format(name: str) -> ExportFormat:
    """Return a registered format; plugins are loaded if the name is unknown.

    Raises:
        StyleNetError: There is no format of this name.
    """
    if name not in _FORMATS:
        load_plugins()
    if name not in _FORMATS:
        raise StyleNetError(
            f"format={name} is unknown; choose one of {', '.join(available_formats())}"
        )
    return _FORMATS[name]
