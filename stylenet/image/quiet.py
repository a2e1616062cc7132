"""Thread-safe suppression of Pillow's warnings while files are read."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import Image

# Pillow logs errors in addition to raising them; without a handler Python would print the log.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_lock = threading.Lock()
_depth = 0
_silence = ExitStack()


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore warnings about unusual metadata and large images, which do not affect the result.

    ``warnings.catch_warnings`` is not safe with overlapping threads: the last one to leave would
    restore the filters of the first one for good. Here the first thread to enter sets the filters,
    and the last one to leave restores them.
    """
    global _depth
    with _lock:
        if _depth == 0:
            _silence.enter_context(warnings.catch_warnings())
            # Pillow warns up to twice MAX_IMAGE_PIXELS and raises an error above.
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
