"""The tables beside pictures that say how each was made, a JSON object per line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

SAMPLES_TABLE, SAMPLES_OPTIONS = "samples.jsonl", "samples.json"  # what `sample` writes beside its pictures
RELEASE_TABLE = "images.jsonl"  # what `publish` writes into a release, which may be a folder of samples again
TABLES = (RELEASE_TABLE, SAMPLES_TABLE)
MADE = ("seed", "truncation", "model", "scores", "names")  # what is known of how a picture came about


def read_rows(samples: Path) -> dict[Path, dict[str, Any]]:
    """What is known of each picture from the tables of `sample`, `curate` and `publish`, in the folder or its categories.

    Other files are none of our business, whatever their suffix. Raises click.ClickException for a damaged table.
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
