"""Containers of animated GIF, PNG and WebP, assembled from frames encoded as single images."""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO


class GifWriter:
    """Writer of animated GIF (GIF89a specification, with Netscape's extension for repetitions).

    Every frame has its own palette and is cleared before the next one, which may be transparent
    where this one is not.

    Args:
        file: Open for writing.
        size: Width and height.
        plays: Number of times that the animation plays; 0 for endlessly.
    """

    unit = 10.0
    max_ticks = 2**16 - 1

    def __init__(self, file: BinaryIO, size: tuple[int, int], plays: int) -> None:
        self.file, self.size = file, size
        file.write(b"GIF89a" + struct.pack("<HHBBB", *size, 0x70, 0, 0))
        if plays != 1:
            loop = struct.pack("<BBHB", 3, 1, max(0, plays - 1), 0)
            file.write(b"!\xff\x0bNETSCAPE2.0" + loop)

    def add(self, encoded: bytes, ticks: int) -> None:
        """Add a frame.

        Args:
            encoded: A GIF file of one image with a global palette.
            ticks: Display time, in units of 10 ms.
        """
        bits = encoded[10] & 7
        offset = 13 + 3 * 2 ** (bits + 1)
        palette = encoded[13:offset]
        transparent = None
        while encoded[offset : offset + 1] == b"!":  # extensions, until the image
            if encoded[offset + 1] == 0xF9 and encoded[offset + 3] & 1:
                transparent = encoded[offset + 6]
            offset += 2
            while encoded[offset]:
                offset += 1 + encoded[offset]
            offset += 1
        disposal = 2 << 2
        flags, index = (disposal, 0) if transparent is None else (disposal | 1, transparent)
        self.file.write(b"!\xf9" + struct.pack("<BBHBB", 4, flags, ticks, index, 0))
        self.file.write(b"," + struct.pack("<HHHHB", 0, 0, *self.size, 0x80 | bits) + palette)
        self.file.write(encoded[offset + 10 : encoded.rindex(b";")])

    def close(self) -> None:
        """Write the end of the file."""
        self.file.write(b";")


class ApngWriter:
    """Writer of animated PNG (PNG specification, third edition, 11.3.5). All frames are RGBA.

    Args:
        file: Open for writing and seeking.
        size: Width and height.
        plays: Number of times that the animation plays; 0 for endlessly.
    """

    unit = 1.0
    max_ticks = 2**16 - 1

    def __init__(self, file: BinaryIO, size: tuple[int, int], plays: int) -> None:
        self.file, self.size, self.plays = file, size, plays
        self.frames = self.sequence = self.count_at = 0

    def add(self, encoded: bytes, ticks: int) -> None:
        """Add a frame.

        Args:
            encoded: A PNG file, RGBA with 8 bits.
            ticks: Display time, in milliseconds.
        """
        chunks = list(self._chunks(encoded))
        if self.frames == 0:
            self.file.write(encoded[:8])
            self._write(b"IHDR", next(body for name, body in chunks if name == b"IHDR"))
            self.count_at = self.file.tell()
            self._write(b"acTL", struct.pack(">II", 1, self.plays))
        control = struct.pack(">IIIIHHBB", *self.size, 0, 0, ticks, 1000, 0, 0)
        self._write_numbered(b"fcTL", control)
        for name, body in chunks:
            if name == b"IDAT" and self.frames == 0:
                self._write(b"IDAT", body)
            elif name == b"IDAT":
                self._write_numbered(b"fdAT", body)
        self.frames += 1

    def close(self) -> None:
        """Write the end of the file, and the number of frames at its beginning."""
        self._write(b"IEND", b"")
        self.file.seek(self.count_at)
        self._write(b"acTL", struct.pack(">II", self.frames, self.plays))

    def _chunks(self, encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
        offset = 8
        while offset < len(encoded):
            length, name = struct.unpack_from(">I4s", encoded, offset)
            yield name, encoded[offset + 8 : offset + 8 + length]
            offset += 12 + length

    def _write(self, name: bytes, body: bytes) -> None:
        check = zlib.crc32(name + body)
        self.file.write(struct.pack(">I", len(body)) + name + body + struct.pack(">I", check))

    def _write_numbered(self, name: bytes, body: bytes) -> None:
        self._write(name, struct.pack(">I", self.sequence) + body)
        self.sequence += 1


class WebpWriter:
    """Writer of animated WebP (RFC 9649, 2.7).

    Args:
        file: Open for writing and seeking.
        size: Width and height.
        plays: Number of times that the animation plays; 0 for endlessly.
    """

    unit = 1.0
    max_ticks = 2**24 - 1

    def __init__(self, file: BinaryIO, size: tuple[int, int], plays: int) -> None:
        self.file, self.size, self.plays = file, size, plays
        self.alpha = False
        self._write_header(0)

    def add(self, encoded: bytes, ticks: int) -> None:
        """Add a frame, which replaces the one before.

        Args:
            encoded: A WebP file of one image.
            ticks: Display time, in milliseconds.
        """
        image = b""
        offset = 12
        while offset < len(encoded):
            name, length = struct.unpack_from("<4sI", encoded, offset)
            end = offset + 8 + length + length % 2
            if name in (b"ALPH", b"VP8 ", b"VP8L"):
                image += encoded[offset:end]
            # A lossless image has a bit for transparency in its own header.
            self.alpha |= name == b"ALPH" or (name == b"VP8L" and encoded[offset + 12] & 0x10 != 0)
            offset = end
        replaces = 2
        box = _uint24(0) + _uint24(0) + _uint24(self.size[0] - 1) + _uint24(self.size[1] - 1)
        self._write(b"ANMF", box + _uint24(ticks) + bytes([replaces]) + image)

    def close(self) -> None:
        """Write the length of the file at its beginning."""
        length = self.file.tell() - 8
        self.file.seek(0)
        self._write_header(length)

    def _write_header(self, length: int) -> None:
        flags = 0x02 | (0x10 if self.alpha else 0)
        width, height = self.size
        self.file.write(struct.pack("<4sI4s", b"RIFF", length, b"WEBP"))
        self._write(b"VP8X", bytes([flags, 0, 0, 0]) + _uint24(width - 1) + _uint24(height - 1))
        self._write(b"ANIM", bytes(4) + struct.pack("<H", self.plays))

    def _write(self, name: bytes, body: bytes) -> None:
        self.file.write(name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2))


def _uint24(value: int) -> bytes:
    """Encode a number in three bytes, little-endian."""
    return value.to_bytes(3, "little")
