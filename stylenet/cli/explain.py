"""One line for each mistake that Hydra, OmegaConf or the system reports."""

import difflib
import errno
import sys
from collections.abc import Mapping
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from stylenet.cli.arguments import explain_unreadable
from stylenet.cli.configs import config_folder
from stylenet.errors import StyleNetError

# A full disk, missing permission, a read-only file system: the user can fix these.
_USERS_OS_ERRORS = {errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT, errno.EFBIG}


def explain(error: Exception, config_name: str, short: Mapping[str, str]) -> str | None:
    """Return one line about an error that a user can fix, ``None`` for any other.

    Args:
        error: The error; the errors that caused it are searched too.
        config_name: Name of the command's file in ``configs/``.
        short: See :func:`stylenet.cli.arguments.for_hydra`.
    """
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    for link in chain:
        if isinstance(link, StyleNetError):
            return str(link)
        if isinstance(link, OverrideParseException):
            return explain_unreadable(link.override)
        if isinstance(link, MissingConfigException):
            return _missing_choice(link)
        if isinstance(link, MissingMandatoryValue):
            return f"{link.full_key} is missing. Add {link.full_key}=VALUE (see --help)."
        if isinstance(link, ConfigKeyError | ConfigAttributeError):
            return _unknown_key(str(link.full_key), config_name, short)
        if isinstance(link, OSError) and link.errno in _USERS_OS_ERRORS:
            return f"{link.filename or 'writing'}: {link.strerror}"
    if isinstance(error, HydraException | OmegaConfBaseException):
        return f"{error} (see --help)"
    return None


def _missing_choice(error: MissingConfigException) -> str:
    """List the choices of a group, and show how to train on an image given as style."""
    from stylenet.image import SUFFIXES

    message = " ".join(str(error).split("Config search path")[0].split())
    group, _, name = (error.missing_cfg_file or "").partition("/")
    if group == "style" and Path(name).suffix.lower() in SUFFIXES:
        message += f"; an image: style=custom style.name={Path(name).stem} style.image={name}"
    return message


def _unknown_key(key: str, config_name: str, short: Mapping[str, str]) -> str:
    """List the known keys beside an unknown one, the nearest first."""
    parent, _, name = key.rpartition(".")
    GlobalHydra.instance().clear()
    groups = [o for o in sys.argv[1:] if "." not in o.split("=")[0] and not o.startswith("-")]
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(config_folder())):
        try:
            config = hydra.compose(config_name, overrides=groups)
        except Exception:  # one of these words is the mistake itself
            config = hydra.compose(config_name)
    node = OmegaConf.select(config, parent) if parent else config
    valid = [str(k) for k in node if not str(k).startswith("_")] if node is not None else []
    typed = {full: word for word, full in short.items()}
    valid = [typed.get(name, name) for name in valid]
    near = difflib.get_close_matches(name, valid, 1)
    hint = f", did you mean {parent + '.' if parent else ''}{near[0]}" if near else ""
    scope = f" of {parent}" if parent else ""
    return f"unknown option {key}{hint}; the options{scope} are {', '.join(valid)}"
