import numpy as np
import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.image import load_image, to_tensor
from stylenet.perceptual import (
    ContentLoss,
    LossTerm,
    PerceptualLoss,
    StyleLoss,
    TotalVariationLoss,
    VGGEncoder,
    with_style_layers,
)

CONTENT = ["relu2_1", "relu2_2"]
STYLE = ["relu1_1", "relu1_2", "relu2_2"]


@pytest.fixture
def encoder(encoder):
    return encoder.double()


def terms(content=CONTENT, style=STYLE, weights=(1.5, 5.0, 0.3), relative=True):
    return {
        "content": ContentLoss(content, weights[0], relative),
        "style": StyleLoss(style, weights[1], relative=relative),
        "tv": TotalVariationLoss(weights[2]),
    }


def random_tensor(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).double()


def numpy_gram(features):
    flat = features.reshape(*features.shape[:2], -1)
    return np.einsum("nip,njp->nij", flat, flat) / flat[0].size


def numpy_loss(encoder, chosen, style_images, images, photos):
    """Compute the complete loss from the encoder's features by the papers' formulas."""
    content, style, _ = chosen.values()
    relative = content.relative

    def features(batch, layers):
        return {name: value.numpy() for name, value in encoder(batch, layers).items()}

    def distance(values, target):
        sums = ((values - target) ** 2).reshape(len(values), -1).sum(1)
        size = (target**2).reshape(len(target), -1).sum(1) if relative else values[0].size
        return (sums / size).mean()

    values = {}
    of_images = features(images, [*content.layers, *style.layers])
    of_photos = features(photos, content.layers)
    for layer in content.layers:
        values[f"content/{layer}"] = distance(of_images[layer], of_photos[layer])
    for layer in style.layers:
        grams = [numpy_gram(features(image, [layer])[layer]) for image in style_images]
        values[f"style/{layer}"] = distance(numpy_gram(of_images[layer]), sum(grams) / len(grams))
    for name, term in (("content", content), ("style", style)):
        of_layers = [weight * values[f"{name}/{layer}"] for layer, weight in term.layers.items()]
        values[name] = sum(of_layers) / (sum(term.layers.values()) if relative else 1)
    pixels = images.numpy()
    values["tv"] = sum((np.diff(pixels, axis=axis) ** 2).sum() for axis in (2, 3)) / pixels.size
    values["total"] = sum(term.weight * values[name] for name, term in chosen.items())
    return values


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("sizes", [[(24, 17)], [(16, 16), (9, 31), (40, 8)]])
@pytest.mark.parametrize(
    ("content", "style"),
    [
        (CONTENT, STYLE),
        ({"relu2_1": 0.5, "relu2_2": 2.0}, {"relu1_1": 1.0, "relu1_2": 0.25, "relu2_2": 3.0}),
        (["relu2_1", {"relu2_2": 2.0}], [{"relu1_1": 0.0}, {"relu2_2": 3.0}]),
    ],
    ids=["names", "weights", "both"],
)
def test_every_value_equals_its_formula(encoder, relative, sizes, content, style):
    chosen = terms(content, style, relative=relative)
    style_images = [random_tensor(1, 3, *size, seed=i) for i, size in enumerate(sizes)]
    images, photos = random_tensor(3, 3, 12, 15, seed=8), random_tensor(3, 3, 12, 15, seed=9)
    values = PerceptualLoss(encoder, chosen, style_images)(images, photos)
    expected = numpy_loss(encoder, chosen, style_images, images, photos)
    assert values.keys() == expected.keys()
    for name, value in values.items():
        assert value.shape == ()
        assert value.item() == pytest.approx(expected[name], rel=1e-9), name


