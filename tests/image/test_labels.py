import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from stylenet.errors import StyleNetError
from stylenet.image.labels import parse_color, split_by_color, split_by_index

RED, BLUE, GRAY = (255, 0, 0), (0, 0, 255), (128, 128, 128)


def drawing(scale=1):
    """Red on the left, blue on the right, a gray disc between them."""
    image = Image.new("RGB", (120 * scale, 80 * scale), RED)
    draw = ImageDraw.Draw(image)
    draw.rectangle((60 * scale, 0, 120 * scale, 80 * scale), BLUE)
    draw.ellipse((40 * scale, 20 * scale, 80 * scale, 60 * scale), GRAY)
    return image


def exact(color):
    return (np.asarray(drawing()) == color).all(-1)


@pytest.mark.parametrize(
    ("text", "color"),
    [("red", RED), ("#0000ff", BLUE), ("0000FF", BLUE), ("808080", GRAY), ("f00", RED)],
)
def test_colors_are_names_or_codes(text, color):
    assert parse_color(text) == color


def test_an_unknown_color_is_refused():
    with pytest.raises(StyleNetError, match=r"rot is not a color\. Give a name such as red"):
        parse_color("rot")


def test_exact_colors_give_exact_masks():
    masks = split_by_color(drawing(), [BLUE, RED])
    for mask, color in zip(masks, (BLUE, RED), strict=True):
        assert mask.mode == "L"
        assert np.array_equal(np.asarray(mask) == 255, exact(color))
        assert set(np.unique(mask)) == {0, 255}


@pytest.mark.parametrize("lossy", [False, True])
def test_soft_edges_and_noise_leave_no_specks(lossy):
    image = drawing(4).resize((120, 80), Image.Resampling.LANCZOS)
    if lossy:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=75)
        image = Image.open(file)
    masks = [np.asarray(mask) == 255 for mask in split_by_color(image, [RED, BLUE])]
    for mask, color in zip(masks, (RED, BLUE), strict=True):
        wrong = mask != exact(color)
        assert wrong.mean() < 0.02
    # Red and blue touch: the purple pixels between them belong to one of both.
    assert (masks[0] | masks[1])[:15].all()


def test_indices_are_exact():
    indices = np.random.default_rng(0).integers(0, 4, (20, 30)).astype(np.uint8)
    gray = Image.fromarray(indices)
    palette = gray.copy()
    palette.putpalette([i % 256 for i in range(768)])
    for image in (gray, palette):
        for index, mask in zip((1, 3), split_by_index(image, (1, 3)), strict=True):
            assert np.array_equal(np.asarray(mask) == 255, indices == index)


def test_indices_of_a_color_image_are_refused():
    with pytest.raises(StyleNetError, match="mode RGB, expected gray or a palette"):
        split_by_index(drawing(), [1])
