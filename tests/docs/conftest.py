from ..commands.conftest import in_process  # noqa: F401
