"""A plot of a sine as a PNG, for a stand-in that is asked for one and has no Python to execute."""

from __future__ import annotations

import math
import struct
import zlib

WIDTH, HEIGHT = 240, 120


def sine_plot() -> bytes:
    """One period of sin(x), with its axis."""
    rows = [bytearray(b"\xff" * WIDTH) for _ in range(HEIGHT)]
    middle, amplitude = HEIGHT // 2, HEIGHT // 2 - 8
    rows[middle][:] = b"\xc0" * WIDTH
    before = middle
    for x in range(WIDTH):
        y = middle - round(amplitude * math.sin(2 * math.pi * x / WIDTH))
        for at in range(min(before, y), max(before, y) + 2):
            rows[at][x] = 0
        before = y
    return _png(rows)


def _png(rows: list[bytearray]) -> bytes:
    """A grey picture of 8 bits a pixel."""
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    lines = b"".join(b"\0" + bytes(row) for row in rows)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
