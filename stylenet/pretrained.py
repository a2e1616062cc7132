"""Checkpoints that come with the package: pretrained styles and base networks."""

import difflib
import json
import re
from pathlib import Path

from stylenet.errors import StyleNetError

PRETRAINED = Path(__file__).parent / "assets" / "networks"
BASES = Path(__file__).parent / "assets" / "bases"
# The bundled network for arbitrary styles: checkpoint=any_style, or a style image alone.
ANY_STYLE = Path(__file__).parent / "assets" / "any_style" / "any_style.safetensors"

# Starts of the networks that they fit, unless a file in BASES does. After 150 steps compact came
# to a total of 1.63 from great_wave_compact; it came to 2.14, with dark patches, from a network
# meta-learned in ten minutes on a CPU core (mean over two paintings;
# docs/methods/base-network.md).
_STARTS = ("great_wave_compact",)


def pretrained_styles() -> dict[str, Path]:
    """Return the checkpoints of all pretrained styles by their names, sorted."""
    return {path.stem: path for path in sorted(PRETRAINED.glob("[!.]*.safetensors"))}


def base_networks() -> list[Path]:
    """Return the checkpoints of the base networks, from which any style is learned in few steps.

    Returns:
        Those of BASES, then the pretrained styles that serve where none of them fits.
    """
    starts = [PRETRAINED / f"{style}.safetensors" for style in _STARTS]
    return [*sorted(BASES.glob("[!.]*.safetensors")), *starts]


def describe_pretrained() -> dict[str, tuple[str, int]]:
    """Describe the pretrained styles, without PyTorch, which takes seconds to import.

    Returns:
        A description in one line and the size of the checkpoint in bytes, by name.
    """
    return {
        name: (read_description(path), path.stat().st_size)
        for name, path in pretrained_styles().items()
    }


def read_description(path: Path) -> str:
    """Read the description in the header of a checkpoint.

    A safetensors file begins with the length of its header, 8 bytes, and the header in JSON.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return json.loads(header["__metadata__"]["stylenet"])["description"]


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
        f"style={style} is neither a pretrained style nor an image file{hint}; choose one of "
        f"{', '.join(checkpoints)}, give the path of an image, or pass a checkpoint of your own: "
        f"checkpoint=PATH"
    )


def make_title(name: str) -> str:
    """Return a style's name for people: ``starry_night_compact`` is "Starry night (fast)"."""
    is_compact = name.endswith("_compact")
    words = name.removesuffix("_compact").replace("_", " ").replace("-", " ").strip()
    words = re.sub(r"\b[ivx]+\b", lambda number: number[0].upper(), words)  # composition_vii
    return (words[:1].upper() + words[1:] or name) + (" (fast)" if is_compact else "")
