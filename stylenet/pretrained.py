"""The trained networks that come with the package, by the name of their style."""

import difflib
from pathlib import Path

from stylenet.errors import StyleNetError

Pretrained = Path(__file__).parent / "assets" / "networks"


def pretrained_styles() -> dict[str, Path]:
    """Lists the networks that come with the package.

    Returns:
        Checkpoints by the names of their styles, sorted.
    """
    return {path.stem: path for path in sorted(Pretrained.glob("[!.]*.safetensors"))}


def pretrained_style(style: str) -> Path:
    """Finds the network of a style.

    Args:
        style: One of :func:`pretrained_styles`.

    Returns:
        Its checkpoint.

    Raises:
        StyleNetError: There is none of that name.
    """
    networks = pretrained_styles()
    if style in networks:
        return networks[style]
    near = difflib.get_close_matches(style, networks, 1)
    hint = f", did you mean {near[0]}" if near else ""
    raise StyleNetError(
        f"style={style} is none of the styles that StyleNet brings{hint}; they are "
        f"{', '.join(networks)} (a network of your own: checkpoint=PATH)"
    )
