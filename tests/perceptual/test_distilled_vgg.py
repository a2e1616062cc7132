import pytest
import torch
import torch.nn.functional as F

from stylenet.errors import StyleNetError
from stylenet.image import load_image, to_tensor
from stylenet.perceptual import DistilledVGGEncoder, Encoder, VGGEncoder

LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
BLOCKS = {1: (2, 16, 64), 2: (2, 32, 128), 3: (4, 64, 256), 4: (4, 128, 512), 5: (1, 128, 512)}


@pytest.fixture(scope="module")
def state():
    """Random weights with the names and shapes of the authors' file."""
    generator = torch.Generator().manual_seed(0)

    def convolution(name, outputs, inputs, kernel):
        weight = torch.randn(outputs, inputs, kernel, kernel, generator=generator)
        weight *= (2 / (inputs * kernel**2)) ** 0.5
        return {
            f"{name}.weight": weight,
            f"{name}.bias": torch.randn(outputs, generator=generator) / 5,
        }

    state_dict = convolution("conv0", 3, 3, 1)
    inputs = 3
    for block, (count, channels, width) in BLOCKS.items():
        for index in range(1, count + 1):
            state_dict |= convolution(f"conv{block}{index}", channels, inputs, 3)
            inputs = channels
        state_dict |= convolution(f"conv{block}1_aux", width, channels, 1)
    return state_dict


def save(state, tmp_path):
    torch.save({"epoch": 20, "model": state}, tmp_path / "5SE.pth")
    return str(tmp_path / "5SE.pth")


def reference(state, image):
    """Compute the paper's architecture in float64 directly from the file's weights."""
    x = image.double()
    state = {key: value.double() for key, value in state.items()}

    def convolve(x, name):
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"])

    x = convolve(x, "conv0")
    features = {}
    for block, (count, _, _) in BLOCKS.items():
        if block > 1:
            x = F.max_pool2d(x, 2)
        for index in range(1, count + 1):
            x = convolve(F.pad(x, (1, 1, 1, 1), "reflect"), f"conv{block}{index}").relu()
            if index == 1:
                features[f"conv{block}_1"] = convolve(x, f"conv{block}1_aux")
                features[f"relu{block}_1"] = features[f"conv{block}_1"].relu()
    return features


def test_features_equal_the_papers_architecture(state, tmp_path):
    encoder = DistilledVGGEncoder(save(state, tmp_path))
    image = torch.rand(2, 3, 48, 41, generator=torch.Generator().manual_seed(1))
    expected = reference(state, image)
    features = encoder(image, expected)
    for name, value in expected.items():
        assert torch.allclose(features[name].double(), value, rtol=1e-4, atol=1e-4), name


def test_it_is_a_frozen_encoder_with_these_layers(state, tmp_path):
    encoder = DistilledVGGEncoder(save(state, tmp_path))
    assert isinstance(encoder, Encoder)
    assert [name for name in encoder.layers if name.startswith("relu")] == LAYERS
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("conv32.bias"), r"conv32\.bias is absent, expected \(64,\)"),
        (lambda state: state.update({"conv11.weight": torch.zeros(8, 3, 3, 3)}), r"\(8, 3, 3, 3\)"),
        (lambda state: state.update({"conv0.bias": torch.full((3,), torch.inf)}), "conv0 holds"),
    ],
)
def test_another_file_is_refused_in_one_line(state, tmp_path, change, message):
    state = dict(state)
    change(state)
    with pytest.raises(StyleNetError, match=message):
        DistilledVGGEncoder(save(state, tmp_path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StyleNetError, match=r"nothing\.pth: no such file"):
        DistilledVGGEncoder(str(tmp_path / "nothing.pth"))


def test_the_features_of_the_authors_file_correlate_with_vgg19s(shared):
    encoder = DistilledVGGEncoder(str(shared / "weights/vgg19_distilled16x_5SE.pth"))
    vgg = VGGEncoder("vgg19", weights=str(shared / "weights/vgg19_to_relu3_4.safetensors"))
    image = to_tensor(load_image(shared / "styles/wave.jpg").rgb.resize((192, 192)))
    features, expected = (e(image, LAYERS[:3]) for e in (encoder, vgg))
    # Compare each channel separately, because the normalized VGG scales each differently.
    for layer, least in zip(LAYERS[:3], (0.9, 0.8, 0.65), strict=True):
        pairs = zip(features[layer][0].flatten(1), expected[layer][0].flatten(1), strict=True)
        alike = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in pairs])
        assert float(alike.nanmean()) > least, layer
