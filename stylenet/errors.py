"""The error that a user can mend, and the checks that raise it."""

import math
from collections.abc import Iterable
from typing import Any

# The largest seed that PyTorch's generators take.
LARGEST_SEED = 2**63 - 1


class StyleNetError(Exception):
    """A mistake that the user can mend.

    Its message is one line: what was got, what was expected, what to do next. The commands print
    it on stderr without a traceback and end with exit status 2.
    """


def check_number(
    name: str,
    value: Any,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    integer: bool = False,
) -> None:
    """Refuses what is not a finite number within bounds.

    Args:
        name: The option as a user writes it, for the message (``data.crop_size``).
        value: What was given for it.
        minimum: The smallest value allowed.
        maximum: The largest value allowed.
        above: A bound that the value has to exceed.
        integer: Whether only whole numbers are allowed.

    Raises:
        StyleNetError: The value is of another type, not finite or out of bounds.
    """
    kind = "a whole number" if integer else "a number"
    bound = "" if minimum is None else f" of at least {minimum:g}"
    bound += "" if above is None else f" above {above:g}"
    if maximum is not None:
        bound += f"{' and' if bound else ' of'} at most {maximum:,}"
    allowed = int if integer else (int, float)
    good = isinstance(value, allowed) and not isinstance(value, bool) and abs(value) < math.inf
    if good and minimum is not None:
        good = value >= minimum
    if good and above is not None:
        good = value > above
    if good and maximum is not None:
        good = value <= maximum
    if not good:
        raise StyleNetError(f"{name}={value} is not {kind}{bound}")


def first_line(error: BaseException) -> str:
    """Says in one line what another library's error is about.

    Args:
        error: What was raised.

    Returns:
        The first line of its message, or its name where it has no message.
    """
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Refuses what is not one of the given words.

    Args:
        name: The option as a user writes it.
        value: What was given for it.
        choices: The words allowed.

    Raises:
        StyleNetError: The value is none of them.
    """
    choices = list(choices)
    if value not in choices:
        raise StyleNetError(f"{name}={value} is unknown; choose one of {', '.join(choices)}")
