"""Entry points of the commands.

A command's own module, and with it PyTorch, is imported only when there is work to do: its help,
the version and the shell's completion need none of it and come at once.
"""

import sys
from functools import partial
from importlib import import_module

from stylenet.cli.app import run
from stylenet.cli.arguments import INFORMATION


def start(command: str) -> None:
    """Run a command, or answer what the command line asks about it.

    Args:
        command: Name of its module in this package and of its file in configs/.
    """
    if any(word.partition("=")[0] in INFORMATION for word in sys.argv[1:]):
        run(lambda _: None, command)  # Hydra answers and ends before the task
    else:
        import_module(f"stylenet.cli.{command}").main()


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
ship_network = partial(start, "ship_network")
