"""A training of the page, in a process of its own: ``python -m stylenet.app.train_run OPTIONS``.

A crash or a shortage of memory there leaves the page alive, and a signal stops it after the current
step, saved.
"""

import json
import os
import sys
from pathlib import Path

import stylenet


def main() -> None:
    """Train with the arguments of :func:`stylenet.train`, given as JSON on the command line."""
    options = json.loads(sys.argv[1])
    if hasattr(os, "nice"):
        os.nice(10)  # photos that are stylized meanwhile come first
    try:
        stylenet.train(Path(options.pop("style")), **options)
    except stylenet.StyleNetError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
