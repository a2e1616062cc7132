"""LiteRT (TensorFlow Lite) files, for Android; converted by litert-torch."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError, first_line
from stylenet.export.check import Runner
from stylenet.export.folding import fold_constants
from stylenet.export.onnx_files import Quantizer
from stylenet.export.packages import import_package, quiet

_EXTRA = "tflite"


class _ChannelsLast(nn.Module):
    """Network of images of shape (1, H, W, 3), as Android's image buffers have them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def write_tflite(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> None:
    """Write a LiteRT file of shape (1, H, W, 3).

    Args:
        program: The network's graph for one size.
        path: Output file, ``.tflite``.
        info: Metadata of the checkpoint; the file holds none.
        quantize: Not used by this format.

    Raises:
        StyleNetError: The package is missing, or cannot convert the network.
    """
    with quiet():
        litert = import_package("litert_torch", _EXTRA)
        folded = fold_constants(program)
        (image,), _ = folded.example_inputs
        network = _ChannelsLast(folded.module(check_guards=False))
        # An exported module refuses eval(), which litert-torch calls; it has no training mode.
        network.eval = lambda: network  # type: ignore[method-assign]
        try:
            litert.convert(network, (image.permute(0, 2, 3, 1),)).export(str(path))
        except Exception as error:  # many exception types, each with pages of text
            raise StyleNetError(
                f"format=tflite cannot convert this network ({first_line(error)}); choose another "
                f"format"
            ) from error


def read_tflite(path: Path) -> Runner:
    """Load a LiteRT file, and return a function that runs it on the CPU."""
    with quiet():
        interpreters = import_package("ai_edge_litert.interpreter", _EXTRA)
        interpreter = interpreters.Interpreter(
            model_path=str(path), num_threads=torch.get_num_threads()
        )
        interpreter.allocate_tensors()
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(images: Tensor) -> Tensor:
        pixels = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
        interpreter.set_tensor(given["index"], pixels)
        interpreter.invoke()
        return torch.from_numpy(interpreter.get_tensor(result["index"])).permute(0, 3, 1, 2)

    return run
