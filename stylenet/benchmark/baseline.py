"""The reference in ``benchmarks/reference.py``, given the weights of what it is compared with."""

import copy
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError
from stylenet.networks import StyleNetwork
from stylenet.perceptual import Encoder, PerceptualLoss, VGGEncoder

# The paper's, for networks that are none of Johnson's.
_DEFAULT = {"width": 32, "blocks": 5}


def load_reference() -> ModuleType:
    """Imports the reference, which lies beside the package in a clone and inside it in a wheel.

    Returns:
        The module.

    Raises:
        StyleNetError: This installation came without it.
    """
    here = Path(__file__)
    places = [here.with_name("reference.py"), here.parents[2] / "benchmarks" / "reference.py"]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise StyleNetError(
            f"the reference is missing from this installation ({places[-1]}); measure without it: "
            f"baseline=false"
        )
    spec = importlib.util.spec_from_file_location("stylenet_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference_network(network: StyleNetwork) -> tuple[nn.Module, str]:
    """Builds the commonly written network that stands beside one of ours.

    Args:
        network: Ours. A Johnson network has a reference of its width, depth and weights, any other
            one the network of the paper.

    Returns:
        The reference, and what it is.
    """
    johnson = network.name == "johnson"
    arguments = {name: network.arguments[name] if johnson else _DEFAULT[name] for name in _DEFAULT}
    reference = load_reference().TransformerNet(**arguments)
    if johnson:
        _copy_weights(network, reference)
    words = ", ".join(f"{name} {value}" for name, value in arguments.items())
    return reference, f"johnson ({words})"


def reference_training(network: StyleNetwork, criterion: PerceptualLoss, style: Tensor) -> Any:
    """Builds the commonly written training that stands beside ours.

    Args:
        network: See :func:`reference_network`.
        criterion: Our loss: the reference has its encoder and its layers.
        style: RGB in [0, 1], shape (1, 3, H, W); its device is the reference's.

    Returns:
        The reference, with a method ``step``.
    """
    options = criterion.options
    layers = [*options.content_layers, *options.style_layers]
    features = _reference_encoder(criterion.encoder, layers).to(style.device)
    reference = reference_network(network)[0].to(style.device).train()
    return load_reference().Training(
        reference, features, style, options.content_layers, options.style_layers
    )


def _reference_encoder(encoder: Encoder, layers: list[str]) -> nn.Module:
    """The same features as commonly computed: all layers in one pass, float32, default layout."""
    if isinstance(encoder, VGGEncoder):
        features = load_reference().VGGFeatures(encoder.architecture, layers)
        _copy_weights(encoder, features)
        return features
    # There is no common way to write an encoder that is ours alone.
    plain = copy.deepcopy(encoder).to(memory_format=torch.contiguous_format)
    return _AllLayers(plain, layers)


class _AllLayers(nn.Module):
    """An encoder that is asked for the same layers every time."""

    def __init__(self, encoder: Encoder, layers: list[str]) -> None:
        super().__init__()
        self.encoder = encoder
        self.layers = layers

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.encoder(images, self.layers)


@torch.no_grad()
def _copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Copies convolutions and normalizations in order, as many as the target has."""
    kinds = (nn.Conv2d, nn.InstanceNorm2d, nn.BatchNorm2d)
    ours, theirs = (
        [layer for layer in module.modules() if isinstance(layer, kinds)]
        for module in (source, target)
    )
    for layer, twin in zip(ours, theirs, strict=False):
        twin.weight.copy_(layer.weight)
        # The reference has biases everywhere, which normalizations take away again.
        assert twin.bias is not None
        twin.bias.copy_(torch.zeros(()) if layer.bias is None else layer.bias)
