"""Inputs of ``stylenet evaluate``: checkpoints with their criteria, photos and videos."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose
from omegaconf import DictConfig, ListConfig, OmegaConf
from torch import Tensor

from stylenet.checkpoint import CheckpointInfo, load_checkpoint
from stylenet.cli.adversarial import build_loss
from stylenet.cli.app import build
from stylenet.cli.configs import config_folder, style_image_path
from stylenet.cli.infer import VIDEO_SUFFIXES
from stylenet.data import StyleOptions, load_style_images
from stylenet.errors import LARGEST_SEED, StyleNetError, check_number
from stylenet.evaluation import recorded_style
from stylenet.evaluation.recipe import loss_key
from stylenet.files import find_inputs, reason, user_path
from stylenet.image import SUFFIXES
from stylenet.inference import Stylizer
from stylenet.methods.selection import selection_of
from stylenet.networks import StyleNetwork
from stylenet.perceptual import PerceptualLoss, with_style_layers


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What is measured, and against what.

    Attributes:
        name: What it is called in the report.
        stylizer: The network.
        style: What it is judged by.
        criterion: The judge; checkpoints of one style share it.
    """

    name: str
    stylizer: Stylizer
    style: StyleOptions
    criterion: PerceptualLoss

    def paint(self, photo: Tensor) -> Tensor:
        """Stylizes a photo.

        Args:
            photo: RGB in [0, 1], shape (1, 3, H, W).

        Returns:
            The same shape and range.
        """
        return self.stylizer.stylize_tensor(photo)


def check_settings(config: DictConfig) -> None:
    """Refuses impossible values before any work.

    Args:
        config: configs/evaluate.yaml, composed.

    Raises:
        StyleNetError: A value is impossible.
    """
    least = {"size": 16, "video_frames": 2, "sheet_photos": 1, "repeats": 1, "iterations": 0}
    for name, minimum in {**least, "iteration_photos": 1}.items():
        check_number(name, config[name], minimum=minimum, integer=True)
    check_number("seed", config.seed, minimum=0, maximum=LARGEST_SEED, integer=True)
    if config.limit is not None:
        check_number("limit", config.limit, minimum=1, integer=True)


def find_images_and_videos(config: DictConfig, output: Path) -> tuple[dict[str, Path], list[Path]]:
    """Lists what is to be stylized.

    Args:
        config: configs/evaluate.yaml, composed; of it ``photos``, ``video`` and ``limit``.
        output: Where the report goes; images in it are no photos.

    Returns:
        The photos by name, and the videos.

    Raises:
        StyleNetError: There is no photo, or what was named is not there.
    """
    source = user_path(config.photos)
    videos = [] if config.video is None else [user_path(config.video)]
    if videos and not videos[0].is_file():
        raise StyleNetError(f"video={videos[0]}: no such file")
    if source.is_file():
        return {source.name: source}, videos
    if not source.is_dir():
        raise StyleNetError(f"photos={source}: no such file or folder")
    try:
        names = find_inputs(source, output, {*SUFFIXES, *VIDEO_SUFFIXES})
    except OSError as error:
        raise StyleNetError(f"photos={source} cannot be read: {reason(error)}") from error
    found = {str(name): source / name for name in names}
    videos += [
        path
        for path in found.values()
        if path.suffix.lower() in VIDEO_SUFFIXES and path not in videos
    ]
    photos = {name: path for name, path in found.items() if path not in videos}
    if not photos:
        raise StyleNetError(f"photos={source}: expected a folder of images, or an image")
    return dict(list(photos.items())[: config.limit]), videos


