import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

from stylenet.errors import StyleNetError
from stylenet.perceptual import VGGEncoder

# Convolutions in each block (Simonyan & Zisserman 2015, table 1, D and E).
BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


def layer_names(architecture):
    names = []
    for block, count in enumerate(BLOCKS[architecture], start=1):
        for i in range(1, count + 1):
            names += [f"conv{block}_{i}", f"relu{block}_{i}"]
        names.append(f"pool{block}")
    return names


def reference(features, architecture, images):
    """Return the outputs of torchvision's layers by name, in float64."""
    transform = getattr(torchvision.models, f"{architecture.upper()}_Weights").DEFAULT.transforms()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (transform.mean, transform.std))
    x = (images.double() - mean) / std  # both rounded to float32, like the encoder's buffers
    outputs = {}
    for name, layer in zip(layer_names(architecture), features.double(), strict=False):
        x = outputs[name] = layer(x.clone())  # torchvision's ReLUs modify their input in place
    return outputs


def photos(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def assert_same_features(features, expected):
    assert features.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(features[name], value, rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.parametrize(
    ("architecture", "suffix"), [("vgg16", ".pth"), ("vgg19", ".safetensors"), ("vgg19", ".pth")]
)
def test_every_layer_equals_torchvisions(make_vgg, tmp_path, architecture, suffix):
    features = make_vgg(architecture)
    state = {f"features.{key}": value for key, value in features.state_dict().items()}
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    encoder = VGGEncoder(architecture, weights=str(path)).double()
    assert encoder.layers == layer_names(architecture)
    images = photos(2, 3, 33, 35)
    expected = reference(features, architecture, images)
    assert_same_features(encoder(images.double(), encoder.layers), expected)
    assert all(bool(expected[name].lt(0).any()) for name in expected if name.startswith("conv"))


@pytest.mark.parametrize(
    ("file", "last"), [("vgg19_to_relu3_4", "pool3"), ("vgg16_to_relu2_2", "pool2")]
)
def test_pretrained_weights_give_torchvisions_features(shared, make_vgg, file, last):
    architecture = file.split("_")[0]
    path = shared / "weights" / f"{file}.safetensors"
    encoder = VGGEncoder(architecture, weights=str(path)).double()
    assert encoder.layers[-1] == last
    features = make_vgg(architecture, until=len(encoder.layers))
    features.load_state_dict({k.removeprefix("features."): v for k, v in load_file(path).items()})
    images = photos(1, 3, 24, 40)
    expected = reference(features, architecture, images)
    assert_same_features(encoder(images.double(), encoder.layers), expected)


@pytest.mark.parametrize(
    ("layers", "count"),
    [(["relu1_1"], 2), (["conv2_1", "relu1_2"], 6), (["relu2_2", "relu1_1"], 9), ([], 0)],
)
def test_a_forward_pass_stops_at_the_deepest_layer(encoder, layers, count):
    called = []
    for name, module in encoder.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda *_, name=name: called.append(name))
    assert encoder(photos(1, 3, 8, 8), layers).keys() == set(layers)
    assert len(called) == len(set(called)) == count


def test_captured_features_are_not_overwritten(encoder):
    images = photos(1, 3, 8, 8)
    together = encoder(images, ["conv1_1", "relu1_1", "conv1_2"])
    assert together["conv1_1"].min() < 0
    for name, value in together.items():
        assert torch.equal(value, encoder(images, [name])[name])


def test_images_are_not_modified(encoder):
    images = photos(1, 3, 8, 8)
    before = images.clone()
    encoder(images, ["relu2_2"])
    assert torch.equal(images, before)


def test_gradients_reach_the_image_but_no_weight(encoder):
    images = photos(1, 3, 8, 8).requires_grad_()
    encoder(images, ["relu2_2"])["relu2_2"].sum().backward()
    assert images.grad is not None
    assert bool(images.grad.any())
    assert list(encoder.parameters())
    assert not any(p.requires_grad or p.grad is not None for p in encoder.parameters())


def test_training_mode_is_refused(encoder):
    parent = torch.nn.Sequential(encoder)
    for module in (encoder, parent):
        module.train()
        assert not any(child.training for child in encoder.modules())


def test_average_pooling_replaces_max_pooling(small_file):
    encoder = VGGEncoder("vgg16", weights=str(small_file), pooling="average")
    features = encoder(photos(1, 3, 10, 12), ["relu1_2", "pool1"])
    blocks = features["relu1_2"].unfold(2, 2, 2).unfold(3, 2, 2)
    torch.testing.assert_close(features["pool1"], blocks.mean(dim=(-1, -2)))


@pytest.mark.parametrize("missing", ["relu3_1", "relu9_9", "", "features.0"])
def test_an_unknown_layer_lists_the_available_ones(encoder, missing):
    with pytest.raises(StyleNetError) as error:
        encoder(photos(1, 3, 8, 8), ["relu1_1", missing])
    assert f"no layer {missing}; it has relu1_1, relu1_2, relu2_1, relu2_2;" in str(error.value)
    with pytest.raises(StyleNetError, match=r"^layers: vgg16"):
        encoder.require([missing])


@pytest.mark.parametrize(
    ("option", "value"), [("architecture", "vgg11"), ("architecture", None), ("pooling", "min")]
)
def test_an_invalid_option_is_named(small_file, option, value):
    with pytest.raises(StyleNetError, match=f"^encoder.{option}={value} is unknown; .*vgg16|max"):
        VGGEncoder(**{"weights": str(small_file), option: value})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_images_give_nearly_the_features_of_float32(encoder, dtype):
    images = photos(1, 3, 16, 16)
    expected = encoder(images, ["relu2_2"])["relu2_2"]
    result = encoder(images.to(dtype), ["relu2_2"])["relu2_2"]
    assert (result.float() - expected).norm() < 0.02 * expected.norm()
