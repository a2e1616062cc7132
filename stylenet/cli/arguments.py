"""Command lines as users type them, in Hydra's grammar."""

import os
import re
from collections.abc import Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from stylenet.errors import StyleNetError
from stylenet.files import user_path

# First characters of values in Hydra's own grammar: quoted text, a list.
_HYDRA_STARTS = tuple("'\"[")
# Hydra's flags, which may be abbreviated.
_FLAGS = (
    *("--help", "--hydra-help", "--version", "--cfg", "--resolve", "--package", "--run"),
    *("--multirun", "--shell-completion", "--config-path", "--config-name", "--config-dir"),
    *("--experimental-rerun", "--info"),
)
# Options whose value is a path or a name: text, even where Hydra would read a number or a boolean.
_TEXTS = {
    *("input", "output", "mask", "content", "photo", "photos", "video", "guide", "run_dir"),
    *("checkpoint", "checkpoints", "reference", "blend_with", "init", "add_to", "teacher_network"),
    *("style.name", "style.image", "style_name", "style_folder", "loss.adversarial.style_folder"),
    *("data.root", "data.styles", "encoder.weights", "encoder_weights", "held_out"),
    *("held_out_styles", "held_out_name", "name", "description", "source", "trained_on", "license"),
}
# Config groups, whose choices are names, too; a mapping instead replaces options of the group.
_GROUPS = {
    *("callbacks", "data", "encoder", "experiment", "logger", "loss", "network", "optimizer"),
    *("schedule", "style", "suite", "teacher", "trainer", "training_method"),
}
# Characters with a meaning to Hydra, except in the name of an existing file.
_SPECIAL = frozenset(",[{'\"$")


def for_hydra(arguments: Sequence[str], short: Mapping[str, str]) -> list[str]:
    """Quote the values that a user means as text and Hydra cannot read.

    Hydra's grammar has only the letters a to z and few other characters: ``input=Fähre.jpg`` and
    ``input=photo(1).jpg`` are errors.

    Args:
        arguments: The command line.
        short: Short names of options that Hydra would take for the choice of a config group, such
            as ``style``, and the full names.

    Raises:
        StyleNetError: One is an unknown flag, or ``null`` is the choice of a config group.
    """
    sweeps = {"-m", "--multirun"} & set(arguments)
    words = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key.startswith("--") and not any(option.startswith(key) for option in _FLAGS):
            raise StyleNetError(
                f"{key} is not an option. Give options as KEY=VALUE, such as "
                f"{key.lstrip('-')}=VALUE (see --help)."
            )
        if key not in short:
            check_choice_given(argument)
        name = short.get(key, key)
        if sweeps and re.search(r",|^\w+\(", value):  # choices, glob(*): the user quotes each one
            words.append(f"{name}={value}")
        elif _is_text(value, always=key in short) or _is_misread(key, value):
            words.append(f"{name}={_quoted(value)}")
        else:
            words.append(_readable(f"{name}={value}" if equals else argument))
    return words


def override(key: str, value: object) -> str:
    """Return a Python value as an override of Hydra's grammar.

    Args:
        key: Dotted name of an option, or a config group.
        value: ``None``, a boolean, number, text, path, or a list or mapping of these.
    """
    return f"{key}={_literal(value)}"


def check_choice_given(argument: str) -> None:
    """Check that an override of a config group names a choice; Hydra takes no ``null`` there.

    Raises:
        StyleNetError: The choice is ``null``.
    """
    key, _, value = argument.partition("=")
    if key.lstrip("+") in _GROUPS and value == "null":
        raise StyleNetError(
            f"{key}=null chooses nothing. Leave it out, or choose one: {key}=NAME (see --help)."
        )


def _literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_literal, value)) + "]"
    return _quoted(str(value))


def explain_unreadable(argument: str) -> str:
    """Return the message for an argument that Hydra cannot read."""
    key, equals, value = argument.partition("=")
    if not equals:
        return f"{argument} is not an option. Give options as KEY=VALUE (see --help)."
    return (
        f"{key}={value} cannot be read. Quote text with other characters than English letters, "
        f"also in lists: \"{key}=['Fähre (1).jpg']\""
    )


def _is_text(value: str, always: bool) -> bool:
    """Return whether a value is plain text although it holds special characters of Hydra's.

    Args:
        value: Value of an option.
        always: Whether a comma never separates choices, as in ``starry:0.6,mosaic:0.4``.
    """
    if _SPECIAL & set(value) and _exists(value):
        return True
    if value.startswith(_HYDRA_STARTS):
        return False
    # Choices of a sweep have no spaces between them; dictionaries and functions may.
    is_prose = ", " in value and not re.match(r"\{|\w+\(", value)
    return is_prose or (always and "," in value)


def _exists(value: str) -> bool:
    """Return whether a file or folder has this name; the text may be of any length."""
    return os.path.exists(user_path(value))


def _is_misread(key: str, value: str) -> bool:
    """Return whether Hydra would read a text as another type, such as ``1e5`` or ``true``.

    ``null`` leaves an option out, unless a file has this name.
    """
    if key.lstrip("+") not in _TEXTS | _GROUPS or value.startswith(_HYDRA_STARTS) or not value:
        return False
    # `video` is a path for stylenet evaluate, but has options below it for stylenet infer.
    if value.startswith("{") and key.lstrip("+") in _GROUPS | {"video"}:
        return False
    if value == "null":
        return _exists(value)
    try:
        return OverridesParser.create().parse_override(f"x={value}").value() != value
    except HydraException:
        return False  # _readable quotes it


def _readable(argument: str) -> str:
    """Return the argument, its value quoted if Hydra cannot read it otherwise."""
    key, equals, value = argument.partition("=")
    if not equals or not re.fullmatch(r"[+~]*[\w./@]+", key) or _is_readable(argument):
        return argument
    quoted = f"{key}={_quoted(value)}"
    keep = value.startswith(_HYDRA_STARTS) or not _is_readable(quoted)
    return argument if keep else quoted


def _quoted(value: str) -> str:
    """Quote a value for Hydra, whose grammar escapes quotes and the end with backslashes.

    OmegaConf interpolates ``${`` inside quotes too, unless a backslash stands before it.
    """
    if _exists(value):
        value = re.sub(r"(\\*)(\$\{)", r"\1\1\\\2", value)
    escaped = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + ("\\'" if m[2] else ""), value)
    return f"'{escaped}'"


def _is_readable(argument: str) -> bool:
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True
