"""Choose the file name of each picture of a list or a search, also where the list has changed since.

rows = plan_rows([], [Row("", url="https://...")], [], None, "urls.txt", Path("photos"))
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import click

from generate.collecting.provenance import KEPT, Row

LONGEST = 200  # bytes of a folder's name; file systems have 255


def plan_rows(
    before: list[Row], found: list[Row], outcomes: list[Row], limit: int | None, source: str, dest: Path
) -> list[Row]:
    """The rows with the path of each picture: the folder of its category, then its number.

    Of a list that was changed since the plan `before`, what is in it still keeps its number, and what was kept stays; new
    rows are numbered after all others. Raises click.ClickException where that would be more than `limit` allows.
    """
    planned = {row.url: row for row in before}
    if before and limit and any(row.url not in planned for row in found):
        raise click.ClickException(
            f"{source} has changed since {dest} was collected, and other pictures are among the {limit:,} now: choose another DEST."
        )
    wanted = {row.url for row in found}
    stay = [row for row, done in zip(before, outcomes, strict=True) if row.url in wanted or done.status == KEPT]
    free = max((int(row.file.rpartition("/")[2]) for row in before if row.file), default=-1) + 1
    new = [row for row in found if row.url not in planned]
    return stay + [
        row if row.status else replace(row, file=f"{_folder(row.category)}{number:06}")
        for number, row in enumerate(new, start=free)
    ]


def _folder(category: str) -> str:
    """A category as a folder name: no path separators, not hidden, not too long, valid on every system."""
    name = re.sub(r'[/\\:*?"<>|\x00-\x1f]+', "-", category).strip(" .-")
    name = name.encode()[:LONGEST].decode(errors="ignore").strip(" .-")
    return f"{name}/" if name else ""
