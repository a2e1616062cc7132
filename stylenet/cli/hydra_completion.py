"""Hydra's shell completion, restricted to what a command accepts."""

from collections.abc import Collection, Mapping

from hydra.errors import HydraException
from hydra.plugins.completion_plugin import CompletionPlugin
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from stylenet.pretrained import pretrained_styles


def offer_accepted(short: Mapping[str, str]) -> None:
    """Restrict Hydra's completion to the config groups of the command.

    Hydra offers every folder of ``configs/``, also to commands that use none of it: ``style=`` of
    ``stylenet infer`` names a pretrained style, not a file in ``configs/style/``.

    Args:
        short: See :func:`stylenet.cli.arguments.for_hydra`; each names a pretrained style.
    """
    query_all = CompletionPlugin._query_config_groups

    def query_accepted(
        self: CompletionPlugin, word: str, config_name: str | None, words: list[str]
    ) -> tuple[list[str], bool]:
        for key in short:
            if word.startswith(f"{key}="):
                return _begin_with(word, [f"{key}={name}" for name in pretrained_styles()]), True
        matches, exact = query_all(self, word, config_name, words)
        groups = _groups(self, config_name, words)
        kept = [match for match in matches if _group(match) in groups]
        return kept + _begin_with(word, [f"{key}=" for key in short]), exact and bool(kept)

    CompletionPlugin._query_config_groups = query_accepted  # type: ignore[method-assign]


def _begin_with(word: str, candidates: Collection[str]) -> list[str]:
    return [candidate for candidate in candidates if candidate.startswith(word)]


def _group(match: str) -> str:
    """Return the group in ``+group=choice``, ``group=`` or ``group/``; ``hydra`` for Hydra's."""
    group = match.lstrip("+~").partition("=")[0].rstrip("/")
    return "hydra" if group.startswith("hydra/") else group


def _groups(plugin: CompletionPlugin, config_name: str | None, words: list[str]) -> set[str]:
    """Return the config groups that a command chooses from."""
    try:
        config = plugin.config_loader.load_configuration(config_name, words, RunMode.RUN)
    except (HydraException, OmegaConfBaseException):  # one of the words is half typed
        config = plugin.config_loader.load_configuration(config_name, [], RunMode.RUN)
    return {_group(name) for name in config.hydra.runtime.choices}
