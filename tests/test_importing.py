"""Imported networks, which give the images of the originals."""

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from stylenet.errors import StyleNetError
from stylenet.importing import import_checkpoint


def original(state, images, eps=1e-5):
    """Run PyTorch's fast_neural_style network, written from its layers; RGB in [0, 255]."""

    def conv(x, name, stride=1, upsample=False):
        weight, bias = state[f"{name}.conv2d.weight"], state[f"{name}.conv2d.bias"]
        if upsample:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        edge = weight.shape[-1] // 2
        return F.conv2d(F.pad(x, (edge,) * 4, mode="reflect"), weight, bias, stride)

    def norm(x, name):
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return F.instance_norm(x, weight=weight, bias=bias, eps=eps)

    x = F.relu(norm(conv(images, "conv1"), "in1"))
    x = F.relu(norm(conv(x, "conv2", stride=2), "in2"))
    x = F.relu(norm(conv(x, "conv3", stride=2), "in3"))
    block = 1
    while f"res{block}.conv1.conv2d.weight" in state:
        y = F.relu(norm(conv(x, f"res{block}.conv1"), f"res{block}.in1"))
        x = x + norm(conv(y, f"res{block}.conv2"), f"res{block}.in2")
        block += 1
    x = F.relu(norm(conv(x, "deconv1", upsample=True), "in4"))
    x = F.relu(norm(conv(x, "deconv2", upsample=True), "in5"))
    return conv(x, "deconv3")


@torch.no_grad()
def compare(path, state, size):
    network = import_checkpoint(path).double()
    images = torch.rand(2, 3, *size, dtype=torch.float64)
    expected = original(state, images * 255).clamp(0, 255) / 255
    assert expected.std() > 0.02
    torch.testing.assert_close(network(images), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("wrap", ["plain", "stale", "safetensors"])
def test_images_equal_the_originals(tmp_path, make_state, wrap):
    state = {k: v.float().double() for k, v in make_state(stale=wrap == "stale").items()}
    path = tmp_path / "net.pth"
    if wrap == "safetensors":
        path = tmp_path / "net.safetensors"
        save_file(state, path)
    else:
        torch.save(state, path)
    for size in ((16, 24), (36, 20)):
        compare(path, state, size)


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model", "net"])
@pytest.mark.parametrize(
    "prefix", ["", "module.", "model.", "_orig_mod.", "module._orig_mod.", "model.net."]
)
def test_wrappers_around_a_state_dict_are_removed(tmp_path, make_state, key, prefix):
    state = make_state(2, 1)
    saved = {f"{prefix}{name}": value for name, value in state.items()}
    torch.save(saved if key is None else {"epoch": 2, key: saved}, tmp_path / "net.pth")
    compare(tmp_path / "net.pth", state, (12, 8))


@torch.no_grad()
def test_the_ancestor_of_the_example_is_imported_with_bgr_channels(tmp_path, make_state):
    """Import abhiskk/fast-neural-style: other norm names, blue first, another epsilon."""
    state = make_state()
    renamed = {}
    for name, value in state.items():
        if ".in" in f".{name}":
            name = name.replace("weight", "scale").replace("bias", "shift")
        renamed[name] = value
    torch.save(renamed, tmp_path / "net.model")
    network = import_checkpoint(tmp_path / "net.model").double()
    images = torch.rand(2, 3, 16, 24, dtype=torch.float64)
    expected = original(state, images.flip(1) * 255, eps=1e-9).flip(1).clamp(0, 255) / 255
    assert expected.std() > 0.02
    torch.testing.assert_close(network(images), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("width", "blocks"), [(2, 5), (8, 0)])
def test_any_width_and_depth_is_imported(tmp_path, make_state, width, blocks):
    state = make_state(width, blocks)
    torch.save(state, tmp_path / "net.model")
    network = import_checkpoint(tmp_path / "net.model")
    assert (network.arguments["width"], network.arguments["blocks"]) == (width, blocks)
    compare(tmp_path / "net.model", state, (20, 16))


@torch.no_grad()
def test_any_image_size_is_kept(tmp_path, make_state):
    torch.save(make_state(), tmp_path / "net.model")
    network = import_checkpoint(tmp_path / "net.model")
    for size in ((1, 1), (7, 13), (33, 2)):
        out = network(torch.rand(1, 3, *size))
        assert out.shape[-2:] == size
        assert float(out.min()) >= 0
        assert float(out.max()) <= 1


@pytest.mark.parametrize(("name", "width"), [("candy_nc16", 16), ("mosaic_nc8", 8)])
def test_real_checkpoints_are_imported(shared, name, width):
    path = shared / "peers" / f"pytorch_examples_{name}.model"
    state = torch.load(path, map_location="cpu", weights_only=True)
    assert len(state["conv1.conv2d.weight"]) == width
    compare(path, {key: value.double() for key, value in state.items()}, (64, 48))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {"features.0.weight": torch.ones(3)}, "features.0.weight (3,)"),
        (lambda s: {}, "0 of its 0"),
        (lambda s: {k: v for k, v in s.items() if k != "in3.weight"}, "in3.weight is missing"),
        (
            lambda s: {k: v for k, v in s.items() if not k.startswith("in")},
            "in1.weight, in1.bias, in2.weight, in2.bias and 6 more are missing",
        ),
        (lambda s: {**s, "res9.extra": torch.ones(2)}, "res9.extra (2,)"),
        (lambda s: {**s, "in1.weight": torch.full((4,), torch.nan)}, "NaN"),
        (lambda s: {**s, "conv1.conv2d.weight": torch.ones(4)}, "expected"),
        (lambda s: [1, 2], "not a state dict"),
    ],
)
def test_another_network_is_refused_with_the_recognized_layers(
    tmp_path, make_state, change, message
):
    path = tmp_path / "net.pth"
    torch.save(change(make_state()), path)
    with pytest.raises(StyleNetError) as error:
        import_checkpoint(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_no_code_in_the_file_runs(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"conv1.conv2d.weight": Trap()}, tmp_path / "net.pth")
    with pytest.raises(StyleNetError, match="cannot be read"):
        import_checkpoint(tmp_path / "net.pth")
    assert not (tmp_path / "sprung").exists()


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 4, 9)

    def forward(self, images):
        return self.conv1(images)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@pytest.mark.parametrize("form", ["zip", "legacy", "script"])
