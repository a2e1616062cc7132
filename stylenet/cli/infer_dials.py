"""Stroke size and style weight of ``stylenet infer``: dials, keyframes, or another resolution."""

import dataclasses
from typing import Any

from omegaconf import DictConfig, OmegaConf

from stylenet.cli.infer_inputs import InputType
from stylenet.errors import StyleNetError
from stylenet.inference import StylizeOptions, Stylizer
from stylenet.inference.options import describe_stroke
from stylenet.video import VideoOptions

_NAMES = ("stroke", "style_weight")


def read_dials(config: DictConfig, input_type: InputType) -> dict[str, Any]:
    """Read ``stroke`` and ``style_weight``.

    Args:
        config: configs/infer.yaml, composed.
        input_type: Keyframes are for videos.

    Returns:
        Numbers, or for a video keyframes: values by seconds; by name, those that are given.

    Raises:
        StyleNetError: Keyframes are not for this input, or are not a mapping.
    """
    values = {name: config[name] for name in _NAMES if config[name] is not None}
    for name, value in values.items():
        if isinstance(value, str):
            raise StyleNetError(
                f"{name}={value} is neither a number nor keyframes. Give a number, or for a video "
                f"values by seconds, such as {name}='{{0: 0.5, 3: 2}}'."
            )
        if OmegaConf.is_config(value):
            values[name] = OmegaConf.to_container(value)
            if input_type is not InputType.VIDEO:
                raise StyleNetError(
                    f"{name}={value} are keyframes for a video, not for {input_type.value}. Give a "
                    f"number."
                )
    return values


def use_dials(
    stylizer: Stylizer | None,
    dials: dict[str, Any],
    options: StylizeOptions,
    video: VideoOptions,
) -> tuple[StylizeOptions, VideoOptions]:
    """Turn the dials of a network that has some; else let ``stroke`` change the resolution.

    Args:
        stylizer: The network, whose dials are turned; ``None`` for ``interpolate``, whose networks
            have none.
        dials: From :func:`read_dials`.
        options: Options of each image.
        video: Options of a video.

    Returns:
        Both options, with ``stroke`` or the keyframes.

    Raises:
        StyleNetError: A value is out of range, or needs dials that the network lacks.
    """
    keyframes: dict[str, Any] = {
        name: value for name, value in dials.items() if isinstance(value, dict | list)
    }
    fixed = {name: value for name, value in dials.items() if name not in keyframes}
    if stylizer is None or stylizer.dials is None:
        needs_dials = [name for name in dials if name in keyframes or name == "style_weight"]
        if needs_dials:
            name = needs_dials[0]
            network = "this one" if stylizer is None else stylizer.info.style
            raise StyleNetError(
                f"{name}={dials[name]} needs a network with dials, and {network} has none. Leave "
                f"it out, or train with network=johnson_dials or network=compact_dials."
            )
        options = dataclasses.replace(options, **fixed)
        if stylizer is not None and options.stroke != 1:
            print(describe_stroke(options.stroke))
        return options, video
    if fixed:
        stylizer.turn(**fixed)
    return options, dataclasses.replace(video, **keyframes)
