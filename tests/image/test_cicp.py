"""Colors described by CICP code points, compared with the values in the standards."""

import numpy as np
import pytest

from stylenet.image.cicp import is_srgb_like, to_srgb

BT709, UNSPECIFIED, BT601_525, BT2020, P3 = 1, 2, 6, 9, 12
GAMMA_22, LINEAR, SRGB, PQ, HLG = 4, 8, 13, 16, 18


def _convert(rgb: tuple[float, ...], primaries: int, transfer: int) -> list[int]:
    result = to_srgb(np.array(rgb, dtype=np.float32), primaries, transfer)
    assert result.dtype == np.float32
    assert result.shape == (3,)
    return [round(float(value) * 255) for value in result]


@pytest.mark.parametrize("primaries", [BT709, UNSPECIFIED, 0, 255])
@pytest.mark.parametrize("transfer", [BT709, UNSPECIFIED, BT601_525, SRGB, 14, 15, 0, 255])
def test_sdr_with_srgb_primaries_is_unchanged(primaries: int, transfer: int) -> None:
    pixels = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)
    assert is_srgb_like(primaries, transfer)
    assert to_srgb(pixels, primaries, transfer) is pixels


@pytest.mark.parametrize("primaries", [4, 5, 6, 7, 8, 9, 10, 11, 12, 22])
def test_grays_stay_gray_with_any_primaries(primaries: int) -> None:
    assert not is_srgb_like(primaries, SRGB)
    for gray in (0, 1, 60, 128, 254, 255):
        assert _convert((gray / 255,) * 3, primaries, SRGB) == [gray] * 3


def test_display_p3_is_converted() -> None:
    # W3C CSS Color 4: color(display-p3 0.5 0.5 0.2) and its sRGB equivalent.
    assert _convert((0.5, 0.5, 0.2), P3, SRGB) == pytest.approx([129, 128, 33], abs=1)
    assert _convert((1, 0, 0), P3, SRGB) == [255, 0, 0]  # outside sRGB: clipped


@pytest.mark.parametrize(("transfer", "code"), [(GAMMA_22, 0.2140 ** (1 / 2.2)), (LINEAR, 0.2140)])
def test_other_transfer_curves_give_the_same_light(transfer: int, code: float) -> None:
    # sRGB 0.5 is a linear light of 0.2140.
    assert _convert((code,) * 3, BT709, transfer) == pytest.approx([127.5] * 3, abs=0.5)


@pytest.mark.parametrize(("transfer", "white"), [(HLG, 0.75), (PQ, 0.58)])
def test_the_reference_white_of_hdr_is_nearly_white(transfer: int, white: float) -> None:
    """Check BT.2408, table 1: 203 cd/m² is 75 % of HLG and 58 % of PQ."""
    assert _convert((white,) * 3, BT2020, transfer) == pytest.approx([229] * 3, abs=1)
    assert _convert((1, 1, 1), BT2020, transfer) == [255] * 3
    assert _convert((0, 0, 0), BT2020, transfer) == [0] * 3


@pytest.mark.parametrize(("transfer", "skin"), [(HLG, 0.55), (PQ, 0.45)])
def test_middle_tones_of_hdr_keep_their_light(transfer: int, skin: float) -> None:
    """Check BT.2408, table 2: light skin is about 0.55 of HLG and 0.45 of PQ, some 60 cd/m²."""
    light = 1.055 * (60 / 203) ** (1 / 2.4) - 0.055
    assert _convert((skin,) * 3, BT2020, transfer) == pytest.approx([light * 255] * 3, abs=8)


def test_hdr_gets_brighter_with_its_code_values() -> None:
    ramp = np.repeat(np.linspace(0, 1, 1024, dtype=np.float32)[:, np.newaxis], 3, axis=1)
    for transfer in (HLG, PQ):
        result = to_srgb(ramp, BT2020, transfer)[:, 0]
        assert result[0] == 0
        assert result[-1] == 1
        assert np.diff(result).min() > -0.01 / 255
        assert np.diff(result).max() < 3 / 255


def test_values_outside_the_code_range_are_clipped() -> None:
    assert _convert((float("nan"), -1, 2), BT709, LINEAR) == [0, 0, 255]
