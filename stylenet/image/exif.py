"""EXIF data, adjusted to an image that was turned upright and converted to sRGB.

Blocks are edited in place. Writing a new block would move the camera's maker note, whose internal
offsets count from the start of the block, and would have to guess the types of the values. Tag
numbers are from the EXIF 2.32 standard (CIPA DC-008).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

_PREFIX = b"Exif\0\0"
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
# Size of a value in bytes, by its type.
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SHORT, _LONG = 3, 4

_EXIF, _GPS, _INTEROP = 0x8769, 0x8825, 0xA005
_ORIENTATION, _COLOR_SPACE = 0x0112, 0xA001
_WIDTH_TAGS, _HEIGHT_TAGS = (0x0100, 0xA002), (0x0101, 0xA003)
# Tags with offset and length of the thumbnail: of a JPEG file, and of uncompressed pixels.
_THUMBNAIL = ((0x0201, 0x0202), (0x0111, 0x0117))

# Tags that describe the image; all others of a TIFF file describe its layout.
_DESCRIBING = frozenset(
    {
        0x010E,  # ImageDescription
        0x010F,  # Make
        0x0110,  # Model
        0x011A,  # XResolution
        0x011B,  # YResolution
        0x0128,  # ResolutionUnit
        0x0131,  # Software
        0x0132,  # DateTime
        0x013B,  # Artist
        0x4746,  # Rating
        0x8298,  # Copyright
    }
)


@dataclass(frozen=True)
class _Entry:
    """One entry of a directory.

    Attributes:
        tag: Number of the tag.
        type: Number of the values' type.
        count: Number of values.
        entry_offset: Offset of the entry.
        offset: Offset of the first value.
        length: Size of all values in bytes.
    """

    tag: int
    type: int
    count: int
    entry_offset: int
    offset: int
    length: int


def clean_exif(block: bytes, size: tuple[int, int]) -> bytes | None:
    """Adjust an EXIF block to an image that is upright and in sRGB.

    Args:
        block: EXIF block of a file, with or without its prefix ``Exif`` and two zero bytes.
        size: Width and height of the upright image.

    Returns:
        The block with its prefix: orientation 1, the given size, color space sRGB and no thumbnail
        (which shows the image before stylization, perhaps sideways). ``None`` if it is damaged.
    """
    data = bytearray(block.removeprefix(_PREFIX))
    order = _ORDERS.get(bytes(data[:4]))
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(order + "I", data, 4)
        _drop_thumbnail(data, order, first)
        _correct_tags(data, order, first, size)
    except (struct.error, ValueError):
        return None
    return _PREFIX + bytes(data)


def read_exif(image: Image.Image) -> bytes | None:
    """Return the EXIF block of an image for :func:`clean_exif`; ``None`` without EXIF data.

    Args:
        image: Decoded; the file of a TIFF image must still be open.
    """
    block = image.info.get("exif")
    if isinstance(block, bytes):
        return block or None
    if hasattr(image, "tag_v2") or "Raw profile type exif" in image.info:
        return describing_exif(image.getexif())
    return None


def describing_exif(exif: Image.Exif) -> bytes | None:
    """Build an EXIF block from the tags that describe an image, without those of a TIFF's layout.

    Args:
        exif: Tags as read by Pillow. The first directory of a TIFF file holds both kinds.

    Returns:
        The block; ``None`` if no tag describes the image.

    Raises:
        Exception: The tags are damaged; Pillow raises exceptions of any type.
    """
    kept = Image.Exif()
    for tag in sorted(_DESCRIBING.intersection(exif)):
        kept[tag] = exif[tag]
    for tag in (_EXIF, _GPS):
        if tag in exif and (inner := dict(exif.get_ifd(tag))):
            inner.pop(_INTEROP, None)  # an offset that would be wrong in the new block
            kept[tag] = inner
    return kept.tobytes() if len(kept) else None


def _directory(data: bytearray, order: str, offset: int) -> tuple[list[_Entry], int]:
    """Read the entries of a directory, and the offset of its link to the next directory."""
    (count,) = struct.unpack_from(order + "H", data, offset)
    entries = []
    for entry_offset in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, value_type, number = struct.unpack_from(order + "HHI", data, entry_offset)
        if value_type not in _WIDTHS:  # some cameras pad directories with such entries
            continue
        length = _WIDTHS[value_type] * number
        start = entry_offset + 8
        if length > 4:
            (start,) = struct.unpack_from(order + "I", data, entry_offset + 8)
        if start + length > len(data):
            raise ValueError("a value lies outside the block")
        entries.append(_Entry(tag, value_type, number, entry_offset, start, length))
    return entries, offset + 2 + 12 * count


def _read_number(data: bytearray, order: str, entry: _Entry) -> int:
    """Return the first value of an entry, an unsigned integer."""
    code = {_SHORT: "H", _LONG: "I", 13: "I"}.get(entry.type)
    if code is None or entry.count < 1:
        raise ValueError(f"tag {entry.tag} holds no number")
    (value,) = struct.unpack_from(order + code, data, entry.offset)
    return int(value)


def _correct_tags(data: bytearray, order: str, first: int, size: tuple[int, int]) -> None:
    """Set the tags that turning and converting the image has made wrong."""
    correct = dict.fromkeys(_WIDTH_TAGS, size[0]) | dict.fromkeys(_HEIGHT_TAGS, size[1])
    correct |= {_ORIENTATION: 1, _COLOR_SPACE: 1}
    main, _ = _directory(data, order, first)
    for name, entries in _all_directories(data, order, main):
        for entry in entries:
            if name == _INTEROP and entry.tag == 1 and entry.length == 4:
                data[entry.offset : entry.offset + 4] = b"R98\0"  # sRGB; R03 is Adobe RGB
            elif name in (0, _EXIF) and entry.tag in correct and entry.count == 1:
                # A single value of either type is stored in the entry itself.
                value = correct[entry.tag]
                value_type, code = (_SHORT, "H2x") if value < 2**16 else (_LONG, "I")
                fields = (entry.tag, value_type, 1, value)
                struct.pack_into(f"{order}HHI{code}", data, entry.entry_offset, *fields)


def _all_directories(
    data: bytearray, order: str, main: list[_Entry]
) -> Iterator[tuple[int, list[_Entry]]]:
    """Yield the main directory, named 0, and the directories it refers to, named by their tags."""
    yield 0, main
    for entry in main:
        if entry.tag in (_EXIF, _GPS):
            inner, _ = _directory(data, order, _read_number(data, order, entry))
            yield entry.tag, inner
            for deeper in inner:
                if entry.tag == _EXIF and deeper.tag == _INTEROP:
                    address = _read_number(data, order, deeper)
                    yield _INTEROP, _directory(data, order, address)[0]


def _drop_thumbnail(data: bytearray, order: str, first: int) -> None:
    """Remove the second directory, which describes the thumbnail, and the thumbnail."""
    (count,) = struct.unpack_from(order + "H", data, first)
    link = first + 2 + 12 * count
    if link + 4 > len(data):  # some writers omit the link if there is no thumbnail
        return
    (second,) = struct.unpack_from(order + "I", data, link)
    if second == 0:
        return
    struct.pack_into(order + "I", data, link, 0)
    entries, end = _directory(data, order, second)
    spans = [(second, end + 4)]
    by_tag = {entry.tag: entry for entry in entries}
    for offset_tag, length_tag in _THUMBNAIL:
        if offset_tag in by_tag and length_tag in by_tag:
            start = _read_number(data, order, by_tag[offset_tag])
            spans.append((start, start + _read_number(data, order, by_tag[length_tag])))
    for start, end in spans:
        end = min(end, len(data))
        data[start:end] = bytes(max(0, end - start))
    # The thumbnail is mostly at the end and can be cut off; elsewhere the zeros stay.
    for start, end in sorted(spans, reverse=True):
        if end >= len(data) - 1:  # values begin at even addresses
            del data[start:]
