"""Training one network for any style: photos and paintings instead of a style."""

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from stylenet.checkpoint import start_from
from stylenet.cli.adversarial import build_loss
from stylenet.cli.app import build
from stylenet.cli.runs import Run, prepare
from stylenet.errors import StyleNetError
from stylenet.files import user_path
from stylenet.methods.adain.loss import AnyStyleLoss
from stylenet.methods.adain.module import AnyStyleModule

# Paintings that previews show, a row each.
_SHOWN = 3


def is_any_style(config: DictConfig) -> bool:
    """Says whether the network is for any style, and refuses paintings for one that is not.

    Args:
        config: The options of a command that trains; ``network`` may be missing.

    Returns:
        Whether it is.

    Raises:
        StyleNetError: There are paintings that nothing would learn from.
    """
    network = config.get("network")
    if network is not None and network.name == "adain":
        return True
    if config.data.styles is not None:
        what = "this command" if network is None else f"network={network.name}"
        raise StyleNetError(
            f"data.styles={config.data.styles}: paintings come with the photos for network=adain, "
            f"and {what} learns nothing from them; leave data.styles out"
        )
    return False


def prepare_any_style(config: DictConfig) -> tuple[Run, AnyStyleModule]:
    """Builds the run and what learns.

    Args:
        config: configs/train.yaml, composed; ``style``, which is not for this, becomes ``None``.

    Returns:
        Both.

    Raises:
        StyleNetError: An option is impossible or for other networks, or something is missing.
    """
    _check(config)
    terms = build_loss(config)
    build(config.optimizer)
    config.run_dir = str(config.run_dir)  # which may name the style
    config.style = None
    prepared = prepare(config)
    network = build(config.network)  # the first to draw from the seeded random state
    encoder = build(config.encoder)
    convolutions = encoder.convolutions_to(network.arguments["layer"])
    network.encoder.load_weights(
        {
            f"{name}.{kind}": value
            for name, convolution in convolutions.items()
            for kind, value in convolution.state_dict().items()
        }
    )
    if config.init is not None:
        own = {name: value.clone() for name, value in network.encoder.state_dict().items()}
        start_from(network, str(config.init), _file(config))
        if not all(torch.equal(own[k], value) for k, value in network.encoder.state_dict().items()):
            raise StyleNetError(
                f"init={config.init} was trained with other weights of {encoder.architecture} than "
                f"encoder.weights={encoder.weights}; give those"
            )
    paintings = prepared.data.paintings
    assert paintings is not None
    module = AnyStyleModule(
        network,
        AnyStyleLoss(encoder, terms),
        build(config.optimizer),  # as the number of devices has it
        prepared.recipe,
        paintings.preview_photos(_SHOWN, paintings.dataset.crop_size),
    )
    return prepared, module


def _check(config: DictConfig) -> None:
    """Refuses what is missing, and what other networks learn from."""
    if config.data.styles is None:
        raise StyleNetError(
            "network=adain learns from paintings, too; give a folder of them: data.styles=FOLDER"
        )
    words = [word.lstrip("+~") for word in HydraConfig.get().overrides.task]
    given = [word for word in words if word.startswith(("style=", "style.", "style@"))]
    given += [
        f"{key}={config[key]}"
        for key in ("styles", "add_to", "teacher_network")
        if config[key] is not None
    ]
    if given:
        raise StyleNetError(
            f"{given[0]} is for networks of styles of their own; network=adain learns from all "
            f"the paintings in data.styles={config.data.styles}: leave it out"
        )


def _file(config: DictConfig) -> str | None:
    """The file of the encoder's weights, if the user named one."""
    weights = str(config.encoder.weights)
    return weights if user_path(weights).is_file() else None
