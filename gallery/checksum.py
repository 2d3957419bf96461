"""The checksum that Cloud Storage keeps of every object."""

from __future__ import annotations

import google_crc32c


def crc32c(data: bytes) -> int:
    """Return the CRC32C (Castagnoli), an unsigned 32-bit integer."""
    return int(google_crc32c.value(data))