def test_a_pickled_module_is_refused_with_how_to_save_its_weights(tmp_path, form):
    path = tmp_path / "net.model"
    if form == "script":
        torch.jit.script(Net()).save(path)
    else:
        torch.save(Net(), path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(StyleNetError, match="cannot be read") as error:
        import_checkpoint(path)
    load = "torch.jit.load" if form == "script" else "torch.load"
    assert f"torch.save({load}('{path}'" in str(error.value)
    assert ".state_dict(), 'weights.pth')" in str(error.value)
    assert "TorchScript" in str(error.value) or f"{__name__}.Net" in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "description"),
    [
        ("wave.ckpt", b"tensors" + bytes.fromhex("57fb808b247547db"), "a TensorFlow checkpoint"),
        ("model.ckpt.index", b"", "a TensorFlow checkpoint"),
        ("model.ckpt.meta", b"graph", "a TensorFlow checkpoint"),
        ("model.ckpt.data-00000-of-00001", b"numbers", "a TensorFlow checkpoint"),
        ("candy.t7", b"\3\0\0\0\1\0\0\0\2\0\0\0", "a Torch7 file"),
        ("candy.h5", b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    ],
)
def test_files_of_other_frameworks_are_named(tmp_path, name, content, description):
    (tmp_path / name).write_bytes(content)
    for file_name in {name, name.replace(".index", "")}:  # also by the common prefix of the names
        with pytest.raises(StyleNetError, match=description):
            import_checkpoint(tmp_path / file_name)
