"""Conversion of colors with CICP code points (ITU-T H.273) to sRGB.

AVIF, PNG (``cICP``) and video describe their color space by two numbers, the primaries and the
transfer characteristics. They are read as in tables 2 and 3 of H.273, with two conventions:

- The camera curves of SDR video (BT.709, BT.601, BT.2020, SMPTE 240M) are read as the sRGB curve,
  as browsers do: SDR video is made to look right on an SDR display, code value for code value. So
  BT.709 video needs no conversion at all.
- HDR (HLG and PQ, ITU-R BT.2100) is mapped to SDR. 203 cd/m², the reference white of HDR (ITU-R
  BT.2408, table 1), becomes SDR white. The EETF of ITU-R BT.2390 (section 5.4.1) compresses the
  range up to 1,000 cd/m², the peak of the reference display of BT.2408, to that white. The curve
  is applied to the largest of R, G and B, which keeps the hue. Light below 89 cd/m² stays
  unchanged, and reference white becomes code value 229 of 255. PQ above 1,000 cd/m² is clipped.

Colors outside sRGB are clipped channel by channel.
"""

import functools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_D65, _C, _E, _DCI = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)
_NTSC_1987 = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)

# Chromaticities (x, y) of red, green, blue and white by code point: H.273, table 2.
_PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),  # BT.709, sRGB
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),  # BT.470 system M
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),  # BT.601, 625 lines
    6: _NTSC_1987,  # BT.601, 525 lines (SMPTE 170M)
    7: _NTSC_1987,  # SMPTE 240M
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),  # film, Illuminant C
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),  # BT.2020, BT.2100
    10: ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), _E),  # XYZ (SMPTE ST 428-1)
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI),  # DCI-P3 (SMPTE RP 431-2)
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),  # Display P3 (SMPTE EG 432-1)
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),  # EBU Tech. 3213-E
}
_SRGB_PRIMARIES = 1

# Code points of transfer characteristics: H.273, table 3. All others, including "unspecified" (2)
# and those of SDR cameras, are read as the sRGB curve.
_GAMMA_22, _GAMMA_28, _LINEAR, _LOG_100, _LOG_316, _PQ, _ST_428, _HLG = 4, 5, 8, 9, 10, 16, 17, 18
_OTHER_CURVES = {_GAMMA_22, _GAMMA_28, _LINEAR, _LOG_100, _LOG_316, _PQ, _ST_428, _HLG}

# Entries of the lookup tables: one per 16-bit code value, so that no sample is interpolated.
_LEVELS = 2**16
# Pixels per step: the intermediate arrays stay in the CPU's cache.
_BAND = 2**15

_HDR_PEAK, _WHITE = 1000.0, 203.0  # cd/m²: BT.2408, the reference display and table 1
_HLG_GAMMA = 1.2  # system gamma of HLG on a display of 1,000 cd/m²: BT.2100, table 5
_BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)  # BT.2100, table 5

# Bradford matrix for the adaptation to another white point (ICC.1:2022, annex E).
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def is_srgb_like(primaries: int, transfer: int) -> bool:
    """Return whether code values can be shown as sRGB without conversion.

    Args:
        primaries: Code point of H.273, table 2; unknown ones count as BT.709.
        transfer: Code point of H.273, table 3; unknown ones count as sRGB.
    """
    return _known(primaries) == _SRGB_PRIMARIES and transfer not in _OTHER_CURVES


def to_srgb(rgb: np.ndarray, primaries: int, transfer: int) -> np.ndarray:
    """Convert RGB code values to sRGB; HDR is mapped to SDR.

    Args:
        rgb: Code values in [0, 1], full range, shape (..., 3), float32. Values outside are clipped.
        primaries: Code point of H.273, table 2; unknown ones count as BT.709.
        transfer: Code point of H.273, table 3; unknown ones count as sRGB.

    Returns:
        sRGB code values in [0, 1], shape (..., 3), float32; the input itself if it is sRGB.
    """
    if is_srgb_like(primaries, transfer):
        return rgb
    pixels = np.ascontiguousarray(rgb, dtype=np.float32).reshape(-1, 3)
    result = np.empty_like(pixels)
    matrix = _matrix(_known(primaries))
    for start in range(0, len(pixels), _BAND):
        linear = _look_up(_decoding(transfer), pixels[start : start + _BAND])
        if transfer == _HLG:
            linear *= _look_up(_ootf_gain(), linear @ _BT2020_LUMA)[:, np.newaxis]
        if transfer in (_HLG, _PQ):
            brightest = np.maximum(np.maximum(linear[:, 0], linear[:, 1]), linear[:, 2])
            linear *= _look_up(_tone_gain(), brightest)[:, np.newaxis]
        if matrix is not None:
            linear = linear @ matrix
        result[start : start + _BAND] = _look_up(_encoding(), linear)
    return result.reshape(rgb.shape)


