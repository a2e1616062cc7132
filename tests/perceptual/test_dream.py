import numpy as np
import pytest
import torch

from stylenet.dreaming import DreamObjective
from stylenet.errors import StyleNetError
from stylenet.perceptual import (
    ContentLoss,
    DreamLoss,
    PerceptualLoss,
    StyleLoss,
    TotalVariationLoss,
    dream,
    dream_loss,
    feature_strength,
)

LAYERS = ["relu1_2", "relu2_2"]


@pytest.fixture
def encoder(encoder):
    return encoder.double()


def random_tensor(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).double()


def numpy_dream(features, reference, channels, guide):
    """Compute the loss of one layer from its features, position by position."""
    values = []
    for item, photo in zip(features.numpy(), reference.numpy(), strict=True):
        strength = np.sqrt((photo**2).mean())
        item = item if channels is None else item[channels]
        if guide is None:
            values.append(-np.sqrt((item**2).mean()) / strength)
            continue
        goal = guide.numpy()[0] if channels is None else guide.numpy()[0][channels]
        vectors, known = (x.reshape(len(x), -1).T for x in (item, goal))
        best = [max(float(vector @ other) for other in known) for vector in vectors]
        values.append(-np.mean(best) / len(item) / strength / np.sqrt((goal**2).mean()))
    return np.mean(values)


@pytest.mark.parametrize("channels", [None, [3], [1, 17]])
@pytest.mark.parametrize("guided", [False, True])
def test_the_loss_equals_its_formula(encoder, channels, guided):
    images, photos, other = (
        random_tensor(2, 3, 12, 9),
        random_tensor(2, 3, 12, 9, seed=1),
        random_tensor(1, 3, 8, 7, seed=2),
    )
    loss = DreamObjective(encoder, LAYERS, channels, other if guided else None)
    of_images, of_photos, of_other = (encoder(x, LAYERS) for x in (images, photos, other))
    expected = np.mean(
        [
            numpy_dream(
                of_images[layer], of_photos[layer], channels, of_other[layer] if guided else None
            )
            for layer in LAYERS
        ]
    )
    assert loss(images, photos).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("layers", [["relu1_1"], ["conv2_1"], LAYERS])
def test_the_loss_of_the_photo_itself_is_minus_one_for_every_layer(encoder, layers):
    photos = random_tensor(3, 3, 16, 16) * torch.tensor([0.1, 1, 0.5]).view(3, 1, 1, 1)
    assert DreamObjective(encoder, layers)(photos, photos).item() == pytest.approx(-1)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
@pytest.mark.parametrize("guided", [False, True])
def test_the_scale_of_the_features_does_not_matter(scale, guided):
    features, photo, guide = (random_tensor(1, 4, 5, 5, seed=seed) for seed in range(3))
    plain, scaled = (
        dream_loss(
            features * factor, feature_strength(photo * factor), None, guide * factor * guided
        )
        if guided
        else dream_loss(features * factor, feature_strength(photo * factor))
        for factor in (1, scale)
    )
    torch.testing.assert_close(plain, scaled)


@pytest.mark.parametrize("channels", [None, [2, 5]])
@pytest.mark.parametrize("guided", [False, True])
def test_the_gradient_equals_finite_differences(encoder, channels, guided):
    photos, guide = (
        random_tensor(2, 3, 8, 8, seed=1),
        random_tensor(1, 3, 8, 8, seed=2) if guided else None,
    )
    loss = DreamObjective(encoder, LAYERS, channels, guide)
    images = random_tensor(2, 3, 8, 8).requires_grad_()
    loss(images, photos).backward()
    step = 1e-6
    for pixel in [(0, 0, 0, 0), (0, 1, 3, 4), (1, 2, 7, 7), (1, 0, 5, 2)]:
        shift = torch.zeros_like(images)
        shift[pixel] = step
        with torch.no_grad():
            ahead, behind = (loss(images + s, photos).item() for s in (shift, -shift))
        slope = (ahead - behind) / (2 * step)
        assert images.grad[pixel].item() == pytest.approx(slope, rel=1e-4, abs=1e-9)


def test_a_guide_is_matched_equally_in_chunks(encoder, monkeypatch):
    images, guide = random_tensor(2, 3, 12, 12), random_tensor(1, 3, 10, 12, seed=1)
    loss = DreamObjective(encoder, ["relu1_2"], guide=guide)
    expected = loss(images, images)
    monkeypatch.setattr(dream, "_PRODUCTS", 1000)
    torch.testing.assert_close(loss(images, images), expected)


def test_an_image_is_closer_to_itself_than_to_another_guide(encoder):
    photo, other = random_tensor(1, 3, 16, 16), random_tensor(1, 3, 16, 16, seed=1).round()
    own, others = (
        DreamObjective(encoder, ["relu1_1"], guide=g)(photo, photo) for g in (photo, other)
    )
    assert own < others


def test_the_loss_of_a_batch_is_the_mean_over_its_images(encoder):
    images, photos = random_tensor(4, 3, 8, 8), random_tensor(4, 3, 8, 8, seed=1)
    photos *= torch.tensor([0.1, 1.0, 0.5, 0.9]).view(4, 1, 1, 1)
    for guide in (None, random_tensor(1, 3, 8, 8, seed=2)):
        loss = DreamObjective(encoder, LAYERS, guide=guide)
        halves = [loss(i, p) for i, p in zip(images.split(2), photos.split(2), strict=True)]
        torch.testing.assert_close(loss(images, photos), torch.stack(halves).mean())


