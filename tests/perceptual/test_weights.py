import os
import pickle
import random
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file

from stylenet.errors import StyleNetError
from stylenet.perceptual import VGGEncoder

# Warnings of torch.load about unusual pickles before it refuses them.
pytestmark = pytest.mark.filterwarnings("ignore:Detected pickle protocol")

FILES = {"vgg16": "vgg16-397923af.pth", "vgg19": "vgg19-dcbb9e9d.pth"}


def refusal(path, architecture="vgg16"):
    """Return the error message of a refused file: one line that names it."""
    with pytest.raises(StyleNetError) as error:
        VGGEncoder(architecture, weights=str(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def store(path, state, metadata=None):
    if path.suffix == ".safetensors":
        save_file(state, path, metadata)
    else:
        torch.save(state, path)
    return path


@pytest.fixture
def full_state(make_vgg):
    def state(architecture):
        return {f"features.{k}": v for k, v in make_vgg(architecture).state_dict().items()}

    return state


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_keys_may_lack_their_prefix_and_weights_may_have_any_dtype(
    small_state, small_file, tmp_path, suffix, dtype
):
    state = {key.removeprefix("features."): value.to(dtype) for key, value in small_state.items()}
    encoder = VGGEncoder("vgg16", weights=str(store(tmp_path / f"w{suffix}", state)))
    expected = VGGEncoder("vgg16", weights=str(small_file)).state_dict()
    for key, value in encoder.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, expected[key].to(dtype).float())


def test_the_classifier_weights_are_ignored(small_state, tmp_path):
    state = {**small_state, "classifier.0.weight": torch.zeros(2, 2)}
    encoder = VGGEncoder("vgg16", weights=str(store(tmp_path / "w.pth", state)))
    assert encoder.layers[-1] == "pool2"


@pytest.mark.parametrize(("recorded", "requested"), [("vgg19", "vgg16"), ("vgg16", "vgg19")])
def test_a_file_labeled_as_another_architecture_is_refused(
    small_state, tmp_path, recorded, requested
):
    path = store(tmp_path / "w.safetensors", small_state, {"architecture": recorded})
    message = refusal(path, requested)
    assert f"of {recorded}, not of {requested}; use encoder={recorded}" in message
    assert VGGEncoder(recorded, weights=str(path)).layers[-1] == "pool2"


@pytest.mark.parametrize(("stored", "requested"), [("vgg19", "vgg16"), ("vgg16", "vgg19")])
def test_shapes_of_another_architecture_are_refused(full_state, tmp_path, stored, requested):
    message = refusal(store(tmp_path / "w.pth", full_state(stored)), requested)
    assert f"is not {requested}: features." in message
    assert message.endswith(f"use encoder={stored}")


def test_a_vgg_with_other_shapes_is_refused(small_state, tmp_path):
    state = {**small_state, "features.2.weight": torch.zeros(64, 32, 3, 3)}
    message = refusal(store(tmp_path / "w.pth", state))
    assert "(64, 32, 3, 3), expected (64, 64, 3, 3); use the file of a torchvision VGG" in message


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"conv1.weight": torch.zeros(1)},
        {"features.0.weight": torch.zeros(64, 3, 3, 3)},  # no bias
        {0: torch.zeros(1)},
        {"model": {"features.0.weight": torch.zeros(64, 3, 3, 3)}},
        [torch.zeros(1)],
        torch.zeros(1),
        "vgg16",
        None,
    ],
    ids=repr,
)
def test_a_file_of_other_content_is_refused(tmp_path, content):
    assert "state dict" in refusal(store(tmp_path / "w.pth", content))


