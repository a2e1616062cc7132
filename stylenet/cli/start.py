"""Entry points of the commands.

A command's own module, and with it PyTorch, is imported only when there is work to do: its help,
the version and the shell's completion need none of it and come at once.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module

# Hydra's options that tell something about a command and do no work.
INFORMATION = {
    *("-h", "--help", "--hydra-help", "--version", "-i", "--info", "-sc", "--shell-completion"),
}

_ERASE_LINE = "\r\x1b[K"


def start(command: str) -> None:
    """Run a command, or answer what the command line asks about it.

    Args:
        command: Name of its module in this package and of its file in configs/.
    """
    if any(word.partition("=")[0] in INFORMATION for word in sys.argv[1:]):
        from stylenet.cli.app import run

        run(lambda _: None, command)  # Hydra answers and ends before the task
        return
    with notice("loading PyTorch"):
        module = import_module(f"stylenet.cli.{command}")
    module.main()


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


train = partial(start, "train")
infer = partial(start, "infer")
check_data = partial(start, "check_data")
make_shards = partial(start, "make_shards")
prepare_coco = partial(start, "prepare_coco")
paint_styles = partial(start, "paint_styles")
distill_encoder = partial(start, "distill_encoder")
contact_sheet = partial(start, "contact_sheet")
dream = partial(start, "dream")
optimize = partial(start, "optimize")
benchmark = partial(start, "benchmark")
evaluate = partial(start, "evaluate")
export = partial(start, "export")
import_checkpoint = partial(start, "import_checkpoint")
add_pretrained = partial(start, "add_pretrained")
