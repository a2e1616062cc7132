import itertools
import sys
import threading
import time

import numpy as np
import pytest
import torch

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.inference import Stylizer
from stylenet.networks import build_network
from stylenet.video.camera import Window, camera_frames, device_frames, preview


@pytest.fixture(scope="module")
def stylizer():
    torch.manual_seed(0)
    return Stylizer(build_network("johnson", width=4, blocks=1), CheckpointInfo("test", 1), "cpu")


def threads():
    return [t for t in threading.enumerate() if t.name == "camera"]


def test_a_virtual_camera_is_shown_until_the_window_is_closed(stylizer):
    pytest.importorskip("av")
    shown = []

    def show(pixels, rate):
        shown.append((pixels, rate))
        return len(shown) < 4

    frames = device_frames("testsrc=size=64x48:rate=30", "lavfi", "camera")
    assert preview(stylizer, frames, show) == 4
    for pixels, rate in shown:
        assert (pixels.shape, pixels.dtype) == ((48, 64, 3), np.uint8)
        assert pixels.std() > 5
        assert rate > 0
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
    preview(slow, frames(), lambda pixels, rate: True)
    assert seen == [0, 11], "the last frame is never dropped"


def test_a_failing_camera_is_reported_in_one_line(stylizer):
    def frames():
        yield np.zeros((8, 8, 3), np.uint8)
        raise StyleNetError("input=camera stopped: No such device")

    with pytest.raises(StyleNetError, match="stopped"):
        preview(stylizer, frames(), lambda pixels, rate: True)
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

    def show(pixels, rate):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        preview(stylizer, frames(), show)
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
