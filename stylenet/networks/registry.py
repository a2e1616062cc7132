"""Registry of the networks that configs and checkpoints can name."""

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from stylenet.errors import StyleNetError
from stylenet.plugins import load_plugins


class StyleNetwork(nn.Module):
    """Base class of all networks: images in, stylized images of the same size out.

    Attributes:
        name: The registered name.
        arguments: All constructor arguments, defaults included, so that checkpoints stay valid when
            a default changes.
        referenced_prefix: Key prefix of weights that checkpoints reference by hash instead of
            storing (a frozen VGG); empty if none.
    """

    name: str
    arguments: dict[str, Any]
    referenced_prefix: str = ""

    def forward(self, images: Tensor) -> Tensor:
        """Stylize images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), H and W at least 1.

        Returns:
            RGB in [0, 1], the same shape.
        """
        raise NotImplementedError

    @property
    def bottleneck(self) -> nn.Module | None:
        """Return the module whose output are the last features before the upsampling, if any.

        Training on clips compares them along the motion; ``None`` compares the images alone.
        """
        return None

    def initialize_from(self, trained: "StyleNetwork") -> None:
        """Copy the weights of a trained network.

        Args:
            trained: Network to copy from, left unchanged.

        Raises:
            StyleNetError: The architectures differ.
        """
        if (trained.name, trained.arguments) != (self.name, self.arguments):
            raise StyleNetError(
                f"it is a {trained.name} network with {trained.arguments}, but this run trains a "
                f"{self.name} network with {self.arguments}; choose the same network options"
            )
        self.load_state_dict(trained.state_dict())


_NETWORKS: dict[str, type[StyleNetwork]] = {}


def register_network(name: str) -> Callable[[type[StyleNetwork]], type[StyleNetwork]]:
    """Register a network class under a name (class decorator).

    Args:
        name: Name for configs and checkpoints.

    Raises:
        ValueError: The name is already registered.
    """

    def register(network: type[StyleNetwork]) -> type[StyleNetwork]:
        if name in _NETWORKS:
            raise ValueError(f"a network named {name} is registered already: {_NETWORKS[name]}")
        _NETWORKS[name] = network
        return network

    return register


def available_networks() -> list[str]:
    """List the registered names, sorted."""
    return sorted(_NETWORKS)


def build_network(name: str, **arguments: Any) -> StyleNetwork:
    """Build a network with random weights.

    Args:
        name: One of :func:`available_networks`.
        **arguments: Constructor arguments; missing ones take their defaults.

    Returns:
        The network, with its ``name`` and complete ``arguments`` set.

    Raises:
        StyleNetError: The name or an argument is unknown, or a value is out of range.

    Example:
        >>> network = build_network("johnson", width=24)
        >>> stylized = network(images)  # (N, 3, H, W) -> (N, 3, H, W)
    """
    if name not in _NETWORKS:
        load_plugins()
    if name not in _NETWORKS:
        raise StyleNetError(
            f"unknown network {name}; available networks: {', '.join(available_networks())}"
        )
    network_class = _NETWORKS[name]
    signature = inspect.signature(network_class)
    unknown = sorted(set(arguments) - set(signature.parameters))
    if unknown:
        raise StyleNetError(
            f"network {name} has no argument {', '.join(unknown)}; "
            f"it takes {', '.join(signature.parameters)}"
        )
    complete = signature.bind(**arguments)
    complete.apply_defaults()
    network = network_class(**complete.arguments)
    network.name = name
    # Lists, as JSON returns them, so that arguments compare equal to those of a loaded checkpoint.
    network.arguments = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in complete.arguments.items()
    }
    return network
