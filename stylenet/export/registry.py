"""Registry of export formats."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch.export import ExportedProgram

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.export.check import DialsRunner, Runner
from stylenet.export.onnx_files import Quantizer
from stylenet.plugins import load_plugins

Writer = Callable[[ExportedProgram, Path, CheckpointInfo, Quantizer], str | None]


@dataclass(frozen=True)
class ExportFormat:
    """Writer and reader of the files of another runtime.

    Attributes:
        suffix: Suffix of the file; empty for a folder.
        write: Writes a traced network. Its arguments are the program, the path, the checkpoint's
            metadata, and a function that quantizes an ONNX file, which formats without ONNX ignore.
            It may return a remark for the report.
        read: Loads the file and returns a function that stylizes images with it, for comparison
            with PyTorch. Images are RGB in [0, 1], shape (N, 3, H, W); with ``uint8=true`` uint8,
            shape (N, H, W, 3). It returns ``None`` if this machine cannot run the file.
        from_onnx: Whether ``write`` makes an ONNX file first, which int8 needs.
        one_size: Whether a file takes one float32 image of one size, as on phones.
        native_norm: Whether instance normalization stays one operation, because the runtime has it.
        write_half: Writes a float32 program so that it computes, or stores its weights, in float16.
            ``None`` if ``write`` does with a float16 program.
        half: Whether the format supports float16 at all.
        read_dials: Loads a file whose dials are inputs beside the images. ``None`` if the format
            has no such files.
        packages: Packages of the extra named like the format, without which it cannot be written.
            They are looked for before any work.
    """

    suffix: str
    write: Writer
    read: Callable[[Path], Runner | None]
    from_onnx: bool = False
    one_size: bool = False
    native_norm: bool = False
    write_half: Writer | None = None
    half: bool = True
    read_dials: Callable[[Path], DialsRunner] | None = None
    packages: tuple[str, ...] = ()


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
