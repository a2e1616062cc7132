import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import stylenet
from stylenet.errors import StyleNetError
from stylenet.image import load_image, to_tensor
from stylenet.perceptual import (
    ContentLoss,
    DistilledVGGEncoder,
    Encoder,
    LiteEncoder,
    PerceptualLoss,
    StyleLoss,
    VGGEncoder,
)

LAYERS = ["relu1_2", "relu2_2", "relu3_2", "relu3_4", "relu4_1"]
ASSETS = Path(stylenet.__file__).parent / "assets" / "encoders"
BUNDLED = ASSETS / "lite.safetensors"


@pytest.fixture(scope="module")
def lite():
    return LiteEncoder()


def random_image(height=40, width=48, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def metadata(path):
    data = path.read_bytes()
    return json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])["__metadata__"]


def test_the_bundled_file_is_small_and_its_metadata_matches_its_card():
    assert BUNDLED.stat().st_size < 3e6
    details = metadata(BUNDLED)
    assert details["architecture"] == "lite"
    # The second of two teachers; the card names both.
    assert details["teacher"] == "vgg19_distilled"
    assert int(details["step"]) > 0
    card = (ASSETS / "lite.md").read_text()
    for word in ("Simonyan", "CC BY 4.0", "stylenet encoder distill", *LAYERS):
        assert word in card


@pytest.mark.parametrize("size", [(40, 48), (37, 51), (8, 8)])
def test_features_have_the_shapes_of_vgg19s(lite, size):
    vgg = VGGEncoder("vgg19", weights="random", allow_random=True)
    expected = {name: f.shape for name, f in vgg(random_image(*size), LAYERS).items()}
    assert {name: f.shape for name, f in lite(random_image(*size), LAYERS).items()} == expected


def test_lite_has_the_interface_of_the_other_encoders(lite):
    assert isinstance(lite, Encoder)
    assert lite.layers == LAYERS
    assert set(lite(random_image(), ["relu2_2"])) == {"relu2_2"}
    assert lite(random_image(), []) == {}


def test_lite_is_frozen_and_stays_in_evaluation_mode(lite):
    assert not any(parameter.requires_grad for parameter in lite.parameters())
    parent = torch.nn.Sequential(lite).train()
    assert parent.training
    assert not any(module.training for module in lite.modules())


def test_gradients_reach_the_image(lite):
    image = random_image().requires_grad_()
    sum(f.mean() for f in lite(image, LAYERS).values()).backward()
    assert bool(image.grad.abs().sum() > 0)


def test_later_layers_do_not_overwrite_a_captured_feature(lite):
    together = lite(random_image(), LAYERS)
    for layer in LAYERS:
        assert torch.equal(together[layer], lite(random_image(), [layer])[layer])
        assert bool((together[layer] >= 0).all())


def test_the_image_is_not_modified(lite):
    image = random_image()
    before = image.clone()
    lite(image, LAYERS)
    assert torch.equal(image, before)


def test_an_unknown_layer_is_refused_and_the_available_ones_are_listed(lite):
    with pytest.raises(StyleNetError, match=r"lite.* no layer relu5_1; it has relu1_2, "):
        lite.require(["relu1_2", "relu5_1"])


def test_lite_works_in_the_perceptual_loss(lite):
    terms = {"content": ContentLoss(["relu2_2"]), "style": StyleLoss(LAYERS, weight=5.0)}
    photo = random_image(seed=1)
    loss = PerceptualLoss(lite, terms, [photo])
    same, other = loss(photo, photo), loss(random_image(seed=2), photo)
    assert float(same["total"]) < 1e-6 < float(other["content"])


