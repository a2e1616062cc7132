"""Machine code: what torch.compile would make, ahead of time, in a package for PyTorch alone."""

import logging
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

import stylenet
from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError, first_line
from stylenet.export.check import Runner
from stylenet.export.onnx_files import Quantizer

_SETTINGS = {
    # As many threads as PyTorch has where it runs, not as it had here.
    "cpp.dynamic_threads": True,
    # torch.export says sides from 2, but nothing in the code needs it: it is checked from 1.
    "aot_inductor.check_lowerbound": False,
    # 2.2 to 0.8 MB for a small network.
    "aot_inductor.enable_line_tables": False,
}


def write_aotinductor(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> None:
    """Compiles a graph.

    Args:
        program: The graph.
        path: Where to.
        info: What it is.
        quantize: Not for this format.

    Raises:
        StyleNetError: There is no C++ compiler, or it fails.
    """
    # About GPUs, for which nothing is compiled.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    metadata = {"style": info.style, "stylenet_version": stylenet.__version__}
    try:
        torch._inductor.aoti_compile_and_package(
            program,
            package_path=str(path),
            inductor_configs={**_SETTINGS, "aot_inductor.metadata": metadata},
        )
    except Exception as error:  # of many kinds, each with pages of text
        raise StyleNetError(
            f"format=aotinductor: compiling failed ({first_line(error)}); it needs a working C++ "
            f"compiler, g++ or clang++ or the one that the variable CXX names "
            f"(format=torch_export needs none)"
        ) from error


def read_aotinductor(path: Path) -> Runner:
    """Loads a package.

    Args:
        path: The file.

    Returns:
        What runs it.
    """
    model = torch._inductor.aoti_load_package(str(path))

    def run(images: Tensor) -> Tensor:
        # The code knows no other order in memory, and does not look: channels-last images would
        # give another image.
        return model(images.contiguous())

    return run
