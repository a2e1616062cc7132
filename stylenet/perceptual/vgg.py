"""The VGG networks of Simonyan & Zisserman 2015 (arXiv:1409.1556) as torchvision lays them out."""

import torch
import torchvision
from torch import nn

_BUILDERS = {"vgg16": torchvision.models.vgg16, "vgg19": torchvision.models.vgg19}

ARCHITECTURES = tuple(_BUILDERS)


def vgg_layers(architecture: str) -> dict[str, nn.Module]:
    """Return the layers of the convolutional part of a VGG, without weights.

    Args:
        architecture: ``vgg16`` or ``vgg19``.

    Returns:
        The layers in order under the papers' names: ``conv1_1``, ``relu1_1``, ``conv1_2``, …,
        ``pool1``, ``conv2_1``, … . The convolutions are on the meta device; the ReLUs work
        in place, which halves the memory of feature maps.
    """
    with torch.device("meta"):  # without allocating 550 MB of classifier
        features = _BUILDERS[architecture](weights=None).features
    layers: dict[str, nn.Module] = {}
    block, convolution = 1, 0
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            convolution += 1
            layers[f"conv{block}_{convolution}"] = layer
        elif isinstance(layer, nn.ReLU):
            layers[f"relu{block}_{convolution}"] = nn.ReLU(inplace=True)
        else:
            layers[f"pool{block}"] = layer
            block, convolution = block + 1, 0
    return layers
