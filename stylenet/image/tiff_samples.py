"""Decoding of TIFF files that Pillow cannot read: 10, 12 or 14 bits per sample, planes and more.

Pillow knows a fixed list of sample layouts, but its libtiff decompresses all of them. So this
module presents the compressed blocks of a file to Pillow as a gray image with one byte per pixel,
and interprets the decompressed bytes itself. Tag numbers are from the TIFF 6.0 specification.
"""

import struct
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from stylenet.errors import StyleNetError
from stylenet.image.exif import describing_exif
from stylenet.image.formats import MAX_PIXELS, MAX_SIDE
from stylenet.image.tiff import PLAIN_COMPRESSIONS, read_directories
from stylenet.image.upright import apply_orientation

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIPS, _CHANNELS, _ROWS, _STRIP_BYTES, _PLANES, _PREDICTOR = 273, 277, 278, 279, 284, 317
_COLOR_MAP, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 320, 322, 323, 324, 325
_EXTRA, _FORMAT, _ICC, _ORIENTATION = 338, 339, 34675, 274

_LONG = 4  # type of values: unsigned, 32 bits

# Values of PhotometricInterpretation, SampleFormat, PlanarConfiguration and ExtraSamples.
_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE, _CMYK = 0, 1, 2, 3, 5
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_SEPARATE = 2
_PREMULTIPLIED, _ALPHA = 1, 2

_COLORS = {_WHITE_IS_0: 1, _BLACK_IS_0: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4}

# Rows per step; limits the memory that a huge image needs.
_BAND = 256


def decode_tiff(path: Path, index: int) -> Image.Image:
    """Decode an image of a TIFF file without Pillow's interpretation of its samples.

    Args:
        path: The file.
        index: Index of the image in the file, from 0.

    Returns:
        Mode L, LA, La, RGB, RGBA, RGBa or CMYK with 8 bits per sample, upright, with ICC profile
        and EXIF data in ``info``. Unsigned samples are scaled by their number of bits; signed and
        floating-point samples, whose white level is unknown, are stretched to their range.

    Raises:
        StyleNetError: The layout is not supported.
    """
    with path.open("rb") as file:
        offset, tags = read_directories(file)[index]
        try:
            layout = _Layout(tags)
        except KeyError as error:
            raise StyleNetError(f"{path} is damaged: TIFF tag {error} is missing") from error
        layout.check(path)
        samples = np.stack(
            [layout.read(file, tags, plane) for plane in range(layout.planes)], axis=2
        ).reshape(layout.height, layout.width, layout.channels)
        image = apply_orientation(_to_image(samples, layout, tags), int(tags.get(_ORIENTATION, 1)))
        if tags.get(_ICC):
            image.info["icc_profile"] = tags[_ICC]
        _add_exif(image, file, offset, tags)
    return image


