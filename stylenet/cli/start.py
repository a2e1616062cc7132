"""Start of a command, by ``stylenet`` or by a file in ``scripts/``.

A command's own module, and with it PyTorch, is imported only to do work: its help, its version and
shell completion come at once.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

import stylenet
from stylenet.cli.completion import COMPLETION, check_completion
from stylenet.cli.mistakes import errors_as_one_line
from stylenet.cli.renamed import check_renamed

HELP = {"-h", "--help"}
# Options that print something and do no work.
INFORMATION = {*HELP, *COMPLETION, "--hydra-help", "--version", "-i", "--info"}

_ERASE_LINE = "\r\x1b[K"


def start(module: str, arguments: Sequence[str] | None = None) -> None:
    """Run a command, or print what its command line asks about it.

    Args:
        module: Name of its module in this package and of its YAML file in ``configs/``.
        arguments: The words after the name of the command; default: those of this process.
    """
    if arguments is not None:
        sys.argv[1:] = arguments  # where Hydra reads them
    options = {word.partition("=")[0] for word in sys.argv[1:]}
    with errors_as_one_line():
        if "--version" in options:
            print(f"StyleNet {stylenet.__version__}")
            return
        if options & set(COMPLETION):
            check_completion(sys.argv[1:], module)
        if options & INFORMATION:
            from stylenet.cli.app import run

            run(lambda _: None, module)  # Hydra answers and ends before the task
            return
        check_renamed(sys.argv[1:])
        with notice("loading PyTorch"):
            command = import_module(f"stylenet.cli.{module}")
        command.main()


@contextmanager
def notice(text: str) -> Iterator[None]:
    """Show a line on the terminal during slow work; erase it afterwards.

    Args:
        text: Description of the work. It is not shown where stderr is a file or a pipe.
    """
    shown = sys.stderr.isatty()
    if shown:
        print(f"{text} …", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if shown:
            print(_ERASE_LINE, end="", file=sys.stderr, flush=True)
