"""Read tables of picture URLs (CSV, TSV, JSON, JSON Lines, Parquet); columns are recognised by name and content.

python -c "from generate.collecting.tables import *; print(next(read_table_rows(Path('photos.tsv'))))"
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import click

from generate.collecting.opening import NEXT_URL, SAMPLE, Cells, is_url, open_text, shows_picture
from generate.collecting.records import json_table, parquet_table
from generate.formats import FORMATS, HEAD, sniff

SAMPLE_CHARS = 1 << 16
PREFACE = 20  # maximum number of lines before a header
DELIMITERS = "\t;|,^~\x01\x1f "
MARKDOWN = re.compile(r"\]\(<?https?://|^\s*(?:[-*+]|\d+\.)?\s*<https?://", re.MULTILINE)
csv.field_size_limit(1 << 24)  # characters per cell; some hold whole thumbnails
GOOD = {"image", "img", "picture", "original", "download", "media", "src", "content", "full", "jpg", "file"}
URL = {"url", "uri", "link", "href", "urls"}
BAD = set(
    "page landing author profile user owner licence license thumbnail thumb preview small source website homepage".split()
)
BAD |= {"avatar", "creator", "photographer", "logo", "web", "site"}
COLUMNS = {  # fields of a row, by words in column names
    "licence": set("licence license lizenz licencia licenza licenca licentie".split()),
    "author": set("author creator photographer artist autor urheber fotograf auteur autore auteur".split()),
    "page": {"page", "landing"},
    "category": set("category class label kategorie klasse categorie categoria".split()),
}
BAD |= COLUMNS["licence"] | COLUMNS["author"]
LICENCE = re.compile(  # tells the column of licences in a table without a header
    r"(cc[ -]?)?(0|zero|pdm?|by(-nc)?(-sa|-nd)?)([ -]?\d\.\d)?([ -][a-z]{2,9})?|cc|public[ -]?domain( mark)?( 1\.0)?|all rights reserved"
    r"|https?://creativecommons\.org/(licenses|licences|publicdomain)/\S*",
    re.IGNORECASE,
)
BINARY = {  # unsupported formats by their first bytes
    b"SQLite format 3": "an SQLite database",
    b"ARROW1": "an Arrow file",
    b"FEA1": "a Feather file",
    b"\x89HDF": "an HDF5 file",
    b"\x80\x04\x95": "a pickle",
    b"\x80\x05\x95": "a pickle",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"\xd0\xcf\x11\xe0": "an Excel sheet",
    b"\x93NUMPY": "a NumPy array",
    b"%PDF": "a PDF",
    b"{\\rtf": "an RTF document",
}
ARCHIVES = {  # the same of archives and compressed files, and the cure
    b"Rar!": "a RAR archive, which is not read: unpack it and give the folder",
    b"7z\xbc\xaf": "a 7z archive, which is not read: unpack it and give the folder",
    b"MSCF": "a CAB archive, which is not read: unpack it and give the folder",
    b"(\xb5/\xfd": "a zstd file, which is not read: unpack it first",
    b"\x04\x22\x4d\x18": "an LZ4 file, which is not read: unpack it first",
    b"]\0\0": "an LZMA file, which is not read: unpack it first",
    b"\x1f\x9d": "a file of `compress`, which is not read: unpack it first",
    b"PK\x03\x04": "a damaged zip archive: download it again",  # a whole one would have been unpacked
}
WIDE_DELIMITERS = ("::", "##", "@@", "$$", "-->")  # multi-character delimiters, replaced by NARROW
NARROW = "\x1f"


def means_url(name: str) -> bool:
    """Whether a column's name, or a label before a colon, announces a URL."""
    return bool(set(_words(name)) & URL)


