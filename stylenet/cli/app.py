"""Common parts of all commands: Hydra around a task, objects built from options."""

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import hydra
from omegaconf import DictConfig

from stylenet.cli.arguments import for_hydra
from stylenet.cli.completion import COMPLETION
from stylenet.cli.configs import config_folder, register_resolvers, search_path
from stylenet.cli.explain import explain
from stylenet.cli.hydra_completion import offer_accepted
from stylenet.cli.mistakes import errors_as_one_line
from stylenet.contention import watch
from stylenet.errors import StyleNetError, first_line
from stylenet.program import command_name, is_script

# Options that Hydra would take for the choice of a config group, and their full names, by command.
_SHORT = {"infer": {"style": "style_name"}, "export": {"style": "style_name"}}

register_resolvers()


def run(task: Callable[[DictConfig], object], config_name: str) -> None:
    """Compose a command's options from the command line and run its task.

    A user's mistake ends the program with one line on stderr and exit status 2.

    Args:
        task: The body of the command.
        config_name: Name of its file in ``configs/``.
    """
    short = _SHORT.get(config_name, {})
    # Hydra raises errors instead of reporting them itself; they become one line here.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    # Python shows warnings with their source line; ours and Lightning's are for the user.
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files need not be UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    one_line = partial(errors_as_one_line, partial(explain, config_name=config_name, short=short))
    with one_line():
        words = for_hydra(sys.argv[1:], short)
        if not any(word.startswith("hydra.searchpath=") for word in words):
            words += search_path()
        sys.argv[1:] = words
        if set(COMPLETION) & set(sys.argv):
            offer_accepted(short)

    @hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=config_name)
    def entry(config: DictConfig) -> None:
        # Inside the job too: Hydra prints remarks of its own about errors that leave it.
        with one_line(), _repeatable_command_line(config_name):
            watch()
            task(config)

    with one_line():
        entry()


@contextmanager
def _repeatable_command_line(config_name: str) -> Iterator[None]:
    """Put the subcommand back into ``sys.argv``, which Lightning repeats to start other ranks."""
    words = [] if is_script() else command_name(config_name).split()
    sys.argv[1:1] = words
    try:
        yield
    finally:
        del sys.argv[1 : 1 + len(words)]


def build(config: DictConfig, **more: Any) -> Any:
    """Build the object that a config with a ``_target_`` describes.

    Args:
        config: The config; its lists and dicts reach the constructor as plain Python ones.
        **more: Further arguments of the constructor.

    Raises:
        StyleNetError: A value is impossible, the constructor takes no such argument, or it needs a
            package that is not installed.
    """
    try:
        return hydra.utils.instantiate(config, _convert_="all", **more)
    except hydra.errors.InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, StyleNetError):
            raise cause from error
        option, target = config._get_full_key(None), str(config._target_)
        # Not a mistyped target, which Hydra reports better itself.
        if isinstance(cause, ImportError) and not str(error).startswith("Error locating"):
            raise StyleNetError(
                f"{option}._target_={target}: {target.rpartition('.')[2]} needs a package that is "
                f"not installed. {first_line(cause)}"
            ) from error
        if isinstance(cause, TypeError) and "unexpected keyword argument" in str(cause):
            raise StyleNetError(f"{option}: {cause}") from error
        raise
