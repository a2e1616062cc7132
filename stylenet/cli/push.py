"""The command that shares a network on the Hugging Face Hub."""

import dataclasses
import json
import shutil
import tempfile
from pathlib import Path

from omegaconf import DictConfig
from PIL import Image

from stylenet.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from stylenet.cli.app import build, run
from stylenet.cli.model_card import (
    describe_network,
    format_losses,
    held_out_images,
    make_trials,
    mean_losses,
    portable,
)
from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, check_output, user_path
from stylenet.hub import CHECKPOINT, SCHEME, upload_folder
from stylenet.image import flatten, load_image, resize_short_side
from stylenet.inference import Stylizer
from stylenet.methods.selection import selection_of
from stylenet.networks import StyleNetwork

_SAMPLE = "sample.jpg"
_SAMPLE_SIDE = 384  # short side of each half of the sample in pixels


def main() -> None:
    """Run ``stylenet push``."""
    run(push, "push")


def push(config: DictConfig) -> None:
    """Write a network, its model card, its config and a sample image, and upload them.

    Args:
        config: configs/push.yaml, composed.

    Raises:
        StyleNetError: The network or the photos are unusable, or the Hub refuses the files.
    """
    if config.repository is None and config.output is None:
        raise StyleNetError("Nowhere to push to. Give repository=user/style, or output=PATH.")
    network, info = load_checkpoint(str(config.checkpoint))
    selection = selection_of(network)
    if selection.styles(network) != []:
        raise StyleNetError(
            f"{config.checkpoint} holds {selection.held}. Give a network with one style."
        )
    target = None if config.output is None else user_path(config.output)
    if target is not None:
        check_output(target / CHECKPOINT)
    losses = _held_out_losses(config, network, info)
    info = dataclasses.replace(
        info, description=config.description or info.description, recipe=portable(info.recipe)
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        save_checkpoint(folder / CHECKPOINT, network, info)
        _save_sample(config, network, info, folder / _SAMPLE)
        (folder / "config.json").write_text(_config(network, info), encoding="utf-8")
        size = (folder / CHECKPOINT).stat().st_size
        card = _card(config, network, info, losses, size)
        (folder / "README.md").write_text(card, encoding="utf-8")
        if target is not None:
            for file in folder.iterdir():
                with atomic_path(target / file.name) as copy:
                    shutil.copyfile(file, copy)
            print(target)
        if config.repository is not None:
            message = f"Add {info.style} of {info.step:,} steps"
            print(upload_folder(folder, str(config.repository), bool(config.private), message))


def _held_out_losses(
    config: DictConfig, network: StyleNetwork, info: CheckpointInfo
) -> tuple[int, dict[str, float]] | None:
    """Return the number of held-out photos and the mean losses over them, if there are any."""
    if config.held_out is None:
        return None
    photos = held_out_images(user_path(config.held_out), config.count, config.size)
    return len(photos), mean_losses(network, make_trials(info.recipe, photos))


def _save_sample(
    config: DictConfig, network: StyleNetwork, info: CheckpointInfo, path: Path
) -> None:
    """Save a photo beside the same photo stylized."""
    if config.photo is None:
        samples = build(config.samples)
        source = samples.photo_folder() / samples.list_photos()[0]
    else:
        source = user_path(config.photo)
    photo = resize_short_side(flatten(load_image(source)), _SAMPLE_SIDE)
    stylized = Stylizer(network, info, str(config.device))(photo)
    sample = Image.new("RGB", (2 * photo.width, photo.height))
    sample.paste(photo, (0, 0))
    sample.paste(stylized, (photo.width, 0))
    sample.save(path, quality=90)


def _config(network: StyleNetwork, info: CheckpointInfo) -> str:
    """Return the metadata of the checkpoint as JSON, which the Hub can show and count."""
    metadata = {
        "library": "stylenet",
        "network": {"name": network.name, "arguments": network.arguments},
        **dataclasses.asdict(info),
    }
    return json.dumps(metadata, indent=2) + "\n"


def _card(
    config: DictConfig,
    network: StyleNetwork,
    info: CheckpointInfo,
    losses: tuple[int, dict[str, float]] | None,
    size: int,
) -> str:
    """Return the model card: YAML that the Hub reads, then Markdown."""
    address = str(config.repository or "user/style").removeprefix(SCHEME)
    title = f"{info.style}: {info.description}" if info.description else info.style
    described = f"- **Network:** {network.name}, {info.step:,} steps."
    if "loss" in info.recipe:  # not in an imported checkpoint
        stored = f"{size / 1e6:.2f} MB"
        described = describe_network(network, info, config.source, config.trained_on, stored)
    table = ""
    if losses is not None:
        photos = f"{losses[0]} held-out photos ({config.held_out_name})"
        table = format_losses(losses[1], photos, config.size) + "\n\n"
    return f"""---
license: {config.license}
library_name: stylenet
pipeline_tag: image-to-image
tags:
- neural-style-transfer
---

# {title}

![A photo, and the same photo stylized]({_SAMPLE})

    pip install 'stylenet[hub]'
    stylenet infer input=photo.jpg checkpoint={SCHEME}{address} output=out.png

```python
from PIL import Image
from stylenet import Stylizer

Stylizer.from_pretrained("{address}")(Image.open("photo.jpg")).save("out.png")
```

{described}

{table}## License

{config.license}. Style image: {config.source}. Photos of the training: {config.trained_on}.
"""
