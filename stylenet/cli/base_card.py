"""The model card of a base network."""

from omegaconf import DictConfig

from stylenet.checkpoint import CheckpointInfo
from stylenet.cli.model_card import describe_network
from stylenet.networks import StyleNetwork


def base_card(
    config: DictConfig, network: StyleNetwork, info: CheckpointInfo, size: int, change: float
) -> str:
    """Return the model card of a base network, as Markdown.

    Args:
        config: configs/add_pretrained.yaml, composed.
        network: The base network.
        info: Its metadata, with the recipe of experiment=meta or of one style.
        size: Size of its file in bytes.
        change: Mean absolute difference that half precision makes, in [0, 1].
    """
    stored = f"float16, {size / 1e6:.2f} MB"
    is_learned = "inner_steps" in info.recipe["training_method"]
    description = (
        _describe_meta(config, network, info, stored)
        if is_learned
        else describe_network(network, info, config.source, config.trained_on, stored)
    )
    return f"""# Base network {network.name}: {config.description}

`stylenet train style=custom style.image=painting.jpg network={network.name} experiment=instant`

{description}
- **Half precision** changes the image by {change * 255:.3f}/255 on average.

The command:

    stylenet train {config.command}

How far a few steps lead from here: docs/methods/base-network.md.

## License

{config.license}
"""


def _describe_meta(
    config: DictConfig, network: StyleNetwork, info: CheckpointInfo, stored: str
) -> str:
    """Return how a network was meta-learned, as a Markdown list."""
    arguments = ", ".join(f"{key} {value}" for key, value in network.arguments.items())
    weights = sum(parameter.numel() for parameter in network.parameters())
    data, method = info.recipe["data"], info.recipe["training_method"]
    start = info.recipe.get("init")
    origin = f"the network {start}" if start else "random weights"
    return f"""\
- **Network:** {network.name} ({arguments}), {weights:,} weights in {stored}.
- **Style images:** {config.source}, squares of {method["style_size"]} pixels.
- **Trained:** {info.step:,} steps of {method["inner_steps"]} inner steps with
  {data["batch_size"]} photos of {data["crop_size"]} pixels per step, from
  {config.trained_on}; inner learning rate {method["inner_lr"]}, outer learning rate
  {info.recipe["optimizer"]["lr"]}; from {origin}.
- **Loss:** encoder {info.recipe["encoder"].get("architecture", "lite")}, as in the quick start."""
