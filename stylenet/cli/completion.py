"""Shell completion of ``stylenet``: requests, and the commands that it offers."""

import os
from collections.abc import Sequence

from stylenet.errors import StyleNetError
from stylenet.program import COMMANDS, command, command_name, is_script

COMPLETION = ("-sc", "--shell-completion")
# Shells that Hydra has a completion plugin for.
_SHELLS = ("bash", "fish", "zsh")
_STEPS = ("install", "uninstall", "query")


def check_completion(words: Sequence[str], module: str = "train") -> None:
    """Refuse a request for completion that Hydra answers with a traceback.

    Args:
        words: The command line.
        module: Module of the command, for the message.

    Raises:
        StyleNetError: The request names no step, several steps or an unknown shell.
    """
    steps = [word.split("=", 1) for word in words if word.split("=")[0] in _STEPS]
    known = len(steps) == 1 and steps[0][-1] in _SHELLS
    # A shell passes the line to complete in the environment.
    if not known or (steps[0][0] == "query" and "COMP_LINE" not in os.environ):
        program = command(command_name(module)) if is_script() else "stylenet"
        raise StyleNetError(
            f"{' '.join([COMPLETION[1], *map('='.join, steps)])}: expected install=SHELL or "
            f"uninstall=SHELL with one of {', '.join(_SHELLS)}. Let the shell run its output: "
            f'eval "$({program} {COMPLETION[1]} install=bash)"'
        )


def split_line(line: str) -> tuple[list[str], str]:
    """Split a line that a user is typing into the finished words and the unfinished one.

    Args:
        line: The line, ``stylenet`` first.

    Returns:
        The words after ``stylenet``, and the beginning of the next, empty after a space.
    """
    words = line.split()[1:]
    if not words or line.endswith(" "):
        return words, ""
    return words[:-1], words[-1]


def next_words(before: Sequence[str], word: str) -> list[str]:
    """Return the words of commands that may come next on a command line.

    Args:
        before: The finished words.
        word: The beginning of the next one.
    """
    count = len(before)
    names = [name.split() for name in COMMANDS]
    fitting = [name[count] for name in names if name[:count] == list(before) and name[count:]]
    flags = [] if before else ["--help", "--version"]
    return [choice for choice in dict.fromkeys(fitting + flags) if choice.startswith(word)]
