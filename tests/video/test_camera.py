import itertools
import re
import sys
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.inference import RegionMap, Stylizer
from stylenet.networks import build_network
from stylenet.video import VideoOptions
from stylenet.video.camera import camera_frames, device_frames
from stylenet.video.live import HELP, LiveSession, Styles, preview
from stylenet.video.new_video import new_video
from stylenet.video.virtual_camera import VirtualCamera
from stylenet.video.window import Window, with_caption


@pytest.fixture(scope="module")
def stylizer():
    torch.manual_seed(0)
    return Stylizer(build_network("johnson", width=4, blocks=1), CheckpointInfo("test", 1), "cpu")


def no_keys(pixels, caption):
    return []


def threads():
    return [t for t in threading.enumerate() if t.name == "camera"]


def test_a_virtual_camera_is_shown_until_the_window_is_closed(stylizer):
    pytest.importorskip("av")
    shown = []

    def show(pixels, caption):
        shown.append((pixels, caption))
        return ["Escape"] if len(shown) == 4 else []

    frames = device_frames("testsrc=size=64x48:rate=30", "lavfi", "camera")
    assert preview(LiveSession(stylizer), frames, show) == 4
    for pixels, caption in shown:
        assert (pixels.shape, pixels.dtype) == ((48, 64, 3), np.uint8)
        assert pixels.std() > 5
        assert re.fullmatch(rf"test   strength 1.0   \d+\.\d frames/s\n{re.escape(HELP)}", caption)
    assert threads() == []


def test_a_slow_network_gets_the_latest_frame(stylizer):
    seen, begun, ended = [], threading.Event(), threading.Event()

    def frames():
        for i in range(12):
            yield np.full((8, 8, 3), 20 * i, np.uint8)
            begun.wait(60)
        ended.set()

    class Slow(Stylizer):
        def stylize_tensor(self, images):
            seen.append(round(float(images.mean()) * 255 / 20))
            begun.set()
            ended.wait(60)
            return images

    slow = Slow(stylizer.network, stylizer.info, "cpu")
    preview(LiveSession(slow), frames(), no_keys)
    assert seen == [0, 11], "the last frame is never dropped"


def test_a_failing_camera_is_reported_in_one_line(stylizer):
    def frames():
        yield np.zeros((8, 8, 3), np.uint8)
        raise StyleNetError("input=camera stopped: No such device")

    with pytest.raises(StyleNetError, match="stopped"):
        preview(LiveSession(stylizer), frames(), no_keys)
    assert threads() == []


def test_an_interruption_releases_the_camera(stylizer):
    released = threading.Event()

    def frames():
        try:
            for _ in itertools.count():
                yield np.zeros((8, 8, 3), np.uint8)
                time.sleep(0.001)
        finally:
            released.set()

    def show(pixels, caption):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        preview(LiveSession(stylizer), frames(), show)
    assert released.is_set()
    assert threads() == []


def test_a_missing_camera_is_reported_in_one_line():
    pytest.importorskip("av")
    with pytest.raises(StyleNetError, match="camera:97: no camera found") as caught:
        next(camera_frames("camera:97"))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is a display")
def test_a_missing_display_is_reported_in_one_line(monkeypatch):
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(StyleNetError, match="display") as caught:
        Window("StyleNet")
    assert "\n" not in str(caught.value)


class Painter(Stylizer):
    """Stylizer that returns one gray level."""

    def __init__(self, name, level):
        network = build_network("johnson", width=1, blocks=0)
        super().__init__(network, CheckpointInfo(name, 1), "cpu", "float32")
        self.level = level

    def stylize_tensor(self, images):
        return torch.full_like(images, self.level / 255)


def black(count, pause=0.0):
    for _ in range(count):
        yield np.zeros((48, 64, 3), np.uint8)
        time.sleep(pause)


def drive(session, keys, **more):
    """Run a session with one key for each frame, and return the frames shown and the captions."""
    seen, pressed = [], iter(keys)
    ready = threading.Semaphore(1)

    def frames():
        for frame in black(1000):
            ready.acquire()
            yield frame

    def show(pixels, caption):
        seen.append((int(pixels[0, 0, 0]), caption))
        ready.release()
        return [next(pressed, "q")]

    preview(session, frames(), show, **more)
    ready.release(1000)
    return [level for level, _ in seen], [caption for _, caption in seen]


def test_keys_change_style_and_strength():
    loaded = []

    def load(name):
        loaded.append(name)
        return Painter(name, {"a": 50, "b": 100, "c": 200}[name])

    styles = Styles(["a", "b", "c"], load)
    session = LiveSession(load("a"), video=VideoOptions(blend=0), styles=styles)
    keys = ["n", "n", "n", "p", "minus", "minus", "plus", "x", "h"]
    levels, captions = drive(session, keys)
    # The content is black: the strength shows in the level.
    assert levels == [50, 100, 200, 50, 200, 180, 160, 180, 180, 180]
    assert loaded == ["a", "b", "c"], "each network is loaded once"
    assert [caption.partition(" ")[0] for caption in captions[:5]] == ["a", "b", "c", "a", "c"]
    assert "strength 0.8" in captions[6]
    assert captions[-1] == "", "h hides the text"


