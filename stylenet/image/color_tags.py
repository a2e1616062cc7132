"""Reading of the CICP code points (ITU-T H.273) of PNG, AVIF and HEIF files.

Pillow reads ICC profiles only. :mod:`stylenet.image.cicp` converts the colors.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from stylenet.image.cicp import is_srgb_like, to_srgb

# Key of the tags in the ``info`` of an image.
COLOR_TAGS = "color_tags"

# Boxes other than the pixels have a few kilobytes; a damaged length must not fill the memory.
_MAX_BOX_BYTES = 2**24

# Rows per step; limits the memory that a huge image needs.
_ROWS = 256


class ColorTags(NamedTuple):
    """Color space and range of RGB code values.

    Attributes:
        primaries: Code point of H.273, table 2.
        transfer: Code point of H.273, table 3.
        full_range: Whether code values span the full range, or 16 to 235 (of 255) as in video.
        wins: Whether the tags take precedence over an ICC profile, as in PNG (PNG specification,
            third edition, 4.3) but not in AVIF and HEIF (MIAF, ISO/IEC 23000-22, 7.3.6.4).
    """

    primaries: int
    transfer: int
    full_range: bool
    wins: bool


def read_color_tags(path: Path, image: Image.Image) -> ColorTags | None:
    """Read the code points of an image file.

    Args:
        path: The file.
        image: Opened from the file; need not be decoded.

    Returns:
        The tags; ``None`` if the file has none or they are damaged.
    """
    if image.format == "HEIF":
        nclx = image.info.get("nclx_profile")
        if not nclx:
            return None
        return ColorTags(nclx["color_primaries"], nclx["transfer_characteristics"], True, False)
    if image.format not in ("PNG", "AVIF"):
        return None
    try:
        with path.open("rb") as file:
            return _read_png(file) if image.format == "PNG" else _read_avif(file)
    except (struct.error, IndexError, ValueError):
        return None


def apply_color_tags(image: Image.Image, tags: ColorTags) -> Image.Image:
    """Convert an image to sRGB by its CICP code points.

    Args:
        image: Mode RGB, or gray with 16 bits.
        tags: Color space and range of its code values.

    Returns:
        Mode RGB; the image itself if it is sRGB.
    """
    if image.mode == "RGB" and tags.full_range and is_srgb_like(tags.primaries, tags.transfer):
        return image
    values = np.asarray(image)
    levels = 256
    if values.ndim == 2:
        values = np.broadcast_to(values[..., np.newaxis], (*values.shape, 3))
        levels = 2**16
    result = np.empty(values.shape, dtype=np.uint8)
    for top in range(0, len(values), _ROWS):
        codes: np.ndarray = values[top : top + _ROWS].astype(np.float32)
        if tags.full_range:
            codes /= levels - 1
        else:  # black is 16 and white 235 of 256 levels (H.273, 8.3)
            codes = (codes * np.float32(256 / levels) - 16) / 219
        srgb = to_srgb(codes.clip(0, 1), tags.primaries, tags.transfer)
        result[top : top + _ROWS] = (srgb * 255).round()
    return Image.fromarray(result)


def _read_png(file: BinaryIO) -> ColorTags | None:
    """Find the chunk ``cICP`` (PNG specification, third edition, 11.3.2.6)."""
    file.seek(8)
    while True:
        length, name = struct.unpack(">I4s", file.read(8))
        if name == b"IDAT":
            return None
        if name == b"cICP":
            primaries, transfer, _, full_range = file.read(4)
            return ColorTags(primaries, transfer, bool(full_range), True)
        file.seek(length + 4, 1)


def _read_avif(file: BinaryIO) -> ColorTags | None:
    """Find the property ``colr`` of type ``nclx`` (ISO/IEC 14496-12, 12.1.5).

    It belongs to the track of a sequence, or to the primary item of an image.
    """
    boxes = dict(_file_boxes(file))
    if boxes[b"ftyp"][:4] == b"avis" and b"moov" in boxes:
        return _read_track(boxes[b"moov"])
    return _read_item(boxes[b"meta"][4:])


def _read_track(moov: bytes) -> ColorTags | None:
    for name, track in _boxes(moov):
        if name != b"trak":
            continue
        body = track
        for step in (b"mdia", b"minf", b"stbl", b"stsd"):
            body = dict(_boxes(body))[step]
        for name, entry in _boxes(body[8:]):
            if name == b"av01":  # 78 bytes of fields precede its boxes (ISO/IEC 14496-12, 12.1.3)
                return _nclx(body for name, body in _boxes(entry[78:]) if name == b"colr")
    return None


def _read_item(meta: bytes) -> ColorTags | None:
    boxes = dict(_boxes(meta))
    pitm = boxes[b"pitm"]
    (primary,) = struct.unpack_from(">I" if pitm[0] else ">H", pitm, 4)
    properties = list(_boxes(boxes[b"iprp"]))
    known = list(_boxes(dict(properties)[b"ipco"]))
    own = [
        known[index - 1]
        for name, body in properties
        if name == b"ipma"
        for item, index in _associations(body)
        if item == primary and index
    ]
    return _nclx(body for name, body in own if name == b"colr")


def _associations(ipma: bytes) -> Iterator[tuple[int, int]]:
    """Yield pairs of an item and the index of one of its properties (ISO/IEC 23008-12, 9.3.1)."""
    wide_items, wide_indices = ipma[0] > 0, ipma[3] & 1
    (count,) = struct.unpack_from(">I", ipma, 4)
    offset = 8
    for _ in range(count):
        item, number = struct.unpack_from(">IB" if wide_items else ">HB", ipma, offset)
        offset += 5 if wide_items else 3
        for _ in range(number):
            (index,) = struct.unpack_from(">H" if wide_indices else ">B", ipma, offset)
            offset += 2 if wide_indices else 1
            yield item, index & (0x7FFF if wide_indices else 0x7F)  # the high bit: "essential"


def _nclx(bodies: Iterator[bytes]) -> ColorTags | None:
    for body in bodies:
        if body[:4] == b"nclx":
            primaries, transfer = struct.unpack_from(">HH", body, 4)
            return ColorTags(primaries, transfer, True, False)  # the decoder expands the range
    return None


def _file_boxes(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and contents of the boxes that describe the file, not those with pixels."""
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        start = 8
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
            start = 16
        if name in (b"ftyp", b"meta", b"moov"):
            yield name, file.read(min(length - start, _MAX_BOX_BYTES) if length else _MAX_BOX_BYTES)
        elif length < start:  # 0: to the end of the file
            return
        else:
            file.seek(length - start, 1)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and contents of the boxes inside a box."""
    offset = 0
    while offset + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, offset)
        if length < 8:
            return
        yield name, data[offset + 8 : offset + length]
        offset += length
