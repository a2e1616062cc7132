import numpy as np
import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.image import load_image, to_tensor
from stylenet.perceptual import LossOptions, PerceptualLoss, VGGEncoder

CONTENT = ["relu2_1", "relu2_2"]
STYLE = ["relu1_1", "relu1_2", "relu2_2"]


@pytest.fixture
def encoder(encoder):
    return encoder.double()


def options(**changes):
    values = {
        "form": "relative",
        "content_layers": CONTENT,
        "style_layers": STYLE,
        "content_weight": 1.5,
        "style_weight": 5.0,
        "tv_weight": 0.3,
    }
    return LossOptions(**{**values, **changes})


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).double()


def numpy_gram(features):
    flat = features.reshape(*features.shape[:2], -1)
    return np.einsum("nip,njp->nij", flat, flat) / flat[0].size


def numpy_loss(encoder, chosen, style_images, images, photos):
    """The whole loss from the encoder's features, by the papers' formulas."""
    relative = chosen.form == "relative"

    def features(pictures, layers):
        return {name: value.numpy() for name, value in encoder(pictures, layers).items()}

    def distance(values, target):
        sums = ((values - target) ** 2).reshape(len(values), -1).sum(1)
        size = (target**2).reshape(len(target), -1).sum(1) if relative else values[0].size
        return (sums / size).mean()

    values = {}
    of_images = features(images, chosen.content_layers + chosen.style_layers)
    of_photos = features(photos, chosen.content_layers)
    for layer in chosen.content_layers:
        values[f"content/{layer}"] = distance(of_images[layer], of_photos[layer])
    for layer in chosen.style_layers:
        grams = [numpy_gram(features(image, [layer])[layer]) for image in style_images]
        values[f"style/{layer}"] = distance(numpy_gram(of_images[layer]), sum(grams) / len(grams))
    combine = np.mean if relative else np.sum
    for part in ("content", "style"):
        values[part] = combine([v for name, v in values.items() if name.startswith(f"{part}/")])
    pixels = images.numpy()
    values["tv"] = sum((np.diff(pixels, axis=axis) ** 2).sum() for axis in (2, 3)) / pixels.size
    values["total"] = (
        chosen.content_weight * values["content"]
        + chosen.style_weight * values["style"]
        + chosen.tv_weight * values["tv"]
    )
    return values


@pytest.mark.parametrize("form", ["relative", "absolute"])
@pytest.mark.parametrize("sizes", [[(24, 17)], [(16, 16), (9, 31), (40, 8)]])
def test_every_value_equals_its_formula(encoder, form, sizes):
    chosen = options(form=form)
    style_images = [draw(1, 3, *size, seed=i) for i, size in enumerate(sizes)]
    images, photos = draw(3, 3, 12, 15, seed=8), draw(3, 3, 12, 15, seed=9)
    values = PerceptualLoss(encoder, chosen, style_images)(images, photos)
    expected = numpy_loss(encoder, chosen, style_images, images, photos)
    assert values.keys() == expected.keys()
    for name, value in values.items():
        assert value.shape == ()
        assert value.item() == pytest.approx(expected[name], rel=1e-9), name


def test_the_styles_own_weight_multiplies_the_settings(encoder):
    images, photos, style = draw(1, 3, 8, 8), draw(1, 3, 8, 8, seed=1), draw(1, 3, 8, 8, seed=2)
    double = PerceptualLoss(encoder, options(), [style], style_weight=2.0)(images, photos)
    other = PerceptualLoss(encoder, options(style_weight=10.0), [style])(images, photos)
    assert double["total"] == other["total"]
    assert double["style"] == other["style"]


@pytest.mark.parametrize("form", ["relative", "absolute"])
def test_a_picture_has_no_distance_to_itself(encoder, form):
    photo, style = draw(1, 3, 12, 12), draw(1, 3, 12, 12, seed=1)
    loss = PerceptualLoss(encoder, options(form=form), [style])
    of_photo, of_style = loss(photo, photo), loss(style, photo)
    for part, same, other in [("content", of_photo, of_style), ("style", of_style, of_photo)]:
        names = [name for name in same if name.split("/")[0] == part]
        assert len(names) > 2
        assert all(same[name].item() < 1e-20 < 1e-6 < other[name].item() for name in names)


def test_a_flat_picture_has_no_variation(encoder):
    values = PerceptualLoss(encoder, options(), [draw(1, 3, 8, 8)])(
        torch.full((1, 3, 8, 8), 0.5).double(), draw(1, 3, 8, 8)
    )
    assert values["tv"] == 0


@pytest.mark.parametrize("form", ["relative", "absolute"])
def test_the_gradient_equals_finite_differences(encoder, form):
    photos, style = draw(2, 3, 8, 8, seed=1), draw(1, 3, 10, 9, seed=2)
    loss = PerceptualLoss(encoder, options(form=form), [style])
    images = draw(2, 3, 8, 8).requires_grad_()
    loss(images, photos)["total"].backward()
    step = 1e-6
    for pixel in [(0, 0, 0, 0), (0, 1, 3, 4), (1, 2, 7, 7), (1, 0, 5, 2)]:
        shift = torch.zeros_like(images)
        shift[pixel] = step
        with torch.no_grad():
            ahead, behind = (loss(images + s, photos)["total"].item() for s in (shift, -shift))
        slope = (ahead - behind) / (2 * step)
        assert images.grad[pixel].item() == pytest.approx(slope, rel=1e-4)


