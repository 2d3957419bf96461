"""Read lists of picture URLs (text, CSV, or ImageNet's `<category_id> <url>`) or a random subset of one, in one pass.

python -c "from generate.collecting.listing import *; print(read_list(Path('urls.txt'), limit=5, seed=0))"
"""

from __future__ import annotations

import csv
import gzip
import random
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

import click

from generate.collecting.provenance import FAILED, Row

T = TypeVar("T")
WORDNET = re.compile(r"(n\d{8})_\d+")  # ImageNet numbers the pictures of a category: n07753592_17
COLUMNS = {"license": "licence", "licence": "licence", "creator": "author", "author": "author", "page": "page"}


def reservoir(items: Iterable[T], limit: int | None, seed: int) -> list[T]:
    """A uniformly random subset of `limit` items in their original order; None keeps all.

    Takes one pass and holds `limit` items in memory. Vitter, "Random Sampling with a Reservoir",
    1985, algorithm R.
    """
    if limit is None:
        return list(items)
    draw = random.Random(seed)
    kept: list[tuple[int, T]] = []
    for i, item in enumerate(items):
        if i < limit:
            kept.append((i, item))
        elif (place := draw.randrange(i + 1)) < limit:
            kept[place] = (i, item)
    return [item for _, item in sorted(kept, key=lambda pair: pair[0])]


def read_list(path: Path, limit: int | None, seed: int) -> list[Row]:
    """The rows of a list of URLs, `file` empty; lines that are not http(s) URLs become rows with the status failed.

    The list is text with a line `<url>` or `<category> <url>` (ImageNet's) for each picture; or a CSV whose header has a
    column `url` and optionally page, author, licence and category; or a CSV without a header, with the URL in the second
    or a later column. It may be compressed (.gz). Duplicate URLs are dropped.
    Raises click.ClickException if there is no URL at all.
    """
    try:
        rows = {row.url: row for row in reservoir(_lines(path), limit, seed)}
    except (csv.Error, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise click.ClickException(f"{path} can't be read as a list of URLs: {error}.") from None
    if not any(row.status != FAILED for row in rows.values()):
        raise click.ClickException(
            f"{path} holds no http or https URLs: give a list with one a line, a CSV with a column `url`, a folder or an archive."
        )
    return list(rows.values())


def _lines(path: Path) -> Iterator[Row]:
    open_list = gzip.open if path.suffix == ".gz" else open
    with open_list(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
        first = file.readline()
        header = [name.strip().strip('"').lower() for name in first.split(",")]
        if "url" in header:
            names = [COLUMNS.get(name, name) for name in header]
            for cells in csv.reader(file):
                if cells:
                    yield _csv_row(dict(zip(names, cells, strict=False)))
            return
        for line in chain([first], file):
            yield from _text_row(line)


def _csv_row(cells: dict[str, str]) -> Row:
    known = {name: cells.get(name, "").strip() for name in ("url", "page", "author", "licence", "category")}
    return _checked(Row(file="", **known))


def _text_row(line: str) -> Iterator[Row]:
    words = line.split(maxsplit=1)
    if not words or words[0].startswith("#"):
        return
    cells = next(csv.reader([line])) if not _is_url(words[0]) else []
    if url := next((cell.strip() for cell in cells[1:] if _is_url(cell.strip())), ""):
        yield _checked(Row(file="", url=url))  # a CSV without a header
    elif len(words) == 1 or _is_url(words[0]):
        yield _checked(Row(file="", url=words[0]))
    else:
        number = WORDNET.fullmatch(words[0])
        yield _checked(Row(file="", category=number[1] if number else words[0], url=words[1].strip()))


def _checked(row: Row) -> Row:
    if _is_url(row.url):
        return row
    return replace(row, status=FAILED, reason="not an http or https URL")


def _is_url(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))
