"""Transfer of frames to a GPU and back while it computes."""

import numpy as np
import pytest
import torch

from stylenet.checkpoint import CheckpointInfo
from stylenet.inference import Stylizer
from stylenet.networks import build_network
from stylenet.video import FrameStylizer, VideoOptions
from stylenet.video.transfer import Download, pin, upload

pytestmark = pytest.mark.gpu


def test_overlapping_frames_match_those_of_the_cpu():
    torch.manual_seed(0)
    network = build_network("johnson", width=8)
    frames = np.random.default_rng(0).integers(0, 256, (12, 64, 96, 3), dtype=np.uint8)
    results = []
    for device in ("cpu", "cuda"):
        stylizer = Stylizer(network, CheckpointInfo("test", 0), device, "float32")
        frame_stylizer = FrameStylizer(stylizer, video=VideoOptions(blend=0.8))
        started = [frame_stylizer.start(pin(pixels, stylizer.device)) for pixels in frames]
        results.append(np.stack([download.result() for download in started]))
    assert np.abs(results[0].astype(int) - results[1]).max() <= 2


def test_a_frame_does_not_wait_for_the_device():
    device = torch.device("cuda")
    pixels = pin(np.zeros((64, 96, 3), np.uint8), device)
    torch.cuda.synchronize()
    torch.cuda._sleep(int(2e9))  # about a second
    download = Download(upload(pixels, device) + 1)
    assert not torch.cuda.current_stream().query()  # still asleep
    assert (download.result() == 1).all()
    assert torch.cuda.current_stream().query()