def test_moments_are_compared_by_their_formula(encoder):
    images, photos, style = (
        random_tensor(2, 3, 12, 15),
        random_tensor(2, 3, 12, 15, seed=1),
        random_tensor(1, 3, 9, 9, seed=2),
    )
    chosen = {"style": StyleLoss({"relu1_2": 3.0, "relu2_1": 1.0}, statistics="moments")}
    values = PerceptualLoss(encoder, chosen, [style])(images, photos)

    def moments(batch, layer):
        features = encoder(batch, [layer])[layer].numpy()
        # 1e-12 keeps the gradient of a constant channel finite.
        deviations = np.sqrt(features.var((2, 3)) + 1e-12)
        return np.stack([features.mean((2, 3)), deviations], axis=1)

    each = {}
    for layer in ("relu1_2", "relu2_1"):
        target = moments(style, layer)
        distances = ((moments(images, layer) - target) ** 2).sum((1, 2)) / (target**2).sum()
        each[layer] = distances.mean()
        assert values[f"style/{layer}"].item() == pytest.approx(each[layer], rel=1e-9)
    expected = 0.75 * each["relu1_2"] + 0.25 * each["relu2_1"]
    assert values["style"].item() == pytest.approx(expected, rel=1e-9)


def test_equal_layer_weights_change_no_bit(encoder):
    images, photos, style = (
        random_tensor(2, 3, 12, 15),
        random_tensor(2, 3, 12, 15, seed=1),
        random_tensor(1, 3, 9, 9, seed=2),
    )
    plain = PerceptualLoss(encoder, terms(), [style])(images, photos)
    weighted = [dict.fromkeys(layers, 0.3) for layers in (CONTENT, STYLE)]
    values = PerceptualLoss(encoder, terms(*weighted), [style])(images, photos)
    assert all(torch.equal(value, plain[name]) for name, value in values.items())


class Brightness(LossTerm):
    """Custom term on pixels, which holds a buffer."""

    def __init__(self, weight=1.0):
        super().__init__(weight)
        self.register_buffer("gray", torch.full((3,), 1 / 3))

    def forward(self, inputs):
        difference = (inputs.stylized - inputs.content).mean(dim=(2, 3))  # (N, 3)
        return (difference * self.gray).sum(1).square()


class DeepestDifference(LossTerm):
    """Custom term on features of content and style."""

    compares_content = True
    compares_style = True

    def style_target(self, features):
        return features.amax((2, 3))

    def forward(self, inputs):
        return {
            layer: (inputs.stylized_features[layer] - inputs.content_features[layer])
            .abs()
            .mean((1, 2, 3))
            + inputs.style_targets[layer].mean(1)
            for layer in self.layers
        }


def test_a_custom_term_takes_part_in_the_loss(encoder):
    images, photos, style = (
        random_tensor(2, 3, 12, 15),
        random_tensor(2, 3, 12, 15, seed=1),
        random_tensor(1, 3, 9, 9, seed=2),
    )
    own = {"bright": Brightness(4.0), "deep": DeepestDifference(2.0, ["relu2_1"])}
    loss = PerceptualLoss(encoder, {**terms(), **own}, [style], style_weight=3.0).double()
    values = loss(images, photos)
    plain = PerceptualLoss(encoder, terms(), [style], style_weight=3.0)(images, photos)
    bright = ((images - photos).mean((1, 2, 3)) ** 2).mean()
    assert values["bright"].item() == pytest.approx(bright.item())
    features = [encoder(x, ["relu2_1"])["relu2_1"] for x in (images, photos, style)]
    deep = (features[0] - features[1]).abs().mean() + features[2].amax((2, 3)).mean()
    assert values["deep"].item() == values["deep/relu2_1"].item() == pytest.approx(deep.item())
    expected = plain["total"] + 4 * bright + 2 * 3 * deep
    assert values["total"].item() == pytest.approx(expected.item())


def test_a_term_that_is_left_out_is_not_logged(encoder):
    images, photos = random_tensor(2, 3, 12, 15), random_tensor(2, 3, 12, 15, seed=1)
    values = PerceptualLoss(encoder, {"tv": TotalVariationLoss(2.0)}, [photos[:1]])(images, photos)
    assert values.keys() == {"total", "tv"}
    assert values["total"] == 2 * values["tv"]
    with pytest.raises(StyleNetError, match="no term"):
        PerceptualLoss(encoder, {}, [photos[:1]])


def test_a_style_can_have_its_own_layers():
    own = with_style_layers(terms(), [{"relu1_1": 0.5}])
    assert own["style"].layers == {"relu1_1": 0.5}
    assert own["content"].layers.keys() == set(CONTENT)
    with pytest.raises(StyleNetError, match=r"^style\.layers=\[\] is empty"):
        with_style_layers(terms(), [])
    with pytest.raises(StyleNetError, match="needs the term"):
        with_style_layers({"tv": TotalVariationLoss()}, ["relu1_1"])


