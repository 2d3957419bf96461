"""Read and write `sources.csv`, which records the source of each collected or failed picture.

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

KEPT, FAILED, LEFT = "kept", "failed", "left"  # left: the next run asks for it again, since its host was busy


@dataclass(frozen=True)
class Row:
    """One picture. `file` is its path below the folder; the suffix is added when it is downloaded."""

    file: str
    category: str = ""
    url: str = ""
    page: str = ""
    author: str = ""
    licence: str = ""
    fetched: str = ""  # UTC, ISO 8601
    sha256: str = ""  # of the downloaded file
    status: str = ""  # kept, failed, left, or "" if not yet fetched
    reason: str = ""


def read_table(path: Path) -> list[Row]:
    """Read a table written by `write_table`; [] if there is no file."""
    if not path.exists():
        return []
    known = {field.name for field in fields(Row)}
    with path.open(encoding="utf-8", newline="") as file:
        return [Row(**{k: v for k, v in row.items() if k in known}) for row in csv.DictReader(file)]


def write_table(path: Path, rows: list[Row]) -> None:
    """Write all rows atomically."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    write_text(path, text.getvalue())


def utc_now() -> str:
    """The current time as 2026-02-28T12:00:00Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def check_picture(data: bytes, min_size: int) -> None:
    """Raise BadPicture if the picture can't be decoded completely or its shorter side is below `min_size` pixels."""
    image = decode(io.BytesIO(data))
    if min(image.size) < min_size:
        raise BadPicture(f"too small: {image.width}x{image.height}, {min_size} px required")
