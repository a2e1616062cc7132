"""Stylize a camera's frames as they arrive, with keys for style, strength and snapshots."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path
from stylenet.inference.options import StylizeOptions
from stylenet.inference.region_map import RegionMap
from stylenet.inference.stylizer import Stylizer
from stylenet.video.frame_stylizer import FrameStylizer
from stylenet.video.options import VideoOptions
from stylenet.video.queues import WriteBehind, latest

HELP = "n, p: style   +, -: strength   s: snapshot   h: hide   q: quit"
_QUIT = {"q", "Escape"}
_NEXT, _PREVIOUS = {"n", "Right"}, {"p", "Left"}
# On many keyboards "+" needs Shift, and its key without is "=".
_STRONGER, _WEAKER = {"plus", "equal", "KP_Add", "Up"}, {"minus", "KP_Subtract", "Down"}
_STRENGTH_STEP = 0.1
# A moving average over about ten frames shows the present frame rate.
_SMOOTHING = 0.9
_NOTE_SECONDS = 3.0  # that a message stays on the screen
# Frames that may wait for a slow encoder.
_BEHIND = 8

Show = Callable[[np.ndarray, str], Sequence[str]]
Sink = Callable[[np.ndarray, float], object]


@dataclasses.dataclass(frozen=True)
class Styles:
    """Styles to choose from by keys.

    Attributes:
        names: Their names; empty for no choice.
        load: Loads the network of a style.
    """

    names: Sequence[str] = ()
    load: Callable[[str], Stylizer] | None = None


class LiveSession:
    """Stylization of a camera's frames with options that keys change.

    Attributes:
        style: Name of the present style.
        options: The present options.
        snapshots: Paths of the images that were saved.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        options: StylizeOptions | None = None,
        video: VideoOptions | None = None,
        styles: Styles | None = None,
        folder: Path | None = None,
        regions: RegionMap | None = None,
    ) -> None:
        """Start a session.

        Args:
            stylizer: The stylizer to begin with.
            options: Options of each frame; a small ``size`` makes it fast.
            video: ``steady`` and ``blend`` are used; ``None`` for the defaults.
            styles: What the keys choose from.
            folder: Where snapshots are saved; ``None`` for the current folder.
            regions: Regions of any size, which are resized to the frames; ``None`` to stylize whole
                frames.
        """
        self.style, self.options = stylizer.info.style, options or StylizeOptions()
        self.snapshots: list[Path] = []
        self._video, self._styles = video, styles or Styles()
        self._loaded = {self.style: stylizer}
        self._folder, self._regions = folder or Path(), regions
        self._frames = FrameStylizer(stylizer, self.options, video)
        self._is_captioned = True
        self._note, self._note_until = "", 0.0

    def stylize(self, frame: np.ndarray) -> np.ndarray:
        """Stylize the next frame, RGB, uint8, shape (H, W, 3)."""
        if self._regions is not None:
            self._regions = self._regions.resized(*frame.shape[:2])
            self._frames.set_regions(self._regions)
        return self._frames.stylize(frame)

    def caption(self, rate: float) -> str:
        """Return the text for the screen: style, strength, frame rate, keys."""
        if not self._is_captioned:
            return ""
        state = f"{self.style}   strength {self.options.strength:.1f}   {rate:.1f} frames/s"
        note = self._note if time.monotonic() < self._note_until else HELP
        return f"{state}\n{note}"

    def press(self, keys: Iterable[str], stylized: np.ndarray) -> bool:
        """Do what keys ask for.

        Args:
            keys: As :meth:`stylenet.video.window.Window.show` returns them; others do nothing.
            stylized: The frame that was shown.

        Returns:
            Whether to go on.

        Raises:
            StyleNetError: A snapshot cannot be saved, or a style cannot be loaded.
        """
        for key in keys:
            if key in _QUIT:
                return False
            if key in _NEXT | _PREVIOUS:
                self._change_style(1 if key in _NEXT else -1)
            elif key in _STRONGER | _WEAKER:
                self._change_strength(_STRENGTH_STEP if key in _STRONGER else -_STRENGTH_STEP)
            elif key == "s":
                self._save(stylized)
            elif key == "h":
                self._is_captioned = not self._is_captioned
        return True

    def _change_style(self, step: int) -> None:
        names, load = self._styles.names, self._styles.load
        if not names or load is None:
            self._tell("no other styles: style=NAME chooses from the pretrained ones")
            return
        at = names.index(self.style) + step if self.style in names else min(step, 0)
        self.style = names[at % len(names)]
        if self.style not in self._loaded:
            self._loaded[self.style] = load(self.style)
        self._frames = FrameStylizer(self._loaded[self.style], self.options, self._video)

    def _change_strength(self, step: float) -> None:
        strength = round(min(1.0, max(0.0, self.options.strength + step)), 2)
        self.options = dataclasses.replace(self.options, strength=strength)
        self._frames.set_options(self.options)

    def _save(self, stylized: np.ndarray) -> None:
        name = f"{self.style}_{time.strftime('%Y%m%d-%H%M%S')}"
        path, count = self._folder / f"{name}.png", 1
        while path.exists():  # two in one second
            count += 1
            path = self._folder / f"{name}-{count}.png"
        with atomic_path(path) as temporary:
            Image.fromarray(stylized).save(temporary, "PNG")
        self.snapshots.append(path)
        self._tell(f"saved {path}")

    def _tell(self, note: str) -> None:
        self._note, self._note_until = note, time.monotonic() + _NOTE_SECONDS


def preview(
    session: LiveSession,
    frames: Iterable[np.ndarray],
    show: Show,
    sinks: Sequence[Sink] = (),
) -> int:
    """Stylize frames as they arrive, show each, and do what keys ask for.

    While one frame is being stylized, all newer ones but the latest are dropped, so that the
    preview does not lag.

    Args:
        session: What to stylize with.
        frames: RGB, uint8, each of shape (H, W, 3). Iterated in another thread.
        show: Called with each stylized frame, of the same shape, and a caption; returns keys.
        sinks: Called in another thread with each stylized frame, without the caption, and its time
            in seconds since the first one.

    Returns:
        The number of frames shown.

    Raises:
        StyleNetError: The camera or a sink fails, or memory is short.
    """
    count, rate, first = 0, 0.0, 0.0
    before = time.perf_counter()
    with ExitStack() as stack:
        # The camera is released first: a sink may take long for what waits.
        queues = [
            stack.enter_context(WriteBehind[tuple[np.ndarray, float]](_take(sink), _BEHIND))
            for sink in sinks
        ]
        for frame in stack.enter_context(latest(frames)):
            stylized = session.stylize(frame)
            now = time.perf_counter()
            first = first or now
            current = 1 / max(now - before, 1e-6)
            rate = current if not count else _SMOOTHING * rate + (1 - _SMOOTHING) * current
            before = now
            count += 1
            for queue in queues:
                queue.put((stylized, now - first))
            if not session.press(show(stylized, session.caption(rate)), stylized):
                break
    return count


def _take(sink: Sink) -> Callable[[tuple[np.ndarray, float]], object]:
    return lambda item: sink(*item)


def no_window(reason: StyleNetError) -> Show:
    """Return a ``show`` for machines without a display, which says so once.

    Args:
        reason: Why there is no window.
    """
    print(f"no window: {str(reason).partition(';')[0]}; Ctrl-C ends")
    return lambda pixels, caption: ()
