"""The command that stylizes images and videos."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig
from PIL import Image
from tqdm import tqdm

from stylenet.checkpoint import load_checkpoint
from stylenet.cli.app import build, run
from stylenet.cli.interpolate import interpolate
from stylenet.cli.start import notice
from stylenet.errors import StyleNetError
from stylenet.files import find_inputs, user_path
from stylenet.image import SUFFIXES, LoadedImage, check_background, check_quality, load_image
from stylenet.inference import StylizeOptions, Stylizer, stylize_file
from stylenet.inference.files import name_result, plan_folder, save_result
from stylenet.inference.folder import describe_unread, stylize_all
from stylenet.inference.precision import choose_device
from stylenet.pretrained import pretrained_style, pretrained_styles
from stylenet.ranks import read_launch
from stylenet.video import VideoOptions, stylize_video
from stylenet.video.camera import Window, camera_frames, preview

# By suffix, for a video cannot be told from an image cheaper. FFmpeg reads some more kinds: those
# need an output with one of these suffixes.
VIDEO_SUFFIXES = {
    *(".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".h264"),
    *(".h265", ".hevc", ".ivf", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv"),
    *(".mod", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mpv", ".mts", ".mxf", ".nut", ".ogm"),
    *(".ogv", ".qt", ".rm", ".rmvb", ".tod", ".ts", ".vob", ".webm", ".wmv", ".wtv", ".y4m"),
}

# What a kind of input has no use for: to leave it out without a word would seem to obey.
_NOT_TAKEN = {
    "a camera": ("output", "mask", "name", "format", "quality", "background"),
    "a video": ("name", "format", "quality", "background"),
    "interpolate": ("blend_with", "name", "format", "quality", "background"),
    "a folder": (),
    "an image": (),
}


def main() -> None:
    """Run ``stylenet infer``."""
    run(infer, "infer")


def infer(config: DictConfig) -> None:
    """Stylizes an image, a folder of images, a video, or what a camera sees.

    Args:
        config: configs/infer.yaml, composed.

    Raises:
        StyleNetError: The input, the checkpoint or the output is unusable.
        SystemExit: With status 1 if some of a folder's images failed.
    """
    if config.list:
        _list_styles()
        return
    options = StylizeOptions(config.size, config.strength, config.preserve_color, config.tile)
    video = build(config.video)
    check_quality(config.quality)
    background = _background(config)
    name = str(config.input)
    source = user_path(name)
    kind = _kind(name, source, config.output)
    if config.interpolate is not None:
        if kind != "an image":
            raise StyleNetError(f"input={name}: interpolate makes a video of one image")
        _check_taken(config, "interpolate", video)
        interpolate(config, source, options, _mask(config), _Progress("frame").show)
        return
    _check_taken(config, kind, video)
    stylizer = _load(config)
    if kind == "a camera":
        with Window(stylizer.info.style) as window:
            preview(stylizer, camera_frames(name), window.show, options, video)
    elif kind == "a folder":
        _stylize_folder(config, stylizer, source, options)
    elif kind == "a video":
        _stylize_video(config, stylizer, source, options, video)
    else:
        target = _target(config, source, stylizer.info.style)
        mask = _mask(config)
        show = _Progress("part").show
        with notice(f"stylizing {source.name}"):
            lost = stylize_file(
                stylizer, source, target, options, mask, config.quality, show, background
            )
        print(target, *(f"left out: {name}" for name in lost), sep="\n")


def _stylize_folder(
    config: DictConfig, stylizer: Stylizer, source: Path, options: StylizeOptions
) -> None:
    """Stylizes this process' share of a folder, and says what failed."""
    style, background = stylizer.info.style, _background(config)
    target = user_path(config.output or f"{source.name}_{style}")
    mask = _mask(config)
    launch = read_launch()

    def name(path: Path) -> str:
        return name_result(path, style, str(config.name or "{name}"), config.format)

    def paint(images: Sequence[LoadedImage]) -> list[LoadedImage]:
        if mask is not None:
            return [stylizer.stylize(picture, options, mask) for picture in images]
        return stylizer(images, **dataclasses.asdict(options))

    def save(picture: LoadedImage, path: Path) -> list[str]:
        return save_result(picture, path, config.quality, background)

    def paint_moving(path: Path, result: Path) -> list[str]:
        return stylize_file(stylizer, path, result, options, mask, config.quality)

    pairs, skipped = plan_folder(source, target, name, bool(config.overwrite), launch)
    with tqdm(total=len(pairs), unit="image", dynamic_ncols=True, disable=launch.rank > 0) as bar:
        report = stylize_all(pairs, paint, save, paint_moving, bar.update)
    print(
        f"{report.done} image{'s' if report.done != 1 else ''} stylized in {target}"
        + (f" by process {launch.rank} of {launch.world_size}" if launch.world_size > 1 else "")
        + (f", {skipped} were there already (overwrite=true stylizes them)" if skipped else "")
    )
    for lost, paths in report.left_out.items():
        some = f"{len(paths)} images" if len(paths) > 1 else "1 image"
        print(f"left out: {lost} of {some} ({paths[0].name}{', …' * (len(paths) > 1)})")
    unread = describe_unread(source, target) if launch.rank == 0 else None
    if unread is not None:
        print(unread)
    videos = find_inputs(source, target, VIDEO_SUFFIXES) if launch.rank == 0 else []
    if videos:
        some = f"{len(videos)} videos were" if len(videos) > 1 else "1 video was"
        print(f"{some} left out ({videos[0]}{', …' * (len(videos) > 1)}); stylize each by itself")
    if report.failures:
        count = len(report.failures)
        print(f"{count} failed:", *report.failures, sep="\n  ", file=sys.stderr)
        raise SystemExit(1)


