"""ONNX files, and OpenVINO files, which are converted from ONNX."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

import stylenet
from stylenet.checkpoint import CheckpointInfo
from stylenet.export.check import DialsRunner, Runner
from stylenet.export.packages import import_package

_EXTRA = "export"
_INPUT = InputKind.USER_INPUT
# Modifies an ONNX file in place.
Quantizer = Callable[[Path], None]


def write_onnx(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> None:
    """Write an ONNX file.

    Args:
        program: The network's graph.
        path: Output file.
        info: Metadata of the checkpoint.
        quantize: Called with the written file.

    Raises:
        StyleNetError: A package is missing.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        import_package(name, _EXTRA)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    names = [spec.arg.name for spec in program.graph_signature.input_specs if spec.kind is _INPUT]
    exported = torch.onnx.export(
        program, input_names=names, output_names=["stylized"], dynamo=True, verbose=False
    )
    assert exported is not None
    model = exported.model
    for node in model.graph:
        # Source locations on this machine: 0.5 MB that no reader needs.
        node.metadata_props.clear()
    values = (model.graph.inputs[0], model.graph.outputs[0])
    height = 1 if str(values[0].dtype) == "UINT8" else 2
    for value in values:
        shape = value.shape
        assert shape is not None
        for axis, letter in ((0, "N"), (height, "H"), (height + 1, "W")):
            if not isinstance(shape[axis], int):
                shape[axis] = letter
    model.metadata_props.update(
        {"style": info.style, "stylenet_version": stylenet.__version__, "colors": "RGB"}
    )
    exported.save(path)
    quantize(path)


def read_onnx(path: Path) -> Runner:
    """Load an ONNX file in onnxruntime, and return a function that runs it on the CPU."""
    run = _read(path)
    return lambda images: run(images, {})


def read_onnx_dials(path: Path) -> DialsRunner:
    """Load an ONNX file whose dials are inputs; see :func:`read_onnx`."""
    run = _read(path)
    return lambda images, dials: run(images, asdict(dials))


def _read(path: Path) -> Callable[[Tensor, Mapping[str, float]], Tensor]:
    """Load an ONNX file; return a function of the images and of further, scalar inputs."""
    session = import_package("onnxruntime", _EXTRA).InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )

    def run(images: Tensor, scalars: Mapping[str, float]) -> Tensor:
        values = {name: np.array([value], np.float32) for name, value in scalars.items()}
        return torch.from_numpy(session.run(None, {"image": images.numpy(), **values})[0])

    return run


def write_openvino(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> None:
    """Write OpenVINO's two files, converted from ONNX, its best supported input.

    Args:
        program: The network's graph.
        path: Output file, ``.xml``; the weights go to the same name with ``.bin``.
        info: Metadata of the checkpoint.
        quantize: Called with the intermediate ONNX file.

    Raises:
        StyleNetError: A package is missing.
    """
    openvino = import_package("openvino", _EXTRA)
    onnx_path = path.with_suffix(".onnx")
    write_onnx(program, onnx_path, info, quantize)
    model = openvino.convert_model(onnx_path)
    openvino.save_model(model, path, compress_to_fp16=False)
    onnx_path.unlink()


def read_openvino(path: Path) -> Runner:
    """Load OpenVINO files by their ``.xml``, and return a function that runs them on the CPU."""
    core = import_package("openvino", _EXTRA).Core()
    # Without the hint the CPU plugin may compute in bfloat16, and the comparison would fail.
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(path), "CPU", hint)
    return lambda images: torch.from_numpy(compiled(images.numpy())[0].copy())
