import pytest

from stylenet.errors import StyleNetError
from stylenet.inference import RepaintSettings


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *[("size", value) for value in (0, -1, 2.5, "512", True)],
        *[("strength", value) for value in (-0.1, 1.1, "half", None, float("nan"))],
        *[("preserve_color", value) for value in ("hue", "", None, 1)],
        *[("tile", value) for value in (255, -1, 512.0, "512", "yes", True, False)],
    ],
)
def test_an_impossible_value_is_named_in_one_line(setting, value):
    with pytest.raises(StyleNetError, match=f"^{setting}={value} is ") as error:
        RepaintSettings(**{setting: value})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "colour"),
    [
        (False, "none"),
        (True, "luminance"),
        ("true", "luminance"),
        *[(word, word) for word in ("none", "luminance", "histogram", "statistics")],
    ],
)
def test_colours_may_be_a_switch_or_a_word(value, colour):
    assert RepaintSettings(preserve_color=value).colour == colour


@pytest.mark.parametrize(
    ("value", "side"), [("auto", None), ("none", 0), (None, 0), (0, 0), (256, 256), (2048, 2048)]
)
def test_tiles_may_be_a_side_or_a_word(value, side):
    assert RepaintSettings(tile=value).tile_side == side