def read_table_rows(path: Path) -> Iterator[dict[str, str]] | None:
    """Read a table's rows: the fields url, page, author, licence and category, where present. None if it is not a table.

    Raises click.ClickException for unsupported table formats.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith(b"PAR1"):
        return _by_columns(*parquet_table(path))
    for start, cure in ARCHIVES.items():
        if head.startswith(start):
            raise click.ClickException(f"{path} is {cure}.")
    if (name := sniff(head)) in FORMATS:
        raise click.ClickException(f"{path} is a picture ({name}): give the folder that holds it.")
    for start, name in BINARY.items():
        if head.startswith(start):
            raise click.ClickException(f"{path} is {name}, which is not read: save it as CSV, JSON Lines or Parquet.")
    with open_text(path) as text:
        sample = text.read(SAMPLE_CHARS)
    if sample.lstrip()[:1] in ("[", "{") and (found := json_table(path, sample)):
        return _by_columns(*found)
    if re.match(r"\s*<(?!https?:)", sample):
        raise click.ClickException(
            f"{path} is HTML or XML, which is not read: give a list of its pictures' URLs, one a line."
        )
    return _delimited(path, sample)


def _delimited(path: Path, sample: str) -> Iterator[dict[str, str]] | None:
    """Read a CSV with any delimiter, with or without a header; None if it is not one."""
    if MARKDOWN.search(sample):
        return None
    found: list[tuple[bool, bool, int, int, str, bool]] = []
    skipped = _lines_before(sample)
    sample = "".join(sample.splitlines(keepends=True)[skipped:])
    wide = next(
        (mark for mark in WIDE_DELIMITERS if all(mark in line for line in sample.splitlines()[:SAMPLE])), NARROW
    )
    sample = sample.replace(wide, NARROW)
    for order, delimiter in enumerate(DELIMITERS):
        try:
            rows = [row for row in csv.reader(io.StringIO(sample), delimiter=delimiter) if row]
        except csv.Error:
            rows = [row for row in csv.reader(sample.splitlines()[:1], delimiter=delimiter) if row]
        rows = (rows[:-1] if len(sample) == SAMPLE_CHARS else rows)[: SAMPLE + 1]
        if rows and (width := _is_table(rows)):
            even = sum(len(row) >= width for row in rows) >= 0.8 * len(rows)
            header = not any(is_url(cell.strip()) for cell in rows[0])
            if delimiter != " " or (even and header):
                found.append((width > 1, even, width, -order, delimiter, header))
    if not found:
        return None
    *_, delimiter, header = max(found)

    def rows_of() -> Iterator[Cells]:
        with open_text(path) as file:
            for _ in range(skipped):
                file.readline()
            lines = (line.replace(wide, NARROW) for line in file) if delimiter == NARROW else file
            reader = csv.reader(lines, delimiter=delimiter)
            end = re.escape(delimiter)
            swallowed = re.compile(
                rf"\n(https?://[^\s{end}]+{end}|[^\n]*{end}\s*https?://)"
            )  # line breaks inside a cell
            for row in reader:
                if any(swallowed.search(cell) for cell in row):
                    raise click.ClickException(
                        f"{path} has a quotation mark that is not closed before line {reader.line_num + skipped}: close or remove it."
                    )
                yield row

    rows_iterator = rows_of()
    names = next(row for row in rows_iterator if row) if header else None
    return _by_columns(names, rows_iterator, delimiter)


def _lines_before(sample: str) -> int:
    """The number of lines before the header or first row: Excel's sep=, comments, a title, empty lines."""
    lines = sample.splitlines()[:PREFACE]
    for number, line in enumerate(lines):
        if "://" in line:
            break
        if means_url(line) and any(delimiter in line for delimiter in DELIMITERS[:-1]):
            return number
    return next((i for i, line in enumerate(lines) if not re.match(r"sep=|#|\s*$", line, re.IGNORECASE)), 0)