def _stylize_video(
    config: DictConfig,
    stylizer: Stylizer,
    source: Path,
    options: StylizeOptions,
    video: VideoOptions,
) -> None:
    """Stylizes a video and says what became of it."""
    target = _target(config, source, stylizer.info.style)
    report = stylize_video(stylizer, source, target, options, video, mask=_mask(config))
    print(f"{target}: {report.frames} frames, {report.fps:.1f} a second, {report.codec}")
    for change in report.changes:
        print(change)
    for stream in report.left_out:
        print(f"left out: {stream}")
    if report.flicker is not None:
        print(report.flicker)


class _Progress:
    """A bar that appears when there is more than one step to show."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._bar: tqdm | None = None

    def show(self, done: int, total: int) -> None:
        """Moves the bar on, and ends it with the last step."""
        if self._bar is None:
            self._bar = tqdm(total=total, unit=self._unit, dynamic_ncols=True)
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.close()


def _list_styles() -> None:
    """Prints a line for each network that comes with the package."""
    networks = pretrained_styles()
    width = max(map(len, networks), default=0)
    for name, path in networks.items():
        _, info = load_checkpoint(path)
        print(f"{name:{width}}  {info.description} ({path.stat().st_size / 1e6:.1f} MB)")


def _load(config: DictConfig) -> Stylizer:
    """The network that the user means, on the process' own device, blended if so wished."""
    if config.style_name is None and config.checkpoint is None:
        raise StyleNetError(
            f"give either style=NAME ({', '.join(pretrained_styles())}; list=true says more) or "
            f"checkpoint=PATH (a run folder or a .safetensors file)"
        )
    style = None if config.style_name is None else str(config.style_name)
    if config.checkpoint is not None:
        path = Path(str(config.checkpoint))  # the style is one of its own
    else:
        path, style = pretrained_style(str(style)), None
    device, launch = str(config.device), read_launch()
    if device == "auto" and launch.world_size > 1 and choose_device("auto").type == "cuda":
        device = f"cuda:{launch.local_rank}"
    stylizer = Stylizer.load(
        path, device, str(config.dtype), style, config.style_size, config.encoder_weights
    )
    if config.blend_with is None:
        return stylizer
    other = Stylizer.load(str(config.blend_with), device, str(config.dtype))
    return Stylizer.blend(stylizer, other, config.blend_weight)


def _background(config: DictConfig) -> str:
    """The color below transparent parts, where the format has no transparency."""
    background = "white" if config.background is None else config.background
    check_background(background)
    return str(background)


def _mask(config: DictConfig) -> Image.Image | None:
    """The mask that the user named, mode L."""
    return None if config.mask is None else load_image(user_path(config.mask)).rgb.convert("L")


def _kind(name: str, source: Path, output: str | None) -> str:
    """What the input is: a key of ``_NOT_TAKEN``."""
    if not name:
        raise StyleNetError("input is empty; give an image, a folder, a video or camera")
    is_camera = name == "camera" or name.startswith("camera:")
    if is_camera and not source.is_file():
        return "a camera"
    if not source.exists():
        raise StyleNetError(f"input={source}: no such file or folder")
    if source.is_dir():
        return "a folder"
    if source.suffix.lower() in VIDEO_SUFFIXES:
        return "a video"
    # Of a suffix that says nothing the output's may: no image becomes a video.
    is_image = source.suffix.lower() in SUFFIXES
    return (
        "a video"
        if not is_image and Path(str(output)).suffix.lower() in VIDEO_SUFFIXES
        else "an image"
    )


def _check_taken(config: DictConfig, kind: str, video: VideoOptions) -> None:
    """Refuses what was set and would be left out for this kind of input."""
    for key in _NOT_TAKEN[kind]:
        if config[key] is not None:
            use = "; use video.quality" if key == "quality" and kind == "a video" else ""
            raise StyleNetError(f"{key}={config[key]} is not for {kind}{use or '; leave it out'}")
    if kind not in ("a camera", "a video") and video != VideoOptions():
        raise StyleNetError(f"video.* is for videos and cameras, not for {kind}; leave it out")


def _target(config: DictConfig, source: Path, style: str) -> Path:
    """Where the result goes: what the user said, or a name made of input and style."""
    target = None if config.output is None else user_path(config.output)
    is_folder = target is not None and (target.is_dir() or str(config.output).endswith("/"))
    if target is not None and not is_folder:
        if config.name or config.format:
            raise StyleNetError(
                f"output={target} is no folder, so it names the result; leave name and format out"
            )
        return target
    pattern = "{name}_{style}" if target is None or config.format else "{name}"
    if source.suffix.lower() in VIDEO_SUFFIXES:  # what has another suffix is a video by its output
        made = pattern.format(name=source.stem, style=style) + source.suffix
    else:
        made = name_result(source, style, str(config.name or pattern), config.format)
    return Path(made) if target is None else target / made
