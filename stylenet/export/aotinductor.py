"""AOTInductor packages: torch.compile's machine code, compiled ahead of time."""

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

_INDUCTOR_CONFIG = {
    # Use the number of threads of the machine that runs the package, not of this one.
    "cpp.dynamic_threads": True,
    # torch.export assumes sizes of at least 2, but the code works from 1, as the tests check.
    "aot_inductor.check_lowerbound": False,
    # Without line tables the package of a small network has 0.8 MB instead of 2.2 MB.
    "aot_inductor.enable_line_tables": False,
}


def write_aotinductor(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> None:
    """Compile an exported program into a package.

    Args:
        program: The network's graph.
        path: Output file, ``.pt2``.
        info: Metadata of the checkpoint.
        quantize: Not used by this format.

    Raises:
        StyleNetError: There is no C++ compiler, or it fails.
    """
    # Silences warnings about GPUs, for which nothing is compiled.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    metadata = {"style": info.style, "stylenet_version": stylenet.__version__}
    try:
        torch._inductor.aoti_compile_and_package(
            program,
            package_path=str(path),
            inductor_configs={**_INDUCTOR_CONFIG, "aot_inductor.metadata": metadata},
        )
    except Exception as error:  # many exception types, each with pages of text
        raise StyleNetError(
            f"format=aotinductor: compiling failed ({first_line(error)}); it needs a working C++ "
            f"compiler (g++, clang++ or the one in the environment variable CXX); "
            f"format=torch_export needs none"
        ) from error


def read_aotinductor(path: Path) -> Runner:
    """Load a package and return a function that runs it."""
    model = torch._inductor.aoti_load_package(str(path))

    def run(images: Tensor) -> Tensor:
        # The code assumes the default memory format without checking it: channels-last images
        # would give wrong results.
        return model(images.contiguous())

    return run
