"""Read JSON, JSON Lines and Parquet as tables: the names of the columns, and the rows.

python -c "from generate.collecting.records import *; print(parquet_table(Path('photos.parquet'))[0])"
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import click

from generate.collecting.opening import SAMPLE, Cells, is_url, open_text, shows_picture


def json_table(path: Path, sample: str) -> tuple[list[str], Iterator[Cells]] | None:
    """Read JSON or JSON Lines as a table; None for text that only looks like JSON."""
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
            for line in filter(str.strip, file):
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError):
                    yield line.strip()

    try:
        iterator = (row for entry in entries() for row in _rows_of(entry))
        first = list(islice(iterator, SAMPLE))
    except (ValueError, RecursionError) as error:
        if ".json" not in path.name.lower():
            return None
        raise click.ClickException(f"{path} can't be read as a list of URLs: it is not JSON ({error}).") from None
    names = list(dict.fromkeys(name for entry in first if isinstance(entry, dict) for name in entry)) or ["url"]
    if not any(isinstance(entry, dict) for entry in first):
        names = ["url"]
    return names, ([_cell(entry, name, names) for name in names] for entry in chain(first, iterator))


def _entries(data: Any) -> list[Any]:
    """Find the list of objects or URLs in a JSON value at any depth; in COCO annotations, the images.

    If an object holds several lists of pictures, their keys are the categories. If an object's keys are URLs, its values are.
    """
    if not isinstance(data, dict):
        return data if isinstance(data, list) else [data]
    if data and all(map(is_url, data)):
        return [
            {"url": url} | (value if isinstance(value, dict) else {"category": value}) for url, value in data.items()
        ]
    lists = {name: value for name, value in data.items() if isinstance(value, list) and "http" in json.dumps(value[:3])}
    lists = {name: value for name, value in lists.items() if any(map(shows_picture, _texts(value[:3])))} or lists
    if len(lists) == 1:
        return next(iter(lists.values()))
    if lists:
        return [{"category": name} | _as_object(entry) for name, value in lists.items() for entry in value]
    inner = [value for value in data.values() if isinstance(value, dict) and "http" in json.dumps(value)]
    if len(inner) == 1 and len(inner) == sum(isinstance(value, (dict, list)) for value in data.values()):
        return _entries(inner[0])
    values = list(data.values())
    if len(values) > 1 and all(
        isinstance(value, str) and shows_picture(value) for value in values
    ):  # an object that maps ids to URLs
        return values
    return values if all(isinstance(value, dict) for value in values) else [data]


def _as_object(entry: Any) -> dict[str, Any]:
    return entry if isinstance(entry, dict) else {"url": entry}


def _texts(value: Any) -> Iterator[str]:
    """Yield all strings in a JSON value."""
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _rows_of(entry: Any) -> Iterator[Any]:
    """Flatten an entry to rows: list columns are numbered, nested keys joined (src.original), URL lists split into rows."""
    if isinstance(entry, list):
        entry = {str(column): value for column, value in enumerate(entry)}
    if not isinstance(entry, dict):
        yield entry
        return
    flat = dict(_flat(entry))
    several = [name for name, value in flat.items() if isinstance(value, list) and any(map(is_url, _texts(value)))]
    if several and not any(shows_picture(value) for value in flat.values() if isinstance(value, str)):
        name = several[0]
        for value in flat[name]:
            yield dict(_flat({**flat, name: value}))
    else:
        yield flat


def _flat(entry: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in entry.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _cell(entry: Any, name: str, names: list[str]) -> str:
    value = entry.get(name, "") if isinstance(entry, dict) else entry if name == names[0] else ""
    return value if isinstance(value, str) else ""


def parquet_table(path: Path) -> tuple[list[str], Iterator[Cells]]:
    """Read the text columns of a Parquet file."""
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
        raise click.ClickException(
            f"{path} is a damaged Parquet file ({' '.join(str(error).split())}): download it again."
        ) from None

    def rows() -> Iterator[Cells]:
        for batch in file.iter_batches(1000, columns=names):
            for row in batch.to_pylist():
                yield [row[name] or "" for name in names]

    return names, rows()
