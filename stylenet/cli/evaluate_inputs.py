"""Inputs of ``stylenet evaluate``: checkpoints with their criteria, photos and videos."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose
from omegaconf import DictConfig, ListConfig, OmegaConf
from torch import Tensor

from stylenet.checkpoint import CheckpointInfo, load_checkpoint
from stylenet.cli.app import build
from stylenet.cli.configs import config_folder, style_image_path
from stylenet.cli.loss import build_loss, refuse_module_losses
from stylenet.data import StyleOptions, load_style_images
from stylenet.errors import LARGEST_SEED, StyleNetError, check_number
from stylenet.evaluation import GridMeter, StrokeMeter, recorded_style
from stylenet.evaluation.recipe import loss_key
from stylenet.files import find_inputs, reason, user_path
from stylenet.image import SUFFIXES
from stylenet.inference import Stylizer
from stylenet.methods.selection import selection_of
from stylenet.networks import Dials, StyleNetwork
from stylenet.perceptual import PerceptualLoss, with_style_layers
from stylenet.video.suffixes import VIDEO_SUFFIXES


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A network to measure and the loss to measure it with.

    Attributes:
        name: Its name in the report.
        stylizer: The network.
        style: The style images that its stylized images are compared with.
        criterion: The perceptual loss; checkpoints of one style share it.
        grid: Meter of the grid in its stylized photos.
        strokes: Meter of the size of its strokes.
    """

    name: str
    stylizer: Stylizer
    style: StyleOptions
    criterion: PerceptualLoss
    grid: GridMeter = dataclasses.field(default_factory=GridMeter)
    strokes: StrokeMeter = dataclasses.field(default_factory=StrokeMeter)

    def stylize(self, photo: Tensor) -> Tensor:
        """Stylize a photo, RGB in [0, 1], shape (1, 3, H, W)."""
        return self.stylizer.stylize_tensor(photo)


def check_options(config: DictConfig) -> None:
    """Refuse impossible values before any work.

    Args:
        config: configs/evaluate.yaml, composed.

    Raises:
        StyleNetError: A value is impossible.
    """
    minima = {"size": 16, "video_frames": 2, "sheet_photos": 1, "repeats": 1, "iterations": 0}
    for name, minimum in {**minima, "iteration_photos": 1}.items():
        check_number(name, config[name], minimum=minimum, integer=True)
    check_number("seed", config.seed, minimum=0, maximum=LARGEST_SEED, integer=True)
    if config.limit is not None:
        check_number("limit", config.limit, minimum=1, integer=True)


