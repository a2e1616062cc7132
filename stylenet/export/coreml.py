"""Core ML packages for iPhones and Macs, whose input and output are images."""

import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

import stylenet
from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError, first_line
from stylenet.export.folding import fold_constants
from stylenet.export.onnx_files import Quantizer
from stylenet.export.packages import import_package, quiet

_EXTRA = "coreml"
NOT_VERIFIED = "numerics not verified here, because Core ML runs on Apple's systems only"


class _Pixels(nn.Module):
    """Network that returns colors in [0, 255], as Core ML's images need."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image) * 255


def write_coreml(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> str:
    """Write a Core ML package (an ``mlprogram``) that computes in float32.

    Args:
        program: The network's graph for one size.
        path: Output folder, ``.mlpackage``.
        info: Metadata of the checkpoint.
        quantize: Not used by this format.

    Returns:
        That the images are not compared.

    Raises:
        StyleNetError: The package is missing, or cannot convert the network.
    """
    return _convert(program, path, info, "FLOAT32")


def write_coreml_half(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> str:
    """Write a Core ML package that computes in float16; see :func:`write_coreml`."""
    return _convert(program, path, info, "FLOAT16")


def check_coreml(path: Path) -> None:
    """Check that a package holds a program from an RGB image to an RGB image of the same size.

    Raises:
        StyleNetError: It holds something else.
    """
    with quiet():
        coremltools = _import()
        model = coremltools.models.MLModel(str(path), skip_model_load=True)
    specification = model.get_spec()
    (image,), (stylized,) = specification.description.input, specification.description.output
    sides = [
        (value.type.imageType.height, value.type.imageType.width) for value in (image, stylized)
    ]
    names = (image.name, stylized.name)
    kind = specification.WhichOneof("Type")
    if names != ("image", "stylized") or kind != "mlProgram" or len({*sides, (0, 0)}) != 2:
        raise StyleNetError(
            f"format=coreml: the package maps {names[0]} {sides[0]} to {names[1]} {sides[1]} "
            f"instead of an image to an image of the same size; nothing is written"
        )


def _convert(program: ExportedProgram, path: Path, info: CheckpointInfo, precision: str) -> str:
    with quiet():
        coremltools = _import()
    (image,), _ = program.example_inputs
    rgb = coremltools.colorlayout.RGB
    try:
        with quiet(), torch.no_grad():
            pixels = torch.export.export(_Pixels(program.module(check_guards=False)), (image,))
            model = coremltools.convert(
                fold_constants(pixels).run_decompositions({}),
                convert_to="mlprogram",
                inputs=[
                    coremltools.ImageType("image", image.shape, scale=1 / 255, color_layout=rgb)
                ],
                outputs=[coremltools.ImageType("stylized", color_layout=rgb)],
                # The first with images of float16 programs.
                minimum_deployment_target=coremltools.target.iOS16,
                compute_precision=getattr(coremltools.precision, precision),
            )
            model.user_defined_metadata.update(
                {"style": info.style, "stylenet_version": stylenet.__version__}
            )
            model.short_description = f"Stylizes images in the style {info.style}."
            model.save(str(path))
    except Exception as error:  # many exception types, each with pages of text
        raise StyleNetError(
            f"format=coreml cannot convert this network ({first_line(error)}); choose another "
            f"format"
        ) from error
    # Names of PyTorch's operations for debuggers, which do not belong to the package's manifest.
    path.joinpath("executorch_debug_handle_mapping.json").unlink(missing_ok=True)
    return NOT_VERIFIED


def _import() -> Any:
    """Import coremltools, which warns about versions and Apple's libraries in many lines."""
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    return import_package("coremltools", _EXTRA)
