"""Weights as bytes: in the file alone, or in the arithmetic of the residual blocks as well."""

import copy
import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError
from stylenet.networks import StyleNetwork
from stylenet.networks.layers import ConvNorm, ResidualBlock

# The prefix that graph.PortableNetwork gives to the weights' names.
_PREFIX = "network."
# Symmetric, so that zero stays zero.
_LARGEST = 127
# Of an image's channels.
_COLORS = 3
# Half the range of a channel that is the same everywhere: any will do.
_SMALLEST = 1e-6


def residual_convolutions(network: StyleNetwork) -> list[str]:
    """Names what computes in int8: the convolutions of the residual blocks.

    They hold 88 % of the weights and do 58 % of the multiplications. Measured with onnxruntime on
    one core, int8 there gives starry_night a mean difference of 0.9 (in 1/255) in 0.83 of float32's
    time; with those before and after them as well it is 1.9 in 0.72, and in all of them, without
    what :func:`equalize` does, 5.5. Ranges taken anew for each image (dynamic quantization) give
    0.9, but take 4 times as long as float32.

    Args:
        network: The network.

    Returns:
        The names of its layers :class:`ConvNorm` in residual blocks.
    """
    return [
        f"{name}.{inner}"
        for name, block in network.named_modules()
        if isinstance(block, ResidualBlock)
        for inner, layer in block.named_modules()
        if isinstance(layer, ConvNorm) and isinstance(layer[1], nn.InstanceNorm2d)
    ]


@torch.inference_mode()
def equalize(network: StyleNetwork, photos: Sequence[Tensor]) -> StyleNetwork:
    """Brings all channels before an instance normalization to the same range.

    A quantized convolution has one scale for all channels of its output, so the quiet ones drown.
    Instance normalization takes any scale and shift of a channel away again: both are free, and
    are put into the convolution. That takes the difference of starry_night, all but the outermost
    convolutions in int8, from 4.5 to 1.9 (in 1/255).

    Args:
        network: Stays as it is.
        photos: What shows the ranges: RGB in [0, 1], shape (1, 3, H, W).

    Returns:
        A copy that is the same in exact arithmetic, for tracing alone: its ``eps`` are tensors.
    """
    twin = copy.deepcopy(network)
    for name, (lowest, highest) in _ranges(network, photos).items():
        layer = cast(ConvNorm, twin.get_submodule(name))
        convolution, norm = cast(nn.Conv2d, layer[0]), cast(nn.InstanceNorm2d, layer[1])
        middle = (lowest + highest) / 2
        half = ((highest - lowest) / 2).clamp_min(_SMALLEST)
        weight = convolution.weight / half.view(-1, 1, 1, 1)
        convolution.weight = nn.Parameter(weight, requires_grad=False)
        convolution.bias = nn.Parameter(-middle / half, requires_grad=False)
        # Added to the variance, which is smaller by the square.
        norm.eps = cast(float, (norm.eps / half.square()).view(-1, 1, 1))
    return twin


def _ranges(network: StyleNetwork, photos: Sequence[Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Least and largest value of each channel that the convolutions give, by layer."""
    found: dict[str, list[Tensor]] = {name: [] for name in residual_convolutions(network)}
    hooks = []
    for name, seen in found.items():

        def look(_: nn.Module, __: object, features: Tensor, seen: list[Tensor] = seen) -> None:
            seen.append(torch.stack([features.amin((0, 2, 3)), features.amax((0, 2, 3))]))

        convolution = cast(ConvNorm, network.get_submodule(name))[0]
        hooks.append(convolution.register_forward_hook(look))
    try:
        for photo in photos:
            network(photo)
    finally:
        for hook in hooks:
            hook.remove()
    stacked = {name: torch.stack(seen) for name, seen in found.items()}  # (photos, 2, C)
    return {name: (both[:, 0].amin(0), both[:, 1].amax(0)) for name, both in stacked.items()}


def make_quantizer(
    network: StyleNetwork, computes: bool, images: Sequence[Tensor]
) -> Callable[[Path], None]:
    """Makes what quantizes an ONNX file in its place.

    Args:
        network: What the file holds.
        computes: Whether the residual blocks compute in int8, or weights are only stored so.
        images: To calibrate by, as the file takes them.

    Returns:
        A function of the file.

    Raises:
        StyleNetError: Nothing in it could compute in int8.
    """
    names = [f"{_PREFIX}{name}.0.weight" for name in residual_convolutions(network)]
    if computes and not names:
        raise StyleNetError(
            "precision=int8 is for networks with residual blocks and instance normalization; this "
            "has none (precision=int8_weights is for all)"
        )

    def quantize(path: Path) -> None:
        # Not both: the other convolutions' weights in int8 as well would make the file 22 %
        # smaller, but onnxruntime arranges only constant ones for speed: 0.90 of float32's time,
        # not 0.83.
        if computes:
            _quantize_arithmetic(path, names, images)
        else:
            _quantize_weights(path)

    return quantize


def _quantize_arithmetic(path: Path, names: Sequence[str], images: Sequence[Tensor]) -> None:
    """Puts the convolutions with these weights between QuantizeLinear and DequantizeLinear."""
    onnx, ort = (importlib.import_module(name) for name in ("onnx", "onnxruntime.quantization"))
    model = onnx.load(path)
    nodes = [n.name for n in model.graph.node if n.op_type == "Conv" and n.input[1] in names]
    # Says that the graph needs no preparation, about which it would be warned.
    ort.quant_utils.add_pre_process_metadata(model)

    class Reader(ort.CalibrationDataReader):  # type: ignore[name-defined]
        def __init__(self) -> None:
            self.waiting: Iterator[Tensor] = iter(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.waiting, None)
            return None if image is None else {"image": image.numpy()}

    ort.quantize_static(
        model,
        path,
        Reader(),
        quant_format=ort.QuantFormat.QDQ,
        nodes_to_quantize=nodes,
        per_channel=True,
        # Weights of 7 bits: without VNNI instructions x86 adds pairs of products in 16 bits, which
        # would overflow. The difference is the same (0.908 against 0.906, starry_night).
        reduce_range=True,
        activation_type=ort.QuantType.QUInt8,
        weight_type=ort.QuantType.QInt8,
    )


def _quantize_weights(path: Path) -> None:
    """Stores the weights in int8, one scale for each output channel.

    Those from and to pixels stay as they are: 0.125 in 1/255 with them in float32, 0.225 without,
    at 3 % of the file.
    """
    onnx = importlib.import_module("onnx")
    model = onnx.load(path)
    weights: dict[str, Any] = {tensor.name: tensor for tensor in model.graph.initializer}
    added = []
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        name = node.input[1]
        values = onnx.numpy_helper.to_array(weights[name])  # (out, in, k, k)
        if _COLORS in values.shape[:2]:
            continue
        scale = np.maximum(np.abs(values).max((1, 2, 3)) / _LARGEST, _SMALLEST).astype(np.float32)
        stored = np.round(values / scale[:, None, None, None]).astype(np.int8)
        model.graph.initializer.remove(weights[name])
        parts = {f"{name}_int8": stored, f"{name}_scale": scale}
        model.graph.initializer.extend(
            onnx.numpy_helper.from_array(value, part) for part, value in parts.items()
        )
        added.append(onnx.helper.make_node("DequantizeLinear", [*parts], [name], axis=0))
    nodes = [*added, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)
