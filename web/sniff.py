"""Detect a picture's type and size from its first bytes, because file names can be wrong."""

from __future__ import annotations

SIGNATURES = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n", "image/gif": b"GIF8"}
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG markers followed by the picture's size


def sniff(data: bytes) -> str:
    """The content type, as in image/jpeg; "" for anything that the site doesn't serve."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for kind, start in SIGNATURES.items() if data.startswith(start)), "")


def measure(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, before EXIF rotation; None if the size can't be read."""
    kind = sniff(data)
    size = (0, 0)
    if kind == "image/png" and len(data) >= 24:
        size = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    elif kind == "image/gif" and len(data) >= 10:
        size = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    elif kind == "image/webp" and len(data) >= 30:
        size = _measure_webp(data)
    elif kind == "image/jpeg":
        size = _measure_jpeg(data)
    return size if all(size) else None


def _measure_webp(data: bytes) -> tuple[int, int]:
    """The size in any of the three kinds of first chunk (RFC 9649, sections 2.5 to 2.7)."""
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if data[12:16] == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return 0, 0


def _measure_jpeg(data: bytes) -> tuple[int, int]:
    """The size in the frame header, which comes after any number of other segments."""
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in FRAMES:
            height, width = data[position + 5 : position + 7], data[position + 7 : position + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        if marker == 0xFF:  # padding
            position += 1
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return 0, 0
