"""Completion of command lines by the shell: only what the command accepts is offered."""

import os
from collections.abc import Collection, Mapping, Sequence

from hydra.errors import HydraException
from hydra.plugins.completion_plugin import CompletionPlugin
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from stylenet.errors import StyleNetError
from stylenet.pretrained import pretrained_styles

OPTIONS = ("-sc", "--shell-completion")
# Those that Hydra has a plugin for.
_SHELLS = ("bash", "fish", "zsh")
_STEPS = ("install", "uninstall", "query")


def check_completion(arguments: Sequence[str]) -> None:
    """Refuse a request for completion that Hydra would meet with a traceback.

    Args:
        arguments: Of the command line.

    Raises:
        StyleNetError: It asks for no step, for several, or for a shell that is not known.
    """
    steps = [word.split("=", 1) for word in arguments if word.split("=")[0] in _STEPS]
    # What a shell sends with its query is in the environment.
    known = len(steps) == 1 and steps[0][-1] in _SHELLS
    if not known or (steps[0][0] == "query" and "COMP_LINE" not in os.environ):
        raise StyleNetError(
            f"{' '.join(['--shell-completion', *map('='.join, steps)])}: expected install=SHELL or "
            f"uninstall=SHELL with one of {', '.join(_SHELLS)}, its output for the shell to run: "
            f'eval "$(stylenet-train --shell-completion install=bash)"'
        )


def offer_accepted(short: Mapping[str, str]) -> None:
    """Keep the groups out of Hydra's completion that a command has no use for.

    Hydra offers every folder of configs/, for commands too that take none of it: ``style=`` of
    scripts/infer.py is the name of a trained network, not of a file in configs/style/.

    Args:
        short: See :func:`stylenet.cli.arguments.for_hydra`.
    """
    every = CompletionPlugin._query_config_groups

    def accepted(
        self: CompletionPlugin, word: str, config_name: str | None, words: list[str]
    ) -> tuple[list[str], bool]:
        for key in short:
            if word.startswith(f"{key}="):
                return _begin_with(word, [f"{key}={name}" for name in pretrained_styles()]), True
        matches, exact = every(self, word, config_name, words)
        own = _groups(self, config_name, words)
        kept = [match for match in matches if _group(match) in own]
        return kept + _begin_with(word, [f"{key}=" for key in short]), exact and bool(kept)

    CompletionPlugin._query_config_groups = accepted  # type: ignore[method-assign]


def _begin_with(word: str, candidates: Collection[str]) -> list[str]:
    return [candidate for candidate in candidates if candidate.startswith(word)]


def _group(match: str) -> str:
    """The group of ``+group=choice``, ``group=`` or ``group/``; of Hydra's own the first part."""
    group = match.lstrip("+~").partition("=")[0].rstrip("/")
    return "hydra" if group.startswith("hydra/") else group


def _groups(plugin: CompletionPlugin, config_name: str | None, words: list[str]) -> set[str]:
    """The groups that a command chooses from."""
    try:
        config = plugin.config_loader.load_configuration(config_name, words, RunMode.RUN)
    except (HydraException, OmegaConfBaseException):  # one of the words is half typed
        config = plugin.config_loader.load_configuration(config_name, [], RunMode.RUN)
    return {_group(name) for name in config.hydra.runtime.choices}
