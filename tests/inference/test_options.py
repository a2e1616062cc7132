import pytest

from stylenet.errors import StyleNetError
from stylenet.inference import StylizeOptions


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("size", value) for value in (0, -1, 2.5, "512", True)],
        *[("strength", value) for value in (-0.1, 1.1, "half", None, float("nan"))],
        *[("preserve_color", value) for value in ("hue", "", None, 1)],
        *[("tile", value) for value in (255, -1, 512.0, "512", "yes", True, False)],
    ],
)
def test_an_invalid_value_is_reported_in_one_line(option, value):
    with pytest.raises(StyleNetError, match=f"^{option}={value} is ") as error:
        StylizeOptions(**{option: value})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "color"),
    [
        (False, "none"),
        (True, "luminance"),
        ("true", "luminance"),
        *[(word, word) for word in ("none", "luminance", "histogram", "statistics")],
    ],
)
def test_preserve_color_accepts_booleans_and_names(value, color):
    assert StylizeOptions(preserve_color=value).color == color


@pytest.mark.parametrize(
    ("value", "tile_size"),
    [("auto", None), ("none", 0), (None, 0), (0, 0), (256, 256), (2048, 2048)],
)
def test_tile_accepts_sizes_and_names(value, tile_size):
    assert StylizeOptions(tile=value).tile_size == tile_size
