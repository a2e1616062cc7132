"""The containers of animated GIF, PNG and WebP: frames, each encoded as a file, put into one."""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO


class GifWriter:
    """Writes a GIF (GIF89a specification; the repetitions are Netscape's extension).

    Every frame brings its own palette and is cleared before the next one, which might be
    transparent where this one is not.

    Args:
        file: Open for writing.
        size: Width and height.
        plays: How often in all; 0 for endlessly.
    """

    unit = 10.0
    most = 2**16 - 1

    def __init__(self, file: BinaryIO, size: tuple[int, int], plays: int) -> None:
        self.file, self.size = file, size
        file.write(b"GIF89a" + struct.pack("<HHBBB", *size, 0x70, 0, 0))
        if plays != 1:
            loop = struct.pack("<BBHB", 3, 1, max(0, plays - 1), 0)
            file.write(b"!\xff\x0bNETSCAPE2.0" + loop)

    def add(self, encoded: bytes, ticks: int) -> None:
        """Adds a frame.

        Args:
            encoded: A GIF file of one image with a global palette.
            ticks: How long it is shown, in units of 10 ms.
        """
        bits = encoded[10] & 7
        at = 13 + 3 * 2 ** (bits + 1)
        palette = encoded[13:at]
        see_through = None
        while encoded[at : at + 1] == b"!":  # extensions, until the image
            if encoded[at + 1] == 0xF9 and encoded[at + 3] & 1:
                see_through = encoded[at + 6]
            at += 2
            while encoded[at]:
                at += 1 + encoded[at]
            at += 1
        disposal = 2 << 2
        flags, index = (disposal, 0) if see_through is None else (disposal | 1, see_through)
        self.file.write(b"!\xf9" + struct.pack("<BBHBB", 4, flags, ticks, index, 0))
        self.file.write(b"," + struct.pack("<HHHHB", 0, 0, *self.size, 0x80 | bits) + palette)
        self.file.write(encoded[at + 10 : encoded.rindex(b";")])

    def close(self) -> None:
        """Ends the file."""
        self.file.write(b";")


class ApngWriter:
    """Writes an animated PNG (PNG specification, third edition, 11.3.5). All frames are RGBA.

    Args:
        file: Open for writing and seeking.
        size: Width and height.
        plays: How often in all; 0 for endlessly.
    """

    unit = 1.0
    most = 2**16 - 1

    def __init__(self, file: BinaryIO, size: tuple[int, int], plays: int) -> None:
        self.file, self.size, self.plays = file, size, plays
        self.frames = self.sequence = self.count_at = 0

    def add(self, encoded: bytes, ticks: int) -> None:
        """Adds a frame.

        Args:
            encoded: A PNG file, RGBA with 8 bits.
            ticks: How long it is shown, in milliseconds.
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
        """Ends the file, and writes at its beginning how many frames it has."""
        self._write(b"IEND", b"")
        self.file.seek(self.count_at)
        self._write(b"acTL", struct.pack(">II", self.frames, self.plays))

    def _chunks(self, encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
        at = 8
        while at < len(encoded):
            length, name = struct.unpack_from(">I4s", encoded, at)
            yield name, encoded[at + 8 : at + 8 + length]
            at += 12 + length

    def _write(self, name: bytes, body: bytes) -> None:
        check = zlib.crc32(name + body)
        self.file.write(struct.pack(">I", len(body)) + name + body + struct.pack(">I", check))

    def _write_numbered(self, name: bytes, body: bytes) -> None:
        self._write(name, struct.pack(">I", self.sequence) + body)
        self.sequence += 1


class WebpWriter:
    """Writes an animated WebP (RFC 9649, 2.7).

    Args:
        file: Open for writing and seeking.
        size: Width and height.
        plays: How often in all; 0 for endlessly.
    """

    unit = 1.0
    most = 2**24 - 1

    def __init__(self, file: BinaryIO, size: tuple[int, int], plays: int) -> None:
        self.file, self.size, self.plays = file, size, plays
        self.alpha = False
        self._write_header(0)

    def add(self, encoded: bytes, ticks: int) -> None:
        """Adds a frame, which replaces the one before.

        Args:
            encoded: A WebP file of one image.
            ticks: How long it is shown, in milliseconds.
        """
        image = b""
        at = 12
        while at < len(encoded):
            name, length = struct.unpack_from("<4sI", encoded, at)
            end = at + 8 + length + length % 2
            if name in (b"ALPH", b"VP8 ", b"VP8L"):
                image += encoded[at:end]
            # A lossless image says in a bit of its own whether it has transparency.
            self.alpha |= name == b"ALPH" or (name == b"VP8L" and encoded[at + 12] & 0x10 != 0)
            at = end
        replaces = 2
        place = _three(0) + _three(0) + _three(self.size[0] - 1) + _three(self.size[1] - 1)
        self._write(b"ANMF", place + _three(ticks) + bytes([replaces]) + image)

    def close(self) -> None:
        """Ends the file, and writes at its beginning how long it is."""
        length = self.file.tell() - 8
        self.file.seek(0)
        self._write_header(length)

    def _write_header(self, length: int) -> None:
        flags = 0x02 | (0x10 if self.alpha else 0)
        width, height = self.size
        self.file.write(struct.pack("<4sI4s", b"RIFF", length, b"WEBP"))
        self._write(b"VP8X", bytes([flags, 0, 0, 0]) + _three(width - 1) + _three(height - 1))
        self._write(b"ANIM", bytes(4) + struct.pack("<H", self.plays))

    def _write(self, name: bytes, body: bytes) -> None:
        self.file.write(name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2))


def _three(value: int) -> bytes:
    """A number in three bytes, the lowest first."""
    return value.to_bytes(3, "little")