def test_regions_are_resized_to_the_frames_and_stay_in_every_style():
    mask = Image.new("L", (8, 6))
    mask.paste(255, (4, 0, 8, 6))  # the right half
    styles = Styles(["a", "b"], lambda name: Painter(name, 90))
    session = LiveSession(
        Painter("a", 50), video=VideoOptions(blend=0), styles=styles, regions=RegionMap([mask], [0])
    )
    for level in (50, 90):
        stylized = session.stylize(np.zeros((48, 64, 3), np.uint8))
        assert (stylized[:, :28] == 0).all()
        assert (stylized[:, 36:] == level).all()
        session.press(["n"], stylized)


def test_strength_stays_within_0_and_1():
    session = LiveSession(Painter("a", 200), video=VideoOptions(blend=0))
    levels, _ = drive(session, ["plus"] + 12 * ["minus"] + ["plus"])
    assert levels[:2] == [200, 200]
    assert levels[-2:] == [0, 20]


def test_a_network_of_ones_own_has_no_other_styles():
    _, captions = drive(LiveSession(Painter("a", 9)), ["n", "x"])
    assert "no other styles" in captions[1]


def test_snapshots_hold_the_stylized_frame_without_the_text(tmp_path):
    session = LiveSession(Painter("a", 77), folder=tmp_path)
    _, captions = drive(session, ["s", "s"])
    assert len(set(session.snapshots)) == 2
    for path in session.snapshots:
        assert path.name.startswith("a_")
        with Image.open(path) as image:
            assert (np.asarray(image) == 77).all()
            assert image.size == (64, 48)
    assert f"saved {session.snapshots[0]}" in captions[1]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_recording_keeps_the_times_of_the_frames(tmp_path):
    av = pytest.importorskip("av")
    times = []
    with new_video(tmp_path / "a.mp4", 30) as video:

        def sink(pixels, seconds):
            times.append(seconds)
            video.write(pixels, seconds)

        session = LiveSession(Painter("a", 120))
        preview(session, black(12, 0.03), no_keys, [sink])
    with av.open(str(tmp_path / "a.mp4")) as recorded:
        frames = list(recorded.decode(video=0))
    assert [float(f.pts * f.time_base) for f in frames] == pytest.approx(times, abs=0.002)
    assert times[0] == 0
    assert abs(frames[-1].to_ndarray(format="rgb24").mean() - 120) < 4, "without the text"


class FakeModule:
    """Module pyvirtualcam with one device of a fixed size."""

    def __init__(self):
        self.sent, self.closed, self.device = [], False, None

    def Camera(self, width, height, fps, device=None):  # noqa: N802
        if device == "/dev/video97":
            raise RuntimeError("'/dev/video97' is not a v4l2loopback device\nmore")
        self.size, self.device = (width, height), device
        return self

    def send(self, pixels):
        assert pixels.shape == (self.size[1], self.size[0], 3)
        self.sent.append(pixels)

    def close(self):
        self.closed = True


def test_a_virtual_camera_gets_each_frame(monkeypatch):
    module = FakeModule()
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    with VirtualCamera("camera:/dev/video10") as camera:
        levels, _ = drive(LiveSession(Painter("a", 60)), ["x", "x"], sinks=[camera.write])
    assert [int(pixels.mean()) for pixels in module.sent] == levels == [60, 60, 60]
    assert (module.closed, module.device) == (True, "/dev/video10")


def test_a_missing_virtual_camera_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", FakeModule())
    with (
        pytest.raises(StyleNetError, match=r"no virtual camera .*v4l2loopback") as info,
        VirtualCamera("camera:/dev/video97") as camera,
    ):
        preview(LiveSession(Painter("a", 60)), black(3), no_keys, [camera.write])
    assert "\n" not in str(info.value)
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(StyleNetError, match=r"pip install 'stylenet\[camera\]'"):
        VirtualCamera()


def test_the_caption_is_readable_on_any_image():
    for level in (0, 255):
        image = np.asarray(with_caption(np.full((480, 640, 3), level, np.uint8), "starry\nkeys"))
        corner = image[-80:, :200]
        assert (corner == 255).any()
        assert (corner == 0).any()
        assert (image[:-100] == level).all()
    tiny = np.zeros((8, 8, 3), np.uint8)
    assert with_caption(tiny, "starry").size == (8, 8)
    assert np.array_equal(np.asarray(with_caption(tiny, "")), tiny)
