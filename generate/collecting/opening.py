"""Open a list of URLs as text, decompressed and with its encoding detected; recognise URLs.

python -c "from generate.collecting.opening import *; print(open_text(Path('urls.txt')).read(100))"
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from generate.formats import SUFFIXES

SAMPLE = 100  # rows used to recognise columns
Cells = Sequence[str]
PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}  # by magic number
NEXT_URL = re.compile(r"[\s,;|]+[\"'<]*(?=https?://)", re.IGNORECASE)  # separator between two URLs
SAMPLE_BYTES = 1 << 20  # bytes used to detect the encoding
MARKS = (  # byte order marks; UTF-32 first, since UTF-16's is a prefix of it
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
WIDE: dict[tuple[bool, ...], str] = {  # by which of the first four bytes are 0 in ASCII text
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}


def is_url(text: str) -> bool:
    """Whether the text starts as an http or https URL."""
    return text.lower().startswith(("http://", "https://"))


def shows_picture(url: str) -> bool:
    """Whether the URL's path has a picture's suffix."""
    try:
        return is_url(url) and PurePosixPath(urlsplit(url.strip()).path).suffix.lower() in SUFFIXES
    except ValueError:
        return False


def open_text(path: Path) -> io.TextIOBase:
    """Open as text, decompressing gzip, bzip2 and xz. Raises the decompressor's errors for a damaged file."""
    with path.open("rb") as file:
        head = file.read(16)
    unpack = next((unpack for start, unpack in PACKED.items() if head.startswith(start)), io.open)
    opened: Any = unpack(path, "rb")  # closed with the text wrapper
    encoding = encoding_of(opened.read(SAMPLE_BYTES))
    opened.seek(0)
    return io.TextIOWrapper(opened, encoding, errors="replace", newline="")


def encoding_of(sample: bytes) -> str:
    """Detect UTF-8, UTF-16 or UTF-32 (Excel and PowerShell write them); otherwise assume Windows-1252."""
    for mark, encoding in MARKS:
        if sample.startswith(mark):
            return encoding
    if wide := WIDE.get(tuple(byte == 0 for byte in sample[:4])):
        return wide
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
        return "utf-8"
    except UnicodeDecodeError:
        return "cp1252"
