"""int8 quantization: of the stored weights only, or also of the residual blocks' arithmetic."""

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

# Prefix of the weights' names in graph.PortableNetwork.
_PREFIX = "network."
# Largest int8 value of a symmetric range, which keeps zero exact.
_INT8_MAX = 127
# Channels of an image.
_COLORS = 3
# Lower limit of scales, against division by zero for constant channels and kernels of zeros.
_MIN_SCALE = 1e-6


def residual_convolutions(network: StyleNetwork) -> list[str]:
    """Name the layers that compute in int8: the :class:`ConvNorm` of residual blocks.

    They hold 88 % of the weights and do 58 % of the multiplications. Measured with onnxruntime on
    one core for starry_night: int8 in these layers gives a mean difference of 0.9 (in 1/255) and
    takes 0.83 of float32's time. With the layers before and after the blocks, the difference is 1.9
    and the time 0.72. In all layers and without :func:`equalize`, the difference is 5.5. Dynamic
    quantization (ranges from each image) gives 0.9 but takes 4 times as long as float32.
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
    """Scale all channels before an instance normalization to the same range.

    The output of a quantized convolution has one scale for all channels, which leaves few int8
    steps to channels of small range. Instance normalization cancels any scale and shift of a
    channel, so they can be folded into the convolution at no cost. This reduces the difference of
    starry_night with all but the outermost convolutions in int8 from 4.5 to 1.9 (in 1/255).

    Args:
        network: Left unchanged.
        photos: Photos on which the ranges are measured, RGB in [0, 1], shape (1, 3, H, W).

    Returns:
        A copy that is equal in exact arithmetic. It is for tracing only, because each ``eps`` is a
        tensor.
    """
    equalized = copy.deepcopy(network)
    for name, (lowest, highest) in _ranges(network, photos).items():
        layer = cast(ConvNorm, equalized.get_submodule(name))
        convolution, norm = cast(nn.Conv2d, layer[0]), cast(nn.InstanceNorm2d, layer[1])
        middle = (lowest + highest) / 2
        half = ((highest - lowest) / 2).clamp_min(_MIN_SCALE)
        weight = convolution.weight / half.view(-1, 1, 1, 1)
        convolution.weight = nn.Parameter(weight, requires_grad=False)
        convolution.bias = nn.Parameter(-middle / half, requires_grad=False)
        # eps is added to the variance, which the scale divides by its square.
        norm.eps = cast(float, (norm.eps / half.square()).view(-1, 1, 1))
    return equalized


def _ranges(network: StyleNetwork, photos: Sequence[Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the smallest and largest value of each channel of each convolution's output."""
    extremes: dict[str, list[Tensor]] = {name: [] for name in residual_convolutions(network)}
    hooks = []
    for name, layer_extremes in extremes.items():

        def record(
            _: nn.Module, __: object, features: Tensor, into: list[Tensor] = layer_extremes
        ) -> None:
            into.append(torch.stack([features.amin((0, 2, 3)), features.amax((0, 2, 3))]))

        convolution = cast(ConvNorm, network.get_submodule(name))[0]
        hooks.append(convolution.register_forward_hook(record))
    try:
        for photo in photos:
            network(photo)
    finally:
        for hook in hooks:
            hook.remove()
    stacked = {name: torch.stack(values) for name, values in extremes.items()}  # (photos, 2, C)
    return {name: (x[:, 0].amin(0), x[:, 1].amax(0)) for name, x in stacked.items()}


def make_quantizer(
    network: StyleNetwork, computes: bool, images: Sequence[Tensor]
) -> Callable[[Path], None]:
    """Return a function that quantizes an ONNX file in place.

    Args:
        network: The network in the file.
        computes: Whether the residual blocks compute in int8; otherwise weights are only stored
            in int8.
        images: Calibration images, in the file's input format.

    Raises:
        StyleNetError: The network has no layers that could compute in int8.
    """
    names = [f"{_PREFIX}{name}.0.weight" for name in residual_convolutions(network)]
    if computes and not names:
        raise StyleNetError(
            "precision=int8 needs a network with residual blocks and instance normalization; use "
            "precision=int8_weights for this network"
        )

    def quantize(path: Path) -> None:
        # Not both: storing the other convolutions' weights in int8, too, would make the file 22 %
        # smaller. But onnxruntime optimizes the layout of constant weights only, so it would take
        # 0.90 of float32's time instead of 0.83.
        if computes:
            _quantize_arithmetic(path, names, images)
        else:
            _quantize_weights(path)

    return quantize


def _quantize_arithmetic(path: Path, names: Sequence[str], images: Sequence[Tensor]) -> None:
    """Insert QuantizeLinear and DequantizeLinear around the convolutions with these weights."""
    onnx, ort = (importlib.import_module(name) for name in ("onnx", "onnxruntime.quantization"))
    model = onnx.load(path)
    nodes = [n.name for n in model.graph.node if n.op_type == "Conv" and n.input[1] in names]
    # Marks the graph as preprocessed, which it need not be, to silence a warning.
    ort.quant_utils.add_pre_process_metadata(model)

    class Reader(ort.CalibrationDataReader):  # type: ignore[name-defined]
        def __init__(self) -> None:
            self.remaining: Iterator[Tensor] = iter(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.remaining, None)
            return None if image is None else {"image": image.numpy()}

    ort.quantize_static(
        model,
        path,
        Reader(),
        quant_format=ort.QuantFormat.QDQ,
        nodes_to_quantize=nodes,
        per_channel=True,
        # Weights of 7 bits: without VNNI instructions, x86 CPUs add pairs of products in 16 bits,
        # which overflow with 8 bits. The mean difference hardly changes (0.908 instead of 0.906
        # for starry_night).
        reduce_range=True,
        activation_type=ort.QuantType.QUInt8,
        weight_type=ort.QuantType.QInt8,
    )


def _quantize_weights(path: Path) -> None:
    """Store the weights in int8, one scale for each output channel.

    The first and last convolution stay in float32: they take 3 % of the file, and quantizing them
    would raise the mean difference from 0.125 to 0.225 (in 1/255).
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
        scale = np.maximum(np.abs(values).max((1, 2, 3)) / _INT8_MAX, _MIN_SCALE).astype(np.float32)
        quantized = np.round(values / scale[:, None, None, None]).astype(np.int8)
        model.graph.initializer.remove(weights[name])
        tensors = {f"{name}_int8": quantized, f"{name}_scale": scale}
        model.graph.initializer.extend(
            onnx.numpy_helper.from_array(value, key) for key, value in tensors.items()
        )
        added.append(onnx.helper.make_node("DequantizeLinear", [*tensors], [name], axis=0))
    nodes = [*added, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)
