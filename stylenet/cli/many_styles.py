"""Training one network on many styles: what ``styles`` and ``add_to`` ask for."""

from typing import cast

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from stylenet.checkpoint import load_checkpoint
from stylenet.cli.app import build
from stylenet.data import StyleOptions
from stylenet.errors import StyleNetError
from stylenet.networks import JohnsonMultiNetwork, add_styles, check_style_names


def compose_styles(config: DictConfig) -> list[StyleOptions]:
    """Builds the options of every style that is to be learned.

    Args:
        config: configs/train.yaml, composed.

    Returns:
        The one of ``style``; or those of ``styles``, each as if it were chosen by ``style`` with
        the rest of the command line as it is.

    Raises:
        StyleNetError: The names are no list of different styles, or the network holds but one.
    """
    many = config.network.name == "johnson_multi"
    if config.styles is None and not many:
        if config.add_to is not None:
            raise StyleNetError("add_to needs network=johnson_multi and styles='[NAME]'")
        return [build(config.style)]
    given = config.styles
    names = check_style_names(list(given) if OmegaConf.is_list(given) else given)
    if not many:
        raise StyleNetError(
            f"styles={names} asks for several styles in one network, which network="
            f"{config.network.name} cannot hold; choose network=johnson_multi, or style=NAME"
        )
    if config.teacher_network is not None:
        raise StyleNetError(
            "teacher_network teaches one style and styles asks for several; leave one of them out"
        )
    words = HydraConfig.get().overrides
    rest = [word for word in words.task if word.split("=")[0] not in ("style", "styles")]
    rest += [word for word in words.hydra if word.startswith("hydra.searchpath=")]
    of_one = [word for word in rest if word.startswith(("style.image=", "style.name="))]
    if of_one and len(names) > 1:
        raise StyleNetError(f"{of_one[0]} would hold for each of styles={names}; write them a file")
    styles = [build(compose("train", [*rest, f"style={name}"]).style) for name in names]
    check_style_names([style.name for style in styles])
    return styles


def build_many(config: DictConfig, styles: list[StyleOptions]) -> JohnsonMultiNetwork:
    """Builds the network that learns many styles.

    Args:
        config: configs/train.yaml, composed.
        styles: From :func:`compose_styles`.

    Returns:
        One with fresh weights; with ``add_to`` that network and room for the new styles, all else
        frozen.

    Raises:
        StyleNetError: The network to add to is unusable, of another size, or has the style.
    """
    names = [style.name for style in styles]
    if config.add_to is None:
        return build(config.network, styles=names)
    if config.init is not None:
        raise StyleNetError("add_to and init both say what to begin with; leave one of them out")
    try:
        trained, _ = load_checkpoint(str(config.add_to))
        if not isinstance(trained, JohnsonMultiNetwork):
            raise StyleNetError(
                f"it is a network {trained.name} of one style; styles are added to one that was "
                f"trained with network=johnson_multi"
            )
        larger = add_styles(trained, names)
    except StyleNetError as error:
        raise StyleNetError(f"add_to={config.add_to}: {error}") from error
    options = cast(dict[str, object], OmegaConf.to_container(config.network, resolve=True))
    other = {k: v for k, v in trained.arguments.items() if k != "styles" and v != options[k]}
    if other:
        raise StyleNetError(
            f"add_to={config.add_to} is a network of other options; add "
            f"{' '.join(f'network.{key}={value}' for key, value in other.items())}"
        )
    return larger
