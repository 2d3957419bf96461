"""Read the tables beside pictures that record how each was made: JSON Lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

SAMPLES_TABLE, SAMPLES_OPTIONS = "samples.jsonl", "samples.json"  # written by `sample` beside its pictures
RELEASE_TABLE = "images.jsonl"  # written by `publish` into a release, which may be read as a folder of samples
TABLES = (RELEASE_TABLE, SAMPLES_TABLE)
MADE = ("seed", "truncation", "model", "scores", "names")  # fields that record how a picture was made


def read_rows(samples: Path) -> dict[Path, dict[str, Any]]:
    """Read the tables of `sample`, `curate` and `publish` in the folder and its categories, by picture path.

    Ignores all other files. Raises click.ClickException if a table is damaged.
    """
    rows = {}
    for table in (path for name in TABLES for path in (samples / name, *samples.glob(f"*/{name}")) if path.is_file()):
        for number, line in enumerate(table.read_bytes().splitlines(), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                rows[table.parent / row["file"]] = {name: row[name] for name in MADE if name in row}
            except (ValueError, KeyError, TypeError):
                raise click.ClickException(
                    f"{table}, line {number} is not a JSON object with a 'file': correct that line, or delete the "
                    "table: the pictures then have no seeds and scores."
                ) from None
    return rows
