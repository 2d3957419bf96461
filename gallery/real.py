"""The real pictures in a release, for the game "Which one is real?": one object with pictures, authors and licences.

data = pack_real([Real("cats", b"...", "Anna Smith", "CC BY 4.0 https://...", "https://...")])
unpack_real(data)
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from gallery import GalleryError
from gallery.fields import loads
from gallery.thumbnails import ZIP_TIME

REAL_FILE = "real.zip"  # its name below the release
CREDITS = "credits.jsonl"  # in it, one line per picture; the pictures are named 00000, 00001, ...


@dataclass(frozen=True)
class Real:
    """A real picture, of the release's size and type. Unknown fields are ""."""

    category: str  # slug
    data: bytes
    author: str = ""
    licence: str = ""  # name, and URL if there is one
    page: str = ""  # URL of its source


def pack_real(pictures: Sequence[Real]) -> bytes:
    """Pack pictures and credits into one object, the same bytes for the same ones."""
    file = io.BytesIO()
    rows = [{"category": p.category, "author": p.author, "licence": p.licence, "page": p.page} for p in pictures]
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(CREDITS, ZIP_TIME), "".join(json.dumps(row) + "\n" for row in rows))
        for number, picture in enumerate(pictures):
            archive.writestr(zipfile.ZipInfo(f"{number:05d}", ZIP_TIME), picture.data)
    return file.getvalue()


def unpack_real(data: bytes) -> tuple[Real, ...]:
    """Unpack an object of `pack_real`. Raises GalleryError if it is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            rows = [loads(line) for line in archive.read(CREDITS).splitlines()]
            return tuple(
                Real(
                    str(row["category"]),
                    archive.read(f"{n:05d}"),
                    *(str(row[k]) for k in ("author", "licence", "page")),
                )
                for n, row in enumerate(rows)
            )
    except Exception as error:  # zipfile raises many kinds for damaged files
        raise GalleryError(f"{REAL_FILE} is damaged ({error}): publish again.") from error