def test_the_weight_of_a_style_multiplies_the_weight_of_the_style_loss(encoder):
    images, photos, style = (
        random_tensor(1, 3, 8, 8),
        random_tensor(1, 3, 8, 8, seed=1),
        random_tensor(1, 3, 8, 8, seed=2),
    )
    double = PerceptualLoss(encoder, terms(), [style], style_weight=2.0)(images, photos)
    other = PerceptualLoss(encoder, terms(weights=(1.5, 10.0, 0.3)), [style])(images, photos)
    assert double["total"] == other["total"]
    assert double["style"] == other["style"]


@pytest.mark.parametrize("relative", [True, False])
def test_the_content_loss_between_equal_images_is_zero(encoder, relative):
    photo, style = random_tensor(1, 3, 12, 12), random_tensor(1, 3, 12, 12, seed=1)
    loss = PerceptualLoss(encoder, terms(relative=relative), [style])
    of_photo, of_style = loss(photo, photo), loss(style, photo)
    for part, same, other in [("content", of_photo, of_style), ("style", of_style, of_photo)]:
        names = [name for name in same if name.split("/")[0] == part]
        assert len(names) > 2
        assert all(same[name].item() < 1e-20 < 1e-6 < other[name].item() for name in names)


def test_a_flat_image_has_no_total_variation(encoder):
    values = PerceptualLoss(encoder, terms(), [random_tensor(1, 3, 8, 8)])(
        torch.full((1, 3, 8, 8), 0.5).double(), random_tensor(1, 3, 8, 8)
    )
    assert values["tv"] == 0


@pytest.mark.parametrize("relative", [True, False])
def test_the_gradient_equals_finite_differences(encoder, relative):
    photos, style = random_tensor(2, 3, 8, 8, seed=1), random_tensor(1, 3, 10, 9, seed=2)
    loss = PerceptualLoss(encoder, terms(relative=relative), [style])
    images = random_tensor(2, 3, 8, 8).requires_grad_()
    loss(images, photos)["total"].backward()
    step = 1e-6
    for pixel in [(0, 0, 0, 0), (0, 1, 3, 4), (1, 2, 7, 7), (1, 0, 5, 2)]:
        shift = torch.zeros_like(images)
        shift[pixel] = step
        with torch.no_grad():
            ahead, behind = (loss(images + s, photos)["total"].item() for s in (shift, -shift))
        slope = (ahead - behind) / (2 * step)
        assert images.grad[pixel].item() == pytest.approx(slope, rel=1e-4)


def test_the_gradient_reaches_only_the_images(encoder):
    images = random_tensor(1, 3, 8, 8).requires_grad_()
    photos, style = (random_tensor(1, 3, 8, 8, seed=seed).requires_grad_() for seed in (1, 2))
    loss = PerceptualLoss(encoder, terms(), [style])
    loss(images, photos)["total"].backward()
    assert images.grad is not None
    assert (photos.grad, style.grad) == (None, None)
    assert not any(tensor.requires_grad for tensor in [*loss.parameters(), *loss.buffers()])


def test_each_term_can_be_switched_off(encoder):
    images, photos, style = (
        random_tensor(1, 3, 8, 8),
        random_tensor(1, 3, 8, 8, seed=1),
        random_tensor(1, 3, 8, 8, seed=2),
    )
    for index, part in enumerate(("content", "style", "tv")):
        weights = [0.0, 0.0, 0.0]
        weights[index] = 2.0
        values = PerceptualLoss(encoder, terms(weights=weights), [style])(images, photos)
        assert values["total"].item() == pytest.approx(2 * values[part].item())


def test_the_loss_of_a_batch_is_the_mean_over_its_images(encoder):
    images, photos = random_tensor(4, 3, 8, 8), random_tensor(4, 3, 8, 8, seed=1)
    photos *= torch.tensor([0.1, 1.0, 0.5, 0.9]).view(4, 1, 1, 1)
    loss = PerceptualLoss(encoder, terms(), [random_tensor(1, 3, 8, 8, seed=2)])
    whole = loss(images, photos)
    halves = [loss(i, p) for i, p in zip(images.split(2), photos.split(2), strict=True)]
    for name, value in whole.items():
        torch.testing.assert_close(value, (halves[0][name] + halves[1][name]) / 2)


