"""Commands with precision=int8."""

import av
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as skimage_data

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.inference import int8
from stylenet.networks import build_network

STYLE = "style=great_wave_compact"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photos" / "photo.png"
    path.parent.mkdir()
    Image.fromarray(skimage_data.chelsea()).resize((90, 70)).save(path)
    return path


@pytest.fixture
def video(photo, tmp_path):
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 90, 70, "yuv420p"
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.asarray(Image.open(photo)), "rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.fixture
def infer(run, tmp_path):
    """Run a command and return the path of its result."""

    def call(source, name, *words):
        target = tmp_path / name
        result = run("infer", f"input={source}", f"output={target}", STYLE, "device=cpu", *words)
        assert result.status == 0, result.err
        return target

    return call


def pixels(path):
    return np.asarray(Image.open(path), float)


def frames(path):
    with av.open(str(path)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


def test_an_image_and_a_folder_are_stylized_in_int8(infer, photo):
    pytest.importorskip("openvino")
    stylized = pixels(infer(photo, "int8.png", "precision=int8"))
    expected = pixels(infer(photo, "float32.png", "precision=float32"))
    assert 0.3 < np.abs(stylized - expected).mean() < 2.5
    folder = infer(photo.parent, "folder", "precision=int8")
    assert np.array_equal(pixels(folder / "photo.png"), stylized)


def test_a_video_is_stylized_in_int8(infer, video):
    pytest.importorskip("openvino")
    options = ["video.quality=1", "video.blend=0"]
    stylized = frames(infer(video, "int8.mp4", "precision=int8", *options)).astype(float)
    expected = frames(infer(video, "float32.mp4", "precision=float32", *options)).astype(float)
    assert stylized.shape == (3, 70, 90, 3)
    assert 0.3 < np.abs(stylized - expected).mean() < 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["input={video}", STYLE, "video.steady=0.5"], "does not work with video.steady"),
        (["input={photo}", "checkpoint={multi}", "interpolate=[a,b]"], "not work with interpolate"),
        (["input={photo}", "checkpoint={dials}"], "precision=int8 does not work with dials"),
    ],
)
def test_what_cannot_run_in_int8_ends_in_one_line(run, photo, video, words, message, tmp_path):
    pytest.importorskip("openvino")
    paths = {"photo": photo, "video": video}
    for name, styles in {"johnson_multi": {"styles": ["a", "b"]}, "johnson_dials": {}}.items():
        torch.manual_seed(0)
        network = build_network(name, width=2, blocks=1, **styles)
        paths[name.removeprefix("johnson_")] = path = tmp_path / f"{name}.safetensors"
        save_checkpoint(path, network, CheckpointInfo(name, 1))
    given = [word.format(**paths) for word in words]
    target = tmp_path / "out.mp4"
    result = run("infer", *given, f"output={target}", "precision=int8", "device=cpu")
    assert message in result.error
    assert not target.exists()


def test_without_openvino_the_extra_is_named(run, photo, monkeypatch, tmp_path):
    monkeypatch.setattr(int8, "find_spec", lambda name: None)
    words = [f"input={photo}", f"output={tmp_path / 'a.png'}", STYLE, "precision=int8"]
    assert "Install it: pip install 'stylenet[int8]'" in run("infer", *words, "device=cpu").error
