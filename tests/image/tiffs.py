"""TIFF files of types that Pillow does not write."""

import struct
import zlib

import numpy as np

BLACK_IS_0, WHITE_IS_0, RGB, CMYK = 1, 0, 2, 5
PREMULTIPLIED, ALPHA = 1, 2


def pack(rows, bits, order):
    """Pack samples (H, n) into bytes: highest bit first, each row starts at a new byte."""
    if bits in (8, 16, 32):
        return rows.astype(f"{order}u{bits // 8}").tobytes()
    shifts = np.arange(bits)[::-1]
    unpacked = (rows[..., np.newaxis] >> shifts & 1).astype(np.uint8)
    return np.packbits(unpacked.reshape(len(rows), -1), axis=1).tobytes()


def tiff(
    samples,
    bits,
    photometric=None,
    order="<",
    separate=False,
    deflate=False,
    rows_per_strip=None,
    extra=None,
    orientation=1,
    subfile=0,
):
    """Return a TIFF file of one image with samples (H, W) or (H, W, C)."""
    samples = np.atleast_3d(samples)
    height, width, channels = samples.shape
    if photometric is None:
        photometric = BLACK_IS_0 if channels < 3 else RGB
    rows_per_strip = rows_per_strip or height
    planes = np.moveaxis(samples, -1, 0)[..., np.newaxis] if separate else samples[np.newaxis]
    strips = [
        pack(plane[top : top + rows_per_strip].reshape(-1, width * plane.shape[-1]), bits, order)
        for plane in planes
        for top in range(0, height, rows_per_strip)
    ]
    if deflate:
        strips = [zlib.compress(strip) for strip in strips]
    short, long = ("H", 3), ("I", 4)
    body = b""
    offsets = []
    for strip in strips:
        offsets.append(8 + len(body))
        body += strip + b"\0" * (len(strip) % 2)
    tags = [
        (254, long, [subfile]),
        (256, long, [width]),
        (257, long, [height]),
        (258, short, [bits] * channels),
        (259, short, [8 if deflate else 1]),
        (262, short, [photometric]),
        (273, long, offsets),
        (274, short, [orientation]),
        (277, short, [channels]),
        (278, long, [rows_per_strip]),
        (279, long, [len(strip) for strip in strips]),
        (284, short, [2 if separate else 1]),
    ]
    if extra is not None:
        tags.append((338, short, [extra]))
    entries = b""
    for tag, (form, field_type), values in tags:
        value = struct.pack(f"{order}{len(values)}{form}", *values)
        if len(value) > 4:
            at = 8 + len(body)
            body += value + b"\0" * (len(value) % 2)
            value = struct.pack(f"{order}I", at)
        entries += struct.pack(f"{order}HHI", tag, field_type, len(values)) + value.ljust(4, b"\0")
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(body))
    return header + body + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
