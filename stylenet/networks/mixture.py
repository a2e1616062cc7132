"""Mixtures of styles, as users write them: ``starry:0.6,mosaic:0.4``."""

from collections.abc import Iterable

from stylenet.errors import StyleNetError, check_number

# The name must fit into a file name with a suffix; file systems allow 255 bytes.
_LONGEST_NAME = 100


def parse_mixture(text: str) -> dict[str, float]:
    """Parse a style or a mixture of styles.

    Args:
        text: Names with weights, ``starry:0.6,mosaic:0.4``. The weight defaults to 1.

    Returns:
        The weights by name, in the given order; only their ratios matter.

    Raises:
        StyleNetError: A name is missing or given twice, or a weight is not a number above 0.
    """
    mixture: dict[str, float] = {}
    for part in text.split(","):
        name, colon, weight = (piece.strip() for piece in part.partition(":"))
        if not name:
            raise StyleNetError(
                f"style={text} lacks a name; give a style, or several with their weights such as "
                f"'starry:0.6,mosaic:0.4'"
            )
        if name in mixture:
            raise StyleNetError(f"style={text} names {name} twice")
        mixture[name] = _parse_weight(name, weight) if colon else 1.0
    return mixture


def join_style_names(names: Iterable[str]) -> str:
    """Join the names of several styles into one, for files and folders.

    Returns:
        For example ``starry+mosaic``, or ``starry+31`` if all 32 names would be too long.
    """
    first, *others = names
    name = "+".join([first, *others])
    return name if len(name) <= _LONGEST_NAME else f"{first}+{len(others)}"


def _parse_weight(name: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        raise StyleNetError(f"style={name}:{text} is not a number above 0") from None
    check_number(f"style={name}", weight, above=0)
    return weight
