"""Writing a network for another runtime, and proving it equal before it is left in place."""

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

import stylenet
from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError, check_choice, check_number
from stylenet.export.aotinductor import read_aotinductor, write_aotinductor
from stylenet.export.check import SIZES, Report, Runner, as_bytes, compare
from stylenet.export.graph import PortableNetwork, trace
from stylenet.export.onnx_files import (
    Quantizer,
    read_onnx,
    read_openvino,
    write_onnx,
    write_openvino,
)
from stylenet.export.quantize import equalize, make_quantizer
from stylenet.export.web import add_page, network_in
from stylenet.files import atomic_path
from stylenet.networks import StyleNetwork

# What the names of their files end in; "" for a folder.
FORMATS = {
    "onnx": ".onnx",
    "torch_export": ".pt2",
    "openvino": ".xml",
    "aotinductor": ".pt2",
    "web": "",
}

# Mean difference in 1/255 that is let pass. Measured with the pretrained styles on one CPU: float32
# 0.0001 and below; float16 0.02 to 0.1, where OpenVINO computes in it; on photos int8_weights 0.13
# to 0.18 (0.53 with a small network's random weights) and int8 0.7 to 0.95. Bytes are rounded:
# 0.25.
PRECISIONS = {"float32": 0.01, "float16": 0.5, "int8_weights": 1.0, "int8": 2.0}
# Those that need ONNX's operations, and the formats that are made of it.
_QuantizED, _OF_ONNX = ("int8_weights", "int8"), ("onnx", "openvino", "web")
# Photos that int8 is not calibrated by, but compared on.
_HELD_OUT = 2
_ROUNDING = 0.3


@dataclass(frozen=True)
class ExportOptions:
    """What is written.

    Attributes:
        format: One of :data:`FORMATS`.
        precision: One of :data:`PRECISIONS`; ``int8`` computes in it in the residual blocks, and
            ``int8_weights`` in float32 everywhere.
        uint8: Whether images are bytes, shape (N, H, W, 3), in the place of float32 in [0, 1],
            shape (N, 3, H, W).
        size: Height and width of the one image that an ONNX file takes; ``None`` for any. OpenCV 4
            and other small runtimes read files of one size alone.
    """

    format: str = "onnx"
    precision: str = "float32"
    uint8: bool = False
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_choice("format", self.format, tuple(FORMATS))
        check_choice("precision", self.precision, tuple(PRECISIONS))
        if not isinstance(self.uint8, bool):
            raise StyleNetError(f"uint8={self.uint8} is neither true nor false")
        if self.precision in _QuantizED and self.format not in _OF_ONNX:
            raise StyleNetError(
                f"precision={self.precision} is for format={', '.join(_OF_ONNX)}; "
                f"format={self.format} takes float32 or float16"
            )
        if self.uint8 and self.format == "web":
            raise StyleNetError("uint8=true is not for format=web, whose page gives float32")
        if self.size is not None:
            self._check_size(self.size)

    def _check_size(self, size: tuple[int, int]) -> None:
        if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 2:
            raise StyleNetError(f"size={size}: expected height and width, such as size=[480,640]")
        for side in size:
            check_number("size", side, minimum=1, integer=True)
        if self.format != "onnx" or self.precision in _QuantizED or self.uint8:
            raise StyleNetError(
                f"size={list(size)} is for format=onnx with precision=float32 or float16 and "
                f"uint8=false; leave size out: the file then takes any"
            )


