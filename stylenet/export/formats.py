"""Writing a network for another runtime, and proving it equal before it is left in place."""

import importlib
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

import stylenet
from stylenet.checkpoint import ArtefactInfo
from stylenet.errors import StyleNetError, check_choice
from stylenet.export.check import Report, Runner, compare
from stylenet.export.graph import PortableNetwork, trace
from stylenet.files import atomic_path
from stylenet.networks import StyleNetwork

FORMATS = {"onnx": ".onnx", "torch_export": ".pt2", "openvino": ".xml"}

# Mean difference in 1/255 that is let pass. Measured with the shipped networks on one CPU: float32
# 0.0001 and below; float16 0.02 to 0.1, where OpenVINO computes in it. Bytes are rounded: 0.25.
PRECISIONS = {"float32": 0.01, "float16": 0.5}
_ROUNDING = 0.3


@dataclass(frozen=True)
class ExportSettings:
    """What is written.

    Attributes:
        format: One of :data:`FORMATS`.
        precision: One of :data:`PRECISIONS`.
        uint8: Whether images are bytes, shape (N, H, W, 3), in the place of float32 in [0, 1],
            shape (N, 3, H, W).
    """

    format: str = "onnx"
    precision: str = "float32"
    uint8: bool = False

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_choice("format", self.format, tuple(FORMATS))
        check_choice("precision", self.precision, tuple(PRECISIONS))
        if not isinstance(self.uint8, bool):
            raise StyleNetError(f"uint8={self.uint8} is neither true nor false")


def export_network(
    network: StyleNetwork, info: ArtefactInfo, path: Path, settings: ExportSettings
) -> Report:
    """Writes a network for another runtime, with a report beside it.

    It is run there at several sizes and compared with PyTorch before the file appears.

    Args:
        network: The network.
        info: What it is.
        path: Where to; the report goes to the same name with ``.json`` after it, and OpenVINO's
            weights to the same name with ``.bin`` for ``.xml``.
        settings: What is written.

    Returns:
        The report.

    Raises:
        StyleNetError: A package is missing, the pictures differ, or the file cannot be written.
    """
    suffix = FORMATS[settings.format]
    if path.suffix != suffix:
        raise StyleNetError(
            f"output={path}: expected a name that ends in {suffix} for format={settings.format}"
        )
    write, read = _WAYS[settings.format]
    network = network.eval().to("cpu")
    portable = PortableNetwork(network, settings.precision == "float16", settings.uint8)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / path.name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporters' own, of no use to a user
            write(trace(portable.eval()), made, info)
        files = sorted(Path(folder).iterdir())
        sizes, mean, largest, seconds, own = compare(network, read(made), settings.uint8)
        report = Report(
            **asdict(settings),
            bytes=sum(file.stat().st_size for file in files),
            sizes=sizes,
            mean_difference=mean,
            max_difference=largest,
            seconds=seconds,
            seconds_pytorch=own,
        )
        allowed = PRECISIONS[settings.precision] + (_ROUNDING if settings.uint8 else 0)
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
    return report


def _import(name: str) -> Any:
    """A package that only exporting needs."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise StyleNetError(
            f"exporting needs the package {name}: pip install 'stylenet[export]'"
        ) from error


def _write_onnx(program: ExportedProgram, path: Path, info: ArtefactInfo) -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        _import(name)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    found = torch.onnx.export(
        program, input_names=["image"], output_names=["stylised"], dynamo=True, verbose=False
    )
    assert found is not None
    model = found.model
    values = (model.graph.inputs[0], model.graph.outputs[0])
    height = 1 if str(values[0].dtype) == "UINT8" else 2
    for value in values:
        shape = value.shape
        assert shape is not None
        shape[0], shape[height], shape[height + 1] = "N", "H", "W"
    model.metadata_props.update(
        {"style": info.style, "stylenet_version": stylenet.__version__, "colours": "RGB"}
    )
    found.save(path)


def _read_onnx(path: Path) -> Runner:
    session = _import("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"image": images.numpy()})[0])


def _write_torch_export(program: ExportedProgram, path: Path, info: ArtefactInfo) -> None:
    extra = {"style": info.style, "stylenet_version": stylenet.__version__}
    torch.export.save(program, path, extra_files=extra)


def _read_torch_export(path: Path) -> Runner:
    # The guards remember that no side of the example was a multiple of 4; any side will do.
    module = torch.export.load(path).module(check_guards=False)

    def run(images: Tensor) -> Tensor:
        return module(images)

    return run


def _write_openvino(program: ExportedProgram, path: Path, info: ArtefactInfo) -> None:
    openvino = _import("openvino")
    # By way of ONNX, whose operations OpenVINO has had for longest.
    between = path.with_suffix(".onnx")
    _write_onnx(program, between, info)
    model = openvino.convert_model(between)
    openvino.save_model(model, path, compress_to_fp16=False)
    between.unlink()


def _read_openvino(path: Path) -> Runner:
    core = _import("openvino").Core()
    # Its CPU plugin would compute in bfloat16 where it can, which is not what was exported.
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(path), "CPU", hint)
    return lambda images: torch.from_numpy(compiled(images.numpy())[0].copy())


_Write = Callable[[ExportedProgram, Path, ArtefactInfo], None]
_WAYS: dict[str, tuple[_Write, Callable[[Path], Runner]]] = {
    "onnx": (_write_onnx, _read_onnx),
    "torch_export": (_write_torch_export, _read_torch_export),
    "openvino": (_write_openvino, _read_openvino),
}
