"""Set up the reference of ``benchmarks/reference.py`` with the weights of StyleNet's networks."""

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

# The values of the paper, for networks other than Johnson's.
_DEFAULT = {"width": 32, "blocks": 5}


def load_reference() -> ModuleType:
    """Import the reference, which is beside the package in a clone and inside it in a wheel.

    Raises:
        StyleNetError: This installation lacks it.
    """
    here = Path(__file__)
    candidates = [here.with_name("reference.py"), here.parents[2] / "benchmarks" / "reference.py"]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        raise StyleNetError(
            f"the reference is missing from this installation ({candidates[-1]}); "
            f"measure without it: baseline=false"
        )
    spec = importlib.util.spec_from_file_location("stylenet_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference_network(network: StyleNetwork) -> tuple[nn.Module, str]:
    """Build the reference network to compare with one of ours.

    Args:
        network: A Johnson network gets a reference of its width, depth and weights; any other
            network gets that of the paper.

    Returns:
        The reference and its description.
    """
    johnson = network.name == "johnson"
    arguments = {name: network.arguments[name] if johnson else _DEFAULT[name] for name in _DEFAULT}
    reference = load_reference().TransformerNet(**arguments)
    if johnson:
        _copy_weights(network, reference)
    words = ", ".join(f"{name} {value}" for name, value in arguments.items())
    return reference, f"johnson ({words})"


def reference_training(network: StyleNetwork, criterion: PerceptualLoss, style: Tensor) -> Any:
    """Build the reference training to compare with ours.

    Args:
        network: See :func:`reference_network`.
        criterion: Our loss; the reference uses its encoder and its layers.
        style: RGB in [0, 1], shape (1, 3, H, W); its device becomes the reference's.

    Returns:
        The reference, with a method ``step``.
    """
    content, style_layers = criterion.term_layers("content"), criterion.term_layers("style")
    layers = [*content, *style_layers]
    features = _reference_encoder(criterion.encoder, layers).to(style.device)
    reference = reference_network(network)[0].to(style.device).train()
    return load_reference().Training(reference, features, style, content, style_layers)


def _reference_encoder(encoder: Encoder, layers: list[str]) -> nn.Module:
    """Return an encoder in plain form: all layers in one pass, float32, default memory layout."""
    if isinstance(encoder, VGGEncoder):
        features = load_reference().VGGFeatures(encoder.architecture, layers)
        _copy_weights(encoder, features)
        return features
    # Only StyleNet has this encoder, so there is no plain way to write it.
    plain = copy.deepcopy(encoder).to(memory_format=torch.contiguous_format)
    return _AllLayers(plain, layers)


class _AllLayers(nn.Module):
    """Encoder that returns the same layers every time."""

    def __init__(self, encoder: Encoder, layers: list[str]) -> None:
        super().__init__()
        self.encoder = encoder
        self.layers = layers

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.encoder(images, self.layers)


@torch.no_grad()
def _copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Copy convolutions and normalizations in order, as many as the target has."""
    kinds = (nn.Conv2d, nn.InstanceNorm2d, nn.BatchNorm2d)
    ours, theirs = (
        [layer for layer in module.modules() if isinstance(layer, kinds)]
        for module in (source, target)
    )
    for layer, twin in zip(ours, theirs, strict=False):
        twin.weight.copy_(layer.weight)
        # The reference has biases everywhere; normalization cancels them.
        assert twin.bias is not None
        twin.bias.copy_(torch.zeros(()) if layer.bias is None else layer.bias)
