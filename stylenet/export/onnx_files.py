"""ONNX files, and OpenVINO's, which are made of them."""

import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

import stylenet
from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.export.check import Runner

# Changes an ONNX file in its place.
Quantizer = Callable[[Path], None]


def write_onnx(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> None:
    """Writes an ONNX file.

    Args:
        program: The graph.
        path: Where to.
        info: What it is.
        quantize: Called with the file in the end.

    Raises:
        StyleNetError: A package is missing.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        _import(name)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    found = torch.onnx.export(
        program, input_names=["image"], output_names=["stylized"], dynamo=True, verbose=False
    )
    assert found is not None
    model = found.model
    for node in model.graph:
        # Where in which source file on this machine: 0.5 MB, and of no use to a reader.
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
    found.save(path)
    quantize(path)


def read_onnx(path: Path) -> Runner:
    """Loads an ONNX file in onnxruntime.

    Args:
        path: The file.

    Returns:
        What runs it, on the CPU.
    """
    session = _import("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"image": images.numpy()})[0])


def write_openvino(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> None:
    """Writes OpenVINO's two files, by way of ONNX, whose operations it has had for longest.

    Args:
        program: The graph.
        path: Where to, ``.xml``; the weights go to ``.bin``.
        info: What it is.
        quantize: Called with the ONNX file.

    Raises:
        StyleNetError: A package is missing.
    """
    openvino = _import("openvino")
    between = path.with_suffix(".onnx")
    write_onnx(program, between, info, quantize)
    model = openvino.convert_model(between)
    openvino.save_model(model, path, compress_to_fp16=False)
    between.unlink()


def read_openvino(path: Path) -> Runner:
    """Loads OpenVINO's files.

    Args:
        path: The ``.xml``.

    Returns:
        What runs it, on the CPU.
    """
    core = _import("openvino").Core()
    # Its CPU plugin would compute in bfloat16 where it can, which is not what was exported.
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(path), "CPU", hint)
    return lambda images: torch.from_numpy(compiled(images.numpy())[0].copy())


def _import(name: str) -> Any:
    """A package that only exporting needs."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise StyleNetError(
            f"exporting needs the package {name}: pip install 'stylenet[export]'"
        ) from error
