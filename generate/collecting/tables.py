"""Tables of picture URLs in whatever form people have them: CSV, TSV, JSON, JSON Lines, Parquet; their columns by name and content.

python -c "from generate.collecting.tables import *; print(next(read_table_rows(Path('photos.tsv'))))"
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import click

from generate.formats import SUFFIXES

SAMPLE = 100  # rows by which columns are recognised
SAMPLE_CHARS = 1 << 16
DELIMITERS = "\t;|,"
GOOD = {"image", "img", "picture", "original", "download", "media", "src", "content", "full", "jpg", "file"}
URL = {"url", "uri", "link", "href", "urls"}
BAD = set(
    "page landing author profile user owner licence license thumbnail thumb preview small source website homepage".split()
)
BAD |= {"avatar", "creator", "photographer", "logo", "web", "site"}
COLUMNS = {  # a row's fields, by words in the names of columns that hold them
    "licence": {"licence", "license"},
    "author": {"author", "creator", "photographer", "artist"},
    "page": {"page", "landing"},
    "category": {"category", "class", "label"},
}
BINARY = {  # the first bytes of what people store tables in, and what it is called
    b"SQLite format 3": "an SQLite database",
    b"ARROW1": "an Arrow file",
    b"FEA1": "a Feather file",
    b"\x89HDF": "an HDF5 file",
    b"\x80\x04\x95": "a pickle",
    b"\x80\x05\x95": "a pickle",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"\xd0\xcf\x11\xe0": "an Excel sheet",
    b"\x1f\x8b": "",  # gzip under another name
    b"(\xb5/\xfd": "a zstd file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
}

Cells = Sequence[str]


def is_url(text: str) -> bool:
    """Whether it is an http or https URL."""
    return text.lower().startswith(("http://", "https://"))


def read_table_rows(path: Path) -> Iterator[dict[str, str]] | None:
    """The rows of a table, with those of url, page, author, licence and category that it has; None if it is none but text.

    Raises click.ClickException for formats of tables that are not read.
    """
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"PAR1"):
        return _by_columns(*_parquet(path))
    for start, name in BINARY.items():
        if name and head.startswith(start):
            raise click.ClickException(f"{path} is {name}, which is not read: save it as CSV, JSON Lines or Parquet.")
    with open_text(path) as text:
        sample = text.read(SAMPLE_CHARS)
    if sample.lstrip()[:1] in ("[", "{") and (found := _json(path, sample)):
        return _by_columns(*found)
    if sample.lstrip()[:1] == "<":
        raise click.ClickException(
            f"{path} is HTML or XML, which is not read: give a list of its pictures' URLs, one a line."
        )
    return _delimited(path, sample)


def open_text(path: Path) -> io.TextIOBase:
    """A text file, gzipped if its suffix says so, in UTF-8 or, as Excel writes "Unicode text", in UTF-16."""
    opened: Any = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115  # closed with the text
    start = opened.read(2)
    opened.seek(0)
    encoding = "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return io.TextIOWrapper(opened, encoding, errors="replace", newline="")


def _delimited(path: Path, sample: str) -> Iterator[dict[str, str]] | None:
    """The rows of a CSV with any delimiter, with a header or without."""
    found: list[tuple[int, int, str, bool]] = []
    skipped = sample.partition("\n")[0].lower().startswith("sep=")  # Excel's first line
    sample = sample.partition("\n")[2] if skipped else sample
    for order, delimiter in enumerate(DELIMITERS):
        try:
            rows = [row for row in csv.reader(io.StringIO(sample), delimiter=delimiter) if row]
        except csv.Error:
            rows = [row for row in csv.reader(sample.splitlines()[:1], delimiter=delimiter) if row]
        rows = (rows[:-1] if len(sample) == SAMPLE_CHARS else rows)[: SAMPLE + 1]
        if rows and (width := _is_table(rows)):
            found.append((width, -order, delimiter, not any(is_url(cell.strip()) for cell in rows[0])))
    if not found:
        return None
    _, _, delimiter, header = max(found)

    def rows_of() -> Iterator[Cells]:
        with open_text(path) as file:
            if skipped:
                file.readline()
            yield from csv.reader(file, delimiter=delimiter)

    rows_iterator = rows_of()
    names = next(row for row in rows_iterator if row) if header else None
    return _by_columns(names, rows_iterator, delimiter)


def _is_table(rows: list[list[str]]) -> int:
    """How many columns the rows have, if they are a table with a column of URLs; else 0."""
    first, body = rows[0], rows[1:]
    if not any(is_url(cell.strip()) for cell in first):  # a header?
        urls = any(set(_words(name)) & URL for name in first) or any(_words(name) == ["image"] for name in first)
        fits = sum(len(row) >= len(first) for row in body) >= 0.8 * len(body)
        return len(first) if fits and (urls or (len(first) > 1 and _url_column(first, body) is not None)) else 0
    width, count = Counter(map(len, rows)).most_common(1)[0]
    column = _url_column(None, rows)
    if width < 2 or count < 0.8 * len(rows) or column is None:
        return 0
    if width == 2 and column == 1:  # <category> <url>, ImageNet's
        return 2 if are_ids([row[0] for row in rows]) else 0
    clean = sum(shows_picture(row[column]) for row in rows if len(row) > column)
    return width if column or clean >= 0.8 * len(rows) else 0  # else the delimiters are parts of URLs


def _by_columns(names: Sequence[str] | None, rows: Iterable[Cells], delimiter: str = "") -> Iterator[dict[str, str]]:
    """The fields of each row, by what the columns are called and what is in them."""
    rows = iter(rows)
    sample = [row for row in islice(rows, SAMPLE) if row]
    url = _url_column(names, sample)
    if url is None:
        return
    fields = {"url": url} | (_other_columns(names, url, sample) if names else {})
    last = len(names) - 1 if names else -1
    for cells in chain(sample, rows):
        if not cells:
            continue
        if names and len(cells) > len(names) and url == last:  # a delimiter in a URL without quotes
            cells = [*cells[:last], delimiter.join(cells[last:])]
        yield {field: cells[column].strip() if column < len(cells) else "" for field, column in fields.items()}


def _url_column(names: Sequence[str] | None, rows: Sequence[Cells]) -> int | None:
    """The column that holds the pictures' URLs, not those of pages or authors; None if there is none."""
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
    """Which column is the licence, the author, the page and the category; the plainest name where several could be."""
    found: dict[str, int] = {}
    for field, meant in COLUMNS.items():
        columns = [i for i, name in enumerate(names) if i != url and set(_words(name)) & meant]
        if field in ("author", "category"):  # not the author's page or picture
            columns = [i for i in columns if not any(is_url(row[i].strip()) for row in rows[:9] if i < len(row))]
        if columns:
            found[field] = min(columns, key=lambda i: (len(_words(names[i])), i))
    return found


