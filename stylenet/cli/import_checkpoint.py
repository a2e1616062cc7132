"""The command that converts networks of PyTorch's fast_neural_style example."""

from omegaconf import DictConfig

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.cli.app import run
from stylenet.errors import StyleNetError
from stylenet.files import check_output, user_path
from stylenet.importing import import_checkpoint


def main() -> None:
    """Run ``stylenet import``."""
    run(import_network, "import_checkpoint")


def import_network(config: DictConfig) -> None:
    """Convert another program's checkpoint to a StyleNet checkpoint.

    Args:
        config: configs/import_checkpoint.yaml, composed.

    Raises:
        StyleNetError: The input has another architecture, or the output cannot be written.
    """
    source, target = user_path(config.input), user_path(config.output)
    if target.suffix != ".safetensors":
        raise StyleNetError(
            f"output={target} has another suffix. Give a name that ends in .safetensors."
        )
    check_output(target, source)
    network = import_checkpoint(source)
    name = target.stem if config.name is None else str(config.name)
    info = CheckpointInfo(name, 0, {"imported": source.name})
    save_checkpoint(target, network, info)
    width, blocks = network.arguments["width"], network.arguments["blocks"]
    print(f"{target}: style {info.style}, width {width}, {blocks} residual blocks")
