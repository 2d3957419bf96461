"""The tables beside pictures: a line of JSON for each, with its file, seed, truncation, model and scores."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import click

SAMPLES_TABLE, SAMPLES_OPTIONS = "samples.jsonl", "samples.json"  # what `sample` writes beside its pictures
MADE = ("seed", "truncation", "model", "scores")  # how a picture was made


def read_rows(samples: Path) -> dict[Path, dict[str, Any]]:
    """The fields MADE of each picture, from the tables in the folder and its categories that `sample` and `curate` wrote."""
    rows = {}
    for table in chain(samples.glob("*.jsonl"), samples.glob("*/*.jsonl")):
        for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                row = json.loads(line)
                rows[table.parent / row["file"]] = {name: row[name] for name in MADE if name in row}
            except (ValueError, KeyError, TypeError):
                raise click.ClickException(
                    f"{table}, line {number} is not a JSON object with a 'file': mend or delete that table."
                ) from None
    return rows
