"""What a training run reports at each snapshot, a row in RUN/stats.jsonl, and which of the snapshots is the best."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from generate.images import write_text
from generate.training.augment import R_T_TARGET

COPIES = 0.05  # share of the samples: a snapshot with more near-copies of training pictures than that is not the best
Row = dict[str, float]


def read_rows(run: Path, step: float = math.inf) -> list[Row]:
    """The rows up to that step: a run that goes on from an earlier snapshot reports the later ones anew."""
    path = run / "stats.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [row for row in rows if row["step"] <= step]


def write_rows(run: Path, rows: Sequence[Row]) -> None:
    """Write them all, rounded to what anybody reads."""
    lines = [json.dumps({name: round(value, 5) for name, value in row.items()}) + "\n" for row in rows]
    write_text(run / "stats.jsonl", "".join(lines))


def best_row(rows: Sequence[Row]) -> Row:
    """The lowest Frechet distance among those with few copies, for on few pictures a long run comes to copy them.

    Inception's where that was measured; where nothing was, the newest.
    """
    measured = [row for row in rows if "frechet" in row]
    honest = [row for row in measured if row.get("copies", 0) <= COPIES]
    return min(honest or measured, key=lambda row: row.get("fid", row["frechet"]), default=rows[-1])


def is_over(rows: Sequence[Row], patience: int) -> bool:
    """Whether the last `patience` snapshots all brought nothing better."""
    return len(rows) > patience and all(row is not best_row(rows) for row in rows[-patience:])


def overfitting_advice(rows: Sequence[Row], discriminator: str) -> str:
    """What to do about overfitting, in a sentence; empty where the newest row shows none."""
    row = rows[-1]
    if row.get("copies", 0) > COPIES:
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
