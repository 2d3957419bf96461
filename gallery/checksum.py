"""The checksum that Cloud Storage keeps of every object."""

from __future__ import annotations

import google_crc32c


def crc32c(data: bytes) -> int:
    """CRC32C (Castagnoli), as an unsigned 32-bit number."""
    return int(google_crc32c.value(data))
