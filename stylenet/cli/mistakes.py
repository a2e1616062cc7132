"""A user's mistakes end the program in one line on stderr, without a traceback."""

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from stylenet.errors import StyleNetError


def message_of(error: Exception) -> str | None:
    """Return the message of an error that a user can fix, else ``None``."""
    return str(error) if isinstance(error, StyleNetError) else None


@contextmanager
def errors_as_one_line(
    explain: Callable[[Exception], str | None] = message_of,
) -> Iterator[None]:
    """End the program in one line for an error that a user can fix; let other errors through.

    Args:
        explain: Returns the line for an error, or ``None`` for a bug, which keeps its traceback.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # here, where a closed pipe is handled
    except KeyboardInterrupt as error:
        print(f"\n{error or 'interrupted'}", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _stdout_is_closed():
            sys.exit(1)
        message = explain(error)
        if message is None:
            raise
        fail(message)


def fail(message: str) -> NoReturn:
    """End the program with exit status 2 and one line on stderr.

    Args:
        message: What went wrong and what to do.
    """
    # All processes of a distributed run meet the same mistake; the rank tells their lines apart.
    variables = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
    rank = next((os.environ[name] for name in variables if name in os.environ), "0")
    process = "" if rank == "0" else f" (process {rank})"
    print(f"error{process}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def _stdout_is_closed() -> bool:
    """Return whether the reader of stdout has ended, as in ``… | head -n 1``.

    If so, stdout is redirected to nowhere: Python would complain once more at exit.
    """
    output = sys.stdout.fileno()
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(output)
        is_closed = any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    else:  # Windows
        is_closed = _flush_fails()
    if is_closed:
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return is_closed


def _flush_fails() -> bool:
    """Return whether stdout refuses the text that a broken pipe left in its buffer."""
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return False