def _words(name: str) -> list[str]:
    """photo_image_url and OriginalLandingURL in lower-case words."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def shows_picture(url: str) -> bool:
    """Whether the path of a URL ends like a picture's."""
    try:
        return is_url(url) and PurePosixPath(urlsplit(url.strip()).path).suffix.lower() in SUFFIXES
    except ValueError:
        return False


def are_ids(words: list[str]) -> bool:
    """Whether the words are ids of pictures and not their categories: all are different, and they are many."""
    return len(words) >= 5 and len(set(words)) == len(words) and not any(re.match(r"n\d{8}_", word) for word in words)


def _json(path: Path, sample: str) -> tuple[list[str], Iterator[Cells]] | None:
    """The objects of a JSON file, a list or one a line, as a table; None for text that only looks like JSON."""
    try:
        json.loads(sample.partition("\n")[0])
        lines = "\n" in sample.strip()
    except (ValueError, RecursionError):
        lines = False

    def entries() -> Iterator[Any]:
        with open_text(path) as file:
            if not lines:
                yield from _entries(json.load(file))
                return
            for line in file:
                try:
                    yield json.loads(line) if line.strip() else {}
                except (ValueError, RecursionError):
                    yield line.strip()

    try:
        iterator = map(_named, entries())
        first = list(islice(iterator, SAMPLE))
    except (ValueError, RecursionError) as error:
        if ".json" not in path.name.lower():
            return None
        raise click.ClickException(f"{path} can't be read as a list of URLs: it is not JSON ({error}).") from None
    names = list(dict.fromkeys(name for entry in first if isinstance(entry, dict) for name in entry)) or ["url"]
    if not any(isinstance(entry, dict) for entry in first):
        names = ["url"]
    return names, ([_cell(entry, name, names) for name in names] for entry in chain(first, iterator) if entry)


def _entries(data: Any) -> list[Any]:
    """The objects or URLs in a JSON value: of COCO's annotations, those of its images."""
    if isinstance(data, dict):
        lists = [value for value in data.values() if isinstance(value, list) and "http" in json.dumps(value[:3])]
        return lists[0] if lists else list(data.values()) if all(isinstance(v, dict) for v in data.values()) else [data]
    return data if isinstance(data, list) else [data]


def _named(entry: Any) -> Any:
    """A list in a list as an object, with numbers for names."""
    return {str(column): value for column, value in enumerate(entry)} if isinstance(entry, list) else entry


def _cell(entry: Any, name: str, names: list[str]) -> str:
    value = entry.get(name, "") if isinstance(entry, dict) else entry if name == names[0] else ""
    return value if isinstance(value, str) else ""


def _parquet(path: Path) -> tuple[list[str], Iterator[Cells]]:
    """The columns of text of a Parquet file."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise click.ClickException(
            f"{path} is a Parquet file: pip install -r generate/requirements-collect.txt, which can read it, or save it as CSV."
        ) from None
    try:
        file = parquet.ParquetFile(path)
        names = [
            field.name for field in file.schema_arrow if str(field.type) in ("string", "large_string", "string_view")
        ]
    except (pyarrow.ArrowException, OSError) as error:
        raise click.ClickException(f"{path} is a damaged Parquet file ({error}): download it again.") from None

    def rows() -> Iterator[Cells]:
        for batch in file.iter_batches(1000, columns=names):
            for row in batch.to_pylist():
                yield [row[name] or "" for name in names]

    return names, rows()
