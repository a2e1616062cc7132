"""Weights of the losses that any method can add: ``temporal`` and ``droplets``."""

from typing import Any

from stylenet.errors import check_number


def check_loss_weight(option: str, weight: Any) -> float:
    """Return the weight of a loss; ``None``, as in configs of version 0.1, is 0.

    Args:
        option: Its name, for messages, such as ``loss.temporal_weight``.
        weight: Its value.

    Raises:
        StyleNetError: It is not a number of at least 0.
    """
    if weight is None:
        return 0.0
    check_number(option, weight, minimum=0)
    return float(weight)
