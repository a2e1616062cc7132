"""The style selection of each network."""

from stylenet.methods.arbitrary_style.selection import ArbitraryStyleSelection
from stylenet.methods.base import StyleSelection
from stylenet.methods.conditional.selection import ConditionalSelection
from stylenet.methods.dials.selection import DialsSelection
from stylenet.networks import (
    ArbitraryStyleNetwork,
    DialsNetwork,
    JohnsonMultiNetwork,
    StyleNetwork,
)

_SELECTIONS: dict[type[StyleNetwork], StyleSelection] = {
    StyleNetwork: StyleSelection(),
    ArbitraryStyleNetwork: ArbitraryStyleSelection(),
    DialsNetwork: DialsSelection(),
    JohnsonMultiNetwork: ConditionalSelection(),
}


def selection_of(network: StyleNetwork) -> StyleSelection:
    """Return the style selection of a network.

    Args:
        network: Loaded from a checkpoint.

    Returns:
        The selection registered for its class, or else for the nearest base class.
    """
    return next(_SELECTIONS[base] for base in type(network).__mro__ if base in _SELECTIONS)


def register_selection(network_class: type[StyleNetwork], selection: StyleSelection) -> None:
    """Register the style selection of a network class of your own.

    Args:
        network_class: Class whose networks hold other than one style.
        selection: Style selection of its networks.

    Raises:
        ValueError: The class has a style selection already.
    """
    if network_class in _SELECTIONS:
        raise ValueError(f"{network_class.__name__} has a style selection already")
    _SELECTIONS[network_class] = selection
