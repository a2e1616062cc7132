"""Dials that move over a video."""

import numpy as np
import pytest
import torch

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.inference import Stylizer
from stylenet.networks import Dials, build_network
from stylenet.video import VideoOptions, stylize_video
from stylenet.video.frame_stylizer import FrameStylizer
from stylenet.video.keyframes import value_at

from .videos import TIMES, UNIT, frames, make_video

PLAIN = {"blend": 0.0, "resume": False, "quality": 0}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = build_network("johnson_dials", width=4, blocks=1)
    torch.nn.init.normal_(network.curves.weight, std=0.2)
    return network.eval()


@pytest.mark.parametrize(
    ("time", "value"),
    [(-1, 0.5), (0, 0.5), (1.5, 1), (3, 2), (3.5, 2**0.5), (4, 1), (9, 1), (0.75, 0.5 * 2**0.5)],
)
def test_values_between_keyframes_move_in_equal_steps_of_the_logarithm(time, value):
    assert value_at({3: 2.0, 0: 0.5, 4: 1.0}, time) == pytest.approx(value)
    assert value_at({2: 1.7}, time) == 1.7


def test_each_frame_is_stylized_at_its_own_position(network, tmp_path):
    stylizer = Stylizer(network, CheckpointInfo("test", 1), "cpu", "float32")
    source, seen = make_video(tmp_path / "a.mp4"), []
    stroke = {0: 0.5, 0.2: 2.0}
    video = VideoOptions(**PLAIN, stroke=stroke, style_weight={0: 4.0})
    turn = FrameStylizer.turn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            FrameStylizer,
            "turn",
            lambda self, time: (turn(self, time), seen.append((time, self._plain.dials))),
        )
        report = stylize_video(stylizer, source, tmp_path / "b.mp4", video=video, progress=False)
    assert report.frames == len(seen) == len(TIMES)
    for pts, (time, dials) in zip(TIMES, seen, strict=True):
        assert time == pytest.approx(float(pts * UNIT))
        assert dials == Dials(value_at(stroke, time), 4.0)
    assert stylizer.dials == Dials()  # the caller's stays as it is
    one_stroke = VideoOptions(**PLAIN, style_weight={0: 4.0})
    stylize_video(stylizer, source, tmp_path / "c.mp4", video=one_stroke, progress=False)
    moving, still = (frames(tmp_path / name)[0] for name in ("b.mp4", "c.mp4"))
    assert np.abs(np.asarray(moving[0], float) - np.asarray(still[0], float)).mean() > 1


def test_keyframes_are_checked_before_any_work(network, tmp_path):
    source, target = make_video(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    stylizer = Stylizer(network, CheckpointInfo("test", 1), "cpu", "float32")
    video = VideoOptions(stroke={0: 1, 5: 2.1})
    with pytest.raises(StyleNetError, match=r"stroke=2\.1 is not a number of at least 0\.5"):
        stylize_video(stylizer, source, target, video=video, progress=False)
    alone = Stylizer(network.select(Dials()), CheckpointInfo("plain", 1), "cpu", "float32")
    video = VideoOptions(style_weight={0: 1, 5: 2})
    with pytest.raises(StyleNetError, match="plain has no dials"):
        stylize_video(alone, source, target, video=video, progress=False)
    with pytest.raises(StyleNetError, match=r"stroke=\{\} is neither a number nor keyframes"):
        VideoOptions(stroke={})
    assert not target.exists()