class MakeFolder:
    """Object that creates a folder when unpickled: code in a pickle."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("write", [torch.save, lambda o, p: p.write_bytes(pickle.dumps(o))])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_code_in_a_file_does_not_run(small_state, tmp_path, write, suffix):
    marker = tmp_path / "ran"
    path = tmp_path / "w.pth"
    write({**small_state, "evil": MakeFolder(marker)}, path)
    torch.load(path, weights_only=False) if write is torch.save else pickle.loads(path.read_bytes())
    marker.rmdir()  # the folder existed: the code runs where it is allowed to
    message = refusal(path.rename(tmp_path / f"w{suffix}"))
    assert not marker.exists()
    assert "weights_only" not in message  # the message does not suggest allowing the code


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", ["weight", "bias"])
def test_weights_that_are_not_finite_are_refused(small_state, tmp_path, bad, kind):
    value = small_state[f"features.2.{kind}"].clone()
    value.view(-1)[-1] = bad
    path = store(tmp_path / "w.safetensors", {**small_state, f"features.2.{kind}": value})
    assert "layer conv1_2 holds NaN or infinity" in refusal(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("part", [0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(small_state, tmp_path, suffix, part):
    path = store(tmp_path / f"w{suffix}", small_state)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_damaged_pickle_causes_no_other_error(tmp_path, legacy):
    path = tmp_path / "w.pth"
    state = {"features.0.weight": torch.zeros(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    content = path.read_bytes()
    rng = random.Random(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(3):
            damaged[rng.randrange(1000)] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            VGGEncoder("vgg16", weights=str(path))
        except StyleNetError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("content", [b"hello world\n", b"<html>404</html>", b"\0" * 64, b"\x80"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ""])
def test_a_file_without_weights_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    assert "cannot be read" in refusal(path)


def test_a_missing_file_lists_the_alternatives(tmp_path):
    assert "encoder.weights=imagenet" in refusal(tmp_path / "none.pth")
    assert "no such file" in refusal(tmp_path)


def test_random_weights_require_confirmation():
    with pytest.raises(StyleNetError, match=r"confirm with encoder\.allow_random=true"):
        VGGEncoder("vgg16", weights="random")


def test_random_weights_are_reproducible_and_keep_the_scale():
    encoders = [VGGEncoder("vgg16", weights="random", allow_random=True) for _ in range(2)]
    first, second = (encoder.state_dict() for encoder in encoders)
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    features = encoders[0](torch.rand(1, 3, 32, 32), ["relu1_1", "relu5_1"])
    assert (
        0.1 < features["relu5_1"].norm(dim=1).mean() / features["relu1_1"].norm(dim=1).mean() < 10
    )


class Offline:
    def __init__(self, monkeypatch, tmp_path):
        self.tries = 0
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        monkeypatch.setattr(torch.hub, "download_url_to_file", self.fail)
        self.folder = tmp_path / "hub" / "checkpoints"
        self.folder.mkdir(parents=True)

    def fail(self, *_, **__):
        self.tries += 1
        raise URLError("no route to host")


@pytest.fixture
def offline(monkeypatch, tmp_path):
    return Offline(monkeypatch, tmp_path)


@pytest.mark.parametrize("architecture", FILES)
def test_a_failed_download_names_the_cache_and_the_alternatives(offline, architecture):
    with pytest.raises(StyleNetError) as error:
        VGGEncoder(architecture, weights="imagenet")
    message = str(error.value)
    assert offline.tries == 1
    assert "\n" not in message
    assert "no route to host" in message
    assert f"save that file as {offline.folder / FILES[architecture]}," in message
    assert "encoder.weights=PATH" in message
    assert "encoder=lite" in message


def test_weights_in_the_cache_need_no_download(offline, small_state, small_file):
    store(offline.folder / FILES["vgg16"], small_state)
    encoder = VGGEncoder("vgg16", weights="imagenet")
    assert offline.tries == 0
    expected = VGGEncoder("vgg16", weights=str(small_file)).state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in encoder.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"half of a download"])
def test_a_damaged_file_in_the_cache_is_named(offline, content):
    path = offline.folder / FILES["vgg19"]
    path.write_bytes(content)
    with pytest.raises(StyleNetError, match="damaged") as error:
        VGGEncoder("vgg19", weights="imagenet")
    assert str(path) in str(error.value)


def test_code_in_a_cached_file_does_not_run(offline, small_state, tmp_path):
    torch.save(
        {**small_state, "evil": MakeFolder(tmp_path / "ran")}, offline.folder / FILES["vgg16"]
    )
    with pytest.raises(StyleNetError):
        VGGEncoder("vgg16", weights="imagenet")
    assert not (tmp_path / "ran").exists()
