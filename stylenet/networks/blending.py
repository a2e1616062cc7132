"""Interpolation between two networks."""

import torch

from stylenet.errors import StyleNetError, check_number
from stylenet.networks.registry import StyleNetwork, build_network


def blend_networks(first: StyleNetwork, second: StyleNetwork, fraction: float) -> StyleNetwork:
    """Interpolate linearly between the weights of two networks.

    The result looks good if one network was trained from the other. Networks that were trained
    independently have unrelated inner layers, and their mean resembles neither.

    Args:
        first: The network at fraction 0.
        second: The network at fraction 1, of the same architecture.
        fraction: Weight of the second network, from 0 to 1.

    Returns:
        A network that shares no weights with the two.

    Raises:
        StyleNetError: The architectures differ, or the fraction is outside [0, 1].
    """
    check_number("blend_weight", fraction, minimum=0)
    if fraction > 1:
        raise StyleNetError(f"blend_weight={fraction} is not a number from 0 to 1")
    if (first.name, first.arguments) != (second.name, second.arguments):
        raise StyleNetError(
            f"the first network is {first.name} with {first.arguments}, the second {second.name} "
            f"with {second.arguments}; only networks of the same architecture can be blended"
        )
    weights = second.state_dict()
    blended = {
        key: torch.lerp(value, weights[key].to(value), fraction)
        if value.is_floating_point()
        else value
        for key, value in first.state_dict().items()
    }
    network = build_network(first.name, **first.arguments)
    network.load_state_dict(blended)
    return network
