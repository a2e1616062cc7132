"""Networks between two networks."""

import torch

from stylenet.errors import StyleNetError, check_number
from stylenet.networks.registry import StyleNetwork, build_network


def blend_networks(first: StyleNetwork, second: StyleNetwork, share: float) -> StyleNetwork:
    """Takes the mean of two networks' weights.

    It looks well where one network was trained from the other. Networks trained apart have nothing
    in common in their inner layers, and the middle of them is neither.

    Args:
        first: A network.
        second: Another one, of the same architecture.
        share: How much of the second, from 0 to 1.

    Returns:
        The network between them, of its own weights.

    Raises:
        StyleNetError: The architectures differ, or the share is none.
    """
    check_number("share", share, minimum=0)
    if share > 1:
        raise StyleNetError(f"share={share} is not a number from 0 to 1")
    if (first.name, first.arguments) != (second.name, second.arguments):
        raise StyleNetError(
            f"the first is a {first.name} network of {first.arguments}, the second a "
            f"{second.name} network of {second.arguments}; only networks of the same architecture "
            f"can be blended"
        )
    weights = second.state_dict()
    mean = {
        key: torch.lerp(value, weights[key].to(value), share)
        if value.is_floating_point()
        else value
        for key, value in first.state_dict().items()
    }
    network = build_network(first.name, **first.arguments)
    network.load_state_dict(mean)
    return network