def _is_table(rows: list[list[str]]) -> int:
    """The number of columns if the rows form a table with a URL column, else 0."""
    first, body = rows[0], rows[1:]
    if not any("://" in cell for cell in first):  # a header?
        named = any(map(means_url, first)) or any(_words(name) == ["image"] for name in first)
        fits = named or sum(len(row) >= len(first) for row in body) >= 0.8 * len(body)
        found = _url_column(first, body) is not None
        return len(first) if fits and (found if len(first) > 1 else named) else 0
    width, count = Counter(map(len, rows)).most_common(1)[0]
    column = _url_column(None, rows)
    if width < 2 or count < 0.8 * len(rows) or column is None:
        return 0
    if width == 2 and column == 1:  # <id> <url>, as in ImageNet's lists
        return 2 if are_ids([row[0] for row in rows]) else 0
    if sum(sum(shows_picture(cell.strip()) for cell in row) > 1 for row in rows) > 0.5 * len(
        rows
    ):  # several URLs per line
        return 0
    clean = sum(shows_picture(row[column]) for row in rows if len(row) > column)
    return width if column or clean >= 0.8 * len(rows) else 0  # otherwise the delimiters are parts of URLs


def _by_columns(names: Sequence[str] | None, rows: Iterable[Cells], delimiter: str = "") -> Iterator[dict[str, str]]:
    """Yield each row's fields, with columns recognised by name and content."""
    rows = iter(rows)
    sample = [row for row in islice(rows, SAMPLE) if row]
    url = _url_column(names, sample)
    if url is None:
        return
    fields = {"url": url} | (_other_columns(names, url, sample) if names else _licence_column(sample))
    last = len(names) - 1 if names else -1
    for cells in chain(sample, rows):
        if not cells:
            continue
        if names and len(cells) > len(names) and url == last:  # an unquoted URL contains the delimiter
            cells = [*cells[:last], delimiter.join(cells[last:])]
        row = {field: cells[column].strip() if column < len(cells) else "" for field, column in fields.items()}
        several = NEXT_URL.split(row["url"])
        yield from ({**row, "url": one} for one in several) if all(map(shows_picture, several)) else (row,)


def _url_column(names: Sequence[str] | None, rows: Sequence[Cells]) -> int | None:
    """The column of picture URLs, as opposed to URLs of pages or authors; None if there is none."""
    best: tuple[float, int] | None = None
    for column in range(max(map(len, rows), default=len(names or ()))):
        cells = [row[column].strip() for row in rows if column < len(row) and row[column].strip()]
        words = _words(names[column]) if names and column < len(names) else []
        if not (sum(map(is_url, cells)) > 0.3 * len(cells) if cells else set(words) & URL):
            continue
        score = 4 * sum(map(shows_picture, cells)) / max(1, len(cells))
        score += 3 * (words in (["url"], ["image", "url"])) + bool(set(words) & URL) + 2 * bool(set(words) & GOOD)
        score -= 5 * bool(set(words) & BAD)
        if best is None or score > best[0]:
            best = score, column
    return best[1] if best else None


def _other_columns(names: Sequence[str], url: int, rows: Sequence[Cells]) -> dict[str, int]:
    """The columns of licence, author, page and category; of several candidates, the one whose name has the fewest words."""
    found: dict[str, int] = {}
    for field, meant in COLUMNS.items():
        columns = [i for i, name in enumerate(names) if i != url and set(_words(name)) & meant]
        if field in ("author", "category"):  # excludes URLs of the author's page or picture
            columns = [i for i in columns if not any(is_url(row[i].strip()) for row in rows[:9] if i < len(row))]
        if columns:
            found[field] = min(columns, key=lambda i: (len(_words(names[i])), i))
    return found


def _licence_column(rows: Sequence[Cells]) -> dict[str, int]:
    """The column of licences in a table without a header: most of its cells look like one."""
    for column in range(max(map(len, rows))):
        cells = [cell for row in rows if column < len(row) and (cell := row[column].strip())]
        known = [cell for cell in cells if LICENCE.fullmatch(cell)]
        if 2 * len(known) > len(cells) and not all(map(str.isdigit, known)):
            return {"licence": column}
    return {}


def _words(name: str) -> list[str]:
    """Split a column name into lower-case words without accents: photo_image_url, OriginalLandingURL, Catégorie."""
    name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def are_ids(words: list[str]) -> bool:
    """Whether the words are picture ids rather than categories: at least five, all different."""
    return len(words) >= 5 and len(set(words)) == len(words) and not any(re.match(r"n\d{8}_", word) for word in words)
