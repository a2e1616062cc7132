"""The plain reference that `stylenet benchmark` compares StyleNet with.

Fast style transfer as it is commonly written in PyTorch: eager float32 in the default memory
layout, a module for each padding and each upsampling, full passes of the encoder for photo and
output. It is not a straw man: the encoder is frozen and cut off after its deepest layer, and the
style's Gram matrices are computed once. It shares no code with StyleNet, so that changes there do
not affect it.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision import transforms
from torchvision.datasets.folder import default_loader

# Commonly used with torchvision's VGG; they do not affect the time.
WEIGHTS = {"content": 1e5, "style": 1e10}


class ConvLayer(nn.Module):
    """Reflection padding, then a convolution with bias."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(kernel // 2)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Pad and convolve (N, C, H, W)."""
        return self.conv(self.pad(x))


class ResidualBlock(nn.Module):
    """Two convolutions with an identity path."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvLayer(channels, channels, 3)
        self.norm1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = ConvLayer(channels, channels, 3)
        self.norm2 = nn.InstanceNorm2d(channels, affine=True)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Add the block's residual to (N, C, H, W)."""
        y = self.relu(self.norm1(self.conv1(x)))
        return x + self.norm2(self.conv2(y))


class TransformerNet(nn.Module):
    """Network of Johnson et al. 2016 with instance normalization and resize-convolution.

    Its convolutions and normalizations are listed in the order in which they run, as in StyleNet's
    own network, so that weights can be copied one by one.
    """

    def __init__(self, width: int = 32, blocks: int = 5) -> None:
        """Build the network with random weights.

        Args:
            width: Channels of the first layer.
            blocks: Number of residual blocks.
        """
        super().__init__()
        self.layers = nn.Sequential(
            ConvLayer(3, width, 9),
            nn.InstanceNorm2d(width, affine=True),
            nn.ReLU(),
            ConvLayer(width, 2 * width, 3, stride=2),
            nn.InstanceNorm2d(2 * width, affine=True),
            nn.ReLU(),
            ConvLayer(2 * width, 4 * width, 3, stride=2),
            nn.InstanceNorm2d(4 * width, affine=True),
            nn.ReLU(),
            *(ResidualBlock(4 * width) for _ in range(blocks)),
            nn.Upsample(scale_factor=2, mode="nearest"),
            ConvLayer(4 * width, 2 * width, 3),
            nn.InstanceNorm2d(2 * width, affine=True),
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="nearest"),
            ConvLayer(2 * width, width, 3),
            nn.InstanceNorm2d(width, affine=True),
            nn.ReLU(),
            ConvLayer(width, 3, 9),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Stylize images, RGB in [0, 1], shape (N, 3, H, W), H and W multiples of 4."""
        return (torch.tanh(self.layers(x * 2 - 1)) + 1) / 2


class VGGFeatures(nn.Module):
    """First layers of a VGG, frozen; return the outputs of some of its ReLUs."""

    def __init__(self, architecture: str, layers: Sequence[str]) -> None:
        """Build the layers, without setting their weights.

        Args:
            architecture: ``vgg16`` or ``vgg19``.
            layers: Names such as ``relu2_2``.
        """
        super().__init__()
        with torch.device("meta"):  # avoids allocating 550 MB for the classifier, which is unused
            features = getattr(torchvision.models, architecture)(weights=None).features
        names: list[str] = []
        block, index = 1, 1
        for layer in features:
            names.append(f"relu{block}_{index}" if isinstance(layer, nn.ReLU) else "")
            if isinstance(layer, nn.ReLU):
                index += 1
            elif isinstance(layer, nn.MaxPool2d):
                block, index = block + 1, 1
        depth = max(names.index(layer) for layer in layers) + 1
        self.slice = features[:depth].to_empty(device="cpu").requires_grad_(False).eval()
        self.names = [name if name in layers else "" for name in names[:depth]]
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the features of images, RGB in [0, 1], by layer name."""
        x = (x - self.mean) / self.std
        features = {}
        for name, layer in zip(self.names, self.slice, strict=True):
            x = layer(x)
            if name:
                features[name] = x
        return features


def gram_matrix(features: Tensor) -> Tensor:
    """Return the Gram matrices of features: (N, C, H, W) to (N, C, C), divided by C·H·W."""
    n, c, h, w = features.shape
    flat = features.view(n, c, h * w)
    return flat.bmm(flat.transpose(1, 2)) / (c * h * w)


class Training:
    """Training step: Adam on mean squared errors of features and of Gram matrices."""

    def __init__(
        self,
        network: nn.Module,
        features: nn.Module,
        style: Tensor,
        content_layers: Sequence[str],
        style_layers: Sequence[str],
    ) -> None:
        """Set the parts and compute the style's Gram matrices.

        Args:
            network: The network to train.
            features: Frozen encoder that returns features by layer name.
            style: RGB in [0, 1], shape (1, 3, H, W).
            content_layers: Layers whose features are compared with the photo's.
            style_layers: Layers whose Gram matrices are compared with the style's.
        """
        self.network = network
        self.features = features
        self.content_layers = content_layers
        self.style_layers = style_layers
        with torch.no_grad():
            self.style = {k: gram_matrix(v) for k, v in features(style).items()}
        self.optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step(self, x: Tensor) -> float:
        """Train on a batch of photos, RGB in [0, 1], and return the loss."""
        self.optimizer.zero_grad()
        y = self.network(x)
        features_x, features_y = self.features(x), self.features(y)
        content = sum(F.mse_loss(features_y[k], features_x[k]) for k in self.content_layers)
        style = sum(
            F.mse_loss(gram_matrix(features_y[k]), self.style[k].expand(len(x), -1, -1))
            for k in self.style_layers
        )
        loss = WEIGHTS["content"] * content + WEIGHTS["style"] * style
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Photos(Dataset):
    """Photos as tensors, loaded as by torchvision's ImageFolder but without class folders."""

    def __init__(self, paths: Sequence[Path], size: int) -> None:
        """Set the files and the transforms.

        Args:
            paths: The photo files.
            size: Size of the square crops in pixels.
        """
        self.paths = paths
        self.transform = transforms.Compose(
            [transforms.Resize(size), transforms.CenterCrop(size), transforms.ToTensor()]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        """Load a photo, RGB in [0, 1], shape (3, size, size)."""
        return self.transform(default_loader(str(self.paths[index])))
