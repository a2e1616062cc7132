"""Import of the packages of other runtimes, without what they print."""

import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import torch

from stylenet.errors import StyleNetError, first_line


def import_package(name: str, extra: str) -> Any:
    """Import a package of StyleNet's optional dependencies.

    Args:
        name: Dotted name of the module.
        extra: Name of the optional dependencies that install it.

    Raises:
        StyleNetError: The package is missing, or does not fit the installed PyTorch.
    """
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise _missing((error.name or name).partition(".")[0], extra) from error
    except (ImportError, AttributeError, OSError) as error:
        raise StyleNetError(
            f"the package {package} does not work with PyTorch {torch.__version__} "
            f"({first_line(error)}); install the release that fits it: "
            f"pip install --upgrade 'stylenet[{extra}]'"
        ) from error


def check_installed(packages: Sequence[str], extra: str) -> None:
    """Check that packages are installed, without importing them.

    Args:
        packages: Names of top-level modules.
        extra: Name of the optional dependencies that install them.

    Raises:
        StyleNetError: One is missing.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise _missing(package, extra)


def _missing(package: str, extra: str) -> StyleNetError:
    return StyleNetError(f"exporting needs the package {package}: pip install 'stylenet[{extra}]'")


@contextmanager
def quiet() -> Iterator[None]:
    """Discard what native libraries, progress bars and warnings write meanwhile."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    try:
        with (
            open(os.devnull, "w") as nowhere,
            redirect_stdout(nowhere),
            redirect_stderr(nowhere),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            for descriptor in (1, 2):
                os.dup2(nowhere.fileno(), descriptor)
            yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
