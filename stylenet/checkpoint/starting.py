"""Training that starts from a trained network."""

from contextlib import suppress
from pathlib import Path

from stylenet.checkpoint.file import load_checkpoint
from stylenet.errors import StyleNetError
from stylenet.networks import StyleNetwork
from stylenet.pretrained import base_networks


def start_from(
    network: StyleNetwork, path: str | Path, encoder_weights: str | Path | None = None
) -> None:
    """Initialize a network with the weights of a trained one.

    Args:
        network: The network to train.
        path: See :func:`load_checkpoint`.
        encoder_weights: See :func:`load_checkpoint`.

    Raises:
        StyleNetError: See :func:`load_checkpoint`; also if the trained network has another
            architecture or size.
    """
    trained, _ = load_checkpoint(path, encoder_weights)
    try:
        network.initialize_from(trained)
    except StyleNetError as error:
        raise StyleNetError(f"init={path}: {error}") from error


def start_from_base(network: StyleNetwork) -> bool:
    """Initialize a network with the weights of the base network that fits it.

    Args:
        network: The network to train; unchanged if none fits.

    Returns:
        Whether a base network of the package has this architecture and size.
    """
    for path in base_networks():
        trained, _ = load_checkpoint(path)
        with suppress(StyleNetError):
            network.initialize_from(trained)
            return True
    return False
