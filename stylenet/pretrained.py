"""Pretrained styles: the checkpoints that come with the package."""

import difflib
from pathlib import Path

from stylenet.errors import StyleNetError

PRETRAINED = Path(__file__).parent / "assets" / "networks"


def pretrained_styles() -> dict[str, Path]:
    """Return the checkpoints of all pretrained styles by their names, sorted."""
    return {path.stem: path for path in sorted(PRETRAINED.glob("[!.]*.safetensors"))}


def pretrained_style(style: str) -> Path:
    """Return the checkpoint of a pretrained style.

    Raises:
        StyleNetError: There is no pretrained style of this name.
    """
    checkpoints = pretrained_styles()
    if style in checkpoints:
        return checkpoints[style]
    similar = difflib.get_close_matches(style, checkpoints, 1)
    hint = f", did you mean {similar[0]}" if similar else ""
    raise StyleNetError(
        f"style={style} is no pretrained style{hint}; choose one of {', '.join(checkpoints)}, or "
        f"pass a checkpoint of your own: checkpoint=PATH"
    )
