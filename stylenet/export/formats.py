"""Export of a network, compared with PyTorch before the file appears."""

import json
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

import stylenet
from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError, check_choice, check_number
from stylenet.export.aotinductor import read_aotinductor, write_aotinductor
from stylenet.export.check import SIZES, Report, Runner, compare, compare_dials, to_uint8
from stylenet.export.coreml import check_coreml, write_coreml, write_coreml_half
from stylenet.export.executorch import read_executorch, write_executorch
from stylenet.export.graph import PortableDials, PortableNetwork, trace
from stylenet.export.ncnn import read_ncnn, write_ncnn, write_ncnn_half
from stylenet.export.onnx_files import (
    Quantizer,
    read_onnx,
    read_onnx_dials,
    read_openvino,
    write_onnx,
    write_openvino,
)
from stylenet.export.packages import check_installed
from stylenet.export.quantize import equalize, make_quantizer
from stylenet.export.registry import (
    ExportFormat,
    available_formats,
    find_format,
    register_format,
)
from stylenet.export.tflite import read_tflite, write_tflite
from stylenet.files import atomic_path, replace_folder
from stylenet.networks import DialsNetwork, StyleNetwork

# Largest accepted mean difference in 1/255 for each precision. Measured with the pretrained styles
# on one CPU: at most 0.0001 for float32; 0.02 to 0.1 for float16, where OpenVINO computes in it; on
# photos 0.13 to 0.18 for int8_weights (0.53 with a small network's random weights) and 0.7 to 0.95
# for int8. Rounding to uint8 adds 0.25.
PRECISIONS = {"float32": 0.01, "float16": 0.5, "int8_weights": 1.0, "int8": 2.0}
# Precisions that need ONNX's quantization operators.
_QUANTIZED = ("int8_weights", "int8")
# Photos kept from calibration, for the comparison.
_HELD_OUT = 2
_ROUNDING = 0.3
# Height and width in formats of one size, as in Apple's and Google's style transfer samples.
DEFAULT_SIZE = (512, 512)


