"""Export of a network, compared with PyTorch before the file appears."""

import json
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from torch import Tensor

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.export.check import SIZES, Comparison, Report, compare, compare_dials, to_uint8
from stylenet.export.graph import PortableDials, PortableNetwork, trace
from stylenet.export.onnx_files import Quantizer
from stylenet.export.options import PRECISIONS, QUANTIZED, ExportOptions
from stylenet.export.packages import check_installed
from stylenet.export.quantize import equalize, make_quantizer
from stylenet.export.registry import ExportFormat, find_format
from stylenet.files import atomic_path, replace_folder
from stylenet.networks import DialsNetwork, StyleNetwork

# Photos that calibration does not see, for the comparison.
_HELD_OUT = 2
# Further accepted mean difference in 1/255 for images that are rounded to uint8.
_ROUNDING = 0.3


def export_network(
    network: StyleNetwork,
    info: CheckpointInfo,
    path: Path,
    options: ExportOptions,
    photos: Sequence[Tensor] = (),
) -> Report:
    """Export a network to another runtime, and write a report next to the file.

    The exported network is run at several sizes and compared with PyTorch before the file appears.

    Args:
        network: The network; one with dials for ``options.dials``.
        info: Metadata of its checkpoint.
        path: Output file. The report has the same name with ``.json`` appended; OpenVINO's weights
            have ``.bin`` in place of ``.xml``. For ``web`` see
            :func:`stylenet.export.export_page`.
        options: Format, precision and image type.
        photos: RGB in [0, 1], shape (1, 3, H, W), H and W at least 256. The last two are for the
            comparison, the others calibrate int8. Without photos, precisions other than int8 are
            compared on synthetic images.

    Returns:
        The comparison, as in the report.

    Raises:
        StyleNetError: There are too few photos, a package or a compiler is missing, the images
            differ, or the file cannot be written.
    """
    export_format = find_format(options.format)
    suffix = export_format.suffix
    if suffix and path.suffix != suffix:
        raise StyleNetError(
            f"output={path}: expected a name that ends in {suffix} for format={options.format}"
        )
    if not suffix:
        raise StyleNetError(f"format={options.format} is a folder. Call export_page.")
    check_installed(export_format.packages, options.format)
    network = network.eval().to("cpu")
    calibration, held_out = photos[:-_HELD_OUT], photos[-_HELD_OUT:]
    prepared, quantize = _quantize(network, options, calibration)
    half = options.precision == "float16"
    write = export_format.write_half if half and export_format.write_half else export_format.write
    portable = _make_portable(prepared, info, options, export_format)
    with tempfile.TemporaryDirectory() as folder:
        temporary_path = Path(folder) / path.name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporters' warnings do not concern users
            program = trace(portable.eval(), options.size)
            remark = write(program, temporary_path, info, quantize)
        written = sorted(Path(folder).iterdir())
        report = Report(
            style=info.style,
            **asdict(options),
            bytes=sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()),
            sizes=(),
            remark=remark,
        )
        sizes = SIZES if options.size is None else ((1, *options.size),)
        comparison = _compare(network, export_format, temporary_path, options, held_out, sizes)
        if comparison is not None:
            _check(comparison, options)
            report = replace(report, sizes=sizes, **asdict(comparison))
        for source in written:
            _move(source, path.with_name(source.name))
    with atomic_path(path.with_name(f"{path.name}.json")) as temporary:
        temporary.write_text(json.dumps(asdict(report), indent=2) + "\n")
    return report


def _quantize(
    network: StyleNetwork, options: ExportOptions, photos: Sequence[Tensor]
) -> tuple[StyleNetwork, Quantizer]:
    """Return the network to trace, and the function that quantizes its ONNX file."""
    if options.precision not in QUANTIZED:
        return network, lambda path: None
    computes = options.precision == "int8"
    if computes and not photos:
        raise StyleNetError(
            f"precision=int8 needs at least {_HELD_OUT + 1} photos to calibrate the ranges of the "
            f"features; precision=int8_weights needs none"
        )
    images = [to_uint8(photo) for photo in photos] if options.uint8 else photos
    prepared = equalize(network, photos) if computes else network
    return prepared, make_quantizer(network, computes, images)


def _make_portable(
    network: StyleNetwork,
    info: CheckpointInfo,
    options: ExportOptions,
    export_format: ExportFormat,
) -> PortableNetwork:
    """Return the module to trace."""
    # A format with a writer of its own for float16 gets a float32 program.
    is_half = options.precision == "float16" and export_format.write_half is None
    if not options.dials:
        return PortableNetwork(network, is_half, options.uint8, export_format.native_norm)
    if not isinstance(network, DialsNetwork):
        raise StyleNetError(
            f"dials=true needs a network trained with network=johnson_dials or compact_dials, "
            f"and {info.style} is a network {network.name}; leave it out"
        )
    return PortableDials(network, is_half, options.uint8)


def _compare(
    network: StyleNetwork,
    export_format: ExportFormat,
    path: Path,
    options: ExportOptions,
    photos: Sequence[Tensor],
    sizes: Sequence[tuple[int, int, int]],
) -> Comparison | None:
    """Compare a written file with PyTorch; ``None`` if this machine cannot run the file."""
    if options.dials:
        assert export_format.read_dials is not None
        assert isinstance(network, DialsNetwork)
        return compare_dials(network, export_format.read_dials(path), options.uint8, sizes)
    runner = export_format.read(path)
    return None if runner is None else compare(network, runner, options.uint8, photos, sizes)


def _check(comparison: Comparison, options: ExportOptions) -> None:
    """Check that the exported network gives the same images as PyTorch.

    Raises:
        StyleNetError: The images differ.
    """
    allowed = PRECISIONS[options.precision] + (_ROUNDING if options.uint8 else 0)
    if not comparison.mean_difference <= allowed:  # so that NaN fails, too
        raise StyleNetError(
            f"the exported network differs from the PyTorch network by "
            f"{comparison.mean_difference:.3g}/255 on average and "
            f"{comparison.max_difference:.3g}/255 at most, more than the {allowed}/255 allowed; "
            f"nothing is written. precision=float32 is the closest"
        )


def _move(source: Path, target: Path) -> None:
    """Move a written file or folder to its place, where it replaces an earlier one.

    Raises:
        StyleNetError: It cannot be written.
    """
    if source.is_dir():
        replace_folder(source, target)
        return
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
