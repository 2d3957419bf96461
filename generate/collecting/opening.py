"""Open a list as text, compressed or not, in the encoding that its first bytes tell; what a URL in it looks like.

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

SAMPLE = 100  # rows by which columns are recognised
Cells = Sequence[str]
PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}  # by the first bytes
NEXT_URL = re.compile(r"[\s,;|]+[\"'<]*(?=https?://)", re.IGNORECASE)  # what is between two URLs
SAMPLE_BYTES = 1 << 20  # by which UTF-8 is told from other encodings
MARKS = (  # UTF-32's first, since UTF-16's is the start of it
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
WIDE: dict[tuple[bool, ...], str] = {  # which of the first four bytes of ASCII are 0
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}


def is_url(text: str) -> bool:
    """Whether it is an http or https URL."""
    return text.lower().startswith(("http://", "https://"))


def shows_picture(url: str) -> bool:
    """Whether the path of a URL ends like a picture's."""
    try:
        return is_url(url) and PurePosixPath(urlsplit(url.strip()).path).suffix.lower() in SUFFIXES
    except ValueError:
        return False


def open_text(path: Path) -> io.TextIOBase:
    """The list as text, unpacked if its content is gzip, bzip2 or xz. Raises what these do on a damaged file."""
    with path.open("rb") as file:
        head = file.read(16)
    unpack = next((unpack for start, unpack in PACKED.items() if head.startswith(start)), io.open)
    opened: Any = unpack(path, "rb")  # closed with the text
    encoding = encoding_of(opened.read(SAMPLE_BYTES))
    opened.seek(0)
    return io.TextIOWrapper(opened, encoding, errors="replace", newline="")


def encoding_of(sample: bytes) -> str:
    """UTF-8 where it is, UTF-16 or 32 as Excel and PowerShell write them, else the code page of Western Windows."""
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