@dataclass(frozen=True)
class ExportOptions:
    """Options of an export.

    Attributes:
        format: One of :func:`stylenet.export.available_formats`.
        precision: One of :data:`PRECISIONS`. ``int8`` computes the residual blocks in int8;
            ``int8_weights`` stores int8 weights and computes in float32.
        uint8: Whether images are uint8, shape (N, H, W, 3), instead of float32 in [0, 1], shape
            (N, 3, H, W).
        size: Fixed height and width of the single image that the file takes; ``None`` for any batch
            and size, or for :data:`DEFAULT_SIZE` in formats of one size (ncnn, executorch, coreml).
            OpenCV 4 and other small runtimes read only files of a fixed size.
        dials: Whether the dials of a network with dials are inputs of the file, ``stroke`` and
            ``style_weight``, float32, shape (1,), beside the image.
    """

    format: str = "onnx"
    precision: str = "float32"
    uint8: bool = False
    size: tuple[int, int] | None = None
    dials: bool = False

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            StyleNetError: A value is invalid, or two values do not go together.
        """
        export_format = find_format(self.format)
        check_choice("precision", self.precision, tuple(PRECISIONS))
        if not isinstance(self.uint8, bool):
            raise StyleNetError(f"uint8={self.uint8} is neither true nor false")
        if not isinstance(self.dials, bool):
            raise StyleNetError(f"dials={self.dials} is neither true nor false")
        if self.dials and export_format.read_dials is None:
            able = [name for name in available_formats() if find_format(name).read_dials]
            raise StyleNetError(
                f"dials=true needs format={', '.join(able)}; leave it out, and choose the values "
                f"of the dials by stroke and style_weight"
            )
        if self.dials and self.precision in _QUANTIZED:
            raise StyleNetError(
                f"precision={self.precision} does not work with dials=true; use float32 or float16"
            )
        from_onnx = [name for name in available_formats() if find_format(name).from_onnx]
        if self.precision in _QUANTIZED and self.format not in from_onnx:
            raise StyleNetError(
                f"precision={self.precision} needs format={', '.join(from_onnx)}; "
                f"format={self.format} takes float32 or float16"
            )
        if self.precision == "float16" and not export_format.half:
            raise StyleNetError(
                f"precision=float16 does not work with format={self.format}, which takes float32"
            )
        if self.uint8 and self.format == "web":
            raise StyleNetError(
                "uint8=true does not work with format=web, whose page passes float32 images"
            )
        if self.uint8 and export_format.one_size:
            raise StyleNetError(
                f"uint8=true does not work with format={self.format}, whose runtime converts images"
            )
        if self.size is not None:
            self._check_size(self.size)
        elif export_format.one_size:
            object.__setattr__(self, "size", DEFAULT_SIZE)

    def _check_size(self, size: tuple[int, int]) -> None:
        if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 2:
            raise StyleNetError(f"size={size}: expected height and width, such as (480, 640)")
        for side in size:
            check_number("size", side, minimum=1, integer=True)
        height, width = size
        if self.format == "web" or self.precision in _QUANTIZED:
            raise StyleNetError(
                f"size={width}x{height} needs another format than web, and precision=float32 or "
                f"float16; without size the file takes images of any size"
            )


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
    prepared, quantize = _prepare(network, options, calibration)
    half = options.precision == "float16"
    write = export_format.write_half if half and export_format.write_half else export_format.write
    is_half = half and export_format.write_half is None
    portable: PortableNetwork
    if options.dials:
        if not isinstance(prepared, DialsNetwork):
            raise StyleNetError(
                f"dials=true needs a network trained with network=johnson_dials or compact_dials, "
                f"and {info.style} is a network {prepared.name}; leave it out"
            )
        portable = PortableDials(prepared, is_half, options.uint8)
    else:
        portable = PortableNetwork(prepared, is_half, options.uint8, export_format.native_norm)
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
        if options.dials:
            assert export_format.read_dials is not None
            assert isinstance(network, DialsNetwork)
            dials_runner = export_format.read_dials(temporary_path)
            measured = compare_dials(network, dials_runner, options.uint8, sizes)
            report = _complete(report, sizes, *measured)
        else:
            runner = export_format.read(temporary_path)
            if runner is not None:
                measured = compare(network, runner, options.uint8, held_out, sizes)
                report = _complete(report, sizes, *measured)
        for source in written:
            _move(source, path.with_name(source.name))
    with atomic_path(path.with_name(f"{path.name}.json")) as temporary:
        temporary.write_text(json.dumps(asdict(report), indent=2) + "\n")
    return report


def _complete(
    report: Report,
    sizes: tuple[tuple[int, int, int], ...],
    mean: float,
    largest: float,
    seconds: float,
    seconds_pytorch: float,
) -> Report:
    """Complete a report by the comparison with PyTorch.

    Raises:
        StyleNetError: The images differ.
    """
    allowed = PRECISIONS[report.precision] + (_ROUNDING if report.uint8 else 0)
    if not mean <= allowed:  # so that NaN fails, too
        raise StyleNetError(
            f"the exported network differs from the PyTorch network by {mean:.3g}/255 on "
            f"average and {largest:.3g}/255 at most, more than the {allowed}/255 allowed; "
            f"nothing is written. precision=float32 is the closest"
        )
    return replace(
        report,
        sizes=sizes,
        mean_difference=mean,
        max_difference=largest,
        seconds=seconds,
        seconds_pytorch=seconds_pytorch,
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


def _prepare(
    network: StyleNetwork, options: ExportOptions, photos: Sequence[Tensor]
) -> tuple[StyleNetwork, Quantizer]:
    """Return the network to trace, and the function that quantizes its ONNX file."""
    computes = options.precision == "int8"
    if options.precision not in _QUANTIZED:
        return network, lambda path: None
    if computes and not photos:
        raise StyleNetError(
            f"precision=int8 needs at least {_HELD_OUT + 1} photos to calibrate the ranges of the "
            f"features; precision=int8_weights needs none"
        )
    images = [to_uint8(photo) for photo in photos] if options.uint8 else photos
    prepared = equalize(network, photos) if computes else network
    return prepared, make_quantizer(network, computes, images)


def _write_torch_export(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> None:
    extra = {"style": info.style, "stylenet_version": stylenet.__version__}
    torch.export.save(program, path, extra_files=extra)


def _read_torch_export(path: Path) -> Runner:
    # Guards would require sizes that are no multiples of 4, as in the example; any size works.
    module = torch.export.load(path).module(check_guards=False)

    def run(images: Tensor) -> Tensor:
        return module(images)

    return run


register_format(
    "onnx",
    ExportFormat(".onnx", write_onnx, read_onnx, from_onnx=True, read_dials=read_onnx_dials),
)
register_format("torch_export", ExportFormat(".pt2", _write_torch_export, _read_torch_export))
register_format("openvino", ExportFormat(".xml", write_openvino, read_openvino, from_onnx=True))
register_format("aotinductor", ExportFormat(".pt2", write_aotinductor, read_aotinductor))
register_format(
    "web", ExportFormat("", write_onnx, read_onnx, from_onnx=True, read_dials=read_onnx_dials)
)
register_format(
    "ncnn",
    ExportFormat(
        ".ncnn",
        write_ncnn,
        read_ncnn,
        one_size=True,
        native_norm=True,
        write_half=write_ncnn_half,
        packages=("pnnx", "ncnn"),
    ),
)
# XNNPACK computes float16 only in float16, also the statistics of the normalizations.
register_format(
    "executorch",
    ExportFormat(
        ".pte",
        write_executorch,
        read_executorch,
        one_size=True,
        half=False,
        packages=("executorch",),
    ),
)
register_format(
    "coreml",
    ExportFormat(
        ".mlpackage",
        write_coreml,
        check_coreml,
        one_size=True,
        native_norm=True,
        write_half=write_coreml_half,
        packages=("coremltools",),
    ),
)
register_format(
    "tflite",
    ExportFormat(
        ".tflite",
        write_tflite,
        read_tflite,
        one_size=True,
        half=False,
        packages=("litert_torch",),
    ),
)
