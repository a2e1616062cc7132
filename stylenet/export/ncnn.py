"""ncnn files, for Android, iOS and small computers; converted by pnnx."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.export.check import Runner
from stylenet.export.folding import fold_constants
from stylenet.export.onnx_files import Quantizer
from stylenet.export.packages import import_package, quiet

# pnnx's names of the input and the output.
INPUT, OUTPUT = "in0", "out0"
_EXTRA = "ncnn"


def write_ncnn(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> None:
    """Write ncnn's two files: the layers (``.param``) and the weights (``.bin``).

    Args:
        program: The network's graph for one size.
        path: Output, ``NAME.ncnn``; the files are ``NAME.ncnn.param`` and ``NAME.ncnn.bin``.
        info: Metadata of the checkpoint; ncnn's files hold none.
        quantize: Not used by this format.

    Raises:
        StyleNetError: A package is missing, or pnnx fails.
    """
    _convert(program, path, half=False)


def write_ncnn_half(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> None:
    """Write ncnn's two files with weights in float16; see :func:`write_ncnn`."""
    _convert(program, path, half=True)


def read_ncnn(path: Path) -> Runner:
    """Load ncnn's files, and return a function that runs them on the CPU in float32."""
    ncnn = import_package("ncnn", _EXTRA)
    network = ncnn.Net()
    network.opt.num_threads = torch.get_num_threads()
    # ncnn's default, where the processor has it. In float16 the statistics of the normalizations
    # would differ by the processor.
    for option in ("packed", "storage", "arithmetic"):
        setattr(network.opt, f"use_fp16_{option}", False)
    parameters, weights = _files(path)
    if network.load_param(str(parameters)) or network.load_model(str(weights)):
        raise StyleNetError("ncnn cannot load what pnnx converted; choose another format")

    def run(images: Tensor) -> Tensor:
        # A copy, because ncnn computes some layers in place.
        image = ncnn.Mat(images[0].contiguous().numpy()).clone()
        extractor = network.create_extractor()
        extractor.input(INPUT, image)
        status, stylized = extractor.extract(OUTPUT)
        if status:
            raise StyleNetError("ncnn cannot run what pnnx converted; choose another format")
        return torch.from_numpy(np.array(stylized))[None]

    return run


def _convert(program: ExportedProgram, path: Path, half: bool) -> None:
    pnnx: Any = import_package("pnnx", _EXTRA)
    import_package("ncnn", _EXTRA)
    folded = fold_constants(program)
    (image,), _ = folded.example_inputs
    with quiet(), torch.no_grad():
        traced = torch.jit.trace(folded.module(check_guards=False), (image,), check_trace=False)
    folder = path.parent / "pnnx"
    folder.mkdir()
    traced.save(str(folder / "network.pt"))
    shape = ",".join(map(str, image.shape))
    parameters, weights = _files(path)
    # pnnx also writes a Python file and an ONNX file of the network, which nobody asked for.
    command = [
        pnnx.EXEC_PATH,
        "network.pt",
        f"inputshape=[{shape}]",
        f"fp16={int(half)}",
        f"ncnnparam={parameters.absolute()}",
        f"ncnnbin={weights.absolute()}",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    if done.returncode or not weights.is_file():
        lines = (done.stdout + done.stderr).strip().splitlines() or [""]
        raise StyleNetError(
            f"format=ncnn: pnnx cannot convert this network ({lines[-1]}); choose another format"
        )


def _files(path: Path) -> tuple[Path, Path]:
    """Return the paths of the layers and of the weights."""
    return path.with_name(f"{path.name}.param"), path.with_name(f"{path.name}.bin")
