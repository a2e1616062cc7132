"""The camera of ``stylenet infer``: a window with keys, a recording, a virtual camera."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
from omegaconf import DictConfig

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, check_output, user_path
from stylenet.inference import RegionMap, StylizeOptions, Stylizer
from stylenet.pretrained import pretrained_style, pretrained_styles
from stylenet.video import VideoOptions
from stylenet.video.camera import camera_frames
from stylenet.video.live import LiveSession, Show, Sink, Styles, no_window, preview
from stylenet.video.new_video import NewVideo
from stylenet.video.suffixes import VIDEO_SUFFIXES
from stylenet.video.virtual_camera import VirtualCamera
from stylenet.video.window import Window

# Frame rate in a recording's header; each frame has its own time.
_FPS = 30


def show_camera(
    config: DictConfig,
    stylizer: Stylizer,
    options: StylizeOptions,
    video: VideoOptions,
    regions: RegionMap | None,
) -> None:
    """Stylize a camera's stream until a key or Ctrl-C ends it.

    Args:
        config: configs/infer.yaml, composed. ``output`` is a video to record, or ``camera``.
        stylizer: The stylizer to begin with.
        options: Options of each frame.
        video: Options of videos.
        regions: Resized to the frames; ``None`` to stylize whole frames.

    Raises:
        StyleNetError: The camera, the output or the display is unusable.
    """
    session = LiveSession(stylizer, options, video, _styles(config), regions=regions)
    count = 0
    with ExitStack() as stack:
        sinks = [stack.enter_context(_open_output(str(config.output)))] if config.output else []
        try:
            show: Show = stack.enter_context(Window("StyleNet")).show
        except StyleNetError as error:
            if not sinks:
                raise
            show = no_window(error)

        def count_and_show(pixels: np.ndarray, caption: str) -> list[str]:
            nonlocal count
            count += 1
            return list(show(pixels, caption))

        try:
            preview(session, camera_frames(str(config.input)), count_and_show, sinks)
        except KeyboardInterrupt:  # ends it like the key: the recording is complete
            print()
    print(f"{count} frames" + (f" in {config.output}" if config.output else ""))
    for path in session.snapshots:
        print(f"snapshot: {path}")


def _styles(config: DictConfig) -> Styles:
    """Return the pretrained styles if one was chosen; networks of one's own and regions stay."""
    if config.checkpoint is not None or config.regions is not None:
        return Styles()
    load: Callable[[str], Stylizer] = partial(_load_pretrained, config)
    return Styles(list(pretrained_styles()), load)


def _load_pretrained(config: DictConfig, name: str) -> Stylizer:
    return Stylizer.load(pretrained_style(name), str(config.device), str(config.precision))


@contextmanager
def _open_output(output: str) -> Iterator[Sink]:
    """Open what takes the stylized frames beside the window."""
    if output == "camera" or output.startswith("camera:"):
        with VirtualCamera(output) as camera:
            yield camera.write
        return
    target = user_path(output)
    if target.suffix.lower() not in VIDEO_SUFFIXES:
        raise StyleNetError(
            f"output={output} is not a video; pass a name that ends in .mp4, .mkv or .mov, or "
            f"output=camera for a virtual camera"
        )
    check_output(target)
    with atomic_path(target) as temporary:
        video = NewVideo(temporary, target, _FPS)
        problem: StyleNetError | None = None
        try:
            yield video.write
        except StyleNetError as error:  # an unplugged camera: the recording stays
            problem = error
        except BaseException:
            video.close(complete=False)
            raise
        if not video.frames and problem is not None:
            video.close(complete=False)
            raise problem
        video.close()
    if problem is not None:
        raise StyleNetError(f"{problem}; the recording up to then is in {target}")
