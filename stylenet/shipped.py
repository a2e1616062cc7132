"""The trained networks that come with the package, by the name of their style."""

import difflib
from pathlib import Path

from stylenet.errors import StyleNetError

SHIPPED = Path(__file__).parent / "assets" / "networks"


def shipped_networks() -> dict[str, Path]:
    """Lists the networks that come with the package.

    Returns:
        Artefacts by the names of their styles, sorted.
    """
    return {path.stem: path for path in sorted(SHIPPED.glob("[!.]*.safetensors"))}


def shipped_network(style: str) -> Path:
    """Finds the network of a style.

    Args:
        style: One of :func:`shipped_networks`.

    Returns:
        Its artefact.

    Raises:
        StyleNetError: There is none of that name.
    """
    networks = shipped_networks()
    if style in networks:
        return networks[style]
    near = difflib.get_close_matches(style, networks, 1)
    hint = f", did you mean {near[0]}" if near else ""
    raise StyleNetError(
        f"style={style} is none of the styles that StyleNet brings{hint}; they are "
        f"{', '.join(networks)} (a network of your own: checkpoint=PATH)"
    )
