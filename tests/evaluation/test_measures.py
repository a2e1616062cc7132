import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from skimage.metrics import structural_similarity

from stylenet.errors import StyleNetError
from stylenet.evaluation import judge, load_square, similarity


def gram(features):
    """Johnson et al. 2016, eq. 3, by loops over channels."""
    flat = features[0].flatten(1).double()
    products = [[float((a * b).sum()) for b in flat] for a in flat]
    return torch.tensor(products) / flat.numel()


def distance(value, target):
    return float(((value - target) ** 2).sum() / (target**2).sum())


def test_losses_are_those_of_the_perceptual_loss(criterion, image):
    painted, photo = image(seed=1), image(seed=2)
    assert judge(criterion, painted, photo) == pytest.approx(
        {name: value.item() for name, value in criterion(painted, photo).items()}
    )


def test_losses_are_what_the_papers_say(criterion, encoder, image):
    painted, photo, style = image(seed=1), image(seed=2), image(40, seed=9, grid=12)
    layers = ["relu1_2", "relu2_2"]
    of_painted, of_photo, of_style = (encoder(x, layers) for x in (painted, photo, style))
    losses = judge(criterion, painted, photo)
    content = distance(of_painted["relu2_2"].double(), of_photo["relu2_2"].double())
    styles = [distance(gram(of_painted[n]), gram(of_style[n])) for n in layers]
    pixels = painted[0].double().numpy()
    rough = sum(float((np.diff(pixels, axis=axis) ** 2).sum()) for axis in (1, 2)) / pixels.size
    assert losses["content"] == pytest.approx(content, rel=1e-4)
    assert [losses[f"style/{n}"] for n in layers] == pytest.approx(styles, rel=1e-3)
    assert losses["style"] == pytest.approx(np.mean(styles), rel=1e-3)
    assert losses["tv"] == pytest.approx(rough, rel=1e-4)
    total = content + 2 * 15 * np.mean(styles) + 5 * rough
    assert losses["total"] == pytest.approx(total, rel=1e-3)


def test_a_loss_that_is_no_number_is_refused(criterion, image):
    with pytest.raises(StyleNetError, match="the loss total is nan"):
        judge(criterion, image() * torch.nan, image())


def test_similarity_is_that_of_scikit_image_on_luminance(image):
    painted, photo = image(128, seed=1, grid=30), image(128, seed=2, grid=30)
    weights = np.array([0.299, 0.587, 0.114])
    gray = [np.tensordot(weights, x[0].double().numpy(), 1) for x in (painted, photo)]
    _, places = structural_similarity(
        *gray,
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    single, multiple = similarity(painted, photo)
    # Its own mean leaves out a border of half a window.
    assert single == pytest.approx(places.mean(), abs=1e-3)
    assert multiple is None


def test_similarity_does_not_see_colors_and_sees_strokes(image):
    photo = image(176, grid=40)
    assert similarity(photo, photo) == pytest.approx((1, 1))
    single, multiple = similarity(image(176, seed=5, grid=40), photo)
    assert 0 <= multiple < 0.5
    assert single < 0.5
    # No luminance is added: red up, green down.
    tinted = photo * 0.5 + torch.tensor([0.0587, -0.0299, 0.0]).view(1, 3, 1, 1) + 0.1
    plain = photo * 0.5 + 0.1
    assert similarity(tinted, photo) == pytest.approx(similarity(plain, photo), abs=1e-5)


def test_a_square_is_the_upright_middle_on_white(tmp_path):
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


def test_what_is_no_photo_is_refused(tmp_path):
    (tmp_path / "broken.jpg").write_text("no photo")
    with pytest.raises(StyleNetError, match=r"broken\.jpg"):
        load_square(tmp_path / "broken.jpg", 16)
