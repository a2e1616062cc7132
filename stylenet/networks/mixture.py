"""Mixtures of styles, as users write them: ``starry:0.6,mosaic:0.4``."""

from collections.abc import Iterable

from stylenet.errors import StyleNetError, check_number

# A file's name has to hold it, and a suffix; file systems allow 255 bytes.
_LONGEST_NAME = 100


def parse_mixture(text: str) -> dict[str, float]:
    """Reads a style or a mixture of styles.

    Args:
        text: Names with their weights, ``starry:0.6,mosaic:0.4``; a name without one counts 1.

    Returns:
        The weights by name, in the order given; only their ratios matter.

    Raises:
        StyleNetError: A name is missing or given twice, or a weight is not a number above 0.
    """
    mixture: dict[str, float] = {}
    for part in text.split(","):
        name, colon, given = (piece.strip() for piece in part.partition(":"))
        if not name:
            raise StyleNetError(
                f"style={text} lacks a name; give a style, or several with their weights such as "
                f"'starry:0.6,mosaic:0.4'"
            )
        if name in mixture:
            raise StyleNetError(f"style={text} names {name} twice")
        mixture[name] = _weight(name, given) if colon else 1.0
    return mixture


def joint_name(names: Iterable[str]) -> str:
    """Makes one name of those of several styles, for files and folders.

    Args:
        names: Of the styles.

    Returns:
        ``starry+mosaic``; of very many ``starry+31``.
    """
    first, *others = names
    name = "+".join([first, *others])
    return name if len(name) <= _LONGEST_NAME else f"{first}+{len(others)}"


def _weight(name: str, given: str) -> float:
    """The number that a user wrote for a style."""
    try:
        weight = float(given)
    except ValueError:
        raise StyleNetError(f"style={name}:{given} is not a number above 0") from None
    check_number(f"style={name}", weight, above=0)
    return weight