def test_loss_and_gradient_of_zero_features_are_finite():
    features = torch.zeros(1, 3, 4, 4, requires_grad=True)
    value = dream_loss(features, feature_strength(torch.zeros(1, 3, 4, 4)), [1])
    value.backward()
    assert bool(value.isfinite())
    assert bool(features.grad.isfinite().all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_do_not_overflow(dtype):
    features, photo, guide = (
        (1000 * random_tensor(2, 8, 24, 24, seed=s)).to(dtype) for s in range(3)
    )
    for other in (None, guide[:1]):
        wide = None if other is None else other.double()
        expected = dream_loss(features.double(), feature_strength(photo.double()), None, wide)
        with torch.autocast("cpu", torch.bfloat16):
            value = dream_loss(features, feature_strength(photo), None, other)
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("layers", "channels", "message"),
    [
        (["relu9_9"], None, "has no layer relu9_9; it has relu1_1, "),
        ("relu1_1", None, "layers=relu1_1 is not a list of layers"),
        ([], None, "layers=[] is empty"),
        (None, None, "is not a list of layers"),
        (["relu1_1"], [64], "relu1_1 of vgg16 has no channel 64; its channels are 0 to 63"),
        (["relu2_1", "relu1_1"], [100], "relu1_1 of vgg16 has no channel 100"),
        *[(["relu1_1"], c, "is not a list of channels") for c in ([], [-1], 3, "3", [1.5], [True])],
    ],
)
def test_an_invalid_option_of_the_objective_is_refused(encoder, layers, channels, message):
    with pytest.raises(StyleNetError) as error:
        DreamObjective(encoder, layers, channels)
    assert message in str(error.value)


PICTURES = [random_tensor(2, 3, 12, 12), random_tensor(2, 3, 12, 12, seed=1)]
STYLE = [random_tensor(1, 3, 12, 12, seed=2)]


def terms(relative=True, **dream):
    return {
        "content": ContentLoss(["relu1_2"], relative=relative),
        "style": StyleLoss(["relu2_1", "relu1_1"], weight=5.0, relative=relative),
        "tv": TotalVariationLoss(weight=0.1),
        **({"dream": DreamLoss(**dream)} if dream else {}),
    }


@pytest.mark.parametrize("relative", [True, False])
def test_the_dream_loss_is_added_with_its_weight(encoder, relative):
    plain = PerceptualLoss(encoder, terms(relative), STYLE)(*PICTURES)
    dream = {"weight": 3.0, "layers": ["relu1_1", "relu2_2"], "channels": [4, 9]}
    values = PerceptualLoss(encoder, terms(relative, **dream), STYLE)(*PICTURES)
    alone = DreamObjective(encoder, ["relu1_1", "relu2_2"], [4, 9])(*PICTURES)
    assert values["dream"].item() == pytest.approx(alone.item())
    mean = (values["dream/relu1_1"] + values["dream/relu2_2"]) / 2
    assert values["dream"].item() == pytest.approx(mean.item())
    expected = plain["total"] + 3 * alone
    assert values["total"].item() == pytest.approx(expected.item())
    assert values.keys() - plain.keys() == {"dream", "dream/relu1_1", "dream/relu2_2"}
    assert all(values[name] == plain[name] for name in plain.keys() - {"total"})


def test_layers_of_the_dream_loss_can_have_weights(encoder):
    weights = {"relu1_1": 3.0, "relu2_2": 1.0}
    values = PerceptualLoss(encoder, terms(layers=weights), STYLE)(*PICTURES)
    first, second = (DreamObjective(encoder, [layer])(*PICTURES).item() for layer in weights)
    assert values["dream"].item() == pytest.approx(0.75 * first + 0.25 * second, rel=1e-12)


def test_the_default_layer_is_the_deepest_style_layer(encoder):
    values = PerceptualLoss(encoder, terms(weight=1.0), STYLE)(*PICTURES)
    assert [name for name in values if name.startswith("dream/")] == ["dream/relu2_1"]


@pytest.mark.parametrize("weight", [0, 2.0])
def test_the_encoder_runs_once_per_image_and_no_deeper_than_needed(encoder, weight):
    loss = PerceptualLoss(encoder, terms(weight=weight, layers=["relu2_2"]), STYLE)
    requested = []
    encoder.register_forward_pre_hook(lambda _, arguments: requested.append(set(arguments[1])))
    loss(*PICTURES)
    dreams = {"relu2_2"} if weight else set()
    assert requested == [{"relu1_2"} | dreams, {"relu1_1", "relu1_2", "relu2_1"} | dreams]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("weight", value) for value in (-1, float("nan"), "1", None)],
        *[("layers", value) for value in ([], "relu2_2", [3], 5)],
        *[("channels", value) for value in ([], [-1], ["a"], 5)],
    ],
)
def test_an_invalid_option_is_named(option, value):
    with pytest.raises(StyleNetError) as error:
        DreamLoss(**{option: value})
    assert str(error.value).startswith(f"{option}={value} is ")


def test_layers_that_the_encoder_lacks_are_refused_before_any_work(encoder):
    for changes, message in [
        ({"layers": ["relu4_3"]}, r"loss\.dream\.layers: vgg16 .* no layer relu4_3"),
        ({"channels": [128]}, r"loss\.dream\.channels=\[128\]: relu2_1 .* 0 to 127"),
    ]:
        with pytest.raises(StyleNetError, match=message):
            PerceptualLoss(encoder, terms(weight=1.0, **changes), STYLE)
        # A term of weight 0 is skipped.
        PerceptualLoss(encoder, terms(weight=0.0, **changes), STYLE)
