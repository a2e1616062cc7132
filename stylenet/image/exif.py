"""EXIF: what a camera wrote beside the pixels, kept true for an image that was turned upright.

A block is changed in place, byte by byte. Writing it anew would move a camera's maker note, whose
inner addresses count from the start of the block, and would guess the types of the values.
Numbers are from the EXIF 2.32 standard (CIPA DC-008).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

_PREFIX = b"Exif\0\0"
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
# Bytes of a value, by its type.
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SHORT, _LONG = 3, 4

_EXIF, _GPS, _INTEROP = 0x8769, 0x8825, 0xA005
_ORIENTATION, _Color_SPACE = 0x0112, 0xA001
_WIDTH_TAGS, _HEIGHT_TAGS = (0x0100, 0xA002), (0x0101, 0xA003)
# Where the thumbnail lies and how long it is: as a JPEG, or as bare pixels.
_THUMBNAIL = ((0x0201, 0x0202), (0x0111, 0x0117))

# What a directory says of the image itself; the rest describes how a TIFF file is laid out.
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
    """One value: where its entry lies, where the value itself starts, and how many bytes it has."""

    tag: int
    kind: int
    number: int
    at: int
    start: int
    length: int


def clean_exif(block: bytes, size: tuple[int, int]) -> bytes | None:
    """Makes an EXIF block say the truth about an image that is upright and in sRGB.

    Args:
        block: As a file holds it, with or without the six bytes ``Exif..`` before it.
        size: Width and height of the upright image.

    Returns:
        The block with its six bytes, the orientation 1, the size and the color space right, the
        thumbnail gone (it shows the image as it was, sideways too); ``None`` if it is damaged.
    """
    data = bytearray(block.removeprefix(_PREFIX))
    order = _ORDERS.get(bytes(data[:4]))
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(order + "I", data, 4)
        _drop_thumbnail(data, order, first)
        _correct(data, order, first, size)
    except (struct.error, ValueError):
        return None
    return _PREFIX + bytes(data)


def read_exif(image: Image.Image) -> bytes | None:
    """Gets the EXIF block of an image as it is, but for its orientation.

    Args:
        image: Any, decoded, its file still open if it is a TIFF.

    Returns:
        A block for :func:`clean_exif`, or ``None`` if there is none.
    """
    block = image.info.get("exif")
    if isinstance(block, bytes):
        return block or None
    if hasattr(image, "tag_v2") or "Raw profile type exif" in image.info:
        return describing_exif(image.getexif())
    return None


def describing_exif(exif: Image.Exif) -> bytes | None:
    """Builds a block of what describes an image, without what lays out a TIFF file.

    Args:
        exif: As Pillow read it, out of a TIFF file for instance, whose first directory is both.

    Returns:
        A block, or ``None`` if nothing describes the image.

    Raises:
        Exception: It is damaged; Pillow raises anything then.
    """
    kept = Image.Exif()
    for tag in sorted(_DESCRIBING.intersection(exif)):
        kept[tag] = exif[tag]
    for tag in (_EXIF, _GPS):
        if tag in exif and (inner := dict(exif.get_ifd(tag))):
            inner.pop(_INTEROP, None)  # an address, which would point nowhere
            kept[tag] = inner
    return kept.tobytes() if len(kept) else None


def _directory(data: bytearray, order: str, offset: int) -> tuple[list[_Entry], int]:
    """Reads one directory: its entries, and where the address of the next one stands."""
    (count,) = struct.unpack_from(order + "H", data, offset)
    entries = []
    for at in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(order + "HHI", data, at)
        if kind not in _WIDTHS:  # some cameras pad with such entries
            continue
        length = _WIDTHS[kind] * number
        start = at + 8
        if length > 4:
            (start,) = struct.unpack_from(order + "I", data, at + 8)
        if start + length > len(data):
            raise ValueError("a value lies outside the block")
        entries.append(_Entry(tag, kind, number, at, start, length))
    return entries, offset + 2 + 12 * count


def _address(data: bytearray, order: str, entry: _Entry) -> int:
    """The single number that an entry holds."""
    form = {_SHORT: "H", _LONG: "I", 13: "I"}.get(entry.kind)
    if form is None or entry.number < 1:
        raise ValueError(f"tag {entry.tag} holds no number")
    (value,) = struct.unpack_from(order + form, data, entry.start)
    return int(value)


def _correct(data: bytearray, order: str, first: int, size: tuple[int, int]) -> None:
    """Sets what turning and converting the image has changed."""
    truth = dict.fromkeys(_WIDTH_TAGS, size[0]) | dict.fromkeys(_HEIGHT_TAGS, size[1])
    truth |= {_ORIENTATION: 1, _Color_SPACE: 1}
    main, _ = _directory(data, order, first)
    for name, entries in _with_inner(data, order, main):
        for entry in entries:
            if name == _INTEROP and entry.tag == 1 and entry.length == 4:
                data[entry.start : entry.start + 4] = b"R98\0"  # sRGB; R03 is Adobe RGB
            elif name in (0, _EXIF) and entry.tag in truth and entry.number == 1:
                # Either kind of number stands in the entry itself.
                kind, form = (_SHORT, "H2x") if truth[entry.tag] < 2**16 else (_LONG, "I")
                packed = (entry.tag, kind, 1, truth[entry.tag])
                struct.pack_into(f"{order}HHI{form}", data, entry.at, *packed)


def _with_inner(
    data: bytearray, order: str, main: list[_Entry]
) -> Iterator[tuple[int, list[_Entry]]]:
    """The main directory, named 0, and those that it leads to."""
    yield 0, main
    for entry in main:
        if entry.tag in (_EXIF, _GPS):
            inner, _ = _directory(data, order, _address(data, order, entry))
            yield entry.tag, inner
            for deeper in inner:
                if entry.tag == _EXIF and deeper.tag == _INTEROP:
                    address = _address(data, order, deeper)
                    yield _INTEROP, _directory(data, order, address)[0]


def _drop_thumbnail(data: bytearray, order: str, first: int) -> None:
    """Takes out the second directory, which is the thumbnail's, and the thumbnail."""
    (count,) = struct.unpack_from(order + "H", data, first)
    link = first + 2 + 12 * count
    if link + 4 > len(data):  # some writers leave the address out where there is no thumbnail
        return
    (second,) = struct.unpack_from(order + "I", data, link)
    if second == 0:
        return
    struct.pack_into(order + "I", data, link, 0)
    entries, end = _directory(data, order, second)
    spans = [(second, end + 4)]
    found = {entry.tag: entry for entry in entries}
    for where, much in _THUMBNAIL:
        if where in found and much in found:
            start = _address(data, order, found[where])
            spans.append((start, start + _address(data, order, found[much])))
    for start, end in spans:
        end = min(end, len(data))
        data[start:end] = bytes(max(0, end - start))
    # It mostly lies at the end, where it can be cut off; elsewhere the zeros stay.
    for start, end in sorted(spans, reverse=True):
        if end >= len(data) - 1:  # values begin at even addresses
            del data[start:]
