"""ExecuTorch programs, PyTorch's own format for phones, computed by XNNPACK."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError, first_line
from stylenet.export.check import Runner
from stylenet.export.folding import fold_constants
from stylenet.export.onnx_files import Quantizer
from stylenet.export.packages import import_package, quiet

_EXTRA = "executorch"
_ATEN = torch.ops.aten


def write_executorch(
    program: ExportedProgram, path: Path, info: CheckpointInfo, quantize: Quantizer
) -> str:
    """Write an ExecuTorch program whose operations XNNPACK computes.

    Args:
        program: The network's graph for one size.
        path: Output file, ``.pte``.
        info: Metadata of the checkpoint; the file holds none.
        quantize: Not used by this format.

    Returns:
        How many operations XNNPACK computes, and which it leaves to ExecuTorch's own kernels.

    Raises:
        StyleNetError: The package is missing, or cannot convert the network.
    """
    with quiet():
        exir = import_package("executorch.exir", _EXTRA)
        partitioner = import_package(
            "executorch.backends.xnnpack.partition.xnnpack_partitioner", _EXTRA
        )
        import_package("executorch.runtime", _EXTRA)
        try:
            folded = fold_constants(program, _REPLACEMENTS)
            lowered = exir.to_edge_transform_and_lower(
                folded, partitioner=[partitioner.XnnpackPartitioner()]
            )
            content = lowered.to_executorch().buffer
        except Exception as error:  # many exception types, each with pages of text
            raise StyleNetError(
                f"format=executorch cannot convert this network ({first_line(error)}); choose "
                f"another format"
            ) from error
    path.write_bytes(content)
    return _describe_delegation(lowered.exported_program().graph)


def read_executorch(path: Path) -> Runner:
    """Load an ExecuTorch program, and return a function that runs it on the CPU."""
    with quiet():
        runtime = import_package("executorch.runtime", _EXTRA)
        # The method needs its program to stay alive.
        program = runtime.Runtime.get().load_program(path)
        method = program.load_method("forward")

    def run(images: Tensor) -> Tensor:
        assert program is not None
        with quiet():
            return method.execute([images.contiguous()])[0].clone()

    return run


def _describe_delegation(graph: torch.fx.Graph) -> str:
    """Count the operations outside of XNNPACK's parts."""
    calls = [node for node in graph.nodes if node.op == "call_function"]
    delegates = sum("call_delegate" in str(node.target) for node in calls)
    others = Counter(
        _operation(node.target)
        for node in calls
        if "call_delegate" not in str(node.target) and "getitem" not in str(node.target)
    )
    parts = f"XNNPACK computes {delegates} part{'' if delegates == 1 else 's'} of the network"
    if not others:
        return f"{parts}, no operation is left to other kernels"
    listed = ", ".join(f"{count} {name}" for name, count in others.items())
    return f"{parts}, {others.total()} operations are left to other kernels: {listed}"


def _operation(target: Any) -> str:
    """Return the name of an operation without its overload."""
    return str(getattr(target, "__name__", target)).partition(".")[0]


def _pad(
    features: Tensor, padding: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Pad by slices of the border: XNNPACK reflects nothing, but slices and concatenates."""
    if mode == "constant":
        return torch.constant_pad_nd(features, list(padding), value or 0)
    for dim, before, after in ((-1, *padding[:2]), (-2, *padding[2:])):
        last = features.shape[dim] - 1
        reflects = mode == "reflect"  # otherwise the border is repeated
        first = [i if reflects else 0 for i in range(before, 0, -1)]
        second = [last - i if reflects else last for i in range(1, after + 1)]
        border = [_pick(features, dim, rows) for rows in (first, second)]
        features = torch.cat([*border[0], features, *border[1]], dim)
    return features


def _pick(features: Tensor, dim: int, rows: Sequence[int]) -> list[Tensor]:
    """Return one tensor of these rows, or an empty list; XNNPACK concatenates two to five."""
    slices = [features.narrow(dim, row, 1) for row in rows]
    while len(slices) > 1:
        first, slices = slices[:5], slices[5:]
        slices.insert(0, torch.cat(first, dim))
    return slices


def _repeat_pixels(features: Tensor, output_size: object, scales: Sequence[float] | None) -> Tensor:
    """Repeat each pixel in a square, by a product that broadcasts: XNNPACK has no nearest mode."""
    count, channels, height, width = features.shape
    if scales is None or scales[0] != scales[1] or scales[0] != int(scales[0]):
        raise ValueError("nearest-neighbor upsampling by a scale that is not a whole number")
    scale = int(scales[0])
    pixels = features.reshape(count, channels * height, 1, width, 1)
    squares = pixels * torch.ones(scale, 1, scale)
    return squares.reshape(count, channels, scale * height, scale * width)


_REPLACEMENTS: dict[Any, Callable[..., Tensor]] = {
    _ATEN.pad.default: _pad,
    _ATEN.upsample_nearest2d.vec: _repeat_pixels,
}
