import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import ArtefactInfo, save_artefact
from stylenet.errors import StyleNetError
from stylenet.inference import Stylizer
from stylenet.networks import StyleNetwork, build_network

INFO = ArtefactInfo("test", 1)


@pytest.fixture(scope="module")
def stylizer():
    torch.manual_seed(0)
    return Stylizer(build_network("johnson", width=4, blocks=1), INFO, "cpu")


def image(mode, width=13, height=9, seed=0):
    bands = len(Image.new(mode, (1, 1)).getbands())
    shape = (height, width, bands) if bands > 1 else (height, width)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    if mode == "P":
        return Image.fromarray(pixels).convert("RGB").quantize(8)
    return Image.frombytes(mode, (width, height), pixels.tobytes())


def assert_same_image(result, expected):
    assert (result.mode, result.size) == (expected.mode, expected.size)
    assert np.array_equal(np.asarray(result), np.asarray(expected))


def test_an_image_is_what_the_network_makes_of_its_tensor(stylizer):
    photo = image("RGB")
    pixels = torch.from_numpy(np.asarray(photo).transpose(2, 0, 1)[None] / np.float32(255))
    with torch.no_grad():
        expected = stylizer.network(pixels)[0].permute(1, 2, 0).numpy() * 255
    result = np.asarray(stylizer(photo), dtype=np.float64)
    assert np.abs(result - expected).max() < 0.51
    assert result.std() > 10


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "YCbCr"])
def test_an_image_of_any_mode_is_repainted_as_its_rgb(stylizer, mode):
    photo = image(mode) if mode != "1" else image("L").convert("1")
    assert_same_image(stylizer(photo), stylizer(photo.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_kept_exactly(stylizer, mode):
    photo = image(mode)
    result = stylizer(photo)
    assert result.mode == "RGBA"
    assert_same_image(result.getchannel("A"), photo.getchannel("A"))
    opaque = Image.merge(mode[:-1], photo.split()[:-1])
    assert_same_image(result.convert("RGB"), stylizer(opaque))


def test_a_palettes_transparent_colour_is_kept(stylizer):
    photo = image("P")
    photo.info["transparency"] = 3
    alpha = np.where(np.asarray(photo) == 3, 0, 255)
    assert 0 < (alpha == 0).mean() < 1
    assert np.array_equal(np.asarray(stylizer(photo).getchannel("A")), alpha)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_270),
        (8, Image.Transpose.ROTATE_90),
    ],
)
def test_a_sideways_photo_comes_out_upright(stylizer, orientation, turn):
    photo = image("RGB")
    photo.getexif()[0x0112] = orientation
    result = stylizer(photo)
    assert_same_image(result, stylizer(image("RGB").transpose(turn)))
    assert result.getexif().get(0x0112, 1) == 1


def test_the_given_image_is_left_as_it_is(stylizer):
    photo = image("RGBA")
    before = photo.copy()
    stylizer(photo)
    assert_same_image(photo, before)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (31, 33), (64, 2)])
def test_the_size_stays_the_same(stylizer, size):
    assert stylizer(image("RGB", *size)).size == size
    images = torch.rand(2, 3, *size)
    assert stylizer.repaint_tensor(images).shape == images.shape


def test_a_batch_is_repainted_picture_by_picture(stylizer):
    images = torch.rand(3, 3, 10, 14, generator=torch.Generator().manual_seed(0))
    result = stylizer.repaint_tensor(images)
    alone = torch.cat([stylizer.repaint_tensor(one) for one in images.split(1)])
    torch.testing.assert_close(result, alone, rtol=0, atol=1e-5)
    assert (result.min() >= 0, result.max() <= 1, result.requires_grad) == (True, True, False)


def test_a_loaded_artefact_repaints_like_the_network_saved(stylizer, tmp_path):
    save_artefact(tmp_path / "run" / "test.safetensors", stylizer.network, INFO)
    loaded = Stylizer.load(tmp_path / "run", device="cpu")
    assert loaded.info == INFO
    assert loaded.device == torch.device("cpu")
    assert_same_image(loaded(image("RGB")), stylizer(image("RGB")))


def test_a_network_in_training_mode_is_taken_out_of_it():
    network = build_network("johnson", width=2, blocks=0, norm="batch").train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    Stylizer(network, INFO, "cpu")(image("RGB"))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "gpu", ""])
def test_a_device_that_is_not_there_lists_those_that_are(name):
    with pytest.raises(StyleNetError, match=rf"^device={name} is not there; .*\bcpu \(device=auto"):
        Stylizer(build_network("johnson", width=1, blocks=0), INFO, name)


def test_auto_takes_a_device_that_is_there():
    stylizer = Stylizer(build_network("johnson", width=1, blocks=0), INFO)
    assert stylizer.repaint_tensor(torch.rand(1, 3, 4, 4)).device.type == stylizer.device.type
    expected = (
        "cuda"
        if torch.cuda.is_available()
        else "mps"
        if torch.backends.mps.is_available()
        else "cpu"
    )
    assert stylizer.device.type == expected


class Failing(StyleNetwork):
    def __init__(self, fail):
        super().__init__()
        self.fail = fail

    def forward(self, images):
        return self.fail()


def raising(error):
    def fail():
        raise error

    return fail


@pytest.mark.parametrize(
    "fail",
    [
        lambda: torch.empty(2**50),  # what PyTorch really says on the CPU
        raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")),
        raising(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)")),
    ],
    ids=["cpu", "cuda", "mps"],
)
def test_a_shortage_of_memory_names_the_size(fail):
    stylizer = Stylizer(Failing(fail), INFO, "cpu")
    with pytest.raises(StyleNetError, match="13x9 pixels need more memory than cpu has"):
        stylizer(image("RGB"))


def test_an_error_of_another_kind_is_not_hidden():
    stylizer = Stylizer(Failing(raising(RuntimeError("a fault of the program"))), INFO, "cpu")
    with pytest.raises(RuntimeError, match="a fault of the program"):
        stylizer(image("RGB"))


def test_inference_needs_neither_trainer_nor_encoder_nor_configs():
    code = "import sys, stylenet.inference; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "stylenet.inference.stylizer" in loaded
    heavy = ("pytorch_lightning", "hydra", "omegaconf", "tensorboard", "stylenet.perceptual")
    assert not loaded.intersection([*heavy, "stylenet.training", "stylenet.data", "stylenet.cli"])