def load_checkpoints(config: DictConfig) -> list[Checkpoint]:
    """Loads the networks that the user means, each with its judge.

    Args:
        config: configs/evaluate.yaml, composed.

    Returns:
        One at least, with names that differ; for a network of several styles one for each.

    Raises:
        StyleNetError: A checkpoint, a style or the encoder is unusable.
    """
    given = config.checkpoints
    given = [str(item) for item in (given if isinstance(given, ListConfig) else [given])]
    if not given or len(set(given)) < len(given):
        raise StyleNetError(
            f"checkpoints=[{','.join(given)}] {'names one twice' if given else 'is empty'}; give "
            f"run folders, .safetensors files or names of styles that StyleNet brings"
        )
    stems = [Path(item).name.removesuffix(".safetensors") for item in given]
    names = stems if len(set(stems)) == len(stems) else given
    loaded = {
        title: Stylizer(network, info, str(config.device), str(config.dtype))
        for item, name in zip(given, names, strict=True)
        for title, network, info in _networks(config, item, name)
    }
    first = next(iter(loaded.values()))
    styles = _styles(config, loaded)
    criteria = _criteria(config, styles, first)
    return [
        Checkpoint(name, stylizer, style, criteria[loss_key(style)])
        for (name, stylizer), style in zip(loaded.items(), styles, strict=True)
    ]


def _networks(
    config: DictConfig, path: str, name: str
) -> list[tuple[str, StyleNetwork, CheckpointInfo]]:
    """What a file holds, each with a name of its own and a recipe for its own style."""
    network, info = load_checkpoint(path, config.encoder_weights)
    selection = selection_of(network)
    styles = selection.styles(network)
    if styles is None:
        return [(name, _in_the_style(config, network, name), info)]
    if not styles:
        return [(name, network, info)]
    recorded = info.recipe.get("style")
    recorded = recorded if isinstance(recorded, dict) else {}
    found: list[tuple[str, StyleNetwork, CheckpointInfo]] = []
    for style in styles:
        # Such a run records the names of its styles, and the options of one at most.
        recipe = {"style": recorded if recorded.get("name") == style else _choice(style)}
        one = dataclasses.replace(info, style=style, recipe=recipe)
        selected, _ = selection.select(network, style, None, info.style)
        found.append((f"{name}:{style}", selected, one))
    return found


def _in_the_style(config: DictConfig, network: StyleNetwork, name: str) -> StyleNetwork:
    """A network for any style in the one that all are judged by."""
    if config.get("style") is None:
        raise StyleNetError(
            f"{name} stylizes in the style of any image; say which it is to be judged in: "
            f"style=NAME, or style=custom style.image=PATH"
        )
    style = build(config.style)
    weights = style.image_weights or [1.0] * len(style.images)
    counting = [
        (image, weight)
        for image, weight in zip(load_style_images(style), weights, strict=True)
        if weight > 0
    ]
    return selection_of(network).select_images(network, *map(list, zip(*counting, strict=True)))


def _choice(style: str) -> Any:
    """The options of a file in configs/style/, if there is one."""
    if not (config_folder() / "style" / f"{style}.yaml").is_file():
        return None
    return OmegaConf.to_container(compose("evaluate", [f"style={style}"]).style, resolve=True)


def _styles(config: DictConfig, loaded: Mapping[str, Stylizer]) -> list[StyleOptions]:
    """What each is judged by: the user's choice, or what its recipe names."""
    folder = config.style_folder
    folder = None if folder is None else user_path(folder)
    if folder is not None and not folder.is_dir():
        raise StyleNetError(f"style_folder={folder}: no such folder")
    if config.get("style") is not None:
        return [build(config.style)] * len(loaded)
    pretrained = Path(style_image_path(""))
    return [
        recorded_style(name, stylizer.info, pretrained, folder) for name, stylizer in loaded.items()
    ]


def _criteria(
    config: DictConfig, styles: Sequence[StyleOptions], first: Stylizer
) -> dict[str, PerceptualLoss]:
    """Build a loss for each style, all with one encoder."""
    terms = build_loss(config)
    encoder = build(config.encoder).to(first.device)
    criteria: dict[str, PerceptualLoss] = {}
    for style in styles:
        if loss_key(style) in criteria:
            continue
        criteria[loss_key(style)] = PerceptualLoss(
            encoder,
            with_style_layers(terms, style.layers),
            [image.to(first.device) for image in load_style_images(style)],
            style.weight,
            style.image_weights,
        )
    return criteria
