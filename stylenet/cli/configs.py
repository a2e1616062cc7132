"""The configs of this installation, and the resolvers that they use."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

import stylenet
from stylenet.cli.arguments import override
from stylenet.errors import StyleNetError
from stylenet.files import user_path
from stylenet.program import command


def config_folder() -> Path:
    """Return ``configs/``: inside the package of an installed wheel, or beside it in a clone."""
    return _bundled("configs", in_clone="configs")


def search_path() -> list[str]:
    """Return the override that adds the folders in ``STYLENET_CONFIGS`` to Hydra's search path.

    Returns:
        One override, or none. Several folders are separated as in ``PATH``.

    Raises:
        StyleNetError: A folder does not exist.
    """
    folders = [name for name in os.environ.get("STYLENET_CONFIGS", "").split(os.pathsep) if name]
    for name in folders:
        if not user_path(name).is_dir():
            raise StyleNetError(
                f"STYLENET_CONFIGS={name} is not a folder. Set it to a folder with config groups, "
                f"such as style/, or unset it."
            )
    urls = [f"file://{user_path(name).resolve()}" for name in folders]
    return [override("hydra.searchpath", urls)] if urls else []


def style_image_path(name: str) -> str:
    """Return the path of a bundled style image; ``${image:starry.jpg}`` in a config.

    Args:
        name: Name of a file in ``data/styles/``.
    """
    return str(_bundled("styles", in_clone="data/styles") / name)


def _bundled(folder: str, in_clone: str) -> Path:
    """Return a folder inside the package of a wheel, or its counterpart in a clone."""
    package = Path(stylenet.__file__).parent
    inside = package / folder
    return inside if inside.is_dir() else package.parent / in_clone


def join_names(names: Sequence[str] | None) -> str:
    """Join the names of several styles; ``${joint_name:${styles}}`` in a config.

    Args:
        names: Names of styles; ``None`` if they are missing, which is an error later.
    """
    from stylenet.networks import join_style_names  # PyTorch takes seconds to import

    return join_style_names(names or ["styles"])


def adain_layer(encoder: str) -> str:
    """Choose the layer that AdaIN normalizes; ``${adain_layer:lite}`` in a config.

    Args:
        encoder: Architecture of the encoder.

    Returns:
        The paper's layer, relu4_1; relu3_4 for ``lite``, whose relu4_1 keeps too little detail.
    """
    return "relu3_4" if encoder == "lite" else "relu4_1"


def choices(_root_: DictConfig) -> str:
    """List the config groups of a command with their choices; ``${choices:}`` in its help.

    Args:
        _root_: The composed config, passed by OmegaConf.

    Returns:
        A line ``group: choice, choice`` for each group with more than one choice.
    """
    loader = GlobalHydra.instance().config_loader()
    groups = sorted(g for g in _root_.hydra.runtime.choices if not g.startswith("hydra/"))
    found = {group: loader.get_group_options(group) for group in groups}
    return "\n".join(f"{group}: {', '.join(names)}" for group, names in found.items() if names[1:])


def register_resolvers() -> None:
    """Register the resolvers that the configs use."""
    resolvers: dict[str, Callable[..., str]] = {
        "adain_layer": adain_layer,
        "choices": choices,
        "command": command,
        "image": style_image_path,
        "joint_name": join_names,
    }
    for name, resolver in resolvers.items():
        OmegaConf.register_new_resolver(name, resolver, replace=True)
