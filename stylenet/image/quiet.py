"""Pillow's warnings, kept from the user while files are read, whatever the thread."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import Image

# Pillow logs damage as well as raising it; without a handler Python would print that.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_lock = threading.Lock()
_depth = 0
_silence = ExitStack()


@contextmanager
def quiet() -> Iterator[None]:
    """Ignores warnings about odd metadata and large images; both are of no matter here.

    ``warnings.catch_warnings`` alone puts back what it found. Of two threads that enter and leave
    crosswise the second would put back the silence of the first, for good. So the first one in
    makes silence and the last one out ends it.

    Yields:
        Nothing.
    """
    global _depth
    with _lock:
        if _depth == 0:
            _silence.enter_context(warnings.catch_warnings())
            # Up to twice MAX_IMAGE_PIXELS Pillow warns only; beyond, it raises.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _silence.close()