def test_the_style_loss_does_not_depend_on_the_size_of_the_style_image(encoder):
    tile = torch.nn.functional.interpolate(random_tensor(1, 3, 8, 8), scale_factor=4)
    loss = PerceptualLoss(encoder, terms(), [tile.repeat(1, 1, 3, 2)])
    photo, other = random_tensor(1, 3, 32, 32, seed=1), random_tensor(1, 3, 32, 32, seed=2)
    assert loss(tile, photo)["style"] < 0.02 < 0.1 < loss(other, photo)["style"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_losses_are_float32_and_accurate_under_autocast(encoder, dtype):
    images, photos = (
        random_tensor(2, 3, 16, 16).float(),
        random_tensor(2, 3, 16, 16, seed=1).float(),
    )
    loss = PerceptualLoss(encoder.float(), terms(), [random_tensor(1, 3, 16, 16, seed=2).float()])
    expected = loss(images, photos)
    with torch.autocast("cpu", dtype):
        values = loss(images, photos)
    for name, value in values.items():
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(expected[name].item(), rel=0.1), name


@pytest.mark.parametrize("term", [ContentLoss, StyleLoss])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("weight", value) for value in (-1, float("nan"), float("inf"), "1", True, None)],
        *[("layers", value) for value in ([], "relu2_2", [3], None, 5, ["relu1_1", None], {})],
        ("relative", "yes"),
        ("relative", None),
    ],
)
def test_an_invalid_option_is_named(term, option, value):
    with pytest.raises(StyleNetError) as error:
        term(**{"layers": ["relu1_1"], option: value})
    assert str(error.value).startswith(f"{option}={value} is ")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"relu1_1": -1}, "layers.relu1_1=-1 is not a number of at least 0"),
        ([{"relu1_1": "much"}], "layers.relu1_1=much is not a number"),
        ({"relu1_1": 0}, "gives every layer weight 0"),
    ],
)
def test_an_invalid_layer_weight_is_named(layers, message):
    with pytest.raises(StyleNetError) as error:
        StyleLoss(layers)
    assert message in str(error.value)


def test_unknown_statistics_and_an_invalid_tv_weight_are_named():
    with pytest.raises(StyleNetError, match=r"^statistics=mean is unknown"):
        StyleLoss(["relu1_1"], statistics="mean")
    with pytest.raises(StyleNetError, match=r"^weight=-0\.1 is not"):
        TotalVariationLoss(-0.1)


@pytest.mark.parametrize("option", ["content", "style"])
def test_a_layer_that_the_encoder_lacks_is_refused_before_any_work(encoder, option):
    chosen = terms(**{option: ["relu1_1", "relu4_3"]})
    message = rf"^loss\.{option}\.layers: .* no layer relu4_3; it has relu1_1, .*relu2_2;"
    with pytest.raises(StyleNetError, match=message):
        PerceptualLoss(encoder, chosen, [random_tensor(1, 3, 8, 8)])


def test_a_style_without_images_is_refused(encoder):
    with pytest.raises(StyleNetError, match=r"^style\.image is empty"):
        PerceptualLoss(encoder, terms(), [])


def test_with_pretrained_weights_the_halves_of_a_painting_have_the_closest_styles(shared):
    weights = shared / "weights" / "vgg19_to_relu3_4.safetensors"
    encoder = VGGEncoder("vgg19", weights=str(weights))

    def halves(name):
        image = load_image(shared / "styles" / f"{name}.jpg").rgb.resize((192, 96))
        return to_tensor(image).split(96, dim=3)

    paintings = {name: halves(name) for name in ("starry_night", "wave", "delaunay_portrait")}
    photo = paintings["wave"][0]
    for name, (left, _) in paintings.items():
        loss = PerceptualLoss(encoder, terms(style=["relu1_2", "relu3_4"]), [left])
        style = {other: loss(half, photo)["style"] for other, (_, half) in paintings.items()}
        assert min(style, key=style.get) == name
