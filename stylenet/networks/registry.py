"""The closed list of networks, by name: what a checkpoint may name and a config may choose."""

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from stylenet.errors import StyleNetError


class StyleNetwork(nn.Module):
    """What every network here is: images in, images of the same size out.

    Attributes:
        name: The registered name.
        arguments: Every constructor argument, defaults included, so that a checkpoint keeps its
            meaning when a default changes.
        recorded: How the names of weights begin that are another's and can be had again, for which
            checkpoints say which they are in the place of holding them; empty for none.
    """

    name: str
    arguments: dict[str, Any]
    recorded: str = ""

    def forward(self, images: Tensor) -> Tensor:
        """Stylizes images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), any H and W from 1.

        Returns:
            RGB in [0, 1], the same shape.
        """
        raise NotImplementedError

    def begin_with(self, trained: "StyleNetwork") -> None:
        """Takes the weights of a trained network.

        Args:
            trained: Stays as it is.

        Raises:
            StyleNetError: It is a network of another kind or size.
        """
        if (trained.name, trained.arguments) != (self.name, self.arguments):
            raise StyleNetError(
                f"it is a network {trained.name} with {trained.arguments}, this run trains "
                f"{self.name} with {self.arguments}; choose network options that are the same"
            )
        self.load_state_dict(trained.state_dict())


_NETWORKS: dict[str, type[StyleNetwork]] = {}


def register_network(name: str) -> Callable[[type[StyleNetwork]], type[StyleNetwork]]:
    """Enters a network class into the list.

    Args:
        name: The name that configs and checkpoints use.

    Returns:
        A class decorator.

    Raises:
        ValueError: The name is taken.
    """

    def enter(network: type[StyleNetwork]) -> type[StyleNetwork]:
        if name in _NETWORKS:
            raise ValueError(f"a network named {name} is registered already: {_NETWORKS[name]}")
        _NETWORKS[name] = network
        return network

    return enter


def available_networks() -> list[str]:
    """Lists the names that :func:`build_network` knows.

    Returns:
        The names, sorted.
    """
    return sorted(_NETWORKS)


def build_network(name: str, **arguments: Any) -> StyleNetwork:
    """Builds a network with fresh weights.

    Args:
        name: One of :func:`available_networks`.
        **arguments: The constructor's arguments; those not given keep their defaults.

    Returns:
        The network, its ``name`` and complete ``arguments`` set.

    Raises:
        StyleNetError: The name or an argument is unknown, or a value is impossible.
    """
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
    # Lists as a checkpoint's JSON gives them back, so that networks compare by their arguments.
    network.arguments = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in complete.arguments.items()
    }
    return network