def _known(primaries: int) -> int:
    return primaries if primaries in _PRIMARIES else _SRGB_PRIMARIES


def _look_up(table: Array, values: Array) -> Array:
    """Return the table entries of values in [0, 1]; other values are clipped, and NaN becomes 0."""
    # fmax and fmin ignore NaN.
    index = np.fmin(np.fmax(values * np.float32(_LEVELS - 1) + np.float32(0.5), 0), _LEVELS - 1)
    return table.take(index.astype(np.uint16))


@functools.cache
def _steps() -> NDArray[np.float64]:
    return np.linspace(0, 1, _LEVELS)


@functools.cache
def _decoding(transfer: int) -> Array:
    """Return the light of each code value, relative to white (SDR) or 1,000 cd/m² (HDR)."""
    code = _steps()
    if transfer == _GAMMA_22:
        light = code**2.2
    elif transfer == _GAMMA_28:
        light = code**2.8
    elif transfer == _LINEAR:
        light = code
    elif transfer == _LOG_100:
        light = np.where(code > 0, 10 ** (2 * (code - 1)), 0)
    elif transfer == _LOG_316:
        light = np.where(code > 0, 10 ** (2.5 * (code - 1)), 0)
    elif transfer == _ST_428:
        light = np.minimum(code**2.6 * 52.37 / 48, 1)
    elif transfer == _PQ:
        light = np.minimum(_pq_light(code) / _HDR_PEAK, 1)
    elif transfer == _HLG:  # BT.2100, table 5: light of the scene, in [0, 1]
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    else:  # IEC 61966-2-1
        light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


@functools.cache
def _encoding() -> Array:
    """Return the sRGB code value of each level of light (IEC 61966-2-1)."""
    light = _steps()
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return code.astype(np.float32)


@functools.cache
def _ootf_gain() -> Array:
    """Return HLG's factor from scene light to display light, by luminance (BT.2100)."""
    gain: Array = (_steps() ** (_HLG_GAMMA - 1)).astype(np.float32)
    return gain


@functools.cache
def _tone_gain() -> Array:
    """Return the factors from light relative to 1,000 cd/m² to light relative to SDR white.

    They follow the EETF of BT.2390, section 5.4.1, which works on PQ code values.
    """
    light = _steps()[1:] * _HDR_PEAK
    source, target = _pq_code(np.array([_HDR_PEAK, _WHITE]))
    code = _pq_code(light) / source
    peak = target / source
    knee = 1.5 * peak - 0.5
    t = np.maximum((code - knee) / (1 - knee), 0)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * peak
    )
    mapped = np.where(code < knee, light, _pq_light(spline * source))
    gain = mapped / light * (_HDR_PEAK / _WHITE)
    return np.concatenate([gain[:1], gain]).astype(np.float32)


# Constants of PQ: SMPTE ST 2084, BT.2100 table 4.
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def _pq_light(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert PQ code values in [0, 1] to light in cd/m²."""
    power = code ** (1 / _M2)
    return 10_000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def _pq_code(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert light in cd/m² to PQ code values in [0, 1]."""
    power = (light / 10_000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


@functools.cache
def _matrix(primaries: int) -> Array | None:
    """Return the matrix from linear RGB (as row vectors) to linear sRGB; ``None`` for identity."""
    if primaries == _SRGB_PRIMARIES:
        return None
    source, white = _to_xyz(primaries)
    target, d65 = _to_xyz(_SRGB_PRIMARIES)
    cones = np.diag((_BRADFORD @ d65) / (_BRADFORD @ white))
    adapted = np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ source
    return np.ascontiguousarray((np.linalg.inv(target) @ adapted).T, dtype=np.float32)


def _to_xyz(primaries: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the matrix from linear RGB to XYZ (SMPTE RP 177), and the white point in XYZ."""
    points = np.array([(x, y, 1 - x - y) for x, y in _PRIMARIES[primaries]]).T  # (3, 4)
    white = points[:, 3] / points[1, 3]
    return points[:, :3] * np.linalg.solve(points[:, :3], white), white
