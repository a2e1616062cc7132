"""The export formats that come with StyleNet."""

from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

import stylenet
from stylenet.checkpoint import CheckpointInfo
from stylenet.export.aotinductor import read_aotinductor, write_aotinductor
from stylenet.export.check import Runner
from stylenet.export.coreml import check_coreml, write_coreml, write_coreml_half
from stylenet.export.executorch import read_executorch, write_executorch
from stylenet.export.ncnn import read_ncnn, write_ncnn, write_ncnn_half
from stylenet.export.onnx_files import (
    Quantizer,
    read_onnx,
    read_onnx_dials,
    read_openvino,
    write_onnx,
    write_openvino,
)
from stylenet.export.registry import ExportFormat, register_format
from stylenet.export.tflite import read_tflite, write_tflite


def _write_torch_export(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> None:
    extra = {"style": info.style, "stylenet_version": stylenet.__version__}
    torch.export.save(program, path, extra_files=extra)


def _read_torch_export(path: Path) -> Runner:
    # Guards would require sizes that are not multiples of 4, as in the example; any size works.
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
