"""Entry points that say on a terminal what they wait for, from the first moment on."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_ERASE_LINE = "\r\x1b[K"


@contextmanager
def notice(text: str) -> Iterator[None]:
    """Show a line on the terminal while something takes time; erase it afterwards.

    Args:
        text: What is being done. Nothing is shown where stderr is a file or a pipe.
    """
    shown = sys.stderr.isatty()
    if shown:
        print(f"{text} …", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if shown:
            print(_ERASE_LINE, end="", file=sys.stderr, flush=True)


def train() -> None:
    """Run ``scripts/train.py``; PyTorch and Lightning take seconds to import."""
    with notice("loading PyTorch"):
        from stylenet.cli.train import main
    main()


def infer() -> None:
    """Run ``scripts/infer.py``; PyTorch takes seconds to import."""
    with notice("loading PyTorch"):
        from stylenet.cli.infer import main
    main()