def test_bfloat16_autocast_changes_features_little(lite):
    exact = lite(random_image(), LAYERS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = lite(random_image(), LAYERS)
    for layer in LAYERS:
        assert float((mixed[layer].float() - exact[layer]).norm() / exact[layer].norm()) < 0.03


def test_saved_weights_are_loaded_again(tmp_path):
    torch.manual_seed(0)
    untrained = LiteEncoder("random", allow_random=True).to(memory_format=torch.channels_last)
    untrained.save(tmp_path / "lite.safetensors", {"step": "3"})
    assert metadata(tmp_path / "lite.safetensors") == {"architecture": "lite", "step": "3"}
    loaded = LiteEncoder(str(tmp_path / "lite.safetensors"))
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    for layer in LAYERS:
        before, after = (e(random_image(), LAYERS)[layer] for e in (untrained, loaded))
        assert float((after - before).norm() / before.norm()) < 2e-3


def test_random_weights_require_confirmation():
    with pytest.raises(StyleNetError, match=r"encoder\.allow_random=true"):
        LiteEncoder("random")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        StyleNetError, match=r"encoder\.weights=.*nothing.* is not a file. Give .*distill"
    ):
        LiteEncoder(str(tmp_path / "nothing.safetensors"))


def test_the_weights_of_another_architecture_are_refused(small_file):
    with pytest.raises(StyleNetError, match="something else, not of lite"):
        LiteEncoder(str(small_file))


def test_loading_lite_weights_as_vgg_suggests_the_right_encoder():
    with pytest.raises(StyleNetError, match="use encoder=lite"):
        VGGEncoder("vgg19", weights=str(BUNDLED))


def broken(tmp_path, change):
    state = load_file(BUNDLED)
    change(state)
    save_file(state, tmp_path / "broken.safetensors", metadata={"architecture": "lite"})
    return str(tmp_path / "broken.safetensors")


def test_weights_that_do_not_fit_are_refused_in_one_line(tmp_path):
    path = broken(tmp_path, lambda state: state.pop("heads.relu2_2.0.bias"))
    with pytest.raises(StyleNetError, match="does not fit encoder=lite") as caught:
        LiteEncoder(path)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    path = broken(tmp_path, lambda state: state["heads.relu2_2.0.bias"].fill_(float("nan")))
    with pytest.raises(StyleNetError, match="NaN or infinity"):
        LiteEncoder(path)


def test_a_file_with_fewer_layers_makes_a_shorter_encoder(tmp_path):
    def cut(state):
        for key in [key for key in state if "relu3_4" in key or "relu4_1" in key]:
            del state[key]

    path = broken(tmp_path, cut)
    assert LiteEncoder(path).layers == LAYERS[:3]
    complete = LiteEncoder(path, allow_random=True)
    assert complete.layers == LAYERS
    assert complete.untrained == LAYERS[3:]
    features, expected = (e(random_image(), LAYERS[:3]) for e in (complete, LiteEncoder(path)))
    assert all(torch.equal(features[layer], expected[layer]) for layer in expected)


def test_a_file_without_a_middle_layer_is_refused(tmp_path):
    def cut(state):
        for key in [key for key in state if "relu3_2" in key]:
            del state[key]

    with pytest.raises(StyleNetError, match="does not fit encoder=lite"):
        LiteEncoder(broken(tmp_path, cut))


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "half.safetensors").write_bytes(BUNDLED.read_bytes()[:5000])
    with pytest.raises(StyleNetError, match="cannot be read"):
        LiteEncoder(str(tmp_path / "half.safetensors"))


def test_lite_is_as_close_to_vgg19_as_its_card_states(lite, shared):
    vgg = VGGEncoder("vgg19", weights=str(shared / "weights/vgg19_to_relu3_4.safetensors"))
    image = to_tensor(load_image(shared / "styles/wave.jpg").rgb.resize((192, 192)))
    features, expected = lite(image, LAYERS[:4]), vgg(image, LAYERS[:4])
    for layer in LAYERS[:4]:
        error = (features[layer] - expected[layer]).square().sum() / expected[layer].square().sum()
        assert float(error) < 0.35, layer


def test_the_deepest_layer_is_as_close_to_its_teacher_as_the_card_states(lite, shared):
    teacher = DistilledVGGEncoder(str(shared / "weights/vgg19_distilled16x_5SE.pth"))
    image = to_tensor(load_image(shared / "styles/wave.jpg").rgb.resize((192, 192)))
    features, expected = (e(image, ["relu4_1"])["relu4_1"] for e in (lite, teacher))
    assert float((features - expected).square().sum() / expected.square().sum()) < 0.3
