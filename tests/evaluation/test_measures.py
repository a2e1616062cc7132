import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from skimage.metrics import structural_similarity

from stylenet.errors import StyleNetError
from stylenet.evaluation import load_square, measure_losses, measure_similarity


def gram(features):
    """Johnson et al. 2016, eq. 3, by loops over channels."""
    flat = features[0].flatten(1).double()
    products = [[float((a * b).sum()) for b in flat] for a in flat]
    return torch.tensor(products) / flat.numel()


def distance(value, target):
    return float(((value - target) ** 2).sum() / (target**2).sum())


def test_losses_equal_the_perceptual_loss(criterion, image):
    stylized, photo = image(seed=1), image(seed=2)
    assert measure_losses(criterion, stylized, photo) == pytest.approx(
        {name: value.item() for name, value in criterion(stylized, photo).items()}
    )


def test_losses_follow_the_formulas_of_the_papers(criterion, encoder, image):
    stylized, photo, style = image(seed=1), image(seed=2), image(40, seed=9, grid=12)
    layers = ["relu1_2", "relu2_2"]
    features, targets, style_features = (encoder(x, layers) for x in (stylized, photo, style))
    losses = measure_losses(criterion, stylized, photo)
    content = distance(features["relu2_2"].double(), targets["relu2_2"].double())
    styles = [distance(gram(features[n]), gram(style_features[n])) for n in layers]
    pixels = stylized[0].double().numpy()
    variation = sum(float((np.diff(pixels, axis=axis) ** 2).sum()) for axis in (1, 2)) / pixels.size
    assert losses["content"] == pytest.approx(content, rel=1e-4)
    assert [losses[f"style/{n}"] for n in layers] == pytest.approx(styles, rel=1e-3)
    assert losses["style"] == pytest.approx(np.mean(styles), rel=1e-3)
    assert losses["tv"] == pytest.approx(variation, rel=1e-4)
    total = content + 2 * 15 * np.mean(styles) + 5 * variation
    assert losses["total"] == pytest.approx(total, rel=1e-3)


def test_a_loss_that_is_not_finite_is_an_error(criterion, image):
    with pytest.raises(StyleNetError, match="the loss total is nan"):
        measure_losses(criterion, image() * torch.nan, image())


def test_similarity_equals_that_of_scikit_image_on_luminance(image):
    stylized, photo = image(128, seed=1, grid=30), image(128, seed=2, grid=30)
    weights = np.array([0.299, 0.587, 0.114])
    gray = [np.tensordot(weights, x[0].double().numpy(), 1) for x in (stylized, photo)]
    _, local_values = structural_similarity(
        *gray,
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    ssim, ms_ssim = measure_similarity(stylized, photo)
    # scikit-image's own mean leaves out a border of half a window.
    assert ssim == pytest.approx(local_values.mean(), abs=1e-3)
    assert ms_ssim is None


def test_similarity_ignores_colors_but_not_strokes(image):
    photo = image(176, grid=40)
    assert measure_similarity(photo, photo) == pytest.approx((1, 1))
    ssim, ms_ssim = measure_similarity(image(176, seed=5, grid=40), photo)
    assert 0 <= ms_ssim < 0.5
    assert ssim < 0.5
    # Red up, green down: the luminance stays.
    tinted = photo * 0.5 + torch.tensor([0.0587, -0.0299, 0.0]).view(1, 3, 1, 1) + 0.1
    plain = photo * 0.5 + 0.1
    assert measure_similarity(tinted, photo) == pytest.approx(
        measure_similarity(plain, photo), abs=1e-5
    )


def test_a_square_is_upright_central_and_on_white(tmp_path):
    sideways = Image.new("RGB", (60, 20), "red")
    sideways.paste("blue", (20, 0, 40, 20))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    sideways.save(tmp_path / "sideways.png", exif=exif)
    square = np.asarray(load_square(tmp_path / "sideways.png", 16), int)
    assert square.shape == (16, 16, 3)
    assert np.abs(square[2:-2] - [0, 0, 255]).max() < 40

    Image.new("RGBA", (9, 5), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (np.asarray(load_square(tmp_path / "clear.png", 32)) == 255).all()

    Image.new("L", (1, 1), 77).save(tmp_path / "dot.png")
    assert np.unique(np.asarray(load_square(tmp_path / "dot.png", 16))).tolist() == [77]


def test_a_file_that_is_not_a_photo_is_an_error(tmp_path):
    (tmp_path / "broken.jpg").write_text("no photo")
    with pytest.raises(StyleNetError, match=r"broken\.jpg"):
        load_square(tmp_path / "broken.jpg", 16)
