"""RUN/stats.jsonl, one row per snapshot: read, write, choose the best, stop early, detect overfitting."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from generate.images import write_text
from generate.training.augment import R_T_TARGET

MAX_COPIES = 0.05  # share of samples; a snapshot with more copies of training pictures can't be the best
Row = dict[str, float]


def read_rows(run: Path, step: float = math.inf) -> list[Row]:
    """Read the rows up to that step. A run that continues from an earlier snapshot rewrites the later ones."""
    path = run / "stats.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [row for row in rows if row["step"] <= step]


def write_rows(run: Path, rows: Sequence[Row]) -> None:
    """Write all rows, rounded to five digits."""
    lines = [json.dumps({name: round(value, 5) for name, value in row.items()}) + "\n" for row in rows]
    write_text(run / "stats.jsonl", "".join(lines))


def best_row(rows: Sequence[Row]) -> Row:
    """Return the row with the lowest Frechet distance among those with few copies of training pictures.

    Uses Inception's distance if it was measured. Without any distance, returns the newest row.
    """
    measured = [row for row in rows if "frechet" in row]
    original = [row for row in measured if row.get("copies", 0) <= MAX_COPIES]
    return min(original or measured, key=lambda row: row.get("fid", row["frechet"]), default=rows[-1])


def has_stopped_improving(rows: Sequence[Row], patience: int) -> bool:
    """True if none of the last `patience` snapshots was the best."""
    return len(rows) > patience and all(row is not best_row(rows) for row in rows[-patience:])


def is_out_of_time(rows: Sequence[Row], seconds: float, hours: float) -> bool:
    """True if the snapshots so far and `seconds` since the last one took `hours` together."""
    return (rows[-1].get("seconds", 0.0) if rows else 0.0) + seconds >= 3600 * hours


def overfitting_advice(rows: Sequence[Row], discriminator: str) -> str:
    """Return a sentence on what to do about overfitting, empty if the newest row shows none."""
    row = rows[-1]
    if row.get("copies", 0) > MAX_COPIES:
        return (
            f"{row['copies']:.0%} of the samples are copies of training pictures, so this snapshot is not kept as the best: "
            "collect more pictures, or stop here and use generator.safetensors."
        )
    if discriminator == "lightweight" and row["r_t"] > R_T_TARGET:
        return (
            f"r_t is {row['r_t']:.2f}: above {R_T_TARGET} the discriminator is memorizing the training pictures. "
            "Start another RUN with --adaptive or more pictures."
        )
    return ""
