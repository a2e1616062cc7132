import logging

import pytest

from ..commands.conftest import in_process  # noqa: F401


@pytest.fixture(autouse=True)
def logging_as_before():
    """Undo what Hydra does to the root logger: --info makes it write to this test's stderr."""
    level, handlers = logging.root.level, logging.root.handlers[:]
    yield
    logging.root.setLevel(level)
    logging.root.handlers[:] = handlers
