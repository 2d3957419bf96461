"""Open a list as text, compressed or not, in the encoding that its first bytes tell.

python -c "from generate.collecting.opening import *; print(open_text(Path('urls.txt')).read(100))"
"""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SAMPLE = 100  # rows by which columns are recognised
Cells = Sequence[str]
GZIP = b"\x1f\x8b"
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


def open_text(path: Path) -> io.TextIOBase:
    """The list as text; what is gzipped is told by content. Raises what gzip does on a damaged file."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    opened: Any = gzip.open(path) if packed else path.open("rb")  # noqa: SIM115  # closed with the text
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
