"""A good start for distilling: the teacher with most of its channels left out.

In the manner of He, Zhang, Sun 2017 (arXiv:1707.06168), for a network that is narrower throughout:
a few channels of each layer are chosen that say most about the others, and every convolution is
fitted by least squares to give the chosen channels from those chosen before. From random weights
the same number of steps ends at several times the error.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylenet.perceptual import Encoder, LiteEncoder

# Positions that a fit sees at most; fifty times the 577 unknowns of the widest one.
_POSITIONS = 30_000
# Relative to the mean square of the inputs: keeps weights small where inputs are alike.
_RIDGE = 1e-3


@torch.no_grad()
def start_from_teacher(student: LiteEncoder, teacher: Encoder, images: Tensor) -> None:
    """Gives the student weights that come as close to the teacher as least squares can.

    Args:
        student: The weights of the layers that it has still to learn are replaced.
        teacher: What it is to resemble.
        images: RGB in [0, 1], shape (N, 3, H, W).
    """
    convolutions = {
        k: v for layer in student.untrained for k, v in student.convolutions(layer).items()
    }
    targets = teacher(images, convolutions)  # before the ReLUs
    for name, convolution in convolutions.items():
        chosen = choose_channels(targets[name].relu(), convolution.out_channels)
        # Every channel inside the student gets size 1, which suits one learning rate for all.
        _fit(student, images, convolution, _units(targets[name][:, chosen]))
    for layer in student.untrained:
        target = targets[layer.replace("relu", "conv")]
        head, size = student.head(layer), _size(target)
        _fit(student, images, head, _units(target))
        head.weight *= size.view(-1, 1, 1, 1)
        head.bias *= size.flatten()  # type: ignore[operator]


@torch.no_grad()
def feature_sizes(encoder: Encoder, images: Tensor, layers: list[str]) -> dict[str, float]:
    """Measures how large an encoder's features are.

    Args:
        encoder: Which.
        images: RGB in [0, 1], shape (N, 3, H, W).
        layers: Their names.

    Returns:
        The root mean square of the features, by layer.
    """
    features = encoder(images, layers)
    return {layer: float(features[layer].square().mean().sqrt()) for layer in layers}


def choose_channels(features: Tensor, count: int) -> list[int]:
    """Chooses the channels from which all of them can be told best, one after the other.

    Args:
        features: Shape (N, C, H, W).
        count: How many.

    Returns:
        Their indices, the most telling one first.
    """
    flat = features.transpose(0, 1).flatten(1).double()  # (C, N·H·W)
    rest = flat @ flat.T / flat.shape[1]
    chosen: list[int] = []
    for _ in range(count):
        own = rest.diagonal().clamp_min(1e-12)
        gain = rest.square().sum(dim=0) / own  # what is explained of all by each
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        rest = rest - torch.outer(rest[:, best], rest[best]) / own[best]
    return chosen


def _size(values: Tensor) -> Tensor:
    """The root mean square of each channel behind its ReLU, shape (1, C, 1, 1)."""
    return values.relu().square().mean(dim=(0, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)


def _units(values: Tensor) -> Tensor:
    """Channels in units of their size; what lies far below zero is lifted, the ReLU ends it."""
    return (values / _size(values)).clamp_min(-1)


def _fit(student: Encoder, images: Tensor, convolution: nn.Conv2d, target: Tensor) -> None:
    """Fits one convolution of the student so that the target comes out of it."""
    inputs: list[Tensor] = []
    hook = convolution.register_forward_pre_hook(lambda _, args: inputs.append(args[0].clone()))
    student(images, student.layers)
    hook.remove()
    kernel = convolution.kernel_size[0]
    patches = F.unfold(inputs[0], kernel, padding=kernel // 2)  # (N, C·k·k, H·W)
    x = patches.transpose(1, 2).flatten(0, 1)
    y = target.flatten(2).transpose(1, 2).flatten(0, 1)
    x, y = (v[:: -(-len(v) // _POSITIONS)].double() for v in (x, y))
    x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)  # the bias
    squares = x.T @ x
    ridge = _RIDGE * squares.diagonal().mean() * torch.eye(len(squares), dtype=x.dtype)
    solved = torch.linalg.solve(squares + ridge.to(squares), x.T @ y).float()
    convolution.weight.copy_(solved[:-1].T.reshape(convolution.weight.shape))
    convolution.bias.copy_(solved[-1])  # type: ignore[union-attr]
