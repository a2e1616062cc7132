"""The ``stylenet`` program, the front door to all commands.

Its help, version, list of styles and completion of commands import neither PyTorch nor Hydra.
"""

import difflib
import os
import sys
from collections.abc import Sequence

import stylenet
from stylenet.cli.completion import COMPLETION, check_completion, next_words, split_line
from stylenet.cli.mistakes import errors_as_one_line
from stylenet.cli.start import HELP, start
from stylenet.errors import StyleNetError
from stylenet.pretrained import ANY_STYLE, describe_pretrained, read_description
from stylenet.program import COMMANDS

_HELP = """\
StyleNet {version}: train and run feed-forward neural style transfer networks.

  stylenet train style=starry
  stylenet infer input=photo.jpg style=starry output=out.png

Commands:

{commands}

stylenet COMMAND --help shows the options of a command (KEY=VALUE).
Tab completion in bash: eval "$(stylenet --shell-completion install=bash)"\
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the command line names.

    Args:
        arguments: The words after ``stylenet``; default: those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    with errors_as_one_line():
        if not words or words[0] in HELP:
            print(_HELP.format(version=stylenet.__version__, commands=_table(list(COMMANDS))))
        elif words[0] == "--version":
            print(f"StyleNet {stylenet.__version__}")
        elif words[0] in COMPLETION:
            _complete(words[1:])
        else:
            _dispatch(words)


def list_styles() -> None:
    """Print a line for each pretrained style: its name, description and file size.

    The last line is for style images, which the bundled network for arbitrary styles takes.
    """
    styles = describe_pretrained()
    if ANY_STYLE.is_file():
        styles["IMAGE.jpg"] = (read_description(ANY_STYLE), ANY_STYLE.stat().st_size)
    width = max(map(len, styles), default=0)
    for name, (description, size) in styles.items():
        print(f"{name:{width}}  {description} ({size / 1e6:.1f} MB)")


def _dispatch(words: list[str]) -> None:
    name, arguments = _find(words)
    group = [other for other in COMMANDS if other.split()[0] == words[0]]
    if name and COMMANDS[name].module:
        start(COMMANDS[name].module, arguments)
    elif name == "app":
        _start_app(arguments)
    elif name == "styles" and not arguments:
        list_styles()
    elif group and HELP & set(words[1:]):
        print(_table(group))
    elif len(group) > 1 and len(words) == 1:
        raise StyleNetError(f"{words[0]} needs a second word. Add one of {_second_words(group)}.")
    else:
        raise StyleNetError(_describe_unknown(words, group))


def _start_app(arguments: Sequence[str]) -> None:
    # No Hydra job: its options are few, and its users write no configs.
    from stylenet.cli.web_app import main as run_app

    run_app(arguments)


def _find(words: Sequence[str]) -> tuple[str, list[str]]:
    """Split a command line into the name of a command, empty if unknown, and its arguments."""
    for count in (2, 1):
        name = " ".join(words[:count])
        if name in COMMANDS:
            return name, list(words[count:])
    return "", list(words)


def _describe_unknown(words: Sequence[str], group: Sequence[str]) -> str:
    """Return the message for an unknown command, with the nearest one.

    Args:
        words: The command line.
        group: The commands that begin with its first word.
    """
    if group:
        near = difflib.get_close_matches(" ".join(words[:2]), group, 1)
        hint = f"Did you mean stylenet {near[0]}?" if near else f"Give {_second_words(group)}."
        return f"stylenet has no command {' '.join(words[:2])}. {hint}"
    # The first word may also be a module's name, as scripts/ has it: make_shards.
    names = {entry.module: name for name, entry in COMMANDS.items()}
    names |= {name.split()[0]: name for name in COMMANDS} | {"stylize": "infer"}
    near = difflib.get_close_matches(words[0].replace("-", "_"), names, 1)
    hint = f"Did you mean stylenet {names[near[0]]}?" if near else "See stylenet --help."
    return f"stylenet has no command {words[0]}. {hint}"


def _second_words(group: Sequence[str]) -> str:
    return ", ".join(name.split()[1] for name in group if " " in name)


def _table(names: Sequence[str]) -> str:
    width = max(map(len, names))
    return "\n".join(f"  {name:{width}}  {COMMANDS[name].summary}" for name in names)


def _complete(words: list[str]) -> None:
    """Print completion candidates, or the code that a shell runs to install completion."""
    check_completion(words)
    if not words[0].startswith("query"):
        sys.argv[0] = "stylenet"  # Hydra's code completes the program of this name
        start("train", [COMPLETION[0], *words])
        return
    before, word = split_line(os.environ["COMP_LINE"])
    candidates = next_words(before, word)
    name, arguments = _find(before)
    if candidates:
        print("\n".join(candidates))
    elif name and COMMANDS[name].module:
        os.environ["COMP_LINE"] = " ".join(["stylenet", *arguments, word])
        start(COMMANDS[name].module, [COMPLETION[0], *words])