class _Layout:
    """Layout of the samples of a TIFF image in its file."""

    def __init__(self, tags: ImageFileDirectory_v2) -> None:
        self.width, self.height = int(tags[_WIDTH]), int(tags[_HEIGHT])
        self.channels = int(tags.get(_CHANNELS, 1))
        self.all_bits = tuple(tags.get(_BITS, (1,)))
        self.bits = int(self.all_bits[0])
        self.format = int(_first(tags.get(_FORMAT, _UNSIGNED)))
        self.photometric = int(tags.get(_PHOTOMETRIC, _WHITE_IS_0))  # the default of Pillow
        self.compression = int(tags.get(_COMPRESSION, 1))
        self.predictor = int(tags.get(_PREDICTOR, 1))
        self.planes = self.channels if tags.get(_PLANES) == _SEPARATE else 1
        self.big_endian = tags.prefix == b"MM"
        self.tiled = _TILES in tags
        self.block_width = int(tags[_TILE_WIDTH]) if self.tiled else self.width
        self.across = -(-self.width // self.block_width)
        self.interleaved = self.channels // self.planes  # samples of a pixel in one plane

    def check(self, path: Path) -> None:
        """Raise an error that describes an unsupported layout."""
        if max(self.width, self.height) > MAX_SIDE or self.width * self.height > MAX_PIXELS:
            raise StyleNetError(f"{path} is too large: {self.width}x{self.height} pixels")
        if not self._is_supported():
            sign = {_SIGNED: "signed ", _FLOAT: "floating-point "}.get(self.format, "")
            bits = "/".join(map(str, sorted(set(self.all_bits))))
            raise StyleNetError(
                f"{path} is a TIFF with {self.channels} {sign}samples of {bits} bits a pixel, "
                f"photometric interpretation {self.photometric}, compression {self.compression}, "
                f"predictor {self.predictor}, which cannot be read; save it with 8 or 16 bits a "
                f"sample, or as .png"
            )

    def _is_supported(self) -> bool:
        bits, is_float = self.bits, self.format == _FLOAT
        colors = _COLORS.get(self.photometric)
        if colors is None or colors > self.channels or set(self.all_bits) != {bits}:
            return False
        if self.format == _UNSIGNED:
            has_type = bits <= 16 or bits in (32, 64)
        else:
            has_type = self.format in (_SIGNED, _FLOAT) and bits in (8, 16, 32, 64)
        if not has_type or (is_float and bits == 8) or (self.photometric == _PALETTE and bits > 8):
            return False
        takes_differences = bits in (8, 16, 32) and not is_float
        return self.compression in PLAIN_COMPRESSIONS and (
            self.predictor == 1 or (self.predictor == 2 and takes_differences)
        )

    def read(self, file: BinaryIO, tags: ImageFileDirectory_v2, plane: int) -> np.ndarray:
        """Return the samples of a plane, shape (H, W, channels of the plane)."""
        block_samples = self.block_width * self.interleaved
        block_bytes = -(-block_samples * self.bits // 8)
        rows = self._decompress(file, tags, plane, block_bytes)  # (H, blocks of bytes)
        blocks = rows.reshape(self.height, self.across, block_bytes)
        samples = np.concatenate(
            [self._to_samples(blocks[i : i + _BAND]) for i in range(0, self.height, _BAND)]
        )  # (H, blocks, samples of a block)
        pixels = samples.reshape(self.height, self.across, self.block_width, self.interleaved)
        if self.predictor == 2:  # each sample is the difference to the one on its left
            pixels = np.cumsum(pixels, axis=2, dtype=pixels.dtype)
        return pixels.reshape(self.height, -1, self.interleaved)[:, : self.width]

    def _decompress(
        self, file: BinaryIO, tags: ImageFileDirectory_v2, plane: int, block_bytes: int
    ) -> np.ndarray:
        """Let Pillow decompress a plane as 8-bit gray; return shape (H, bytes of a row)."""
        names = (_TILES, _TILE_BYTES) if self.tiled else (_STRIPS, _STRIP_BYTES)
        offsets, sizes = (_all(tags[name]) for name in names)
        number = len(offsets) // self.planes
        blocks = slice(plane * number, (plane + 1) * number)
        body, starts = bytearray(b"II*\0\0\0\0\0"), []
        for offset, size in zip(offsets[blocks], sizes[blocks], strict=True):
            file.seek(offset)
            starts.append(len(body))
            body += file.read(size)
        gray = {
            _WIDTH: (self.across * block_bytes,),
            _HEIGHT: (self.height,),
            _BITS: (8,),
            _COMPRESSION: (self.compression,),
            _PHOTOMETRIC: (_BLACK_IS_0,),
            _FILL_ORDER: (int(tags.get(_FILL_ORDER, 1)),),
            _CHANNELS: (1,),
            names[0]: tuple(starts),
            names[1]: sizes[blocks],
        }
        if self.tiled:
            gray |= {_TILE_WIDTH: (block_bytes,), _TILE_HEIGHT: (int(tags[_TILE_HEIGHT]),)}
        else:
            gray[_ROWS] = (min(int(tags.get(_ROWS, self.height)), self.height),)
        _append_directory(body, gray)
        with Image.open(BytesIO(body), formats=["TIFF"]) as image:
            return np.asarray(image)

    def _to_samples(self, blocks: np.ndarray) -> np.ndarray:
        """Interpret the bytes along the last axis as samples."""
        if self.bits in (8, 16, 32, 64):
            code = {_UNSIGNED: "u", _SIGNED: "i", _FLOAT: "f"}[self.format]
            order = ">" if self.big_endian else "<"
            return blocks.view(f"{order}{code}{self.bits // 8}").astype(f"{code}{self.bits // 8}")
        number = self.block_width * self.interleaved
        bits = np.unpackbits(blocks, axis=-1)[..., : number * self.bits]
        samples = np.zeros((*blocks.shape[:-1], number), dtype=np.uint16)
        for bit in range(self.bits):  # the highest bit first, in either byte order
            samples = samples << 1 | bits[..., bit :: self.bits]
        return samples


def _append_directory(body: bytearray, tags: dict[int, tuple[int, ...]]) -> None:
    """Append the only directory of a little-endian TIFF file; all values are 32-bit integers."""
    entries = b""
    for tag, values in sorted(tags.items()):
        value = values[0]
        if len(values) > 1:
            value = len(body)
            body += struct.pack(f"<{len(values)}I", *values)
        entries += struct.pack("<HHII", tag, _LONG, len(values), value)
    body += b"\0" * (len(body) % 2)
    struct.pack_into("<I", body, 4, len(body))
    body += struct.pack("<H", len(tags)) + entries + bytes(4)


def _to_image(samples: np.ndarray, layout: _Layout, tags: ImageFileDirectory_v2) -> Image.Image:
    """Convert samples (H, W, channels) to an image with 8 bits per sample."""
    if layout.photometric == _PALETTE:
        color_map = np.array(tags[_COLOR_MAP]).reshape(3, -1).T >> 8
        return Image.fromarray(color_map[samples[..., 0]].astype(np.uint8))
    colors = _COLORS[layout.photometric]
    extra = _all(tags.get(_EXTRA, ()))
    if not extra and layout.photometric == _RGB and layout.channels == 4:
        extra = (_ALPHA,)  # as Pillow reads files that leave the tag out
    has_alpha = bool(extra) and extra[0] in (_PREMULTIPLIED, _ALPHA) and layout.channels > colors
    pixels = _to_8_bits(samples[..., :colors], *_black_and_white(samples[..., :colors], layout))
    if has_alpha:
        value_bits = layout.bits - (layout.format == _SIGNED)
        opaque = 1.0 if layout.format == _FLOAT else float(2**value_bits - 1)
        alpha = _to_8_bits(samples[..., colors : colors + 1], 0.0, opaque)
        pixels = np.concatenate([pixels, alpha], axis=-1)
    if layout.photometric == _WHITE_IS_0:
        pixels[..., 0] = 255 - pixels[..., 0]
    if layout.photometric == _CMYK:
        return Image.fromarray(np.ascontiguousarray(pixels[..., :4]), "CMYK")
    if not has_alpha:
        return Image.fromarray(pixels[..., 0] if colors == 1 else pixels)
    modes = {(1, _ALPHA): "LA", (1, _PREMULTIPLIED): "La", (3, _ALPHA): "RGBA"}
    mode = modes.get((colors, extra[0]), "RGBa")
    return Image.frombytes(mode, (layout.width, layout.height), pixels.tobytes())


def _black_and_white(colors: np.ndarray, layout: _Layout) -> tuple[float, float]:
    """Return the levels of black and white: by the number of bits, or the range of the samples.

    32-bit gray whose values fit into 16 bits counts as 16-bit gray, as in ``wide.narrow``.
    """
    if layout.format == _UNSIGNED and (layout.bits <= 16 or colors.shape[-1] > 1):
        return 0.0, float(2**layout.bits - 1)
    finite = np.nan_to_num(colors.astype(np.float64), posinf=0, neginf=0)
    low, high = float(finite.min()), float(finite.max())
    if layout.format != _FLOAT and layout.bits > 8 and low >= 0 and high <= 65535:
        return 0.0, 65535.0
    return low, high


def _to_8_bits(samples: np.ndarray, low: float, high: float) -> np.ndarray:
    result = np.empty(samples.shape, dtype=np.uint8)
    for top in range(0, len(samples), _BAND):
        values = np.nan_to_num(samples[top : top + _BAND].astype(np.float64), posinf=0, neginf=0)
        scaled = (values - low) * (255 / max(high - low, 1e-12))
        result[top : top + _BAND] = scaled.round().clip(0, 255)
    return result


def _add_exif(image: Image.Image, file: BinaryIO, offset: int, tags: ImageFileDirectory_v2) -> None:
    """Put the EXIF data of a directory into ``info``; damaged data are ignored."""
    exif = Image.Exif()
    try:
        exif.endian = ">" if tags.prefix == b"MM" else "<"
        exif.load_from_fp(file, offset)
        block = describing_exif(exif)
    except Exception:
        return
    if block is not None:
        image.info["exif"] = block


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _all(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
