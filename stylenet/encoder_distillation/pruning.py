"""Initialization for distillation: the teacher without most of its channels.

This follows He, Zhang, Sun 2017 (arXiv:1707.06168), for a network that is narrower throughout. In
each layer the channels that explain most of the others are chosen, and each convolution is fitted
by least squares to compute them from the chosen channels of the layer before. With random weights
instead, the same number of training steps ends at several times the error.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylenet.perceptual import Encoder, LiteEncoder

# Largest number of positions of a fit, fifty times the 577 unknowns of the largest one.
_POSITIONS = 30_000
# Relative to the mean square of the inputs; keeps weights small for similar inputs.
_RIDGE = 1e-3


@torch.no_grad()
def start_from_teacher(student: LiteEncoder, teacher: Encoder, images: Tensor) -> None:
    """Initialize the student by least squares from the teacher.

    Args:
        student: Weights of untrained layers are replaced.
        teacher: The large encoder.
        images: RGB in [0, 1], shape (N, 3, H, W).
    """
    convolutions = {
        k: v for layer in student.untrained for k, v in student.convolutions(layer).items()
    }
    targets = teacher(images, convolutions)  # before the ReLUs
    for name, convolution in convolutions.items():
        chosen = choose_channels(targets[name].relu(), convolution.out_channels)
        # Channels inside the student are scaled to size 1, so that one learning rate suits all.
        _fit(student, images, convolution, _units(targets[name][:, chosen]))
    for layer in student.untrained:
        target = targets[layer.replace("relu", "conv")]
        head, size = student.head(layer), _size(target)
        _fit(student, images, head, _units(target))
        head.weight *= size.view(-1, 1, 1, 1)
        head.bias *= size.flatten()  # type: ignore[operator]


@torch.no_grad()
def feature_sizes(encoder: Encoder, images: Tensor, layers: list[str]) -> dict[str, float]:
    """Measure the size of an encoder's features.

    Args:
        encoder: The encoder.
        images: RGB in [0, 1], shape (N, 3, H, W).
        layers: Names of the layers to measure.

    Returns:
        The root mean square of the features, by layer.
    """
    features = encoder(images, layers)
    return {layer: float(features[layer].square().mean().sqrt()) for layer in layers}


def choose_channels(features: Tensor, count: int) -> list[int]:
    """Choose channels one by one, each time the one that explains most of the remaining variance.

    Args:
        features: Shape (N, C, H, W).
        count: Number of channels to choose.

    Returns:
        Indices of the channels, in order of choice.
    """
    flat = features.transpose(0, 1).flatten(1).double()  # (C, N·H·W)
    residual = flat @ flat.T / flat.shape[1]
    chosen: list[int] = []
    for _ in range(count):
        variance = residual.diagonal().clamp_min(1e-12)
        # The variance of all channels that each channel explains.
        gain = residual.square().sum(dim=0) / variance
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        explained = torch.outer(residual[:, best], residual[best]) / variance[best]
        residual = residual - explained
    return chosen


def _size(values: Tensor) -> Tensor:
    """Return the root mean square of each channel after its ReLU, shape (1, C, 1, 1)."""
    return values.relu().square().mean(dim=(0, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)


def _units(values: Tensor) -> Tensor:
    """Scale channels to size 1 and clamp values far below zero, which the ReLU removes."""
    return (values / _size(values)).clamp_min(-1)


def _fit(student: Encoder, images: Tensor, convolution: nn.Conv2d, target: Tensor) -> None:
    """Fit one convolution of the student to the target by least squares."""
    inputs: list[Tensor] = []
    hook = convolution.register_forward_pre_hook(lambda _, args: inputs.append(args[0].clone()))
    student(images, student.layers)
    hook.remove()
    kernel = convolution.kernel_size[0]
    patches = F.unfold(inputs[0], kernel, padding=kernel // 2)  # (N, C·k·k, H·W)
    x = patches.transpose(1, 2).flatten(0, 1)
    y = target.flatten(2).transpose(1, 2).flatten(0, 1)
    x, y = (v[:: -(-len(v) // _POSITIONS)].double() for v in (x, y))
    x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)  # a column for the bias
    squares = x.T @ x
    ridge = _RIDGE * squares.diagonal().mean() * torch.eye(len(squares), dtype=x.dtype)
    solution = torch.linalg.solve(squares + ridge.to(squares), x.T @ y).float()
    convolution.weight.copy_(solution[:-1].T.reshape(convolution.weight.shape))
    convolution.bias.copy_(solution[-1])  # type: ignore[union-attr]
