"""The error for user mistakes, and common checks that raise it."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

# Largest seed of PyTorch's generators.
LARGEST_SEED = 2**63 - 1

# Messages of CUDA and MPS, of PyTorch's CPU allocator, of mmap, and of OpenVINO. MPS and the CPU
# have no class of their own for this error, and CUDA's is a RuntimeError.
_OUT_OF_MEMORY = ("out of memory", "DefaultCPUAllocator", "allocate memory", "bad_alloc")


class StyleNetError(Exception):
    """A mistake that the user can fix.

    The message is one line: what was given, what was expected, what to do next. Commands print it
    on stderr without a traceback and exit with status 2.
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
    """Check that an option is a finite number within bounds.

    Args:
        name: Full name of the option (``data.crop_size``), for the message.
        value: Value of the option, of any type.
        minimum: Smallest allowed value.
        maximum: Largest allowed value.
        above: Lower bound that the value must exceed.
        integer: Whether only whole numbers are allowed.

    Raises:
        StyleNetError: The value has another type, is not finite or out of bounds.
    """
    number = "a whole number" if integer else "a number"
    bound = "" if minimum is None else f" of at least {minimum:g}"
    bound += "" if above is None else f" above {above:g}"
    if maximum is not None:
        bound += f"{' and' if bound else ' of'} at most {maximum:,}"
    allowed = int if integer else (int, float)
    valid = isinstance(value, allowed) and not isinstance(value, bool) and abs(value) < math.inf
    if valid and minimum is not None:
        valid = value >= minimum
    if valid and above is not None:
        valid = value > above
    if valid and maximum is not None:
        valid = value <= maximum
    if not valid:
        raise StyleNetError(f"{name}={value} is not {number}{bound}")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its class without a message."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Check that an option has one of the allowed values.

    Args:
        name: Full name of the option, for the message.
        value: Value of the option, of any type.
        choices: Allowed values.

    Raises:
        StyleNetError: The value is not allowed.
    """
    choices = list(choices)
    if value not in choices:
        raise StyleNetError(
            f"{name}={value} is unknown; choose one of {', '.join(map(str, choices))}"
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of Python or PyTorch means that memory ran out, on any device."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _OUT_OF_MEMORY)


@contextmanager
def explain_out_of_memory(message: str) -> Iterator[None]:
    """Replace out-of-memory errors by a :class:`StyleNetError` with a message that says what to do.

    Raises:
        StyleNetError: Memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise StyleNetError(message) from error
