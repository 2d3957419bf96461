"""Where every collected picture comes from: the table `sources.csv` beside the pictures, one row each, failures too.

python -c "from generate.collecting.provenance import *; print(read_table(Path('photos/sources.csv'))[0].licence)"
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from generate.images import BadPicture, decode, write_text

KEPT, FAILED = "kept", "failed"


@dataclass(frozen=True)
class Row:
    """One picture that was wanted. `file` is its place below the folder, without a suffix until it is there."""

    file: str
    category: str = ""
    url: str = ""
    page: str = ""
    author: str = ""
    licence: str = ""
    fetched: str = ""  # UTC, ISO 8601
    sha256: str = ""  # of the file as it came
    status: str = ""  # kept, failed, or nothing while it is still to be fetched
    reason: str = ""


def read_table(path: Path) -> list[Row]:
    """The rows of a table that `write_table` wrote; none where there is no file."""
    if not path.exists():
        return []
    known = {field.name for field in fields(Row)}
    with path.open(encoding="utf-8", newline="") as file:
        return [Row(**{k: v for k, v in row.items() if k in known}) for row in csv.DictReader(file)]


def write_table(path: Path, rows: list[Row]) -> None:
    """Write all rows at once; nobody sees half of it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_text(path, text.getvalue())


def utc_now() -> str:
    """As in 2026-02-28T12:00:00Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(data: bytes) -> str:
    """Of the file as it came, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def check_picture(data: bytes, min_size: int) -> None:
    """Raises BadPicture for what can't be decoded whole, or whose shorter side has fewer than `min_size` pixels."""
    image = decode(io.BytesIO(data))
    if min(image.size) < min_size:
        raise BadPicture(f"too small: {image.width}x{image.height}, {min_size} px asked for")