def export_network(
    network: StyleNetwork,
    info: CheckpointInfo,
    path: Path,
    options: ExportOptions,
    photos: Sequence[Tensor] = (),
) -> Report:
    """Writes a network for another runtime, with a report beside it.

    It is run there at several sizes and compared with PyTorch before the file appears.

    Args:
        network: The network.
        info: What it is.
        path: Where to; the report goes to the same name with ``.json`` after it, and OpenVINO's
            weights to the same name with ``.bin`` for ``.xml``. For ``web`` a folder, in which a
            page gets its place beside ``network.onnx``.
        options: What is written.
        photos: RGB in [0, 1], shape (1, 3, H, W), H and W at least 256. All but the last two
            calibrate int8, those two are what it is compared on; without any, other precisions
            are compared on made-up images.

    Returns:
        The report.

    Raises:
        StyleNetError: There are too few photos, a package or a compiler is missing, the images
            differ, or the file cannot be written.
    """
    suffix = FORMATS[options.format]
    if suffix and path.suffix != suffix:
        raise StyleNetError(
            f"output={path}: expected a name that ends in {suffix} for format={options.format}"
        )
    if not suffix:
        if path.is_file():
            raise StyleNetError(f"output={path} is a file; format={options.format} writes a folder")
        path = network_in(path)
    write, read = _WAYS[options.format]
    network = network.eval().to("cpu")
    known, unknown = photos[:-_HELD_OUT], photos[-_HELD_OUT:]
    prepared, quantize = _prepare(network, options, known)
    portable = PortableNetwork(prepared, options.precision == "float16", options.uint8)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / path.name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporters' own, of no use to a user
            write(trace(portable.eval(), options.size), made, info, quantize)
        files = sorted(Path(folder).iterdir())
        sizes = SIZES if options.size is None else ((1, *options.size),)
        mean, largest, seconds, own = compare(network, read(made), options.uint8, unknown, sizes)
        report = Report(
            style=info.style,
            **asdict(options),
            bytes=sum(file.stat().st_size for file in files),
            sizes=sizes,
            mean_difference=mean,
            max_difference=largest,
            seconds=seconds,
            seconds_pytorch=own,
        )
        allowed = PRECISIONS[options.precision] + (_ROUNDING if options.uint8 else 0)
        if not mean <= allowed:  # NaN is not either
            raise StyleNetError(
                f"the exported network differs from the network itself by {mean:.3g}/255 on "
                f"average, {largest:.3g}/255 at most; allowed are {allowed}/255: nothing is written"
                f" (precision=float32 is the closest)"
            )
        for file in files:
            with atomic_path(path.with_name(file.name)) as temporary:
                shutil.copyfile(file, temporary)
    with atomic_path(path.with_name(f"{path.name}.json")) as temporary:
        temporary.write_text(json.dumps(asdict(report), indent=2) + "\n")
    if not suffix:
        add_page(path.parent)
    return report


def _prepare(
    network: StyleNetwork, options: ExportOptions, photos: Sequence[Tensor]
) -> tuple[StyleNetwork, Quantizer]:
    """The network that is traced, and what is done to its ONNX file."""
    computes = options.precision == "int8"
    if options.precision not in _QuantizED:
        return network, lambda path: None
    if computes and not photos:
        raise StyleNetError(
            f"precision=int8 takes its ranges from photos: at least {_HELD_OUT + 1} are needed "
            f"(precision=int8_weights needs none)"
        )
    images = [as_bytes(photo) for photo in photos] if options.uint8 else photos
    prepared = equalize(network, photos) if computes else network
    return prepared, make_quantizer(network, computes, images)


def _write_torch_export(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> None:
    extra = {"style": info.style, "stylenet_version": stylenet.__version__}
    torch.export.save(program, path, extra_files=extra)


def _read_torch_export(path: Path) -> Runner:
    # The guards remember that no side of the example was a multiple of 4; any side will do.
    module = torch.export.load(path).module(check_guards=False)

    def run(images: Tensor) -> Tensor:
        return module(images)

    return run


_Write = Callable[[ExportedProgram, Path, CheckpointInfo, Quantizer], None]
_WAYS: dict[str, tuple[_Write, Callable[[Path], Runner]]] = {
    "onnx": (write_onnx, read_onnx),
    "torch_export": (_write_torch_export, _read_torch_export),
    "openvino": (write_openvino, read_openvino),
    "aotinductor": (write_aotinductor, read_aotinductor),
    "web": (write_onnx, read_onnx),
}