def find_images_and_videos(config: DictConfig, output: Path) -> tuple[dict[str, Path], list[Path]]:
    """List the photos and videos to stylize.

    Args:
        config: configs/evaluate.yaml, composed.
        output: The folder of the report, whose images are skipped.

    Returns:
        The photos by name, and the videos.

    Raises:
        StyleNetError: There is no photo, or a named file is missing.
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
    paths = {str(name): source / name for name in names}
    videos += [
        path
        for path in paths.values()
        if path.suffix.lower() in VIDEO_SUFFIXES and path not in videos
    ]
    photos = {name: path for name, path in paths.items() if path not in videos}
    if not photos:
        raise StyleNetError(
            f"No images found in photos={source}. Give a folder of images, or an image."
        )
    return dict(list(photos.items())[: config.limit]), videos


def load_checkpoints(config: DictConfig) -> list[Checkpoint]:
    """Load the requested networks, each with its perceptual loss.

    Args:
        config: configs/evaluate.yaml, composed.

    Returns:
        At least one, with distinct names; a network of several styles gives one for each style.

    Raises:
        StyleNetError: A checkpoint, a style or the encoder is unusable.
    """
    listed = config.checkpoints
    paths = [str(path) for path in (listed if isinstance(listed, ListConfig) else [listed])]
    if not paths or len(set(paths)) < len(paths):
        raise StyleNetError(
            f"checkpoints=[{','.join(paths)}] {'names one twice' if paths else 'is empty'}. Give "
            f"run directories, .safetensors files or names of pretrained styles."
        )
    stems = [Path(path).name.removesuffix(".safetensors") for path in paths]
    names = stems if len(set(stems)) == len(stems) else paths
    loaded = {
        title: Stylizer(network, info, str(config.device), str(config.precision))
        for path, name in zip(paths, names, strict=True)
        for title, network, info in _networks(config, path, name)
    }
    first = next(iter(loaded.values()))
    styles = _at_dials(config, loaded, _styles(config, loaded))
    criteria = _criteria(config, styles, first)
    return [
        Checkpoint(name, stylizer, style, criteria[loss_key(style)])
        for (name, stylizer), style in zip(loaded.items(), styles, strict=True)
    ]


def _networks(
    config: DictConfig, path: str, name: str
) -> list[tuple[str, StyleNetwork, CheckpointInfo]]:
    """Load the styles of a checkpoint, each with a name and the recipe of its style."""
    network, info = load_checkpoint(path, config.encoder_weights)
    selection = selection_of(network)
    if selection.has_dials:
        return [(name, network, info)]
    styles = selection.styles(network)
    if styles is None:
        return [(name, _select_style(config, network, name), info)]
    if not styles:
        return [(name, network, info)]
    recorded = info.recipe.get("style")
    recorded = recorded if isinstance(recorded, dict) else {}
    networks: list[tuple[str, StyleNetwork, CheckpointInfo]] = []
    for style in styles:
        # Such a run records the names of all styles, but the options of at most one.
        recipe = {"style": recorded if recorded.get("name") == style else _style_config(style)}
        style_info = dataclasses.replace(info, style=style, recipe=recipe)
        selected, _ = selection.select(network, style, None, info.style)
        networks.append((f"{name}:{style}", selected, style_info))
    return networks


def _select_style(config: DictConfig, network: StyleNetwork, name: str) -> StyleNetwork:
    """Select the style that all networks are compared with, in an arbitrary-style network."""
    if config.get("style") is None:
        raise StyleNetError(
            f"{name} stylizes in any style. Choose the one to measure: style=NAME, or style=custom "
            f"style.image=PATH."
        )
    style = build(config.style)
    weights = style.image_weights or [1.0] * len(style.images)
    pairs = [
        (image, weight)
        for image, weight in zip(load_style_images(style), weights, strict=True)
        if weight > 0
    ]
    return selection_of(network).select_images(network, *map(list, zip(*pairs, strict=True)))


def _style_config(style: str) -> Any:
    """Return the options in configs/style/ of this name, ``None`` if there are none."""
    if not (config_folder() / "style" / f"{style}.yaml").is_file():
        return None
    return OmegaConf.to_container(compose("evaluate", [f"style={style}"]).style, resolve=True)


def _styles(config: DictConfig, loaded: Mapping[str, Stylizer]) -> list[StyleOptions]:
    """Return the style of each network: the user's choice, else the one in its recipe."""
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


def _at_dials(
    config: DictConfig, loaded: Mapping[str, Stylizer], styles: Sequence[StyleOptions]
) -> list[StyleOptions]:
    """Turn the dials of the networks that have some, and return the styles with their losses."""
    dials = {k: config[k] for k in ("stroke", "style_weight") if config[k] is not None}
    if dials and all(stylizer.dials is None for stylizer in loaded.values()):
        name = next(iter(dials))
        raise StyleNetError(
            f"{name}={dials[name]} is for networks with dials, and none of the checkpoints has "
            f"dials. Leave it out."
        )
    turned = []
    for (name, stylizer), style in zip(loaded.items(), styles, strict=True):
        if stylizer.dials is not None and dials:
            try:
                stylizer.turn(**dials)
                style = _turn_style(style, stylizer.dials)
            except StyleNetError as error:
                raise StyleNetError(f"{name}: {error}") from error
        turned.append(style)
    return turned


def _turn_style(style: StyleOptions, dials: Dials) -> StyleOptions:
    """Return the style whose losses are the objective at a position of the dials."""
    if style.size is None and dials.stroke != 1:
        raise StyleNetError(
            f"stroke={dials.stroke} needs style.size, which the style {style.name} leaves open. "
            f"Give style=custom style.image=PATH style.size=512."
        )
    size = style.size if style.size is None else round(style.size * dials.stroke)
    return dataclasses.replace(style, size=size, weight=style.weight * dials.style_weight)


def _criteria(
    config: DictConfig, styles: Sequence[StyleOptions], first: Stylizer
) -> dict[str, PerceptualLoss]:
    """Build a loss for each style, all with one encoder."""
    refuse_module_losses(config)
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
