"""Read lists of picture URLs (text, tables, or ImageNet's `<category_id> <url>`) or a random subset of one, in one pass.

python -c "from generate.collecting.listing import *; print(read_list(Path('urls.txt'), limit=5, seed=0))"
"""

from __future__ import annotations

import csv
import gzip
import lzma
import random
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import click

from generate.collecting.opening import NEXT_URL, SAMPLE, is_url, open_text, shows_picture
from generate.collecting.provenance import FAILED, Row
from generate.collecting.tables import LICENCE, are_ids, means_url, read_table_rows
from generate.units import plural

T = TypeVar("T")
WORDNET = re.compile(r"(n\d{8})_\d+")  # ImageNet numbers the pictures of a category: n07753592_17
CATEGORY_URL = re.compile(r"(?![\"'<(\[]*https?://)(\S.*?)[\s,;:|]+[\"'<]*(https?://.*)", re.IGNORECASE)
IN_TEXT = re.compile(r"""https?://[^\s<>"'()\[\]]+""", re.IGNORECASE)
AROUND = " \t,;|\"'<>"  # characters stripped around a URL or a category


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

    The list is text with a line `<url>` or `<category> <url>` (ImageNet's) for each picture; or a table, see
    `generate.collecting.tables`. Text may be compressed with gzip, bzip2 or xz. Rows that repeat a URL are passed over and
    counted on stderr.
    Raises click.ClickException if there is no URL at all.
    """
    try:
        table = read_table_rows(path)
        rows = _subset((Row(file="", **fields) for fields in table), limit, seed) if table is not None else []
        if table is None or not (_holds_urls(rows) or _is_structured(path)):  # text, perhaps mistaken for a table
            rows = _subset(_text_rows(path), limit, seed)
        first = _first_line(path)
    except (csv.Error, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        if getattr(error, "errno", None):  # an I/O error, not bad content
            raise
        raise click.ClickException(f"{path} can't be read as a list of URLs: {error}.") from None
    if not _holds_urls(rows):
        raise click.ClickException(
            f"{path} holds no http or https URLs ({first}): give a list with one a line, a CSV, TSV, JSON or Parquet table "
            "with a column `url`, a folder or an archive."
        )
    unique = {row.url: row for row in rows}
    if repeated := len(rows) - len(unique):
        click.echo(f"passed over {plural(repeated, 'row')}, the URL is in another row", err=True)
    return list(unique.values())


def _subset(found: Iterable[Row], limit: int | None, seed: int) -> list[Row]:
    return reservoir(map(_checked, found), limit, seed)


def _holds_urls(rows: list[Row]) -> bool:
    return any(row.status != FAILED for row in rows)


def _is_structured(path: Path) -> bool:
    """True for Parquet and JSON, which are never read as text."""
    with path.open("rb") as binary:
        if binary.read(4) == b"PAR1":
            return True
    with open_text(path) as file:
        return file.read(SAMPLE).lstrip()[:1] in ("[", "{")


def _first_line(path: Path) -> str:
    """Describes the start of a list without URLs, for an error message."""
    with open_text(path) as file:
        first = next((text for line in islice(file, SAMPLE) if (text := line.strip())), "")
    if not first:
        return "it is empty"
    return f"it begins with {first!r:.60}" if first.isprintable() else "it is not text"


def _text_rows(path: Path) -> Iterator[Row]:
    with open_text(path) as file:
        lines = list(islice(file, SAMPLE))
        matches = [match for line in lines if (match := CATEGORY_URL.fullmatch(line.strip()))]
        ids = are_ids([match[1] for match in matches])
        for line in chain(lines, file):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            if match := CATEGORY_URL.fullmatch(line):
                number = WORDNET.fullmatch(match[1])
                name = number[1] if number else match[1].strip(AROUND + ":")
                none = ids or means_url(name) or not re.search(r"\w", name)  # - url: http://..., the - of a list
                for url in _urls_in(match[2]):
                    yield _text_row(url.strip(AROUND), "" if none else name)
                continue
            urls = [url.strip(AROUND) for url in _urls_in(line)]
            if not all(map(is_url, urls)):  # in Markdown, say
                urls = IN_TEXT.findall(line) or [line]
            yield from map(_text_row, urls)


def _urls_in(text: str) -> list[str]:
    """The URLs in a line, side by side or within a sentence, still with surrounding characters."""
    urls = NEXT_URL.split(text)
    in_text = [url.rstrip(".,;:") for found in IN_TEXT.findall(text) for url in NEXT_URL.split(found)]
    return in_text if len(in_text) > 1 and all(map(shows_picture, in_text)) else urls


def _text_row(text: str, category: str = "") -> Row:
    """The row of a URL, perhaps with words after it, such as 640 480 or a licence; a URL itself may contain spaces."""
    url, *words = re.split(r'[\s"]+', text.strip(), maxsplit=1)
    if not words or not shows_picture(url) or shows_picture(text):
        return Row(file="", url=text, category=category)
    licence = words[0] if LICENCE.fullmatch(words[0]) and not words[0].isdigit() else ""
    return Row(file="", url=url, category=category, licence=licence)


def _checked(row: Row) -> Row:
    """The row with lone surrogates (from JSON escapes) replaced; its status is failed if it has no URL."""
    row = Row(**{name: value.encode("utf-8", "backslashreplace").decode() for name, value in asdict(row).items()})
    if is_url(row.url):
        return row
    return replace(row, status=FAILED, reason="not an http or https URL")
