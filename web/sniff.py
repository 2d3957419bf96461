"""What kind of picture a file is, by its first bytes: names can be wrong."""

from __future__ import annotations

SIGNATURES = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n", "image/gif": b"GIF8"}


def sniff(data: bytes) -> str:
    """The content type, as in image/jpeg; "" for anything that the site doesn't serve."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for kind, start in SIGNATURES.items() if data.startswith(start)), "")
