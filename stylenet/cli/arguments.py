"""The words of a command line, as Hydra's grammar wants them."""

import os
import re
from collections.abc import Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from stylenet.errors import StyleNetError
from stylenet.files import user_path

# How values begin that Hydra is to read as they are: quoted text, a list.
_WRITTEN_FOR_HYDRA = tuple("'\"[")
# Hydra's options, which may be cut short.
_OPTIONS = (
    *("--help", "--hydra-help", "--version", "--cfg", "--resolve", "--package", "--run"),
    *("--multirun", "--shell-completion", "--config-path", "--config-name", "--config-dir"),
    *("--experimental-rerun", "--info"),
)
# Options whose value is the name of a file or folder: text, whatever Hydra would make of it.
_NAMES = {
    *("input", "output", "mask", "checkpoint", "content", "photos", "video", "guide", "run_dir"),
    *("data.root", "data.styles", "encoder_weights", "style_folder", "held_out"),
}
# What has a meaning to Hydra, unless it is in the name of a file that is there.
_SIGNS = frozenset(",[{'\"$")


def for_hydra(arguments: Sequence[str], short: Mapping[str, str]) -> list[str]:
    """Puts in quotes what a user means as text and Hydra cannot read.

    Hydra's grammar knows the letters from a to z and few signs: ``input=Fähre.jpg`` or
    ``input=photo(1).jpg`` is an error to it.

    Args:
        arguments: Of the command line.
        short: Words that Hydra would take for the choice of a group, such as ``style``, and the
            options that they stand for.

    Returns:
        The arguments.

    Raises:
        StyleNetError: One is an option that there is not.
    """
    sweeps = {"-m", "--multirun"} & set(arguments)
    words = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key.startswith("--") and not any(option.startswith(key) for option in _OPTIONS):
            raise StyleNetError(
                f"{key} is no option; options are given as KEY=VALUE, such as "
                f"{key.lstrip('-')}=VALUE (see --help)"
            )
        name = short.get(key, key)
        if sweeps and "," in value:  # each choice is the user's to put in quotes
            words.append(f"{name}={value}")
        elif _is_text(value, always=key in short) or (key in _NAMES and _is_name(value)):
            words.append(f"{name}={_quoted(value)}")
        else:
            words.append(_readable(f"{name}={value}" if equals else argument))
    return words


def explain_unreadable(argument: str) -> str:
    """Says what to do about a word of the command line that Hydra cannot read.

    Args:
        argument: The word.

    Returns:
        One line.
    """
    key, equals, value = argument.partition("=")
    if not equals:
        return f"{argument} is no option; options are given as KEY=VALUE (see --help)"
    return (
        f"{key}={value} cannot be read; put text with other signs than letters of English in "
        f"quotes, in lists too: \"{key}=['Fähre (1).jpg']\""
    )


def _is_text(value: str, always: bool) -> bool:
    """Whether signs that mean something to Hydra mean nothing here.

    Args:
        value: Of an option.
        always: Whether a comma never means choices, as in ``starry:0.6,mosaic:0.4``.
    """
    if _SIGNS & set(value) and _is_there(value):
        return True
    if value.startswith(_WRITTEN_FOR_HYDRA):
        return False
    # Between the choices of a sweep there is no space; a dictionary and a function may have some.
    is_prose = ", " in value and not re.match(r"\{|\w+\(", value)
    return is_prose or (always and "," in value)


def _is_there(value: str) -> bool:
    """Whether a file or folder has this name; any text may be asked for, however long."""
    return os.path.exists(user_path(value))


def _is_name(value: str) -> bool:
    """Whether Hydra would make something else of a file's name, such as ``1e5`` or ``null``.

    ``null`` leaves an option out, unless a file is called so.
    """
    if value.startswith(_WRITTEN_FOR_HYDRA) or not value:
        return False
    if value == "null":
        return _is_there(value)
    try:
        return OverridesParser.create().parse_override(f"x={value}").value() != value
    except HydraException:
        return False  # for _readable


def _readable(argument: str) -> str:
    """The argument, its value in quotes if Hydra cannot read it without."""
    key, equals, value = argument.partition("=")
    if not equals or not re.fullmatch(r"[+~]*[\w./@]+", key) or _is_readable(argument):
        return argument
    quoted = f"{key}={_quoted(value)}"
    meant = value.startswith(_WRITTEN_FOR_HYDRA) or not _is_readable(quoted)
    return argument if meant else quoted


def _quoted(value: str) -> str:
    """A value as text of Hydra's grammar, where a backslash counts before quotes and at the end.

    OmegaConf looks for ``${`` in quotes too, and takes a backslash before it for its own.
    """
    if _is_there(value):
        value = re.sub(r"(\\*)(\$\{)", r"\1\1\\\2", value)
    escaped = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + ("\\'" if m[2] else ""), value)
    return f"'{escaped}'"


def _is_readable(argument: str) -> bool:
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True