def test_the_gradient_reaches_the_images_alone(encoder):
    images = draw(1, 3, 8, 8).requires_grad_()
    photos, style = (draw(1, 3, 8, 8, seed=seed).requires_grad_() for seed in (1, 2))
    loss = PerceptualLoss(encoder, options(), [style])
    loss(images, photos)["total"].backward()
    assert images.grad is not None
    assert (photos.grad, style.grad) == (None, None)
    assert not any(tensor.requires_grad for tensor in [*loss.parameters(), *loss.buffers()])


def test_each_term_can_be_switched_off(encoder):
    images, photos, style = draw(1, 3, 8, 8), draw(1, 3, 8, 8, seed=1), draw(1, 3, 8, 8, seed=2)
    for part in ("content", "style", "tv"):
        off = dict.fromkeys(("content_weight", "style_weight", "tv_weight"), 0)
        alone = options(**{**off, f"{part}_weight": 2})
        values = PerceptualLoss(encoder, alone, [style])(images, photos)
        assert values["total"].item() == pytest.approx(2 * values[part].item())


def test_a_batch_is_the_mean_of_its_parts(encoder):
    images, photos = draw(4, 3, 8, 8), draw(4, 3, 8, 8, seed=1)
    photos *= torch.tensor([0.1, 1.0, 0.5, 0.9]).view(4, 1, 1, 1)
    loss = PerceptualLoss(encoder, options(), [draw(1, 3, 8, 8, seed=2)])
    whole = loss(images, photos)
    halves = [loss(i, p) for i, p in zip(images.split(2), photos.split(2), strict=True)]
    for name, value in whole.items():
        torch.testing.assert_close(value, (halves[0][name] + halves[1][name]) / 2)


def test_the_style_does_not_depend_on_the_size_of_its_picture(encoder):
    tile = torch.nn.functional.interpolate(draw(1, 3, 8, 8), scale_factor=4)
    loss = PerceptualLoss(encoder, options(), [tile.repeat(1, 1, 3, 2)])
    photo, other = draw(1, 3, 32, 32, seed=1), draw(1, 3, 32, 32, seed=2)
    assert loss(tile, photo)["style"] < 0.02 < 0.1 < loss(other, photo)["style"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_values_are_float32_and_right_under_autocast(encoder, dtype):
    images, photos = draw(2, 3, 16, 16).float(), draw(2, 3, 16, 16, seed=1).float()
    loss = PerceptualLoss(encoder.float(), options(), [draw(1, 3, 16, 16, seed=2).float()])
    expected = loss(images, photos)
    with torch.autocast("cpu", dtype):
        values = loss(images, photos)
    for name, value in values.items():
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(expected[name].item(), rel=0.1), name


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("form", "squared"),
        ("form", None),
        *[("content_weight", value) for value in (-1, float("nan"), "1", True, None)],
        ("style_weight", float("inf")),
        ("tv_weight", -0.1),
        *[("content_layers", value) for value in ([], "relu2_2", [3], None, 5, {"relu2_2": 1})],
        *[("style_layers", value) for value in ([], ["relu1_1", None])],
    ],
)
def test_an_impossible_setting_is_named(option, value):
    with pytest.raises(StyleNetError) as error:
        options(**{option: value})
    assert str(error.value).startswith(f"loss.{option}={value} is ")


@pytest.mark.parametrize("option", ["content_layers", "style_layers"])
def test_a_layer_that_the_encoder_lacks_is_refused_before_any_work(encoder, option):
    chosen = options(**{option: ["relu1_1", "relu4_3"]})
    with pytest.raises(StyleNetError, match=r"no layer relu4_3; it has relu1_1, .*relu2_2;"):
        PerceptualLoss(encoder, chosen, [draw(1, 3, 8, 8)])


def test_a_style_without_pictures_is_refused(encoder):
    with pytest.raises(StyleNetError, match=r"^style\.image is empty"):
        PerceptualLoss(encoder, options(), [])


def test_real_weights_know_a_painting_by_its_other_half(shared):
    weights = shared / "weights" / "vgg19_to_relu3_4.safetensors"
    encoder = VGGEncoder("vgg19", weights=str(weights))

    def halves(name):
        picture = load_image(shared / "styles" / f"{name}.jpg").rgb.resize((192, 96))
        return to_tensor(picture).split(96, dim=3)

    paintings = {name: halves(name) for name in ("starry_night", "wave", "delaunay_portrait")}
    photo = paintings["wave"][0]
    for name, (left, _) in paintings.items():
        loss = PerceptualLoss(encoder, options(style_layers=["relu1_2", "relu3_4"]), [left])
        style = {other: loss(half, photo)["style"] for other, (_, half) in paintings.items()}
        assert min(style, key=style.get) == name
