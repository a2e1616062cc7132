"""Masks and regions of ``stylenet infer``: from its options to networks and regions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from stylenet.checkpoint import find_style
from stylenet.cli.infer_inputs import InputType
from stylenet.errors import StyleNetError, check_number
from stylenet.files import user_path
from stylenet.inference import RegionMap, RegionStylizer, Stylizer
from stylenet.inference.region_plan import RegionPlan
from stylenet.methods.arbitrary_style.selection import names_style_image
from stylenet.pretrained import pretrained_styles
from stylenet.video.mask_videos import MaskVideos
from stylenet.video.suffixes import VIDEO_SUFFIXES

# Loads the checkpoint of a path in a style, ``None`` for its first one.
Load = Callable[[str | Path, str | None], Stylizer]


def read_plan(config: DictConfig) -> RegionPlan | None:
    """Read ``mask`` or ``regions``.

    Args:
        config: configs/infer.yaml, composed.

    Returns:
        The plan; ``None`` if whole images are stylized.

    Raises:
        StyleNetError: The regions cannot be read, or exclude another option.
    """
    check_number("feather", config.feather, minimum=0)
    if config.regions is None:
        if config.mask is not None:
            return RegionPlan.for_mask(user_path(str(config.mask)), config.feather)
        if config.feather:
            raise StyleNetError(
                f"feather={config.feather} softens the edges of masks. Give mask or regions, or "
                f"leave it out."
            )
        return None
    for key, advice in (
        ("style_name", "Name the style of the rest in regions, rest: NAME."),
        ("mask", "Give it in regions, MASK: STYLE."),
        ("blend_with", "Leave it out."),
    ):
        if config[key] is not None:
            name = key.removesuffix("_name")
            raise StyleNetError(f"regions and {name}={config[key]} exclude each other. {advice}")
    return RegionPlan.parse(_as_mapping(config.regions), config.feather)


def load_regions(config: DictConfig, plan: RegionPlan, load: Load) -> RegionStylizer:
    """Load the network of each style of the regions.

    Args:
        config: ``checkpoint`` names the network that has all styles; without it each style is a
            pretrained one, a style image, or the path of a checkpoint.
        plan: The regions.
        load: Loads a checkpoint.

    Raises:
        StyleNetError: A style is unknown.
    """
    parts = []
    for style in plan.styles:
        if config.checkpoint is not None:
            parts.append(load(str(config.checkpoint), style))
        elif user_path(style).is_dir() or style.endswith(".safetensors"):
            parts.append(load(user_path(style), None))
        elif style in pretrained_styles() or names_style_image(style):
            parts.append(load(*find_style(style)))
        else:
            raise StyleNetError(
                f"regions: {style} is neither a pretrained style ({', '.join(pretrained_styles())})"
                f" nor an image, a run directory or a .safetensors file. Give one of these."
            )
    return RegionStylizer(parts)


def read_regions(plan: RegionPlan | None, input_type: InputType) -> RegionMap | MaskVideos | None:
    """Read the masks of a plan.

    Args:
        plan: From :func:`read_plan`.
        input_type: A video may have masks that are videos.

    Returns:
        The regions; ``None`` without a plan, and for a folder whose images have masks of their own.

    Raises:
        StyleNetError: A mask is missing or unreadable, or sizes differ.
    """
    if plan is None or (plan.has_folders and input_type is InputType.FOLDER):
        return None
    if input_type is not InputType.VIDEO:
        return plan.read()
    are_videos = [path.suffix.lower() in VIDEO_SUFFIXES for path in plan.paths]
    return MaskVideos(plan, are_videos) if any(are_videos) else plan.read()


def _as_mapping(regions: Any) -> Any:
    """Return regions as plain values; text is what Hydra's grammar cannot read."""
    if isinstance(regions, str) and regions.lstrip().startswith("{"):
        try:
            regions = OmegaConf.create(regions)
        except Exception:  # PyYAML's and OmegaConf's errors have no common class
            return regions
    return OmegaConf.to_container(regions) if OmegaConf.is_config(regions) else regions
